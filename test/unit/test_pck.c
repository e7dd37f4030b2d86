/* SPDX-License-Identifier: Apache-2.0 */
/* The extension of PCK certificates, and the reader of DER under it. */
#include "test/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/der.h"
#include "attest/pck.h"
#include "attest/pki_der.h"

static const struct pki_platform platform = {
	.ppid = {1, 2, 3, [15] = 4},
	.components = {5, 0, 127, 128, 255, [15] = 9},
	.pcesvn = 0xff01,
	.pceid = {0x12, 0x34},
	.fmspc = {0x00, 0x60, 0x6a, 0, 0, 1},
	.sgx_type = 2,
	.instance_id = {0xaa, [15] = 0xbb},
	.dynamic_platform = true,
	.smt = true,
};

static uint8_t good[PKI_EXTENSION_MAX];
static size_t good_size;

static int setup(void **state)
{
	good_size = pki_der_platform(&platform, good);
	return 0;
}

static void test_good(void **state)
{
	struct pck p;
	struct err e = {0};

	if (pck_parse(good, good_size, &p, &e))
		fail_msg("%s", e.text);
	assert_memory_equal(p.ppid, platform.ppid, 16);
	assert_memory_equal(p.components, platform.components, 16);
	assert_int_equal(p.pcesvn, 0xff01);
	assert_memory_equal(p.pceid, platform.pceid, 2);
	assert_memory_equal(p.fmspc, platform.fmspc, 6);
	assert_int_equal(p.sgx_type, PCK_SCALABLE_INTEGRITY);
	assert_true(p.has_instance);
	assert_memory_equal(p.instance_id, platform.instance_id, 16);
	assert_true(p.has_configuration);
	assert_true(p.dynamic_platform);
	assert_false(p.cached_keys);
	assert_true(p.smt);
}

static int parse_copy(const uint8_t *data, size_t size, struct pck *p)
{
	uint8_t *copy = malloc(size ? size : 1);
	struct err e = {0};
	int rc;

	assert_non_null(copy);
	memcpy(copy, data, size);
	rc = pck_parse(copy, size, p, &e);
	if (rc) {
		assert_int_equal(rc, -EINVAL);
		assert_memory_equal(e.text, "PCK extension: ", 15);
	}
	free(copy);
	return rc;
}

static void test_truncated(void **state)
{
	uint8_t longer[PKI_EXTENSION_MAX + 1] = {0};
	struct pck p;

	for (size_t size = 0; size < good_size; size++)
		assert_int_equal(parse_copy(good, size, &p), -EINVAL);
	memcpy(longer, good, good_size);
	assert_int_equal(parse_copy(longer, good_size + 1, &p), -EINVAL);
}

/* Where a pattern is in the extension. */
static size_t find(const void *pattern, size_t size)
{
	for (size_t i = 0; i + size <= good_size; i++)
		if (!memcmp(good + i, pattern, size))
			return i;
	fail_msg("no such pattern");
	return 0;
}

static void refuse(size_t at, uint8_t value)
{
	uint8_t bad[PKI_EXTENSION_MAX];
	struct pck p;

	memcpy(bad, good, good_size);
	bad[at] = value;
	assert_int_equal(parse_copy(bad, good_size, &p), -EINVAL);
}

static void test_members(void **state)
{
	/* Ends of OIDs: FMSPC's, that of a component, PCESVN's. */
	static const uint8_t fmspc[] = {0x0d, 0x01, 0x04};
	static const uint8_t third[] = {0x0d, 0x01, 0x02, 0x03};
	static const uint8_t pcesvn[] = {0x0d, 0x01, 0x02, 0x11};
	static const uint8_t type[] = {0x0d, 0x01, 0x05};
	size_t at = find(fmspc, sizeof(fmspc)) + 2;

	refuse(at, 9); /* missing */
	refuse(at, 3); /* and PCEID of a wrong size */
	refuse(at + 1, 0x05); /* no OCTET STRING */
	at = find(third, sizeof(third)) + 3;
	refuse(at, 1); /* one twice, one missing */
	refuse(at, 60);
	refuse(at + 1, 0x04);
	refuse(at + 3, 0x80); /* negative */
	at = find(pcesvn, sizeof(pcesvn)) + 3;
	refuse(at + 3, 0x01); /* 0x01ff01, past 65535 */
	at = find(type, sizeof(type)) + 2;
	refuse(at + 1, 0x02); /* no ENUMERATED */
	refuse(at, 4);
}

