/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as text: RFC 4648's vectors, every length; characters drawn at random
 * are equally likely; DER as it is written. */
#include "test/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "cas/der_put.h"
#include "cas/secret_int.h"

static void expect_text(
	const char *encoding, const char *data, const char *want)
{
	struct buf b = {0};

	secret_encode_text(encoding, strlen(encoding), data, strlen(data), &b);
	assert_int_equal(buf_check(&b), 0);
	assert_string_equal(b.data ? (char *)b.data : "", want);
	buf_fini(&b);
}

static void test_vectors(void **state)
{
	static const struct {
		const char *data, *hex, *base32, *base64;
	} rows[] = {
		{"", "", "", ""},
		{"f", "66", "MY======", "Zg=="},
		{"fo", "666f", "MZXQ====", "Zm8="},
		{"foo", "666f6f", "MZXW6===", "Zm9v"},
		{"foob", "666f6f62", "MZXW6YQ=", "Zm9vYg=="},
		{"fooba", "666f6f6261", "MZXW6YTB", "Zm9vYmE="},
		{"foobar", "666f6f626172", "MZXW6YTBOI======", "Zm9vYmFy"},
		{"\xff\xfe\xfd", "fffefd", "777P2===", "//79"},
	};
	char text[64];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		expect_text("bin", rows[i].data, rows[i].data);
		expect_text("hex", rows[i].data, rows[i].hex);
		expect_text("base32", rows[i].data, rows[i].base32);
		expect_text("base64", rows[i].data, rows[i].base64);
		strcpy(text, rows[i].base32);
		text[strcspn(text, "=")] = 0;
		expect_text("base32nopad", rows[i].data, text);
		strcpy(text, rows[i].base64);
		text[strcspn(text, "=")] = 0;
		for (char *p = text; *p; p++)
			*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
		expect_text("base64url", rows[i].data, text);
	}
	assert_false(secret_encoding_known("base", 4));
	assert_false(secret_encoding_known("base64 ", 7));
	assert_true(secret_encoding_known("base64x", 6));
}

/* Every length around the pieces in which it works, against libcrypto. */
static void test_lengths(void **state)
{
	uint8_t data[300], want[500];
	struct blob back = {0};

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37 + (i >> 3));
	for (size_t n = 0; n <= sizeof(data); n++) {
		struct buf b = {0};
		int len = EVP_EncodeBlock(want, data, (int)n);

		secret_encode_text("base64", 6, data, n, &b);
		assert_int_equal(b.size, len);
		if (len)
			assert_memory_equal(b.data, want, len);
		assert_int_equal(
			secret_base64_decode(
				b.data ? (char *)b.data : "", b.size, &back),
			0);
		assert_int_equal(back.size, n);
		assert_memory_equal(back.data, data, n);
		buf_fini(&b);
	}
	blob_fini(&back);
}

static void test_decode_refused(void **state)
{
	static const char *const bad[] = {"A", "AAAAA",
		"A=", "AA=", "AAA==", "=", "AA A",
		"AA\n=", "Zh==", "Zm9=", "AA==AA", "A*AA", "===="};
	struct blob out = {0};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (secret_base64_decode(bad[i], strlen(bad[i]), &out) !=
			-EINVAL)
			fail_msg("%s was taken", bad[i]);
	assert_int_equal(secret_base64_decode("_-8", 3, &out), 0);
	assert_memory_equal(out.data, "\xff\xef", 2);
	blob_fini(&out);
}

/* Chi square over the characters of long values. */
static void check_uniform(const char *charset, unsigned count)
{
	enum { SIZE = 60000, ROUNDS = 5 };
	size_t seen[256] = {0};
	struct blob b = {0};
	double chi = 0, want = (double)SIZE * ROUNDS / count;

	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(
			secret_random_ascii(SIZE, charset, &b, NULL), 0);
		assert_int_equal(b.size, SIZE);
		assert_true(secret_fits_charset(&b, charset));
		for (size_t j = 0; j < SIZE; j++)
			seen[b.data[j]]++;
	}
	blob_fini(&b);
	for (int c = 0; c < 256; c++)
		if (!charset ? seen[c] > 0 : c && strchr(charset, c) != NULL)
			chi += ((double)seen[c] - want) *
				((double)seen[c] - want) / want;
	/* Mean count - 1, variance twice that: 8 deviations are beyond chance.
	 * Remainders instead of rejection give thousands. */
	if (chi > count && (chi - count) * (chi - count) > 128 * count)
		fail_msg("chi square %f of %u characters", chi, count);
	assert_true(chi > 0);
}

