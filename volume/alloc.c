/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots: which are free, and more of them.
 *
 * A loaded segment has two bitmaps: the slots that are used now, and those
 * that must not be overwritten, because the last durable commit or a record of
 * the log since then names them. A slot is given out if it is in neither. What
 * becomes free is in the second until the next commit is durable.
 *
 * Maps are loaded when needed; before that, the table's count of free slots
 * says what a segment has to offer, and the slots freed there are remembered.
 * Only the last segment may be shorter at the host than it can be.
 *
 * One thread gives out slots at a time: that which places blocks.
 */
#include "volume/core.h"

#include <linux/errno.h>

#include "lib/string.h"

enum {
	MAP_WORDS = VOL_BLOCK_SIZE / 8,
	PER_BLOCK = VOL_BLOCK_SIZE / sizeof(struct vol_disk_segment),
	RUN_GOOD = 32, /* slots in a row that are worth looking for */
	MAPS_KEPT = 32, /* in memory, beyond a commit */
	FREED_DUE = 1024,
	FREED_MAX = 1 << 20,
	DRAIN_MARGIN = 64, /* slots that stay free when segments go */
};

struct map {
	uint64_t used[MAP_WORDS]; /* now */
	uint64_t kept[MAP_WORDS]; /* must not be overwritten */
};

struct segment {
	struct map *map; /* NULL: not loaded, and used is what is kept */
	uint32_t free; /* not used now */
	uint32_t usable; /* neither used nor kept */
	uint8_t current; /* map slot of the last durable commit */
	bool bad; /* its map is damaged: nothing is given out */
	bool dirty; /* used differs from the map on disk */
	bool listed; /* in a dirty block of the table */
	bool unflushed;
	bool drained; /* compaction: nothing is given out */
};

struct run {
	uint64_t slot, n;
};

struct vol_alloc {
	struct segment *segment;
	uint64_t count, room;
	uint64_t usable; /* sum of segments */
	uint64_t free; /* likewise */
	uint64_t present; /* slots of the last segment that the host has */
	uint64_t at; /* look for free slots from this one on */
	uint64_t loaded;
	struct run *freed; /* in segments that are not loaded */
	size_t freed_count, freed_room;
	bool scattered; /* there is no good run */
	bool ready;
	bool busy; /* somebody changes what this is: wait on it */
};

static uint64_t per_segment(const struct volume *v)
{
	return UINT64_C(1) << v->segment_shift;
}

static bool bit(const uint64_t *map, uint64_t i)
{
	return map[i / 64] >> i % 64 & 1;
}

static void bit_set(uint64_t *map, uint64_t i)
{
	map[i / 64] |= UINT64_C(1) << i % 64;
}

static void bit_clear(uint64_t *map, uint64_t i)
{
	map[i / 64] &= ~(UINT64_C(1) << i % 64);
}

static void lock(struct volume *v)
{
	while (v->alloc->busy)
		vol_wait(v, v->alloc);
	v->alloc->busy = true;
}

static void unlock(struct volume *v)
{
	v->alloc->busy = false;
	vol_wake(v, v->alloc);
}

/* ---- life ---- */

int vol_alloc_init(struct volume *v)
{
	v->alloc = vol_alloc_memory(v, sizeof(*v->alloc));
	return v->alloc ? 0 : -ENOMEM;
}

static void map_free(struct volume *v, struct segment *s)
{
	if (!s->map)
		return;
	vol_free_memory(v, s->map, sizeof(*s->map));
	s->map = NULL;
	v->alloc->loaded--;
}

void vol_alloc_fini(struct volume *v)
{
	struct vol_alloc *a = v->alloc;

	if (!a)
		return;
	for (uint64_t i = 0; i < a->count; i++)
		map_free(v, &a->segment[i]);
	vol_free_memory(v, a->segment, a->room * sizeof(*a->segment));
	vol_free_memory(v, a->freed, a->freed_room * sizeof(*a->freed));
	vol_free_memory(v, a, sizeof(*a));
	v->alloc = NULL;
}

