/* SPDX-License-Identifier: Apache-2.0 */
/* The parser of quotes, on quotes of zeroes that are made here. */
#include "test/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/evidence.h"
#include "attest/quote.h"

static const uint8_t vendor[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c,
	0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

struct shape {
	unsigned version, tee, body_type; /* body type: of version 5 */
	size_t body;
	enum evidence_kind kind;
};

static const struct shape shapes[] = {
	{3, 0, 0, 384, EVIDENCE_SGX_V3},
	{4, 0, 0, 384, EVIDENCE_SGX_V4},
	{4, 0x81, 0, 584, EVIDENCE_TDX_V4},
	{5, 0, 1, 384, EVIDENCE_SGX_V5},
	{5, 0x81, 2, 584, EVIDENCE_TDX_V5},
	{5, 0x81, 3, 648, EVIDENCE_TDX_V5},
};

enum { AUTH = 5, PEM = 9 };

struct made {
	uint8_t data[2048];
	size_t size;
	/* Where these fields are. */
	size_t body, signature_size, outer, auth_size, cert;
};

static void put(struct made *m, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		m->data[m->size++] = (uint8_t)(value >> 8 * i);
}

static void make(struct made *m, const struct shape *s)
{
	memset(m, 0, sizeof(*m));
	put(m, s->version, 2);
	put(m, 2, 2);
	put(m, s->tee, 4);
	m->size = 12;
	memcpy(m->data + 12, vendor, sizeof(vendor));
	m->size = QUOTE_HEADER_SIZE;
	if (s->version == 5) {
		put(m, s->body_type, 2);
		put(m, s->body, 4);
	}
	m->body = m->size;
	m->size += s->body;
	m->signature_size = m->size;
	m->size += 4 + 128;
	m->outer = m->size;
	if (s->version >= 4) {
		put(m, QUOTE_CERT_QE_REPORT, 2);
		put(m, 384 + 64 + 2 + AUTH + 6 + PEM, 4);
	}
	m->size += 384 + 64;
	m->auth_size = m->size;
	put(m, AUTH, 2);
	m->size += AUTH;
	m->cert = m->size;
	put(m, QUOTE_CERT_CHAIN, 2);
	put(m, PEM, 4);
	memcpy(m->data + m->size, "some PEM", PEM);
	m->size += PEM;
	m->data[m->signature_size] = (uint8_t)(m->size - m->signature_size - 4);
	m->data[m->signature_size + 1] =
		(uint8_t)((m->size - m->signature_size - 4) >> 8);
}

static void test_kinds(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		struct made m;
		struct quote q;
		struct err e;

		make(&m, &shapes[i]);
		assert_int_equal(quote_parse(m.data, m.size, &q, &e), 0);
		assert_int_equal(q.kind, shapes[i].kind);
		assert_int_equal(q.version, shapes[i].version);
		assert_int_equal(q.tdx, shapes[i].tee != 0);
		assert_int_equal(q.size, m.size);
		assert_ptr_equal(q.body, m.data + m.body);
		assert_int_equal(q.body_size, shapes[i].body);
		assert_int_equal(q.signed_size, m.signature_size);
		assert_ptr_equal(q.signature, m.data + m.signature_size + 4);
		assert_ptr_equal(
			q.attestation_key, m.data + m.signature_size + 68);
		assert_ptr_equal(q.qe_report + 384 + 64, m.data + m.auth_size);
		assert_int_equal(q.auth_size, AUTH);
		assert_int_equal(q.cert_type, QUOTE_CERT_CHAIN);
		assert_int_equal(q.cert_size, PEM);
		assert_memory_equal(q.cert, "some PEM", PEM);
	}
}

/* In memory of just that size, so that reading past it is seen. */
static int parse_copy(const uint8_t *data, size_t size, struct quote *q)
{
	uint8_t *copy = malloc(size ? size : 1);
	struct err e = {0};
	int rc;

	assert_non_null(copy);
	memcpy(copy, data, size);
	rc = quote_parse(copy, size, q, &e);
	if (rc) {
		assert_int_equal(rc, -EINVAL);
		assert_int_equal(e.code, -EINVAL);
		assert_memory_equal(e.text, "quote: ", 7);
	}
	free(copy);
	return rc;
}

static void test_truncated(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		struct made m;
		struct quote q;

		make(&m, &shapes[i]);
		for (size_t size = 0; size < m.size; size++)
			assert_int_equal(parse_copy(m.data, size, &q), -EINVAL);
		for (size_t more = 0; more < 100; more++) {
			assert_int_equal(
				parse_copy(m.data, m.size + more, &q), 0);
			assert_int_equal(q.size, m.size);
		}
	}
}

static void refuse(const struct made *m, size_t at, uint64_t value, size_t size,
	const char *text)
{
	struct made bad = *m;
	struct quote q;
	struct err e = {0};

	bad.size = at;
	put(&bad, value, size);
	assert_int_equal(quote_parse(bad.data, m->size, &q, &e), -EINVAL);
	if (!strstr(e.text, text))
		fail_msg("\"%s\" lacks \"%s\"", e.text, text);
}

static void test_header(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		struct made m;

		make(&m, &shapes[i]);
		refuse(&m, 0, 0, 2, "version at byte 0: 0");
		refuse(&m, 0, 2, 2, "version");
		refuse(&m, 0, 6, 2, "version");
		refuse(&m, 2, 3, 2, "attestation key type at byte 2: 3");
		refuse(&m, 2, 0, 2, "attestation key type");
		refuse(&m, 4, 1, 4, "TEE type at byte 4: 1");
		refuse(&m, 4, 0x80000081, 4, "TEE type");
		refuse(&m, 12, 0, 1, "vendor");
		refuse(&m, 27, 0, 1, "vendor");
	}
}

