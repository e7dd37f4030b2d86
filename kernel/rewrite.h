/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rewriting of instructions that an enclave cannot execute: `syscall`,
 * `cpuid`, and on request `rdtsc`, `rdtscp`.
 *
 * A *plan* is made once per ELF file from the file's bytes alone. It lists the
 * sites that are proven to be instructions, and for each a *window* of at
 * least five bytes that becomes `jmp rel32` to the site's *trampoline*. A
 * trampoline executes the instructions the jump displaced and continues at
 * the kernel's entry, with the return address in %rcx (syscall) or %rdx
 * (the others). It touches neither the stack nor any other register nor flags.
 *
 *   form  window                            after the patch
 *   K1    one instruction before the site   jmp, int3..., 0f 05 left in place
 *   K2    several instructions before       the same
 *   P     3 or 4 bytes before, and the site jmp, int3
 *   POST  the site and what follows         jmp, int3...; the trampoline goes
 *         (and maybe what is before)        on behind the call with the rest
 *
 * Bytes without proof are never touched; a `syscall` there traps. The plan
 * knows nothing of load addresses: bias (load minus link address) and
 * tramp_va (where the trampolines of this load are) come with each call, must
 * be the same for all calls of one load, and must satisfy
 * rewrite_placement_check().
 *
 * Everything here is pure computation on caller's memory: no sleeping except
 * in the read callback, no globals, a plan is immutable once built.
 */
#pragma once

#include "lib/types.h"

enum rewrite_kind {
	REWRITE_SYSCALL,
	REWRITE_CPUID,
	REWRITE_RDTSC,
	REWRITE_RDTSCP,
	REWRITE_KINDS,
};

enum rewrite_form {
	REWRITE_K1,
	REWRITE_K2,
	REWRITE_P,
	REWRITE_POST,
	REWRITE_FORMS,
};

enum { REWRITE_WINDOW_MAX = 40 };

struct rewrite_site {
	uint64_t va; /* link address of the instruction */
	uint64_t off; /* its offset in the file */
	uint32_t tramp; /* offset of its trampoline in the block */
	uint8_t kind; /* enum rewrite_kind */
	uint8_t form; /* enum rewrite_form */
	uint8_t pre; /* bytes of displaced instructions before the site */
	uint8_t post; /* and after it (POST) */
	uint8_t len; /* of the instruction itself, 2 or 3 */
	uint8_t tail; /* last bytes of post that are a relative branch */
	uint8_t orig[REWRITE_WINDOW_MAX]; /* pre + len + post bytes */
};

/* What was found; plain numbers for --stats and for tests. */
struct rewrite_stats {
	uint32_t candidates; /* raw byte matches in executable regions */
	uint32_t refuted; /* proven to lie inside another instruction */
	uint32_t unproven; /* no evidence either way: left alone */
	uint32_t no_window; /* proven, but no window: left alone */
	uint32_t by_evidence[4]; /* FDE, pclntab, symbol, gap */
	uint32_t by_form[REWRITE_KINDS][REWRITE_FORMS];
	uint64_t text_size; /* bytes searched */
	uint64_t decoded; /* bytes decoded */
};

/* Memory for plans and, while building, for work space. */
struct rewrite_alloc {
	void *ctx;
	/* size bytes aligned to 16, or NULL. */
	void *(*alloc)(void *ctx, size_t size);
	void (*free)(void *ctx, void *ptr, size_t size);
};

struct rewrite_src {
	void *ctx;
	/* Up to size bytes at off; returns the count, 0 at the end, or -errno.
	 * Called with large sizes (64 KiB to 2 MiB), mostly ascending. */
	int64_t (*read)(void *ctx, uint64_t off, void *buf, size_t size);
	uint64_t file_size;
	const struct rewrite_alloc *alloc; /* must outlive the plan */
	uint32_t kinds; /* bits 1 << enum rewrite_kind to look for */
	/* This part of the file is in memory already (may be empty), and stays
	 * as it is while the plan is built. */
	const uint8_t *mem;
	uint64_t mem_off, mem_size;
};

struct rewrite_plan {
	const struct rewrite_alloc *alloc;
	struct rewrite_site *sites; /* ascending va, windows disjoint */
	size_t count;
	size_t capacity;
	uint64_t min_va, max_va; /* the PT_LOADs: [min_va, max_va) */
	uint32_t tramp_size; /* bytes of all trampolines */
	struct rewrite_stats stats;
};

