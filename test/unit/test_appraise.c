/* SPDX-License-Identifier: Apache-2.0 */
/* Policies: texts that are read or refused, and verdicts that are judged. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "abi/sgx.h"
#include "attest/appraise.h"

#define HEX16 "0123456789abcdef0123456789ABCDEF"
#define HEX32 HEX16 HEX16
#define HEX48 HEX32 HEX16

static struct appraise_policy policy;
static struct verdict verdict;

/* ---- texts that are refused ---- */

static const struct {
	const char *text, *message;
} bad[] = {
	{"", "p: empty; wanted a map"},
	{"# nothing\n", "p: empty; wanted a map"},
	{"- a", "p:1:1: the policy: found a list; wanted a map"},
	{"just text", "p:1:1: the policy: found a value; wanted a map"},
	{"{}\n---\n{}", "p:2:1: a second document; wanted one"},
	{"tcb: [", "p:1:6: tcb: found a list; wanted a map"},
	{"tcb: {", "not YAML: "}, /* and what libyaml says */
	{"tcb: \xff", "not YAML: "},
	{"{\"allow_debug\": true", "not YAML: "},
	{"allow_debug: &a true", "p:1:14: anchors and tags are not allowed"},
	{"allow_debug: !!bool true",
		"p:1:14: anchors and tags are not allowed"},
	{"allow_debug: *a", "p:1:14: aliases are not allowed"},
	{"allow_debug: true\nallow_debug: true",
		"p:2:1: key 'allow_debug' is there twice"},
	{"allow_debug: 1", "p:1:14: allow_debug: '1'; wanted true or false"},
	{"allow_debug: 'true'",
		"p:1:14: allow_debug: 'true'; wanted true or false"},
	{"allow_debug: [true]",
		"p:1:14: allow_debug: found a list; wanted a value"},
	{"alow_debug: true",
		"p:1:1: unknown key in the policy 'alow_debug'; did you mean "
		"'allow_debug'?"},
	{"mrenclave: 00",
		"p:1:1: unknown key in the policy 'mrenclave'; wanted one of "
		"allow_debug, allow_emulated, tcb, measurements"},
	{"tcb: {acept: []}",
		"p:1:7: unknown key in tcb 'acept'; did you mean 'accept'?"},
	{"tcb: {accept: UpToDate}",
		"p:1:15: accept: found a value; wanted a list"},
	{"tcb: {accept: [outofdate]}",
		"p:1:16: unknown TCB status 'outofdate'; did you mean "
		"'OutOfDate'?"},
	{"tcb: {accept: [SWHardeningNeded]}",
		"p:1:16: unknown TCB status 'SWHardeningNeded'; did you mean "
		"'SWHardeningNeeded'?"},
	{"tcb: {accept: [x]}", "unknown TCB status 'x'; wanted one of UpToDa"},
	{"tcb: {accept: [Revoked]}",
		"p:1:16: accept: platforms that are Revoked are never accepted"
		"; leave it out"},
	{"tcb: {accept: [NotSupported]}",
		"p:1:16: accept: platforms that are NotSupported are never "},
	{"tcb: {accept: ['']}", "unknown TCB status ''"},
	{"tcb: {accept: [[]]}", "p:1:16: accept: found a list; wanted a value"},
	{"tcb: {advisories: [615]}",
		"p:1:20: advisories: '615'; wanted an id as INTEL-SA-00615"},
	{"tcb: {advisories: [intel-sa-00615]}", "wanted an id as INTEL-SA-0"},
	{"tcb: {advisories: [INTEL-SA-00000000000000000]}",
		"wanted an id as INTEL-SA-0"},
	{"tcb: {advisories: [A-1, A-1]}",
		"p:1:25: advisories: A-1 is there twice"},
	{"tcb: {max_age: 30}",
		"p:1:16: max_age: '30'; wanted a number of seconds, hours, "
		"days or weeks, as 3600s, 12h, 365d or 52w"},
	{"tcb: {max_age: 0d}", "max_age: '0d'; wanted"},
	{"tcb: {max_age: d}", "max_age: 'd'; wanted"},
	{"tcb: {max_age: -1d}", "max_age: '-1d'; wanted"},
	{"tcb: {max_age: 18446744073709551615w}", "max_age: '18446744"},
	{"tcb: {max_age: 9223372036854775808s}", "max_age: '92233720"},
	{"tcb: {min_evaluation: '17'}",
		"p:1:23: min_evaluation: '17'; wanted a number"},
	{"tcb: {min_evaluation: 4294967296}",
		"p:1:23: min_evaluation: 4294967296; wanted a tcbEvaluationDa"},
	{"tcb: {min_evaluation: 18446744073709551616}", "wanted a number"},
	{"measurements: []",
		"p:1:15: measurements: found a list; wanted a map"},
	{"measurements: {mr_enclave: 00}",
		"p:1:16: unknown measurement 'mr_enclave'; did you mean "
		"'mrenclave'?"},
	{"measurements: {ISVSVN: 1}", "did you mean 'isv_svn'?"},
	{"measurements: {something_else_entirely: 1}",
		"p:1:16: unknown measurement 'something_else_entirely'; wanted "
		"one of mrenclave, "},
	{"measurements: {mrenclave: 0011}",
		"p:1:27: mrenclave: '0011' (4 characters); wanted 64 "
		"hexadecimal digits"},
	{"measurements: {mrenclave: " HEX32 "0}", "(65 characters); wanted 64"},
	{"measurements: {mrenclave: \"" HEX16 HEX16 "\\0\"}",
		"p:1:27: a text with a zero byte"},
	{"measurements: {mrsigner: []}",
		"mrsigner: no value; wanted one or several"},
	{"measurements: {isv_svn: 1, isv_svn: 2}",
		"p:1:28: key 'isv_svn' is there twice"},
	{"measurements: {isv_svn: one}",
		"p:1:25: isv_svn: 'one'; wanted a number"},
	{"measurements: {isv_svn: {}}",
		"p:1:25: isv_svn: wanted {min: ...}, or {value: ..., mask: "
		"...}"},
	{"measurements: {isv_svn: {value: 1}}", "p:1:25: isv_svn: wanted {"},
	{"measurements: {isv_svn: {min: 1, mask: 1}}",
		"p:1:25: isv_svn: wanted {"},
	{"measurements: {isv_svn: {min: [1]}}",
		"isv_svn: found a list; wanted a value"},
	{"measurements: {isv_svn: {max: 1}}",
		"p:1:26: unknown key in isv_svn 'max'; did you mean 'min'?"},
	{"measurements: {isv_svn: 0x}", "wanted a number"},
	{"measurements: {isv_svn: 0x10000000000000000}", "wanted a number"},
	{"measurements: {isv_svn: [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,"
	 "17]}",
		"isv_svn: too many values; wanted at most 16"},
};

