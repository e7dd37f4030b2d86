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

/* What may be forgotten, by how it was used. */
enum vol_idle {
	VOL_IDLE_NOT, /* in use, dirty, or of no object: no list */
	VOL_IDLE_USED,
	VOL_IDLE_ONCE,
	VOL_IDLE_STREAMED, /* written in passing */
	VOL_IDLE_COUNT
};

struct vol_cache {
	struct vol_block **hash;
	size_t hash_size; /* a power of two */
	uint64_t count, limit; /* blocks with data */
	uint64_t dirty, dirty_inner; /* all levels; levels above 0 */
	uint64_t batch; /* <= VOL_BATCH */
	bool evicting;
	struct list idle[VOL_IDLE_COUNT]; /* clean and unpinned, oldest first */
	uint64_t idle_count[VOL_IDLE_COUNT];
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
/* The end of the run of consecutive slots, within a segment, that begins at
 * io->ptr[i] and ends by io->ptr[n]. */
size_t vol_io_run_end(
	const struct volume *v, const struct vol_io *io, size_t i, size_t n);

/* Not pinned; NULL: not in memory. */
struct vol_block *vol_block_find(
	const struct vol_object *o, uint32_t level, uint64_t index);
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
/* A dirty one, onto its object's list. */
void vol_block_list_dirty(struct vol_block *b);
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
	return (struct vol_place){.object = b->object ? b->object->number : 0,
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

must_check int vol_alloc_init(struct volume *v);
void vol_alloc_fini(struct volume *v);
/* Before anything below but _free: reads the table. Sleeps. */
must_check int vol_alloc_ready(struct volume *v);
/* Slots that may be given out now, with what the host has; those that the next
 * commit makes free; those not used, present or not; those that are there. */
uint64_t vol_slots_available(const struct volume *v);
uint64_t vol_slots_deferred(const struct volume *v);
uint64_t vol_slots_free(const struct volume *v);
uint64_t vol_slots_present(const struct volume *v);
/* What the table may need at a commit, with the maps' entries. */
uint64_t vol_slots_table_margin(const struct volume *v);
/* Asks the host for more. Sleeps. */
must_check int vol_slots_grow(struct volume *v);
/* At most @want in a row, at least one. By the placing thread. Sleeps. */
must_check int vol_slots_alloc(
	struct volume *v, uint64_t want, uint64_t *slot, uint64_t *n);
/* The slot is not used any more, as of the next commit. Does not sleep. */
void vol_slot_free(struct volume *v, uint64_t slot);
/* Looks up the maps for what was freed, if that is due or @all. Sleeps. */
must_check int vol_slots_settle(struct volume *v, bool all);
/* A record names it: not to be given out before the next commit is durable. */
void vol_slot_keep(struct volume *v, uint64_t slot);
/* Replay: the same for a slot that is not known to be in use. Sleeps. */
must_check int vol_slot_use(struct volume *v, uint64_t slot);
/* It was written to: its segment is to be flushed. */
void vol_slots_written(struct volume *v, uint64_t slot);
/* A failure ends all writing. Sleeps. */
must_check int vol_slots_flush(struct volume *v);
/* Commit, everything else is placed: writes the maps, and gives slots to the
 * table's dirty blocks. _committed: the superblock is durable. */
must_check int vol_alloc_store(struct volume *v);
void vol_alloc_committed(struct volume *v);

/* Compaction: nothing is given out in the last segments from now on, as far as
 * the others have room; _end: it is again, as after growing. */
void vol_slots_drain(struct volume *v);
void vol_slots_drain_end(struct volume *v);
bool vol_slots_drained(const struct volume *v, uint64_t slot);
/* The next commit writes all maps of epochs before that one anew. Sleeps. */
must_check int vol_slots_renew(struct volume *v, uint32_t epoch);
/* Drained segments that are empty go, with a commit. Sleeps. */
must_check int vol_slots_shrink(struct volume *v);

/* ---- place.c: dirty blocks get slots and are written ---- */

/* One thread places at a time. Sleeps. */
void vol_place_lock(struct volume *v);
void vol_place_unlock(struct volume *v);
/* All blocks of level 0 that nobody uses; @used: those as well, while no change
 * is under way and the nodes are stored. Takes the lock. Sleeps. */
must_check int vol_place_contents(struct volume *v, bool used);
/* While no change is under way, with the lock: all dirty blocks of files, of
 * the table of inodes, of the table of segments (which have slots). Sleep. */
must_check int vol_place_files(struct volume *v);
must_check int vol_place_object(struct vol_object *o);

/* ---- commit.c ---- */

struct vol_ref {
	struct vol_object *object; /* NULL: forgotten */
	uint64_t index;
	struct vol_ptr ptr;
	uint32_t next; /* of the same object, + 1; 0: none */
};

struct vol_punch {
	uint64_t object, index, count;
};

struct vol_commit {
	/* Changes. */
	uint64_t changes; /* open now */
	uint64_t reserved; /* slots for those, and for those that ended since
			      none was open */
	bool closed; /* none may begin */
	bool running; /* somebody makes a record or commit */
	bool placing;
	bool must_commit; /* a record cannot hold what changed */

	/* Who wants a record or commit: tickets. */
	uint64_t want, done;

	/* The last record or commit. */
	struct vol_state last;
	uint64_t super_sequence;
	int64_t committed; /* ns */
	uint64_t log_offset;

	/* The store's tag; and the one it may have after a failed push. */
	uint8_t pushed[VOL_TAG_SIZE], maybe[VOL_TAG_SIZE];
	bool unsure;
	bool creating;
	struct vol_disk_super *super; /* for vol_super_write */

	/* For the next record. */
	struct vol_ref *ref;
	size_t refs, ref_room;
	struct vol_punch *punch;
	size_t punches, punch_room;
	uint8_t *record;
	size_t record_room;
};

must_check int vol_commit_init(struct volume *v);
void vol_commit_fini(struct volume *v);
/* Makes a record or commit alone. Sleeps. */
void vol_commit_lock(struct volume *v);
void vol_commit_unlock(struct volume *v);
/* No change is under way when this returns 0, until vol_gate_open. Sleeps. */
must_check int vol_gate_close(struct volume *v);
void vol_gate_open(struct volume *v);
/* With the lock. *covers: tickets up to this one are done. Sleep. */
must_check int vol_commit_make(struct volume *v, uint64_t *covers);
must_check int vol_tag_push(
	struct volume *v, const uint8_t tag[VOL_TAG_SIZE], bool durable);
int64_t vol_now(struct volume *v);

/* ---- log.c ---- */

/* As vol_commit_make; 1: it must be a commit. */
must_check int vol_log_make(struct volume *v, uint64_t *covers);
/* For the next record: a punch; a block that was placed. */
must_check int vol_log_punch(
	struct volume *v, uint64_t object, uint64_t index, uint64_t count);
void vol_log_ref(struct vol_block *b, const struct vol_ptr *ptr);
/* The object goes: so do its REF entries. */
void vol_log_forget(struct vol_object *o);
/* Gives memory back. */
void vol_log_trim(struct volume *v);
/* Nothing is left to log. */
void vol_log_reset(struct volume *v);

/* ---- recover.c ---- */

/* After vol_super_read: the log, and whether the state is the expected one or
 * follows it. Sets *records. */
must_check int vol_recover(struct volume *v, const struct volume_expect *expect,
	uint64_t *records, struct err *err);

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