/* Room for one more. */
static int segments_room(struct volume *v, uint64_t want)
{
	struct vol_alloc *a = v->alloc;
	uint64_t room = u64_max(want, a->room * 2);
	struct segment *s;

	if (want <= a->room)
		return 0;
	s = vol_alloc_memory(v, room * sizeof(*s));
	if (!s)
		return -ENOMEM;
	if (a->count)
		memcpy(s, a->segment, a->count * sizeof(*s));
	vol_free_memory(v, a->segment, a->room * sizeof(*s));
	a->segment = s;
	a->room = room;
	return 0;
}

/* A segment of which nothing is known but that it is damaged is not used. */
static void segment_bad(struct volume *v, struct segment *s)
{
	v->alloc->usable -= s->usable;
	v->alloc->free -= s->free;
	s->usable = s->free = 0;
	s->bad = true;
}

static int table_entry(
	struct volume *v, uint64_t i, struct vol_disk_segment *out)
{
	const struct vol_disk_segment *d;
	struct vol_block *b;
	int err = vol_tree_get(&v->table, i / PER_BLOCK, VOL_READ, &b);

	memset(out, 0, sizeof(*out));
	if (err)
		return err;
	if (!b) {
		out->free = (uint32_t)per_segment(v) - VOL_SEGMENT_MAPS;
		return 0;
	}
	d = (const struct vol_disk_segment *)(const void *)b->data;
	*out = d[i % PER_BLOCK];
	vol_tree_put(b);
	if (vol_ptr_hole(&out->map)) {
		out->free = (uint32_t)per_segment(v) - VOL_SEGMENT_MAPS;
		return 0;
	}
	if (out->free > per_segment(v) - VOL_SEGMENT_MAPS ||
		vol_ptr_slot(&out->map) >> v->segment_shift != i ||
		vol_ptr_slot(&out->map) % per_segment(v) >= VOL_SEGMENT_MAPS)
		return -EBADMSG;
	return 0;
}

static int map_read(struct volume *v, uint64_t i,
	const struct vol_disk_segment *d, struct map *m)
{
	struct vol_open open = {
		.place = {.object = VOL_OBJECT_SEGMENTS,
			.index = i,
			.kind = VOL_KIND_MAP},
		.ptr = d->map,
		.in = (const uint8_t *)m->used,
		.data = (uint8_t *)m->used,
	};
	uint64_t n = 0, words = per_segment(v) / 64;
	int err;

	if (vol_ptr_hole(&d->map)) {
		for (uint64_t k = 0; k < VOL_SEGMENT_MAPS; k++)
			bit_set(m->used, k);
		return 0;
	}
	err = vol_slots_read(v, vol_ptr_slot(&d->map), m->used, 1);
	if (!err)
		err = vol_block_open(v, &open, 1);
	if (err)
		return err;
	for (uint64_t k = 0; k < words; k++)
		n += (uint64_t)__builtin_popcountll(m->used[k]);
	if (n != per_segment(v) - d->free || !bit(m->used, 0) ||
		!bit(m->used, 1))
		return -EBADMSG;
	return 0;
}

/* Sleeps. Other errors than -EBADMSG may pass. */
static int segment_load(struct volume *v, uint64_t i)
{
	struct vol_alloc *a = v->alloc;
	struct vol_disk_segment d;
	struct map *m = NULL;
	int err;

	if (a->segment[i].map)
		return 0;
	lock(v);
	err = a->segment[i].bad ? -EBADMSG : 0;
	if (err || a->segment[i].map)
		goto out;
	err = table_entry(v, i, &d);
	if (!err) {
		m = vol_alloc_memory(v, sizeof(*m));
		err = m ? map_read(v, i, &d, m) : -ENOMEM;
	}
	if (!err && d.free != a->segment[i].free)
		err = -EBADMSG;
	if (err) {
		if (m)
			vol_free_memory(v, m, sizeof(*m));
		if (err == -EBADMSG)
			segment_bad(v, &a->segment[i]);
		goto out;
	}
	memcpy(m->kept, m->used, sizeof(m->kept));
	a->segment[i].map = m;
	a->segment[i].current = vol_ptr_hole(&d.map)
		? 1
		: (uint8_t)(vol_ptr_slot(&d.map) % per_segment(v));
	a->loaded++;
out:
	unlock(v);
	return err;
}

