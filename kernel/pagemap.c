/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/pagemap.h"

#include "kernel/kalloc.h"
#include "lib/string.h"
#include "lib/types.h"

uintptr_t *pagemap_make(struct pagemap *m, uint64_t index)
{
	uint64_t leaf = index / PAGEMAP_LEAF;

	/* Whatever allocates may sleep, and somebody else may be faster. */
	if (leaf >= m->leaves) {
		uint64_t count = u64_max(leaf + 1, m->leaves * 2);
		uintptr_t **p = kzalloc(count * sizeof(*p));

		if (!p)
			return NULL;
		if (leaf < m->leaves) {
			kfree(p);
		} else {
			if (m->leaves)
				memcpy(p, m->leaf, m->leaves * sizeof(*p));
			kfree(m->leaf);
			m->leaf = p;
			m->leaves = count;
		}
	}
	if (!m->leaf[leaf]) {
		uintptr_t *p = kpages_alloc(1);

		if (!p)
			return NULL;
		if (m->leaf[leaf])
			kpages_free(p, 1);
		else
			m->leaf[leaf] = p;
	}
	return &m->leaf[leaf][index % PAGEMAP_LEAF];
}

void pagemap_free(struct pagemap *m)
{
	for (uint64_t i = 0; i < m->leaves; i++) {
		if (m->leaf[i])
			kpages_free(m->leaf[i], 1);
	}
	kfree(m->leaf);
	*m = (struct pagemap){0};
}
