/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes as a whole: made, opened, closed.
 */
#include "volume/core.h"

#include <linux/errno.h>

#include "lib/string.h"

enum { LOG_PIECE = 256 * 1024 };

static const struct volume_file super_file = {VOLUME_FILE_SUPER, 0};
static const struct volume_file log_file = {VOLUME_FILE_LOG, 0};

void *vol_alloc_memory(struct volume *v, size_t size)
{
	return v->env.ops->alloc(v->env.ctx, size);
}

void vol_free_memory(struct volume *v, void *p, size_t size)
{
	if (p)
		v->env.ops->free(v->env.ctx, p, size);
}

static void volume_free(struct volume *v)
{
	struct volume_env env = v->env;

	vol_nodes_fini(v);
	if (v->commit && v->cache) {
		vol_object_fini(&v->inodes);
		vol_object_fini(&v->table);
	}
	vol_cache_fini(v);
	vol_alloc_fini(v);
	vol_commit_fini(v);
	vol_keys_fini(v);
	string_wipe(v, sizeof(*v));
	env.ops->free(env.ctx, v, sizeof(*v));
}

static struct volume *volume_new(
	const struct volume_env *env, const uint8_t key[VOL_KEY_SIZE])
{
	struct volume *v = env->ops->alloc(env->ctx, sizeof(*v));
	int err;

	if (!v)
		return NULL;
	v->env = *env;
	list_init(&v->changed_objects);
	list_init(&v->changed_nodes);
	vol_object_init(&v->inodes, v, VOL_OBJECT_INODES);
	vol_object_init(&v->table, v, VOL_OBJECT_SEGMENTS);
	err = vol_keys_init(v, key);
	if (!err)
		err = vol_commit_init(v);
	if (!err)
		err = vol_cache_init(v);
	if (!err)
		err = vol_alloc_init(v);
	if (!err)
		err = vol_nodes_init(v);
	if (!err)
		return v;
	volume_free(v);
	return NULL;
}

static int no_memory(struct err *err)
{
	return err_setf(err, -ENOMEM, "volume: no memory");
}

/* ---- making one ---- */

/* The log is written once, so that later writes change no metadata. */
static int log_create(struct volume *v)
{
	const struct volume_ops *ops = v->env.ops;
	void *zeros = vol_alloc_memory(v, LOG_PIECE);
	int err;

	if (!zeros)
		return -ENOMEM;
	err = ops->resize(v->env.ctx, log_file, VOL_LOG_SIZE, false);
	for (uint64_t at = 0; !err && at < VOL_LOG_SIZE; at += LOG_PIECE)
		err = ops->write(v->env.ctx, log_file, at, zeros, LOG_PIECE);
	if (!err)
		err = ops->flush(v->env.ctx, log_file);
	vol_free_memory(v, zeros, LOG_PIECE);
	return err;
}

static int root_create(struct volume *v, const struct volume_params *p)
{
	struct volume_node *n;
	int err = vol_begin(v, 2);

	if (err)
		return err;
	err = vol_node_new(v, 0040000 | (p->root_mode & 07777), &n);
	if (!err) {
		n->inode.uid = p->root_uid;
		n->inode.gid = p->root_gid;
		n->inode.nlink = 2;
		n->inode.parent = n->object.number;
	}
	vol_end(v);
	if (!err)
		volume_put(n);
	return err;
}

static int create(struct volume *v, const struct volume_params *p)
{
	const struct volume_ops *ops = v->env.ops;
	void *ctx = v->env.ctx;
	int err;

	v->suite = p->suite;
	v->segment_shift = p->segment_shift ? p->segment_shift
					    : VOL_SEGMENT_SHIFT_DEFAULT;
	v->state.next_inode = VOL_OBJECT_ROOT;
	v->commit->creating = true;
	err = ops->random(ctx, v->uuid, sizeof(v->uuid));
	if (!err)
		err = ops->random(ctx, v->hash_key, sizeof(v->hash_key));
	if (!err)
		err = log_create(v);
	if (!err)
		err = root_create(v, p);
	return err ? err : volume_commit(v);
}

static int params_check(const struct volume_params *p, struct err *err)
{
	if (p->suite != VOL_ENCRYPTED && p->suite != VOL_AUTHENTICATED)
		return err_setf(err, -EINVAL,
			"volume: suite %u; wanted %u or %u", p->suite,
			VOL_ENCRYPTED, VOL_AUTHENTICATED);
	if (p->segment_shift &&
		(p->segment_shift < VOL_SEGMENT_SHIFT_MIN ||
			p->segment_shift > VOL_SEGMENT_SHIFT_MAX))
		return err_setf(err, -EINVAL,
			"volume: segments of 2^%u slots; wanted 2^%u to 2^%u",
			p->segment_shift, VOL_SEGMENT_SHIFT_MIN,
			VOL_SEGMENT_SHIFT_MAX);
	return 0;
}

