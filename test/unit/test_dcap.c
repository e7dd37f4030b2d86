/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with evidence or collateral is found, and told as what it is.
 * Starts from real quotes, one of each kind, for which everything is right.
 */
#include "test/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/quote.h"
#include "test/unit/dcap_case.h"
#include "test/unit/vectors.h"

enum { KINDS = 3 };

static const char *const folders[KINDS] = {
	"dcap/sgx-v3-phala-00a067110000",
	"dcap/tdx-v4-phala-b0c06f000000",
	"dcap/tdx-v5-google-90c06f000000",
};
static struct dcap_case cases[KINDS];
static struct collateral *collaterals[KINDS];
static int64_t at[KINDS];

static int setup(void **state)
{
	json_t *item;
	size_t i;

	vectors_cases();
	for (size_t k = 0; k < KINDS; k++) {
		dcap_case_read(&cases[k], folders[k], NULL);
		collaterals[k] = dcap_case_collateral(&cases[k]);
		json_array_foreach(vectors_cases(), i, item) if (
			!strcmp(json_string_value(
					json_object_get(item, "case")),
				folders[k])) at[k] =
			vectors_date(json_object_get(item, "expect"), "at");
	}
	return 0;
}

/* Fixtures of a group cannot skip; each test calls this instead. */
static void need_cases(void)
{
	if (!collaterals[0])
		setup(NULL);
}

static int teardown(void **state)
{
	for (size_t k = 0; k < KINDS && collaterals[k]; k++) {
		collateral_free(collaterals[k]);
		dcap_case_free(&cases[k]);
	}
	return 0;
}

/* Verifies bytes with the collateral of kind k. */
static int verify(size_t k, const void *quote, size_t size, struct verdict *v)
{
	struct evidence_options options = {.at = at[k]};
	struct err e = {0};
	int rc = evidence_verify(quote, size, collaterals[k], &options, v, &e);

	if (rc == -EINVAL)
		assert_true(strlen(e.text) > 0);
	else
		assert_int_equal(rc, 0);
	return rc;
}

static void flip_range(
	size_t k, uint8_t *copy, const uint8_t *from, size_t size)
{
	size_t start = (size_t)(from - (const uint8_t *)cases[k].quote.data);
	struct verdict v;

	for (size_t bit = 0; bit < 8 * size; bit++) {
		uint8_t *byte = copy + start + bit / 8;

		*byte ^= (uint8_t)(1 << bit % 8);
		if (verify(k, copy, cases[k].quote.size, &v) == 0 &&
			(v.signature || v.failure_count == 0))
			fail_msg("%s: bit %zu of byte %zu", folders[k], bit % 8,
				start + bit / 8);
		*byte ^= (uint8_t)(1 << bit % 8);
	}
}

/* Every bit that is signed, or signs. */
static void test_flips(void **state)
{
	struct verdict v;

	need_cases();
	for (size_t k = 0; k < KINDS; k++) {
		const struct span *s = &cases[k].quote;
		uint8_t *copy = malloc(s->size);
		struct quote q;
		struct err e;

		assert_non_null(copy);
		memcpy(copy, s->data, s->size);
		assert_int_equal(quote_parse(s->data, s->size, &q, &e), 0);
		flip_range(k, copy, q.data, q.signed_size);
		flip_range(k, copy, q.signature, 64);
		flip_range(k, copy, q.attestation_key, 64);
		flip_range(k, copy, q.qe_report, QUOTE_QE_REPORT_SIZE);
		flip_range(k, copy, q.qe_signature, 64);
		flip_range(k, copy, q.auth, q.auth_size);
		assert_int_equal(verify(k, copy, s->size, &v), 0);
		assert_no_failures(&v);
		free(copy);
	}
}

/* In the certificates: a flip may fall where PEM has no meaning, but never
 * makes a chain of something else than the certificates that there were. */
static void test_flipped_chain(void **state)
{
	struct verdict v;
	size_t refused = 0;

	need_cases();
	for (size_t k = 0; k < KINDS; k++) {
		const struct span *s = &cases[k].quote;
		uint8_t *copy = malloc(s->size);
		struct quote q;
		struct err e;
		size_t start;

		assert_non_null(copy);
		memcpy(copy, s->data, s->size);
		assert_int_equal(quote_parse(s->data, s->size, &q, &e), 0);
		start = (size_t)(q.cert - q.data);
		/* The leaf, and a bit of each character. */
		for (size_t i = 0; i < 1700; i++) {
			copy[start + i] ^= (uint8_t)(1 << i % 7);
			if (verify(k, copy, s->size, &v) == 0 && !v.chain)
				refused++;
			copy[start + i] ^= (uint8_t)(1 << i % 7);
		}
		free(copy);
	}
	assert_true(refused > (size_t)KINDS * 1600);
}