static void test_refused(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		static const struct appraise_policy zero;
		struct err e = {0};
		int ret = appraise_parse(
			&policy, "p", bad[i].text, strlen(bad[i].text), &e);

		if (ret != -EINVAL || strstr(e.text, bad[i].message) == NULL)
			fail_msg("%s\ngives %d: %s\nwanted: %s", bad[i].text,
				ret, e.text, bad[i].message);
		assert_memory_equal(&policy, &zero, sizeof(zero));
	}
}

/* Any part of a policy, and any policy with a wrong byte: no crash. */
static void test_damaged(void **state)
{
	static const char good[] =
		"{\"allow_debug\":true,\"tcb\":{\"accept\":[\"OutOfDate\"],"
		"\"advisories\":[\"INTEL-SA-00615\"],\"max_age\":\"1d\"},"
		"\"measurements\":{\"isv_svn\":{\"min\":2},\"vmpl\":[0,1],"
		"\"mrenclave\":\"" HEX32 "\"}}";
	char text[sizeof(good)];
	struct err e;

	for (size_t size = 0; size < sizeof(good) - 1; size++)
		assert_int_equal(
			appraise_parse(&policy, "p", good, size, &e), -EINVAL);
	assert_int_equal(
		appraise_parse(&policy, "p", good, sizeof(good) - 1, &e), 0);
	assert_int_equal(policy.field_count, 3);
	for (size_t i = 0; i < sizeof(good) - 1; i++)
		for (int bit = 0; bit < 8; bit++) {
			int ret;

			memcpy(text, good, sizeof(good));
			text[i] = (char)(text[i] ^ 1 << bit);
			ret = appraise_parse(
				&policy, "p", text, sizeof(good) - 1, &e);
			assert_true(ret == 0 || ret == -EINVAL);
		}
}

