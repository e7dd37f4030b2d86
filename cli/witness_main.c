/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sconce-witness: `sconce witness`. Remembers the heads of CAS's chains, so
 * that old copies of its store are noticed (doc/witness.md). It needs nothing
 * of Sconce around it, and runs in an enclave like any program.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "cas/spki.h"
#include "cas/witness_core.h"
#include "cas/witness_serve.h"
#include "cas/witness_tls.h"
#include "cli/options.h"
#include "cli/write_file.h"
#include "lib/bytes.h"
#include "lib/string.h"

enum {
	FAILED = 125,
	CLUSTERS = 1000,
	CONNECTIONS = 256,
	CONNECTIONS_MAX = 4096,
};

enum witness_option {
	LISTEN,
	STATE,
	KEY,
	CLUSTERS_OPTION,
	CONNECTIONS_OPTION,
	ONLY,
	REPAIR,
	PRINT_KEY,
	OPTIONS,
};

static const struct option_row rows[] = {
	[LISTEN] = {"listen", 'l', "ADDR:PORT", false,
		"where to listen; port 0: any (default 127.0.0.1:18766)"},
	[STATE] = {"state", 's', "DIR", false,
		"what it remembers; made if need be, 1 KiB for a cluster"},
	[KEY] = {"key", 'k', "FILE", false,
		"its key, PEM, Ed25519 or P-256 (default DIR/key.pem, made)"},
	[CLUSTERS_OPTION] = {"clusters", 0, "N", false,
		"remember N at most (default 1000, up to 65536)"},
	[CONNECTIONS_OPTION] = {"connections", 0, "N", false,
		"N at a time at most (default 256)"},
	[ONLY] = {"only", 0, "CLUSTER", true,
		"let this cluster in (64 hex digits), and no others"},
	[REPAIR] = {"repair", 0, NULL, false,
		"start although the state is damaged: as an old copy"},
	[PRINT_KEY] = {"print-key", 0, NULL, false,
		"print the hash of its key and end"},
};

static const struct command witness_command = {
	.name = "witness",
	.synopsis = "--state DIR [OPTIONS]",
	.help = "Remembers the heads of the chains of CAS services, so that an "
		"old copy of a\nstore cannot be passed for the present one. A "
		"CAS asks an odd number of\nwitnesses, on machines that do not "
		"fail together, and goes on as long as most\nof them answer. "
		"Runs until SIGTERM.",
	.options = OPTION_BIT(OPTIONS) - 1,
	.more = "It prints the address it listens at and the hash of its key, "
		"by which CAS\nknows it. Never copy DIR back from a backup: "
		"begin with an empty one instead,\nand a new key.",
};

static int number(const char *text, unsigned max, const char *name,
	unsigned *out, struct err *e)
{
	char *end;
	unsigned long v;

	if (text == NULL)
		return 0;
	errno = 0;
	v = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || v < 1 || v > max)
		return err_setf(e, -EINVAL,
			"witness: --%s %s; wanted a number from 1 to %u", name,
			text, max);
	*out = (unsigned)v;
	return 0;
}

/* ---- the key ---- */

static EVP_PKEY *parse_key(const char *path, int fd, struct err *e)
{
	FILE *f = fdopen(fd, "r");
	EVP_PKEY *key = f != NULL ? PEM_read_PrivateKey(f, NULL, NULL, NULL)
				  : NULL;
	char group[32] = "";

	if (f != NULL)
		fclose(f);
	else
		close(fd);
	if (key != NULL && EVP_PKEY_is_a(key, "EC"))
		(void)EVP_PKEY_get_group_name(key, group, sizeof(group), NULL);
	if (key != NULL &&
		(EVP_PKEY_is_a(key, "ED25519") ||
			strcmp(group, "prime256v1") == 0))
		return key;
	EVP_PKEY_free(key);
	err_set(e, -EINVAL, path, "no such key", "a PEM file, Ed25519 or P-256",
		"without --key the witness makes one");
	return NULL;
}

