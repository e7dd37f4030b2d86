/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes, and commits. A commit waits until no change is under way, places
 * everything that is dirty from the leaves up, flushes, and writes the
 * superblock; nothing of what the last one names is overwritten before that.
 *
 * Order of locks: that of records and commits, the gate for changes, that of
 * placing. A thread that has a change open takes none of them.
 */
#include "volume/core.h"

#include <linux/errno.h>

#include "lib/string.h"

enum {
	MARGIN = 32, /* slots for what no change reckoned with */
	PER_CHANGE = 8, /* inner blocks that a small change dirties */
	DEFERRED_MAX = 16384, /* slots worth a commit rather than growing */
};

int vol_commit_init(struct volume *v)
{
	struct vol_commit *c = vol_alloc_memory(v, sizeof(*c));

	v->commit = c;
	if (!c)
		return -ENOMEM;
	c->super = vol_alloc_memory(v, sizeof(*c->super));
	return c->super ? 0 : -ENOMEM;
}

void vol_commit_fini(struct volume *v)
{
	struct vol_commit *c = v->commit;

	if (!c)
		return;
	vol_free_memory(v, c->ref, c->ref_room * sizeof(*c->ref));
	vol_free_memory(v, c->punch, c->punch_room * sizeof(*c->punch));
	vol_free_memory(v, c->record, c->record_room);
	vol_free_memory(v, c->super, sizeof(*c->super));
	vol_free_memory(v, c, sizeof(*c));
	v->commit = NULL;
}

int64_t vol_now(struct volume *v)
{
	int64_t sec;
	uint32_t nsec;

	v->env.ops->now(v->env.ctx, &sec, &nsec);
	return sec * 1000000000 + nsec;
}

/* ---- the lock and the gate ---- */

void vol_commit_lock(struct volume *v)
{
	while (v->commit->running)
		vol_wait(v, v->commit);
	v->commit->running = true;
}

void vol_commit_unlock(struct volume *v)
{
	v->commit->running = false;
	vol_wake(v, v->commit);
}

int vol_gate_close(struct volume *v)
{
	struct vol_commit *c = v->commit;

	/* With one thread, it would be that thread's own. */
	if (c->changes > 0 && !v->env.ops->wait)
		return -EDEADLK;
	c->closed = true;
	while (c->changes > 0)
		vol_wait(v, c);
	c->reserved = 0;
	return 0;
}

void vol_gate_open(struct volume *v)
{
	v->commit->closed = false;
	vol_wake(v, v->commit);
}

/* ---- changes ---- */

static uint64_t cost(uint64_t blocks)
{
	return blocks + blocks / 32 + PER_CHANGE;
}

static bool has_room(struct volume *v, uint64_t blocks)
{
	uint64_t need = v->cache->dirty + v->commit->reserved + cost(blocks) +
		vol_slots_table_margin(v);

	/* What frees more than it takes may have the last of it. */
	if (blocks > 0)
		need += MARGIN;
	return vol_slots_available(v) >= need;
}

static int commit_now(struct volume *v)
{
	uint64_t covers;
	int err;

	vol_commit_lock(v);
	err = vol_commit_make(v, &covers);
	if (!err)
		v->commit->done = u64_max(v->commit->done, covers);
	vol_commit_unlock(v);
	return err;
}

/* The reserve of changes that have ended is released when none is open. */
static int drain(struct volume *v)
{
	int err;

	vol_commit_lock(v);
	err = vol_gate_close(v);
	if (!err)
		vol_gate_open(v);
	vol_commit_unlock(v);
	return err;
}

/* There are too few slots. 0: look again. */
static int make_room(struct volume *v, uint64_t blocks)
{
	uint64_t deferred, used;
	int err = 0;

	if (v->commit->reserved > 0)
		err = drain(v);
	if (err || has_room(v, blocks))
		return err;
	used = vol_slots_present(v) -
		u64_min(vol_slots_present(v), vol_slots_available(v));
	deferred = vol_slots_deferred(v);
	if (deferred > DEFERRED_MAX && deferred > used / 8)
		return commit_now(v);
	err = vol_slots_grow(v);
	if (!err)
		return 0;
	/* A commit needs slots, and gives back those freed since the last. */
	if (vol_slots_deferred(v) == 0 && blocks > 0)
		return err;
	if (vol_slots_deferred(v) > 0 && commit_now(v) == 0 &&
		has_room(v, blocks))
		return 0;
	return blocks > 0 ? err : 0;
}

