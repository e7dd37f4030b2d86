/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 piece by piece, HMAC (RFC 4231, cases 1, 2 and 6) and HKDF (RFC 5869,
 * appendix A.1 to A.3), and random comparison with OpenSSL.
 */
#include "unit.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/hkdf.h"

enum { LARGEST = 5000 };

static void fill(uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)(random() >> 8);
}

static void expect_hex(const uint8_t *p, size_t size, const char *hex)
{
	char text[256];

	for (size_t i = 0; i < size; i++)
		snprintf(text + 2 * i, 3, "%02x", p[i]);
	assert_string_equal(text, hex);
}

static void hmac(const void *key, size_t key_size, const void *data,
	size_t size, uint8_t mac[SHA256_SIZE])
{
	struct hmac_sha256 h;

	hmac_sha256_init(&h, key, key_size);
	hmac_sha256_update(&h, data, size);
	hmac_sha256_final(&h, mac);
}

static void test_hmac(void **state)
{
	static const char *const text6 =
		"Test Using Larger Than Block-Size Key - Hash Key First";
	uint8_t key[131], mac[SHA256_SIZE];

	memset(key, 0x0b, 20);
	hmac(key, 20, "Hi There", 8, mac);
	expect_hex(mac, sizeof(mac),
		"b0344c61d8db38535ca8afceaf0bf12b"
		"881dc200c9833da726e9376c2e32cff7");
	hmac("Jefe", 4, "what do ya want for nothing?", 28, mac);
	expect_hex(mac, sizeof(mac),
		"5bdcc146bf60754e6a042426089575c7"
		"5a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, 131);
	hmac(key, 131, text6, strlen(text6), mac);
	expect_hex(mac, sizeof(mac),
		"60e431591ee0b67f0d8a26aacbf5b77f"
		"8e0bc6213728c5140546040f0ee37f54");
}

static void sequence(uint8_t *p, uint8_t from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(from + i);
}

static void test_hkdf(void **state)
{
	uint8_t secret[80], salt[80], info[80], out[82];

	memset(secret, 0x0b, 22);
	sequence(salt, 0, 13);
	sequence(info, 0xf0, 10);
	hkdf_sha256(salt, 13, secret, 22, info, 10, out, 42);
	expect_hex(out, 42,
		"3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56"
		"ecc4c5bf34007208d5b887185865");
	hkdf_sha256(NULL, 0, secret, 22, NULL, 0, out, 42);
	expect_hex(out, 42,
		"8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f"
		"3c738d2d9d201395faa4b61a96c8");
	sequence(secret, 0, 80);
	sequence(salt, 0x60, 80);
	sequence(info, 0xb0, 80);
	hkdf_sha256(salt, 80, secret, 80, info, 80, out, 82);
	expect_hex(out, 82,
		"b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c"
		"19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8"
		"367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
}

/* SHA-256 in random pieces gives what it gives at once. */
static void test_pieces(void **state)
{
	static uint8_t data[LARGEST];
	uint8_t wanted[SHA256_SIZE], got[SHA256_SIZE];

	for (size_t size = 0; size < 1000; size++) {
		struct sha256 s;
		size_t n;

		fill(data, size);
		SHA256(data, size, wanted);
		sha256(data, size, got);
		assert_memory_equal(got, wanted, sizeof(got));
		sha256_init(&s);
		for (size_t at = 0; at < size; at += n) {
			n = (size_t)random() % 200;
			n = n < size - at ? n : size - at;
			sha256_update(&s, data + at, n);
		}
		sha256_final(&s, got);
		assert_memory_equal(got, wanted, sizeof(got));
	}
}

static void openssl_hkdf(const uint8_t *salt, size_t salt_size,
	const uint8_t *secret, size_t secret_size, const uint8_t *info,
	size_t info_size, uint8_t *out, size_t size)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);

	assert_non_null(c);
	assert_int_equal(EVP_PKEY_derive_init(c), 1);
	assert_int_equal(EVP_PKEY_CTX_set_hkdf_md(c, EVP_sha256()), 1);
	assert_int_equal(
		EVP_PKEY_CTX_set1_hkdf_salt(c, salt, (int)salt_size), 1);
	assert_int_equal(
		EVP_PKEY_CTX_set1_hkdf_key(c, secret, (int)secret_size), 1);
	assert_int_equal(
		EVP_PKEY_CTX_add1_hkdf_info(c, info, (int)info_size), 1);
	assert_int_equal(EVP_PKEY_derive(c, out, &size), 1);
	EVP_PKEY_CTX_free(c);
}

static void test_against_openssl(void **state)
{
	static uint8_t key[LARGEST], data[LARGEST], info[500];
	static uint8_t got[LARGEST], wanted[LARGEST];

	for (int i = 0; i < 500; i++) {
		size_t key_size = 1 + (size_t)random() % 200;
		size_t size = 1 + (size_t)random() % LARGEST;
		size_t info_size = 1 + (size_t)random() % sizeof(info);
		size_t out_size = 1 + (size_t)random() % LARGEST;

		fill(key, key_size);
		fill(data, size);
		fill(info, info_size);
		hmac(key, key_size, data, size, got);
		HMAC(EVP_sha256(), key, (int)key_size, data, size, wanted,
			NULL);
		assert_memory_equal(got, wanted, SHA256_SIZE);
		hkdf_sha256(key, key_size, data, size, info, info_size, got,
			out_size);
		openssl_hkdf(key, key_size, data, size, info, info_size, wanted,
			out_size);
		assert_memory_equal(got, wanted, out_size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_hkdf),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_against_openssl),
	};
	unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED"))
				       : (unsigned)time(NULL);

	printf("SEED=%u\n", seed);
	srandom(seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
