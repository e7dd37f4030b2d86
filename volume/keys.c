/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys: from the volume key come keys that are used once (they wrap a data key
 * or seal a superblock), and wrapped in the file of keys are the epochs' data
 * keys. The volume key itself is kept: a rekeying may come, and deriving from
 * it takes a microsecond.
 *
 * Epochs are many (one for each mount); expanded keys are those in use, the
 * present one's, and up to KEEP others.
 */
#include <errno.h>

#include "crypto/aead.h"
#include "crypto/hkdf.h"
#include "lib/list.h"
#include "lib/string.h"
#include "volume/volume_int.h"

enum { KEEP = 16 };
#define COUNTER_END (UINT64_C(1) << 40)

struct vol_data_key {
	struct aead_key key;
	struct list entry; /* most recently used first */
	uint32_t epoch, users;
};

struct vol_keys {
	uint8_t volume_key[VOL_KEY_SIZE];
	struct list list;
	struct vol_data_key *present; /* held, while v->epoch_ready */
	uint32_t idle; /* on the list without users */
	bool making; /* an epoch; others wait */
};

/* What a wrapped data key is bound to. */
struct binding {
	uint8_t uuid[VOL_UUID_SIZE];
	uint32_t epoch;
};
static_assert_size(struct binding, 20);

static const uint8_t nonce_once[AEAD_NONCE_SIZE];

int vol_keys_init(struct volume *v, const uint8_t key[VOL_KEY_SIZE])
{
	v->keys = vol_alloc_memory(v, sizeof(*v->keys));
	if (!v->keys)
		return -ENOMEM;
	memcpy(v->keys->volume_key, key, VOL_KEY_SIZE);
	list_init(&v->keys->list);
	return 0;
}

static void forget(struct volume *v, struct vol_data_key *k)
{
	list_del(&k->entry);
	aead_key_fini(&k->key);
	vol_free_memory(v, k, sizeof(*k));
}

void vol_keys_fini(struct volume *v)
{
	struct vol_keys *keys = v->keys;
	struct vol_data_key *k;

	if (!keys)
		return;
	while ((k = list_first(&keys->list, struct vol_data_key, entry)))
		forget(v, k);
	string_wipe(keys, sizeof(*keys));
	vol_free_memory(v, keys, sizeof(*keys));
	v->keys = NULL;
}

static void derive(const uint8_t volume_key[VOL_KEY_SIZE],
	enum vol_key_purpose purpose, const uint8_t uuid[VOL_UUID_SIZE],
	const uint8_t salt[VOL_SALT_SIZE], struct aead_key *out)
{
	struct {
		char purpose[8];
		uint8_t salt[VOL_SALT_SIZE];
	} info = {.purpose = "wrap"};
	uint8_t key[AEAD_KEY_SIZE];

	if (purpose == VOL_KEY_SUPER)
		memcpy(info.purpose, "super", 6);
	memcpy(info.salt, salt, VOL_SALT_SIZE);
	hkdf_sha256(uuid, VOL_UUID_SIZE, volume_key, VOL_KEY_SIZE, &info,
		sizeof(info), key, sizeof(key));
	aead_key_init(out, key);
	string_wipe(key, sizeof(key));
}

void vol_keys_derive(struct volume *v, enum vol_key_purpose purpose,
	const uint8_t uuid[VOL_UUID_SIZE], const uint8_t salt[VOL_SALT_SIZE],
	struct aead_key *out)
{
	derive(v->keys->volume_key, purpose, uuid, salt, out);
}

static struct volume_file keys_file(const struct volume *v)
{
	return (struct volume_file){VOLUME_FILE_KEYS, v->keys_file};
}

static uint64_t record_offset(uint32_t epoch)
{
	return (uint64_t)(epoch - 1) * sizeof(struct vol_disk_key);
}

/* Between vol_crypto_begin and _end. */
static int unwrap(struct volume *v, const struct vol_disk_key *r,
	uint32_t epoch, uint8_t key[AEAD_KEY_SIZE])
{
	struct binding binding = {.epoch = epoch};
	struct aead_key wrapping;
	int err;

	memcpy(binding.uuid, v->uuid, sizeof(binding.uuid));
	vol_keys_derive(v, VOL_KEY_WRAP, v->uuid, r->salt, &wrapping);
	err = aead_open(&wrapping, nonce_once, &binding, sizeof(binding),
		r->wrapped, key, AEAD_KEY_SIZE, r->tag);
	aead_key_fini(&wrapping);
	return err;
}

