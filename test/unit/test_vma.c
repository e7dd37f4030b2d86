/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sets of mappings and of ranges against the simplest model there is: an
 * array with one entry per page.
 */
#include "test/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/vma.h"

enum { PAGES = 256, ROUNDS = 200000 };
#define PAGE 4096ul
#define BASE 0x10000ul

void *krealloc(void *ptr, size_t size)
{
	return realloc(ptr, size);
}

void kfree(void *ptr)
{
	free(ptr);
}

void panic(const char *fmt, ...)
{
	fprintf(stderr, "panic: %s\n", fmt);
	abort();
}

static uint64_t seed = 88172645463325252ull;

static unsigned rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % n);
}

/* Objects are counted; -1 in a page: nothing mapped. */
enum { OBJECTS = 4 };
static struct vma_object objects[OBJECTS];
static int released;

static void release(struct vma_object *o)
{
	released++;
	o->refs = 0;
}

struct model {
	int obj, prot;
	uint64_t offset;
};

static void check_same(const struct vma_set *s, const struct model *m)
{
	size_t refs[OBJECTS] = {0};

	for (size_t i = 0; i < s->count; i++) {
		const struct vma *v = &s->v[i];

		assert_true(v->start < v->end);
		if (i > 0) {
			const struct vma *u = v - 1;

			assert_true(u->end <= v->start);
			/* What could be one mapping is one. */
			assert_false(u->end == v->start && u->prot == v->prot &&
				u->obj == v->obj &&
				u->offset + (u->end - u->start) == v->offset);
		}
		refs[v->obj - objects]++;
	}
	for (int i = 0; i < OBJECTS; i++)
		assert_int_equal(objects[i].refs, refs[i]);
	for (unsigned p = 0; p < PAGES; p++) {
		uint64_t a = BASE + p * PAGE;
		const struct vma *v = vma_find(s, a + rnd(PAGE));

		if (m[p].obj < 0) {
			assert_null(v);
			continue;
		}
		assert_non_null(v);
		assert_ptr_equal(v->obj, &objects[m[p].obj]);
		assert_int_equal(v->prot, m[p].prot);
		assert_int_equal(v->offset + (a - v->start), m[p].offset);
	}
}

static void test_set(void **state)
{
	struct vma_set s = {0};
	struct model m[PAGES];

	for (int i = 0; i < OBJECTS; i++)
		objects[i] = (struct vma_object){0, release};
	for (int i = 0; i < PAGES; i++)
		m[i].obj = -1;
	for (int round = 0; round < ROUNDS; round++) {
		unsigned p = rnd(PAGES), n = 1 + rnd(PAGES - p);
		uint64_t lo = BASE + p * PAGE, hi = lo + n * PAGE;

		if (n > 24)
			n = 24, hi = lo + n * PAGE;
		assert_int_equal(vma_reserve(&s, 3), 0);
		switch (rnd(3)) {
		case 0: { /* map */
			struct vma v = {.start = lo,
				.end = hi,
				.kind = VMA_FILE,
				.prot = (uint8_t)rnd(2)};
			int o = (int)rnd(OBJECTS);

			vma_remove(&s, lo, hi);
			v.obj = vma_object_get(&objects[o]);
			/* Offsets equal to addresses, so that merging happens.
			 */
			v.offset = rnd(8) ? lo : lo + PAGE;
			for (unsigned i = p; i < p + n; i++)
				m[i] = (struct model){
					o, v.prot, v.offset + (i - p) * PAGE};
			vma_insert(&s, &v);
			break;
		}
		case 1:
			vma_remove(&s, lo, hi);
			for (unsigned i = p; i < p + n; i++)
				m[i].obj = -1;
			break;
		default: { /* protect */
			uint8_t prot = (uint8_t)rnd(2);
			size_t first;

			vma_split(&s, lo);
			vma_split(&s, hi);
			first = vma_index(&s, lo);
			for (size_t i = first; i < s.count && s.v[i].start < hi;
				i++)
				s.v[i].prot = prot;
			for (unsigned i = p; i < p + n; i++)
				m[i].prot = prot;
			vma_merge(&s, first, vma_index(&s, hi - 1));
		}
		}
		if (round % 97 == 0 || round < 300)
			check_same(&s, m);
		for (unsigned i = 0; i < 4; i++) {
			unsigned a = rnd(PAGES), b = a + 1 + rnd(PAGES - a);
			bool any = false, all = true;

			for (unsigned k = a; k < b; k++) {
				any |= m[k].obj >= 0;
				all &= m[k].obj >= 0;
			}
			assert_int_equal(any,
				vma_overlaps(
					&s, BASE + a * PAGE, BASE + b * PAGE));
			assert_int_equal(all,
				vma_covers(
					&s, BASE + a * PAGE, BASE + b * PAGE));
		}
	}
	vma_remove(&s, 0, UINT64_MAX);
	assert_true(released > 0);
	vma_set_fini(&s);
}