static void test_truncated(void **state)
{
	struct verdict v;

	need_cases();
	for (size_t k = 0; k < KINDS; k++) {
		const struct span *s = &cases[k].quote;
		struct quote q;
		struct err e;

		assert_int_equal(quote_parse(s->data, s->size, &q, &e), 0);
		for (size_t size = 0; size <= s->size; size++) {
			/* Of its own, so that reading past is seen. */
			uint8_t *copy = malloc(size ? size : 1);
			int want = size < q.size ? -EINVAL : 0;

			assert_non_null(copy);
			memcpy(copy, s->data, size);
			assert_int_equal(
				evidence_show(copy, size, &v, &e), want);
			if (want || size == s->size)
				assert_int_equal(
					verify(k, copy, size, &v), want);
			free(copy);
		}
	}
}

/* What is behind the signature data is not looked at. */
static void test_trailing(void **state)
{
	struct verdict v;

	need_cases();
	for (size_t k = 0; k < KINDS; k++) {
		const struct span *s = &cases[k].quote;
		uint8_t *copy = malloc(s->size + 1000);

		assert_non_null(copy);
		memcpy(copy, s->data, s->size);
		memset(copy + s->size, 0xff, 1000);
		assert_int_equal(verify(k, copy, s->size + 1000, &v), 0);
		assert_no_failures(&v);
		free(copy);
	}
}

/* Verifies kind k with other files. */
static void verify_with(size_t k, const struct collateral_files *files,
	bool no_crl, struct verdict *v)
{
	struct dcap_case c = cases[k];
	struct collateral *collateral;

	c.files = *files;
	collateral = dcap_case_collateral(&c);
	assert_int_equal(dcap_case_verify(&c, collateral, at[k], no_crl, v), 0);
	collateral_free(collateral);
}

static void test_missing(void **state)
{
	static const struct {
		size_t at;
		const char *rule;
		bool chain;
	} rows[] = {
		{offsetof(struct collateral_files, tcb_info),
			"tcb-info-missing", true},
		{offsetof(struct collateral_files, tcb_info_chain),
			"tcb-info-missing", true},
		{offsetof(struct collateral_files, qe_identity),
			"qe-identity-missing", true},
		{offsetof(struct collateral_files, qe_identity_chain),
			"qe-identity-missing", true},
		{offsetof(struct collateral_files, root_ca_crl),
			"root-crl-missing", false},
		{offsetof(struct collateral_files, pck_crl), "pck-crl-missing",
			false},
	};
	static const struct collateral_files none;
	struct verdict v;

	need_cases();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct collateral_files files = cases[0].files;

		memset((char *)&files + rows[i].at, 0, sizeof(struct span));
		verify_with(0, &files, false, &v);
		assert_failure(&v, rows[i].rule);
		assert_true(v.signature);
		assert_int_equal(v.chain, rows[i].chain);
		if (rows[i].chain)
			assert_int_equal(v.tcb_status, TCB_UNKNOWN);
		verify_with(0, &files, true, &v);
		assert_int_equal(v.failure_count, rows[i].chain ? 1 : 0);
	}
	verify_with(0, &none, false, &v);
	assert_failure(&v, "tcb-info-missing");
	assert_failure(&v, "qe-identity-missing");
	assert_failure(&v, "root-crl-missing");
	assert_failure(&v, "pck-crl-missing");
	assert_int_equal(v.failure_count, 4);
	assert_true(v.signature);
}

