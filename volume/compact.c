/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compaction, step by step, while the volume is in use: nothing is given out
 * in the last segments any more, and blocks that are there are made dirty
 * without being changed, so that the next commit places them elsewhere. Then
 * the segments are empty and go. Blocks of old epochs are renewed alike.
 *
 * If the volume grows meanwhile, the last segments are needed after all.
 */
#include "volume/core.h"

#include <linux/errno.h>

#include "lib/string.h"

enum { STEP = 256 }; /* blocks and objects looked at */

static bool to_move(const struct volume *v, const struct vol_ptr *p)
{
	return vol_slots_drained(v, vol_ptr_slot(p)) ||
		(v->compact.renew && vol_ptr_epoch(p) < v->compact.epoch);
}

static int block_step(struct vol_object *o, uint32_t level, uint64_t index)
{
	struct volume *v = o->volume;
	struct vol_block *b, *parent = NULL;
	struct vol_ptr p;
	bool dirty;
	int err;

	if (level < o->height) {
		err = vol_tree_get_level(o, level + 1,
			index >> VOL_FANOUT_SHIFT, VOL_READ, &parent);
		if (err || !parent)
			return err;
	}
	p = *vol_ptr_of(o, parent, index);
	b = vol_block_find(o, level, index);
	dirty = b && b->state & VOL_BLOCK_DIRTY;
	vol_tree_put(parent);
	if (dirty || vol_ptr_hole(&p) || !to_move(v, &p))
		return 0;
	err = vol_begin(v, 1);
	if (err)
		return err;
	err = vol_tree_get_level(o, level, index, VOL_WRITE, &b);
	if (!err)
		vol_tree_put(b);
	vol_end(v);
	return err;
}

/* From the place where the last step ended. 1: there is more. */
static int object_step(struct vol_object *o, unsigned *budget)
{
	struct volume *v = o->volume;

	for (; v->compact.level <= o->height; v->compact.level++) {
		unsigned shift = VOL_FANOUT_SHIFT * v->compact.level;

		for (;;) {
			uint64_t at;
			int err;

			if (*budget == 0)
				return 1;
			--*budget;
			err = vol_tree_next(
				o, v->compact.index << shift, false, &at);
			if (err)
				return err;
			if (at == UINT64_MAX)
				break;
			v->compact.index = at >> shift;
			err = block_step(o, v->compact.level, v->compact.index);
			if (err)
				return err;
			v->compact.index++;
		}
		v->compact.index = 0;
	}
	v->compact.level = 0;
	return 0;
}

/* 1: there is more; 0: all objects have been looked at. */
static int step(struct volume *v)
{
	unsigned budget = STEP;

	while (v->compact.object < v->state.next_inode) {
		struct volume_node *n;
		struct vol_object *o;
		int err;

		if (budget == 0)
			return 1;
		budget--;
		err = vol_node_object(v, v->compact.object, &n, &o);
		if (!err) {
			/* Nobody cuts the file meanwhile. */
			if (n)
				vol_node_lock(n);
			if (!n || !vol_inode_inline(&n->inode))
				err = object_step(o, &budget);
			if (n)
				vol_node_unlock(n);
			volume_put(n);
		} else if (err == -ENOENT) {
			err = 0;
		}
		if (err)
			return err;
		v->compact.object++;
		v->compact.level = 0;
		v->compact.index = 0;
	}
	return 0;
}

/* 1: there is something to do. */
static int start(struct volume *v, bool renew)
{
	int err = vol_read_only(v) ? -EROFS : vol_alloc_ready(v);

	if (!err && renew)
		err = vol_keys_epoch_new(v);
	if (!err)
		err = volume_commit(v);
	if (err)
		return err;
	memset(&v->compact, 0, sizeof(v->compact));
	v->compact.active = true;
	v->compact.renew = renew;
	v->compact.epoch = v->epoch;
	vol_slots_drain(v);
	return 1;
}

static int finish(struct volume *v)
{
	int err = 0;

	if (v->compact.renew)
		err = vol_slots_renew(v, v->compact.epoch);
	v->commit->must_commit = true;
	if (!err)
		err = volume_commit(v);
	return err ? err : vol_slots_shrink(v);
}

int volume_compact(struct volume *v, bool renew)
{
	int err = v->compact.active ? 1 : start(v, renew);

	if (err <= 0)
		return err;
	err = step(v);
	if (err == 0)
		err = finish(v);
	if (err <= 0) {
		vol_slots_drain_end(v);
		v->compact.active = false;
	}
	return err;
}