/* The host surely has what is used. */
static int find_present(struct volume *v)
{
	struct vol_alloc *a = v->alloc;
	const struct map *m;
	uint64_t n = per_segment(v);
	int err;

	a->present = n;
	if (v->segments == 0)
		return 0;
	err = segment_load(v, v->segments - 1);
	if (err)
		return err == -EBADMSG ? 0 : err;
	m = a->segment[v->segments - 1].map;
	while (n > VOL_SEGMENT_MAPS && !bit(m->used, n - 1))
		n--;
	a->present = u64_min(align_up(n, VOL_GROW), per_segment(v));
	return 0;
}

int vol_alloc_ready(struct volume *v)
{
	struct vol_alloc *a = v->alloc;
	struct vol_disk_segment d;
	struct segment *s;
	int err;

	if (a->ready && a->count == v->segments)
		return 0;
	lock(v);
	err = segments_room(v, v->segments);
	for (uint64_t i = a->count; !err && i < v->segments; i++) {
		err = table_entry(v, i, &d);
		s = &a->segment[i];
		memset(s, 0, sizeof(*s));
		if (err == -EBADMSG) {
			s->bad = true;
			err = 0;
		} else if (!err) {
			s->free = s->usable = d.free;
			a->free += d.free;
			a->usable += d.free;
		}
		if (!err)
			a->count++;
	}
	unlock(v);
	if (!err)
		err = find_present(v);
	if (!err)
		a->ready = true;
	return err;
}

/* ---- numbers ---- */

uint64_t vol_slots_available(const struct volume *v)
{
	const struct vol_alloc *a = v->alloc;
	uint64_t missing = a->count ? per_segment(v) - a->present : 0;

	if (a->count && a->segment[a->count - 1].drained)
		missing = 0; /* none of its slots are among the usable */

	return a->usable - u64_min(missing, a->usable);
}

uint64_t vol_slots_deferred(const struct volume *v)
{
	return v->alloc->free - v->alloc->usable;
}

uint64_t vol_slots_free(const struct volume *v)
{
	return v->alloc->free;
}

uint64_t vol_slots_present(const struct volume *v)
{
	const struct vol_alloc *a = v->alloc;

	return a->count ? (a->count - 1) * per_segment(v) + a->present : 0;
}

uint64_t vol_slots_table_margin(const struct volume *v)
{
	return v->segments / PER_BLOCK + 4;
}

/* ---- more ---- */

static int grow_locked(struct volume *v)
{
	struct vol_alloc *a = v->alloc;
	bool more = a->count == 0 || a->present == per_segment(v);
	uint64_t number = more ? a->count : a->count - 1;
	uint64_t n = u64_min(
		(more ? 0 : a->present) + VOL_GROW, per_segment(v));
	int err;

	if ((number + 1) << v->segment_shift > VOL_SLOT_MAX)
		return -ENOSPC;
	err = segments_room(v, number + 1);
	if (!err)
		err = vol_host(v->env.ops->resize(v->env.ctx,
			(struct volume_file){VOLUME_FILE_SEGMENT, number},
			n << VOL_BLOCK_SHIFT, true));
	if (err)
		return err;
	if (more) {
		struct segment *s = &a->segment[number];

		memset(s, 0, sizeof(*s));
		s->free = (uint32_t)per_segment(v) - VOL_SEGMENT_MAPS;
		s->usable = s->free;
		a->free += s->free;
		a->usable += s->usable;
		a->count = v->segments = number + 1;
	}
	a->segment[number].unflushed = true;
	a->present = n;
	a->scattered = false;
	return 0;
}

int vol_slots_grow(struct volume *v)
{
	uint64_t before = vol_slots_available(v);
	int err;

	/* Better no compaction than more segments. */
	vol_slots_drain_end(v);
	lock(v);
	/* Somebody else's may have been enough. */
	err = vol_slots_available(v) > before ? 0 : grow_locked(v);
	unlock(v);
	return err;
}

