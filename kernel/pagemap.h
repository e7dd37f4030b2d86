/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sparse table of words by page index, in two levels: what the files in
 * memory keep about their pages. A zeroed struct is empty.
 */
#pragma once

#include <stdint.h>

enum { PAGEMAP_LEAF = 512 }; /* words of one piece */

struct pagemap {
	uintptr_t **leaf; /* each of PAGEMAP_LEAF words, or NULL */
	uint64_t leaves;
};

/* NULL: nothing was ever put there. */
static inline uintptr_t *pagemap_find(const struct pagemap *m, uint64_t index)
{
	uint64_t leaf = index / PAGEMAP_LEAF;

	if (leaf >= m->leaves || !m->leaf[leaf])
		return 0;
	return &m->leaf[leaf][index % PAGEMAP_LEAF];
}

/* The word, 0 if it is new; NULL: no memory. Sleeps, and words move. */
uintptr_t *pagemap_make(struct pagemap *m, uint64_t index);
void pagemap_free(struct pagemap *m);