/* Whatever a bit does, nothing but the extension is read. */
static void test_flips(void **state)
{
	uint8_t bad[PKI_EXTENSION_MAX];
	struct pck p;

	for (size_t bit = 0; bit < 8 * good_size; bit++) {
		memcpy(bad, good, good_size);
		bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
		(void)!parse_copy(bad, good_size, &p);
	}
}

static void test_lengths(void **state)
{
	static const struct {
		uint8_t data[8];
		size_t size;
		bool good;
		size_t content;
	} rows[] = {
		{{0x04, 0x00}, 2, true, 0},
		{{0x04, 0x02, 1, 2}, 4, true, 2},
		{{0x04, 0x03, 1, 2}, 4, false, 0},
		{{0x04}, 1, false, 0},
		{{0}, 0, false, 0},
		/* Not in the shortest form, indefinite, too many bytes. */
		{{0x04, 0x81, 0x02, 1, 2}, 5, false, 0},
		{{0x04, 0x82, 0x00, 0x02, 1, 2}, 6, false, 0},
		{{0x04, 0x80, 1, 2}, 4, false, 0},
		{{0x04, 0x84, 0, 0, 0, 2, 1, 2}, 8, false, 0},
		{{0x04, 0xff, 1, 2}, 4, false, 0},
		{{0x04, 0x83, 0xff, 0xff, 0xff, 1}, 6, false, 0},
		{{0x04, 0x82, 0x01}, 3, false, 0},
		/* A tag of more than one byte. */
		{{0x1f, 0x02, 1, 2}, 4, false, 0},
	};
	uint8_t wide[300] = {0x04, 0x82, 0x01, 0x00};
	struct der d, content;
	uint8_t tag;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		d = (struct der){rows[i].data, rows[i].size};
		assert_int_equal(der_next(&d, &tag, &content), rows[i].good);
		if (rows[i].good)
			assert_int_equal(content.left, rows[i].content);
	}
	d = (struct der){wide, sizeof(wide)};
	assert_true(der_next(&d, &tag, &content));
	assert_int_equal(content.left, 256);
	assert_int_equal(d.left, sizeof(wide) - 260);
	d = (struct der){wide, 259};
	assert_false(der_next(&d, &tag, &content));
}

static void test_numbers(void **state)
{
	static const struct {
		uint8_t data[6];
		size_t size;
		bool good;
		uint32_t value;
	} rows[] = {
		{{0}, 1, true, 0},
		{{127}, 1, true, 127},
		{{0, 128}, 2, true, 128},
		{{0, 0xff, 0xff, 0xff, 0xff}, 5, true, UINT32_MAX},
		{{1, 0, 0, 0, 0}, 5, false, 0},
		{{128}, 1, false, 0},
		{{0, 127}, 2, false, 0},
		{{0}, 0, false, 0},
		{{0, 0x80, 0, 0, 0, 0}, 6, false, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct der d = {rows[i].data, rows[i].size};
		uint32_t n = 0;

		assert_int_equal(der_number(&d, &n), rows[i].good);
		if (rows[i].good)
			assert_int_equal(n, rows[i].value);
	}
}

static void test_times(void **state)
{
	static const struct {
		const char *der;
		bool good;
		int64_t at;
	} rows[] = {
		{"\x17\x0d"
		 "700101000000Z",
			true, 0},
		{"\x17\x0d"
		 "491231235959Z",
			true, 2524607999},
		{"\x17\x0d"
		 "500101000000Z",
			true, -631152000},
		{"\x18\x0f"
		 "20491231235959Z",
			true, 2524607999},
		{"\x18\x0f"
		 "99991231235959Z",
			true, 253402300799},
		{"\x17\x0b"
		 "7001010000Z",
			false, 0},
		{"\x17\x11"
		 "700101000000+0100",
			false, 0},
		{"\x17\x0d"
		 "700230000000Z",
			false, 0},
		{"\x17\x0d"
		 "7001010000 0Z",
			false, 0},
		{"\x17\x0d"
		 "700101000000z",
			false, 0},
		{"\x18\x11"
		 "20491231235959.5Z",
			false, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct der d = {
			(const uint8_t *)rows[i].der, strlen(rows[i].der)};
		int64_t at = 1;

		assert_int_equal(der_take_time(&d, &at), rows[i].good);
		if (rows[i].good)
			assert_true(at == rows[i].at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests_name("pck", tests, setup, NULL);
}
