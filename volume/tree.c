/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The blocks of an object. Block (level, index) has the same name however high
 * the tree grows: at level l, index is that of level 0 divided by 128^l, and
 * the blocks of the highest level are under the tops.
 *
 * What is read from the host is authentic, but may have been made by somebody
 * hostile who knows the key (of an image, everybody): every pointer is checked
 * before use. Pointers cannot lead in circles, since each block is bound to
 * its object, level and index.
 */
#include "volume/core.h"

#include <linux/errno.h>

#include "lib/string.h"

enum { WINDOW_MIN = 4, WINDOW_INNER = 8 };

static struct volume_file segment_file(const struct volume *v, uint64_t slot)
{
	return (struct volume_file){
		VOLUME_FILE_SEGMENT, slot >> v->segment_shift};
}

static uint64_t segment_offset(const struct volume *v, uint64_t slot)
{
	return (slot & ((UINT64_C(1) << v->segment_shift) - 1))
		<< VOL_BLOCK_SHIFT;
}

int vol_slots_read(struct volume *v, uint64_t slot, void *data, size_t n)
{
	return vol_host(v->env.ops->read(v->env.ctx, segment_file(v, slot),
		segment_offset(v, slot), data, n << VOL_BLOCK_SHIFT));
}

int vol_slots_write(struct volume *v, uint64_t slot, const void *data, size_t n)
{
	return vol_host(v->env.ops->write(v->env.ctx, segment_file(v, slot),
		segment_offset(v, slot), data, n << VOL_BLOCK_SHIFT));
}

int vol_ptr_check(const struct volume *v, const struct vol_ptr *p)
{
	uint64_t slot = vol_ptr_slot(p);
	uint64_t in_segment = slot & ((UINT64_C(1) << v->segment_shift) - 1);

	if (slot >> v->segment_shift >= v->segments ||
		in_segment < VOL_SEGMENT_MAPS)
		return -EBADMSG;
	return 0;
}

void vol_object_init(struct vol_object *o, struct volume *v, uint64_t number)
{
	memset(o, 0, sizeof(*o));
	o->volume = v;
	o->number = number;
	list_init(&o->members);
	list_init(&o->dirty);
	list_init(&o->changed);
}

void vol_object_fini(struct vol_object *o)
{
	struct vol_block *b;

	/* Children before their parents: these go when nothing is left that
	 * pins them, in the order in which they come off the list. */
	while ((b = list_last(&o->members, struct vol_block, member)) != NULL) {
		while (b->refs > 0 && b->member.prev != &o->members)
			b = list_entry(
				b->member.prev, struct vol_block, member);
		vol_block_drop(b);
	}
	vol_log_forget(o);
	list_del(&o->changed);
}

/* Has the tree a place for that block, as high as it is? */
static bool within(const struct vol_object *o, uint32_t level, uint64_t index)
{
	return level <= o->height &&
		index >> VOL_FANOUT_SHIFT * (o->height - level) < VOL_TOPS;
}

static bool has_tops(const struct vol_object *o)
{
	for (uint64_t i = 0; i < VOL_TOPS; i++) {
		if (!vol_ptr_hole(&o->top[i]) ||
			vol_block_find(o, o->height, i))
			return true;
	}
	return false;
}

/* One level more: the tops move into a block of their own. */
static int grow(struct vol_object *o)
{
	struct vol_block *b, *child;
	int err;

	if (o->height >= VOL_HEIGHT_MAX)
		return -EFBIG;
	if (!has_tops(o)) {
		o->height++;
		vol_object_changed(o);
		return 0;
	}
	err = vol_block_new(o, o->height + 1, 0, NULL, &b);
	if (err)
		return err;
	memset(b->data, 0, VOL_BLOCK_SIZE);
	memcpy(b->data, o->top, sizeof(o->top));
	memset(o->top, 0, sizeof(o->top));
	for (uint64_t i = 0; i < VOL_TOPS; i++) {
		child = vol_block_find(o, o->height, i);
		if (child) {
			child->parent = b;
			vol_block_pin(b);
		}
	}
	o->height++;
	vol_block_dirty(b);
	vol_block_unpin(b);
	return 0;
}

/* ---- loading ---- */

static int load_one(struct vol_object *o, uint32_t level, uint64_t index,
	struct vol_block *parent, struct vol_block **out)
{
	struct volume *v = o->volume;
	struct vol_open open = {.ptr = *vol_ptr_of(o, parent, index)};
	struct vol_block *b;
	int err = vol_ptr_check(v, &open.ptr);

