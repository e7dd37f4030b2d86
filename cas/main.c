/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sconce-cas: options, then server_run(). Started by people through `sconce cas
 * start`, which puts it into an enclave.
 */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cas/http.h"
#include "cas/secret_memory.h"
#include "cas/server.h"
#include "lib/string.h"

enum { EXIT_USAGE = 2, RATE = 2000, BURST = 4000 };

static const char usage[] =
	"usage: sconce-cas --state DIR --collateral DIR [OPTIONS]\n"
	"\n"
	"The configuration and attestation service. `sconce cas start` runs\n"
	"it in an enclave.\n"
	"\n"
	"  --state DIR            folder of the database and the sealed key\n"
	"  --collateral DIR       what evidence is judged with: a folder of\n"
	"                         `sconce collateral fetch` or `sconce las`, "
	"or\n"
	"                         a folder of such folders\n"
	"  --witness KEY          hash of a witness's key; an odd number of "
	"them\n"
	"  --owner KEY            hash of the only key that may provision it\n"
	"  --emulated             also judge emulated platforms by "
	"root_ca.pem\n"
	"                         of their folders; policies must allow them\n"
	"  --native               run without an enclave: for development, as\n"
	"                         nothing is protected from this machine\n"
	"  --host                 what follows comes from the operator: only "
	"the\n"
	"                         options below, which decide about no secret\n"
	"  --listen ADDR:PORT     for people (default 127.0.0.1:8081)\n"
	"  --enclaves ADDR:PORT   for services (default 127.0.0.1:18765)\n"
	"  --witness-at KEY=ADDR:PORT  where a witness is\n"
	"  --recover              without its key: wait for recovery shares\n"
	"  --join ADDR:PORT=KEY   take over from the CAS with that key, at "
	"its\n"
	"                         port for enclaves\n"
	"  --restore FILE         copy of the database to begin with\n"
	"  --permit JSON          what the owner signed for this start\n"
	"  --rate N               requests a second for each client (2000; 0:\n"
	"                         any)\n"
	"  --ready FILE           written when it can be used: key and ports\n"
	"  --openapi              print the description of the API\n"
	"  --version, --help\n";

enum choice {
	OPT_STATE = 256,
	OPT_COLLATERAL,
	OPT_LISTEN,
	OPT_ENCLAVES,
	OPT_WITNESS,
	OPT_WITNESS_AT,
	OPT_HOST,
	OPT_OWNER,
	OPT_EMULATED,
	OPT_RATE,
	OPT_RECOVER,
	OPT_RESTORE,
	OPT_JOIN,
	OPT_PERMIT,
	OPT_NATIVE,
	OPT_READY,
	OPT_OPENAPI,
	OPT_VERSION,
	OPT_HELP,
};

static const struct option options[] = {
	{"state", required_argument, NULL, OPT_STATE},
	{"collateral", required_argument, NULL, OPT_COLLATERAL},
	{"listen", required_argument, NULL, OPT_LISTEN},
	{"enclaves", required_argument, NULL, OPT_ENCLAVES},
	{"witness", required_argument, NULL, OPT_WITNESS},
	{"witness-at", required_argument, NULL, OPT_WITNESS_AT},
	{"host", no_argument, NULL, OPT_HOST},
	{"owner", required_argument, NULL, OPT_OWNER},
	{"emulated", no_argument, NULL, OPT_EMULATED},
	{"recover", no_argument, NULL, OPT_RECOVER},
	{"join", required_argument, NULL, OPT_JOIN},
	{"restore", required_argument, NULL, OPT_RESTORE},
	{"permit", required_argument, NULL, OPT_PERMIT},
	{"rate", required_argument, NULL, OPT_RATE},
	{"native", no_argument, NULL, OPT_NATIVE},
	{"ready", required_argument, NULL, OPT_READY},
	{"openapi", no_argument, NULL, OPT_OPENAPI},
	{"version", no_argument, NULL, OPT_VERSION},
	{"help", no_argument, NULL, OPT_HELP},
	{0},
};

static int add_witness(
	struct server_options *o, const char *text, struct err *e)
{
	struct witness_address *w = &o->witness[o->witnesses];

	if (o->witnesses == WITNESS_MAX)
		return err_setf(
			e, -EINVAL, "--witness: more than %d", WITNESS_MAX);
	if (!string_from_hex(text, w->key, sizeof(w->key)))
		return err_setf(e, -EINVAL,
			"--witness %s: wanted the 64 hexadecimal digits that "
			"`sconce witness` prints",
			text);
	o->witnesses++;
	return 0;
}

static int place_witness(
	struct server_options *o, const char *text, struct err *e)
{
	char hex[2 * WITNESS_HASH_SIZE + 1];
	uint8_t key[WITNESS_HASH_SIZE];

	snprintf(hex, sizeof(hex), "%s", text);
	if (!string_from_hex(hex, key, sizeof(key)) ||
		text[sizeof(hex) - 1] != '=')
		return err_setf(e, -EINVAL,
			"--witness-at %s: wanted KEY=ADDRESS:PORT", text);
	for (unsigned i = 0; i < o->witnesses; i++) {
		struct witness_address *w = &o->witness[i];

		if (memcmp(w->key, key, sizeof(key)) == 0)
			return string_copy(w->address, sizeof(w->address),
				       text + sizeof(hex))
				? err_setf(e, -EINVAL, "--witness-at: too long")
				: 0;
	}
	return err_setf(
		e, -EINVAL, "--witness-at %s: no --witness has that key", text);
}

