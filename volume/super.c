/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The superblock's two copies. Each is sealed under a key used once; what of it
 * is in the clear is additional data. A copy that is not authentic, or not in
 * its place, is passed by: the write of it was interrupted, and the other one
 * is the volume's state.
 *
 * What is authentic was written by somebody with the key, but in a volume whose
 * key is known to all that is anybody: every field is checked.
 */
#include <errno.h>

#include "crypto/aead.h"
#include "crypto/sha256.h"
#include "lib/bytes.h"
#include "lib/string.h"
#include "volume/volume_int.h"

enum {
	COPIES = 2,
	CLEAR = offsetof(struct vol_disk_super, tag),
	SEALED = offsetof(struct vol_disk_super, state),
	SEALED_SIZE = sizeof(struct vol_disk_super) - SEALED,
};
static_assert_offset(struct vol_disk_super, tag, 72);
static_assert_offset(struct vol_disk_super, state, 88);

static const char magic[8] = "SCONCEV1";
static const uint8_t nonce_once[AEAD_NONCE_SIZE];
static const struct volume_file file = {VOLUME_FILE_SUPER, 0};

/* Too large for the kernel's stack together with whatever sleeps below. */
struct work {
	struct vol_disk_super super[COPIES];
	uint8_t tag[COPIES][VOL_TAG_SIZE];
};

int vol_super_check_state(const struct vol_state *s)
{
	bool ok = s->sequence != 0 && s->next_inode > VOL_OBJECT_ROOT &&
		s->next_inode <= INT64_MAX && s->free_inode < s->next_inode &&
		s->orphan < s->next_inode && s->inodes < s->next_inode &&
		s->blocks <= VOL_SLOT_MAX &&
		bytes_zero(s->zero, sizeof(s->zero));

	return ok ? 0 : -EBADMSG;
}

int vol_super_check_ptr(const struct volume *v, const struct vol_ptr *p)
{
	if (vol_ptr_hole(p))
		return bytes_zero(p, sizeof(*p)) ? 0 : -EBADMSG;
	if (vol_ptr_epoch(p) > v->epoch ||
		vol_ptr_slot(p) >> v->segment_shift >= v->segments)
		return -EBADMSG;
	return 0;
}

int vol_super_load_object(struct vol_object *o, const struct vol_disk_inode *i)
{
	if (i->height > VOL_HEIGHT_MAX || i->blocks > VOL_SLOT_MAX)
		return -EBADMSG;
	for (int t = 0; t < VOL_TOPS; t++) {
		int err = vol_super_check_ptr(o->volume, &i->top[t]);

		if (err)
			return err;
	}
	o->height = i->height;
	o->blocks = i->blocks;
	memcpy(o->top, i->top, sizeof(o->top));
	return 0;
}

void vol_super_store_object(
	const struct vol_object *o, struct vol_disk_inode *i)
{
	i->height = (uint8_t)o->height;
	i->blocks = o->blocks;
	memcpy(i->top, o->top, sizeof(i->top));
}

/* Decrypts in place and computes the tag. */
static int authenticate(struct volume *v, struct vol_disk_super *s, int copy,
	uint8_t tag[VOL_TAG_SIZE])
{
	uint8_t *sealed = (uint8_t *)s + SEALED;
	struct aead_key key;
	int err;

	if (memcmp(s->magic, magic, sizeof(magic)) || s->version != VOL_VERSION)
		return -EBADMSG;
	vol_crypto_begin(v);
	sha256(s, sizeof(*s), tag);
	vol_keys_derive(v, VOL_KEY_SUPER, s->uuid, s->salt, &key);
	err = aead_open(&key, nonce_once, s, CLEAR, sealed, sealed, SEALED_SIZE,
		s->tag);
	aead_key_fini(&key);
	vol_crypto_end(v);
	if (!err && s->state.sequence % COPIES != (unsigned)copy)
		return -EBADMSG;
	return err;
}

static int check(const struct vol_disk_super *s)
{
	bool ok =
		(s->suite == VOL_ENCRYPTED || s->suite == VOL_AUTHENTICATED) &&
		s->segment_shift >= VOL_SEGMENT_SHIFT_MIN &&
		s->segment_shift <= VOL_SEGMENT_SHIFT_MAX && s->sealed <= 1 &&
		s->zero0 == 0 && s->zero1 == 0 && s->zero2 == 0 &&
		s->epoch <= VOL_EPOCH_MAX &&
		s->segments <= (VOL_SLOT_MAX + 1) >> s->segment_shift &&
		bytes_zero(s->spare, sizeof(s->spare));

	return ok ? vol_super_check_state(&s->state) : -EBADMSG;
}

static int take(struct volume *v, const struct vol_disk_super *s,
	const uint8_t tag[VOL_TAG_SIZE])
{
	int err = check(s);

	if (err)
		return err;
	v->suite = s->suite;
	v->segment_shift = s->segment_shift;
	v->sealed = s->sealed;
	memcpy(v->uuid, s->uuid, sizeof(v->uuid));
	v->keys_file = s->keys;
	v->segments = s->segments;
	memcpy(v->hash_key, s->hash_key, sizeof(v->hash_key));
	v->state = s->state;
	memcpy(v->tag, tag, VOL_TAG_SIZE);
	memcpy(v->previous, s->previous, VOL_TAG_SIZE);
	v->epoch = s->epoch;
	v->epoch_ready = false;
	err = vol_super_load_object(&v->inodes, &s->inodes);
	return err ? err : vol_super_load_object(&v->table, &s->table);
}