/* ---- giving out ---- */

/* The first of at least @least free slots in a row, before @end; else @end. */
static uint64_t run_find(
	const struct map *m, uint64_t from, uint64_t end, uint64_t least)
{
	uint64_t n = 0;

	for (uint64_t i = from; i < end; i++) {
		uint64_t word = m->used[i / 64] | m->kept[i / 64];

		if (word == UINT64_MAX)
			i |= 63;
		n = word >> i % 64 & 1 ? 0 : n + 1;
		if (n == least)
			return i + 1 - least;
	}
	return end;
}

/* Up to @want free slots in a row of segment @i, from slot @from on. */
static uint64_t take(struct volume *v, uint64_t i, uint64_t from,
	uint64_t least, uint64_t want, uint64_t *n)
{
	struct vol_alloc *a = v->alloc;
	struct segment *s = &a->segment[i];
	struct map *m = s->map;
	uint64_t end = i == a->count - 1 ? a->present : per_segment(v);
	uint64_t first = run_find(m, from, end, least);

	*n = 0;
	while (first + *n < end && *n < want && !bit(m->used, first + *n) &&
		!bit(m->kept, first + *n)) {
		bit_set(m->used, first + *n);
		++*n;
	}
	s->free -= (uint32_t)*n;
	s->usable -= (uint32_t)*n;
	s->dirty |= *n > 0;
	a->free -= *n;
	a->usable -= *n;
	return (i << v->segment_shift) + first;
}

/* From where the last ones were on. *n 0: there are none. */
static int search(struct volume *v, uint64_t least, uint64_t want,
	uint64_t *slot, uint64_t *n)
{
	struct vol_alloc *a = v->alloc;
	uint64_t first = a->at >> v->segment_shift, from;

	*n = 0;
	/* The one at hand twice: what is before a->at comes last. */
	for (uint64_t k = 0; k <= a->count && a->count; k++) {
		uint64_t i = (first + k) % a->count;
		int err;

		if (a->segment[i].usable < least)
			continue;
		err = segment_load(v, i);
		if (err == -EBADMSG)
			continue;
		if (err)
			return err;
		from = k == 0 ? a->at % per_segment(v) : 0;
		*slot = take(v, i, from, least, want, n);
		if (*n) {
			a->at = *slot + *n;
			return 0;
		}
	}
	return 0;
}

/* Single slots among used ones make slow reads and writes: as long as they are
 * few, they are passed by and the volume grows. */
static bool worth_growing(struct volume *v)
{
	return vol_slots_available(v) < vol_slots_present(v) / 4 &&
		vol_slots_grow(v) == 0;
}

int vol_slots_alloc(
	struct volume *v, uint64_t want, uint64_t *slot, uint64_t *n)
{
	struct vol_alloc *a = v->alloc;
	uint64_t least = u64_min(want, RUN_GOOD);
	int err = 0;

	*n = 0;
	while (!err && least > 1 && !a->scattered) {
		err = search(v, least, want, slot, n);
		if (err || *n)
			return err;
		/* Until a commit makes more slots free. */
		if (!worth_growing(v))
			a->scattered = true;
	}
	while (!err) {
		err = search(v, 1, want, slot, n);
		if (err || *n)
			return err;
		err = vol_slots_grow(v);
	}
	return err;
}

static void freed_later(struct volume *v, uint64_t slot)
{
	struct vol_alloc *a = v->alloc;
	struct run *last = a->freed_count ? &a->freed[a->freed_count - 1]
					  : NULL;

	if (last && last->slot + last->n == slot) {
		last->n++;
		return;
	}
	if (!a->freed || a->freed_count == a->freed_room) {
		size_t room = a->freed_room ? a->freed_room * 2 : 64;
		struct run *r = room <= FREED_MAX
			? vol_alloc_memory(v, room * sizeof(*r))
			: NULL;

		if (!r)
			return; /* it stays used for ever: no harm but waste */
		if (a->freed)
			memcpy(r, a->freed, a->freed_count * sizeof(*r));
		vol_free_memory(v, a->freed, a->freed_room * sizeof(*r));
		a->freed = r;
		a->freed_room = room;
	}
	a->freed[a->freed_count++] = (struct run){slot, 1};
}

