/* SPDX-License-Identifier: Apache-2.0 */
/* The encodings are from RFC 8949, appendix A. */
#include "lib/cbor.h"

#include <errno.h>
#include <string.h>

#include "lib/cbor_put.h"
#include "test/unit/cbor_check.h"
#include "test/unit/unit.h"

/* "1903e8" to bytes; returns their number. */
static size_t unhex(const char *hex, uint8_t *out)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;

	for (; hex[0] != '\0'; hex += 2)
		out[n++] = (uint8_t)((strchr(digits, hex[0]) - digits) << 4 |
			(strchr(digits, hex[1]) - digits));
	return n;
}

static void test_uint(void **state)
{
	static const struct {
		uint64_t value;
		const char *hex;
	} rows[] = {
		{0, "00"},
		{1, "01"},
		{10, "0a"},
		{23, "17"},
		{24, "1818"},
		{25, "1819"},
		{100, "1864"},
		{255, "18ff"},
		{256, "190100"},
		{1000, "1903e8"},
		{65535, "19ffff"},
		{65536, "1a00010000"},
		{1000000, "1a000f4240"},
		{UINT32_MAX, "1affffffff"},
		{1ull << 32, "1b0000000100000000"},
		{1000000000000, "1b000000e8d4a51000"},
		{UINT64_MAX, "1bffffffffffffffff"},
	};
	struct cbor_writer w;
	struct cbor_reader r;
	uint8_t want[16], got[16];
	uint64_t v;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = unhex(rows[i].hex, want);

		cbor_writer_init(&w, got, sizeof(got));
		cbor_put_uint(&w, rows[i].value);
		assert_int_equal(cbor_writer_check(&w), 0);
		assert_int_equal(w.len, n);
		assert_memory_equal(got, want, n);
		cbor_reader_init(&r, want, n);
		assert_int_equal(cbor_get_uint(&r, &v), 0);
		assert_true(v == rows[i].value && cbor_reader_at_end(&r));
	}
}

static void test_strings(void **state)
{
	struct cbor_writer w;
	struct cbor_reader r;
	uint8_t buf[64], want[64];
	const uint8_t *data;
	const char *text;
	size_t size, n;
	bool truth;

	cbor_writer_init(&w, buf, sizeof(buf));
	cbor_put_array(&w, 4);
	cbor_put_bytes(&w, "\1\2\3\4", 4);
	cbor_put_text(&w, "IETF", 4);
	cbor_put_bool(&w, true);
	cbor_put_map(&w, 1);
	cbor_put_text(&w, "a", 1);
	cbor_put_bool(&w, false);
	n = unhex("8444010203046449455446f5a16161f4", want);
	assert_int_equal(w.len, n);
	assert_memory_equal(buf, want, n);
	assert_int_equal(cbor_check(buf, n, 2), 0);
	assert_int_equal(cbor_check(buf, n, 1), -EBADMSG);

	cbor_reader_init(&r, buf, n);
	uint64_t count;
	assert_int_equal(cbor_get_array(&r, &count), 0);
	assert_int_equal(count, 4);
	assert_int_equal(cbor_get_bytes(&r, &data, &size), 0);
	assert_int_equal(size, 4);
	assert_int_equal(cbor_get_text(&r, &text, &size), 0);
	assert_memory_equal(text, "IETF", size);
	assert_int_equal(cbor_get_bool(&r, &truth), 0);
	assert_true(truth);
	assert_int_equal(cbor_get_uint(&r, &count), -EINVAL);
}

static void test_tag(void **state)
{
	uint8_t buf[16], want[16];
	struct cbor_writer w;
	struct cbor_reader r;
	uint64_t tag, v;

	cbor_writer_init(&w, buf, sizeof(buf));
	cbor_put_tag(&w, 60000);
	cbor_put_uint(&w, 1);
	assert_int_equal(unhex("d9ea6001", want), w.len);
	assert_memory_equal(buf, want, w.len);
	cbor_reader_init(&r, buf, w.len);
	assert_int_equal(cbor_get_tag(&r, &tag), 0);
	assert_int_equal(tag, 60000);
	assert_int_equal(cbor_get_uint(&r, &v), 0);
	assert_true(cbor_reader_at_end(&r));
	cbor_reader_init(&r, buf + 3, 1);
	assert_int_equal(cbor_get_tag(&r, &tag), -EINVAL);
}