static void test_body_type(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		struct made m;

		make(&m, &shapes[i]);
		if (shapes[i].version == 3)
			refuse(&m, 4, 0x81, 4, "TEE type");
		if (shapes[i].version != 5)
			continue;
		for (unsigned type = 0; type < 6; type++)
			if (shapes[i].tee ? type != 2 && type != 3 : type != 1)
				refuse(&m, 48, type, 2, "body type at byte 48");
		refuse(&m, 50, shapes[i].body + 1, 4, "body size at byte 50");
		refuse(&m, 50, 0, 4, "body size");
		refuse(&m, 50, UINT32_MAX, 4, "body size");
		refuse(&m, 4, shapes[i].tee ? 0 : 0x81, 4, "body type");
	}
}

static void test_sizes(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		struct made m;
		size_t left;

		make(&m, &shapes[i]);
		left = m.size - m.signature_size - 4;
		refuse(&m, m.signature_size, left + 1, 4, "signature data");
		refuse(&m, m.signature_size, UINT32_MAX, 4, "signature data");
		for (size_t size = 0; size < left; size++)
			refuse(&m, m.signature_size, size, 4, "at byte");
		refuse(&m, m.auth_size, 0xffff, 2, "QE authentication data");
		refuse(&m, m.auth_size, AUTH - 1, 2, "certification data");
		refuse(&m, m.auth_size, 0, 2, "certification data");
		refuse(&m, m.cert + 2, PEM + 1, 4, "certification data");
		refuse(&m, m.cert + 2, PEM - 1, 4, "certification data");
		refuse(&m, m.cert + 2, 0xfffffff0, 4, "certification data");
		refuse(&m, m.cert, 0, 2, "certification data type");
		refuse(&m, m.cert, 6, 2, "certification data type");
		refuse(&m, m.cert, 7, 2, "certification data type");
		/* Identifiers have a size of their own. */
		for (unsigned type = 1; type <= 3; type++)
			refuse(&m, m.cert, type, 2, "size of certification");
		if (shapes[i].version < 4)
			continue;
		refuse(&m, m.outer, 5, 2, "QE certification data type");
		refuse(&m, m.outer + 2, 0, 4, "QE certification data");
		refuse(&m, m.outer + 2, UINT32_MAX, 4, "QE certification data");
	}
}

/* Nothing is read past the end, whatever the bytes say. */
static void test_noise(void **state)
{
	uint32_t noise = 12345;

	for (int round = 0; round < 20000; round++) {
		struct made m;
		struct quote q;

		make(&m, &shapes[round % (int)ARRAY_SIZE(shapes)]);
		for (int i = 0; i < 4; i++) {
			noise = noise * 1664525 + 1013904223;
			m.data[(noise >> 8) % m.size] = (uint8_t)noise;
		}
		noise = noise * 1664525 + 1013904223;
		if (parse_copy(m.data, m.size - noise % 3, &q) == 0) {
			assert_true(q.size <= m.size);
			assert_true(q.auth_size + q.cert_size < q.size);
		}
	}
}

static void test_show(void **state)
{
	struct verdict v;
	struct made m;
	struct err e;

	make(&m, &shapes[0]);
	m.data[m.body + 64] = 0xab; /* MRENCLAVE */
	m.data[m.body + 256] = 7; /* ISVPRODID */
	m.data[m.body + 258] = 1;
	m.data[m.body + 259] = 2; /* ISVSVN */
	m.data[8] = 9; /* QE SVN */
	assert_int_equal(evidence_show(m.data, m.size, &v, &e), 0);
	assert_int_equal(v.kind, EVIDENCE_SGX_V3);
	assert_false(v.debug);
	assert_int_equal(verdict_field(&v, "mrenclave")->bytes[0], 0xab);
	assert_int_equal(verdict_field(&v, "isv_prod_id")->number, 7);
	assert_int_equal(verdict_field(&v, "isv_svn")->number, 0x201);
	assert_int_equal(verdict_field(&v, "qe_svn")->number, 9);
	assert_int_equal(verdict_field(&v, "config_id")->size, 64);
	m.data[m.body + 48] = 2; /* ATTRIBUTES.DEBUG */
	assert_int_equal(evidence_show(m.data, m.size, &v, &e), 0);
	assert_true(v.debug);

	make(&m, &shapes[2]);
	assert_int_equal(evidence_show(m.data, m.size, &v, &e), 0);
	assert_false(v.debug);
	assert_null(verdict_field(&v, "mrservicetd"));
	make(&m, &shapes[5]);
	m.data[m.body + TD_MRSERVICETD] = 0xcd;
	m.data[m.body + TD_ATTRIBUTES] = 0x10; /* reserved for debugging */
	assert_int_equal(evidence_show(m.data, m.size, &v, &e), 0);
	assert_true(v.debug);
	assert_int_equal(verdict_field(&v, "mrservicetd")->bytes[0], 0xcd);
	assert_int_equal(evidence_show(m.data, 3, &v, &e), -EINVAL);
	assert_int_equal(evidence_show(NULL, 0, &v, &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_body_type),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_show),
	};

	return cmocka_run_group_tests_name("quote", tests, NULL, NULL);
}
