/* SPDX-License-Identifier: Apache-2.0 */
/* Groups are made once per process: making one takes as long as a sixth of a
 * verification. OpenSSL's queue of errors is left as it was found. */
#include "attest/ecdsa.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/sha.h>

#include "crypto/sha256.h"

enum { SIZE_MAX_BYTES = 48 };

struct ecdsa_key {
	enum ecdsa_curve curve;
	EC_KEY *key;
};

static EC_GROUP *groups[2];
static CRYPTO_ONCE groups_once = CRYPTO_ONCE_STATIC_INIT;

static void make_groups(void)
{
	groups[ECDSA_P256] = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	groups[ECDSA_P384] = EC_GROUP_new_by_curve_name(NID_secp384r1);
}

size_t ecdsa_size(enum ecdsa_curve curve)
{
	return curve == ECDSA_P256 ? 32 : SIZE_MAX_BYTES;
}

/* SEC 1's uncompressed form has a 4 in front. The functions below check that
 * the point is on the curve. */
static int set_point(EC_KEY *key, enum ecdsa_curve curve, const uint8_t *point)
{
	uint8_t encoded[1 + 2 * SIZE_MAX_BYTES];
	size_t size = 2 * ecdsa_size(curve);
	int ok;

	encoded[0] = POINT_CONVERSION_UNCOMPRESSED;
	memcpy(encoded + 1, point, size);
	ERR_set_mark();
	ok = EC_KEY_set_group(key, groups[curve]) == 1 &&
		EC_KEY_oct2key(key, encoded, 1 + size, NULL) == 1;
	ERR_pop_to_mark();
	return ok ? 0 : -EINVAL;
}

int ecdsa_key_new(
	enum ecdsa_curve curve, const uint8_t *point, struct ecdsa_key **out)
{
	struct ecdsa_key *key;
	int rc;

	if (CRYPTO_THREAD_run_once(&groups_once, make_groups) != 1 ||
		!groups[curve])
		return -ENOMEM;
	key = malloc(sizeof(*key));
	if (!key)
		return -ENOMEM;
	key->curve = curve;
	key->key = EC_KEY_new();
	rc = key->key ? set_point(key->key, curve, point) : -ENOMEM;
	if (rc) {
		ecdsa_key_free(key);
		return rc;
	}
	*out = key;
	return 0;
}

void ecdsa_key_free(struct ecdsa_key *key)
{
	if (!key)
		return;
	EC_KEY_free(key->key);
	free(key);
}

enum ecdsa_curve ecdsa_key_curve(const struct ecdsa_key *key)
{
	return key->curve;
}

/* Returns the size of the curve's hash. */
static int hash_message(enum ecdsa_curve curve, const void *message,
	size_t size, uint8_t hash[static SHA384_DIGEST_LENGTH])
{
	SHA512_CTX ctx;

	if (curve == ECDSA_P256) {
		sha256(message, size, hash);
		return SHA256_SIZE;
	}
	SHA384_Init(&ctx);
	SHA384_Update(&ctx, message, size);
	SHA384_Final(hash, &ctx);
	return SHA384_DIGEST_LENGTH;
}

int ecdsa_verify(const struct ecdsa_key *key, const void *message, size_t size,
	const uint8_t *signature)
{
	uint8_t hash[SHA384_DIGEST_LENGTH];
	int half = (int)ecdsa_size(key->curve), len, rc = -ENOMEM;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(signature, half, NULL);
	BIGNUM *s = BN_bin2bn(signature + half, half, NULL);

	/* It takes the numbers, or nothing. */
	if (!sig || !r || !s || ECDSA_SIG_set0(sig, r, s) != 1) {
		BN_free(r);
		BN_free(s);
		goto out;
	}
	len = hash_message(key->curve, message, size, hash);
	ERR_set_mark();
	rc = ECDSA_do_verify(hash, len, sig, key->key) == 1 ? 0 : -EBADMSG;
	ERR_pop_to_mark();
out:
	ECDSA_SIG_free(sig);
	return rc;
}

int ecdsa_verify_der(const struct ecdsa_key *key, const void *message,
	size_t size, const void *der, size_t der_size)
{
	uint8_t hash[SHA384_DIGEST_LENGTH];
	int len, rc;

	if (der_size > INT32_MAX)
		return -EBADMSG;
	len = hash_message(key->curve, message, size, hash);
	ERR_set_mark();
	rc = ECDSA_verify(0, hash, len, der, (int)der_size, key->key) == 1
		? 0
		: -EBADMSG;
	ERR_pop_to_mark();
	return rc;
}
