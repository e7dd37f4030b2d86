/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys, names of rows, and sealing. Each key has one use:
 *
 *	HKDF(cluster key, "sconce-store-1 " use)
 *
 * and what is sealed is under HKDF(seal key, epoch) with the counter as nonce.
 */
#include "cas/store_int.h"

#include <errno.h>

#include "lib/string.h"

static void derive(const uint8_t *key, const char *use, void *out, size_t size)
{
	static const char label[] = "sconce-store-1 ";
	char info[64];

	memcpy(info, label, sizeof(label));
	memcpy(info + sizeof(label) - 1, use, strlen(use) + 1);
	hkdf_sha256(
		NULL, 0, key, STORE_KEY_SIZE, info, strlen(info), out, size);
}

static void derive_mac(
	const uint8_t *key, const char *use, struct hmac_sha256 *h)
{
	uint8_t mac[32];

	derive(key, use, mac, sizeof(mac));
	hmac_sha256_init(h, mac, sizeof(mac));
	string_wipe(mac, sizeof(mac));
}

void store_keys_init(
	struct store_keys *k, const uint8_t key[static STORE_KEY_SIZE])
{
	memset(k, 0, sizeof(*k));
	derive_mac(key, "row name", &k->name);
	derive_mac(key, "map element", &k->element);
	derive_mac(key, "map digest", &k->map);
	derive(key, "seal", k->seal, sizeof(k->seal));
	derive(key, "audit detail", k->audit, sizeof(k->audit));
	derive(key, "key id", k->id, sizeof(k->id));
}

void store_keys_fini(struct store_keys *k)
{
	string_wipe(k, sizeof(*k));
}

void store_row_name(const struct store_keys *k, unsigned table, const char *key,
	size_t key_size, uint8_t name[static STORE_ROW_NAME_SIZE])
{
	struct hmac_sha256 h = k->name;
	uint8_t t = (uint8_t)table;

	hmac_sha256_update(&h, &t, 1);
	hmac_sha256_update(&h, key, key_size);
	hmac_sha256_final(&h, name);
}

void store_element(const struct store_keys *k,
	const uint8_t name[static STORE_ROW_NAME_SIZE], uint64_t seq,
	const uint8_t epoch[static STORE_EPOCH_SIZE], uint64_t counter,
	struct store_sum *out)
{
	struct hmac_sha256 h = k->element;
	uint8_t numbers[16], mac[SHA256_SIZE];

	store_put_be64(numbers, seq);
	store_put_be64(numbers + 8, counter);
	hmac_sha256_update(&h, name, STORE_ROW_NAME_SIZE);
	hmac_sha256_update(&h, epoch, STORE_EPOCH_SIZE);
	hmac_sha256_update(&h, numbers, sizeof(numbers));
	hmac_sha256_final(&h, mac);
	memcpy(out->limb, mac, sizeof(mac));
}

void store_map_digest(const struct store_keys *k, const struct store_sum *sum,
	uint64_t rows, uint64_t seq, uint8_t out[static STORE_HASH_SIZE])
{
	struct hmac_sha256 h = k->map;
	uint8_t numbers[16];

	store_put_be64(numbers, rows);
	store_put_be64(numbers + 8, seq);
	hmac_sha256_update(&h, sum->limb, sizeof(sum->limb));
	hmac_sha256_update(&h, numbers, sizeof(numbers));
	hmac_sha256_final(&h, out);
}

/* The top four bits of a size stay, the rest is rounded up. */
size_t store_padded(size_t size)
{
	size_t unit = 64;

	while (unit < size / 8)
		unit *= 2;
	return align_up(size, unit);
}

/* The key of an epoch, from the cache or made. */
static const struct aead_key *epoch_key(
	struct store_keys *k, const uint8_t epoch[static STORE_EPOCH_SIZE])
{
	struct store_epoch *c = &k->cache[epoch[0] % ARRAY_SIZE(k->cache)];
	uint8_t key[AEAD_KEY_SIZE];

	if (c->used && memcmp(c->id, epoch, sizeof(c->id)) == 0)
		return &c->key;
	hkdf_sha256(epoch, STORE_EPOCH_SIZE, k->seal, sizeof(k->seal), NULL, 0,
		key, sizeof(key));
	aead_key_init(&c->key, key);
	string_wipe(key, sizeof(key));
	memcpy(c->id, epoch, sizeof(c->id));
	c->used = true;
	return &c->key;
}

enum { AAD_SIZE = 1 + STORE_ROW_NAME_SIZE + 8 };

static size_t make_aad(const struct store_place *at, uint8_t aad[AAD_SIZE])
{
	memset(aad, 0, AAD_SIZE);
	aad[0] = (uint8_t)at->kind;
	if (at->kind == STORE_ROW)
		memcpy(aad + 1, at->name, STORE_ROW_NAME_SIZE);
	store_put_be64(aad + 1 + STORE_ROW_NAME_SIZE, at->seq);
	return AAD_SIZE;
}

/* Rows and records count on their own. */
static void make_nonce(const struct store_place *at, const uint8_t counter[8],
	uint8_t nonce[AEAD_NONCE_SIZE])
{
	memset(nonce, 0, AEAD_NONCE_SIZE);
	nonce[0] = (uint8_t)at->kind;
	memcpy(nonce + AEAD_NONCE_SIZE - 8, counter, 8);
}

void store_seal(struct store_keys *k, const struct store_place *at,
	const uint8_t epoch[static STORE_EPOCH_SIZE], uint64_t counter,
	const void *plain, size_t size, struct buf *out)
{
	uint8_t aad[AAD_SIZE], nonce[AEAD_NONCE_SIZE], tag[AEAD_TAG_SIZE];
	struct store_blob_head h;
	size_t start;

	memcpy(h.key_id, k->id, sizeof(h.key_id));
	memcpy(h.epoch, epoch, sizeof(h.epoch));
	store_put_be64(h.counter, counter);
	make_nonce(at, h.counter, nonce);
	buf_add(out, &h, sizeof(h));
	start = out->size;
	buf_add(out, plain, size);
	if (buf_check(out))
		return;
	aead_seal(epoch_key(k, epoch), nonce, aad, make_aad(at, aad), plain,
		out->data + start, size, tag);
	buf_add(out, tag, sizeof(tag));
}

int store_unseal(struct store_keys *k, const struct store_place *at,
	const void *blob, size_t size, void *out)
{
	uint8_t aad[AAD_SIZE], nonce[AEAD_NONCE_SIZE];
	const uint8_t *p = blob;
	struct store_blob_head h;
	size_t inner;

	if (size < STORE_BLOB_OVERHEAD)
		return -EBADMSG;
	memcpy(&h, blob, sizeof(h));
	if (memcmp(h.key_id, k->id, sizeof(h.key_id)) != 0)
		return -EKEYREJECTED;
	inner = size - STORE_BLOB_OVERHEAD;
	make_nonce(at, h.counter, nonce);
	return aead_open(epoch_key(k, h.epoch), nonce, aad, make_aad(at, aad),
		p + sizeof(h), out, inner, p + sizeof(h) + inner);
}
