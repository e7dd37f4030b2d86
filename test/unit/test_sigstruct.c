/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGSTRUCT and MRENCLAVE: made here and undone here, and against real and
 * known values from the directory SCONCE_VECTORS (default: the directory
 * `shared/vectors` beside the source tree).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "attest/measure.h"
#include "attest/sigstruct.h"

static struct sgx_sigstruct good;
static EVP_PKEY *key;

static int setup(void **state)
{
	key = sigstruct_key_new();
	if (!key)
		return -1;
	sigstruct_init(&good);
	good.attributes.flags = SGX_ATTR_MODE64BIT;
	good.attributes.xfrm = 7;
	good.isvprodid = 1;
	good.isvsvn = 2;
	memset(good.enclavehash, 0x42, sizeof(good.enclavehash));
	return sigstruct_sign(&good, key);
}

static int teardown(void **state)
{
	EVP_PKEY_free(key);
	return 0;
}

static void test_sign_verify(void **state)
{
	assert_int_equal(sigstruct_verify(&good), 0);
}

/* Every byte of the structure matters. */
static void test_each_byte(void **state)
{
	for (size_t i = 0; i < sizeof(good); i++) {
		struct sgx_sigstruct bad = good;

		((uint8_t *)&bad)[i] ^= 0x10;
		assert_int_not_equal(sigstruct_verify(&bad), 0);
	}
}

static void test_parse(void **state)
{
	struct sgx_sigstruct sig;
	uint8_t bytes[sizeof(good) + 1] = {0};

	memcpy(bytes, &good, sizeof(good));
	for (size_t size = 0; size < sizeof(good); size++)
		assert_int_equal(sigstruct_parse(&sig, bytes, size), -EINVAL);
	assert_int_equal(
		sigstruct_parse(&sig, bytes, sizeof(good) + 1), -EINVAL);
	assert_int_equal(sigstruct_parse(&sig, bytes, sizeof(good)), 0);
	assert_memory_equal(&sig, &good, sizeof(good));
}

static void test_fixed_fields(void **state)
{
	struct sgx_sigstruct bad = good;

	bad.exponent = 65537;
	assert_int_equal(sigstruct_verify(&bad), -EINVAL);
	bad = good;
	bad.vendor = 1;
	assert_int_equal(sigstruct_verify(&bad), -EINVAL);
	bad = good;
	bad.reserved4[11] = 1;
	assert_int_equal(sigstruct_verify(&bad), -EINVAL);
	bad = good;
	bad.isvsvn++;
	assert_int_equal(sigstruct_verify(&bad), -EBADMSG);
	bad = good;
	memset(bad.modulus, 0, sizeof(bad.modulus));
	assert_int_equal(sigstruct_verify(&bad), -EBADMSG);
	bad = good;
	memset(bad.signature, 0xff, sizeof(bad.signature));
	assert_int_equal(sigstruct_verify(&bad), -EBADMSG);
	/* S = 0 satisfies q1 = q2 = 0 but signs nothing. */
	bad = good;
	memset(bad.signature, 0, sizeof(bad.signature));
	memset(bad.q1, 0, sizeof(bad.q1));
	memset(bad.q2, 0, sizeof(bad.q2));
	assert_int_equal(sigstruct_verify(&bad), -EBADMSG);
}

static void test_wrong_key(void **state)
{
	struct sgx_sigstruct sig = good;
	EVP_PKEY *small = EVP_RSA_gen(2048);
	EVP_PKEY *f4 = EVP_RSA_gen(3072); /* exponent 65537 */
	EVP_PKEY *ec = EVP_EC_gen("P-256");

	assert_int_equal(sigstruct_sign(&sig, small), -EINVAL);
	assert_int_equal(sigstruct_sign(&sig, f4), -EINVAL);
	assert_int_equal(sigstruct_sign(&sig, ec), -EINVAL);
	EVP_PKEY_free(small);
	EVP_PKEY_free(f4);
	EVP_PKEY_free(ec);
}

static size_t read_vector(const char *name, void *out, size_t max)
{
	const char *dir = getenv("SCONCE_VECTORS");
	char path[512];
	size_t size;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir ? dir : VECTORS, name);
	file = fopen(path, "rb");
	if (!file) {
		print_message("%s is not here: set SCONCE_VECTORS\n", path);
		skip();
	}
	size = fread(out, 1, max, file);
	fclose(file);
	return size;
}

