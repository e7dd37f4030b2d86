/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict's lists and texts, and dates. */
#include "test/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "attest/date.h"
#include "attest/verdict.h"

static void test_names(void **state)
{
	for (int i = 1; i < TCB_STATUS_COUNT; i++) {
		const char *name = verdict_tcb_name((enum tcb_status)i);

		assert_true(strlen(name) > 0);
		assert_int_equal(verdict_tcb_parse(name, strlen(name)), i);
		assert_int_equal(
			verdict_tcb_parse(name, strlen(name) - 1), TCB_UNKNOWN);
	}
	assert_string_equal(verdict_tcb_name(TCB_UNKNOWN), "");
	assert_string_equal(verdict_tcb_name((enum tcb_status)99), "");
	assert_int_equal(verdict_tcb_parse("", 0), TCB_UNKNOWN);
	assert_int_equal(verdict_tcb_parse("uptodate", 8), TCB_UNKNOWN);
	assert_string_equal(verdict_kind_name(EVIDENCE_TDX_V5), "tdx-v5");
	assert_string_equal(verdict_kind_name((enum evidence_kind)77), "");
}

static void test_failures(void **state)
{
	struct verdict v;
	char longest[400];
	uint8_t a[70], b[70];

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	longest[3] = '\n';
	memset(a, 0xab, sizeof(a));
	memset(b, 0x01, sizeof(b));
	verdict_init(&v, EVIDENCE_SNP);
	verdict_fail(&v, "one", longest, "short");
	assert_int_equal(strlen(v.failures[0].seen), VERDICT_TEXT - 1);
	assert_string_equal(v.failures[0].seen + VERDICT_TEXT - 4, "...");
	assert_int_equal(v.failures[0].seen[3], '?');
	assert_string_equal(v.failures[0].wanted, "short");
	verdict_fail_hex(&v, "two", a, b, 3);
	assert_string_equal(v.failures[1].seen, "ababab");
	assert_string_equal(v.failures[1].wanted, "010101");
	verdict_fail_hex(&v, "three", a, b, sizeof(a));
	assert_true(strlen(v.failures[2].seen) < VERDICT_TEXT);
	verdict_fail_date(&v, "four", 0, 1750809600);
	assert_string_equal(v.failures[3].seen, "1970-01-01T00:00:00Z");
	assert_string_equal(v.failures[3].wanted, "2025-06-25T00:00:00Z");
	verdict_fail(&v, "one", longest, "short");
	verdict_fail(&v, "two", "ababab", "010101");
	assert_int_equal(v.failure_count, 4);
	for (int i = 0; i < 100; i++) {
		snprintf(longest, sizeof(longest), "%d", i);
		verdict_fail(&v, "more", longest, "");
	}
	assert_int_equal(v.failure_count, 104);
}

static void test_window(void **state)
{
	struct verdict v;

	verdict_init(&v, EVIDENCE_SNP);
	assert_true(v.valid_from == INT64_MIN && v.valid_until == INT64_MAX);
	assert_true(verdict_window(&v, "a", -5, 100, -5));
	assert_true(verdict_window(&v, "a", -9, 90, 90));
	assert_int_equal(v.failure_count, 0);
	assert_false(verdict_window(&v, "b", 10, 120, 9));
	assert_false(verdict_window(&v, "c", -20, 8, 9));
	assert_true(v.valid_from == 10 && v.valid_until == 8);
	assert_int_equal(v.failure_count, 2);
	assert_string_equal(v.failures[0].rule, "b");
	assert_string_equal(v.failures[0].seen, "1970-01-01T00:00:09Z");
	assert_string_equal(
		v.failures[0].wanted, "not before 1970-01-01T00:00:10Z");
	assert_string_equal(
		v.failures[1].wanted, "not after 1970-01-01T00:00:08Z");
}