static int refuse(const struct work *w, int read_err, struct err *err)
{
	bool ours = false;

	if (read_err)
		return err_setf(err, read_err,
			"volume: the superblock cannot be read (error %d)",
			-read_err);
	for (int i = 0; i < COPIES; i++)
		ours |= !memcmp(w->super[i].magic, magic, sizeof(magic));
	if (!ours)
		return err_setf(err, -EBADMSG,
			"volume: no superblock: not a volume, or damaged");
	return err_setf(err, -EBADMSG,
		"volume: no copy of the superblock is authentic: "
		"wrong key, or damaged");
}

static int read_copies(struct volume *v, struct work *w, struct err *err)
{
	int best = -1, read_err = 0, result;

	for (int i = 0; i < COPIES; i++) {
		struct vol_disk_super *s = &w->super[i];
		int bad = v->env.ops->read(v->env.ctx, file,
			(uint64_t)i * sizeof(*s), s, sizeof(*s));

		if (bad) {
			memset(s, 0, sizeof(*s));
			read_err = bad;
		} else if (!authenticate(v, s, i, w->tag[i])) {
			if (best < 0 ||
				s->state.sequence >
					w->super[best].state.sequence)
				best = i;
		}
	}
	if (best < 0)
		return refuse(w, read_err, err);
	result = take(v, &w->super[best], w->tag[best]);
	if (result)
		err_setf(err, result,
			"volume: the superblock is authentic but makes no "
			"sense; wanted one of this format's version %d",
			VOL_VERSION);
	return result;
}

int vol_super_read(struct volume *v, struct err *err)
{
	struct work *w = vol_alloc_memory(v, sizeof(*w));
	int result;

	if (!w)
		return err_setf(err, -ENOMEM, "volume: no memory");
	result = read_copies(v, w, err);
	string_wipe(w, sizeof(*w)); /* the key of names' hashes */
	vol_free_memory(v, w, sizeof(*w));
	return result;
}

static void fill(const struct volume *v, struct vol_disk_super *s)
{
	memcpy(s->magic, magic, sizeof(s->magic));
	s->version = VOL_VERSION;
	s->suite = (uint8_t)v->suite;
	s->segment_shift = (uint8_t)v->segment_shift;
	s->sealed = v->sealed || v->sealing;
	memcpy(s->uuid, v->uuid, sizeof(s->uuid));
	s->keys = v->keys_file;
	s->state = v->state;
	memcpy(s->previous, v->tag, sizeof(s->previous));
	memcpy(s->hash_key, v->hash_key, sizeof(s->hash_key));
	s->segments = v->segments;
	s->epoch = v->epoch;
	vol_super_store_object(&v->inodes, &s->inodes);
	vol_super_store_object(&v->table, &s->table);
}

static int write_copy(
	struct volume *v, struct vol_disk_super *s, uint8_t tag[VOL_TAG_SIZE])
{
	const struct volume_ops *ops = v->env.ops;
	uint8_t *sealed = (uint8_t *)s + SEALED;
	uint64_t offset = v->state.sequence % COPIES * sizeof(*s);
	struct aead_key key;
	int err;

	fill(v, s);
	err = ops->random(v->env.ctx, s->salt, sizeof(s->salt));
	if (err)
		return err;
	vol_crypto_begin(v);
	vol_keys_derive(v, VOL_KEY_SUPER, s->uuid, s->salt, &key);
	aead_seal(&key, nonce_once, s, CLEAR, sealed, sealed, SEALED_SIZE,
		s->tag);
	aead_key_fini(&key);
	sha256(s, sizeof(*s), tag);
	vol_crypto_end(v);
	err = vol_host(ops->write(v->env.ctx, file, offset, s, sizeof(*s)));
	return err ? err : vol_host(ops->flush(v->env.ctx, file));
}

static int rewrite_copy(struct volume *v, struct vol_disk_super *s)
{
	const struct volume_ops *ops = v->env.ops;
	uint64_t offset = v->state.sequence % COPIES * sizeof(*s);
	uint8_t tag[VOL_TAG_SIZE];
	int err = ops->read(v->env.ctx, file, offset, s, sizeof(*s));

	if (err)
		return err;
	vol_crypto_begin(v);
	sha256(s, sizeof(*s), tag);
	vol_crypto_end(v);
	if (memcmp(tag, v->tag, sizeof(tag)) != 0)
		return -EBADMSG;
	err = vol_host(ops->write(v->env.ctx, file, offset, s, sizeof(*s)));
	return err ? err : vol_host(ops->flush(v->env.ctx, file));
}

int vol_super_rewrite(struct volume *v)
{
	struct vol_disk_super *s = vol_alloc_memory(v, sizeof(*s));
	int err = s ? rewrite_copy(v, s) : -ENOMEM;

	vol_free_memory(v, s, sizeof(*s));
	return err;
}

int vol_super_write(struct volume *v, struct vol_disk_super *room,
	uint8_t tag[VOL_TAG_SIZE])
{
	int err;

	memset(room, 0, sizeof(*room));
	err = write_copy(v, room, tag);
	string_wipe(room, sizeof(*room));
	return err;
}