static EVP_PKEY *make_key(const char *path, struct err *e)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	BIO *text = BIO_new(BIO_s_secmem());
	char *data;
	long size;
	int rc = -EIO;

	if (key != NULL && text != NULL &&
		PEM_write_bio_PrivateKey(
			text, key, NULL, NULL, 0, NULL, NULL) == 1) {
		size = BIO_get_mem_data(text, &data);
		umask(077);
		rc = write_file(path, data, (size_t)size, e);
	} else {
		err_setf(e, rc, "witness: libcrypto failed");
	}
	BIO_free(text);
	if (rc == 0)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

static int get_key(const struct options *o, EVP_PKEY **key, struct err *e)
{
	char path[1024];
	int fd, n;

	n = snprintf(path, sizeof(path), o->value[KEY] ? "%s" : "%s/key.pem",
		o->value[KEY] ? o->value[KEY] : o->value[STATE]);
	if (n < 0 || (size_t)n >= sizeof(path))
		return err_setf(
			e, -ENAMETOOLONG, "witness: --state is too long");
	if (mkdir(o->value[STATE], 0700) < 0 && errno != EEXIST)
		return err_setf(
			e, -errno, "%s: %s", o->value[STATE], strerror(errno));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		*key = parse_key(path, fd, e);
	else if (errno == ENOENT && o->value[KEY] == NULL)
		*key = make_key(path, e);
	else
		return err_setf(e, -errno, "%s: %s", path, strerror(errno));
	return *key != NULL ? 0 : e->code;
}

/* ---- running ---- */

static void say_ready(void *arg, const char *address)
{
	printf("sconce witness: listening at %s, key %s\n", address,
		(const char *)arg);
	fflush(stdout);
}

static int run(const struct options *o, struct err *e)
{
	static uint8_t only[OPTIONS_REPEATED][WITNESS_HASH_SIZE];
	struct witness_serve_options so = {
		.listen = o->value[LISTEN] ? o->value[LISTEN]
					   : "127.0.0.1:18766",
		.state = o->value[STATE],
		.clusters = CLUSTERS,
		.connections = CONNECTIONS,
		.only = (const uint8_t(*)[WITNESS_HASH_SIZE])only,
		.only_count = o->repeated_count,
		.repair = o->value[REPAIR] != NULL,
		.ready = say_ready,
	};
	uint8_t hash[WITNESS_HASH_SIZE];
	char text[2 * WITNESS_HASH_SIZE + 1];
	int rc;

	if (so.state == NULL)
		return err_setf(e, -EINVAL,
			"witness: --state DIR is missing; `sconce witness "
			"--help` lists the options");
	rc = number(o->value[CLUSTERS_OPTION], WITNESS_CLUSTERS_MAX, "clusters",
		&so.clusters, e);
	if (rc == 0)
		rc = number(o->value[CONNECTIONS_OPTION], CONNECTIONS_MAX,
			"connections", &so.connections, e);
	for (size_t i = 0; rc == 0 && i < o->repeated_count; i++)
		if (!string_from_hex(
			    o->repeated[i], only[i], WITNESS_HASH_SIZE))
			rc = err_set(e, -EINVAL, "witness: --only",
				o->repeated[i], "64 hexadecimal digits", NULL);
	if (rc < 0)
		return rc;
	rc = get_key(o, &so.key, e);
	if (rc < 0)
		return rc;
	rc = spki_hash(so.key, hash);
	if (rc < 0)
		return err_setf(e, rc, "witness: libcrypto failed");
	bytes_to_hex(hash, sizeof(hash), text);
	so.arg = text;
	if (o->value[PRINT_KEY] != NULL)
		printf("%s\n", text);
	else
		rc = witness_serve(&so, e);
	EVP_PKEY_free(so.key);
	return rc;
}

int main(int argc, char **argv)
{
	static struct options o;
	struct err e = {0};
	int rc = options_parse(
		&witness_command, rows, ARRAY_SIZE(rows), argc, argv, &o, &e);

	if (rc == 1)
		return 0;
	if (rc == 0)
		rc = run(&o, &e);
	if (rc == 0)
		return 0;
	fprintf(stderr, "sconce: %s\n", e.text);
	return FAILED;
}
