/* SPDX-License-Identifier: Apache-2.0 */
/* See vma.h. */
#include "kernel/vma.h"

#include <errno.h>

#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "lib/string.h"

struct vma_object *vma_object_get(struct vma_object *obj)
{
	if (obj)
		obj->refs++;
	return obj;
}

void vma_object_put(struct vma_object *obj)
{
	if (!obj)
		return;
	ASSERT(obj->refs > 0);
	if (--obj->refs == 0)
		obj->release(obj);
}

void vma_set_fini(struct vma_set *s)
{
	ASSERT(s->count == 0);
	kfree(s->v);
	*s = (struct vma_set){0};
}

size_t vma_index(const struct vma_set *s, uint64_t addr)
{
	size_t lo = 0, hi = s->count;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (s->v[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct vma *vma_find(const struct vma_set *s, uint64_t addr)
{
	size_t i = vma_index(s, addr);

	return i < s->count && s->v[i].start <= addr ? &s->v[i] : NULL;
}

bool vma_overlaps(const struct vma_set *s, uint64_t start, uint64_t end)
{
	size_t i = vma_index(s, start);

	return i < s->count && s->v[i].start < end;
}

bool vma_covers(const struct vma_set *s, uint64_t start, uint64_t end)
{
	for (size_t i = vma_index(s, start); start < end; i++) {
		if (i == s->count || s->v[i].start > start)
			return false;
		start = s->v[i].end;
	}
	return true;
}

int vma_reserve(struct vma_set *s, size_t count)
{
	size_t want = s->count + count;
	struct vma *v;

	if (want <= s->capacity)
		return 0;
	if (want > VMA_COUNT_MAX)
		return -ENOMEM;
	want += want / 2 + 8;
	v = krealloc(s->v, want * sizeof(*v));
	if (!v)
		return -ENOMEM;
	s->v = v;
	s->capacity = want;
	return 0;
}

static void open_slot(struct vma_set *s, size_t i)
{
	ASSERT(s->count < s->capacity);
	memmove(&s->v[i + 1], &s->v[i], (s->count - i) * sizeof(*s->v));
	s->count++;
}

static void close_slots(struct vma_set *s, size_t i, size_t n)
{
	memmove(&s->v[i], &s->v[i + n], (s->count - i - n) * sizeof(*s->v));
	s->count -= n;
}

/* Trampolines are never joined: each block is one unit. */
static bool mergeable(const struct vma *a, const struct vma *b)
{
	return a->end == b->start && a->kind == b->kind && a->prot == b->prot &&
		a->flags == b->flags && a->obj == b->obj &&
		a->kind != VMA_TRAMPOLINE &&
		(!a->obj || a->offset + (a->end - a->start) == b->offset);
}

void vma_merge(struct vma_set *s, size_t first, size_t last)
{
	size_t i = first > 0 ? first - 1 : 0;

	while (i + 1 < s->count && i <= last) {
		struct vma *a = &s->v[i], *b = &s->v[i + 1];
		struct vma_object *obj = b->obj;

		if (!mergeable(a, b)) {
			i++;
			continue;
		}
		a->end = b->end;
		/* The one who grew last is the one who will grow next. */
		if (b->window > a->window)
			a->window = b->window;
		close_slots(s, i + 1, 1);
		if (last > 0)
			last--;
		vma_object_put(obj); /* a holds another one */
	}
}

void vma_insert(struct vma_set *s, const struct vma *v)
{
	size_t i = vma_index(s, v->start);

	ASSERT(v->start < v->end);
	ASSERT(i == s->count || s->v[i].start >= v->end);
	open_slot(s, i);
	s->v[i] = *v;
	vma_merge(s, i, i);
}

void vma_split(struct vma_set *s, uint64_t addr)
{
	size_t i = vma_index(s, addr);
	struct vma *a, *b;

	if (i == s->count || s->v[i].start >= addr)
		return;
	open_slot(s, i + 1);
	a = &s->v[i];
	b = &s->v[i + 1];
	*b = *a;
	vma_object_get(b->obj);
	b->offset += addr - a->start;
	b->start = addr;
	a->end = addr;
}

void vma_remove(struct vma_set *s, uint64_t start, uint64_t end)
{
	size_t i;

	vma_split(s, start);
	vma_split(s, end);
	/* One at a time: releasing an object may sleep. */
	for (;;) {
		struct vma_object *obj;

		i = vma_index(s, start);
		if (i == s->count || s->v[i].start >= end)
			break;
		obj = s->v[i].obj;
		close_slots(s, i, 1);
		vma_object_put(obj);
	}
}

/* Index of the first range that ends above addr. */
static size_t range_index(const struct range_set *s, uint64_t addr)
{
	size_t lo = 0, hi = s->count;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (s->r[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int range_reserve(struct range_set *s)
{
	size_t want = s->count + s->count / 2 + 16;
	struct range *r;

	if (s->count < s->capacity)
		return 0;
	r = krealloc(s->r, want * sizeof(*r));
	if (!r)
		return -ENOMEM;
	s->r = r;
	s->capacity = want;
	return 0;
}

int range_add(struct range_set *s, uint64_t start, uint64_t end)
{
	size_t i, n = 0;
	int err = range_reserve(s);

	if (err)
		return err;
	/* Everything that overlaps or touches becomes part of the new one. */
	i = range_index(s, start > 0 ? start - 1 : 0);
	while (i + n < s->count && s->r[i + n].start <= end) {
		if (s->r[i + n].start < start)
			start = s->r[i + n].start;
		if (s->r[i + n].end > end)
			end = s->r[i + n].end;
		n++;
	}
	memmove(&s->r[i + 1], &s->r[i + n], (s->count - i - n) * sizeof(*s->r));
	s->count += 1 - n;
	s->r[i] = (struct range){start, end};
	return 0;
}

int range_remove(struct range_set *s, uint64_t start, uint64_t end)
{
	size_t i = range_index(s, start);

	while (i < s->count && s->r[i].start < end) {
		struct range *r = &s->r[i];

		if (r->start < start && r->end > end) {
			int err = range_reserve(s);

			if (err)
				return err;
			r = &s->r[i];
			memmove(r + 1, r, (s->count - i) * sizeof(*r));
			s->count++;
			r[0].end = start;
			r[1].start = end;
			return 0;
		}
		if (r->start < start) {
			r->end = start;
			i++;
		} else if (r->end > end) {
			r->start = end;
			return 0;
		} else {
			memmove(r, r + 1, (s->count - i - 1) * sizeof(*r));
			s->count--;
		}
	}
	return 0;
}

bool range_free(const struct range_set *s, uint64_t start, uint64_t end)
{
	size_t i = range_index(s, start);

	return i == s->count || s->r[i].start >= end;
}

uint64_t range_find_high(const struct range_set *s, uint64_t size,
	uint64_t align, uint64_t lo, uint64_t hi)
{
	size_t i = range_index(s, hi > 0 ? hi - 1 : 0);

	/* Gaps downwards: [end of range i-1, start of range i). */
	for (;; i--) {
		uint64_t top =
			i < s->count && s->r[i].start < hi ? s->r[i].start : hi;
		uint64_t bottom = i > 0 ? s->r[i - 1].end : 0;

		if (bottom < lo)
			bottom = lo;
		if (top > bottom && top - bottom >= size) {
			uint64_t a = (top - size) & ~(align - 1);

			if (a >= bottom && a > 0)
				return a;
		}
		if (i == 0 || bottom <= lo)
			return 0;
	}
}

uint64_t range_find_low(const struct range_set *s, uint64_t size,
	uint64_t align, uint64_t lo, uint64_t hi)
{
	uint64_t a = (lo + align - 1) & ~(align - 1);

	for (size_t i = range_index(s, a); a < hi && hi - a >= size; i++) {
		if (i == s->count || s->r[i].start >= a + size)
			return a;
		a = (s->r[i].end + align - 1) & ~(align - 1);
	}
	return 0;
}
