/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions by unwind tables. .eh_frame_hdr is an index sorted by address:
 * the sorted candidates are merged with it, and only the FDEs around them are
 * read. Static programs have no index; then all of .eh_frame is walked.
 *
 * An index that is not sorted, or entries that lead nowhere, prove nothing:
 * their candidates count as lost.
 *
 * Formats: LSB Core, .eh_frame and .eh_frame_hdr.
 */
#include "kernel/rewrite_int.h"

struct cie {
	uint64_t off;
	bool valid;
	/* Functions start one byte behind what their FDEs say: a signal
	 * trampoline. Unwinders look up the return address minus one. */
	bool signal;
	uint8_t encoding; /* of pc_begin and pc_range */
};

/* A file has a handful of CIEs, each used by FDEs all over. */
enum { CIE_CACHE = 8 };

static bool skip_leb(const uint8_t *p, size_t size, size_t *i)
{
	while (*i < size)
		if (!(p[(*i)++] & 0x80))
			return true;
	return false;
}

/* Size of a DW_EH_PE value, 0 if not of fixed size. */
static size_t encoded_size(uint8_t encoding)
{
	switch (encoding & 0x0f) {
	case 0x00: /* absptr */
	case 0x04: /* udata8 */
	case 0x0c: /* sdata8 */
		return 8;
	case 0x02:
	case 0x0a:
		return 2;
	case 0x03:
	case 0x0b:
		return 4;
	}
	return 0;
}

/* Only the FDE encoding and the signal-frame mark are wanted. */
static void parse_cie(const uint8_t *p, size_t size, struct cie *cie)
{
	size_t i = 9, aug = 9;
	uint8_t version = size > 8 ? p[8] : 0;

	cie->signal = false;
	cie->encoding = 0;
	cie->valid = false;
	if (version != 1 && version != 3 && version != 4)
		return;
	while (i < size && p[i])
		i++;
	if (i >= size)
		return;
	i++;
	if (p[aug] == 0) {
		cie->valid = true;
		return;
	}
	if (p[aug] != 'z')
		return;
	if (version == 4)
		i += 2;
	if (!skip_leb(p, size, &i) || !skip_leb(p, size, &i))
		return;
	if (version == 1)
		i++;
	else if (!skip_leb(p, size, &i))
		return;
	if (!skip_leb(p, size, &i))
		return;
	for (aug++; p[aug]; aug++) {
		switch (p[aug]) {
		case 'R':
			if (i >= size)
				return;
			cie->encoding = p[i++];
			break;
		case 'L':
			i++;
			break;
		case 'P':
			if (i >= size || !encoded_size(p[i]))
				return;
			i += 1 + encoded_size(p[i]);
			break;
		case 'S':
			cie->signal = true;
			break;
		case 'B':
			break;
		default:
			return;
		}
	}
	cie->valid = true;
}

struct fde {
	uint64_t start, range;
	bool signal; /* see above */
};

/* The CIE at cie_va, whose offset in the file is cie_off, or NULL. */
static const struct cie *read_cie(struct builder *b, uint64_t cie_va,
	uint64_t cie_off, struct cie cache[static CIE_CACHE])
{
	struct cie *cie = &cache[cie_off / 8 % CIE_CACHE];
	const uint8_t *p;
	uint32_t size;
	uint64_t off;

	if (cie->valid && cie->off == cie_off)
		return cie;
	cie->off = cie_off;
	cie->valid = false;
	if (!rewrite_va_to_off(b, cie_va, 8, &off) || off != cie_off)
		return NULL;
	p = rewrite_view_at(b, &b->frame_view, cie_off, 8);
	if (!p || get32(p + 4) != 0)
		return NULL;
	size = get32(p);
	if (size < 8 || size > 256)
		return NULL;
	p = rewrite_view_at(b, &b->frame_view, cie_off, (size_t)size + 4);
	if (!p)
		return NULL;
	parse_cie(p, (size_t)size + 4, cie);
	return cie->valid ? cie : NULL;
}

/* The FDE at link address va. cache: CIEs already read. */
static bool read_fde(struct builder *b, uint64_t va,
	struct cie cache[static CIE_CACHE], struct fde *fde)
{
	uint32_t size, back;
	const struct cie *cie;
	const uint8_t *p;
	uint64_t off;
	size_t ptr;

	if (!rewrite_va_to_off(b, va, 8, &off))
		return false;
	p = rewrite_view_at(b, &b->frame_view, off, 8);
	if (!p)
		return false;
	size = get32(p);
	back = get32(p + 4);
	if (size < 12 || size >= 0xfffffff0 || back > off + 4)
		return false;
	cie = read_cie(b, va + 4 - back, off + 4 - back, cache);
	if (!cie)
		return false;
	ptr = encoded_size(cie->encoding);
	if (ptr < 4 || size < 4 + 2 * ptr)
		return false;
	p = rewrite_view_at(b, &b->frame_view, off + 8, 2 * ptr);
	if (!p)
		return false;
	fde->start = ptr == 8       ? get64(p)
		: cie->encoding & 8 ? (uint64_t)(int64_t)(int32_t)get32(p)
				    : get32(p);
	if ((cie->encoding & 0x70) == 0x10)
		fde->start += va + 8; /* relative to itself */
	fde->range = ptr == 4 ? get32(p + 4) : get64(p + 8);
	fde->signal = cie->signal;
	return true;
}

