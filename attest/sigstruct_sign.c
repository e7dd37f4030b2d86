/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and signatures: only for those who sign. Apart from sigstruct.c, since
 * this links most of libcrypto. */
#include "attest/sigstruct_int.h"

#include <errno.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

static int key_check(EVP_PKEY *key)
{
	BIGNUM *e = NULL;
	int ok = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
		EVP_PKEY_get_bits(key) == 8 * SGX_RSA_SIZE &&
		EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1 &&
		BN_is_word(e, RSA_EXPONENT);

	BN_free(e);
	return ok ? 0 : -EINVAL;
}

static int raw_sign(
	EVP_PKEY *key, const uint8_t hash[32], uint8_t signature[SGX_RSA_SIZE])
{
	size_t size = SGX_RSA_SIZE;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	int ok = ctx && EVP_PKEY_sign_init(ctx) == 1 &&
		EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
		EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
		EVP_PKEY_sign(ctx, signature, &size, hash, 32) == 1 &&
		size == SGX_RSA_SIZE;

	EVP_PKEY_CTX_free(ctx);
	return ok ? 0 : -EIO;
}

/* q1 = s*s div n, r = s*s mod n, q2 = r*s div n, message = r*s mod n. */
static int cube(const BIGNUM *s, const BIGNUM *n, BIGNUM *q1, BIGNUM *q2,
	BIGNUM *message, BN_CTX *ctx)
{
	BIGNUM *t = BN_CTX_get(ctx);
	BIGNUM *r = BN_CTX_get(ctx);

	return r && BN_sqr(t, s, ctx) && BN_div(q1, r, t, n, ctx) &&
		BN_mul(t, r, s, ctx) && BN_div(q2, message, t, n, ctx);
}

/* Sets what follows from the signature (big-endian) and the modulus. */
static int set_quotients(struct sgx_sigstruct *sig, EVP_PKEY *key,
	const uint8_t signature[SGX_RSA_SIZE])
{
	BIGNUM *n = NULL, *s, *q1, *q2, *message;
	BN_CTX *ctx = BN_CTX_new();
	int rc = -EIO;

	if (!ctx)
		return -ENOMEM;
	BN_CTX_start(ctx);
	s = BN_CTX_get(ctx);
	q1 = BN_CTX_get(ctx);
	q2 = BN_CTX_get(ctx);
	message = BN_CTX_get(ctx);
	/* Of a signature larger than the modulus the quotients do not fit:
	 * BN_bn2lebinpad fails. */
	if (message && BN_bin2bn(signature, SGX_RSA_SIZE, s) &&
		EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
		cube(s, n, q1, q2, message, ctx) &&
		BN_bn2lebinpad(n, sig->modulus, SGX_RSA_SIZE) > 0 &&
		BN_bn2lebinpad(s, sig->signature, SGX_RSA_SIZE) > 0 &&
		BN_bn2lebinpad(q1, sig->q1, SGX_RSA_SIZE) > 0 &&
		BN_bn2lebinpad(q2, sig->q2, SGX_RSA_SIZE) > 0)
		rc = 0;
	BN_free(n);
	BN_CTX_end(ctx);
	BN_CTX_free(ctx);
	return rc;
}

int sigstruct_sign(struct sgx_sigstruct *sig, EVP_PKEY *key)
{
	uint8_t hash[32], raw[SGX_RSA_SIZE];
	int rc = key_check(key);

	if (rc)
		return rc;
	if (sigstruct_hash(sig, hash) || raw_sign(key, hash, raw))
		return -EIO;
	return set_quotients(sig, key, raw);
}

int sigstruct_complete(struct sgx_sigstruct *sig, EVP_PKEY *key,
	const uint8_t signature[SGX_RSA_SIZE])
{
	int rc = key_check(key);

	if (rc)
		return rc;
	rc = set_quotients(sig, key, signature);
	if (rc == -ENOMEM)
		return rc;
	return rc || sigstruct_verify(sig) ? -EBADMSG : 0;
}

EVP_PKEY *sigstruct_key_new(void)
{
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
	BIGNUM *e = BN_new();

	if (!ctx || !e || !BN_set_word(e, RSA_EXPONENT) ||
		EVP_PKEY_keygen_init(ctx) != 1 ||
		EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 8 * SGX_RSA_SIZE) != 1 ||
		EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e) != 1 ||
		EVP_PKEY_keygen(ctx, &key) != 1)
		key = NULL;
	BN_free(e);
	EVP_PKEY_CTX_free(ctx);
	return key;
}
