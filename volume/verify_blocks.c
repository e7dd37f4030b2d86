/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification, block by block: each is read from the host even if it is in
 * memory, since it is the host's copy that is of interest. Only what differs
 * from it (in a volume opened for reading, whose log has been replayed) is
 * looked at in memory.
 */
#include "volume/verify.h"

#include <linux/errno.h>

#include "lib/string.h"

enum {
	PER_BLOCK = VOL_BLOCK_SIZE / sizeof(struct vol_disk_segment),
	PROGRESS = 1024, /* blocks between two reports */
};

static uint64_t slots(const struct volume *v)
{
	return v->segments << v->segment_shift;
}

static size_t seen_size(const struct volume *v)
{
	return align_up(slots(v), 64) / 8 + 8;
}

int vol_verify_blocks_init(struct vol_verify *c)
{
	struct volume *v = c->v;

	for (int i = 0; i < VOL_HEIGHT_MAX; i++) {
		c->inner[i] = vol_alloc_memory(v, VOL_BLOCK_SIZE);
		if (!c->inner[i])
			return -ENOMEM;
	}
	c->data = vol_alloc_memory(v, VOL_FANOUT * VOL_BLOCK_SIZE);
	c->seen = vol_alloc_memory(v, seen_size(v));
	return c->data && c->seen ? 0 : -ENOMEM;
}

void vol_verify_blocks_fini(struct vol_verify *c)
{
	struct volume *v = c->v;

	for (int i = 0; i < VOL_HEIGHT_MAX; i++)
		if (c->inner[i])
			vol_free_memory(v, c->inner[i], VOL_BLOCK_SIZE);
	if (c->data)
		vol_free_memory(v, c->data, VOL_FANOUT * VOL_BLOCK_SIZE);
	if (c->seen)
		vol_free_memory(v, c->seen, seen_size(v));
}

int vol_verify_fatal(int err)
{
	return err == -ENOMEM ? err : 0;
}

static void count(struct vol_verify *c)
{
	struct volume_verify *how = c->how;
	uint64_t total = u64_max(c->v->state.blocks, how->blocks);

	if (++how->blocks % PROGRESS == 0 && how->progress)
		how->progress(how->arg, how->blocks, total);
}

/* Differs from what the host has. */
static struct vol_block *in_memory(
	struct vol_object *o, uint32_t level, uint64_t index)
{
	struct vol_block *b = vol_block_find(o, level, index);

	return b && b->state & VOL_BLOCK_DIRTY ? b : NULL;
}

/* The pointer's slot is there, and nothing else's. */
static bool claim(struct vol_verify *c, const struct vol_object *o,
	uint32_t level, uint64_t index, const struct vol_ptr *p)
{
	uint64_t slot = vol_ptr_slot(p), bit = UINT64_C(1) << slot % 64;

	if (vol_ptr_check(c->v, p) || vol_super_check_ptr(c->v, p)) {
		vol_verify_damaged(c,
			"object %lu, level %u, block %lu: its pointer names "
			"slot %lu of epoch %u",
			(unsigned long)o->number, level, (unsigned long)index,
			(unsigned long)slot, vol_ptr_epoch(p));
		return false;
	}
	if (c->seen[slot / 64] & bit) {
		vol_verify_damaged(c,
			"object %lu, level %u, block %lu: in slot %lu, where "
			"another block is",
			(unsigned long)o->number, level, (unsigned long)index,
			(unsigned long)slot);
		return false;
	}
	c->seen[slot / 64] |= bit;
	return true;
}

static void block_damaged(
	struct vol_verify *c, const struct vol_open *b, int err)
{
	vol_verify_damaged(c,
		err == -EBADMSG
			? "object %lu, level %u, block %lu: not authentic"
			: "object %lu, level %u, block %lu: cannot be read "
			  "(error %d)",
		(unsigned long)b->place.object, b->place.level,
		(unsigned long)b->place.index, -err);
}