static void test_distribution(void **state)
{
	char most[96];

	for (int i = 0; i < 95; i++)
		most[i] = (char)(0x20 + i);
	most[95] = 0;
	check_uniform(NULL, 62);
	check_uniform("0123456789", 10);
	check_uniform("ab", 2);
	check_uniform(most, 95);
}

static void test_charsets(void **state)
{
	struct err e = {0};

	assert_int_equal(secret_charset_check("a", &e), -EINVAL);
	assert_int_equal(secret_charset_check("", &e), -EINVAL);
	assert_int_equal(secret_charset_check("aba", &e), -EINVAL);
	assert_non_null(strstr(e.text, "'a' stands there twice"));
	assert_int_equal(secret_charset_check("a\n", &e), -EINVAL);
	assert_int_equal(secret_charset_check("a\xc3\xa4", &e), -EINVAL);
	assert_int_equal(secret_charset_check(NULL, &e), 0);
	assert_int_equal(
		secret_random_ascii(0, NULL, &(struct blob){0}, &e), -EINVAL);
	assert_int_equal(secret_random_binary(
				 SECRET_BYTES_MAX + 1, &(struct blob){0}, &e),
		-EINVAL);
}

static void expect_der(struct der_writer *w, const char *want, size_t size)
{
	const uint8_t *text;
	size_t len;

	assert_int_equal(der_writer_check(w, &text, &len), 0);
	assert_int_equal(len, size);
	assert_memory_equal(text, want, size);
}

static void test_der(void **state)
{
	static const struct {
		size_t size, head;
		const char *want;
	} rows[] = {{0, 2, "\x04\x00"}, {127, 2, "\x04\x7f"},
		{128, 3, "\x04\x81\x80"}, {255, 3, "\x04\x81\xff"},
		{256, 4, "\x04\x82\x01\x00"}, {65535, 4, "\x04\x82\xff\xff"}};
	static uint8_t memory[70000], data[65536];
	struct der_writer w;
	const uint8_t *text;
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		der_writer_init(&w, memory, sizeof(memory));
		der_put(&w, DER_OCTET_STRING, data, rows[i].size);
		assert_int_equal(der_writer_check(&w, &text, &len), 0);
		assert_int_equal(len, rows[i].size + rows[i].head);
		assert_memory_equal(text, rows[i].want, rows[i].head);
	}
	der_writer_init(&w, memory, sizeof(memory));
	der_put_time(&w, 2524607999);
	expect_der(&w,
		"\x17\x0d"
		"491231235959Z",
		15);
	der_writer_init(&w, memory, sizeof(memory));
	der_put_time(&w, 2524608000);
	expect_der(&w,
		"\x18\x0f"
		"20500101000000Z",
		17);
	der_writer_init(&w, memory, sizeof(memory));
	der_put_time(&w, 0);
	expect_der(&w,
		"\x17\x0d"
		"700101000000Z",
		15);
	der_put_time(&w, 253402300800);
	assert_int_equal(der_writer_check(&w, &text, &len), -E2BIG);
	/* Not a byte in front of the buffer. */
	memset(memory, 0xee, 16);
	der_writer_init(&w, memory + 8, 8);
	der_put(&w, DER_OCTET_STRING, data, 7);
	assert_int_equal(der_writer_check(&w, &text, &len), -E2BIG);
	assert_memory_equal(memory, "\xee\xee\xee\xee\xee\xee\xee\xee", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_decode_refused),
		cmocka_unit_test(test_distribution),
		cmocka_unit_test(test_charsets),
		cmocka_unit_test(test_der),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
