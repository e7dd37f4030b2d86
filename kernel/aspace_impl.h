/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the address spaces: what aspace*.c share.
 *
 * One sleeping lock, mm_lock, covers all address spaces, the ranges in use
 * and the page states: everything below needs it, unless it says otherwise.
 * The thread that holds it may take it again (a page-in may read a file whose
 * reading faults). Without it, the sets are consistent at every sleep point,
 * so /proc may read them under the big kernel lock alone.
 */
#pragma once

#include "kernel/aspace.h"
#include "kernel/file.h"
#include "kernel/vma.h"
#include "lib/list.h"

enum { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4 };

struct aspace {
	uint32_t refs;
	struct vma_set set;
	uint64_t committed; /* bytes */
	uint64_t brk_start, brk; /* 0: no program yet */
	uint64_t map_top; /* search for free ranges starts below */
	struct list texts; /* struct text_load */
	bool fixed_layout; /* no randomisation (personality) */
};

void mm_lock(void);
void mm_unlock(void);

extern struct range_set aspace_used; /* all processes' ranges */

/* ---- page states (aspace_pages.c) ---- */
/*
 * One byte per page of the user range. The permissions are those of the EPCM,
 * which the processor checks; HIDDEN: the host's page table has none.
 */
enum {
	PAGE_R = 1,
	PAGE_W = 2,
	PAGE_X = 4,
	PAGE_PERM = 7,
	PAGE_COMMITTED = 8,
	PAGE_HIDDEN = 16,
	PAGE_DIRTY = 32, /* of a shared file mapping: to be written back */
};

uint8_t pages_get(uint64_t addr);
/* Tables for [lo, hi); -ENOMEM. May sleep. */
int pages_reserve(uint64_t lo, uint64_t hi) __attribute__((warn_unused_result));
/* The range must be reserved. */
void pages_set(uint64_t lo, uint64_t hi, uint8_t state);
/* End of the run of pages with the state of lo's, at most hi. */
uint64_t pages_run(uint64_t lo, uint64_t hi, uint8_t *state);

/* ---- commit (aspace_commit.c) ---- */
/* The EPCM permissions that stand for a protection. */
uint8_t commit_perm(int prot);
/* Pages [lo, hi), none of them committed, with the content of src (NULL:
 * zeroes). 0 or -ENOMEM. */
int commit_copy(
	struct aspace *as, uint64_t lo, uint64_t hi, int prot, const void *src);
/* hidden: nobody looks at the pages that get content before it is there.
 * The two halves of that: a range is added at once, then filled in parts, all
 * of them, before anybody else may look. */
int commit_begin(struct aspace *as, uint64_t lo, uint64_t hi, bool hidden)
	__attribute__((warn_unused_result));
void commit_fill(uint64_t lo, uint64_t hi, int prot, const void *src);
/* Changes what is committed within [lo, hi) to prot. */
int commit_protect(uint64_t lo, uint64_t hi, int prot, bool keep);
/* Gives back what is committed within [lo, hi). */
void commit_drop(struct aspace *as, uint64_t lo, uint64_t hi);
/* How many more bytes the limit allows. */
uint64_t commit_room(void);

/* ---- mappings of files (aspace_file.c) ---- */
struct text_load;

struct mapping {
	struct vma_object base;
	struct file *file; /* referenced */
	uint64_t dev, ino;
	uint64_t limit;
	struct text_load *text; /* rewriting of an executable mapping */
};

struct mapping *mapping_of(const struct vma *v); /* VMA_FILE only */
/* limit: offset in the file from which on zeroes are mapped. */
int mapping_new(struct file *file, uint64_t limit, struct mapping **out);
/* Loads [lo, hi) of a file mapping, not committed so far. fault is the page
 * somebody waits for. 0, -ENXIO (fault is behind the end), -ENOMEM, -EIO. */
int mapping_load(struct aspace *as, const struct vma *v, uint64_t lo,
	uint64_t hi, uint64_t fault);

uint64_t mapping_size(struct mapping *m); /* of the file, now */
/* Writes back the dirty pages of shared mappings in [lo, hi). */
int mapping_write_back(struct aspace *as, uint64_t lo, uint64_t hi);

/* After mapping of a file, or of an image, at [lo, hi): loads at once what will
 * be used soon and finds out what to rewrite. Best effort. */
void mapping_preload(struct aspace *as, uint64_t lo, uint64_t hi, bool image);

/* ---- shared files in memory (aspace_object.c) ---- */
bool object_wanted(const struct file *f);
int64_t object_map(struct aspace *as, uint64_t addr, uint64_t size, int prot,
	unsigned flags, struct file *f, uint64_t offset);
/* As mapping_load(), for VMA_SHARED. */
int object_load(const struct vma *v, uint64_t lo, uint64_t hi, uint64_t fault);
/* munmap of [start, end): was v mapped more than once? Then once less. */
bool object_forget_repeat(const struct vma *v, uint64_t start, uint64_t end);
struct file *object_file(const struct vma *v);
int object_sync(const struct file *f); /* msync(MS_SYNC) */

/* ---- aspace.c ---- */
/* For those who hold the lock. */
int64_t aspace_map_locked(struct aspace *as, uint64_t addr, uint64_t size,
	int prot, unsigned flags, struct vma *proto);
int aspace_unmap_locked(struct aspace *as, uint64_t addr, uint64_t size);
int64_t aspace_map_file(struct aspace *as, uint64_t addr, uint64_t size,
	int prot, unsigned flags, struct file *file, uint64_t offset,
	uint64_t limit);
/* Is [start, end) free but for own's (may be NULL) mappings? */
bool aspace_available(const struct aspace *own, uint64_t start, uint64_t end);
/* Empties [addr, addr + size) for a mapping at a fixed place. */
int aspace_clear(
	struct aspace *as, uint64_t addr, uint64_t size, unsigned flags);
/* Do the pages of v belong to its process? */
bool aspace_owns_pages(const struct vma *v);
/* A free range; 0 if there is none. */
uint64_t aspace_find_free(
	struct aspace *as, uint64_t size, uint64_t align, unsigned flags);
/* Shows the vDSO in as; no error if there is none. */
int vdso_attach(struct aspace *as);
/* Commits [lo, hi) of one mapping, skipping what is committed already. */
int aspace_populate(struct aspace *as, uint64_t lo, uint64_t hi);