static int read_rate(struct server_options *o, const char *text, struct err *e)
{
	char *end;

	errno = 0;
	o->rate = strtoull(text, &end, 10);
	o->burst = 2 * o->rate;
	return errno || end == text || *end || *text == '-' || o->rate > 1000000
		? err_setf(e, -EINVAL, "--rate %s: wanted 0 to 1000000", text)
		: 0;
}

static int openapi(void)
{
	struct buf out = {0};
	int ret = http_openapi(&out);

	if (!ret)
		fwrite(out.data, 1, out.size, stdout);
	buf_fini(&out);
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* 0; -ENOENT: it was something that is done already, *status. */
static int take(
	struct server_options *o, int option, int *status, struct err *e)
{
	switch (option) {
	case OPT_STATE:
		o->state = optarg;
		return 0;
	case OPT_COLLATERAL:
		o->collateral = optarg;
		return 0;
	case OPT_LISTEN:
		o->listen = optarg;
		return 0;
	case OPT_ENCLAVES:
		o->enclave_listen = optarg;
		return 0;
	case OPT_WITNESS:
		return add_witness(o, optarg, e);
	case OPT_WITNESS_AT:
		return place_witness(o, optarg, e);
	case OPT_HOST:
		return 0;
	case OPT_OWNER:
		o->has_owner = string_from_hex(
			optarg, o->owner, sizeof(o->owner));
		return o->has_owner
			? 0
			: err_setf(e, -EINVAL,
				  "--owner %s: wanted 64 hexadecimal digits",
				  optarg);
	case OPT_EMULATED:
		o->emulated = true;
		return 0;
	case OPT_RATE:
		return read_rate(o, optarg, e);
	case OPT_RECOVER:
		o->recover = true;
		return 0;
	case OPT_JOIN:
		o->join = optarg;
		return 0;
	case OPT_RESTORE:
		o->restore = optarg;
		return 0;
	case OPT_PERMIT:
		o->permit = optarg;
		return 0;
	case OPT_NATIVE:
		o->native = true;
		return 0;
	case OPT_READY:
		o->ready = optarg;
		return 0;
	case OPT_OPENAPI:
		*status = openapi();
		return -ENOENT;
	case OPT_VERSION:
		puts("sconce-cas " SCONCE_VERSION);
		return -ENOENT;
	case OPT_HELP:
		fputs(usage, stdout);
		return -ENOENT;
	default:
		return err_setf(e, -EINVAL, "see sconce-cas --help");
	}
}

/* Options that the operator may give to a CAS in an enclave: none of them
 * changes what it believes or protects. A copy of the database is judged by
 * key and witnesses, a permit by the owner's signature; a key that came from
 * shares is told in evidence (cas/origin.h). */
static bool is_operators(int option)
{
	return option == OPT_LISTEN || option == OPT_ENCLAVES ||
		option == OPT_WITNESS_AT || option == OPT_RATE ||
		option == OPT_JOIN || option == OPT_RECOVER ||
		option == OPT_RESTORE || option == OPT_PERMIT;
}

static int check(const struct server_options *o, struct err *e)
{
	for (unsigned i = 0; i < o->witnesses; i++)
		if (!o->witness[i].address[0])
			return err_setf(e, -EINVAL,
				"--witness-at: missing for witness %u", i + 1);
	if (!o->state || !o->collateral)
		return err_setf(e, -EINVAL, "%s: missing; see --help",
			o->state ? "--collateral" : "--state");
	if (o->witnesses && o->witnesses % 2 == 0)
		return err_setf(e, -EINVAL,
			"%u witnesses: wanted an odd number, of which more "
			"than half must answer",
			o->witnesses);
	return 0;
}

int main(int argc, char **argv)
{
	static struct server_options o = {.listen = "127.0.0.1:8081",
		.enclave_listen = "127.0.0.1:18765",
		.rate = RATE,
		.burst = BURST};
	int option, ret = 0, status = EXIT_SUCCESS;
	bool host = false;
	struct err e = {0};

	/* First of all: before anything has memory of libcrypto. */
	if (!secret_memory_init()) {
		fprintf(stderr, "sconce-cas: libcrypto was used too early\n");
		return EXIT_FAILURE;
	}
	/* Requests and answers are in its buffers. */
	event_set_mem_functions(
		malloc, secret_memory_resize, secret_memory_wipe);
	while (!ret &&
		(option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (host && option != '?' && !is_operators(option))
			ret = err_setf(&e, -EPERM,
				"%s: not behind --host: the operator does not "
				"decide that",
				argv[optind - 1]);
		else
			ret = take(&o, option, &status, &e);
		host |= option == OPT_HOST;
	}
	if (ret == -ENOENT)
		return status;
	if (!ret && optind < argc)
		ret = err_setf(&e, -EINVAL, "%s: not an option; see --help",
			argv[optind]);
	if (!ret)
		ret = check(&o, &e);
	if (ret) {
		fprintf(stderr, "sconce-cas: %s\n", e.text);
		return EXIT_USAGE;
	}
	ret = server_run(&o, &e);
	if (ret)
		fprintf(stderr, "sconce-cas: %s\n", e.text);
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