/*
 * Reads the file and decides. The file is hostile: any content gives either
 * an error or a plan, in time and memory linear in file_size. A file without
 * sites gives an empty plan.
 * Returns 0; -ENOEXEC (not an x86-64 ELF64 program or library), -ENOMEM, or
 * what read returned.
 */
must_check int rewrite_plan_build(
	const struct rewrite_src *src, struct rewrite_plan **out);
void rewrite_plan_free(struct rewrite_plan *plan);

/* %gs offsets of the pointers through which trampolines leave. */
struct rewrite_gs {
	uint32_t syscall_off; /* to the system call entry */
	uint32_t cpuid_off; /* to the entry for all other kinds, see below */
	uint32_t rdtsc_off;
	uint32_t rdtscp_off;
};

/*
 * Entry protocol. At the entry all state is what it was at the site, except
 *   syscall: %rcx = address to continue at; clobbers allowed: rcx, r11.
 *            The rip the program may see is rewrite_canonical_rip(%rcx).
 *   others:  %rdx = address to continue at; all that may change is what the
 *            instruction writes (cpuid: eax, ebx, ecx, edx; rdtsc: eax, edx;
 *            rdtscp: eax, edx, ecx), flags included.
 */

/* 0, or -ERANGE if image and trampolines are not within reach of rel32. */
must_check int rewrite_placement_check(
	const struct rewrite_plan *plan, uint64_t bias, uint64_t tramp_va);

/* Applied to a chunk: how many windows it touched, and how many it had to
 * leave because the bytes were not those of the plan. */
struct rewrite_applied {
	uint32_t patched;
	uint32_t changed;
};

/*
 * mem holds what the file has for link addresses [lo, hi). Writes the jumps.
 * A window that straddles lo or hi is patched in its inner part; the call for
 * the other chunk does the rest. O(log sites + sites in the chunk).
 */
struct rewrite_applied rewrite_apply(const struct rewrite_plan *plan,
	uint64_t lo, uint64_t hi, uint64_t bias, uint8_t *mem,
	uint64_t tramp_va);

/*
 * Writes plan->tramp_size bytes of trampolines to buf, as they must stand at
 * tramp_va (16-byte aligned). 0; -ENOSPC if cap is too small; -ERANGE as
 * rewrite_placement_check().
 */
must_check int rewrite_emit_trampolines(const struct rewrite_plan *plan,
	uint64_t bias, uint64_t tramp_va, const struct rewrite_gs *gs,
	uint8_t *buf, size_t cap);

/* Is rip inside this load's trampolines? */
bool rewrite_in_trampoline(
	const struct rewrite_plan *plan, uint64_t tramp_va, uint64_t rip);

/*
 * The rip of the unpatched program for one inside a trampoline (a displaced
 * instruction that faulted; the return point of a POST form); any other rip
 * is returned unchanged. Before the jump to the kernel it is the site itself:
 * there %rcx (%rdx) already holds the continuation, which the instruction
 * would overwrite anyhow.
 */
uint64_t rewrite_canonical_rip(const struct rewrite_plan *plan, uint64_t bias,
	uint64_t tramp_va, uint64_t rip);

/*
 * The other way, before a program continues at rip (rt_sigreturn, restart of
 * a system call at site): inside a window it is the place in the trampoline
 * that does the same; any other rip is returned unchanged.
 */
uint64_t rewrite_resume_rip(const struct rewrite_plan *plan, uint64_t bias,
	uint64_t tramp_va, uint64_t rip);

/* The site whose window (instruction included) holds this link address. */
const struct rewrite_site *rewrite_find_site(
	const struct rewrite_plan *plan, uint64_t va);

/* One site at a time: trampoline and window as above.
 * Sizes: rewrite_site_tramp_size(); the window is pre bytes before va. */
uint32_t rewrite_site_tramp_size(const struct rewrite_site *site);
void rewrite_site_emit(const struct rewrite_site *site, uint64_t bias,
	uint64_t tramp_va, const struct rewrite_gs *gs, uint8_t *buf);
/* Writes the patched pre + len + post bytes that replace site->orig. */
void rewrite_site_patch(const struct rewrite_site *site, uint64_t bias,
	uint64_t tramp_va, uint8_t *buf);
