/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Placing: dirty blocks get new slots, are sealed and written in runs, and
 * their parents learn where they are. Nothing is overwritten, so this may
 * happen at any time; only the next record or commit makes it count.
 *
 * While a block is being sealed it must not change: whoever wants to write to
 * it waits. While it is being written it may: what goes out is a copy.
 *
 * If the host refuses a write, the block is dirty again. The pointer in its
 * parent then names a slot of rubbish, but nobody follows it as long as the
 * block is in memory, and a dirty one is.
 */
#include "volume/core.h"

#include <linux/errno.h>

#include "lib/string.h"

void vol_place_lock(struct volume *v)
{
	while (v->commit->placing)
		vol_wait(v, &v->commit->placing);
	v->commit->placing = true;
}

void vol_place_unlock(struct volume *v)
{
	v->commit->placing = false;
	vol_wake(v, &v->commit->placing);
}

/* ---- order ---- */

static bool in_order(const struct list *a, const struct list *b)
{
	const struct vol_block *x = list_entry(a, struct vol_block, dirty);
	const struct vol_block *y = list_entry(b, struct vol_block, dirty);

	if (x->object != y->object)
		return x->object->number <= y->object->number;
	return x->index <= y->index;
}

/* Both are sorted; all of @from goes into @to. */
static void merge(struct list *to, struct list *from)
{
	struct list *at = to->next, *l;

	if (!list_is_empty(to) && !list_is_empty(from) &&
		!in_order(to->prev, from->next)) {
		while ((l = from->next) != from) {
			while (at != to && in_order(at, l))
				at = at->next;
			if (at == to)
				break;
			list_del(l);
			list_add_tail(at, l);
		}
	}
	list_splice_tail(to, from);
}

/* By object and index; stable, and quick where it is sorted already. */
static void sort(struct list *list)
{
	struct list bin[32], one;
	size_t n;

	for (n = 0; n < ARRAY_SIZE(bin); n++)
		list_init(&bin[n]);
	while (!list_is_empty(list)) {
		struct list *l = list->next;

		list_init(&one);
		list_del(l);
		list_add(&one, l);
		for (n = 0; n < ARRAY_SIZE(bin) - 1 && !list_is_empty(&bin[n]);
			n++) {
			merge(&bin[n], &one);
			list_splice_tail(&one, &bin[n]);
		}
		merge(&bin[n], &one);
	}
	for (n = 0; n < ARRAY_SIZE(bin); n++) {
		merge(&bin[n], list);
		list_splice_tail(list, &bin[n]);
	}
}

/* The dirty blocks of level 0, in front of what is there. */
static void collect_contents(struct vol_object *o, struct list *to)
{
	struct vol_block *b;

	while ((b = list_last(&o->dirty, struct vol_block, dirty)) != NULL &&
		b->level == 0) {
		list_del(&b->dirty);
		list_add(to, &b->dirty);
	}
}

/* Those of any level. */
static void collect(struct vol_object *o, uint32_t level, struct list *to)
{
	struct vol_block *b, *next;

	if (level == 0) {
		collect_contents(o, to);
		return;
	}
	list_for_each_entry_safe (b, next, &o->dirty, dirty) {
		if (b->level == 0)
			break;
		if (b->level != level)
			continue;
		list_del(&b->dirty);
		list_add_tail(to, &b->dirty);
	}
}

/* ---- a batch ---- */

/* Slots for io->block[0, n). Sleeps. *done of them have one. */
static int allot(struct volume *v, struct vol_io *io, size_t n, size_t *done)
{
	uint64_t slot, got;
	int err;

	*done = 0;
	while (*done < n) {
		if (io->block[*done]->slot) {
			io->ptr[*done].slot_epoch = io->block[*done]->slot;
			++*done;
			continue;
		}
		/* Blocks of the table have theirs, or none has. */
		err = vol_slots_alloc(v, n - *done, &slot, &got);
		if (err)
			return err;
		for (; got > 0; got--, slot++, ++*done) {
			struct vol_block *b = io->block[*done];

			io->ptr[*done].slot_epoch = slot;
			b->slot = slot;
			/* Dropped while this slept. */
			if (vol_block_dead(b))
				vol_slot_free(v, slot);
		}
	}
	return 0;
}

static int seal(struct volume *v, struct vol_io *io, size_t n)
{
	for (size_t i = 0; i < n; i++)
		io->seal[i] = (struct vol_seal){
			.place = vol_block_place(io->block[i]),
			.data = io->block[i]->data,
			.out = io->data + i * VOL_BLOCK_SIZE,
			.ptr = &io->ptr[i],
		};
	return vol_block_seal(v, io->seal, n);
}

/* The parent learns where the block is. */
static void place(struct vol_block *b, const struct vol_ptr *ptr)
{
	struct volume *v = b->object->volume;
	struct vol_ptr *p = vol_ptr_of(b->object, b->parent, b->index);

	/* The table's old slots went when the new ones were given out. */
	if (!vol_ptr_hole(p) && b->object != &v->table)
		vol_slot_free(v, vol_ptr_slot(p));
	*p = *ptr;
	b->slot = 0;
	if (b->state & VOL_BLOCK_UNLOGGED) {
		vol_log_ref(b, ptr);
		vol_block_logged(b);
	}
	vol_block_clean(b);
	b->state |= VOL_BLOCK_WRITING;
}