/* Too much is dirty: some of it gets out. */
static int write_back(struct volume *v)
{
	struct vol_cache *c = v->cache;
	int err;

	/* One thread at it is enough, as long as memory is not short. */
	if (v->commit->placing && c->dirty < c->limit / 2)
		return 0;
	err = vol_place_contents(v, false);
	/* Inner blocks, or nodes that wait for being stored. */
	if (!err && c->dirty > c->limit / 8)
		err = commit_now(v);
	return err;
}

int vol_begin(struct volume *v, uint64_t blocks)
{
	struct vol_commit *c = v->commit;
	bool tried = false, written = false;
	int err;

	err = vol_read_only(v) ? -EROFS : vol_alloc_ready(v);
	while (!err) {
		if (v->failed)
			return -EROFS;
		if (c->closed && !v->env.ops->wait) {
			err = -EDEADLK; /* it closed the gate itself */
		} else if (c->closed) {
			vol_wait(v, c);
		} else if (!written && v->cache->dirty > v->cache->limit / 4) {
			err = write_back(v);
			written = true;
		} else if (!has_room(v, blocks) && !(blocks == 0 && tried)) {
			err = make_room(v, blocks);
			tried = true;
		} else {
			break;
		}
	}
	if (err)
		return err;
	c->changes++;
	c->reserved += cost(blocks);
	return 0;
}

void vol_end(struct volume *v)
{
	struct vol_commit *c = v->commit;

	if (--c->changes > 0)
		return;
	c->reserved = 0;
	if (c->closed)
		vol_wake(v, c);
}

/* ---- tags ---- */

/* Nobody knows whether a push that failed was done. This asks the store, and
 * can itself be repeated. */
static int find_pushed(struct volume *v)
{
	struct vol_commit *c = v->commit;
	const struct volume_ops *ops = v->env.ops;
	int err = ops->tag_push(v->env.ctx, c->pushed, c->maybe, false);

	if (err == -ESTALE)
		err = ops->tag_push(v->env.ctx, c->maybe, c->maybe, false);
	if (err)
		return err;
	memcpy(c->pushed, c->maybe, VOL_TAG_SIZE);
	c->unsure = false;
	return 0;
}

int vol_tag_push(
	struct volume *v, const uint8_t tag[VOL_TAG_SIZE], bool durable)
{
	struct vol_commit *c = v->commit;
	const struct volume_ops *ops = v->env.ops;
	int err = 0;

	if (!ops->tag_push)
		return 0;
	if (c->unsure)
		err = find_pushed(v);
	if (!err) {
		err = ops->tag_push(v->env.ctx, c->pushed, tag, durable);
		memcpy(err ? c->maybe : c->pushed, tag, VOL_TAG_SIZE);
		c->unsure = err != 0;
	}
	if (err == -ESTALE)
		v->failed = true; /* somebody else has the volume */
	return err;
}

/* ---- commits ---- */

static bool anything(const struct volume *v)
{
	const struct vol_commit *c = v->commit;

	return c->must_commit || c->log_offset > 0 || c->refs > 0 ||
		c->punches > 0 || !list_is_empty(&v->changed_objects) ||
		!list_is_empty(&v->changed_nodes) ||
		memcmp(&v->state, &c->last, sizeof(c->last)) != 0;
}

/* Tops have changed, so inodes have. */
static void objects_changed(struct volume *v)
{
	struct vol_object *o;

	list_for_each_entry (o, &v->changed_objects, changed) {
		if (o != &v->inodes && o != &v->table)
			vol_node_changed(
				container_of(o, struct volume_node, object));
	}
}

