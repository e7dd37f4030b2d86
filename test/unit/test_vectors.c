/* SPDX-License-Identifier: Apache-2.0 */
/* Real quotes with real collateral: what is expected of each, at its instant,
 * at the ends of its window and just outside. */
#include "test/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "attest/quote.h"
#include "attest/x509_int.h"
#include "test/unit/dcap_case.h"
#include "test/unit/vectors.h"

/* Calls check for every case of this kind. */
static void each_case(const char *kind,
	void (*check)(const struct dcap_case *c, const json_t *expect))
{
	json_t *item;
	size_t i, count = 0;

	json_array_foreach(vectors_cases(), i, item)
	{
		const char *name = json_string_value(
			json_object_get(item, "case"));
		struct dcap_case c;

		if (strcmp(json_string_value(json_object_get(item, "kind")),
			    kind))
			continue;
		print_message("%s\n", name);
		dcap_case_read(&c, name,
			json_string_value(json_object_get(item, "quote")));
		check(&c, json_object_get(item, "expect"));
		dcap_case_free(&c);
		count++;
	}
	assert_true(count > 0);
}

/* No list of that date is published with it. */
static bool lacks_crl(const struct dcap_case *c)
{
	return !c->files.root_ca_crl.data || !c->files.pck_crl.data;
}

static void assert_status(
	const json_t *expect, const char *member, enum tcb_status seen)
{
	const char *want = json_string_value(json_object_get(expect, member));

	if (want)
		assert_string_equal(verdict_tcb_name(seen), want);
}

static void assert_field(
	const struct verdict *v, const char *name, const json_t *want)
{
	const struct verdict_field *f = verdict_field(v, name);
	char hex[129] = "";

	assert_non_null(f);
	if (json_is_integer(want)) {
		assert_int_equal(f->size, 0);
		assert_int_equal(f->number, json_integer_value(want));
		return;
	}
	for (size_t i = 0; i < f->size; i++)
		snprintf(hex + 2 * i, 3, "%02x", f->bytes[i]);
	assert_string_equal(hex, json_string_value(want));
}

static void assert_fields(const struct verdict *v, const json_t *expect)
{
	static const char *const names[] = {"mrenclave", "mrsigner",
		"isv_prod_id", "isv_svn", "attributes", "report_data", "mrtd",
		"rtmr0", "rtmr1", "rtmr2", "rtmr3", "mrseam", "tee_tcb_svn",
		"td_attributes", "xfam", "fmspc", "cert_data_type"};
	size_t found = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const json_t *want = json_object_get(expect, names[i]);

		if (!want)
			continue;
		assert_field(v, names[i], want);
		found++;
	}
	assert_true(found >= 6);
}

static void assert_advisories(const struct verdict *v, const json_t *expect)
{
	const json_t *ids = json_object_get(expect, "advisory_ids"), *id;
	size_t i;

	assert_int_equal(v->advisory_count, json_array_size(ids));
	json_array_foreach((json_t *)(uintptr_t)ids, i, id)
		assert_string_equal(v->advisories[i], json_string_value(id));
}

static void check_verdict(const struct verdict *v, const json_t *expect)
{
	char kind[16];

	assert_no_failures(v);
	snprintf(kind, sizeof(kind), "%s-v%d",
		json_string_value(json_object_get(expect, "tee_type")),
		(int)json_integer_value(
			json_object_get(expect, "quote_version")));
	assert_string_equal(verdict_kind_name(v->kind), kind);
	assert_true(v->signature);
	assert_true(v->chain);
	assert_false(v->emulated);
	assert_int_equal(
		v->debug, json_is_true(json_object_get(expect, "debug")));
	assert_status(expect, "tcb_status", v->tcb_status);
	assert_status(expect, "tdx_level", v->platform_status);
	if (!json_object_get(expect, "tdx_level"))
		assert_status(expect, "sgx_level", v->platform_status);
	assert_status(expect, "tdx_module_status", v->module_status);
	assert_status(expect, "qe_status", v->qe_status);
	if (json_is_string(json_object_get(expect, "tcb_date")))
		assert_int_equal(v->tcb_date, vectors_date(expect, "tcb_date"));
	assert_advisories(v, expect);
	assert_fields(v, expect);
}

