/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every page of the user range is: a two-level table with one byte per
 * page. A leaf covers 16 MiB; leaves are made on first use and stay.
 */
#include <errno.h>

#include "abi/layout.h"
#include "kernel/aspace_impl.h"
#include "kernel/kalloc.h"
#include "lib/string.h"

#define LEAF_PAGES PAGE_SIZE
#define LEAF_SPAN (LEAF_PAGES * PAGE_SIZE)
#define LEAF_COUNT ((USER_END + LEAF_SPAN - 1) / LEAF_SPAN)

static uint8_t *leaves[LEAF_COUNT];

uint8_t pages_get(uint64_t addr)
{
	const uint8_t *leaf = leaves[addr / LEAF_SPAN];

	return leaf ? leaf[addr / PAGE_SIZE % LEAF_PAGES] : 0;
}

int pages_reserve(uint64_t lo, uint64_t hi)
{
	for (uint64_t i = lo / LEAF_SPAN; i <= (hi - 1) / LEAF_SPAN; i++) {
		uint8_t *leaf;

		if (leaves[i])
			continue;
		leaf = kpages_alloc(1);
		if (!leaf)
			return -ENOMEM;
		leaves[i] = leaf;
	}
	return 0;
}

void pages_set(uint64_t lo, uint64_t hi, uint8_t state)
{
	while (lo < hi) {
		uint64_t end = (lo / LEAF_SPAN + 1) * LEAF_SPAN;

		if (end > hi)
			end = hi;
		memset(&leaves[lo / LEAF_SPAN][lo / PAGE_SIZE % LEAF_PAGES],
			state, (end - lo) / PAGE_SIZE);
		lo = end;
	}
}

uint64_t pages_run(uint64_t lo, uint64_t hi, uint8_t *state)
{
	*state = pages_get(lo);
	while (lo < hi) {
		const uint8_t *leaf = leaves[lo / LEAF_SPAN];

		if (!leaf) {
			if (*state)
				return lo;
			lo = (lo / LEAF_SPAN + 1) * LEAF_SPAN;
			continue;
		}
		if (leaf[lo / PAGE_SIZE % LEAF_PAGES] != *state)
			return lo;
		lo += PAGE_SIZE;
	}
	return hi;
}