/* c->open[from, from + n): consecutive slots of one segment. */
static int read_run(struct vol_verify *c, size_t from, size_t n)
{
	struct vol_open *b = &c->open[from];
	uint8_t *data = c->data + from * VOL_BLOCK_SIZE;
	int err = vol_slots_read(c->v, vol_ptr_slot(&b->ptr), data, n);

	if (err && n > 1) {
		/* Which of them? */
		err = 0;
		for (size_t i = 0; !err && i < n; i++)
			err = read_run(c, from + i, 1);
		return err;
	}
	if (!err)
		err = vol_block_open(c->v, b, n);
	for (size_t i = 0; i < n; i++) {
		if (err && (err != -EBADMSG || b[i].bad))
			block_damaged(c, &b[i], err);
		count(c);
	}
	return vol_verify_fatal(err);
}

static int read_all(struct vol_verify *c, size_t n)
{
	unsigned shift = c->v->segment_shift;
	int err = 0;

	for (size_t i = 0, end; !err && i < n; i = end) {
		uint64_t slot = vol_ptr_slot(&c->open[i].ptr);

		for (end = i + 1; end < n; end++) {
			uint64_t next = vol_ptr_slot(&c->open[end].ptr);

			if (next != slot + (end - i) ||
				next >> shift != slot >> shift)
				break;
		}
		err = read_run(c, i, end - i);
	}
	return err;
}

static void prepare(struct vol_verify *c, size_t i, const struct vol_object *o,
	uint32_t level, uint64_t index, const struct vol_ptr *p)
{
	uint8_t *data = c->data + i * VOL_BLOCK_SIZE;

	c->open[i] = (struct vol_open){
		.place = {.object = o->number,
			.index = index,
			.level = level,
			.kind = VOL_KIND_TREE},
		.ptr = *p,
		.in = data,
		.data = data,
	};
}

/* Blocks of level 0 from @index on, which @ptr[0, n) name. */
static int contents(struct vol_verify *c, struct vol_object *o, uint64_t index,
	const struct vol_ptr *ptr, size_t n)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		if (in_memory(o, 0, index + i)) {
			c->found++;
			count(c);
		} else if (!vol_ptr_hole(&ptr[i])) {
			c->found++;
			if (claim(c, o, 0, index + i, &ptr[i]))
				prepare(c, k++, o, 0, index + i, &ptr[i]);
		}
	}
	return read_all(c, k);
}

/* The inner block's bytes into c->inner. 1: there it is; 0: there is none, or
 * a damaged one. */
static int inner(struct vol_verify *c, struct vol_object *o, uint32_t level,
	uint64_t index, const struct vol_ptr *p)
{
	struct vol_block *b = in_memory(o, level, index);
	uint64_t damages = c->how->damages;
	int err;

	if (b) {
		memcpy(c->inner[level - 1], b->data, VOL_BLOCK_SIZE);
		count(c);
		return 1;
	}
	if (vol_ptr_hole(p) || !claim(c, o, level, index, p))
		return 0;
	prepare(c, 0, o, level, index, p);
	err = read_run(c, 0, 1);
	if (err || c->how->damages != damages)
		return err;
	memcpy(c->inner[level - 1], c->data, VOL_BLOCK_SIZE);
	return 1;
}

/* Recursion: VOL_HEIGHT_MAX deep. */
static int level_check(struct vol_verify *c, struct vol_object *o,
	uint32_t level, uint64_t index, const struct vol_ptr *ptr, size_t n)
{
	if (level == 0)
		return contents(c, o, index, ptr, n);
	for (size_t i = 0; i < n; i++) {
		int err = inner(c, o, level, index + i, &ptr[i]);

		if (err > 0)
			err = level_check(c, o, level - 1,
				(index + i) << VOL_FANOUT_SHIFT,
				(const struct vol_ptr *)(const void *)
					c->inner[level - 1],
				VOL_FANOUT);
		if (err)
			return err;
	}
	return 0;
}