/* @r->salt is there already. */
static void wrap(struct volume *v, const uint8_t volume_key[VOL_KEY_SIZE],
	struct vol_disk_key *r, uint32_t epoch,
	const uint8_t key[AEAD_KEY_SIZE])
{
	struct binding binding = {.epoch = epoch};
	struct aead_key wrapping;

	memcpy(binding.uuid, v->uuid, sizeof(binding.uuid));
	r->epoch = epoch;
	derive(volume_key, VOL_KEY_WRAP, v->uuid, r->salt, &wrapping);
	aead_seal(&wrapping, nonce_once, &binding, sizeof(binding), key,
		r->wrapped, AEAD_KEY_SIZE, r->tag);
	aead_key_fini(&wrapping);
}

static struct vol_data_key *find(struct vol_keys *keys, uint32_t epoch)
{
	struct vol_data_key *k;

	list_for_each_entry (k, &keys->list, entry) {
		if (k->epoch == epoch)
			return k;
	}
	return NULL;
}

/* Takes over @key; NULL: no memory. The result has a user. */
static struct vol_data_key *add(
	struct volume *v, uint32_t epoch, uint8_t key[AEAD_KEY_SIZE])
{
	struct vol_data_key *k = vol_alloc_memory(v, sizeof(*k));

	if (k) {
		k->epoch = epoch;
		k->users = 1;
		vol_crypto_begin(v);
		aead_key_init(&k->key, key);
		vol_crypto_end(v);
		list_add(&v->keys->list, &k->entry);
	}
	string_wipe(key, AEAD_KEY_SIZE);
	return k;
}

/* 1: record @epoch is there and authentic; 0: it is not; or -errno. */
static int load(struct volume *v, uint32_t epoch, uint8_t key[AEAD_KEY_SIZE])
{
	struct vol_disk_key r;
	uint32_t file;
	int err;

	do {
		file = v->keys_file;
		err = vol_host(v->env.ops->read(v->env.ctx, keys_file(v),
			record_offset(epoch), &r, sizeof(r)));
		if (err)
			continue;
		vol_crypto_begin(v);
		err = unwrap(v, &r, epoch, key) ? 0 : 1;
		vol_crypto_end(v);
		/* Unless the volume got another key meanwhile. */
	} while (err <= 0 && file != v->keys_file);
	return err;
}

int vol_keys_get(struct volume *v, uint32_t epoch, struct vol_data_key **out)
{
	struct vol_keys *keys = v->keys;
	struct vol_data_key *k;
	uint8_t key[AEAD_KEY_SIZE];
	int err;

	if (epoch == 0 || epoch > VOL_EPOCH_MAX)
		return -EBADMSG;
	k = find(keys, epoch);
	if (!k) {
		err = load(v, epoch, key);
		if (err <= 0)
			return err ? err : -EBADMSG;
		/* Others may have been faster. */
		k = find(keys, epoch);
		if (!k) {
			*out = add(v, epoch, key);
			return *out ? 0 : -ENOMEM;
		}
		string_wipe(key, sizeof(key));
	}
	if (k->users++ == 0)
		keys->idle--;
	list_del(&k->entry);
	list_add(&keys->list, &k->entry);
	*out = k;
	return 0;
}

void vol_keys_put(struct volume *v, struct vol_data_key *k)
{
	struct vol_keys *keys = v->keys;
	struct vol_data_key *old, *least = NULL;

	if (--k->users)
		return;
	if (++keys->idle <= KEEP)
		return;
	list_for_each_entry (old, &keys->list, entry) {
		if (old->users == 0)
			least = old;
	}
	if (least) {
		keys->idle--;
		forget(v, least);
	}
}

const struct aead_key *vol_keys_aead(const struct vol_data_key *k)
{
	return &k->key;
}

int vol_keys_reserve(struct volume *v, uint64_t n, struct vol_data_key **out,
	uint64_t *counter)
{
	int err;

	while (!v->epoch_ready || n > COUNTER_END - v->counter) {
		err = vol_keys_epoch_new(v);
		if (err)
			return err;
	}
	*counter = v->counter;
	v->counter += n;
	*out = v->keys->present;
	(*out)->users++;
	return 0;
}

uint32_t vol_keys_epoch(const struct vol_data_key *k)
{
	return k->epoch;
}

/* The first number after v->epoch whose record is nobody's: absent, or not
 * authentic. After a crash there may be one that no superblock knows. */