/* ---- verdicts ---- */

/* What the verdict is before a row changes it: nothing to complain about. */
static void make_verdict(void)
{
	uint8_t bytes[64];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(0x10 * (i % 8) + 5);
	verdict_init(&verdict, EVIDENCE_SGX_V3);
	verdict.signature = verdict.chain = true;
	verdict.tcb_status = TCB_UP_TO_DATE;
	verdict.tcb_date = 1000;
	verdict.tcb_evaluation = 17;
	verdict_add_bytes(&verdict, "mrenclave", bytes, 32);
	verdict_add_bytes(&verdict, "reported_tcb", bytes, 8);
	verdict_add_number(&verdict, "isv_svn", 3);
	verdict_add_number(&verdict, "policy", 0x30000);
}

static void debug(void)
{
	verdict.debug = true;
}

static void emulated(void)
{
	verdict.emulated = true;
}

static void hardening(void)
{
	verdict.tcb_status = TCB_SW_HARDENING_NEEDED;
	assert_int_equal(
		verdict_add_advisory(&verdict, "INTEL-SA-00615", 14), 0);
	assert_int_equal(
		verdict_add_advisory(&verdict, "INTEL-SA-00289", 14), 0);
}

static void up_to_date_advisory(void)
{
	assert_int_equal(
		verdict_add_advisory(&verdict, "INTEL-SA-00615", 14), 0);
}

static void revoked(void)
{
	verdict.tcb_status = TCB_REVOKED;
}

static void unsupported(void)
{
	verdict.tcb_status = TCB_NOT_SUPPORTED;
}

static void unknown(void)
{
	verdict.tcb_status = TCB_UNKNOWN;
}

static void nonsense(void)
{
	verdict.tcb_status = (enum tcb_status)77;
}

static void undated(void)
{
	verdict.tcb_date = 0;
}

static void forged(void)
{
	verdict.signature = false;
	verdict_fail(&verdict, "quote-signature", "a", "b");
}

static void unfilled(void)
{
	verdict.signature = false;
}

static void unchained(void)
{
	verdict.chain = false;
}

#define MRE "05152535455565750515253545556575"
#define FINE NULL, NULL, NULL

