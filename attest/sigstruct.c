/* SPDX-License-Identifier: Apache-2.0 */
/* The format and its verification: what a launcher needs at every start.
 * Signing is sigstruct_sign.c. */
#include "attest/sigstruct_int.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/sha.h>

#include "attest/measure.h"
#include "lib/bytes.h"

enum {
	SIGNED1_SIZE = 128,
	SIGNED2_OFFSET = 900,
	SIGNED2_SIZE = 128,
};

static const uint8_t header1[16] = {
	0x06, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 0x01, 0, 0, 0, 0, 0};
static const uint8_t header2[16] = {
	0x01, 0x01, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 0x01, 0, 0, 0};
/* DER of DigestInfo for SHA-256 (RFC 8017, 9.2). */
static const uint8_t digest_info[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60,
	0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

int sigstruct_check(const struct sgx_sigstruct *sig)
{
	if (memcmp(sig->header, header1, sizeof(header1)) ||
		memcmp(sig->header2, header2, sizeof(header2)))
		return -EINVAL;
	if (sig->vendor != 0 && sig->vendor != 0x8086)
		return -EINVAL;
	if (sig->exponent != RSA_EXPONENT)
		return -EINVAL;
	if (!bytes_zero(sig->reserved1, sizeof(sig->reserved1)) ||
		!bytes_zero(sig->reserved2, sizeof(sig->reserved2)) ||
		!bytes_zero(sig->reserved3, sizeof(sig->reserved3)) ||
		!bytes_zero(sig->reserved4, sizeof(sig->reserved4)))
		return -EINVAL;
	return 0;
}

int sigstruct_parse(struct sgx_sigstruct *out, const void *data, size_t size)
{
	if (size != sizeof(*out))
		return -EINVAL;
	memcpy(out, data, sizeof(*out));
	return sigstruct_check(out);
}

int sigstruct_hash(const struct sgx_sigstruct *sig, uint8_t hash[32])
{
	const uint8_t *bytes = (const uint8_t *)sig;
	SHA256_CTX ctx;

	return SHA256_Init(&ctx) == 1 &&
			SHA256_Update(&ctx, bytes, SIGNED1_SIZE) == 1 &&
			SHA256_Update(&ctx, bytes + SIGNED2_OFFSET,
				SIGNED2_SIZE) == 1 &&
			SHA256_Final(hash, &ctx) == 1
		? 0
		: -EIO;
}

void sigstruct_message(
	const struct sgx_sigstruct *sig, uint8_t message[SIGSTRUCT_MESSAGE])
{
	const uint8_t *bytes = (const uint8_t *)sig;

	_Static_assert(SIGNED1_SIZE + SIGNED2_SIZE == SIGSTRUCT_MESSAGE,
		"the two signed parts");
	memcpy(message, bytes, SIGNED1_SIZE);
	memcpy(message + SIGNED1_SIZE, bytes + SIGNED2_OFFSET, SIGNED2_SIZE);
}

/* EMSA-PKCS1-v1_5 encoding, big-endian. */
static void encode_message(uint8_t out[SGX_RSA_SIZE], const uint8_t hash[32])
{
	size_t tail = sizeof(digest_info) + 32;

	memset(out, 0xff, SGX_RSA_SIZE);
	out[0] = 0x00;
	out[1] = 0x01;
	out[SGX_RSA_SIZE - tail - 1] = 0x00;
	memcpy(out + SGX_RSA_SIZE - tail, digest_info, sizeof(digest_info));
	memcpy(out + SGX_RSA_SIZE - 32, hash, 32);
}

/* 3072 bits, the least significant word first, as in the file. */
enum { WORDS = SGX_RSA_SIZE / 8 };

static void multiply(
	uint64_t product[2 * WORDS], const uint64_t *a, const uint64_t *b)
{
	memset(product, 0, 2 * WORDS * sizeof(*product));
	for (size_t i = 0; i < WORDS; i++) {
		unsigned __int128 t = 0;

		for (size_t j = 0; j < WORDS; j++) {
			t += (unsigned __int128)a[i] * b[j] + product[i + j];
			product[i + j] = (uint64_t)t;
			t >>= 64;
		}
		product[i + WORDS] = (uint64_t)t;
	}
}

/* a -= b, both of count words. True: it was less. */
static bool subtract(uint64_t *a, const uint64_t *b, size_t count)
{
	bool borrow = false;

	for (size_t i = 0; i < count; i++) {
		uint64_t had = a[i];

		a[i] = had - b[i] - borrow;
		borrow = borrow ? had <= b[i] : had < b[i];
	}
	return borrow;
}

/*
 * rest = a * b - q * n. False unless that is in [0, n), that is, unless q and
 * rest are quotient and remainder of a * b by n.
 */
static __attribute__((noinline)) bool divide(uint64_t rest[WORDS],
	const uint64_t *a, const uint64_t *b, const uint64_t *q,
	const uint64_t *n)
{
	uint64_t x[2 * WORDS], y[2 * WORDS];

	multiply(x, a, b);
	multiply(y, q, n);
	if (subtract(x, y, 2 * WORDS) ||
		!bytes_zero(x + WORDS, WORDS * sizeof(*x)))
		return false;
	memcpy(rest, x, WORDS * sizeof(*x));
	return subtract(x, n, WORDS);
}

/* rest = S * S * S mod N, if q1 and q2 are the quotients on the way. */
static __attribute__((noinline)) bool open_signature(
	const struct sgx_sigstruct *sig, uint64_t rest[WORDS])
{
	uint64_t n[WORDS], s[WORDS], q[WORDS];

	memcpy(n, sig->modulus, sizeof(n));
	memcpy(s, sig->signature, sizeof(s));
	/* The modulus must have its top bit: anything less is not RSA-3072. */
	if (!(n[WORDS - 1] >> 63) || !(n[0] & 1))
		return false;
	memcpy(q, s, sizeof(q));
	if (!subtract(q, n, WORDS)) /* S is not below N */
		return false;
	memcpy(q, sig->q1, sizeof(q));
	if (!divide(rest, s, s, q, n))
		return false;
	memcpy(q, sig->q2, sizeof(q));
	return divide(rest, rest, s, q, n);
}

int sigstruct_verify(const struct sgx_sigstruct *sig)
{
	uint8_t hash[32], want[SGX_RSA_SIZE];
	uint64_t rest[WORDS];
	int rc = sigstruct_check(sig);

	if (rc)
		return rc;
	if (sigstruct_hash(sig, hash))
		return -EIO;
	if (!open_signature(sig, rest))
		return -EBADMSG;
	encode_message(want, hash);
	for (size_t i = 0; i < SGX_RSA_SIZE; i++)
		if (want[SGX_RSA_SIZE - 1 - i] !=
			(uint8_t)(rest[i / 8] >> 8 * (i % 8)))
			return -EBADMSG;
	return 0;
}

void sigstruct_mrsigner(
	const struct sgx_sigstruct *sig, uint8_t mrsigner[SGX_HASH_SIZE])
{
	measure_hash(sig->modulus, SGX_RSA_SIZE, mrsigner);
}

void sigstruct_init(struct sgx_sigstruct *sig)
{
	memset(sig, 0, sizeof(*sig));
	memcpy(sig->header, header1, sizeof(header1));
	memcpy(sig->header2, header2, sizeof(header2));
	sig->exponent = RSA_EXPONENT;
	sig->miscmask = 0xffffffff;
	sig->attributes_mask.flags = ~SGX_ATTR_DEBUG;
	/* AVX, AVX-512 and AMX are the machine's, not the signer's, affair. */
	sig->attributes_mask.xfrm = UINT64_C(0xfffffffffff9ff1b);
}
