/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the two halves of the kernel's allocator: kpages.c owns the page
 * descriptors, kalloc.c keeps small objects in page runs marked as slabs.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum kpages_kind {
	KPAGES_ABSENT = 0, /* not committed, or inside of a run */
	KPAGES_FREE, /* first or last page of a free run */
	KPAGES_RUN, /* first page of an allocated run */
	KPAGES_SLAB, /* any page of a slab */
};

void kpages_init(size_t ready);

/* Pages without promise about their content. */
void *kpages_alloc_raw(size_t count);

/* Marks an allocated run as a slab: kfree finds its start from any page. */
void kpages_mark_slab(void *run, size_t count);

/* What ptr's page is. number: length of the RUN in pages, or for a SLAB the
 * distance of the page from the slab's start. ABSENT for foreign pointers. */
enum kpages_kind kpages_lookup(const void *ptr, size_t *number);

void kpages_stats(size_t *used, size_t *committed);