static void free_now(struct volume *v, struct segment *s, uint64_t i)
{
	if (!bit(s->map->used, i))
		return; /* the map was wrong: somebody with the key made it */
	bit_clear(s->map->used, i);
	s->free++;
	v->alloc->free++;
	s->dirty = true;
	if (!bit(s->map->kept, i) && !s->drained) {
		s->usable++;
		v->alloc->usable++;
	}
}

void vol_slot_free(struct volume *v, uint64_t slot)
{
	struct vol_alloc *a = v->alloc;
	uint64_t i = slot >> v->segment_shift;

	if (v->sealed || v->flags & VOLUME_READ_ONLY || i >= v->segments ||
		slot % per_segment(v) < VOL_SEGMENT_MAPS)
		return;
	if (i < a->count && a->segment[i].map)
		free_now(v, &a->segment[i], slot % per_segment(v));
	else
		freed_later(v, slot);
}

int vol_slots_settle(struct volume *v, bool all)
{
	struct vol_alloc *a = v->alloc;

	if (a->freed_count < (all ? 1 : FREED_DUE))
		return 0;
	while (a->freed_count) {
		uint64_t slot = a->freed[a->freed_count - 1].slot;
		uint64_t i = slot >> v->segment_shift;
		struct run *r;
		int err = segment_load(v, i);

		if (err && err != -EBADMSG)
			return err;
		if (!a->freed_count)
			return 0;
		r = &a->freed[a->freed_count - 1];
		if (r->slot != slot)
			continue; /* another one came meanwhile */
		for (uint64_t k = 0; !err && k < r->n; k++)
			free_now(
				v, &a->segment[i], (slot + k) % per_segment(v));
		a->freed_count--;
	}
	return 0;
}

void vol_slot_keep(struct volume *v, uint64_t slot)
{
	struct segment *s = &v->alloc->segment[slot >> v->segment_shift];

	if (s->map)
		bit_set(s->map->kept, slot % per_segment(v));
}

int vol_slot_use(struct volume *v, uint64_t slot)
{
	struct vol_alloc *a = v->alloc;
	uint64_t i = slot >> v->segment_shift, k = slot % per_segment(v);
	struct segment *s;
	int err;

	if (v->sealed || v->flags & VOLUME_READ_ONLY)
		return 0;
	err = segment_load(v, i);
	if (err)
		return err;
	s = &a->segment[i];
	if (bit(s->map->used, k) || bit(s->map->kept, k))
		return -EBADMSG;
	bit_set(s->map->used, k);
	bit_set(s->map->kept, k);
	s->free--;
	s->usable--;
	a->free--;
	a->usable--;
	s->dirty = true;
	if (i == a->count - 1)
		a->present = u64_max(a->present,
			u64_min(align_up(k + 1, VOL_GROW), per_segment(v)));
	return 0;
}

/* ---- commits ---- */

void vol_slots_written(struct volume *v, uint64_t slot)
{
	v->alloc->segment[slot >> v->segment_shift].unflushed = true;
}

int vol_slots_flush(struct volume *v)
{
	struct vol_alloc *a = v->alloc;
	int err;

	for (uint64_t i = 0; i < a->count; i++) {
		if (!a->segment[i].unflushed)
			continue;
		a->segment[i].unflushed = false;
		err = vol_host(v->env.ops->flush(v->env.ctx,
			(struct volume_file){VOLUME_FILE_SEGMENT, i}));
		if (err) {
			v->failed = true;
			return err;
		}
	}
	return 0;
}