static void test_swapped(void **state)
{
	struct collateral_files files;
	struct dcap_case other;
	struct verdict v;

	need_cases();
	/* Another kind of platform. */
	dcap_case_read(&other, "dcap/sgx-v3-automata-00606a000000", NULL);
	files = cases[0].files;
	files.tcb_info = other.files.tcb_info;
	verify_with(0, &files, false, &v);
	assert_failure(&v, "tcb-info-fmspc");
	assert_int_equal(v.tcb_status, TCB_UNKNOWN);
	assert_true(v.signature);
	assert_true(v.chain);
	dcap_case_free(&other);
	/* Another TEE. */
	files = cases[1].files;
	files.tcb_info = cases[0].files.tcb_info;
	files.qe_identity = cases[0].files.qe_identity;
	verify_with(1, &files, false, &v);
	assert_failure(&v, "tcb-info-tee");
	assert_failure(&v, "qe-identity-id");
	assert_int_equal(v.tcb_status, TCB_UNKNOWN);
	/* One list for the other. */
	files = cases[0].files;
	files.root_ca_crl = cases[0].files.pck_crl;
	files.pck_crl = cases[0].files.root_ca_crl;
	verify_with(0, &files, false, &v);
	assert_failure(&v, "root-crl-issuer");
	assert_failure(&v, "pck-crl-issuer");
	assert_false(v.chain);
	/* The list of the other CA (processors, platforms). */
	files = cases[0].files;
	files.pck_crl = cases[1].files.pck_crl;
	verify_with(0, &files, false, &v);
	assert_failure(&v, "pck-crl-issuer");
	assert_false(v.chain);
	/* A chain without the signer. */
	files = cases[0].files;
	files.tcb_info_chain = vectors_read("roots/intel_sgx_root_ca.der");
	verify_with(0, &files, false, &v);
	assert_failure(&v, "tcb-info-name");
	vectors_free(files.tcb_info_chain);
}

/* A byte of a document changed: its signature fails. */
static void test_changed_json(void **state)
{
	static const struct {
		size_t at;
		const char *rule;
	} rows[] = {
		{offsetof(struct collateral_files, tcb_info),
			"tcb-info-signature"},
		{offsetof(struct collateral_files, qe_identity),
			"qe-identity-signature"},
	};
	struct verdict v;

	need_cases();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct collateral_files files = cases[0].files;
		struct span *s = (struct span *)((char *)&files + rows[i].at);
		char *copy = malloc(s->size + 1), *year;

		assert_non_null(copy);
		memcpy(copy, s->data, s->size);
		copy[s->size] = '\0';
		year = strstr(copy, "\"nextUpdate\":\"2");
		assert_non_null(year);
		year[17] = '9'; /* 2025 becomes 2095 */
		s->data = copy;
		verify_with(0, &files, false, &v);
		assert_failure(&v, rows[i].rule);
		assert_int_equal(v.tcb_status, TCB_UNKNOWN);
		assert_true(v.signature);
		free(copy);
	}
}

static void expect_unusable(const char *name, struct span *member,
	const struct collateral_files *files, const void *data, size_t size)
{
	struct span before = *member;
	struct collateral *c;
	struct err e = {0};

	member->data = data;
	member->size = size;
	assert_int_equal(collateral_new(files, NULL, &c, &e), -EINVAL);
	assert_int_equal(e.code, -EINVAL);
	assert_non_null(strstr(e.text, name));
	*member = before;
}

static void test_unusable(void **state)
{
	static const struct {
		const char *name;
		size_t at;
	} rows[] = {
		{"tcb_info.json", offsetof(struct collateral_files, tcb_info)},
		{"tcb_info_chain.pem",
			offsetof(struct collateral_files, tcb_info_chain)},
		{"qe_identity.json",
			offsetof(struct collateral_files, qe_identity)},
		{"qe_identity_chain.pem",
			offsetof(struct collateral_files, qe_identity_chain)},
		{"root_ca_crl.der",
			offsetof(struct collateral_files, root_ca_crl)},
		{"pck_crl.der", offsetof(struct collateral_files, pck_crl)},
		{"pck_cert.pem", offsetof(struct collateral_files, pck_cert)},
		{"pck_issuer_chain.pem",
			offsetof(struct collateral_files, pck_issuer_chain)},
	};
	struct collateral_files files = {0};
	static uint8_t large[(1 << 20) + 1];

	memset(large, ' ', sizeof(large));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct span *s = (struct span *)((char *)&files + rows[i].at);

		expect_unusable(rows[i].name, s, &files, "", 0);
		expect_unusable(rows[i].name, s, &files, "rubbish", 7);
		expect_unusable(rows[i].name, s, &files, "\x30\x80\x01", 3);
		expect_unusable(rows[i].name, s, &files, large, sizeof(large));
	}
}

/* Hex of what is in s, to be freed. */
static struct span to_hex(struct span s)
{
	static const char digits[] = "0123456789ABCDEF";
	char *text = malloc(2 * s.size + 1);

	assert_non_null(text);
	for (size_t i = 0; i < s.size; i++) {
		uint8_t byte = ((const uint8_t *)s.data)[i];

		text[2 * i] = digits[byte >> 4];
		text[2 * i + 1] = digits[byte & 15];
	}
	text[2 * s.size] = '\n';
	return (struct span){text, 2 * s.size + 1};
}

