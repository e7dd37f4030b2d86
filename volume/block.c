/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks and records of the log, sealed and opened. A block's place is its
 * additional data, so a block is refused anywhere but where it was written
 * for; the pointer has what else it takes to open it.
 *
 * The caller's lock may be given up while it is computed. What is used then
 * belongs to the calls' callers, and the key is held.
 */
#include <errno.h>

#include "crypto/aead.h"
#include "crypto/sha256.h"
#include "lib/string.h"
#include "volume/volume_int.h"

enum { HASH_SIZE = sizeof(struct vol_ptr) - offsetof(struct vol_ptr, counter) };

/* What a record is bound to. */
struct binding {
	struct vol_disk_record header; /* tag zeroed */
	uint8_t previous[VOL_TAG_SIZE];
};
static_assert_size(struct binding, 72);

void vol_crypto_begin(struct volume *v)
{
	if (v->env.ops->crypto_begin)
		v->env.ops->crypto_begin(v->env.ctx);
}

void vol_crypto_end(struct volume *v)
{
	if (v->env.ops->crypto_end)
		v->env.ops->crypto_end(v->env.ctx);
}

static void nonce_of(uint64_t counter, uint8_t nonce[AEAD_NONCE_SIZE])
{
	memset(nonce, 0, AEAD_NONCE_SIZE);
	memcpy(nonce, &counter, sizeof(counter));
}

/* Of authenticated volumes: what the pointer holds of the block. */
static void hash(const struct vol_place *place, const uint8_t *data,
	uint8_t out[HASH_SIZE])
{
	uint8_t digest[SHA256_SIZE];
	struct sha256 s;

	sha256_init(&s);
	sha256_update(&s, place, sizeof(*place));
	sha256_update(&s, data, VOL_BLOCK_SIZE);
	sha256_final(&s, digest);
	memcpy(out, digest, HASH_SIZE);
}

static void seal(enum vol_suite suite, const struct aead_key *key,
	const struct vol_seal *b, uint64_t counter)
{
	uint8_t nonce[AEAD_NONCE_SIZE];
	uint8_t digest[HASH_SIZE];

	if (suite == VOL_AUTHENTICATED) {
		hash(&b->place, b->data, digest);
		memcpy(&b->ptr->counter, digest, sizeof(b->ptr->counter));
		memcpy(b->ptr->tag, digest + sizeof(b->ptr->counter),
			sizeof(b->ptr->tag));
		if (b->out != b->data)
			memcpy(b->out, b->data, VOL_BLOCK_SIZE);
		return;
	}
	nonce_of(counter, nonce);
	b->ptr->counter = counter;
	aead_seal(key, nonce, &b->place, sizeof(b->place), b->data, b->out,
		VOL_BLOCK_SIZE, b->ptr->tag);
}

int vol_block_seal(struct volume *v, struct vol_seal *b, size_t n)
{
	struct vol_data_key *k;
	uint64_t counter;
	int err = vol_keys_reserve(v, n, &k, &counter);

	if (err)
		return err;
	vol_crypto_begin(v);
	for (size_t i = 0; i < n; i++) {
		struct vol_ptr *p = b[i].ptr;

		p->slot_epoch = vol_ptr_slot(p) |
			(uint64_t)vol_keys_epoch(k) << VOL_SLOT_BITS;
		seal(v->suite, vol_keys_aead(k), &b[i], counter + i);
	}
	vol_crypto_end(v);
	vol_keys_put(v, k);
	return 0;
}

static bool open_plain(const struct vol_open *b)
{
	uint8_t digest[HASH_SIZE];

	hash(&b->place, b->in, digest);
	if (memcmp(digest, &b->ptr.counter, sizeof(b->ptr.counter)) ||
		memcmp(digest + sizeof(b->ptr.counter), b->ptr.tag,
			sizeof(b->ptr.tag)) ||
		vol_ptr_hole(&b->ptr)) {
		memset(b->data, 0, VOL_BLOCK_SIZE);
		return false;
	}
	if (b->data != b->in)
		memcpy(b->data, b->in, VOL_BLOCK_SIZE);
	return true;
}