static void assert_hex(const uint8_t hash[32], const char *want)
{
	char hex[65];

	for (int i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	assert_string_equal(hex, want);
}

static void test_real(void **state)
{
	static const struct {
		const char *file, *mrenclave, *mrsigner;
	} cases[] = {
		{"sigstruct/intel-launch-enclave.bin",
			"7881af9f9def547da9908c008f29cde9"
			"bd78064e36ac7e14c83c294ca4806150",
			"acb77012053e05a63d413b8bbae8fb6c"
			"5d73b3f2996d91c43bbbf90959c0f8d4"},
		{"sigstruct/oasis-sig1.bin",
			"c50673624a6cb17c1c6c2a4e6906f47a"
			"170c4629b8723781d1017ef376f1a75d",
			"83d719e77deaca1470f6baf62a4d7743"
			"03c899db69020f9c70ee1dfc08c7ce9e"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t bytes[sizeof(struct sgx_sigstruct) + 1], signer[32];
		struct sgx_sigstruct sig;
		size_t size = read_vector(cases[i].file, bytes, sizeof(bytes));

		assert_int_equal(sigstruct_parse(&sig, bytes, size), 0);
		assert_int_equal(sigstruct_verify(&sig), 0);
		assert_hex(sig.enclavehash, cases[i].mrenclave);
		sigstruct_mrsigner(&sig, signer);
		assert_hex(signer, cases[i].mrsigner);
	}
}

/* A record stream, fed as records: the functions write what it holds. */
static void test_stream(void **state)
{
	static uint8_t stream[16384];
	uint8_t bytes[sizeof(struct sgx_sigstruct)], value[32];
	size_t size = read_vector(
		"mrenclave/synthetic-a.stream", stream, sizeof(stream));
	struct sgx_sigstruct sig;
	struct measure *m = NULL;
	uint64_t offset, word;
	uint32_t frame;

	for (size_t at = 0; at < size;) {
		const uint8_t *r = stream + at;

		memcpy(&offset, r + 8, 8);
		memcpy(&word, r + 16, 8);
		if (!memcmp(r, "ECREATE", 8)) {
			memcpy(&frame, r + 8, 4);
			memcpy(&word, r + 12, 8);
			m = measure_new(frame, word);
			assert_non_null(m);
		} else if (!memcmp(r, "EADD\0\0\0", 8)) {
			assert_int_equal(measure_eadd(m, offset, word), 0);
		} else {
			assert_memory_equal(r, "EEXTEND", 8);
			assert_int_equal(measure_eextend(m, offset, r + 64), 0);
			at += 256;
		}
		at += 64;
	}
	assert_int_equal(measure_value(m, value), 0);
	measure_free(m);
	assert_hex(value,
		"7b026af54d7f0d9caf23e4830fc9f91da31057eec164ae4992f045d876ea"
		"376b");
	size = read_vector(
		"mrenclave/synthetic-a.sigstruct", bytes, sizeof(bytes));
	assert_int_equal(sigstruct_parse(&sig, bytes, size), 0);
	assert_int_equal(sigstruct_verify(&sig), 0);
	assert_memory_equal(sig.enclavehash, value, 32);
}

/* The records of a page in one go are those of its parts. */
static void test_page(void **state)
{
	struct measure *a = measure_new(1, 1 << 20);
	struct measure *b = measure_new(1, 1 << 20);
	uint8_t page[4096], va[32], vb[32];

	for (size_t i = 0; i < sizeof(page); i++)
		page[i] = (uint8_t)(i * 31);
	measure_page(a, 0x3000, 0x205, page, 1);
	measure_eadd(b, 0x3000, 0x205);
	measure_value(b, vb);
	measure_value(a, va);
	assert_memory_not_equal(va, vb, 32);
	for (size_t i = 0; i < sizeof(page); i += 256)
		measure_eextend(b, 0x3000 + i, page + i);
	measure_value(b, vb);
	assert_memory_equal(va, vb, 32);
	measure_free(a);
	measure_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sign_verify),
		cmocka_unit_test(test_each_byte),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_fixed_fields),
		cmocka_unit_test(test_wrong_key),
		cmocka_unit_test(test_real),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_page),
	};

	return cmocka_run_group_tests_name("sigstruct", tests, setup, teardown);
}