static void give_up(struct volume *v, struct vol_block *b)
{
	if (!vol_block_dead(b) && b->slot && b->object != &v->table) {
		vol_slot_free(v, b->slot);
		b->slot = 0;
	}
}

static void written(struct volume *v, struct vol_block *b, int err)
{
	b->state &= ~(uint32_t)VOL_BLOCK_WRITING;
	if (!err || vol_block_dead(b))
		return;
	vol_block_dirty(b);
	/* What is remembered of it for the next record is void. */
	v->commit->must_commit = true;
}

static int write_runs(struct volume *v, struct vol_io *io, size_t n)
{
	int result = 0, err;
	size_t end;

	for (size_t i = 0; i < n; i = end) {
		end = vol_io_run_end(v, io, i, n);
		err = vol_slots_write(v, vol_ptr_slot(&io->ptr[i]),
			io->data + i * VOL_BLOCK_SIZE, end - i);
		/* A flush that began meanwhile need not have it. */
		vol_slots_written(v, vol_ptr_slot(&io->ptr[i]));
		for (size_t k = i; k < end; k++)
			written(v, io->block[k], err);
		if (err)
			result = err;
	}
	return result;
}

/* io->block[0, n): pinned, dirty, SEALING. Unpins them. */
static int place_batch(struct volume *v, struct vol_io *io, size_t n)
{
	size_t done;
	int err = allot(v, io, n, &done), bad = 0;

	if (done)
		bad = seal(v, io, done);
	for (size_t i = 0; i < n; i++) {
		struct vol_block *b = io->block[i];

		b->state &= ~(uint32_t)VOL_BLOCK_SEALING;
		if (i >= done || bad)
			give_up(v, b);
		else if (!vol_block_dead(b))
			place(b, &io->ptr[i]);
		vol_block_wake(b);
	}
	if (done && !bad)
		bad = write_runs(v, io, done);
	for (size_t i = 0; i < n; i++)
		vol_block_unpin(io->block[i]);
	return err ? err : bad;
}

/* Those of the list go back to where they came from. */
static void put_back(struct list *list)
{
	struct vol_block *b;

	while ((b = list_first(list, struct vol_block, dirty)) != NULL) {
		list_del(&b->dirty);
		vol_block_list_dirty(b);
	}
}

/* @used: those that somebody has pinned as well. */
static int place_list(struct volume *v, struct list *list, bool used)
{
	struct vol_io *io;
	struct vol_block *b;
	int err = 0;

	if (list_is_empty(list))
		return 0;
	sort(list);
	io = vol_io_get(v);
	if (!io)
		err = -ENOMEM;
	while (!err && !list_is_empty(list)) {
		size_t n = 0;

		while (n < v->cache->batch &&
			(b = list_first(list, struct vol_block, dirty)) !=
				NULL) {
			list_del(&b->dirty);
			vol_block_list_dirty(b);
			if (!used && b->refs > 0)
				continue;
			b->state |= VOL_BLOCK_SEALING;
			vol_block_pin(b);
			io->block[n++] = b;
		}
		if (n > 0)
			err = place_batch(v, io, n);
	}
	put_back(list);
	if (io)
		vol_io_put(v, io);
	return err;
}

/* ---- what to place ---- */

int vol_place_contents(struct volume *v, bool used)
{
	struct vol_object *o;
	struct list list;
	int err;

	list_init(&list);
	vol_place_lock(v);
	list_for_each_entry (o, &v->changed_objects, changed) {
		if (o != &v->table)
			collect(o, 0, &list);
	}
	err = place_list(v, &list, used);
	vol_place_unlock(v);
	return err;
}

int vol_place_behind(struct vol_object *o, uint64_t index, uint64_t end)
{
	struct volume *v = o->volume;
	struct vol_block *b;
	struct list list;
	int err;

	if (index != o->behind)
		o->behind_size = 0;
	o->behind = end;
	o->behind_size += end - index;
	/* One thread at it is enough. */
	if (o->behind_size < v->cache->batch || v->commit->placing)
		return 0;
	o->behind_size = 0;
	list_init(&list);
	vol_place_lock(v);
	collect_contents(o, &list);
	list_for_each_entry (b, &list, dirty) {
		b->state |= VOL_BLOCK_STREAMED;
		b->uses = 0;
	}
	err = place_list(v, &list, false);
	vol_place_unlock(v);
	return err;
}

static bool is_file(const struct volume *v, const struct vol_object *o)
{
	return o != &v->table && o != &v->inodes;
}

int vol_place_files(struct volume *v)
{
	uint32_t top = 0;
	int err = 0;

	for (uint32_t level = 0; !err && level <= top; level++) {
		struct vol_object *o;
		struct list list;

		list_init(&list);
		list_for_each_entry (o, &v->changed_objects, changed) {
			if (!is_file(v, o))
				continue;
			collect(o, level, &list);
			if (!list_is_empty(&o->dirty) && o->height > top)
				top = o->height;
		}
		err = place_list(v, &list, true);
	}
	return err;
}

int vol_place_object(struct vol_object *o)
{
	int err = 0;

	for (uint32_t level = 0; !err && level <= o->height; level++) {
		struct list list;

		list_init(&list);
		collect(o, level, &list);
		err = place_list(o->volume, &list, true);
	}
	return err;
}