	if (!err)
		err = vol_block_new(o, level, index, parent, &b);
	if (err)
		return err;
	b->state |= VOL_BLOCK_LOADING;
	open.place = vol_block_place(b);
	open.in = open.data = b->data;
	err = vol_slots_read(v, vol_ptr_slot(&open.ptr), b->data, 1);
	if (!err)
		err = vol_block_open(v, &open, 1);
	b->state &= ~(uint32_t)VOL_BLOCK_LOADING;
	vol_block_wake(b);
	if (err) {
		vol_block_drop(b);
		vol_block_unpin(b);
		return err;
	}
	*out = b;
	return 0;
}

/* How many blocks to read: more each time somebody reads on where he was. Of
 * those that name them, a few at a time: they are far apart from one another
 * and from what they name. */
static uint64_t window(struct vol_object *o, uint32_t level, uint64_t index)
{
	if (level > 1)
		return 1;
	if (level == 1)
		return index > 0 && index << VOL_FANOUT_SHIFT == o->ahead
			? WINDOW_INNER
			: 1;
	if (index != o->ahead)
		o->ahead_size = 1;
	else
		o->ahead_size = u64_min(u64_max(o->ahead_size * 2, WINDOW_MIN),
			o->volume->cache->batch);
	return o->ahead_size;
}

/* New blocks, LOADING, for those of [index, index + size) that are on the host
 * and whose pointers are in memory. The first is @index. */
static int gather(struct vol_object *o, uint32_t level, uint64_t index,
	uint64_t size, struct vol_block *parent, struct vol_io *io,
	size_t *count)
{
	size_t n = 0;
	int err;

	for (uint64_t i = index; i < index + size && within(o, level, i); i++) {
		struct vol_block *p = parent;
		const struct vol_ptr *ptr;

		if (parent && i >> VOL_FANOUT_SHIFT != parent->index) {
			p = vol_block_find(o, level + 1, i >> VOL_FANOUT_SHIFT);
			if (!p || p->state & VOL_BLOCK_LOADING)
				break;
		}
		ptr = vol_ptr_of(o, p, i);
		if (i != index &&
			(vol_ptr_hole(ptr) || vol_block_find(o, level, i)))
			continue;
		err = vol_ptr_check(o->volume, ptr);
		if (!err) {
			io->ptr[n] = *ptr;
			if (p)
				vol_block_pin(p);
			err = vol_block_new(o, level, i, p, &io->block[n]);
			vol_block_unpin(p);
		}
		if (err && n == 0)
			return err;
		if (err)
			break;
		io->block[n++]->state |= VOL_BLOCK_LOADING;
	}
	*count = n;
	return 0;
}

static void read_runs(struct volume *v, struct vol_io *io, size_t n)
{
	size_t end, opened = 0;
	int err;

	for (size_t i = 0; i < n; i = end) {
		end = vol_io_run_end(v, io, i, n);
		err = vol_slots_read(v, vol_ptr_slot(&io->ptr[i]),
			io->data + i * VOL_BLOCK_SIZE, end - i);
		for (size_t k = i; k < end; k++) {
			io->error[k] = (int16_t)err;
			if (!err)
				io->open[opened++] = (struct vol_open){
					.place = vol_block_place(io->block[k]),
					.ptr = io->ptr[k],
					.in = io->data + k * VOL_BLOCK_SIZE,
					.data = io->block[k]->data};
		}
	}
	if (opened == 0)
		return;
	err = vol_block_open(v, io->open, opened);
	opened = 0;
	for (size_t k = 0; err && k < n; k++) {
		if (io->error[k])
			continue;
		if (err != -EBADMSG || io->open[opened].bad)
			io->error[k] = (int16_t)err;
		opened++;
	}
}

static int load_ahead(struct vol_object *o, uint32_t level, uint64_t index,
	uint64_t size, struct vol_block *parent, struct vol_io *io,
	struct vol_block **out)
{
	size_t n;
	int err = gather(o, level, index, size, parent, io, &n);

	if (err)
		return err;
	read_runs(o->volume, io, n);
	for (size_t k = 0; k < n; k++) {
		struct vol_block *b = io->block[k];

		b->state &= ~(uint32_t)VOL_BLOCK_LOADING;
		vol_block_wake(b);
		/* Whoever wants a damaged one learns of it then. */
		if (io->error[k])
			vol_block_drop(b);
		if (k > 0 || io->error[k])
			vol_block_unpin(b);
	}
	*out = io->block[0];
	return io->error[0];
}

static int load(struct vol_object *o, uint32_t level, uint64_t index,
	enum vol_access how, struct vol_block *parent, struct vol_block **out)
{
	uint64_t size = level > 0 || how == VOL_READ ? window(o, level, index)
						     : 1;
	struct vol_io *io = size > 1 ? vol_io_get(o->volume) : NULL;
	int err;

