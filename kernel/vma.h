/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ranges of an address space: a set of disjoint mappings, sorted by
 * address, with lookup in O(log n), splitting and merging; and the set of
 * all ranges in use in the enclave, with the search for free ones.
 *
 * Pure bookkeeping: no page is touched here, nothing sleeps but kmalloc.
 * Both are sorted arrays: a process has hundreds of mappings, and moving the
 * tail of such an array costs less than the cache misses of a tree.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a mapping shows: a file, a trampoline block. Counted references. */
struct vma_object {
	uint32_t refs;
	void (*release)(struct vma_object *obj); /* last one gone; may sleep */
};

/* How pages of a mapping come to be. */
enum vma_kind {
	VMA_ANON,
	VMA_FILE, /* private or shared pages of a file */
	VMA_TRAMPOLINE, /* generated code */
	VMA_SHARED, /* view of a file in memory: pages are the object's */
	VMA_FOREIGN, /* pages belong to someone else (vDSO) */
};

struct vma {
	uint64_t start, end;
	uint64_t offset; /* in the object, of start */
	struct vma_object *obj; /* NULL for VMA_ANON; counted by the set */
	uint8_t kind;
	uint8_t prot; /* PROT_* */
	uint16_t flags; /* ASPACE_SHARED, STACK, HEAP, KERNEL */
	uint32_t window; /* pages to commit at the next fault */
	uint64_t next; /* where a sequential user will fault next */
};

enum { VMA_COUNT_MAX = 65530 };

struct vma_set {
	struct vma *v; /* ascending, disjoint */
	size_t count, capacity;
};

void vma_set_fini(struct vma_set *s); /* set must be empty */

/* Index of the first mapping whose end is above addr (count if none): it
 * contains addr, or is the next one above. */
size_t vma_index(const struct vma_set *s, uint64_t addr);
/* The mapping that contains addr, or NULL. Valid until the set changes. */
struct vma *vma_find(const struct vma_set *s, uint64_t addr);
/* Does [start, end) touch any mapping? */
bool vma_overlaps(const struct vma_set *s, uint64_t start, uint64_t end);
/* Is every page of [start, end) mapped? */
bool vma_covers(const struct vma_set *s, uint64_t start, uint64_t end);

/* Makes sure that count more entries fit: insert and split of so many do not
 * fail afterwards. -ENOMEM also past VMA_COUNT_MAX. */
int vma_reserve(struct vma_set *s, size_t count)
	__attribute__((warn_unused_result));
/* [start, end) must be free and an entry reserved. Takes over the caller's
 * reference on v->obj. Merges with equal neighbours. */
void vma_insert(struct vma_set *s, const struct vma *v);
/* Makes addr a boundary, if it lies inside a mapping. An entry reserved. */
void vma_split(struct vma_set *s, uint64_t addr);
/* Drops all of [start, end), splitting at its ends: two entries reserved.
 * Objects without references left are released (may sleep) at the end. */
void vma_remove(struct vma_set *s, uint64_t start, uint64_t end);
/* Joins the mappings at indices first..last with equal neighbours. */
void vma_merge(struct vma_set *s, size_t first, size_t last);

struct vma_object *vma_object_get(struct vma_object *obj);
void vma_object_put(struct vma_object *obj); /* NULL is fine */

/* ---- ranges in use ---- */
struct range {
	uint64_t start, end;
};

struct range_set {
	struct range *r; /* ascending; neighbours that touch are one */
	size_t count, capacity;
};

/* Marks [start, end), which may partly be marked already. -ENOMEM. */
int range_add(struct range_set *s, uint64_t start, uint64_t end)
	__attribute__((warn_unused_result));
/* Unmarks; cannot fail if it makes no hole. -ENOMEM: nothing was done. */
int range_remove(struct range_set *s, uint64_t start, uint64_t end);
bool range_free(const struct range_set *s, uint64_t start, uint64_t end);
/* The highest (or lowest) free range of that size within [lo, hi), aligned;
 * 0: there is none. */
uint64_t range_find_high(const struct range_set *s, uint64_t size,
	uint64_t align, uint64_t lo, uint64_t hi);
uint64_t range_find_low(const struct range_set *s, uint64_t size,
	uint64_t align, uint64_t lo, uint64_t hi);
