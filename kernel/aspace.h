/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces: which ranges of the enclave's one linear range a process
 * has mapped, with what behind them, and which pages are committed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aspace;
struct file;

/* ASPACE_* flags of a mapping. Protections are PROT_* of mmap(2). */
enum {
	ASPACE_FIXED = 1, /* at exactly addr, replacing what is there */
	ASPACE_NOREPLACE = 2, /* at exactly addr or -EEXIST */
	ASPACE_SHARED = 4,
	ASPACE_STACK = 8, /* shown as [stack] */
	ASPACE_HEAP = 16, /* shown as [heap] */
	ASPACE_KERNEL = 32, /* vDSO, trampolines: munmap by the application
			       is allowed, mprotect to writable is not */
	ASPACE_POPULATE = 64,
	ASPACE_32BIT = 128, /* below 2 GiB */
	ASPACE_IMAGE = 512, /* more comes; then mapping_preload() */
	ASPACE_LOW_SEARCH = 256,
};

struct aspace *aspace_new(void);
struct aspace *aspace_get(struct aspace *as);
void aspace_put(struct aspace *as); /* last one unmaps everything; may sleep */
/* From now on no page is given back: the enclave ends. */
void aspace_end(void);

/* Maps size bytes (rounded up to pages): file NULL is anonymous memory.
 * addr is a hint unless FIXED/NOREPLACE. Takes its own reference on file.
 * The address or -errno. May sleep. */
int64_t aspace_map(struct aspace *as, uint64_t addr, uint64_t size, int prot,
	unsigned flags, struct file *file, uint64_t offset);
int aspace_unmap(struct aspace *as, uint64_t addr, uint64_t size);
int aspace_protect(struct aspace *as, uint64_t addr, uint64_t size, int prot);
/* exec: the heap starts behind the program. */
void aspace_set_brk(struct aspace *as, uint64_t start);
/* brk(2): the new break, or the old one if that is impossible. */
uint64_t aspace_brk(struct aspace *as, uint64_t want);
/* mremap(2), with its flags. */
int64_t aspace_remap(struct aspace *as, uint64_t addr, uint64_t old_size,
	uint64_t new_size, unsigned flags, uint64_t new_addr);
/* Ranges of whole pages: MADV_DONTNEED, populate, msync (writes back what was
 * changed through shared mappings; wait: until the file has it). */
int aspace_discard(struct aspace *as, uint64_t addr, uint64_t size);
int aspace_prefault(struct aspace *as, uint64_t addr, uint64_t size);
int aspace_sync(struct aspace *as, uint64_t addr, uint64_t size, bool wait);
/* Is all of it mapped? Is the page committed? */
bool aspace_mapped(struct aspace *as, uint64_t addr, uint64_t size);
bool aspace_resident(uint64_t addr);

/*
 * Resolves a fault of the current process at addr; write/exec tell the
 * access. 0: committed or was fine, go on. -EFAULT: no mapping (SEGV_MAPERR).
 * -EACCES: mapped, not allowed (SEGV_ACCERR). -ENOMEM: memory limit reached.
 * -ENXIO: beyond the end of the file (SIGBUS). May sleep.
 */
int aspace_fault(struct aspace *as, uint64_t addr, bool write, bool exec);

/* A rip inside one of this aspace's trampolines -> the rip the application
 * believes in; otherwise rip itself (signal frames, see rewriting). */
uint64_t aspace_canonical_rip(struct aspace *as, uint64_t rip);
/* The other way, before the application continues at rip (return from a
 * signal handler): inside a rewritten window the place in the trampoline that
 * does the same; otherwise rip itself. */
uint64_t aspace_resume_rip(struct aspace *as, uint64_t rip);

/* Committed bytes: this address space, all of them, and the limit. */
uint64_t aspace_committed(const struct aspace *as);
/* Could size more bytes be committed? If not, says so once. */
bool aspace_room(uint64_t size);
void aspace_memory(uint64_t *used, uint64_t *limit);
uint64_t aspace_memory_peak(void);
/* Memory that programs fill without mapping it (files in memory) counts
 * against the same limit. False: it is reached; force: count it anyway. */
bool aspace_charge(uint64_t size, bool force);
void aspace_uncharge(uint64_t size);

/* For /proc/PID/maps: mapping at or above addr; false at the end. */
struct aspace_info {
	uint64_t start, end, offset, dev, ino;
	int prot;
	bool shared;
	const char *name; /* "[heap]", "[stack]", "[vdso]"... or NULL */
	struct file *file; /* NULL: none; not referenced */
};
bool aspace_next(struct aspace *as, uint64_t addr, struct aspace_info *info);

/* No randomised addresses (personality ADDR_NO_RANDOMIZE). */
void aspace_no_random(struct aspace *as);

/* Boot: limit in bytes for all programs together. */
void aspace_init(uint64_t limit);