	if (!io)
		return load_one(o, level, index, parent, out);
	err = load_ahead(o, level, index, size, parent, io, out);
	vol_io_put(o->volume, io);
	return err;
}

/* ---- finding ---- */

/* It is not in memory; its parent is, pinned, or it is under the tops. */
static int fetch(struct vol_object *o, uint32_t level, uint64_t index,
	enum vol_access how, struct vol_block *parent, struct vol_block **out)
{
	bool hole = vol_ptr_hole(vol_ptr_of(o, parent, index));
	int err;

	*out = NULL;
	if (hole && how == VOL_READ)
		return 0;
	if (!hole && how != VOL_REPLACE) {
		err = load(o, level, index, how, parent, out);
		if (!err && how == VOL_WRITE)
			vol_block_dirty(*out);
		return err;
	}
	err = vol_block_new(o, level, index, parent, out);
	if (err)
		return err;
	if (how != VOL_REPLACE)
		memset((*out)->data, 0, VOL_BLOCK_SIZE);
	if (hole && level == 0)
		o->blocks++;
	vol_block_dirty(*out);
	return 0;
}

int vol_tree_get_level(struct vol_object *o, uint32_t level, uint64_t index,
	enum vol_access how, struct vol_block **out)
{
	uint32_t busy = VOL_BLOCK_LOADING;
	struct vol_block *b, *parent;
	int err;

	if (how != VOL_READ)
		busy |= VOL_BLOCK_SEALING;
	for (;;) {
		b = vol_block_find(o, level, index);
		if (b && b->state & busy) {
			vol_block_wait(b);
			continue;
		}
		if (b) {
			vol_block_pin(b);
			if (level > 0)
				b->uses = 2;
			if (how != VOL_READ)
				vol_block_dirty(b);
			if (how == VOL_REPLACE)
				b->state &= ~(uint32_t)VOL_BLOCK_CHECKED;
			*out = b;
			return 0;
		}
		if (!within(o, level, index)) {
			*out = NULL;
			if (how == VOL_READ)
				return 0;
			err = grow(o);
			if (err)
				return err;
			continue;
		}
		parent = NULL;
		if (level < o->height) {
			err = vol_tree_get_level(o, level + 1,
				index >> VOL_FANOUT_SHIFT,
				how == VOL_READ ? VOL_READ : VOL_WRITE,
				&parent);
			if (err)
				return err;
			if (!parent) {
				*out = NULL;
				return 0;
			}
			/* Somebody else may have come first. */
			if (vol_block_find(o, level, index)) {
				vol_block_unpin(parent);
				continue;
			}
		}
		err = fetch(o, level, index, how, parent, out);
		vol_block_unpin(parent);
		return err;
	}
}

int vol_tree_get(struct vol_object *o, uint64_t index, enum vol_access how,
	struct vol_block **out)
{
	int err = vol_tree_get_level(o, 0, index, how, out);

	if (!err && *out && (*out)->uses < 2)
		(*out)->uses++;
	if (!err)
		o->ahead = index + 1;
	return err;
}

void vol_tree_put(struct vol_block *b)
{
	vol_block_unpin(b);
}

/* Block @level, index >> ... is a hole: the first index after it. */
static uint64_t hole_end(uint64_t index, uint32_t level)
{
	unsigned shift = VOL_FANOUT_SHIFT * level;

	return ((index >> shift) + 1) << shift;
}

/* The first block of level 1 at or after that of *@index that is there, pinned,
 * with *@index moved past the holes; NULL with height 0, or, with *@index
 * UINT64_MAX, if there is none. Sleeps. */
static int next_leaf(
	struct vol_object *o, uint64_t *index, struct vol_block **leaf)
{
	struct vol_block *b = NULL;
	uint32_t level;
	int err;

	*leaf = NULL;
	while (within(o, 0, *index)) {
		if (o->height == 0)
			return 0;
		for (level = o->height; level >= 1; level--) {
			err = vol_tree_get_level(o, level,
				*index >> VOL_FANOUT_SHIFT * level, VOL_READ,
				&b);
			if (err)
				return err;
			if (!b || level == 1)
				break;
			vol_block_unpin(b);
		}
		if (b) {
			*leaf = b;
			return 0;
		}
		*index = hole_end(*index, level);
	}
	*index = UINT64_MAX;
	return 0;
}

/* The index after the last of those whose pointers are beside that of @index.
 */
static uint64_t group_end(const struct vol_block *leaf, uint64_t index)
{
	return leaf ? (index | (VOL_FANOUT - 1)) + 1 : VOL_TOPS;
}