/* One more of the table's dirty blocks has a slot: 1; all have: 0. */
static int table_slot(struct volume *v)
{
	struct vol_block *b;
	struct vol_ptr *p;
	uint64_t slot, n;
	int err;

	list_for_each_entry (b, &v->table.dirty, dirty) {
		if (b->slot)
			continue;
		err = vol_slots_alloc(v, 1, &slot, &n);
		if (err)
			return err;
		b->slot = slot;
		p = vol_ptr_of(&v->table, b->parent, b->index);
		if (!vol_ptr_hole(p))
			vol_slot_free(v, vol_ptr_slot(p));
		return 1;
	}
	return 0;
}

/* Every changed segment's entry is in a dirty block of the table, and every
 * dirty block of the table has a slot. Each of these steps can change another
 * segment; there are only so many of both. */
static int table_prepare(struct volume *v)
{
	struct vol_alloc *a = v->alloc;
	struct vol_block *b;
	int more;

	do {
		int err = vol_slots_settle(v, true);

		for (uint64_t i = 0; !err && i < a->count; i++) {
			if (!a->segment[i].dirty || a->segment[i].listed)
				continue;
			err = vol_tree_get(
				&v->table, i / PER_BLOCK, VOL_WRITE, &b);
			if (!err) {
				vol_tree_put(b);
				a->segment[i].listed = true;
			}
		}
		more = err ? err : table_slot(v);
	} while (more > 0 || (more == 0 && a->freed_count));
	return more;
}

static int map_write(struct volume *v, uint64_t i, struct vol_io *io)
{
	const struct segment *s = &v->alloc->segment[i];
	struct vol_ptr p = {
		.slot_epoch = (i << v->segment_shift) + (s->current ^ 1u)};
	struct vol_seal seal = {
		.place = {.object = VOL_OBJECT_SEGMENTS,
			.index = i,
			.kind = VOL_KIND_MAP},
		.data = (const uint8_t *)s->map->used,
		.out = io->data,
		.ptr = &p,
	};
	struct vol_disk_segment *d;
	struct vol_block *b;
	int err = vol_block_seal(v, &seal, 1);

	if (!err)
		err = vol_slots_write(v, vol_ptr_slot(&p), io->data, 1);
	if (!err)
		vol_slots_written(v, vol_ptr_slot(&p));
	if (!err)
		err = vol_tree_get(&v->table, i / PER_BLOCK, VOL_WRITE, &b);
	if (err)
		return err;
	d = (struct vol_disk_segment *)(void *)b->data;
	d[i % PER_BLOCK] = (struct vol_disk_segment){
		.map = p, .free = v->alloc->segment[i].free};
	vol_tree_put(b);
	return 0;
}

int vol_alloc_store(struct volume *v)
{
	struct vol_alloc *a = v->alloc;
	struct vol_io *io;
	int err;

	for (uint64_t i = 0; i < a->count; i++)
		a->segment[i].listed = false;
	err = table_prepare(v);
	if (err)
		return err;
	io = vol_io_get(v);
	if (!io)
		return -ENOMEM;
	for (uint64_t i = 0; !err && i < a->count; i++) {
		if (a->segment[i].dirty)
			err = map_write(v, i, io);
	}
	vol_io_put(v, io);
	return err;
}

void vol_alloc_committed(struct volume *v)
{
	struct vol_alloc *a = v->alloc;

	a->scattered = false;
	for (uint64_t i = 0; i < a->count; i++) {
		struct segment *s = &a->segment[i];

		if (!s->map)
			continue;
		if (s->dirty) {
			memcpy(s->map->kept, s->map->used,
				sizeof(s->map->kept));
			if (!s->drained) {
				a->usable += s->free - s->usable;
				s->usable = s->free;
			}
			s->current ^= 1u;
			s->dirty = false;
		}
		if (a->loaded > MAPS_KEPT && i != a->at >> v->segment_shift)
			map_free(v, s);
	}
}

/* ---- compaction ---- */

static uint64_t capacity(const struct volume *v)
{
	return per_segment(v) - VOL_SEGMENT_MAPS;
}

void vol_slots_drain(struct volume *v)
{
	struct vol_alloc *a = v->alloc;
	uint64_t used = a->count * capacity(v) - a->free;
	uint64_t need = used + used / 16 + DRAIN_MARGIN +
		vol_slots_table_margin(v);

	for (uint64_t i = a->count; i > 1; i--) {
		struct segment *s = &a->segment[i - 1];

		if ((i - 1) * capacity(v) < need || s->bad)
			break;
		s->drained = true;
		a->usable -= s->usable;
		s->usable = 0;
	}
}