/* at is 2000. */
static const struct {
	const char *policy;
	void (*change)(void);
	const char *rule, *seen, *wanted; /* NULL: accepted */
} judged[] = {
	{"{}", NULL, FINE},
	{"{}", debug, "policy-debug", "debug", "production"},
	{"allow_debug: false", debug, "policy-debug", "debug", "production"},
	{"allow_debug: true", debug, FINE},
	{"{}", emulated, "policy-emulated", "an emulated platform", "hardware"},
	{"allow_emulated: yes", emulated, FINE},
	{"{}", forged, "quote-signature", "a", "b"},
	{"{}", unfilled, "policy-genuine", "not verified", "verified"},
	{"{}", unchained, "policy-genuine", "not verified", "verified"},
	/* status */
	{"{}", hardening, "policy-tcb-status", "SWHardeningNeeded", "UpToDate"},
	{"tcb: {accept: [UpToDate]}", hardening, "policy-tcb-status",
		"SWHardeningNeeded", "UpToDate"},
	{"tcb: {accept: [OutOfDate, TDRelaunchAdvised]}", hardening,
		"policy-tcb-status", "SWHardeningNeeded",
		"UpToDate, OutOfDate, TDRelaunchAdvised"},
	{"tcb: {accept: [SWHardeningNeeded]}", hardening, FINE},
	{"tcb: {accept: [SWHardeningNeeded]}", NULL, FINE},
	{"tcb: {accept: [OutOfDate]}", revoked, "policy-tcb-status", "Revoked",
		"UpToDate, OutOfDate"},
	{"tcb: {accept: [OutOfDate]}", unsupported, "policy-tcb-status",
		"NotSupported", "UpToDate, OutOfDate"},
	{"{}", unknown, "policy-tcb-status", "not determined", "UpToDate"},
	{"{}", nonsense, "policy-tcb-status", "", "UpToDate"},
	/* advisories */
	{"tcb: {accept: [SWHardeningNeeded], advisories: [INTEL-SA-00615, "
	 "INTEL-SA-00289]}",
		hardening, FINE},
	{"tcb: {accept: [SWHardeningNeeded], advisories: [INTEL-SA-00615]}",
		hardening, "policy-advisories", "INTEL-SA-00289",
		"only advisories that the policy lists"},
	{"tcb: {accept: [SWHardeningNeeded], advisories: []}", hardening,
		"policy-advisories", "INTEL-SA-00289, INTEL-SA-00615",
		"no advisories"},
	{"tcb: {advisories: []}", up_to_date_advisory, FINE},
	/* age and evaluation */
	{"tcb: {max_age: 1000s}", NULL, FINE},
	{"tcb: {max_age: 999s}", NULL, "policy-tcb-age", "1970-01-01T00:16:40Z",
		"1970-01-01T00:16:41Z"},
	{"tcb: {max_age: 1h}", NULL, FINE},
	{"tcb: {max_age: 1w}", undated, "policy-tcb-age",
		"no date of the TCB level", "a date"},
	{"tcb: {min_evaluation: 17}", NULL, FINE},
	{"tcb: {min_evaluation: 18}", NULL, "policy-tcb-evaluation", "17",
		"at least 18"},
	/* measurements */
	{"measurements: {mrenclave: " MRE MRE "}", NULL, FINE},
	{"measurements: {mrenclave: '" MRE MRE "'}", NULL, FINE},
	{"measurements: {mrenclave: [" HEX32 ", " MRE MRE "]}", NULL, FINE},
	{"measurements: {mrenclave: " HEX32 "}", NULL, "policy-mrenclave",
		MRE MRE,
		"0123456789abcdef0123456789abcdef"
		"0123456789abcdef0123456789abcdef"},
	{"measurements: {mrenclave: [" HEX32 ", " HEX32 "]}", NULL,
		"policy-mrenclave", MRE MRE,
		"one of 2 values: 0123456789abcdef0123456789abcdef"
		"0123456789abcdef0123456789abcdef, ..."},
	{"measurements: {mrsigner: " MRE MRE "}", NULL, "policy-mrsigner",
		"no such field in this evidence", MRE MRE},
	{"measurements: {isv_svn: 3}", NULL, FINE},
	{"measurements: {isv_svn: 0x3}", NULL, FINE},
	{"measurements: {isv_svn: [1, 3]}", NULL, FINE},
	{"measurements: {isv_svn: 2}", NULL, "policy-isv_svn", "3", "2"},
	{"measurements: {isv_svn: [1, 2]}", NULL, "policy-isv_svn", "3",
		"one of 2 values: 1, ..."},
	{"measurements: {isv_svn: {min: 3}}", NULL, FINE},
	{"measurements: {isv_svn: {min: 4}}", NULL, "policy-isv_svn", "3",
		"at least 4"},
	{"measurements: {policy: {value: 0x20000, mask: 0xa0000}}", NULL, FINE},
	{"measurements: {policy: {mask: 0xb0000, value: 0x20000}}", NULL,
		"policy-policy", "0x30000", "0x20000 in the bits 0xb0000"},
	{"measurements: {reported_tcb: {min: 0500203040506070}}", NULL, FINE},
	/* Each byte by itself, not as one number. */
	{"measurements: {reported_tcb: {min: 0400000000000076}}", NULL,
		"policy-reported_tcb", "0515253545556575",
		"at least 0400000000000076"},
	{"measurements: {reported_tcb: {value: 0500000000000070, mask: "
	 "ff000000000000f0}}",
		NULL, FINE},
	{"measurements: {reported_tcb: {value: 0500000000000080, mask: "
	 "ff000000000000f0}}",
		NULL, "policy-reported_tcb", "0515253545556575",
		"0500000000000080 in the bits ff000000000000f0"},
};

