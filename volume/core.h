/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cache.c, tree.c, place.c, alloc.c, commit.c, log.c and recover.c share
 * and nobody else needs.
 *
 * A block in memory pins its parent, so the pointer that names it is always
 * at hand. A dirty block has dirty ancestors, all in memory. What may sleep
 * says so; a block or object seen before must be looked at again afterwards
 * unless it is pinned.
 */
#pragma once

#include "volume/volume_int.h"

enum {
	VOL_BATCH = 256, /* blocks in one read or write */
	VOL_REFS_MAX = 65536, /* placed blocks that await the next record */
	VOL_BY_VALUE = 32, /* more blocks go to their slots, not to the log */
	VOL_GROW = 1024, /* slots that the host is asked for at once */
};

/* ---- cache.c ---- */

struct vol_cache {
	struct vol_block **hash;
	size_t hash_size; /* a power of two */
	uint64_t count, limit; /* blocks with data */
	uint64_t dirty, dirty_inner; /* all levels; levels above 0 */
	uint64_t batch; /* <= VOL_BATCH */
	bool evicting;
	struct list lru; /* oldest first */
	struct list unused; /* block.lru; have data, count as count */
	struct list unlogged; /* block.unlogged */
	uint64_t unlogged_count;
	struct vol_io *spare;
};

/* Room for one batch. */
struct vol_io {
	uint8_t *data; /* cache.batch blocks */
	struct vol_block *block[VOL_BATCH];
	struct vol_ptr ptr[VOL_BATCH];
	int16_t error[VOL_BATCH];
	union {
		struct vol_open open[VOL_BATCH];
		struct vol_seal seal[VOL_BATCH];
	};
};

must_check int vol_cache_init(struct volume *v);
void vol_cache_fini(struct volume *v); /* all objects are gone */
/* Gives unneeded memory back. */
void vol_cache_trim(struct volume *v);

struct vol_io *vol_io_get(struct volume *v); /* NULL: no memory */
void vol_io_put(struct volume *v, struct vol_io *io);

/* Not pinned; NULL: not in memory. */
struct vol_block *vol_block_find(
	const struct vol_object *o, uint32_t level, uint64_t index);
struct vol_block *vol_block_find_number(const struct volume *v, uint64_t object,
	uint32_t level, uint64_t index);
/* In the hash, pinned, contents undefined. @parent is pinned by the caller, and
 * by the block from now on. Does not sleep. */
must_check int vol_block_new(struct vol_object *o, uint32_t level,
	uint64_t index, struct vol_block *parent, struct vol_block **out);
void vol_block_pin(struct vol_block *b);
void vol_block_unpin(struct vol_block *b); /* NULL is fine */
/* No longer in the tree; lives on until unpinned. */
void vol_block_drop(struct vol_block *b);
/* With all its ancestors. */
void vol_block_dirty(struct vol_block *b);
void vol_block_clean(struct vol_block *b);
void vol_block_logged(struct vol_block *b); /* not UNLOGGED any more */
/* Sleeps until something happened to @b; the caller looks again. */
void vol_block_wait(struct vol_block *b);
void vol_block_wake(struct vol_block *b);
void vol_object_changed(struct vol_object *o);

static inline bool vol_block_dead(const struct vol_block *b)
{
	return b->state & VOL_BLOCK_DEAD;
}

/* Where the pointer to block @index is, whose parent is @parent. */
static inline struct vol_ptr *vol_ptr_of(
	struct vol_object *o, struct vol_block *parent, uint64_t index)
{
	return parent ? (struct vol_ptr *)(void *)parent->data +
			(index & (VOL_FANOUT - 1))
		      : &o->top[index & (VOL_TOPS - 1)];
}

static inline struct vol_place vol_block_place(const struct vol_block *b)
{
	return (struct vol_place){.object = b->object->number,
		.index = b->index,
		.level = b->level,
		.kind = VOL_KIND_TREE};
}

/* ---- tree.c ---- */

/* Is that a slot of this volume that may hold a block? -EBADMSG. */
must_check int vol_ptr_check(const struct volume *v, const struct vol_ptr *p);
/* Any level; see vol_tree_get. Sleeps. */
must_check int vol_tree_get_level(struct vol_object *o, uint32_t level,
	uint64_t index, enum vol_access how, struct vol_block **out);
/* Replay: block @index is where @ptr says. Sleeps. */
must_check int vol_tree_set(
	struct vol_object *o, uint64_t index, const struct vol_ptr *ptr);

/* ---- alloc.c ---- */

/* The slot is not used any more, as of the next commit. Does not sleep. */
void vol_slot_free(struct volume *v, uint64_t slot);
/* Looks up the maps for what was freed, if that is due or @all. Sleeps. */
must_check int vol_slots_settle(struct volume *v, bool all);

/* ---- log.c ---- */

/* For the next record. */
must_check int vol_log_punch(
	struct volume *v, uint64_t object, uint64_t index, uint64_t count);
/* The object goes: so do its REF entries. */
void vol_log_forget(struct vol_object *o);

/* ---- small helpers (volume.c) ---- */

static inline void vol_wait(struct volume *v, const void *on)
{
	if (v->env.ops->wait)
		v->env.ops->wait(v->env.ctx, on);
}

static inline void vol_wake(struct volume *v, const void *on)
{
	if (v->env.ops->wake)
		v->env.ops->wake(v->env.ctx, on);
}

static inline bool vol_read_only(const struct volume *v)
{
	return v->failed || v->sealed || (v->flags & VOLUME_READ_ONLY);
}

/* Slots of a segment are read and written in runs. Sleep. */
must_check int vol_slots_read(
	struct volume *v, uint64_t slot, void *data, size_t n);
must_check int vol_slots_write(
	struct volume *v, uint64_t slot, const void *data, size_t n);
