/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks in memory: found by object, level and index, pinned while in use,
 * and, once clean and unused, forgotten in the order of their last use.
 *
 * The bound on memory is a soft one: what is dirty or pinned stays whatever
 * its number, and vol_begin sees to it that not too much becomes dirty.
 */
#include "volume/core.h"

#include <linux/errno.h>

#include "lib/string.h"

enum { LIMIT_MIN = 64, BATCH_MIN = 16 };

/* Neighbours are in neighbouring buckets: eight of them in one cache line. */
static struct vol_block **bucket(
	const struct vol_object *o, uint32_t level, uint64_t index)
{
	/* Blocks without an object are in no list: clang-tidy loses that. */
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	const struct vol_cache *c = o->volume->cache;
	uint64_t h = o->number * UINT64_C(0x9e3779b97f4a7c15) +
		(index >> 3) * 8 + level;

	h *= UINT64_C(0xbf58476d1ce4e5b9);
	h = (h ^ h >> 32) * 8 + index % 8;
	return &c->hash[h & (c->hash_size - 1)];
}

int vol_cache_init(struct volume *v)
{
	struct vol_cache *c = vol_alloc_memory(v, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->limit = u64_max(v->env.cache_size / VOL_BLOCK_SIZE, LIMIT_MIN);
	c->batch = u64_min(VOL_BATCH, u64_max(c->limit / 4, BATCH_MIN));
	for (c->hash_size = LIMIT_MIN; c->hash_size < c->limit;)
		c->hash_size *= 2;
	for (size_t i = 0; i < VOL_IDLE_COUNT; i++)
		list_init(&c->idle[i]);
	list_init(&c->unused);
	list_init(&c->unlogged);
	c->hash = vol_alloc_memory(v, c->hash_size * sizeof(*c->hash));
	if (!c->hash) {
		vol_free_memory(v, c, sizeof(*c));
		return -ENOMEM;
	}
	v->cache = c;
	return 0;
}

static void block_free(struct volume *v, struct vol_block *b)
{
	v->cache->count--;
	vol_free_memory(v, b->data, VOL_BLOCK_SIZE);
	vol_free_memory(v, b, sizeof(*b));
}

static void io_free(struct volume *v, struct vol_io *io)
{
	if (!io)
		return;
	vol_free_memory(v, io->data, v->cache->batch * VOL_BLOCK_SIZE);
	vol_free_memory(v, io, sizeof(*io));
}

void vol_cache_trim(struct volume *v)
{
	struct vol_cache *c = v->cache;
	struct vol_block *b;

	while ((b = list_first(&c->unused, struct vol_block, lru)) != NULL) {
		list_del(&b->lru);
		block_free(v, b);
	}
	io_free(v, c->spare);
	c->spare = NULL;
}

void vol_cache_fini(struct volume *v)
{
	struct vol_cache *c = v->cache;

	if (!c)
		return;
	vol_cache_trim(v);
	vol_free_memory(v, c->hash, c->hash_size * sizeof(*c->hash));
	vol_free_memory(v, c, sizeof(*c));
	v->cache = NULL;
}

struct vol_io *vol_io_get(struct volume *v)
{
	struct vol_cache *c = v->cache;
	struct vol_io *io = c->spare;

	if (io) {
		c->spare = NULL;
		return io;
	}
	io = vol_alloc_memory(v, sizeof(*io));
	if (!io)
		return NULL;
	io->data = vol_alloc_memory(v, c->batch * VOL_BLOCK_SIZE);
	if (!io->data) {
		vol_free_memory(v, io, sizeof(*io));
		return NULL;
	}
	return io;
}

void vol_io_put(struct volume *v, struct vol_io *io)
{
	if (!v->cache->spare)
		v->cache->spare = io;
	else
		io_free(v, io);
}

size_t vol_io_run_end(
	const struct volume *v, const struct vol_io *io, size_t i, size_t n)
{
	uint64_t slot = vol_ptr_slot(&io->ptr[i]), next = slot + 1;

	while (++i < n && vol_ptr_slot(&io->ptr[i]) == next &&
		next >> v->segment_shift == slot >> v->segment_shift)
		next++;
	return i;
}

struct vol_block *vol_block_find(
	const struct vol_object *o, uint32_t level, uint64_t index)
{
	struct vol_block *b = *bucket(o, level, index);

	while (b && (b->index != index || b->object != o || b->level != level))
		b = b->hash_next;
	return b;
}

static void unhash(struct vol_block *b)
{
	struct vol_block **at = bucket(b->object, b->level, b->index);

	while (*at != b)
		at = &(*at)->hash_next;
	*at = b->hash_next;
}

/* Nobody has it any more. */
static void release(struct volume *v, struct vol_block *b)
{
	struct vol_cache *c = v->cache;

	if (c->count > c->limit)
		block_free(v, b);
	else
		list_add(&c->unused, &b->lru);
}

/* More written in passing than is worth memory. */
static bool too_much_streamed(const struct vol_cache *c)
{
	return c->idle_count[VOL_IDLE_STREAMED] > c->limit / 8;
}

/* The oldest of what was used once goes first, unless there is little of that:
 * so a long file that is read or written leaves directories and inodes alone.
 * False: there is nothing that could go. */
static bool evict(struct volume *v)
{
	static const enum vol_idle order[] = {
		VOL_IDLE_ONCE, VOL_IDLE_USED, VOL_IDLE_STREAMED};
	struct vol_cache *c = v->cache;
	struct vol_block *b = NULL;

	if (too_much_streamed(c))
		b = list_first(
			&c->idle[VOL_IDLE_STREAMED], struct vol_block, lru);
	else if (c->idle_count[VOL_IDLE_ONCE] < c->limit / 8)
		b = list_first(&c->idle[VOL_IDLE_USED], struct vol_block, lru);
	for (size_t i = 0; !b && i < ARRAY_SIZE(order); i++)
		b = list_first(&c->idle[order[i]], struct vol_block, lru);
	if (!b)
		return false;
	vol_block_drop(b);
	return true;
}

/* In use or dropped: it does not wait to be forgotten. */
static void unlist(struct vol_block *b)
{
	list_del(&b->lru);
	if (b->idle != VOL_IDLE_NOT)
		b->volume->cache->idle_count[b->idle]--;
	b->idle = VOL_IDLE_NOT;
}

static struct vol_block *block_alloc(struct volume *v)
{
	struct vol_cache *c = v->cache;
	struct vol_block *b;

	if (list_is_empty(&c->unused) &&
		(c->count >= c->limit || too_much_streamed(c)))
		evict(v);
	b = list_first(&c->unused, struct vol_block, lru);
	if (b) {
		list_del(&b->lru);
		return b;
	}
	b = vol_alloc_memory(v, sizeof(*b));
	if (!b)
		return NULL;
	b->data = vol_alloc_memory(v, VOL_BLOCK_SIZE);
	if (!b->data) {
		vol_free_memory(v, b, sizeof(*b));
		return NULL;
	}
	list_init(&b->lru);
	list_init(&b->dirty);
	list_init(&b->unlogged);
	list_init(&b->member);
	c->count++;
	return b;
}

int vol_block_new(struct vol_object *o, uint32_t level, uint64_t index,
	struct vol_block *parent, struct vol_block **out)
{
	struct vol_block *b = block_alloc(o->volume), **head;

	if (!b)
		return -ENOMEM;
	b->volume = o->volume;
	b->object = o;
	b->level = level;
	b->index = index;
	b->state = 0;
	b->refs = 1;
	b->uses = 0;
	b->slot = 0;
	b->parent = parent;
	if (parent)
		vol_block_pin(parent);
	head = bucket(o, level, index);
	b->hash_next = *head;
	*head = b;
	list_add_tail(&o->members, &b->member);
	*out = b;
	return 0;
}

void vol_block_pin(struct vol_block *b)
{
	if (b->refs++ == 0)
		unlist(b);
}

/* Unused: where does it go? */
static void settle(struct vol_block *b)
{
	struct volume *v = b->volume;
	struct vol_cache *c = v->cache;

	if (vol_block_dead(b)) {
		release(v, b);
		return;
	}
	if (b->state &
		(VOL_BLOCK_DIRTY | VOL_BLOCK_WRITING | VOL_BLOCK_LOADING))
		return;
	if (b->state & VOL_BLOCK_STREAMED && !b->uses)
		b->idle = VOL_IDLE_STREAMED;
	else
		b->idle = b->uses <= 1 ? VOL_IDLE_ONCE : VOL_IDLE_USED;
	c->idle_count[b->idle]++;
	list_add_tail(&c->idle[b->idle], &b->lru);
	/* Forgetting one settles its parent: no deeper than that. */
	if (c->evicting)
		return;
	c->evicting = true;
	while (c->count > c->limit && evict(v))
		;
	c->evicting = false;
}

void vol_block_unpin(struct vol_block *b)
{
	if (b && --b->refs == 0)
		settle(b);
}

void vol_block_drop(struct vol_block *b)
{
	struct vol_block *parent = b->parent;

	unhash(b);
	vol_block_clean(b);
	vol_block_logged(b);
	list_del(&b->member);
	unlist(b);
	b->state |= VOL_BLOCK_DEAD;
	/* Whoever has it pinned may outlive the object. */
	b->object = NULL;
	b->parent = NULL;
	if (b->refs == 0)
		release(b->volume, b);
	vol_block_unpin(parent);
}

void vol_object_changed(struct vol_object *o)
{
	if (!list_is_linked(&o->changed))
		list_add_tail(&o->volume->changed_objects, &o->changed);
}

void vol_block_list_dirty(struct vol_block *b)
{
	if (b->level)
		list_add(&b->object->dirty, &b->dirty);
	else
		list_add_tail(&b->object->dirty, &b->dirty);
}

void vol_block_dirty(struct vol_block *b)
{
	struct vol_cache *c = b->volume->cache;

	if (b->level == 0 && b->object->number != VOL_OBJECT_SEGMENTS &&
		!(b->state & VOL_BLOCK_UNLOGGED)) {
		b->state |= VOL_BLOCK_UNLOGGED;
		list_add_tail(&c->unlogged, &b->unlogged);
		c->unlogged_count++;
	}
	if (b->state & VOL_BLOCK_DIRTY)
		return;
	vol_object_changed(b->object);
	for (; b && !(b->state & VOL_BLOCK_DIRTY); b = b->parent) {
		b->state |= VOL_BLOCK_DIRTY;
		vol_block_list_dirty(b);
		unlist(b);
		c->dirty++;
		c->dirty_inner += b->level != 0;
	}
}

/* Does not put it on the list of the unused: it is pinned, or being dropped. */
void vol_block_clean(struct vol_block *b)
{
	struct vol_cache *c = b->volume->cache;

	if (!(b->state & VOL_BLOCK_DIRTY))
		return;
	b->state &= ~(uint32_t)VOL_BLOCK_DIRTY;
	list_del(&b->dirty);
	c->dirty--;
	c->dirty_inner -= b->level != 0;
}

void vol_block_logged(struct vol_block *b)
{
	if (!(b->state & VOL_BLOCK_UNLOGGED))
		return;
	b->state &= ~(uint32_t)VOL_BLOCK_UNLOGGED;
	list_del(&b->unlogged);
	b->volume->cache->unlogged_count--;
}

void vol_block_wait(struct vol_block *b)
{
	vol_block_pin(b);
	vol_wait(b->volume, b);
	vol_block_unpin(b);
}

void vol_block_wake(struct vol_block *b)
{
	vol_wake(b->volume, b);
}
