/* SPDX-License-Identifier: Apache-2.0 */
/* Envelopes of signed JSON: which bytes are signed, and what is no envelope. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>
#include <openssl/sha.h>

#include "attest/signed_json.h"
#include "test/unit/unit.h"

static EC_KEY *secret;
static struct ecdsa_key *public;

static struct ecdsa_key *public_of(EC_KEY *key, enum ecdsa_curve curve)
{
	uint8_t point[1 + 2 * 48];
	size_t size = EC_POINT_point2oct(EC_KEY_get0_group(key),
		EC_KEY_get0_public_key(key), POINT_CONVERSION_UNCOMPRESSED,
		point, sizeof(point), NULL);
	struct ecdsa_key *out = NULL;

	assert_int_equal(size, 1 + 2 * ecdsa_size(curve));
	assert_int_equal(ecdsa_key_new(curve, point + 1, &out), 0);
	return out;
}

static int setup(void **state)
{
	secret = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	assert_int_equal(EC_KEY_generate_key(secret), 1);
	public = public_of(secret, ECDSA_P256);
	return 0;
}

static int teardown(void **state)
{
	ecdsa_key_free(public);
	EC_KEY_free(secret);
	return 0;
}

/* The signature over text in 128 hexadecimal digits. */
static void sign(const char *text, char hex[129])
{
	uint8_t hash[32], raw[64];
	ECDSA_SIG *sig;

	SHA256((const uint8_t *)text, strlen(text), hash);
	sig = ECDSA_do_sign(hash, sizeof(hash), secret);
	assert_non_null(sig);
	BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32);
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32);
	ECDSA_SIG_free(sig);
	for (int i = 0; i < 64; i++)
		snprintf(hex + 2 * i, 3, "%02x", raw[i]);
}

/* Replaces '$' in format by the signature over text. */
static char *envelope(const char *format, const char *text)
{
	const char *at = strchr(format, '$');
	char hex[129], *out;

	assert_non_null(at);
	sign(text, hex);
	assert_true(asprintf(&out, "%.*s%s%s", (int)(at - format), format, hex,
			    at + 1) > 0);
	return out;
}

/* What verification of the envelope says. */
static int verdict(const char *format, const char *text)
{
	char *all = envelope(format, text);
	struct signed_json json;
	struct err e = {0};
	int rc;

	if (signed_json_parse("tcbInfo", all, strlen(all), &json, &e)) {
		print_message("%s: %s\n", all, e.text);
		fail();
	}
	rc = signed_json_verify(&json, public);
	signed_json_fini(&json);
	free(all);
	return rc;
}

