/* SPDX-License-Identifier: Apache-2.0 */
/* Identities of quoting enclaves: members, comparison, levels. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/qe_identity.h"
#include "test/unit/tcb_text.h"
#include "test/unit/unit.h"

#define MRSIGNER \
	"8C4F5775D796503E96137F77C68A829A0056ac8ded70140b081b094490c57bff"

static const char good[] =
	"{\"id\":\"QE\",\"version\":2,\"issueDate\":\"2025-06-19T10:32:27Z\","
	"\"nextUpdate\":\"2025-07-19T10:32:27Z\","
	"\"tcbEvaluationDataNumber\":17,\"miscselect\":\"01020304\","
	"\"miscselectMask\":\"fF0fFfFf\","
	"\"attributes\":\"11000000000000000000000000000000\","
	"\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\","
	"\"mrsigner\":\"" MRSIGNER "\",\"isvprodid\":1,\"tcbLevels\":["
	"{\"tcb\":{\"isvsvn\":6},\"tcbDate\":\"2021-11-10T00:00:00Z\","
	"\"tcbStatus\":\"OutOfDate\",\"advisoryIDs\":[\"INTEL-SA-00615\"]},"
	"{\"tcb\":{\"isvsvn\":8},\"tcbDate\":\"2024-03-13T00:00:00Z\","
	"\"tcbStatus\":\"UpToDate\"},"
	"{\"tcb\":{\"isvsvn\":2},\"tcbDate\":\"2019-05-15T00:00:00Z\","
	"\"tcbStatus\":\"ConfigurationNeeded\"},"
	"{\"tcb\":{\"isvsvn\":1},\"tcbDate\":\"2018-08-15T00:00:00Z\","
	"\"tcbStatus\":\"Revoked\"}]}";

static int parse(const char *body, struct qe_identity **out, struct err *e)
{
	char *text = tcb_envelope("enclaveIdentity", body);
	struct signed_json json;
	int rc = signed_json_parse(
		"enclaveIdentity", text, strlen(text), &json, e);

	if (!rc) {
		rc = qe_identity_parse(&json, out, e);
		signed_json_fini(&json);
	}
	free(text);
	return rc;
}

static struct qe_identity *parsed(const char *body)
{
	struct qe_identity *out = NULL;
	struct err e = {0};

	if (parse(body, &out, &e))
		fail_msg("%s", e.text);
	return out;
}

static void test_members(void **state)
{
	struct qe_identity *q = parsed(good);

	assert_int_equal(q->id, QE_IDENTITY_QE);
	assert_string_equal(qe_identity_name(q->id), "QE");
	assert_int_equal(q->version, 2);
	assert_int_equal(q->issue_date, 1750329147);
	assert_int_equal(q->next_update, 1752921147);
	assert_int_equal(q->evaluation, 17);
	assert_memory_equal(q->miscselect, "\1\2\3\4", 4);
	assert_memory_equal(q->miscselect_mask, "\xff\x0f\xff\xff", 4);
	assert_int_equal(q->attributes[0], 0x11);
	assert_int_equal(q->attributes_mask[0], 0xfb);
	assert_int_equal(q->mrsigner[0], 0x8c);
	assert_int_equal(q->mrsigner[31], 0xff);
	assert_int_equal(q->isvprodid, 1);
	assert_int_equal(q->levels.count, 4);
	for (size_t i = 1; i < q->levels.count; i++)
		assert_true(q->levels.levels[i].isvsvn <
			q->levels.levels[i - 1].isvsvn);
	assert_int_equal(q->levels.levels[1].rating.advisories.count, 1);
	assert_string_equal(
		q->levels.levels[1].rating.advisories.ids[0], "INTEL-SA-00615");
	qe_identity_free(q);
	qe_identity_free(NULL);
}

static void test_kinds(void **state)
{
	static const struct {
		const char *from, *to;
		enum qe_identity_id id;
		unsigned version;
	} rows[] = {
		{"\"id\":\"QE\"", "\"id\":\"TD_QE\"", QE_IDENTITY_TD_QE, 2},
		{"\"id\":\"QE\"", "\"id\":\"QVE\"", QE_IDENTITY_QVE, 2},
		{"\"version\":2", "\"version\":3", QE_IDENTITY_QE, 3},
		/* What is not known is nobody's business. */
		{"\"version\":2", "\"version\":3,\"new\":[{}]", QE_IDENTITY_QE,
			3},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *text = tcb_replace(good, rows[i].from, rows[i].to);
		struct qe_identity *q = parsed(text);

		assert_int_equal(q->id, rows[i].id);
		assert_int_equal(q->version, rows[i].version);
		qe_identity_free(q);
		free(text);
	}
}

