/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which bytes of code could begin an instruction that matters: nearly all of a
 * file is looked at only here, hence the vector registers. Each run puts back
 * what was in them; a tick in between switches no thread.
 */
#include "kernel/rewrite_int.h"

enum { BLOCK = 16, BLOCKS = 128 };

typedef uint8_t vector[BLOCK] __attribute__((aligned(BLOCK)));
#define EACH(x)                                                \
	{                                                      \
		x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x \
	}

static const vector patterns[2][5] = {
	/* 0f 05, 0f a2, 0f 01, 0f 31 (and 0f 11, 0f 21) */
	[REWRITE_OPCODES] = {EACH(0x0f), EACH(0x05), EACH(0xa2), EACH(0xcf),
		EACH(0x01)},
	/* 0f 8x, e9 */
	[REWRITE_JUMPS] = {EACH(0x0f), EACH(0xe9), EACH(0), EACH(0xf0),
		EACH(0x80)},
};

#define ALL(op) op(0) op(1) op(2) op(3)
#define PUT(n) "movdqu %%xmm" #n ", 16*" #n "(%[save])\n\t"
#define GET(n) "movdqu 16*" #n "(%[save]), %%xmm" #n "\n\t"

/* xmm0: the bytes that begin a match. xmm1: the bytes behind; also in xmm2. */
#define IS_OPCODE                        \
	"movdqa %%xmm1, %%xmm3\n\t"      \
	"pcmpeqb 16(%[pat]), %%xmm1\n\t" \
	"pcmpeqb 32(%[pat]), %%xmm3\n\t" \
	"pand 48(%[pat]), %%xmm2\n\t"    \
	"pcmpeqb 64(%[pat]), %%xmm2\n\t" \
	"por %%xmm3, %%xmm1\n\t"         \
	"por %%xmm2, %%xmm1\n\t"         \
	"pcmpeqb (%[pat]), %%xmm0\n\t"   \
	"pand %%xmm1, %%xmm0\n\t"
#define IS_JUMP                          \
	"movdqa %%xmm0, %%xmm3\n\t"      \
	"pcmpeqb (%[pat]), %%xmm0\n\t"   \
	"pcmpeqb 16(%[pat]), %%xmm3\n\t" \
	"pand 48(%[pat]), %%xmm2\n\t"    \
	"pcmpeqb 64(%[pat]), %%xmm2\n\t" \
	"pand %%xmm2, %%xmm0\n\t"        \
	"por %%xmm3, %%xmm0\n\t"

#define LOOK(match)                                                    \
	__asm__ volatile(                                              \
		ALL(PUT) "1:\n\t"                                      \
			 "movdqu (%[p]), %%xmm0\n\t"                   \
			 "movdqu 1(%[p]), %%xmm1\n\t"                  \
			 "movdqa %%xmm1, %%xmm2\n\t" match             \
			 "pmovmskb %%xmm0, %%eax\n\t"                  \
			 "mov %%ax, (%[out])\n\t"                      \
			 "add $16, %[p]\n\t"                           \
			 "add $2, %[out]\n\t"                          \
			 "cmp %[end], %[p]\n\t"                        \
			 "jb 1b\n\t" ALL(GET)                          \
		: [p] "+r"(p), [out] "+r"(out)                         \
		: [end] "r"(end), [pat] "r"(pattern), [save] "r"(save) \
		: "rax", "cc", "memory")

/* One bit per byte of p[0 .. BLOCK * count]; the last one is only looked at. */
static void look(const uint8_t *p, size_t count, enum rewrite_pattern which,
	uint16_t *out)
{
	const uint8_t *end = p + BLOCK * count;
	const vector *pattern = patterns[which];
	uint8_t save[4 * BLOCK];

	if (which == REWRITE_OPCODES)
		LOOK(IS_OPCODE);
	else
		LOOK(IS_JUMP);
}

bool rewrite_scan(const uint8_t *p, size_t count, size_t avail,
	enum rewrite_pattern which, rewrite_scan_fn *hit, void *ctx)
{
	union {
		uint16_t block[BLOCKS];
		uint64_t word[BLOCKS / 4];
	} mask;
	size_t at = 0;

	while (at < count) {
		size_t blocks = (avail - at - 1) / BLOCK, next;

		blocks = blocks > BLOCKS ? BLOCKS : blocks;
		/* All of what is too short. */
		for (; !blocks && at < count; at++)
			if (!hit(ctx, at))
				return false;
		mask.word[blocks / 4 % (BLOCKS / 4)] = 0;
		if (blocks)
			look(p + at, blocks, which, mask.block);
		next = at + blocks * BLOCK;
		for (size_t i = 0; at < next; i++, at += 4 * BLOCK)
			for (uint64_t m = mask.word[i]; m; m &= m - 1) {
				size_t found = at + (size_t)__builtin_ctzll(m);

				if (found < count && !hit(ctx, found))
					return false;
			}
		at = next;
	}
	return true;
}
