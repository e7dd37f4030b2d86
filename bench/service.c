/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-service [STARTS [TAGS]]
 *	What an attestation with its configuration costs inside CAS (HELLO with
 *a quote of the emulator, verified; policy, secrets, delivery, the store in
 *	memory), one at a time and in turn, and what a tag costs. TLS and the
 *	disk are not in it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/bytes.h"
#include "test/unit/service_case.h"
#include "test/unit/service_quote.h"
#include "test/unit/unit.h"

static struct service_case c;
static struct quote_maker maker;
static uint8_t quote[QUOTE_ROOM], binding[64], config[32];
static size_t quote_size;
static unsigned answered, refused;
static unsigned starts = 2000, tags = 100000;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void on_reply(void *arg, const struct wire_reply *r)
{
	answered++;
	if (r->status == 0)
		return;
	if (refused++ == 0)
		fprintf(stderr, "refused: %s\n", r->error);
}

static void put_policy(void)
{
	char text[4096], hex[65];

	bytes_to_hex(maker.mrenclave, 32, hex);
	snprintf(text, sizeof(text),
		"name: shop/db\nversion: \"1.0\"\n"
		"services:\n"
		"  - name: db\n    image_name: img\n"
		"    command: [/usr/sbin/mariadbd, "
		"--defaults-file=/etc/my.cnf]\n"
		"    environment: {TZ: UTC}\n"
		"    attestation: {mrenclave: %s}\n"
		"secrets:\n"
		"  - {name: pw, kind: ascii, size: 32}\n"
		"  - {name: ca_key, kind: private-key}\n"
		"  - {name: ca, kind: x509-ca, private_key: ca_key, "
		"common_name: CA}\n"
		"  - {name: key, kind: private-key}\n"
		"  - {name: crt, kind: x509, private_key: key, issuer: ca, "
		"endpoint: server}\n"
		"volumes: [{name: data}]\n"
		"images:\n  - name: img\n    root: %s\n"
		"    volumes: [{name: data, path: /data}]\n"
		"    injection_files:\n"
		"      - {path: /etc/my.cnf, content: "
		"\"[client]\\npassword=$$SCONE::pw$$\\n\"}\n"
		"      - {path: /etc/tls/key, content: "
		"$$SCONE::crt:privatekey$$}\n"
		"      - {path: /etc/tls/crt, content: $$SCONE::crt:chain$$}\n"
		"security: {attestation: {mode: emulated}}\n",
		hex, hex);
	case_put_yaml(&c, text);
}

static void measure_starts(void)
{
	uint64_t *each = calloc(starts, sizeof(*each)), begun = now_ns();
	uint64_t total;
	struct wire_request r = {.op = WIRE_HELLO,
		.session = "shop/db/db",
		.evidence = {quote, quote_size}};

	for (unsigned i = 0; i < starts; i++) {
		uint64_t at = now_ns();
		struct engine_peer *p = engine_peer_new(c.g, binding);

		engine_peer_request(p, &r, on_reply, NULL);
		case_settle(&c);
		each[i] = now_ns() - at;
		engine_peer_free(p);
	}
	total = now_ns() - begun;
	qsort(each, starts, sizeof(*each), by_size);
	printf("starts %u: %.0f/s, p50 %.3f ms, p99 %.3f ms, refused %u\n",
		starts, starts / (total / 1e9), each[starts / 2] / 1e6,
		each[starts - starts / 100 - 1] / 1e6, refused);
	free(each);
}

static void measure_tags(void)
{
	struct engine_peer *p = engine_peer_new(c.g, binding);
	struct wire_request hello = {.op = WIRE_HELLO,
		.session = "shop/db/db",
		.evidence = {quote, quote_size}};
	uint8_t from[32], to[32];
	struct wire_request r = {.op = WIRE_TAG, .volume = "data"};
	uint64_t begun;

	engine_peer_request(p, &hello, on_reply, NULL);
	case_settle(&c);
	memset(from, 1, sizeof(from));
	memset(to, 1, sizeof(to));
	answered = refused = 0;
	begun = now_ns();
	for (unsigned i = 0; i < tags; i++) {
		memcpy(from, to, sizeof(from));
		memcpy(to, &i, sizeof(i));
		r.from = (struct bytes){from, i > 0 ? 32 : 0};
		r.to = (struct bytes){to, 32};
		engine_peer_request(p, &r, on_reply, NULL);
		if (i % 1000 == 999)
			case_settle(&c);
	}
	case_settle(&c);
	printf("tags %u: %.0f/s, answered %u, refused %u\n", tags,
		tags / ((now_ns() - begun) / 1e9), answered, refused);
	engine_peer_free(p);
}

static void run(void **state)
{
	struct err e = {0};

	quote_maker_init(&maker);
	case_start(&c);
	c.now = (int64_t)time(NULL);
	c.g->o.verify = verifier_check;
	c.g->o.verify_arg = maker.verifier;
	put_policy();
	memset(binding, 0x42, sizeof(binding));
	assert_int_equal(
		service_config_hash(c.g, "shop/db/db", NULL, config, &e), 0);
	quote_size = quote_make_for(&maker, config, binding, quote);
	measure_starts();
	measure_tags();
	case_stop(&c);
	quote_maker_fini(&maker);
	assert_int_equal(refused, 0);
}

int main(int argc, char **argv)
{
	/* The fixtures of the tests want a test around them. */
	const struct CMUnitTest tests[] = {cmocka_unit_test(run)};

	if (argc > 1)
		starts = (unsigned)strtoul(argv[1], NULL, 10);
	if (argc > 2)
		tags = (unsigned)strtoul(argv[2], NULL, 10);
	if (starts < 100)
		starts = 100;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
