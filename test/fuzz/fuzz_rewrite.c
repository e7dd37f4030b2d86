/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an ELF file for the rewriter. Beyond not crashing: the plan
 * says the truth about the file, windows are disjoint and large enough, work
 * is bounded, applying in pieces equals applying at once, and the maps of rip
 * agree.
 */
#include "kernel/insn.h"
#include "kernel/rewrite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(cond)                       \
	do {                              \
		if (!(cond))              \
			__builtin_trap(); \
	} while (0)

struct input {
	const uint8_t *data;
	size_t size;
	uint64_t bytes_read;
	size_t live;
};

static int64_t read_input(void *ctx, uint64_t off, void *buf, size_t size)
{
	struct input *in = ctx;

	CHECK(off < in->size && size > 0 && size <= in->size - off);
	/* The last byte of the file decides how the host serves reads. */
	if (in->data[in->size - 1] == 1 && size > 100)
		size = 100;
	if (in->data[in->size - 1] == 2 && off > 4096)
		return -EIO;
	if (in->data[in->size - 1] == 3 && off > 8192)
		return 0;
	memcpy(buf, in->data + off, size);
	in->bytes_read += size;
	return (int64_t)size;
}

static void *take(void *ctx, size_t size)
{
	CHECK(size > 0 && size <= 64 << 20);
	((struct input *)ctx)->live += size;
	return malloc(size);
}

static void give(void *ctx, void *ptr, size_t size)
{
	((struct input *)ctx)->live -= size;
	free(ptr);
}

static void check_site(const struct rewrite_plan *plan, size_t i,
	const struct input *in, uint64_t tramp)
{
	const struct rewrite_site *s = &plan->sites[i];
	unsigned int size = s->pre + s->len + s->post, jump = 0;
	uint64_t start = s->va - s->pre, at = tramp + s->tramp, rip;
	uint8_t patched[REWRITE_WINDOW_MAX];

	CHECK(size <= REWRITE_WINDOW_MAX && s->tail <= s->post);
	CHECK(s->off >= s->pre && s->off - s->pre + size <= in->size);
	CHECK(!memcmp(in->data + s->off - s->pre, s->orig, size));
	CHECK(start >= plan->min_va && start + size <= plan->max_va);
	if (i > 0) {
		const struct rewrite_site *before = &plan->sites[i - 1];

		CHECK(before->va + before->len + before->post <= start);
		CHECK(before->tramp + rewrite_site_tramp_size(before) ==
			s->tramp);
	}
	jump = s->form <= REWRITE_K2 ? s->pre : size;
	CHECK(jump >= 5);
	rewrite_site_patch(s, 0, at, patched);
	CHECK(patched[0] == 0xe9);
	for (rip = at; rip < at + rewrite_site_tramp_size(s); rip++) {
		uint64_t canon = rewrite_canonical_rip(plan, 0, tramp, rip);

		CHECK(canon >= start && canon <= start + size);
	}
	for (rip = start; rip <= s->va; rip++)
		CHECK(rewrite_canonical_rip(plan, 0, tramp,
			      rewrite_resume_rip(plan, 0, tramp, rip)) == rip);
	CHECK(rewrite_find_site(plan, s->va) == s);
}

static void check_apply(
	const struct rewrite_plan *plan, const struct input *in, uint64_t tramp)
{
	const struct rewrite_site *first = &plan->sites[0];
	uint64_t lo = first->va - first->pre, off = first->off - first->pre;
	uint64_t size = in->size - off;
	uint8_t *whole = malloc(size), *parts = malloc(size);

	/* One region's worth: later sites at the same distance in the file. */
	memcpy(whole, in->data + off, size);
	memcpy(parts, in->data + off, size);
	rewrite_apply(plan, lo, lo + size, 0, whole, tramp);
	for (uint64_t at = 0; at < size; at += 7) {
		uint64_t n = size - at < 7 ? size - at : 7;
		uint8_t *piece = malloc(n);

		memcpy(piece, parts + at, n);
		rewrite_apply(plan, lo + at, lo + at + n, 0, piece, tramp);
		memcpy(parts + at, piece, n);
		free(piece);
	}
	for (size_t i = 0; i < plan->count; i++) {
		const struct rewrite_site *s = &plan->sites[i];

		/* Same place in memory as in the file: bytes agree. */
		if (s->va - lo == s->off - off)
			CHECK(!memcmp(whole + (s->va - lo),
				parts + (s->va - lo), s->len));
	}
	free(whole);
	free(parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size, 0, 0};
	struct rewrite_alloc alloc = {&in, take, give};
	struct rewrite_src src = {&in, read_input, size, &alloc,
		(1 << REWRITE_KINDS) - 1, data + size / 4, size / 4,
		size & 1 ? size / 2 : 0};
	struct rewrite_gs gs = {0, 8, 16, 24};
	struct rewrite_plan *plan;
	struct insn insn;
	uint64_t tramp;
	uint8_t *buf;

	for (size_t i = 0; i < size && i < 512; i++) {
		size_t n = insn_decode(data + i, size - i, &insn);

		CHECK(n <= size - i && n <= INSN_MAX && n == insn.len);
		CHECK(!insn.rip_pos || insn.rip_pos + 4u <= n);
	}
	if (size == 0 || rewrite_plan_build(&src, &plan)) {
		CHECK(in.live == 0);
		return 0;
	}
	CHECK(in.bytes_read <= 9 * size + (2 << 20));
	CHECK(plan->stats.decoded <= 9 * size + (2 << 20));
	tramp = (plan->max_va + 15) & ~15ull;
	for (size_t i = 0; i < plan->count; i++)
		check_site(plan, i, &in, tramp);
	if (plan->count) {
		buf = malloc(plan->tramp_size);
		if (!rewrite_emit_trampolines(
			    plan, 0, tramp, &gs, buf, plan->tramp_size))
			check_apply(plan, &in, tramp);
		free(buf);
	}
	rewrite_plan_free(plan);
	CHECK(in.live == 0);
	return 0;
}