void vol_slots_drain_end(struct volume *v)
{
	struct vol_alloc *a = v->alloc;

	for (uint64_t i = 0; i < a->count; i++) {
		struct segment *s = &a->segment[i];

		if (!s->drained)
			continue;
		s->drained = false;
		s->usable = s->free;
		for (size_t w = 0; s->map && w < MAP_WORDS; w++)
			s->usable -= (uint32_t)__builtin_popcountll(
				s->map->kept[w] & ~s->map->used[w]);
		a->usable += s->usable;
	}
}

bool vol_slots_drained(const struct volume *v, uint64_t slot)
{
	const struct vol_alloc *a = v->alloc;
	uint64_t i = slot >> v->segment_shift;

	return i < a->count && a->segment[i].drained;
}

int vol_slots_renew(struct volume *v, uint32_t epoch)
{
	for (uint64_t i = 0; i < v->segments; i++) {
		struct vol_disk_segment d;
		int err = table_entry(v, i, &d);

		if (!err && !vol_ptr_hole(&d.map) &&
			vol_ptr_epoch(&d.map) < epoch) {
			err = segment_load(v, i);
			if (!err)
				v->alloc->segment[i].dirty = true;
		}
		if (err)
			return err;
	}
	return 0;
}

/* The last segment goes, as of the next commit: 1; it is needed: 0. */
static int segment_remove(struct volume *v)
{
	struct vol_alloc *a = v->alloc;
	uint64_t i = a->count - 1;
	struct vol_block *b;
	int err = vol_begin(v, 1);

	if (err)
		return err == -ENOSPC ? 0 : err;
	err = vol_tree_get(&v->table, i / PER_BLOCK, VOL_WRITE, &b);
	if (!err) {
		struct segment *s = &a->segment[i];

		if (i > 0 && i == a->count - 1 && s->drained && !s->dirty &&
			s->free == capacity(v)) {
			memset(b->data +
					i % PER_BLOCK *
						sizeof(struct vol_disk_segment),
				0, sizeof(struct vol_disk_segment));
			map_free(v, s);
			a->free -= s->free;
			a->count = v->segments = i;
			a->present = per_segment(v);
			if (a->at >> v->segment_shift >= i)
				a->at = 0;
			err = 1;
		}
		vol_tree_put(b);
	}
	vol_end(v);
	return err;
}

/* What the last segment's file has beyond its last block. */
static int trim(struct volume *v)
{
	struct vol_alloc *a = v->alloc;
	uint64_t i = a->count - 1, n = per_segment(v);
	int err = segment_load(v, i);

	if (err || i != a->count - 1)
		return err;
	while (n > VOL_SEGMENT_MAPS && !bit(a->segment[i].map->used, n - 1) &&
		!bit(a->segment[i].map->kept, n - 1))
		n--;
	n = align_up(n, VOL_GROW);
	if (n >= a->present)
		return 0;
	a->present = n;
	return vol_host(v->env.ops->resize(v->env.ctx,
		(struct volume_file){VOLUME_FILE_SEGMENT, i},
		n << VOL_BLOCK_SHIFT, false));
}

int vol_slots_shrink(struct volume *v)
{
	struct vol_alloc *a = v->alloc;
	uint64_t before = a->count;
	int more = 1, err = 0;

	while (more > 0 && a->count > 1 && a->segment[a->count - 1].drained)
		more = segment_remove(v);
	if (more < 0)
		return more;
	if (a->count == before)
		return a->count ? trim(v) : 0;
	v->commit->must_commit = true;
	err = volume_commit(v);
	for (uint64_t i = a->count; !err && i < before; i++)
		err = vol_host(v->env.ops->remove(v->env.ctx,
			(struct volume_file){VOLUME_FILE_SEGMENT, i}));
	return err ? err : trim(v);
}