int vol_verify_object(struct vol_verify *c, struct vol_object *o)
{
	uint64_t damages = c->how->damages;
	int err;

	c->found = 0;
	err = level_check(c, o, o->height, 0, o->top, VOL_TOPS);
	if (!err && c->found != o->blocks && c->how->damages == damages)
		vol_verify_damaged(c, "object %lu: %lu blocks; it says %lu",
			(unsigned long)o->number, (unsigned long)c->found,
			(unsigned long)o->blocks);
	return err;
}

/* ---- maps ---- */

/* The map of segment @i into c->data; a hole: all free. */
static int map_read(
	struct vol_verify *c, uint64_t i, const struct vol_disk_segment *d)
{
	struct volume *v = c->v;
	struct vol_open open = {
		.place = {.object = VOL_OBJECT_SEGMENTS,
			.index = i,
			.kind = VOL_KIND_MAP},
		.ptr = d->map,
		.in = c->data,
		.data = c->data,
	};
	uint64_t slot = vol_ptr_slot(&d->map);
	int err;

	memset(c->data, 0, VOL_BLOCK_SIZE);
	if (vol_ptr_hole(&d->map))
		return 0;
	if (slot >> v->segment_shift != i ||
		slot - (i << v->segment_shift) >= VOL_SEGMENT_MAPS ||
		vol_ptr_epoch(&d->map) > v->epoch)
		return -EBADMSG;
	err = vol_slots_read(v, slot, c->data, 1);
	return err ? err : vol_block_open(v, &open, 1);
}

static int map_check(
	struct vol_verify *c, uint64_t i, const struct vol_disk_segment *d)
{
	const uint64_t *map = (const uint64_t *)(const void *)c->data;
	uint64_t words = (UINT64_C(1) << c->v->segment_shift) / 64;
	uint64_t used = 0, missing = 0;
	int err = map_read(c, i, d);

	count(c);
	if (err) {
		vol_verify_damaged(
			c, "segment %lu: its map is damaged", (unsigned long)i);
		return vol_verify_fatal(err);
	}
	for (uint64_t w = 0; w < words; w++) {
		used += (uint64_t)__builtin_popcountll(map[w]);
		missing += (uint64_t)__builtin_popcountll(
			c->seen[i * words + w] & ~map[w]);
	}
	if (!vol_ptr_hole(&d->map) && used != words * 64 - d->free)
		vol_verify_damaged(c,
			"segment %lu: %lu slots are free; the table says %u",
			(unsigned long)i, (unsigned long)(words * 64 - used),
			d->free);
	if (missing)
		vol_verify_damaged(c,
			"segment %lu: %lu slots with blocks in them are free",
			(unsigned long)i, (unsigned long)missing);
	return 0;
}

int vol_verify_maps(struct vol_verify *c)
{
	struct volume *v = c->v;
	int err = 0;

	/* After a replay the maps are not as they would be committed. */
	if (!list_is_empty(&v->changed_objects))
		return 0;
	if (v->segments / PER_BLOCK > c->found) {
		vol_verify_damaged(c,
			"%lu segments, of which the table does "
			"not know",
			(unsigned long)v->segments);
		return 0;
	}
	for (uint64_t i = 0; !err && i < v->segments; i++) {
		struct vol_disk_segment d = {.free = 0};
		struct vol_block *b;

		err = vol_tree_get(&v->table, i / PER_BLOCK, VOL_READ, &b);
		if (err) {
			/* Told of already. */
			err = vol_verify_fatal(err);
			i |= PER_BLOCK - 1;
			continue;
		}
		if (b)
			memcpy(&d, b->data + i % PER_BLOCK * sizeof(d),
				sizeof(d));
		vol_tree_put(b);
		err = map_check(c, i, &d);
	}
	return err;
}