static void test_judged(void **state)
{
	for (size_t i = 0; i < sizeof(judged) / sizeof(judged[0]); i++) {
		struct err e = {0};
		bool accepted;

		if (appraise_parse(&policy, "p", judged[i].policy,
			    strlen(judged[i].policy), &e) < 0)
			fail_msg("%s\ngives: %s", judged[i].policy, e.text);
		make_verdict();
		if (judged[i].change != NULL)
			judged[i].change();
		accepted = appraise(&verdict, &policy, 2000);
		if (accepted != (judged[i].rule == NULL) ||
			verdict.failure_count != (accepted ? 0 : 1) ||
			(!accepted &&
				(strcmp(verdict.failures[0].rule,
					 judged[i].rule) ||
					strcmp(verdict.failures[0].seen,
						judged[i].seen) ||
					strcmp(verdict.failures[0].wanted,
						judged[i].wanted))))
			fail_msg("row %zu, %s\ngives %zu failures, the first "
				 "%s\n  seen %s\n  wanted %s",
				i, judged[i].policy, verdict.failure_count,
				verdict.failures[0].rule,
				verdict.failures[0].seen,
				verdict.failures[0].wanted);
	}
}

/* Several things are wrong: each is told. */
static void test_all_are_told(void **state)
{
	struct err e;

	assert_int_equal(appraise_parse(&policy, "p",
				 "measurements: {isv_svn: 1, vmpl: 0}", 35, &e),
		0);
	make_verdict();
	debug();
	emulated();
	hardening();
	assert_false(appraise(&verdict, &policy, 2000));
	assert_int_equal(verdict.failure_count, 5);
}

static void test_far_dates(void **state)
{
	static const struct {
		int64_t at, date, age;
		bool accepted;
	} rows[] = {
		{INT64_MAX, 1, INT64_MAX, true},
		{INT64_MAX, INT64_MIN, INT64_MAX, false},
		{INT64_MIN, INT64_MAX, INT64_MAX, false},
		{INT64_MIN, 1, 1, false},
		{0, 1, 1, true}, /* the level is newer than now */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make_verdict();
		memset(&policy, 0, sizeof(policy));
		policy.max_tcb_age = rows[i].age;
		verdict.tcb_date = rows[i].date;
		assert_int_equal(appraise(&verdict, &policy, rows[i].at),
			rows[i].accepted);
	}
}

/* ---- policies made by programs ---- */

static void test_wanted(void **state)
{
	uint8_t value[64] = {0};

	memset(&policy, 0, sizeof(policy));
	assert_false(appraise_names_program(&policy));
	assert_int_equal(
		appraise_want_bytes(&policy, "mrenclav", value, 32), -EINVAL);
	assert_int_equal(
		appraise_want_bytes(&policy, "mrenclave", value, 31), -EINVAL);
	assert_int_equal(
		appraise_want_bytes(&policy, "isv_svn", value, 0), -EINVAL);
	assert_int_equal(policy.field_count, 0);
	assert_int_equal(
		appraise_want_bytes(&policy, "report_data", value, 64), 0);
	assert_false(appraise_names_program(&policy));
	for (int i = 0; i < APPRAISE_VALUES; i++)
		assert_int_equal(
			appraise_want_bytes(&policy, "mrenclave", value, 32),
			0);
	assert_int_equal(
		appraise_want_bytes(&policy, "mrenclave", value, 32), -ENOSPC);
	assert_true(appraise_names_program(&policy));
	assert_int_equal(policy.field_count, 2);
	make_verdict();
	assert_false(appraise(&verdict, &policy, 2000));
	/* report_data is not there, mrenclave is another. */
	assert_int_equal(verdict.failure_count, 2);
}