/* Everything dirty is on the host. */
static int place_all(struct volume *v)
{
	int err = vol_place_files(v);

	if (!err) {
		objects_changed(v);
		err = vol_node_store_all(v);
	}
	if (!err)
		err = vol_place_object(&v->inodes);
	if (!err)
		err = vol_alloc_store(v);
	if (!err)
		err = vol_place_object(&v->table);
	if (!err)
		err = vol_slots_flush(v);
	return err;
}

static int super(struct volume *v)
{
	struct vol_commit *c = v->commit;
	uint8_t tag[VOL_TAG_SIZE];
	int err = c->creating ? 0 : vol_tag_push(v, v->tag, true);

	if (err)
		return err;
	/* The copy that is not the last commit's. */
	v->state.sequence++;
	if (!c->creating && !((v->state.sequence ^ c->super_sequence) & 1))
		v->state.sequence++;
	v->state.blocks = vol_slots_present(v) > vol_slots_available(v)
		? vol_slots_present(v) - vol_slots_available(v)
		: 0;
	v->state.segments = v->segments;
	err = vol_super_write(v, c->super, tag);
	if (err) {
		/* Either copy may be what is found next time, so nothing that
		 * one of them names may be overwritten: the end. */
		v->failed = true;
		return err;
	}
	memcpy(v->previous, v->tag, VOL_TAG_SIZE);
	memcpy(v->tag, tag, VOL_TAG_SIZE);
	c->super_sequence = v->state.sequence;
	return 0;
}

static void committed(struct volume *v)
{
	struct vol_commit *c = v->commit;
	struct list *l;

	vol_alloc_committed(v);
	while ((l = v->changed_objects.next) != &v->changed_objects)
		list_del(l);
	vol_log_reset(v);
	c->log_offset = 0;
	c->must_commit = false;
	c->last = v->state;
	c->committed = vol_now(v);
}

static int commit(struct volume *v, uint64_t *covers)
{
	struct vol_commit *c = v->commit;
	int err = vol_alloc_ready(v);

	/* Most of it, while changes may go on. */
	if (!err && v->cache->dirty > VOL_BATCH)
		err = vol_place_contents(v, false);
	if (!err)
		err = vol_gate_close(v);
	if (err)
		return err;
	*covers = c->want;
	if (anything(v)) {
		/* If it fails half way, records no longer hold it all. */
		c->must_commit = true;
		vol_place_lock(v);
		err = vol_node_store_all(v);
		if (!err)
			err = place_all(v);
		if (!err)
			err = super(v);
		if (!err)
			committed(v);
		vol_place_unlock(v);
		if (!err)
			err = vol_tag_push(v, v->tag, false);
	}
	vol_gate_open(v);
	return err;
}

int vol_commit_make(struct volume *v, uint64_t *covers)
{
	int err;

	*covers = 0;
	if (v->sealed || v->flags & VOLUME_READ_ONLY)
		return 0;
	if (v->failed)
		return anything(v) ? -EIO : -EROFS;
	err = commit(v, covers);
	return err;
}

int volume_commit(struct volume *v)
{
	return commit_now(v);
}

int volume_sync(struct volume *v)
{
	struct vol_commit *c = v->commit;
	uint64_t ticket = ++c->want, covers = 0;
	int err = 0;

	if (v->sealed || v->flags & VOLUME_READ_ONLY)
		return 0;
	while (!err && c->done < ticket) {
		if (c->running) {
			vol_wait(v, c);
			continue;
		}
		vol_commit_lock(v);
		err = vol_log_make(v, &covers);
		if (err > 0)
			err = vol_commit_make(v, &covers);
		if (!err)
			c->done = u64_max(c->done, covers);
		vol_commit_unlock(v);
	}
	return err;
}

int volume_tick(struct volume *v, uint64_t age)
{
	if (vol_read_only(v))
		return 0;
	if (anything(v) &&
		vol_now(v) - v->commit->committed >=
			(int64_t)u64_min(age, INT64_MAX))
		return commit_now(v);
	if (v->cache->dirty > v->cache->limit / 16 && !v->commit->placing)
		return vol_place_contents(v, false);
	if (!anything(v)) {
		vol_cache_trim(v);
		vol_log_trim(v);
	}
	return 0;
}