int volume_create(const struct volume_env *env, const struct volume_params *p,
	const uint8_t key[VOL_KEY_SIZE], uint8_t tag[VOL_TAG_SIZE],
	struct err *err)
{
	const struct volume_ops *ops = env->ops;
	struct volume *v;
	uint8_t byte;
	int result = params_check(p, err);

	if (result)
		return result;
	result = ops->read(env->ctx, super_file, 0, &byte, sizeof(byte));
	if (result == 0)
		return err_setf(err, -EEXIST,
			"volume: there is a file super already; wanted a "
			"place without a volume");
	v = volume_new(env, key);
	if (!v)
		return no_memory(err);
	result = ops->resize(
		env->ctx, super_file, 2 * sizeof(struct vol_disk_super), false);
	if (!result)
		result = create(v, p);
	memcpy(tag, v->tag, VOL_TAG_SIZE);
	volume_free(v);
	if (!result)
		return 0;
	/* Half a volume would be in the way of the next attempt. */
	if (ops->remove(env->ctx, super_file))
		return err_setf(err, result,
			"volume: not made (error %d), and what there is of it "
			"cannot be removed",
			-result);
	return err_setf(
		err, result, "volume: cannot be made (error %d)", -result);
}

/* ---- opening and closing ---- */

static int open_volume(
	struct volume *v, const struct volume_expect *expect, struct err *err)
{
	struct vol_commit *c = v->commit;
	bool expected = expect && !expect->any;
	uint8_t super[VOL_TAG_SIZE];
	uint64_t records = 0;
	int result = vol_super_read(v, err);

	if (result)
		return result;
	if (v->sealed && !(v->flags & VOLUME_READ_ONLY))
		return err_setf(err, -EROFS,
			"volume: sealed, an image; open it read-only");
	c->super_sequence = v->state.sequence;
	c->last = v->state;
	c->committed = vol_now(v);
	memcpy(super, v->tag, VOL_TAG_SIZE);
	result = vol_recover(v, expect, &records, err);
	if (result || v->flags & VOLUME_READ_ONLY)
		return result;
	memcpy(c->pushed, expected ? expect->tag : super, VOL_TAG_SIZE);
	/* What was read may still not be on the disk. So the store must not get
	 * tags of it, and the superblock that it was read from must be there
	 * before the other one is overwritten. Superblocks of which a record or
	 * the store knows are. */
	if (records) {
		memcpy(v->tag, c->pushed, VOL_TAG_SIZE);
		c->must_commit = true;
		result = volume_commit(v);
	} else if (!expected || memcmp(c->pushed, super, VOL_TAG_SIZE) != 0) {
		result = vol_super_rewrite(v);
		if (!result && memcmp(c->pushed, super, VOL_TAG_SIZE) != 0)
			result = vol_tag_push(v, super, false);
	}
	if (!result)
		result = vol_node_reap(v);
	/* An orphan that is damaged or in the way of nobody stays one. */
	if (result == -EBADMSG || result == -ENOSPC)
		result = 0;
	if (result)
		return err_setf(err, result,
			"volume: what was in progress cannot be completed "
			"(error %d)",
			-result);
	return 0;
}

int volume_open(const struct volume_env *env, const uint8_t key[VOL_KEY_SIZE],
	unsigned flags, const struct volume_expect *expect, struct volume **out,
	struct err *err)
{
	struct volume *v = volume_new(env, key);
	int result;

	if (!v)
		return no_memory(err);
	v->flags = flags;
	if (flags & VOLUME_RESCUE)
		v->flags |= VOLUME_READ_ONLY;
	result = open_volume(v, expect, err);
	if (result) {
		volume_free(v);
		return result;
	}
	*out = v;
	return 0;
}

int volume_close(struct volume *v)
{
	int err = 0;

	if (!v)
		return 0;
	if (!v->sealed && !(v->flags & VOLUME_READ_ONLY)) {
		err = volume_commit(v);
		/* It is read-only since a flush failed, and who had something
		 * to lose has been told. */
		if (err == -EROFS)
			err = 0;
		if (!err && !v->failed)
			err = vol_tag_push(v, v->tag, true);
	}
	volume_free(v);
	return err;
}

/* ---- looking at one ---- */

void volume_tag(const struct volume *v, uint8_t tag[VOL_TAG_SIZE])
{
	memcpy(tag, v->tag, VOL_TAG_SIZE);
}

void volume_usage(struct volume *v, struct volume_usage *u)
{
	uint64_t slots = v->segments << v->segment_shift;

	memset(u, 0, sizeof(*u));
	u->block_size = VOL_BLOCK_SIZE;
	u->inodes = v->state.inodes;
	u->blocks = slots - v->segments * VOL_SEGMENT_MAPS;
	if (vol_alloc_ready(v)) {
		u->free = u->blocks - u64_min(u->blocks, v->state.blocks);
		u->host_size = slots << VOL_BLOCK_SHIFT;
		return;
	}
	u->free = vol_slots_free(v);
	u->host_size = vol_slots_present(v) << VOL_BLOCK_SHIFT;
}