static bool open_sealed(const struct aead_key *key, const struct vol_open *b)
{
	uint8_t nonce[AEAD_NONCE_SIZE];

	nonce_of(b->ptr.counter, nonce);
	return !aead_open(key, nonce, &b->place, sizeof(b->place), b->in,
		b->data, VOL_BLOCK_SIZE, b->ptr.tag);
}

/* How many from the first on have its epoch. */
static size_t same_epoch(const struct vol_open *b, size_t n)
{
	size_t same = 1;

	while (same < n &&
		vol_ptr_epoch(&b[same].ptr) == vol_ptr_epoch(&b[0].ptr))
		same++;
	return same;
}

/* Blocks of one epoch. Sets bad. */
static int open_some(struct volume *v, struct vol_open *b, size_t n)
{
	struct vol_data_key *k = NULL;
	int err = 0;

	if (v->suite == VOL_ENCRYPTED)
		err = vol_keys_get(v, vol_ptr_epoch(&b[0].ptr), &k);
	if (err) {
		for (size_t i = 0; i < n; i++) {
			b[i].bad = true;
			memset(b[i].data, 0, VOL_BLOCK_SIZE);
		}
		return err;
	}
	vol_crypto_begin(v);
	for (size_t i = 0; i < n; i++) {
		b[i].bad = !(k ? open_sealed(vol_keys_aead(k), &b[i])
			       : open_plain(&b[i]));
		if (b[i].bad)
			err = -EBADMSG;
	}
	vol_crypto_end(v);
	if (k)
		vol_keys_put(v, k);
	return err;
}

int vol_block_open(struct volume *v, struct vol_open *b, size_t n)
{
	int result = 0;

	for (size_t i = 0; i < n;) {
		size_t same = same_epoch(b + i, n - i);
		int err = open_some(v, b + i, same);

		if (err && (!result || result == -EBADMSG))
			result = err;
		i += same;
	}
	return result;
}

static void bind(struct binding *binding, const struct vol_disk_record *header,
	const uint8_t previous[VOL_TAG_SIZE])
{
	memcpy(&binding->header, header, sizeof(*header));
	memset(binding->header.tag, 0, sizeof(binding->header.tag));
	memcpy(binding->previous, previous, VOL_TAG_SIZE);
}

int vol_block_seal_record(struct volume *v, struct vol_disk_record *header,
	const uint8_t previous[VOL_TAG_SIZE], uint8_t *body)
{
	uint8_t nonce[AEAD_NONCE_SIZE];
	struct vol_data_key *k;
	struct binding binding;
	uint64_t counter;
	int err = vol_keys_reserve(v, 1, &k, &counter);

	if (err)
		return err;
	header->epoch = vol_keys_epoch(k);
	header->counter = counter;
	bind(&binding, header, previous);
	nonce_of(counter, nonce);
	vol_crypto_begin(v);
	aead_seal(vol_keys_aead(k), nonce, &binding, sizeof(binding), body,
		body, header->size, header->tag);
	vol_crypto_end(v);
	vol_keys_put(v, k);
	return 0;
}

int vol_block_open_record(struct volume *v,
	const struct vol_disk_record *header,
	const uint8_t previous[VOL_TAG_SIZE], uint8_t *body)
{
	uint8_t nonce[AEAD_NONCE_SIZE];
	struct vol_data_key *k;
	struct binding binding;
	int err = vol_keys_get(v, header->epoch, &k);

	if (err)
		return err;
	bind(&binding, header, previous);
	nonce_of(header->counter, nonce);
	vol_crypto_begin(v);
	err = aead_open(vol_keys_aead(k), nonce, &binding, sizeof(binding),
		body, body, header->size, header->tag);
	vol_crypto_end(v);
	vol_keys_put(v, k);
	return err;
}

void vol_block_record_tag(struct volume *v,
	const struct vol_disk_record *header,
	const uint8_t previous[VOL_TAG_SIZE], uint8_t tag[VOL_TAG_SIZE])
{
	struct sha256 s;

	vol_crypto_begin(v);
	sha256_init(&s);
	sha256_update(&s, previous, VOL_TAG_SIZE);
	sha256_update(&s, header, sizeof(*header));
	sha256_final(&s, tag);
	vol_crypto_end(v);
}
