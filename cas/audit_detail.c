/* SPDX-License-Identifier: Apache-2.0 */
/* Details of events, encrypted to those whom they concern; see audit.h. */
#include <errno.h>
#include <openssl/evp.h>

#include "cas/audit.h"
#include "crypto/aead.h"
#include "crypto/hkdf.h"
#include "lib/string.h"

enum { POINT = 32 };

/* What is shared by a private and a public key, as a key for one record. */
static int shared_key(EVP_PKEY *mine, const uint8_t *theirs,
	const uint8_t *ephemeral, const uint8_t *to,
	uint8_t key[static AEAD_KEY_SIZE])
{
	static const char label[] = "sconce-audit-detail-1";
	EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(
		EVP_PKEY_X25519, NULL, theirs, POINT);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(mine, NULL);
	uint8_t secret[POINT], info[sizeof(label) - 1 + 2 * POINT];
	size_t size = sizeof(secret);
	int ret = peer && ctx ? 0 : -ENOMEM;

	/* Fails for keys that make the secret zero. */
	if (!ret &&
		(EVP_PKEY_derive_init(ctx) != 1 ||
			EVP_PKEY_derive_set_peer(ctx, peer) != 1 ||
			EVP_PKEY_derive(ctx, secret, &size) != 1 ||
			size != sizeof(secret)))
		ret = -EINVAL;
	memcpy(info, label, sizeof(label) - 1);
	memcpy(info + sizeof(label) - 1, ephemeral, POINT);
	memcpy(info + sizeof(label) - 1 + POINT, to, POINT);
	if (!ret)
		hkdf_sha256(NULL, 0, secret, sizeof(secret), info, sizeof(info),
			key, AEAD_KEY_SIZE);
	string_wipe(secret, sizeof(secret));
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(peer);
	return ret;
}

static void put_seq(uint64_t seq, uint8_t aad[static 8])
{
	for (int i = 0; i < 8; i++)
		aad[i] = (uint8_t)(seq >> (56 - 8 * i));
}

/* The key is used once, so its nonce may be constant. */
static const uint8_t nonce[AEAD_NONCE_SIZE];

int audit_seal_detail(const uint8_t to[static 32], uint64_t seq,
	const void *text, size_t size, struct buf *out)
{
	EVP_PKEY *mine = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	uint8_t ephemeral[POINT], key[AEAD_KEY_SIZE], aad[8];
	uint8_t tag[AEAD_TAG_SIZE];
	struct aead_key k;
	size_t n = POINT, start = out->size + POINT;
	int ret;

	if (!mine || EVP_PKEY_get_raw_public_key(mine, ephemeral, &n) != 1) {
		EVP_PKEY_free(mine);
		return -ENOMEM;
	}
	ret = shared_key(mine, to, ephemeral, to, key);
	EVP_PKEY_free(mine);
	if (ret)
		return ret;
	buf_add(out, ephemeral, sizeof(ephemeral));
	buf_add(out, text, size);
	ret = buf_check(out);
	if (!ret) {
		put_seq(seq, aad);
		aead_key_init(&k, key);
		aead_seal(&k, nonce, aad, sizeof(aad), out->data + start,
			out->data + start, size, tag);
		aead_key_fini(&k);
		buf_add(out, tag, sizeof(tag));
		ret = buf_check(out);
	}
	string_wipe(key, sizeof(key));
	return ret;
}

int audit_public_key(const uint8_t key[static 32], uint8_t out[static 32])
{
	EVP_PKEY *mine = EVP_PKEY_new_raw_private_key(
		EVP_PKEY_X25519, NULL, key, POINT);
	size_t size = POINT;
	int ret = mine && EVP_PKEY_get_raw_public_key(mine, out, &size) == 1
		? 0
		: -ENOMEM;

	EVP_PKEY_free(mine);
	return ret;
}

int audit_open_detail(const uint8_t key[static 32], uint64_t seq,
	const void *detail, size_t size, struct buf *out)
{
	const uint8_t *p = detail;
	uint8_t to[POINT], secret[AEAD_KEY_SIZE], aad[8];
	struct aead_key k;
	size_t start = out->size, inner;
	EVP_PKEY *mine;
	int ret;

	if (size < AUDIT_DETAIL_OVERHEAD)
		return -EBADMSG;
	inner = size - AUDIT_DETAIL_OVERHEAD;
	ret = audit_public_key(key, to);
	mine = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, key, POINT);
	if (!ret)
		ret = mine ? shared_key(mine, p, p, to, secret) : -ENOMEM;
	EVP_PKEY_free(mine);
	if (ret)
		return ret == -EINVAL ? -EBADMSG : ret;
	buf_add(out, p + POINT, inner);
	ret = buf_check(out);
	if (!ret) {
		put_seq(seq, aad);
		aead_key_init(&k, secret);
		ret = aead_open(&k, nonce, aad, sizeof(aad), p + POINT,
			out->data + start, inner, p + POINT + inner);
		aead_key_fini(&k);
	}
	if (ret == -EBADMSG)
		out->size = start;
	string_wipe(secret, sizeof(secret));
	return ret;
}