static int epoch_next(struct volume *v, uint32_t *out)
{
	uint8_t key[AEAD_KEY_SIZE];
	uint32_t epoch = v->epoch;
	int found;

	do {
		if (epoch >= VOL_EPOCH_MAX)
			return -EOVERFLOW;
		found = load(v, ++epoch, key);
		string_wipe(key, sizeof(key));
	} while (found == 1);
	*out = epoch;
	/* -EIO: past the end. */
	return found == -EIO || found == -ENOENT ? 0 : found;
}

static int epoch_make(struct volume *v)
{
	const struct volume_ops *ops = v->env.ops;
	void *ctx = v->env.ctx;
	struct vol_disk_key r = {0};
	uint8_t key[AEAD_KEY_SIZE];
	struct vol_data_key *k;
	uint32_t epoch = 0;
	int err = epoch_next(v, &epoch);

	if (!err)
		err = ops->random(ctx, key, sizeof(key));
	if (!err)
		err = ops->random(ctx, r.salt, sizeof(r.salt));
	if (err)
		return err;
	vol_crypto_begin(v);
	wrap(v, v->keys->volume_key, &r, epoch, key);
	vol_crypto_end(v);
	err = vol_host(ops->resize(ctx, keys_file(v),
		align_up(record_offset(epoch) + sizeof(r), VOL_BLOCK_SIZE),
		true));
	if (!err)
		err = vol_host(ops->write(ctx, keys_file(v),
			record_offset(epoch), &r, sizeof(r)));
	if (!err)
		err = vol_host(ops->flush(ctx, keys_file(v)));
	if (err) {
		string_wipe(key, sizeof(key));
		return err;
	}
	k = add(v, epoch, key);
	if (!k)
		return -ENOMEM;
	if (v->keys->present)
		vol_keys_put(v, v->keys->present);
	v->keys->present = k;
	v->epoch = epoch;
	v->counter = 1;
	v->epoch_ready = true;
	return 0;
}

static void make_begin(struct volume *v)
{
	while (v->keys->making)
		v->env.ops->wait(v->env.ctx, v->keys);
	v->keys->making = true;
}

static void make_end(struct volume *v)
{
	v->keys->making = false;
	if (v->env.ops->wake)
		v->env.ops->wake(v->env.ctx, v->keys);
}

int vol_keys_epoch_new(struct volume *v)
{
	uint32_t before = v->epoch;
	int err = 0;

	make_begin(v);
	/* Somebody else's is as new. */
	if (!v->epoch_ready || v->epoch == before)
		err = epoch_make(v);
	make_end(v);
	return err;
}

/* Record @epoch under another volume key; nothing if it is not authentic. */
static int rewrap(struct volume *v, uint32_t epoch,
	const uint8_t volume_key[VOL_KEY_SIZE], struct vol_disk_key *r)
{
	uint8_t key[AEAD_KEY_SIZE];
	int err = load(v, epoch, key);

	memset(r, 0, sizeof(*r));
	/* What cannot be read now may be later: it must not get lost. */
	if (err == 0)
		return 0;
	if (err == 1)
		err = v->env.ops->random(v->env.ctx, r->salt, sizeof(r->salt));
	if (!err) {
		vol_crypto_begin(v);
		wrap(v, volume_key, r, epoch, key);
		vol_crypto_end(v);
	}
	string_wipe(key, sizeof(key));
	return err;
}

static int rewrap_all(struct volume *v, struct volume_file to,
	const uint8_t volume_key[VOL_KEY_SIZE])
{
	const struct volume_ops *ops = v->env.ops;
	uint64_t size = record_offset(v->epoch + 1);
	int err = vol_host(ops->resize(
		v->env.ctx, to, align_up(size, VOL_BLOCK_SIZE), false));

	for (uint32_t epoch = 1; !err && epoch <= v->epoch; epoch++) {
		struct vol_disk_key r;

		err = rewrap(v, epoch, volume_key, &r);
		if (!err)
			err = vol_host(ops->write(v->env.ctx, to,
				record_offset(epoch), &r, sizeof(r)));
	}
	return err ? err : vol_host(ops->flush(v->env.ctx, to));
}

int vol_keys_change(struct volume *v, const uint8_t key[VOL_KEY_SIZE])
{
	struct volume_file to = keys_file(v);
	int err;

	if (++to.number > UINT32_MAX)
		return -EOVERFLOW;
	make_begin(v);
	err = rewrap_all(v, to, key);
	if (!err) {
		memcpy(v->keys->volume_key, key, VOL_KEY_SIZE);
		v->keys_file = (uint32_t)to.number;
	} else {
		(void)v->env.ops->remove(v->env.ctx, to);
	}
	make_end(v);
	return err;
}