int vol_tree_next(
	struct vol_object *o, uint64_t index, bool hole, uint64_t *out)
{
	struct vol_block *leaf;
	uint64_t at = index, end;
	int err;

	for (;; index = at) {
		bool inside = within(o, 0, index);

		err = next_leaf(o, &at, &leaf);
		if (err)
			return err;
		if (hole && at != index) {
			*out = inside ? index : UINT64_MAX;
			vol_block_unpin(leaf);
			return 0;
		}
		if (at == UINT64_MAX) {
			*out = at;
			return 0;
		}
		for (end = group_end(leaf, at); at < end; at++) {
			bool there = !vol_ptr_hole(vol_ptr_of(o, leaf, at)) ||
				vol_block_find(o, 0, at);

			if (there != hole) {
				*out = at;
				vol_block_unpin(leaf);
				return 0;
			}
		}
		vol_block_unpin(leaf);
	}
}

/* ---- punching ---- */

/* The pointer beside the block it names: both go. */
static void cut(struct vol_object *o, struct vol_block *parent,
	struct vol_block *b, uint64_t index)
{
	struct vol_ptr *p = vol_ptr_of(o, parent, index);

	if (b && b->slot)
		vol_slot_free(o->volume, b->slot);
	if (b)
		vol_block_drop(b);
	if (!vol_ptr_hole(p))
		vol_slot_free(o->volume, vol_ptr_slot(p));
	memset(p, 0, sizeof(*p));
	if (parent)
		vol_block_dirty(parent);
	else
		vol_object_changed(o);
}

static bool is_empty(const struct vol_block *b)
{
	const struct vol_ptr *p = (const struct vol_ptr *)(const void *)b->data;

	for (uint64_t i = 0; i < VOL_FANOUT; i++) {
		if (!vol_ptr_hole(&p[i]))
			return false;
	}
	return true;
}

/* Unpins @b; inner blocks that name nothing any more go. */
static void prune(struct vol_object *o, struct vol_block *b)
{
	struct vol_block *parent;

	while (b && b->refs == 1 && is_empty(b)) {
		parent = b->parent;
		if (parent)
			vol_block_pin(parent);
		cut(o, parent, b, b->index);
		vol_block_unpin(b);
		b = parent;
	}
	vol_block_unpin(b);
	if (list_is_empty(&o->members) && !has_tops(o))
		o->height = 0;
}

/* From *@index on, as long as nobody must be waited for. */
static struct vol_block *punch_group(struct vol_object *o,
	struct vol_block *leaf, uint64_t *index, uint64_t end)
{
	end = u64_min(end, group_end(leaf, *index));
	for (; *index < end; ++*index) {
		struct vol_block *b = vol_block_find(o, 0, *index);

		if (b && b->state & VOL_BLOCK_LOADING)
			return b;
		if (!b && vol_ptr_hole(vol_ptr_of(o, leaf, *index)))
			continue;
		cut(o, leaf, b, *index);
		if (o->blocks > 0)
			o->blocks--;
	}
	return NULL;
}

int vol_tree_punch(struct vol_object *o, uint64_t index, uint64_t count)
{
	uint64_t end = count > UINT64_MAX - index ? UINT64_MAX : index + count;
	struct vol_block *leaf, *busy;
	int err;

	err = vol_log_punch(o->volume, o->number, index, count);
	while (!err && index < end) {
		err = next_leaf(o, &index, &leaf);
		if (err || index >= end) {
			vol_block_unpin(leaf);
			break;
		}
		busy = punch_group(o, leaf, &index, end);
		if (busy)
			vol_block_pin(busy);
		prune(o, leaf);
		if (busy) {
			vol_wait(o->volume, busy);
			vol_block_unpin(busy);
		}
		if (!err)
			err = vol_slots_settle(o->volume, false);
	}
	return err;
}

/* ---- replay ---- */

int vol_tree_set(
	struct vol_object *o, uint64_t index, const struct vol_ptr *ptr)
{
	struct vol_block *parent, *b;
	struct vol_ptr *p;
	int err;

	err = vol_ptr_check(o->volume, ptr);
	while (!err && !within(o, 0, index))
		err = grow(o);
	if (err)
		return err;
	parent = NULL;
	if (o->height > 0) {
		err = vol_tree_get_level(
			o, 1, index >> VOL_FANOUT_SHIFT, VOL_WRITE, &parent);
		if (err)
			return err;
	}
	b = vol_block_find(o, 0, index);
	p = vol_ptr_of(o, parent, index);
	if (!b && vol_ptr_hole(p))
		o->blocks++;
	cut(o, parent, b, index);
	*p = *ptr;
	vol_block_unpin(parent);
	return 0;
}
