/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Applying a plan: patched bytes, trampolines, and the maps between an
 * address in a trampoline and the one the program knows.
 *
 * A trampoline, 8-byte aligned in its block:
 *
 *	[pre bytes: displaced instructions]
 *	lea  next(%rip),%rcx        syscall; %rdx for the other kinds
 *	jmp  *%gs:entry
 *	[post bytes: displaced instructions]   POST: next is here
 *	[jcc target, if they end with one]
 *	jmp  window end, or target if they end with a jmp
 *
 * Else next is the instruction behind the site. Displaced instructions keep
 * their length (only RIP-relative displacements change), so both maps are
 * linear pieces.
 */
#include "kernel/rewrite_int.h"

#include "kernel/insn.h"
#include "lib/string.h"

#include <asm/errno.h>

enum {
	LEA_LEN = 7,
	LEAVE_LEN = LEA_LEN + 8,
	JUMP_LEN = 5,
	JCC_LEN = 6,
	INT3 = 0xcc
};

static void put32(uint8_t *p, uint64_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

/* K1 and K2 leave the instruction itself in place. */
static bool kept(const struct rewrite_site *s)
{
	return s->form == REWRITE_K1 || s->form == REWRITE_K2;
}

/* Does the displaced code end with a conditional branch? */
static bool tail_conditional(const struct rewrite_site *s)
{
	const uint8_t *p = s->orig + s->pre + s->len + s->post - s->tail;

	return s->tail && p[0] != 0xe9 && p[0] != 0xeb;
}

/* ---- one site ---- */

uint32_t rewrite_site_tramp_size(const struct rewrite_site *s)
{
	uint32_t size = s->pre + LEAVE_LEN;

	if (s->post)
		size += s->post - s->tail + JUMP_LEN;
	if (tail_conditional(s))
		size += JCC_LEN;
	return (size + 7) & ~7u;
}

static uint8_t *emit_jump(uint8_t *p, uint64_t from, uint64_t to)
{
	p[0] = 0xe9;
	put32(p + 1, to - (from + JUMP_LEN));
	return p + JUMP_LEN;
}

/* size bytes of whole instructions from orig at address from to p at to. */
static uint8_t *emit_displaced(uint8_t *p, uint64_t to, const uint8_t *orig,
	uint64_t from, size_t size)
{
	struct insn in;

	memcpy(p, orig, size);
	for (size_t i = 0; i < size; i += in.len) {
		if (!insn_decode(orig + i, size - i, &in))
			break; /* not reached: the plan decoded them */
		if (in.rip_pos)
			put32(p + i + in.rip_pos,
				get32(orig + i + in.rip_pos) + from - to);
	}
	return p + size;
}

/* What follows a POST site, then back: at to, originally at from. */
static uint8_t *emit_rest(
	const struct rewrite_site *s, uint8_t *p, uint64_t to, uint64_t from)
{
	const uint8_t *orig = s->orig + s->pre + s->len;
	size_t plain = (size_t)s->post - s->tail;
	uint64_t target = from + s->post;
	struct insn in;

	p = emit_displaced(p, to, orig, from, plain);
	to += plain;
	if (s->tail && insn_decode(orig + plain, s->tail, &in))
		target += (uint64_t)(int64_t)in.rel;
	if (tail_conditional(s)) {
		/* 7x rel8 and 0f 8x rel32 have the condition in the low bits
		 * of the byte in front of the displacement. */
		p[0] = 0x0f;
		p[1] = 0x80 | (orig[s->tail == 2 ? plain : plain + 1] & 0x0f);
		put32(p + 2, target - (to + JCC_LEN));
		p += JCC_LEN;
		to += JCC_LEN;
		target = from + s->post;
	}
	return emit_jump(p, to, target);
}

static uint32_t gs_offset(const struct rewrite_gs *gs, uint8_t kind)
{
	switch (kind) {
	case REWRITE_SYSCALL:
		return gs->syscall_off;
	case REWRITE_CPUID:
		return gs->cpuid_off;
	case REWRITE_RDTSC:
		return gs->rdtsc_off;
	}
	return gs->rdtscp_off;
}

void rewrite_site_emit(const struct rewrite_site *s, uint64_t bias,
	uint64_t tramp_va, const struct rewrite_gs *gs, uint8_t *buf)
{
	uint32_t size = rewrite_site_tramp_size(s);
	uint64_t site = s->va + bias, after = site + s->len, next;
	uint64_t lea = tramp_va + s->pre;
	uint8_t *p = buf;

	next = s->post ? lea + LEAVE_LEN : after;
	p = emit_displaced(p, tramp_va, s->orig, site - s->pre, s->pre);
	p[0] = 0x48;
	p[1] = 0x8d;
	p[2] = s->kind == REWRITE_SYSCALL ? 0x0d : 0x15;
	put32(p + 3, next - (lea + LEA_LEN));
	p += LEA_LEN;
	p[0] = 0x65;
	p[1] = 0xff;
	p[2] = 0x24;
	p[3] = 0x25;
	put32(p + 4, gs_offset(gs, s->kind));
	p += 8;
	if (s->post)
		p = emit_rest(s, p, next, after);
	memset(p, INT3, size - (size_t)(p - buf));
}

void rewrite_site_patch(const struct rewrite_site *s, uint64_t bias,
	uint64_t tramp_va, uint8_t *buf)
{
	size_t size = (size_t)s->pre + s->len + s->post;

	memset(buf, INT3, size);
	emit_jump(buf, s->va + bias - s->pre, tramp_va);
	if (kept(s))
		memcpy(buf + s->pre, s->orig + s->pre, s->len);
}

/* ---- the whole plan ---- */

int rewrite_placement_check(
	const struct rewrite_plan *plan, uint64_t bias, uint64_t tramp_va)
{
	uint64_t lo = plan->min_va + bias, hi = plan->max_va + bias, end;

	if (!plan->count)
		return 0;
	if (hi < lo || add_overflows(tramp_va, plan->tramp_size, &end))
		return -ERANGE;
	if (tramp_va < lo)
		lo = tramp_va;
	if (end > hi)
		hi = end;
	return hi - lo < (1ull << 31) - 64 ? 0 : -ERANGE;
}

/* The first site whose window ends above va. */
static size_t first_site(const struct rewrite_plan *plan, uint64_t va)
{
	size_t lo = 0, hi = plan->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct rewrite_site *s = &plan->sites[mid];

		if (s->va + s->len + s->post <= va)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct rewrite_applied rewrite_apply(const struct rewrite_plan *plan,
	uint64_t lo, uint64_t hi, uint64_t bias, uint8_t *mem,
	uint64_t tramp_va)
{
	struct rewrite_applied done = {0, 0};

	for (size_t i = first_site(plan, lo); i < plan->count; i++) {
		const struct rewrite_site *s = &plan->sites[i];
		uint64_t start = s->va - s->pre, from = start;
		uint64_t end = s->va + s->len + s->post;
		uint8_t bytes[REWRITE_WINDOW_MAX];

		if (start >= hi)
			break;
		if (from < lo)
			from = lo;
		if (end > hi)
			end = hi;
		if (memcmp(mem + (from - lo), s->orig + (from - start),
			    (size_t)(end - from))) {
			done.changed++;
			continue;
		}
		rewrite_site_patch(s, bias, tramp_va + s->tramp, bytes);
		memcpy(mem + (from - lo), bytes + (from - start),
			(size_t)(end - from));
		done.patched++;
	}
	return done;
}

int rewrite_emit_trampolines(const struct rewrite_plan *plan, uint64_t bias,
	uint64_t tramp_va, const struct rewrite_gs *gs, uint8_t *buf,
	size_t cap)
{
	int err = rewrite_placement_check(plan, bias, tramp_va);

	if (err)
		return err;
	if (cap < plan->tramp_size)
		return -ENOSPC;
	for (size_t i = 0; i < plan->count; i++) {
		const struct rewrite_site *s = &plan->sites[i];

		rewrite_site_emit(
			s, bias, tramp_va + s->tramp, gs, buf + s->tramp);
	}
	return 0;
}

/* ---- maps of rip ---- */

bool rewrite_in_trampoline(
	const struct rewrite_plan *plan, uint64_t tramp_va, uint64_t rip)
{
	return rip >= tramp_va && rip - tramp_va < plan->tramp_size;
}

uint64_t rewrite_canonical_rip(const struct rewrite_plan *plan, uint64_t bias,
	uint64_t tramp_va, uint64_t rip)
{
	size_t lo = 0, hi = plan->count;
	const struct rewrite_site *s;
	uint64_t at;

	if (!rewrite_in_trampoline(plan, tramp_va, rip))
		return rip;
	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (plan->sites[mid].tramp <= rip - tramp_va)
			lo = mid;
		else
			hi = mid;
	}
	s = &plan->sites[lo];
	at = rip - tramp_va - s->tramp;
	if (at < s->pre)
		return s->va + bias - s->pre + at;
	at -= s->pre;
	if (at < LEAVE_LEN)
		return s->va + bias;
	at -= LEAVE_LEN;
	if (at > (uint64_t)s->post - s->tail)
		at = s->post; /* the jump at the end */
	return s->va + bias + s->len + at;
}

uint64_t rewrite_resume_rip(const struct rewrite_plan *plan, uint64_t bias,
	uint64_t tramp_va, uint64_t rip)
{
	const struct rewrite_site *s = rewrite_find_site(plan, rip - bias);
	uint64_t va = rip - bias, tramp;

	if (!s)
		return rip;
	tramp = tramp_va + s->tramp;
	if (va <= s->va)
		return tramp + (va - (s->va - s->pre));
	if (s->post && va >= s->va + s->len)
		return tramp + s->pre + LEAVE_LEN + (va - s->va - s->len);
	return rip;
}

const struct rewrite_site *rewrite_find_site(
	const struct rewrite_plan *plan, uint64_t va)
{
	size_t i = first_site(plan, va);
	const struct rewrite_site *s = &plan->sites[i];

	return i < plan->count && va >= s->va - s->pre ? s : NULL;
}

unsigned int rewrite_mov_nr(const uint8_t *site, size_t before)
{
	if (before >= 7 && site[-7] == 0x48 && site[-6] == 0xc7 &&
		site[-5] == 0xc0 && get32(site - 4) < 0x400)
		return 7;
	/* Behind REX or 66 it would be a mov to another register or size. */
	if (before >= 6 && site[-5] == 0xb8 && get32(site - 4) < 0x400 &&
		(site[-6] & 0xf0) != 0x40 && site[-6] != 0x66)
		return 5;
	return 0;
}