bool rewrite_unwind_each(struct builder *b, rewrite_function_fn *use, void *ctx)
{
	const struct extent *e = &b->eh_frame;
	struct cie cies[CIE_CACHE] = {{0}};
	struct fde fde;
	uint64_t at = 0;

	if (!e->size)
		return true;
	while (e->size - at >= 8) {
		const uint8_t *p = rewrite_view_at(
			b, &b->frame_view, e->off + at, 8);
		uint64_t size;

		if (!p || !rewrite_work(b, 8))
			return false;
		size = get32(p);
		if (size == 0)
			return true; /* the end */
		if (size < 4 || size >= 0xfffffff0 || size > e->size - at - 4)
			return false;
		if (get32(p + 4) != 0) {
			if (!read_fde(b, e->va + at, cies, &fde))
				return false;
			if (fde.range > fde.signal &&
				!use(ctx, fde.start + fde.signal,
					fde.range - fde.signal))
				return false;
		}
		at += size + 4;
	}
	return true;
}

struct fde_walk {
	uint64_t base; /* link address of .eh_frame_hdr */
	uint64_t table; /* file offset */
	uint64_t count, next; /* entries; the first one not yet passed */
	uint64_t start, fde; /* entry next - 1 */
	uint64_t next_start; /* entry next, or the end of everything */
};

static bool fde_entry(struct builder *b, const struct fde_walk *w, uint64_t i,
	uint64_t *start, uint64_t *fde)
{
	const uint8_t *p = rewrite_view_at(
		b, &b->table_view, w->table + 8 * i, 8);

	if (!p)
		return false;
	*start = w->base + (uint64_t)(int64_t)(int32_t)get32(p);
	*fde = w->base + (uint64_t)(int64_t)(int32_t)get32(p + 4);
	return true;
}

/* Step until entry next starts above va. */
static bool fde_seek(struct builder *b, struct fde_walk *w, uint64_t va)
{
	uint64_t fde = 0;

	while (w->next_start <= va) {
		uint64_t start = w->next_start;

		if (!fde_entry(b, w, w->next, &w->start, &w->fde))
			return false;
		w->next++;
		w->next_start = UINT64_MAX;
		if (w->next < w->count &&
			!fde_entry(b, w, w->next, &w->next_start, &fde))
			return false;
		if (w->next_start < start)
			return false;
	}
	return true;
}

static void place_by_fde(struct builder *b, struct fde_walk *w)
{
	uint64_t known = UINT64_MAX, start, end;
	struct cie cies[CIE_CACHE] = {{0}};
	struct fde fde = {0};
	bool good = false;

	for (size_t i = 0; i < b->cand_count; i++) {
		struct cand *c = &b->cands[i];

		if (!fde_seek(b, w, c->va)) {
			for (; i < b->cand_count; i++)
				b->cands[i].lost = true;
			return;
		}
		if (w->next_start < c->hi)
			c->hi = w->next_start;
		if (w->next == 0)
			continue; /* before the first function */
		if (known != w->fde) {
			known = w->fde;
			good = read_fde(b, w->fde, cies, &fde) &&
				fde.start == w->start;
		}
		if (!good || add_overflows(w->start, fde.range, &end)) {
			c->lost = true;
			continue;
		}
		start = w->start + fde.signal;
		if (c->va < end && c->va >= start) {
			c->evidence = EV_FDE;
			if (start > c->lo)
				c->lo = start;
			if (end < c->hi)
				c->hi = end;
		} else if (end > c->lo && end <= c->va) {
			c->lo = end;
		}
	}
}

bool rewrite_unwind_place(struct builder *b)
{
	const struct extent *e = &b->eh_hdr;
	struct fde_walk w = {.base = e->va};
	const uint8_t *p;
	uint64_t fde;

	p = rewrite_view_at(b, &b->table_view, e->off, 12);
	/* version 1; eh_frame pointer pcrel sdata4 (or any 4 bytes); count
	 * udata4; table datarel sdata4: what every linker writes. */
	if (e->size < 12 || !p || p[0] != 1 || encoded_size(p[1]) != 4 ||
		p[2] != 0x03 || p[3] != 0x3b)
		return false;
	w.count = get32(p + 8);
	if (w.count > (e->size - 12) / 8)
		w.count = (e->size - 12) / 8;
	w.table = e->off + 12;
	if (w.count == 0 || !rewrite_work(b, w.count) ||
		!fde_entry(b, &w, 0, &w.next_start, &fde))
		return false;
	place_by_fde(b, &w);
	b->fde_count = w.count;
	return true;
}
