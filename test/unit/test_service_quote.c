/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A start with real evidence: an enclave of the emulator, its quote, the
 * collateral of its platform, CAS's verifier, a policy as an owner writes it.
 */
#include "test/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/bytes.h"
#include "test/unit/service_case.h"
#include "test/unit/service_quote.h"

static struct service_case c;
static struct case_reply reply;
static struct quote_maker maker;
static uint8_t quote[QUOTE_ROOM];

static void put_policy(const char *mode)
{
	char text[2048], hex[65];

	bytes_to_hex(maker.mrenclave, 32, hex);
	snprintf(text, sizeof(text),
		"name: shop/db\nversion: \"1.0\"\n"
		"services:\n"
		"  - name: db\n    image_name: img\n    command: [/bin/db]\n"
		"    attestation: {mrenclave: %s}\n"
		"volumes: [{name: data}]\n"
		"images:\n  - name: img\n    root: %s\n"
		"    volumes: [{name: data, path: /data}]\n"
		"security: {attestation: {mode: %s}}\n",
		hex, hex, mode);
	case_put_yaml(&c, text);
}

static int setup(void **state)
{
	case_start(&c);
	c.now = (int64_t)time(NULL);
	c.g->o.verify = verifier_check;
	c.g->o.verify_arg = maker.verifier;
	return 0;
}

static int teardown(void **state)
{
	case_reply_fini(&reply);
	case_stop(&c);
	return 0;
}

static size_t quote_for(const char *name, const struct engine_peer *p)
{
	uint8_t config[32];
	struct err e = {0};

	assert_int_equal(service_config_hash(c.g, name, NULL, config, &e), 0);
	return quote_make_for(&maker, config, p->binding, quote);
}

static int hello(struct engine_peer *p, size_t size)
{
	struct wire_request r = {.op = WIRE_HELLO,
		.session = "shop/db/db",
		.evidence = {quote, size}};

	return case_ask(&c, p, &r, &reply);
}

static void test_start(void **state)
{
	struct engine_peer *p = case_peer(&c), *q = case_peer(&c);
	uint8_t to[32] = {1};
	struct wire_request tag = {
		.op = WIRE_TAG, .volume = "data", .to = {to, 32}};
	size_t size;

	put_policy("emulated");
	size = quote_for("shop/db/db", p);
	/* Stolen, on another connection. */
	assert_int_equal(hello(q, size), -EKEYREJECTED);
	assert_non_null(strstr(reply.error, "report_data"));
	if (hello(p, size) < 0)
		fail_msg("%s", reply.error);
	assert_true(reply.config.size > 0);
	assert_int_equal(case_ask(&c, p, &tag, &reply), 0);
	engine_peer_free(p);
	engine_peer_free(q);
}

static void test_refused(void **state)
{
	struct engine_peer *p = case_peer(&c);
	size_t size;

	/* Nothing emulated without saying so. */
	put_policy("hardware");
	size = quote_for("shop/db/db", p);
	assert_int_equal(hello(p, size), -EKEYREJECTED);
	assert_non_null(strstr(reply.error, "policy-emulated"));
	put_policy("emulated");
	/* An enclave that was started for another session. */
	size = quote_for("shop/other/db", p);
	assert_int_equal(hello(p, size), -EKEYREJECTED);
	assert_non_null(strstr(reply.error, "config_id"));
	/* Changed on its way: the report data, the signature. */
	size = quote_for("shop/db/db", p);
	quote[48 + 320] ^= 1;
	assert_int_equal(hello(p, size), -EKEYREJECTED);
	quote[48 + 320] ^= 1;
	quote[440] ^= 1;
	assert_int_equal(hello(p, size), -EKEYREJECTED);
	quote[440] ^= 1;
	/* Collateral that is too old by then. */
	c.now += 40 * 86400;
	assert_int_equal(hello(p, size), -EKEYREJECTED);
	c.now -= 40 * 86400;
	/* Cut off, or nothing at all of a quote. */
	assert_true(hello(p, 100) < 0);
	assert_true(hello(p, 1) < 0);
	assert_int_equal(hello(p, size), 0);
	engine_peer_free(p);
}

static int begin(void **state)
{
	quote_maker_init(&maker);
	return 0;
}

static int end(void **state)
{
	quote_maker_fini(&maker);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_start, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
	};

	return cmocka_run_group_tests_name("service_quote", tests, begin, end);
}
