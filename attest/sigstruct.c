/* SPDX-License-Identifier: Apache-2.0 */
/* The format and its verification: what a launcher needs at every start.
 * Signing is sigstruct_sign.c. */
#include "attest/sigstruct_int.h"

#include <errno.h>
#include <string.h>

#include <openssl/sha.h>

#include "attest/measure.h"

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

static int all_zero(const void *data, size_t size)
{
	const uint8_t *p = data;
	uint8_t any = 0;

	for (size_t i = 0; i < size; i++)
		any |= p[i];
	return any == 0;
}

int sigstruct_check(const struct sgx_sigstruct *sig)
{
	if (memcmp(sig->header, header1, sizeof(header1)) ||
		memcmp(sig->header2, header2, sizeof(header2)))
		return -EINVAL;
	if (sig->vendor != 0 && sig->vendor != 0x8086)
		return -EINVAL;
	if (sig->exponent != RSA_EXPONENT)
		return -EINVAL;
	if (!all_zero(sig->reserved1, sizeof(sig->reserved1)) ||
		!all_zero(sig->reserved2, sizeof(sig->reserved2)) ||
		!all_zero(sig->reserved3, sizeof(sig->reserved3)) ||
		!all_zero(sig->reserved4, sizeof(sig->reserved4)))
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

int sigstruct_cube(const BIGNUM *s, const BIGNUM *n, BIGNUM *q1, BIGNUM *q2,
	BIGNUM *message, BN_CTX *ctx)
{
	BIGNUM *t = BN_CTX_get(ctx);
	BIGNUM *r = BN_CTX_get(ctx);

	return r && BN_sqr(t, s, ctx) && BN_div(q1, r, t, n, ctx) &&
		BN_mul(t, r, s, ctx) && BN_div(q2, message, t, n, ctx);
}

int sigstruct_verify(const struct sgx_sigstruct *sig)
{
	uint8_t hash[32], want[SGX_RSA_SIZE];
	BIGNUM *n, *s, *q1, *q2, *message, *given1, *given2, *expected;
	BN_CTX *ctx;
	int rc = sigstruct_check(sig);

	if (rc)
		return rc;
	ctx = BN_CTX_new();
	if (!ctx)
		return -ENOMEM;
	BN_CTX_start(ctx);
	n = BN_CTX_get(ctx);
	s = BN_CTX_get(ctx);
	q1 = BN_CTX_get(ctx);
	q2 = BN_CTX_get(ctx);
	message = BN_CTX_get(ctx);
	given1 = BN_CTX_get(ctx);
	given2 = BN_CTX_get(ctx);
	expected = BN_CTX_get(ctx);
	rc = -ENOMEM;
	if (!expected || sigstruct_hash(sig, hash) ||
		!BN_lebin2bn(sig->modulus, SGX_RSA_SIZE, n) ||
		!BN_lebin2bn(sig->signature, SGX_RSA_SIZE, s) ||
		!BN_lebin2bn(sig->q1, SGX_RSA_SIZE, given1) ||
		!BN_lebin2bn(sig->q2, SGX_RSA_SIZE, given2))
		goto out;
	rc = -EBADMSG;
	/* The modulus must have its top bit: anything less is not RSA-3072. */
	if (BN_num_bits(n) != 8 * SGX_RSA_SIZE || !BN_is_odd(n) ||
		BN_cmp(s, n) >= 0)
		goto out;
	encode_message(want, hash);
	if (!BN_bin2bn(want, sizeof(want), expected) ||
		!sigstruct_cube(s, n, q1, q2, message, ctx)) {
		rc = -ENOMEM;
		goto out;
	}
	if (BN_cmp(q1, given1) == 0 && BN_cmp(q2, given2) == 0 &&
		BN_cmp(message, expected) == 0)
		rc = 0;
out:
	BN_CTX_end(ctx);
	BN_CTX_free(ctx);
	return rc;
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