static void test_errors(void **state)
{
	static const struct tcb_mistake rows[] = {
		{"\"id\"", "\"ix\"", "enclaveIdentity.id: missing"},
		{"\"QE\"", "\"qe\"", "wanted QE, TD_QE or QVE"},
		{"\"version\":2", "\"version\":1", "wanted 2 or 3"},
		{"\"version\":2", "\"version\":4", "wanted 2 or 3"},
		{"\"version\":2", "\"version\":\"2\"", "version: a text"},
		{"\"version\"", "\"v\"", "version: missing"},
		{"\"issueDate\"", "\"x\"", "issueDate: missing"},
		{"\"nextUpdate\"", "\"x\"", "nextUpdate: missing"},
		{"2025-07-19T", "2025-07-19 ", "wanted a date like"},
		{"2025-07-19T", "292277026596-07-19T", "wanted a date like"},
		{"2025-07-19T", "2025-02-29T", "wanted a date like"},
		{"\"tcbEvaluationDataNumber\"", "\"x\"",
			"tcbEvaluationDataNumber: missing"},
		{":17,", ":-1,", "whole number up to 4294967295"},
		{":17,", ":4294967296,", "whole number up to 4294967295"},
		{"\"miscselect\"", "\"x\"", "miscselect: missing"},
		{"\"miscselectMask\"", "\"x\"", "miscselectMask: missing"},
		{"\"attributes\"", "\"x\"", "attributes: missing"},
		{"\"attributesMask\"", "\"x\"", "attributesMask: missing"},
		{"\"mrsigner\"", "\"x\"", "mrsigner: missing"},
		{"\"isvprodid\"", "\"x\"", "isvprodid: missing"},
		{"\"isvprodid\":1", "\"isvprodid\":65536",
			"whole number up to 65535"},
		{"01020304", "0102030", "wanted 8 hexadecimal digits"},
		{"01020304", "010203045", "wanted 8 hexadecimal digits"},
		{"01020304", "0x020304", "wanted 8 hexadecimal digits"},
		{"\"tcbLevels\":[", "\"tcbLevels\":[],\"x\":[",
			"tcbLevels: 0 elements"},
		{"\"tcbLevels\"", "\"x\"", "tcbLevels: missing"},
		{"\"isvsvn\":8", "\"isvsvn\":6", "isvsvn 6 twice"},
		{"\"isvsvn\":8", "\"isvsvn\":65536",
			"tcbLevels[1].tcb.isvsvn: 65536"},
		{"\"isvsvn\":8", "\"isvsvn\":8.0", "with a fraction"},
		{"\"isvsvn\":8", "\"x\":8", "tcbLevels[1].tcb.isvsvn: missing"},
		{"\"UpToDate\"", "\"uptodate\"",
			"tcbLevels[1].tcbStatus: uptodate"},
		{"\"UpToDate\"", "\"NotSupported\"", "wanted a status"},
		{"\"UpToDate\"", "\"TDRelaunchAdvised\"", "wanted a status"},
		{"\"UpToDate\"", "null", "tcbStatus: null"},
		{"[\"INTEL-SA-00615\"]", "[7]", "not all texts"},
		{"[\"INTEL-SA-00615\"]", "\"x\"", "advisoryIDs: a text"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *text = tcb_replace(good, rows[i].from, rows[i].to);
		struct qe_identity *q = NULL;
		struct err e = {0};
		int rc = parse(text, &q, &e);

		if (rc != -EINVAL || !strstr(e.text, rows[i].error))
			fail_msg("%s -> %s: %d %s", rows[i].from, rows[i].to,
				rc, e.text);
		free(text);
	}
}

enum { MISCSELECT = 16, ATTRIBUTES = 48, MRSIGNER_AT = 128, PRODID = 256 };

/* A REPORT that the identity takes, with everything set that may be. */
static void make_report(const struct qe_identity *q, uint8_t report[384])
{
	memset(report, 0xa5, 384);
	for (int i = 0; i < 4; i++)
		report[MISCSELECT + i] =
			(uint8_t)(q->miscselect[i] | ~q->miscselect_mask[i]);
	for (int i = 0; i < 16; i++)
		report[ATTRIBUTES + i] =
			(uint8_t)(q->attributes[i] | ~q->attributes_mask[i]);
	memcpy(report + MRSIGNER_AT, q->mrsigner, 32);
	report[PRODID] = 1;
	report[PRODID + 1] = 0;
}

static const char *only_failure(
	const struct qe_identity *q, const uint8_t report[384])
{
	static struct verdict v;

	verdict_init(&v, EVIDENCE_SGX_V3);
	if (qe_identity_check(q, report, &v)) {
		assert_int_equal(v.failure_count, 0);
		return "";
	}
	assert_int_equal(v.failure_count, 1);
	return v.failures[0].rule;
}

/* Each bit of a REPORT: the masks say which of them matter. */
static void test_comparison(void **state)
{
	struct qe_identity *q = parsed(good);
	uint8_t report[384];

	make_report(q, report);
	assert_string_equal(only_failure(q, report), "");
	for (size_t bit = 0; bit < 384 * 8; bit++) {
		size_t i = bit / 8;
		uint8_t one = (uint8_t)(1 << bit % 8);
		const char *want = "";

		if (i >= MISCSELECT && i < MISCSELECT + 4 &&
			q->miscselect_mask[i - MISCSELECT] & one)
			want = "qe-miscselect";
		if (i >= ATTRIBUTES && i < ATTRIBUTES + 16 &&
			q->attributes_mask[i - ATTRIBUTES] & one)
			want = "qe-attributes";
		if (i >= MRSIGNER_AT && i < MRSIGNER_AT + 32)
			want = "qe-mrsigner";
		if (i == PRODID || i == PRODID + 1)
			want = "qe-isvprodid";
		report[i] ^= one;
		assert_string_equal(only_failure(q, report), want);
		report[i] ^= one;
	}
	/* A bit outside of the mask that is wanted can never be met. */
	q->attributes[8] = 1;
	assert_string_equal(only_failure(q, report), "qe-attributes");
	qe_identity_free(q);
}

static void test_levels(void **state)
{
	static const struct {
		unsigned isvsvn;
		enum tcb_status status;
	} rows[] = {
		{65535, TCB_UP_TO_DATE},
		{256, TCB_UP_TO_DATE},
		{9, TCB_UP_TO_DATE},
		{8, TCB_UP_TO_DATE},
		{7, TCB_OUT_OF_DATE},
		{6, TCB_OUT_OF_DATE},
		{2, TCB_OUT_OF_DATE}, /* ConfigurationNeeded */
		{1, TCB_REVOKED},
		{0, TCB_NOT_SUPPORTED},
	};
	struct qe_identity *q = parsed(good);
	uint8_t report[384];

	make_report(q, report);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		report[258] = (uint8_t)rows[i].isvsvn;
		report[259] = (uint8_t)(rows[i].isvsvn >> 8);
		assert_int_equal(isv_level_status(qe_identity_level(q, report)),
			rows[i].status);
	}
	qe_identity_free(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_comparison),
		cmocka_unit_test(test_levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