static void test_the_bytes_that_are_signed(void **state)
{
	static const struct {
		const char *file, *body;
		int rc;
	} rows[] = {
		{"{\"tcbInfo\":{\"a\":1},\"signature\":\"$\"}", "{\"a\":1}", 0},
		/* Any order, other members, white space around. */
		{"{\"signature\":\"$\",\"tcbInfo\":{\"a\":1}}", "{\"a\":1}", 0},
		{" { \"x\" : [ 1, \"}\" ] , \"tcbInfo\" : {\"a\":1} , "
		 "\"signature\" : \"$\" }\n",
			"{\"a\":1}", 0},
		{"{\"x\":-1.5e3,\"y\":true,\"z\":null,\"tcbInfo\":{\"a\":1},"
		 "\"signature\":\"$\"}",
			"{\"a\":1}", 0},
		/* Brackets and quotes in texts are no brackets and quotes. */
		{"{\"tcbInfo\":{\"a\":\"}\\\"]\",\"b\":[{}]},\"signature\":"
		 "\"$\"}",
			"{\"a\":\"}\\\"]\",\"b\":[{}]}", 0},
		{"{\"a\\\"\":\"tcbInfo\",\"tcbInfo\":{},\"signature\":\"$\"}",
			"{}", 0},
		/* An object of that name further in is another one. */
		{"{\"x\":{\"tcbInfo\":{\"a\":2}},\"tcbInfo\":{\"a\":1},"
		 "\"signature\":\"$\"}",
			"{\"a\":1}", 0},
		{"{\"x\":{\"tcbInfo\":{\"a\":2}},\"tcbInfo\":{\"a\":1},"
		 "\"signature\":\"$\"}",
			"{\"a\":2}", -EBADMSG},
		/* Signed with its white space, as served. */
		{"{\"tcbInfo\":{ \"a\": 1 },\"signature\":\"$\"}",
			"{ \"a\": 1 }", 0},
		/* Indented later; white space in texts stays. */
		{"{\"tcbInfo\":{\r\n\t\"a b\": [ 1,\n 2 ]\n},\"signature\":"
		 "\"$\"}",
			"{\"a b\":[1,2]}", 0},
		{"{\"tcbInfo\":{ \"a b\":1},\"signature\":\"$\"}", "{\"ab\":1}",
			-EBADMSG},
		/* White space is never added. */
		{"{\"tcbInfo\":{\"a\":1},\"signature\":\"$\"}", "{ \"a\":1}",
			-EBADMSG},
		{"{\"tcbInfo\":{\"a\":1},\"signature\":\"$\"}", "{\"a\":2}",
			-EBADMSG},
		{"{\"tcbInfo\":{\"a\":1},\"signature\":\"$\"}",
			"\"tcbInfo\":{\"a\":1}", -EBADMSG},
		/* The order of members is what is signed, too. */
		{"{\"tcbInfo\":{\"b\":1,\"a\":2},\"signature\":\"$\"}",
			"{\"a\":2,\"b\":1}", -EBADMSG},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (verdict(rows[i].file, rows[i].body) != rows[i].rc)
			fail_msg("%s", rows[i].file);
}

#define SIG64 "0123456789abcdefABCDEF0123456789abcdef01234567890123456789abcdef"
#define SIGNATURE "\"signature\":\"" SIG64 SIG64 "\""

static void test_what_is_no_envelope(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{"", "not JSON"},
		{"{", "not JSON"},
		{"[]", "not a JSON object"},
		{"{}", "tcbInfo: missing; wanted an object"},
		{"{" SIGNATURE "}", "tcbInfo: missing; wanted an object"},
		{"{\"tcbInfo\":{}}", "signature: missing; wanted 128"},
		{"{\"tcbInfo\":[]," SIGNATURE "}", "tcbInfo: an array;"},
		{"{\"tcbInfo\":\"{}\"," SIGNATURE "}", "tcbInfo: a text;"},
		{"{\"tcbInfo\":null," SIGNATURE "}", "tcbInfo: null;"},
		{"{\"tcbInfo\":{},\"signature\":7}",
			"signature: a whole number;"},
		{"{\"tcbInfo\":{},\"signature\":\"" SIG64 "\"}",
			"wanted 128 hexadecimal digits"},
		{"{\"tcbInfo\":{},\"signature\":\"" SIG64 SIG64 "00\"}",
			"wanted 128 hexadecimal digits"},
		{"{\"tcbInfo\":{},\"signature\":\"g" SIG64 "\"}",
			"wanted 128 hexadecimal digits"},
		/* Twice, at any depth and however it is written. */
		{"{\"tcbInfo\":{},\"tcbInfo\":{}," SIGNATURE "}", "duplicate"},
		{"{\"tcbInfo\":{},\"\\u0074cbInfo\":{}," SIGNATURE "}",
			"duplicate"},
		{"{\"tcbInfo\":{\"a\":{\"b\":1,\"b\":1}}," SIGNATURE "}",
			"duplicate"},
		/* Found by meaning, not by its bytes. */
		{"{\"\\u0074cbInfo\":{}," SIGNATURE "}", "without escapes"},
		{"{\"tcbInfo\":{}," SIGNATURE "}x", "not JSON"},
		{"{\"tcbInfo\":{}," SIGNATURE "}{}", "not JSON"},
		{"{\"tcbInfo\":{}," SIGNATURE ",}", "not JSON"},
		{"{'tcbInfo':{}," SIGNATURE "}", "not JSON"},
		{"{\"tcbInfo\":{\"a\":01}," SIGNATURE "}", "not JSON"},
		{"{\"tcbInfo\":{\"a\":NaN}," SIGNATURE "}", "not JSON"},
		{"{\"tcbInfo\":{\"a\":\"\xff\"}," SIGNATURE "}", "not JSON"},
		{"{\"tcbInfo\":{\"a\":\"\xc0\x80\"}," SIGNATURE "}",
			"not JSON"},
		{"{\"tcbInfo\":{\"a\":\"\\u0000\"}," SIGNATURE "}", "not JSON"},
		{"{\"tcbInfo\":{\"a\":99999999999999999999}," SIGNATURE "}",
			"not JSON"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct signed_json json;
		struct err e = {0};
		int rc = signed_json_parse("tcbInfo", rows[i].text,
			strlen(rows[i].text), &json, &e);

		if (rc != -EINVAL || !strstr(e.text, rows[i].error))
			fail_msg("%s: %d %s", rows[i].text, rc, e.text);
	}
}

/* NULs at the end are left by programs that count them. */
static void test_ends(void **state)
{
	static const char text[] = "{\"tcbInfo\":{}," SIGNATURE "} \n\0\0";
	static const char inside[] = "{\"tcbInfo\":\0{}," SIGNATURE "}";
	struct signed_json json;
	struct err e = {0};

	assert_int_equal(
		signed_json_parse("tcbInfo", text, sizeof(text), &json, &e), 0);
	assert_int_equal(json.raw_size, 2);
	assert_memory_equal(json.raw, "{}", 2);
	signed_json_fini(&json);
	assert_int_equal(signed_json_parse("tcbInfo", inside,
				 sizeof(inside) - 1, &json, &e),
		-EINVAL);
}

/* {"tcbInfo":{"a": OPEN*depth CLOSE*depth}, ...} */
static int parse_deep(size_t depth, struct err *e)
{
	static const char head[] = "{\"tcbInfo\":{\"a\":";
	static const char tail[] = "}," SIGNATURE "}";
	size_t size = strlen(head) + 2 * depth + strlen(tail);
	char *text = malloc(size + 1), *at = text;
	struct signed_json json;
	int rc;

	assert_non_null(text);
	at = stpcpy(at, head);
	memset(at, '[', depth);
	memset(at + depth, ']', depth);
	stpcpy(at + 2 * depth, tail);
	rc = signed_json_parse("tcbInfo", text, size, &json, e);
	if (!rc)
		signed_json_fini(&json);
	free(text);
	return rc;
}

static void test_bounds(void **state)
{
	static char text[SIGNED_JSON_SIZE + 2];
	struct signed_json json;
	struct err e = {0};
	int len;

	assert_int_equal(parse_deep(SIGNED_JSON_DEPTH - 2, &e), 0);
	assert_int_equal(parse_deep(SIGNED_JSON_DEPTH - 1, &e), -EINVAL);
	assert_non_null(strstr(e.text, "nested deeper than 16"));
	assert_int_equal(parse_deep(500000, &e), -EINVAL);

	len = snprintf(text, sizeof(text), "{\"tcbInfo\":{}," SIGNATURE "}");
	memset(text + len, ' ', sizeof(text) - (size_t)len);
	assert_int_equal(
		signed_json_parse("tcbInfo", text, SIGNED_JSON_SIZE, &json, &e),
		0);
	signed_json_fini(&json);
	assert_int_equal(signed_json_parse("tcbInfo", text,
				 SIGNED_JSON_SIZE + 1, &json, &e),
		-EINVAL);

	/* Many small values cost far more memory than text. */
	memset(text, '[', 1);
	for (size_t i = 1; i < SIGNED_JSON_SIZE - 1; i += 2)
		memcpy(text + i, "0,", 2);
	assert_int_equal(
		signed_json_parse("tcbInfo", text, SIGNED_JSON_SIZE, &json, &e),
		-EINVAL);
	assert_non_null(strstr(e.text, "more than 65536 values"));
	assert_int_equal(
		signed_json_parse("tcbInfo", text, 0, &json, &e), -EINVAL);
}

static void test_keys(void **state)
{
	EC_KEY *p384 = EC_KEY_new_by_curve_name(NID_secp384r1);
	char *all = envelope("{\"tcbInfo\":{},\"signature\":\"$\"}", "{}");
	struct signed_json json;
	struct ecdsa_key *other;

	assert_int_equal(
		signed_json_parse("tcbInfo", all, strlen(all), &json, NULL), 0);
	assert_int_equal(signed_json_verify(&json, public), 0);
	assert_int_equal(signed_json_verify(&json, NULL), -EINVAL);
	assert_int_equal(EC_KEY_generate_key(p384), 1);
	other = public_of(p384, ECDSA_P384);
	assert_int_equal(signed_json_verify(&json, other), -EINVAL);
	/* Each bit of the signature matters. */
	for (int i = 0; i < 512; i++) {
		json.signature[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(signed_json_verify(&json, public), -EBADMSG);
		json.signature[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	memset(json.signature, 0, sizeof(json.signature));
	assert_int_equal(signed_json_verify(&json, public), -EBADMSG);
	memset(json.signature, 0xff, sizeof(json.signature));
	assert_int_equal(signed_json_verify(&json, public), -EBADMSG);
	signed_json_fini(&json);
	ecdsa_key_free(other);
	EC_KEY_free(p384);
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_bytes_that_are_signed),
		cmocka_unit_test(test_what_is_no_envelope),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