/* Hex lists, NULs behind chains, chains backwards. */
static void test_encodings(void **state)
{
	struct collateral_files files;
	const char *second;
	struct span hex;
	struct verdict v;
	size_t size, first;
	char *chain;

	need_cases();
	files = cases[0].files;
	hex = to_hex(files.pck_crl);
	files.pck_crl = hex;
	size = files.tcb_info_chain.size;
	chain = calloc(1, size + 3);
	assert_non_null(chain);
	memcpy(chain, files.tcb_info_chain.data, size);
	second = strstr(chain + 1, "-----BEGIN");
	assert_non_null(second);
	first = (size_t)(second - chain);
	memmove(chain, second, size - first);
	chain[size - first] = '\n';
	memcpy(chain + size - first + 1, files.tcb_info_chain.data, first);
	files.tcb_info_chain = (struct span){chain, size + 3};
	verify_with(0, &files, false, &v);
	assert_no_failures(&v);
	free(chain);
	vectors_free(hex);
}

/* Intel's roots are not believed when others are given, nor the reverse. */
static void test_other_root(void **state)
{
	struct evidence_options options;
	struct trust trust = {.root_count = 1, .emulated = true};
	struct collateral *c;
	struct dcap_case sample;
	struct span root;
	struct verdict v;
	struct err e;

	need_cases();
	dcap_case_read(&sample, "dcap/sgx-v3-intel-qvl-sample-ppid", NULL);
	options.at = 1704067200;
	options.no_crl = false;
	assert_int_equal(collateral_new(&sample.files, NULL, &c, &e), 0);
	assert_int_equal(evidence_verify(sample.quote.data, sample.quote.size,
				 c, &options, &v, &e),
		0);
	assert_failure(&v, "pck-root");
	assert_failure(&v, "tcb-info-root");
	assert_failure(&v, "qe-identity-root");
	assert_false(v.chain);
	assert_true(v.signature);
	assert_int_equal(v.tcb_status, TCB_UNKNOWN);
	collateral_free(c);

	trust.roots = &sample.root;
	assert_int_equal(collateral_new(&cases[0].files, &trust, &c, &e), 0);
	options.at = at[0];
	assert_int_equal(evidence_verify(cases[0].quote.data,
				 cases[0].quote.size, c, &options, &v, &e),
		0);
	assert_failure(&v, "pck-root");
	assert_false(v.chain);
	assert_false(v.emulated);
	collateral_free(c);
	dcap_case_free(&sample);

	/* The old certificate of Intel's key: a root is its key. */
	root = vectors_read("roots/intel_sgx_root_ca_old.der");
	trust.roots = &root;
	assert_int_equal(collateral_new(&cases[0].files, &trust, &c, &e), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			evidence_verify(cases[0].quote.data,
				cases[0].quote.size, c, &options, &v, &e),
			0);
		assert_no_failures(&v);
		assert_true(v.emulated); /* as it was said of that root */
	}
	collateral_free(c);
	vectors_free(root);
}

static void add_le32(uint8_t *p, uint32_t more)
{
	uint32_t n;

	memcpy(&n, p, 4);
	n += more;
	memcpy(p, &n, 4);
}

/* More chains than the cache has room for, and the first again: line feeds
 * behind PEM make other bytes of one meaning. */
static void test_cache(void **state)
{
	enum { CHAINS = 200 };
	const struct span *s = &cases[0].quote;
	struct verdict v;
	struct quote q;
	struct err e;
	uint8_t *copy;

	need_cases();
	assert_int_equal(quote_parse(s->data, s->size, &q, &e), 0);
	copy = malloc(q.size + CHAINS);
	assert_non_null(copy);
	for (uint32_t more = 0; more < CHAINS; more++) {
		size_t cert = (size_t)(q.cert - q.data), end = q.size;

		memcpy(copy, s->data, end);
		if (copy[end - 1] == '\0')
			copy[end - 1] = '\n';
		memset(copy + end, '\n', more);
		add_le32(copy + q.signed_size, more);
		add_le32(copy + cert - 4, more);
		assert_int_equal(verify(0, copy, end + more, &v), 0);
		assert_no_failures(&v);
		assert_true(v.chain);
	}
	free(copy);
	assert_int_equal(verify(0, s->data, s->size, &v), 0);
	assert_no_failures(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_flipped_chain),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_trailing),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_swapped),
		cmocka_unit_test(test_changed_json),
		cmocka_unit_test(test_unusable),
		cmocka_unit_test(test_encodings),
		cmocka_unit_test(test_other_root),
		cmocka_unit_test(test_cache),
	};

	return cmocka_run_group_tests_name("dcap", tests, NULL, teardown);
}
