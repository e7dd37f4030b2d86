/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM: the test cases of the mode's authors for keys of 256 bits (13
 * to 16), and random comparison with OpenSSL, for each code path that this
 * processor has. Keys lie at every alignment that is promised.
 */
#include "unit.h"

#include <errno.h>
#include <intel-ipsec-mb.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/aead.h"

_Static_assert(sizeof(struct aead_key) >= sizeof(struct gcm_key_data),
	"the library's key fits");

struct vector {
	const char *key, *nonce, *aad, *plain, *sealed, *tag;
};

#define K15 "feffe9928665731c6d6a8f9467308308"
static const struct vector vectors[] = {
	{"00000000000000000000000000000000"
	 "00000000000000000000000000000000",
		"000000000000000000000000", "", "", "",
		"530f8afbc74536b9a963b4f1c4cb738b"},
	{"00000000000000000000000000000000"
	 "00000000000000000000000000000000",
		"000000000000000000000000", "",
		"00000000000000000000000000000000",
		"cea7403d4d606b6e074ec5d3baf39d18",
		"d0d1c8a799996bf0265b98b5d48ab919"},
	{K15 K15, "cafebabefacedbaddecaf888", "",
		"d9313225f88406e5a55909c5aff5269a"
		"86a7a9531534f7da2e4c303d8a318a72"
		"1c3c0c95956809532fcf0e2449a6b525"
		"b16aedf5aa0de657ba637b391aafd255",
		"522dc1f099567d07f47f37a32a84427d"
		"643a8cdcbfe5c0c97598a2bd2555d1aa"
		"8cb08e48590dbb3da7b08b1056828838"
		"c5f61e6393ba7a0abcc9f662898015ad",
		"b094dac5d93471bdec1a502270e3cc6c"},
	{K15 K15, "cafebabefacedbaddecaf888",
		"feedfacedeadbeeffeedfacedeadbeefabaddad2",
		"d9313225f88406e5a55909c5aff5269a"
		"86a7a9531534f7da2e4c303d8a318a72"
		"1c3c0c95956809532fcf0e2449a6b525"
		"b16aedf5aa0de657ba637b39",
		"522dc1f099567d07f47f37a32a84427d"
		"643a8cdcbfe5c0c97598a2bd2555d1aa"
		"8cb08e48590dbb3da7b08b1056828838"
		"c5f61e6393ba7a0abcc9f662",
		"76fc6ece0f4e1768cddf8853bb2d551b"},
};

enum { LARGEST = 20000 };

static size_t unhex(const char *hex, uint8_t *out)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		unsigned byte;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		out[i] = (uint8_t)byte;
	}
	return n;
}

static bool processor_is_wide(void)
{
	__builtin_cpu_init();
	return __builtin_cpu_supports("avx512f") &&
		__builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512vl") &&
		__builtin_cpu_supports("avx512dq") &&
		__builtin_cpu_supports("vaes") &&
		__builtin_cpu_supports("vpclmulqdq");
}

static void known_answers(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *t = &vectors[i];
		uint8_t key[32], nonce[12], aad[64], plain[64], sealed[64];
		uint8_t tag[16], out[64], out_tag[16];
		struct aead_key k;
		size_t aad_size = unhex(t->aad, aad);
		size_t size = unhex(t->plain, plain);

		assert_int_equal(unhex(t->key, key), sizeof(key));
		assert_int_equal(unhex(t->nonce, nonce), sizeof(nonce));
		assert_int_equal(unhex(t->sealed, sealed), size);
		assert_int_equal(unhex(t->tag, tag), sizeof(tag));
		aead_key_init(&k, key);
		aead_seal(&k, nonce, aad, aad_size, plain, out, size, out_tag);
		assert_memory_equal(out, sealed, size);
		assert_memory_equal(out_tag, tag, sizeof(tag));
		assert_int_equal(aead_open(&k, nonce, aad, aad_size, out, out,
					 size, tag),
			0);
		assert_memory_equal(out, plain, size);
		tag[i] ^= 1;
		assert_int_equal(aead_open(&k, nonce, aad, aad_size, sealed,
					 out, size, tag),
			-EBADMSG);
		for (size_t j = 0; j < size; j++)
			assert_int_equal(out[j], 0);
		aead_key_fini(&k);
		for (size_t j = 0; j < sizeof(k); j++)
			assert_int_equal(k.data[j], 0);
	}
}

static void test_known_answers(void **state)
{
	aead_select(false);
	known_answers();
	if (!processor_is_wide()) {
		printf("this processor has no VAES: one path of two\n");
		return;
	}
	aead_select(true);
	known_answers();
}

static void fill(uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)(random() >> 8);
}

static void openssl_seal(const uint8_t *key, const uint8_t *nonce,
	const uint8_t *aad, int aad_size, const uint8_t *in, uint8_t *out,
	int size, uint8_t *tag)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n = 0;

	assert_non_null(c);
	assert_int_equal(
		EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce), 1);
	if (aad_size)
		assert_int_equal(
			EVP_EncryptUpdate(c, NULL, &n, aad, aad_size), 1);
	if (size)
		assert_int_equal(EVP_EncryptUpdate(c, out, &n, in, size), 1);
	assert_int_equal(EVP_EncryptFinal_ex(c, out + size, &n), 1);
	assert_int_equal(
		EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, tag), 1);
	EVP_CIPHER_CTX_free(c);
}

static void compare(size_t at, size_t size, size_t aad_size)
{
	static uint8_t in[LARGEST], out[LARGEST], wanted[LARGEST + 16];
	static uint8_t room[2 * sizeof(struct aead_key)]
		__attribute__((aligned(64)));
	struct aead_key *k = (struct aead_key *)(room + 16 * at);
	uint8_t key[32], nonce[12], aad[300], tag[16], wanted_tag[16];

	fill(in, size);
	fill(key, sizeof(key));
	fill(nonce, sizeof(nonce));
	fill(aad, aad_size);
	openssl_seal(key, nonce, aad, (int)aad_size, in, wanted, (int)size,
		wanted_tag);
	aead_key_init(k, key);
	aead_seal(k, nonce, aad, aad_size, in, out, size, tag);
	assert_memory_equal(tag, wanted_tag, sizeof(tag));
	assert_memory_equal(out, wanted, size);
	assert_int_equal(
		aead_open(k, nonce, aad, aad_size, out, out, size, tag), 0);
	assert_memory_equal(out, in, size);
	/* One bit, anywhere. */
	if (size) {
		wanted[random() % size] ^= (uint8_t)(1 << random() % 8);
		assert_int_equal(aead_open(k, nonce, aad, aad_size, wanted, out,
					 size, tag),
			-EBADMSG);
	}
	aead_key_fini(k);
}

static void test_against_openssl(void **state)
{
	unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED"))
				       : (unsigned)time(NULL);

	printf("SEED=%u\n", seed);
	srandom(seed);
	for (int wide = 0; wide <= processor_is_wide(); wide++) {
		aead_select(wide);
		for (size_t size = 0; size < 1100; size++)
			compare(size % 4, size, size % 77);
		for (int i = 0; i < 300; i++)
			compare((size_t)i % 4, (size_t)random() % LARGEST,
				(size_t)random() % 300);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_answers),
		cmocka_unit_test(test_against_openssl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
