/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A share as bytes, and in a box for one member (doc/cas-keys.md):
 *
 *	share:	[1, set, cluster, need, count, index, value, secret check,
 *			[check...]]
 *	box:	[1, member's key, ephemeral key, sealed share and tag]
 *
 *	key, nonce = HKDF-SHA-256(salt: ephemeral key, member's key;
 *		secret: X25519 of the two; info: label), 32 and 12 bytes
 *	AES-256-GCM, associated data: label, member's key, ephemeral key
 */
#include "cas/shares.h"

#include <errno.h>

#include <openssl/evp.h>

#include "crypto/aead.h"
#include "crypto/hkdf.h"
#include "lib/cbor_put.h"
#include "lib/string.h"

enum {
	BOX_VERSION = 1,
	/* Of all that a share can be. */
	SHARE_TEXT_MAX = 64 + SHARE_SET_SIZE + 32 + SHARE_SECRET_SIZE +
		(SHARES_MAX + 1) * (SHARE_CHECK_SIZE + 1),
	LABEL_SIZE = 16,
};

static const char label[LABEL_SIZE] = "sconce share v1";

/* ---- the share ---- */

static void put_share(struct cbor_writer *w, const struct share *s)
{
	cbor_put_array(w, 9);
	cbor_put_uint(w, BOX_VERSION);
	cbor_put_bytes(w, s->set, sizeof(s->set));
	cbor_put_bytes(w, s->cluster, sizeof(s->cluster));
	cbor_put_uint(w, s->need);
	cbor_put_uint(w, s->count);
	cbor_put_uint(w, s->index);
	cbor_put_bytes(w, s->value, sizeof(s->value));
	cbor_put_bytes(w, s->secret_check, sizeof(s->secret_check));
	cbor_put_array(w, s->count);
	for (unsigned i = 0; i < s->count && i < SHARES_MAX; i++)
		cbor_put_bytes(w, s->check[i], sizeof(s->check[i]));
}

static size_t encode(const struct share *s, uint8_t text[static SHARE_TEXT_MAX])
{
	struct cbor_writer w;

	cbor_writer_init(&w, text, SHARE_TEXT_MAX);
	put_share(&w, s);
	return cbor_writer_check(&w) ? 0 : w.len;
}

int share_encode(const struct share *s, struct buf *out)
{
	uint8_t text[SHARE_TEXT_MAX];
	size_t size = encode(s, text);

	out->secret = true;
	buf_add(out, text, size);
	string_wipe(text, sizeof(text));
	return size ? buf_check(out) : -EINVAL;
}

static int get_number(struct cbor_reader *r, uint8_t *out)
{
	uint64_t v;
	int rc = cbor_get_uint(r, &v);

	if (!rc && (!v || v > SHARES_MAX))
		rc = -EBADMSG;
	*out = rc ? 0 : (uint8_t)v;
	return rc;
}

static int get_version(struct cbor_reader *r, uint64_t elements)
{
	uint64_t count, version = 0;
	int rc = cbor_get_array(r, &count);

	if (!rc && count != elements)
		rc = -EBADMSG;
	if (!rc)
		rc = cbor_get_uint(r, &version);
	return !rc && version != BOX_VERSION ? -EBADMSG : rc;
}

static int get_share(struct cbor_reader *r, struct share *s)
{
	uint64_t count;
	int rc = get_version(r, 9);

	if (!rc)
		rc = cbor_get_fixed(r, s->set, sizeof(s->set));
	if (!rc)
		rc = cbor_get_fixed(r, s->cluster, sizeof(s->cluster));
	if (!rc)
		rc = get_number(r, &s->need);
	if (!rc)
		rc = get_number(r, &s->count);
	if (!rc)
		rc = get_number(r, &s->index);
	if (!rc && (s->need > s->count || s->index > s->count))
		rc = -EBADMSG;
	if (!rc)
		rc = cbor_get_fixed(r, s->value, sizeof(s->value));
	if (!rc)
		rc = cbor_get_fixed(
			r, s->secret_check, sizeof(s->secret_check));
	if (!rc)
		rc = cbor_get_array(r, &count);
	if (!rc && count != s->count)
		rc = -EBADMSG;
	for (unsigned i = 0; !rc && i < s->count; i++)
		rc = cbor_get_fixed(r, s->check[i], sizeof(s->check[i]));
	return !rc && !cbor_reader_at_end(r) ? -EBADMSG : rc;
}

int share_decode(
	const void *data, size_t size, struct share *out, struct err *e)
{
	struct cbor_reader r;

	*out = (struct share){0};
	cbor_reader_init(&r, data, size);
	if (!get_share(&r, out))
		return 0;
	string_wipe(out, sizeof(*out));
	return err_setf(e, -EBADMSG, "not a recovery share");
}

/* ---- the box ---- */

struct box {
	uint8_t member[SHARE_KEY_SIZE], ephemeral[SHARE_KEY_SIZE];
	struct aead_key key;
	uint8_t nonce[AEAD_NONCE_SIZE];
	uint8_t aad[LABEL_SIZE + 2 * SHARE_KEY_SIZE];
};

/* X25519 of own and other. */
static int agree(EVP_PKEY *own, const uint8_t *other,
	uint8_t shared[static SHARE_KEY_SIZE])
{
	EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(
		EVP_PKEY_X25519, NULL, other, SHARE_KEY_SIZE);
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(own, NULL);
	size_t size = SHARE_KEY_SIZE;
	/* Refuses points of small order, whose result is zero. */
	bool ok = peer && c && EVP_PKEY_derive_init(c) == 1 &&
		EVP_PKEY_derive_set_peer(c, peer) == 1 &&
		EVP_PKEY_derive(c, shared, &size) == 1 &&
		size == SHARE_KEY_SIZE;

	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(peer);
	return ok ? 0 : -EINVAL;
}

static int box_init(struct box *b, EVP_PKEY *own, const uint8_t *other)
{
	uint8_t shared[SHARE_KEY_SIZE], salt[2 * SHARE_KEY_SIZE];
	uint8_t out[AEAD_KEY_SIZE + AEAD_NONCE_SIZE];
	int rc = agree(own, other, shared);

	if (rc)
		return rc;
	memcpy(salt, b->ephemeral, SHARE_KEY_SIZE);
	memcpy(salt + SHARE_KEY_SIZE, b->member, SHARE_KEY_SIZE);
	hkdf_sha256(salt, sizeof(salt), shared, sizeof(shared), label,
		sizeof(label), out, sizeof(out));
	aead_key_init(&b->key, out);
	memcpy(b->nonce, out + AEAD_KEY_SIZE, AEAD_NONCE_SIZE);
	memcpy(b->aad, label, LABEL_SIZE);
	memcpy(b->aad + LABEL_SIZE, b->member, SHARE_KEY_SIZE);
	memcpy(b->aad + LABEL_SIZE + SHARE_KEY_SIZE, b->ephemeral,
		SHARE_KEY_SIZE);
	string_wipe(shared, sizeof(shared));
	string_wipe(out, sizeof(out));
	return 0;
}

static void box_fini(struct box *b)
{
	aead_key_fini(&b->key);
	string_wipe(b, sizeof(*b));
}

static void put_box(struct cbor_writer *w, const struct box *b,
	const uint8_t *sealed, size_t size)
{
	cbor_put_array(w, 4);
	cbor_put_uint(w, BOX_VERSION);
	cbor_put_bytes(w, b->member, SHARE_KEY_SIZE);
	cbor_put_bytes(w, b->ephemeral, SHARE_KEY_SIZE);
	cbor_put_bytes(w, sealed, size);
}

static no_inline int seal(const struct share *s, struct box *b, struct buf *out)
{
	uint8_t text[SHARE_TEXT_MAX + AEAD_TAG_SIZE];
	uint8_t whole[sizeof(text) + 2 * SHARE_KEY_SIZE + 16];
	size_t size = encode(s, text);
	struct cbor_writer w;

	if (!size)
		return -EINVAL;
	aead_seal(&b->key, b->nonce, b->aad, sizeof(b->aad), text, text, size,
		text + size);
	cbor_writer_init(&w, whole, sizeof(whole));
	put_box(&w, b, text, size + AEAD_TAG_SIZE);
	if (cbor_writer_check(&w))
		return -EINVAL;
	buf_add(out, whole, w.len);
	return buf_check(out);
}

int share_seal(const struct share *s,
	const uint8_t member[static SHARE_KEY_SIZE], struct buf *out,
	struct err *e)
{
	EVP_PKEY *own = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	size_t size = SHARE_KEY_SIZE;
	struct box b;
	int rc = -EIO;

	memcpy(b.member, member, SHARE_KEY_SIZE);
	if (own && EVP_PKEY_get_raw_public_key(own, b.ephemeral, &size) == 1) {
		rc = box_init(&b, own, member);
		if (!rc)
			rc = seal(s, &b, out);
	}
	EVP_PKEY_free(own);
	box_fini(&b);
	if (rc)
		err_setf(e, rc,
			rc == -EINVAL           ? "not a member's X25519 key"
				: rc == -ENOMEM ? "out of memory"
						: "libcrypto failed");
	return rc;
}

static no_inline int unseal(struct box *b, const uint8_t *sealed, size_t size,
	struct share *out, struct err *e)
{
	uint8_t text[SHARE_TEXT_MAX];
	int rc;

	if (size < AEAD_TAG_SIZE || size - AEAD_TAG_SIZE > sizeof(text))
		return err_setf(e, -EBADMSG, "not a member's share");
	size -= AEAD_TAG_SIZE;
	rc = aead_open(&b->key, b->nonce, b->aad, sizeof(b->aad), sealed, text,
		size, sealed + size);
	if (rc)
		err_setf(e, rc, "the member's share was altered");
	else
		rc = share_decode(text, size, out, e);
	string_wipe(text, sizeof(text));
	return rc;
}

static int get_box(struct cbor_reader *r, struct box *b, const uint8_t **sealed,
	size_t *size)
{
	int rc = get_version(r, 4);

	if (!rc)
		rc = cbor_get_fixed(r, b->member, SHARE_KEY_SIZE);
	if (!rc)
		rc = cbor_get_fixed(r, b->ephemeral, SHARE_KEY_SIZE);
	if (!rc)
		rc = cbor_get_bytes(r, sealed, size);
	return !rc && !cbor_reader_at_end(r) ? -EBADMSG : rc;
}

int share_open(const void *data, size_t size,
	const uint8_t private_key[static SHARE_KEY_SIZE], struct share *out,
	struct err *e)
{
	EVP_PKEY *own = EVP_PKEY_new_raw_private_key(
		EVP_PKEY_X25519, NULL, private_key, SHARE_KEY_SIZE);
	uint8_t public_key[SHARE_KEY_SIZE];
	size_t key_size = SHARE_KEY_SIZE, sealed_size;
	const uint8_t *sealed;
	struct cbor_reader r;
	struct box b = {0};
	int rc;

	cbor_reader_init(&r, data, size);
	if (!own ||
		EVP_PKEY_get_raw_public_key(own, public_key, &key_size) != 1)
		rc = err_setf(e, -EIO, "libcrypto failed");
	else if (get_box(&r, &b, &sealed, &sealed_size))
		rc = err_setf(e, -EBADMSG, "not a member's share");
	else if (memcmp(public_key, b.member, SHARE_KEY_SIZE))
		rc = err_setf(e, -EKEYREJECTED,
			"this share is encrypted to another member's key");
	else if (box_init(&b, own, b.ephemeral))
		rc = err_setf(e, -EBADMSG, "the member's share was altered");
	else
		rc = unseal(&b, sealed, sealed_size, out, e);
	EVP_PKEY_free(own);
	box_fini(&b);
	return rc;
}
