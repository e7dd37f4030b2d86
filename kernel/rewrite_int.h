/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the rewriter share while a plan is being built.
 *
 * rewrite_elf.c   file access, headers: where is code, where are the tables
 * rewrite_find.c  candidates, and which function or gap each lies in
 * rewrite_unwind.c  functions by .eh_frame_hdr and .eh_frame
 * rewrite_plan.c  decoding of those, choice of windows, the plan itself
 * rewrite_scan.c  bytes that may be such an instruction, or a jump
 * rewrite_emit.c  patched bytes, trampolines, maps of rip (needs no builder)
 *
 * Bounds against hostile files: reads are charged to read_budget, decoding
 * and table walks to work_budget, both linear in the file's size; whoever
 * runs out stops looking for proof, which is always allowed.
 */
#pragma once

#include "kernel/rewrite.h"
#include "lib/string.h"

enum {
	REWRITE_REGIONS = 64,
	REWRITE_LOADS = 32,
	REWRITE_CANDS = 1 << 16,
	REWRITE_VIEW = 64 << 10, /* window over tables */
	REWRITE_CODE =
		256 << 10, /* window over code: fits a processor's cache */
	REWRITE_AREA = 4 << 20, /* the largest function or gap looked at */
};

/* Where the proof comes from; the order of rewrite_stats.by_evidence. */
enum rewrite_evidence { EV_FDE, EV_PCLN, EV_SYM, EV_GAP };

/* A run of bytes that the program may execute and that is code by its
 * section header, or by its segment if there are no section headers. */
struct region {
	uint64_t va, size, off;
};

struct load {
	uint64_t va, size, off; /* file-backed part */
	bool exec;
};

struct cand {
	uint64_t va;
	uint64_t lo, hi; /* the function or gap around it */
	uint8_t kind; /* enum rewrite_kind */
	uint8_t evidence; /* enum rewrite_evidence */
	uint16_t region;
	bool lost; /* its tables contradict themselves: no proof */
};

/* A sliding window over the file. */
struct view {
	uint8_t *buf;
	size_t cap, have;
	uint64_t off;
};

/* A table in the file: va is its link address if it has one. */
struct extent {
	uint64_t off, size, va;
};

struct builder {
	const struct rewrite_src *src;
	struct rewrite_plan *plan;
	int err; /* first failure of read or alloc */
	uint64_t read_budget, work_budget;

	struct load loads[REWRITE_LOADS];
	struct region regions[REWRITE_REGIONS];
	unsigned int load_count, region_count;
	bool sections; /* regions come from section headers: gaps are code */
	struct extent eh_hdr, eh_frame, pclntab, dynsym, symtab, text;

	uint64_t fde_count; /* entries of .eh_frame_hdr, if it was usable */

	struct cand *cands;
	size_t cand_count, cand_cap;

	struct view text_view, table_view, frame_view;
	uint8_t *marks; /* one byte for each byte of an area */
	size_t marks_cap;
};

/* rewrite_elf.c */
void *rewrite_alloc_bytes(struct builder *b, size_t size);
void rewrite_free_bytes(struct builder *b, void *ptr, size_t size);
must_check int rewrite_view_init(struct builder *b, struct view *v, size_t cap);
void rewrite_view_fini(struct builder *b, struct view *v);
/* size bytes at off, valid until the next call; NULL if the file does not
 * have them, size exceeds the window, or the budget is spent. */
const uint8_t *rewrite_view_at(
	struct builder *b, struct view *v, uint64_t off, size_t size);
/* Takes n from the work budget; false when it is spent. */
bool rewrite_work(struct builder *b, uint64_t n);
must_check int rewrite_elf_read(struct builder *b);
/* File offset of [va, va + size) in one PT_LOAD. */
bool rewrite_va_to_off(
	const struct builder *b, uint64_t va, uint64_t size, uint64_t *off);

/* rewrite_find.c */
must_check int rewrite_find_candidates(struct builder *b);
void rewrite_find_evidence(struct builder *b);

/* rewrite_unwind.c */
typedef bool rewrite_function_fn(void *ctx, uint64_t start, uint64_t size);
/* Place all candidates by .eh_frame_hdr; false if it is not usable. */
must_check bool rewrite_unwind_place(struct builder *b);
/* Every function of .eh_frame, in the order of the file, until use() says
 * no; false then, and if the records are malformed. */
must_check bool rewrite_unwind_each(
	struct builder *b, rewrite_function_fn *use, void *ctx);

/* rewrite_scan.c */
enum rewrite_pattern { REWRITE_OPCODES, REWRITE_JUMPS };
typedef bool rewrite_scan_fn(void *ctx, size_t at);
/* Calls hit for each place in p[0..count) where the pattern may begin, and for
 * others, until it returns false. avail >= count bytes are readable. */
bool rewrite_scan(const uint8_t *p, size_t count, size_t avail,
	enum rewrite_pattern which, rewrite_scan_fn *hit, void *ctx);

/* rewrite_emit.c */
/* Length of a plain `mov $nr,%eax` or `%rax` that ends at site, or 0; before
 * bytes in front of site are readable. */
unsigned int rewrite_mov_nr(const uint8_t *site, size_t before);

static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
		(uint32_t)p[3] << 24;
}

static inline uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}
