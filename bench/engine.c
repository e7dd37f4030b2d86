/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-engine DIR [SECONDS [SESSIONS]]
 *
 * Sessions created, read (each is logged, and told when the log has that) and
 * public values, in the engine on a real store without freshness. Prints a line
 * of JSON for each.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cas/engine.h"

enum { AT_ONCE = 256 };

static struct engine *engine;
static struct store *store;
static unsigned waiting, failed;

static int64_t now(void *arg)
{
	return time(NULL);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void reply(void *arg, const struct engine_reply *r)
{
	waiting--;
	failed += r->status != 0;
	if (r->status && failed == 1)
		fprintf(stderr, "bench-engine: %s\n", r->error);
}

static void settle(unsigned most)
{
	while (waiting > most) {
		store_complete(store);
		if (waiting > most)
			nanosleep(&(struct timespec){0, 20000}, NULL);
	}
}

static struct engine_call call(void)
{
	struct engine_call c = {.who.present = true, .reply = reply};

	memset(c.who.key, 'a', 32);
	waiting++;
	return c;
}

static void create(unsigned i)
{
	struct engine_call c = call();
	char text[1000];

	snprintf(text, sizeof(text),
		"name: s%u\nversion: \"1.0\"\nservices:\n"
		"  - name: web\n    command: [nginx, -g, daemon off;]\n"
		"    attestation: {mrenclave: %064u}\n"
		"    environment: {A: $$SCONE::pw$$}\nsecrets:\n"
		"  - {name: pw, kind: ascii, size: 32}\n"
		"  - {name: k, kind: private-key}\n"
		"  - {name: ca, kind: x509-ca, private_key: k, common_name: "
		"ca, export_public: true}\nvolumes: [{name: files}]\n",
		i, i);
	engine_session_create(engine, &c, text, strlen(text), NULL);
}

static void read_one(unsigned i)
{
	struct engine_call c = call();
	char name[32];

	snprintf(name, sizeof(name), "s%u", i);
	engine_session_read(engine, &c, name, NULL);
}

static void public_one(unsigned i)
{
	struct engine_call c = call();
	char name[32];

	snprintf(name, sizeof(name), "s%u", i);
	engine_public_value(engine, &c, name, "ca", "");
}

static void run(const char *what, void (*one)(unsigned), unsigned sessions,
	double length)
{
	double start = seconds(), end;
	unsigned n = 0;

	do {
		one(n % sessions);
		n++;
		settle(AT_ONCE);
		end = seconds();
	} while (length ? end < start + length : n < sessions);
	settle(0);
	end = seconds();
	printf("{\"what\": \"%s\", \"count\": %u, \"failed\": %u, "
	       "\"per_second\": %.0f}\n",
		what, n, failed, n / (end - start));
	failed = 0;
}

int main(int argc, char **argv)
{
	double length = argc > 2 ? atof(argv[2]) : 2;
	unsigned sessions = argc > 3 ? (unsigned)atoi(argv[3]) : 1000;
	static const char owner[] = "name: bench\nlimits: [{namespace: \"*\", "
				    "changes_per_minute: 1000000}]\n";
	struct store_options so = {0};
	struct engine_options eo = {.now = now};
	struct engine_call c;
	struct err e = {0};
	char path[4096];

	if (argc < 2 || !sessions) {
		fprintf(stderr, "bench-engine DIR [SECONDS [SESSIONS]]\n");
		return 2;
	}
	snprintf(path, sizeof(path), "%s/engine.db", argv[1]);
	so.path = path;
	memset(so.key, 7, sizeof(so.key));
	if (store_open(&so, true, &store, &e))
		goto fail;
	eo.store = store;
	if (engine_new(&eo, &engine, &e))
		goto fail;
	c = call();
	engine_provision(engine, &c, owner, strlen(owner));
	settle(0);
	run("create", create, sessions, 0);
	run("read", read_one, sessions, length);
	run("public value", public_one, sessions, length);
	engine_free(engine);
	store_close(store);
	return 0;
fail:
	fprintf(stderr, "bench-engine: %s\n", e.text);
	return 1;
}