static void check_at(const struct dcap_case *c, const json_t *expect)
{
	struct collateral *collateral = dcap_case_collateral(c);
	struct verdict v;

	/* Cold, then warm. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			dcap_case_verify(c, collateral,
				vectors_date(expect, "at"), lacks_crl(c), &v),
			0);
		check_verdict(&v, expect);
	}
	if (lacks_crl(c)) {
		assert_int_equal(dcap_case_verify(c, collateral,
					 vectors_date(expect, "at"), false, &v),
			0);
		assert_failure(&v,
			c->files.pck_crl.data ? "root-crl-missing"
					      : "pck-crl-missing");
		assert_false(v.chain);
		assert_true(v.signature);
	}
	collateral_free(collateral);
}

static void test_at(void **state)
{
	each_case("dcap", check_at);
}

static bool is_date_rule(const char *rule)
{
	size_t len = strlen(rule);

	return len > 5 && !strcmp(rule + len - 5, "-date");
}

/* The instant is outside: dates fail, signatures hold. */
static void check_outside(
	const struct dcap_case *c, struct collateral *collateral, int64_t at)
{
	struct verdict v;

	assert_int_equal(
		dcap_case_verify(c, collateral, at, lacks_crl(c), &v), 0);
	assert_true(v.failure_count > 0);
	for (size_t i = 0; i < v.failure_count && i < VERDICT_FAILURES; i++)
		if (!is_date_rule(v.failures[i].rule))
			fail_msg("%s: %s", v.failures[i].rule,
				v.failures[i].seen);
	assert_true(v.signature);
}

static void check_window(const struct dcap_case *c, const json_t *expect)
{
	struct collateral *collateral = dcap_case_collateral(c);
	int64_t from = vectors_date(expect, "valid_from");
	int64_t until = vectors_date(expect, "valid_until");
	struct verdict v;

	assert_int_equal(
		dcap_case_verify(c, collateral, from, lacks_crl(c), &v), 0);
	assert_no_failures(&v);
	assert_int_equal(v.valid_from, from);
	assert_int_equal(v.valid_until, until);
	assert_int_equal(
		dcap_case_verify(c, collateral, until, lacks_crl(c), &v), 0);
	assert_no_failures(&v);
	check_outside(c, collateral, from - 1);
	check_outside(c, collateral, until + 1);
	check_outside(c, collateral, INT64_MIN);
	check_outside(c, collateral, INT64_MAX);
	collateral_free(collateral);
	/* With nothing known from before. */
	collateral = dcap_case_collateral(c);
	check_outside(c, collateral, until + 1);
	collateral_free(collateral);
}

static void test_window(void **state)
{
	each_case("dcap", check_window);
}

static void check_signature_only(
	const struct dcap_case *c, const json_t *expect)
{
	struct collateral *collateral = dcap_case_collateral(c);
	struct verdict v;

	assert_int_equal(dcap_case_verify(c, collateral, 0, true, &v), 0);
	assert_failure(&v, "pck-missing");
	assert_failure(&v, "qe-report-signature");
	assert_failure(&v, "tcb-info-missing");
	assert_failure(&v, "qe-identity-missing");
	assert_false(verdict_has(&v, "quote-signature"));
	assert_false(verdict_has(&v, "qe-report-data"));
	assert_false(v.signature);
	assert_false(v.chain);
	collateral_free(collateral);
}

/* Certificates of a file whose signature is taken for granted; verified. */
static void check_known(const struct span *file, struct x509_list *seen)
{
	struct x509_list list = {0};

	if (!file->data)
		return;
	assert_int_equal(
		x509_list_parse(&list, NULL, file->data, file->size, NULL), 0);
	for (size_t i = 0; i < list.count; i++)
		for (size_t j = 0; j < list.count; j++) {
			struct x509_cert *cert = list.certs[i];

			if (!x509_known(cert, list.certs[j]))
				continue;
			assert_int_equal(x509_verify_der(list.certs[j],
						 cert->der, cert->size),
				0);
			x509_list_add(seen, cert);
		}
	x509_list_fini(&list);
}

static struct x509_list known;

static void check_known_of(const struct dcap_case *c, const json_t *expect)
{
	struct quote q;
	struct span chain;
	struct err e;

	assert_int_equal(quote_parse(c->quote.data, c->quote.size, &q, &e), 0);
	chain = (struct span){q.cert, q.cert_size};
	if (q.cert_type == QUOTE_CERT_CHAIN)
		check_known(&chain, &known);
	check_known(&c->files.tcb_info_chain, &known);
	check_known(&c->files.qe_identity_chain, &known);
}

static void test_known(void **state)
{
	struct span more;

	each_case("dcap", check_known_of);
	more = vectors_read("collateral/pretty-printed/chain.pem");
	check_known(&more, &known);
	vectors_free(more);
	more = vectors_read("collateral/bad-signature/chain.pem");
	check_known(&more, &known);
	vectors_free(more);
	assert_int_equal(known.count, x509_known_count());
	x509_list_fini(&known);
}

static void test_signature_only(void **state)
{
	each_case("dcap-signature-only", check_signature_only);
}

/*
 * What is remembered of a quoting enclave is its report with the signature that
 * was verified: neither with another signature nor another report with this one
 * are good because there was one like it.
 */
static void check_forged(const struct dcap_case *c, const json_t *expect)
{
	static const uint16_t places[] = {0, 320, QUOTE_QE_REPORT_SIZE - 1,
		QUOTE_QE_REPORT_SIZE, QUOTE_QE_REPORT_SIZE + 32,
		QUOTE_QE_REPORT_SIZE + 63};
	struct collateral *collateral = dcap_case_collateral(c);
	int64_t at = vectors_date(expect, "at");
	uint8_t *copy = malloc(c->quote.size);
	struct dcap_case forged = *c;
	struct verdict v;
	struct quote q;
	struct err e;

	assert_non_null(copy);
	assert_int_equal(quote_parse(c->quote.data, c->quote.size, &q, &e), 0);
	forged.quote.data = copy;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		assert_int_equal(
			dcap_case_verify(c, collateral, at, lacks_crl(c), &v),
			0);
		assert_true(v.signature);
		memcpy(copy, c->quote.data, c->quote.size);
		copy[(size_t)(q.qe_report - q.data) + places[i]] ^= 1;
		assert_int_equal(dcap_case_verify(&forged, collateral, at,
					 lacks_crl(c), &v),
			0);
		assert_failure(&v, "qe-report-signature");
		assert_false(v.signature);
	}
	free(copy);
	collateral_free(collateral);
}

static void test_forged(void **state)
{
	each_case("dcap", check_forged);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_signature_only),
	};

	return cmocka_run_group_tests_name("vectors", tests, NULL, NULL);
}