/* What an attacker's enclave or VM can have as well names no program. */
static void test_names_no_program(void **state)
{
	static const char *const texts[] = {"config_id: " HEX32 HEX32,
		"rtmr0: " HEX48, "rtmr1: " HEX48, "rtmr2: " HEX48,
		"rtmr3: " HEX48, "mrconfigid: " HEX48, "mrowner: " HEX48,
		"mrownerconfig: " HEX48, "host_data: " HEX32,
		"mrenclave: {min: " HEX32 "}",
		"mrenclave: {value: " HEX32 ", mask: " HEX32 "}"};
	static const char *const good[] = {"mrenclave: " HEX32,
		"mrsigner: [" HEX32 ", " HEX32 "]", "mrtd: " HEX48,
		"measurement: " HEX48, "id_key_digest: " HEX48,
		"author_key_digest: " HEX48};
	char text[512];
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(texts) + ARRAY_SIZE(good); i++) {
		bool names = i >= ARRAY_SIZE(texts);

		snprintf(text, sizeof(text), "measurements: {%s}\n",
			names ? good[i - ARRAY_SIZE(texts)] : texts[i]);
		if (appraise_parse(&policy, "p", text, strlen(text), &e))
			fail_msg("%s", e.text);
		if (appraise_names_program(&policy) != names)
			fail_msg("%s", text);
	}
}

/* A kernel that runs anybody's programs is not named by its hash alone. */
static void test_any_config(void **state)
{
	struct sgx_attributes a = {.flags = SGX_ATTR_INIT | SGX_ATTR_KSS};
	uint8_t value[64] = {0};

	memset(&policy, 0, sizeof(policy));
	assert_int_equal(
		appraise_want_bytes(&policy, "mrenclave", value, 32), 0);
	verdict_init(&verdict, EVIDENCE_SGX_V3);
	assert_false(appraise_takes_any_config(&policy, &verdict));
	verdict_add_bytes(&verdict, "attributes", &a, sizeof(a));
	assert_true(appraise_takes_any_config(&policy, &verdict));
	assert_int_equal(
		appraise_want_bytes(&policy, "config_id", value, 64), 0);
	assert_false(appraise_takes_any_config(&policy, &verdict));
	memset(&policy, 0, sizeof(policy));
	verdict_init(&verdict, EVIDENCE_SGX_V3);
	a.flags = SGX_ATTR_INIT;
	verdict_add_bytes(&verdict, "attributes", &a, sizeof(a));
	assert_false(appraise_takes_any_config(&policy, &verdict));
}

/* Policies that no parser made: refused, never out of bounds. */
static void test_wild(void **state)
{
	static const uint8_t any[32];

	make_verdict();
	memset(&policy, 0, sizeof(policy));
	policy.field_count = 1;
	assert_false(appraise(&verdict, &policy, 2000));
	make_verdict();
	memcpy(policy.fields[0].name, "isv_svn", 8);
	assert_false(appraise(&verdict, &policy, 2000));
	memset(&policy.fields, 0xff, sizeof(policy.fields));
	memset(&policy.advisories, 0xff, sizeof(policy.advisories));
	policy.field_count = policy.advisory_count = SIZE_MAX;
	policy.tolerate = UINT32_MAX;
	policy.only_advisories = true;
	make_verdict();
	hardening();
	assert_false(appraise(&verdict, &policy, 2000));
	assert_false(appraise_names_program(&policy));
	assert_int_equal(
		appraise_want_bytes(&policy, "mrenclave", any, 32), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_judged),
		cmocka_unit_test(test_all_are_told),
		cmocka_unit_test(test_far_dates),
		cmocka_unit_test(test_wanted),
		cmocka_unit_test(test_names_no_program),
		cmocka_unit_test(test_any_config),
		cmocka_unit_test(test_wild),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
