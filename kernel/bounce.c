/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two bitmaps: one of small blocks for the many calls that carry a path or a
 * struct, one of pages for data. First fit, so that the same few pages stay
 * in the caches and the rest of the area is never touched.
 */
#include "kernel/bounce.h"

#include <stdbool.h>

#include "abi/layout.h"
#include "kernel/klog.h"
#include "lib/types.h"

enum {
	SMALL_SIZE = 512,
	SMALL_COUNT = 256,
	PAGES_MAX = 16384, /* 64 MiB */
	BITS = 64,
};

static uint64_t small_map[SMALL_COUNT / BITS], page_map[PAGES_MAX / BITS];
static uint64_t small_start, page_start;
static size_t page_count, used;

static bool test(const uint64_t *map, size_t i)
{
	return map[i / BITS] >> i % BITS & 1;
}

static void set(uint64_t *map, size_t i, bool on)
{
	uint64_t bit = 1ul << i % BITS;

	ASSERT(test(map, i) != on);
	map[i / BITS] ^= bit;
}

/* First of n free bits in a row, or count. */
static size_t find(const uint64_t *map, size_t count, size_t n)
{
	size_t run = 0;

	for (size_t i = 0; i < count; i++) {
		if (map[i / BITS] == UINT64_MAX) {
			run = 0;
			i |= BITS - 1;
			continue;
		}
		if (!run) { /* jump to the first free bit */
			uint64_t rest = ~map[i / BITS] >> i % BITS;

			if (!rest) {
				i |= BITS - 1;
				continue;
			}
			i += (size_t)__builtin_ctzl(rest);
			if (i >= count)
				break;
		}
		run = test(map, i) ? 0 : run + 1;
		if (run == n)
			return i + 1 - n;
	}
	return count;
}

void bounce_init(uint64_t start, uint64_t size)
{
	small_start = start;
	page_start = start + SMALL_SIZE * SMALL_COUNT;
	ASSERT(is_aligned(start, PAGE_SIZE) && start &&
		size > 2ul * SMALL_SIZE * SMALL_COUNT);
	page_count = u64_min(
		(size - SMALL_SIZE * SMALL_COUNT) / PAGE_SIZE, PAGES_MAX);
}

uint64_t bounce_alloc(size_t size)
{
	size_t n, at;

	if (size <= SMALL_SIZE) {
		at = find(small_map, SMALL_COUNT, 1);
		if (at < SMALL_COUNT) {
			set(small_map, at, true);
			used += SMALL_SIZE;
			return small_start + at * SMALL_SIZE;
		}
	}
	n = (size + PAGE_SIZE - 1) / PAGE_SIZE;
	at = find(page_map, page_count, n);
	if (at == page_count)
		return 0;
	for (size_t i = 0; i < n; i++)
		set(page_map, at + i, true);
	used += n * PAGE_SIZE;
	return page_start + at * PAGE_SIZE;
}

void bounce_free(uint64_t off, size_t size)
{
	size_t n, at;

	if (off < page_start) {
		set(small_map, (off - small_start) / SMALL_SIZE, false);
		used -= SMALL_SIZE;
		return;
	}
	n = (size + PAGE_SIZE - 1) / PAGE_SIZE;
	at = (off - page_start) / PAGE_SIZE;
	for (size_t i = 0; i < n; i++)
		set(page_map, at + i, false);
	used -= n * PAGE_SIZE;
}

size_t bounce_used(void)
{
	return used;
}