static uint64_t model_high(
	const bool *used, unsigned n, unsigned lo, unsigned hi)
{
	for (unsigned a = hi < n ? 0 : hi - n + 1; a-- > lo;) {
		bool ok = true;

		for (unsigned k = a; k < a + n; k++)
			ok &= !used[k];
		if (ok)
			return BASE + a * PAGE;
	}
	return 0;
}

static uint64_t model_low(
	const bool *used, unsigned n, unsigned lo, unsigned hi)
{
	for (unsigned a = lo; a + n <= hi; a++) {
		bool ok = true;

		for (unsigned k = a; k < a + n; k++)
			ok &= !used[k];
		if (ok)
			return BASE + a * PAGE;
	}
	return 0;
}

static void test_ranges(void **state)
{
	struct range_set s = {0};
	bool used[PAGES] = {false};

	for (int round = 0; round < ROUNDS; round++) {
		unsigned p = rnd(PAGES), n = 1 + rnd(PAGES - p);
		uint64_t lo = BASE + p * PAGE;
		bool add = rnd(2), any = false;
		unsigned a, b, k;

		if (n > 20)
			n = 20;
		for (k = p; k < p + n; k++)
			any |= used[k];
		assert_int_equal(!any, range_free(&s, lo, lo + n * PAGE));
		if (add)
			assert_int_equal(range_add(&s, lo, lo + n * PAGE), 0);
		else
			assert_int_equal(
				range_remove(&s, lo, lo + n * PAGE), 0);
		for (k = p; k < p + n; k++)
			used[k] = add;
		for (size_t i = 1; i < s.count; i++)
			assert_true(s.r[i - 1].end < s.r[i].start);
		a = rnd(PAGES);
		b = a + 1 + rnd(PAGES - a);
		n = 1 + rnd(12);
		assert_int_equal(model_high(used, n, a, b),
			range_find_high(&s, n * PAGE, PAGE, BASE + a * PAGE,
				BASE + b * PAGE));
		assert_int_equal(model_low(used, n, a, b),
			range_find_low(&s, n * PAGE, PAGE, BASE + a * PAGE,
				BASE + b * PAGE));
	}
	free(s.r);
}

static void test_alignment(void **state)
{
	struct range_set s = {0};
	uint64_t top = 0x100000000ul, a;

	assert_int_equal(range_add(&s, top - 0x5000, top), 0);
	a = range_find_high(&s, 0x1000, 0x200000, 0x10000, top);
	assert_int_equal(a, top - 0x200000);
	a = range_find_low(&s, 0x1000, 0x200000, 0x10000, top);
	assert_int_equal(a, 0x200000);
	assert_int_equal(range_find_high(&s, top, PAGE, 0x10000, top), 0);
	assert_int_equal(range_find_low(&s, top, PAGE, 0x10000, top), 0);
	free(s.r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_alignment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