static void test_advisories(void **state)
{
	struct verdict v;
	char id[40];

	verdict_init(&v, EVIDENCE_SGX_V3);
	assert_int_equal(verdict_add_advisory(&v, "INTEL-SA-00615", 14), 0);
	assert_int_equal(verdict_add_advisory(&v, "INTEL-SA-00289", 14), 0);
	assert_int_equal(verdict_add_advisory(&v, "INTEL-SA-00615", 14), 0);
	assert_int_equal(v.advisory_count, 2);
	assert_string_equal(v.advisories[0], "INTEL-SA-00289");
	assert_string_equal(v.advisories[1], "INTEL-SA-00615");
	for (int i = 2; i < VERDICT_ADVISORIES; i++) {
		snprintf(id, sizeof(id), "ID-%03d", 500 - i);
		assert_int_equal(verdict_add_advisory(&v, id, strlen(id)), 0);
	}
	assert_int_equal(verdict_add_advisory(&v, "Z", 1), -E2BIG);
	assert_int_equal(verdict_add_advisory(&v, "INTEL-SA-00615", 14), 0);
	for (size_t i = 1; i < v.advisory_count; i++)
		assert_true(strcmp(v.advisories[i - 1], v.advisories[i]) < 0);
	verdict_init(&v, EVIDENCE_SGX_V3);
	memset(id, 'a', sizeof(id));
	assert_int_equal(verdict_add_advisory(&v, id, sizeof(id)), 0);
	assert_int_equal(strlen(v.advisories[0]), 23);
}

static void test_fields(void **state)
{
	struct verdict v;
	uint8_t bytes[65] = {7};

	verdict_init(&v, EVIDENCE_SGX_V3);
	verdict_add_bytes(&v, "b", bytes, 64);
	verdict_add_bytes(&v, "too long", bytes, 65);
	verdict_add_number(&v, "n", UINT64_MAX);
	assert_int_equal(v.field_count, 2);
	assert_int_equal(verdict_field(&v, "b")->size, 64);
	assert_int_equal(verdict_field(&v, "b")->bytes[0], 7);
	assert_int_equal(verdict_field(&v, "n")->size, 0);
	assert_true(verdict_field(&v, "n")->number == UINT64_MAX);
	assert_null(verdict_field(&v, "too long"));
	for (int i = 0; i < 100; i++)
		verdict_add_number(&v, "more", 1);
	assert_int_equal(v.field_count, VERDICT_FIELDS);
}

/* Against libc, a day at a time and at the ends. */
static void test_dates(void **state)
{
	char text[DATE_TEXT], want[64];
	int64_t back;

	for (int64_t at = -62167219200; at < 253402300800; at += 86399 * 5) {
		time_t t = (time_t)at;
		struct tm tm;

		gmtime_r(&t, &tm);
		snprintf(want, sizeof(want), "%04d-%02d-%02dT%02d:%02d:%02dZ",
			tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
			tm.tm_hour, tm.tm_min, tm.tm_sec);
		date_format(at, text);
		assert_string_equal(text, want);
		assert_int_equal(date_parse(text, strlen(text), &back), 0);
		assert_true(back == at);
	}
	date_format(INT64_MAX, text);
	assert_string_equal(text, "292277026596-12-04T15:30:07Z");
	date_format(INT64_MIN, text);
	assert_string_equal(text, "-292277022657-01-27T08:29:52Z");
}

static void test_bad_dates(void **state)
{
	static const char *const bad[] = {"", "2025-06-25T00:00:00",
		"2025-06-25 00:00:00Z", "2025-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z", "2025-13-01T00:00:00Z",
		"2025-00-01T00:00:00Z", "2025-04-31T00:00:00Z",
		"2025-04-00T00:00:00Z", "2025-04-30T24:00:00Z",
		"2025-04-30T23:60:00Z", "2025-04-30T23:59:60Z",
		"2025-04-30T23:59:5 Z", "+025-04-30T23:59:50Z",
		"2025-04-30T23:59:50Z ", "12025-04-30T23:59:50Z"};
	int64_t at;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(
			date_parse(bad[i], strlen(bad[i]), &at), -EINVAL);
	assert_int_equal(date_parse("2024-02-29T23:59:59Z", 20, &at), 0);
	assert_true(at == 1709251199);
	assert_int_equal(date_from_civil(10000, 1, 1, 0, 0, 0, &at), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_advisories),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_bad_dates),
	};

	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