static void test_skip(void **state)
{
	static const struct {
		const char *hex;
		bool ok;
	} rows[] = {
		{"00", true},
		{"3903e7", true},
		{"4401020304", true},
		{"6449455446", true},
		{"80", true},
		{"a0", true},
		{"f4", true},
		{"f6", true},
		{"f8ff", true},
		{"f90000", true},
		{"fa47c35000", true},
		{"fb3ff199999999999a", true},
		{"c11a514b67b0", true},
		{"8301820203820405", true},
		{"a26161016162820203", true},
		{"818181818181818100", true}, /* eight arrays */
		{"81818181818181818100", false}, /* nine */
		{"c1c1c1c1c1c1c1c1c100", false},
		{"", false},
		{"c1", false},
		{"82", false},
		{"8100ff", false}, /* a byte too many */
		{"a100", false},
		{"44010203", false},
		{"f9", false},
		{"fb3ff1", false},
		{"5f4101ff", false},
		{"9f01ff", false},
		{"bf616101ff", false},
		{"ff", false},
		{"9bffffffffffffffff", false},
		{"bbffffffffffffffff", false},
		{"bb8000000000000000", false},
	};
	struct cbor_reader r;
	uint8_t bytes[32];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cbor_reader_init(&r, bytes, unhex(rows[i].hex, bytes));
		if ((!cbor_skip(&r) && cbor_reader_at_end(&r)) != rows[i].ok)
			fail_msg("%s", rows[i].hex);
	}
}

static void test_overflow(void **state)
{
	struct cbor_writer w;
	uint8_t buf[4] = {0};

	cbor_writer_init(&w, buf, 3);
	cbor_put_text(&w, "abcdef", 6);
	assert_int_equal(cbor_writer_check(&w), -ENOSPC);
	assert_int_equal(w.len, 7);
	cbor_put_uint(&w, 1);
	assert_int_equal(w.len, 8);
	assert_int_equal(buf[3], 0);
}

static void test_refused(void **state)
{
	static const char *const rows[] = {
		"", /* nothing */
		"1817", /* 23 in two bytes */
		"190010", /* 16 in three */
		"1a0000ffff", /* 65535 in five */
		"1b00000000ffffffff", /* 2^32-1 in nine */
		"18", /* cut */
		"1903", /* cut */
		"1c", /* reserved */
		"20", /* negative */
		"4401", /* bytes cut */
		"5bffffffffffffffff00", /* absurd size */
		"5f4101ff", /* indefinite bytes */
		"9f01ff", /* indefinite array */
		"bf616101ff", /* indefinite map */
		"8201", /* array cut */
		"9bffffffffffffffff", /* absurd count */
		"bbffffffffffffffff", /* absurd count */
		"a161", /* map cut */
		"a10101", /* key not text */
		"a2616201616101", /* keys not sorted */
		"a2616101616101", /* key twice */
		"a262616101616201", /* longer key first */
		"61ff", /* not UTF-8 */
		"62c080", /* overlong */
		"63eda080", /* surrogate */
		"64f4908080", /* past U+10FFFF */
		"61c3", /* cut UTF-8 */
		"f6", /* null */
		"f7", /* undefined */
		"f0", /* simple 16 */
		"f815", /* true in two bytes */
		"f93c00", /* float */
		"c100", /* tag */
		"0000", /* two items */
	};
	uint8_t bytes[32];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = unhex(rows[i], bytes);

		if (cbor_check(bytes, n, 8) != -EBADMSG)
			fail_msg("row %zu, %s, was taken", i, rows[i]);
	}
}

static void test_accepted(void **state)
{
	static const char *const rows[] = {
		"00",
		"40",
		"60",
		"80",
		"a0",
		"f4",
		"f5",
		"62c3bc", /* U+00FC */
		"63e6b0b4", /* U+6C34 */
		"64f0908591", /* U+10151 */
		"a26161016162820203",
		"a261620162616102", /* short keys first */
		"826161a161626163",
	};
	uint8_t bytes[32];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (cbor_check(bytes, unhex(rows[i], bytes), 8) != 0)
			fail_msg("row %zu, %s, was refused", i, rows[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uint),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_tag),
		cmocka_unit_test(test_skip),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
