/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Candidates (raw byte matches) and the bounds around each: the function it
 * lies in by .eh_frame_hdr, Go's pclntab or a symbol, else the gap between
 * the functions next to it.
 *
 * All tables are read once, in order, and met by the sorted candidates; no
 * table is kept. A table that is not sorted as its format demands proves
 * nothing: candidates not yet placed by it count as lost.
 *
 * Formats: LSB Core, .eh_frame and .eh_frame_hdr; Go src/debug/gosym.
 */
#include "kernel/rewrite_int.h"

#include "lib/string.h"

#include <asm/errno.h>
#include <elf.h>

/* ---- candidates ---- */

static bool add_candidate(
	struct builder *b, unsigned int region, uint64_t va, uint8_t kind)
{
	if (b->cand_count == b->cand_cap) {
		size_t cap = b->cand_cap ? 2 * b->cand_cap : 1024;
		struct cand *p;

		if (cap > REWRITE_CANDS)
			return false;
		p = rewrite_alloc_bytes(b, cap * sizeof(*p));
		if (!p)
			return false;
		if (b->cand_count)
			memcpy(p, b->cands, b->cand_count * sizeof(*p));
		rewrite_free_bytes(b, b->cands, b->cand_cap * sizeof(*p));
		b->cands = p;
		b->cand_cap = cap;
	}
	b->cands[b->cand_count++] = (struct cand){
		.va = va,
		.lo = b->regions[region].va,
		.hi = b->regions[region].va + b->regions[region].size,
		.kind = kind,
		.evidence = EV_GAP,
		.region = (uint16_t)region,
	};
	return true;
}

/* The kind whose opcode starts at p[0] = 0f, or REWRITE_KINDS. */
static unsigned int match_kind(const uint8_t *p, size_t avail)
{
	if (avail < 2)
		return REWRITE_KINDS;
	switch (p[1]) {
	case 0x05:
		return REWRITE_SYSCALL;
	case 0xa2:
		return REWRITE_CPUID;
	case 0x31:
		return REWRITE_RDTSC;
	case 0x01:
		return avail > 2 && p[2] == 0xf9 ? REWRITE_RDTSCP
						 : REWRITE_KINDS;
	}
	return REWRITE_KINDS;
}

/* Matches that start in p[0..count); avail bytes are readable. Eight bytes at
 * a time, since nearly all of the file is looked at only here. */
static bool scan_bytes(struct builder *b, unsigned int region, uint64_t va,
	const uint8_t *p, size_t count, size_t avail)
{
	const uint32_t kinds = b->src->kinds;
	const uint64_t tsc = kinds &
			(1u << REWRITE_RDTSC | 1u << REWRITE_RDTSCP)
		? UINT64_MAX
		: 0;

	for (size_t i = 0; i < count; i += 8) {
		uint64_t hits = rewrite_high_bits; /* each byte, near the end */

		if (avail - i > 8) {
			uint64_t x = rewrite_load64(p + i);
			uint64_t y = rewrite_load64(p + i + 1);

			hits = rewrite_bytes_equal(x, 0x0f) &
				(rewrite_bytes_equal(y, 0x05) |
					rewrite_bytes_equal(y, 0xa2) |
					(tsc &
						(rewrite_bytes_equal(y, 0x31) |
							rewrite_bytes_equal(
								y, 0x01))));
		}
		for (; hits; hits &= hits - 1) {
			size_t at = i + ((size_t)__builtin_ctzll(hits) >> 3);
			unsigned int kind;

			if (at >= count || p[at] != 0x0f)
				continue;
			kind = match_kind(p + at, avail - at);
			if (kind == REWRITE_KINDS || !(kinds & 1u << kind))
				continue;
			if (!add_candidate(b, region, va + at, (uint8_t)kind))
				return false;
		}
	}
	return true;
}

int rewrite_find_candidates(struct builder *b)
{
	for (unsigned int r = 0; r < b->region_count; r++) {
		const struct region *reg = &b->regions[r];
		uint64_t at = 0;

		while (at < reg->size) {
			uint64_t avail = reg->size - at, count;
			const uint8_t *p;

			/* The next window repeats the last two bytes. */
			if (avail > b->text_view.cap - 4096)
				avail = b->text_view.cap - 4096;
			count = at + avail < reg->size ? avail - 2 : avail;
			p = rewrite_view_at(
				b, &b->text_view, reg->off + at, (size_t)avail);
			if (!p)
				return b->err;
			/* A full table means no more candidates. */
			if (!scan_bytes(b, r, reg->va + at, p, (size_t)count,
				    (size_t)avail))
				return b->err;
			at += count;
			b->plan->stats.text_size += count;
		}
	}
	return 0;
}

/* ---- .eh_frame_hdr ---- */

struct cie {
	uint64_t off;
	bool valid, signal;
	uint8_t encoding; /* of pc_begin and pc_range */
};

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

/*
 * The FDE at link address va: how many bytes it covers, and whether it starts
 * one byte before its function (a signal trampoline: unwinders look up the
 * return address minus one, hence the convention).
 */
static bool read_fde(struct builder *b, uint64_t va, struct cie *cache,
	uint64_t *range, bool *signal)
{
	uint64_t off, cie_off, cie_va;
	uint32_t size, back;
	const uint8_t *p;
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
	cie_off = off + 4 - back;
	cie_va = va + 4 - back;
	if (!cache->valid || cache->off != cie_off) {
		uint64_t same;
		uint32_t cie_size;

		cache->off = cie_off;
		cache->valid = false;
		if (!rewrite_va_to_off(b, cie_va, 8, &same) || same != cie_off)
			return false;
		p = rewrite_view_at(b, &b->frame_view, cie_off, 8);
		if (!p || get32(p + 4) != 0)
			return false;
		cie_size = get32(p);
		if (cie_size < 8 || cie_size > 256)
			return false;
		p = rewrite_view_at(
			b, &b->frame_view, cie_off, (size_t)cie_size + 4);
		if (!p)
			return false;
		parse_cie(p, (size_t)cie_size + 4, cache);
	}
	ptr = encoded_size(cache->encoding);
	if (!cache->valid || ptr < 4 || size < 4 + 2 * ptr)
		return false;
	p = rewrite_view_at(b, &b->frame_view, off + 8, 2 * ptr);
	if (!p)
		return false;
	*range = ptr == 4 ? get32(p + 4) : get64(p + 8);
	*signal = cache->signal;
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
	uint64_t known = UINT64_MAX, range = 0, end;
	struct cie cie = {0};
	bool signal = false, good = false;

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
			good = read_fde(b, w->fde, &cie, &range, &signal);
		}
		if (!good || add_overflows(w->start, range, &end)) {
			c->lost = true;
			continue;
		}
		if (c->va < end && c->va >= w->start + signal) {
			c->evidence = EV_FDE;
			if (w->start + signal > c->lo)
				c->lo = w->start + signal;
			if (end < c->hi)
				c->hi = end;
		} else if (end > c->lo && end <= c->va) {
			c->lo = end;
		}
	}
}

static bool find_by_fde(struct builder *b)
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
	return true;
}

/* ---- Go ---- */

struct go_table {
	uint64_t off, count; /* function table: count entries and an end */
	uint64_t base;
	unsigned int width; /* 8: absolute pairs of u64, 4: pairs of u32 */
};

static bool go_header(struct builder *b, struct go_table *t)
{
	const struct extent *e = &b->pclntab;
	const uint8_t *p = rewrite_view_at(b, &b->table_view, e->off, 72);
	uint64_t pcln, size;

	if (e->size < 72 || !p || p[4] || p[5] || p[7] != 8)
		return false;
	t->count = get64(p + 8);
	t->base = 0;
	t->width = 8;
	switch (get32(p)) {
	case 0xfffffffb: /* Go 1.2 */
		pcln = 16;
		break;
	case 0xfffffffa: /* Go 1.16 */
		pcln = get64(p + 56);
		break;
	case 0xfffffff0: /* Go 1.18 */
	case 0xfffffff1: /* Go 1.20 */
		pcln = get64(p + 64);
		/* Relocated, so 0 in a PIE; then .text starts there. */
		t->base = get64(p + 24) ? get64(p + 24) : b->text.va;
		t->width = 4;
		break;
	default:
		return false;
	}
	if (pcln > e->size || t->count == 0 || t->base >> 47)
		return false;
	size = e->size - pcln;
	if (t->count > size / (2 * t->width) - 1 || size < 2 * t->width)
		return false;
	t->off = e->off + pcln;
	return true;
}

static bool go_entry(struct builder *b, const struct go_table *t, uint64_t i,
	uint64_t *start)
{
	const uint8_t *p = rewrite_view_at(
		b, &b->table_view, t->off + i * 2 * t->width, t->width);

	if (!p)
		return false;
	*start = t->width == 4 ? t->base + get32(p) : get64(p);
	return true;
}

static void find_by_pclntab(struct builder *b)
{
	uint64_t start = 0, next = 0, i = 0;
	struct go_table t;

	if (!go_header(b, &t) || !rewrite_work(b, t.count) ||
		!go_entry(b, &t, 0, &next))
		return;
	for (size_t k = 0; k < b->cand_count; k++) {
		struct cand *c = &b->cands[k];

		while (next <= c->va) {
			start = next;
			if (i == t.count)
				return; /* behind the last function */
			if (!go_entry(b, &t, ++i, &next) || next < start)
				return;
		}
		if (c->evidence != EV_GAP || i == 0)
			continue;
		c->evidence = EV_PCLN;
		c->lost = false;
		if (start > c->lo)
			c->lo = start;
		if (next < c->hi)
			c->hi = next;
	}
}

/* ---- symbols ---- */

struct gap {
	struct cand *cand;
	uint64_t low, high; /* nearest ends and starts of symbols */
	uint64_t start, end; /* innermost symbol around it */
};

/* The first gap candidate at or above va. */
static size_t gap_at(const struct gap *gaps, size_t count, uint64_t va)
{
	size_t lo = 0, hi = count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (gaps[mid].cand->va < va)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool use_symbol(struct builder *b, struct gap *gaps, size_t count,
	uint64_t start, uint64_t size)
{
	uint64_t end;
	size_t i;

	if (add_overflows(start, size, &end))
		return true;
	i = gap_at(gaps, count, start);
	if (i > 0 && start < gaps[i - 1].high)
		gaps[i - 1].high = start;
	for (; i < count && gaps[i].cand->va < end; i++) {
		if (!rewrite_work(b, 1))
			return false;
		if (gaps[i].start <= start) {
			gaps[i].start = start;
			gaps[i].end = end;
		}
	}
	if (i < count && end > gaps[i].low)
		gaps[i].low = end;
	return true;
}

static bool read_symbols(struct builder *b, const struct extent *table,
	struct gap *gaps, size_t count)
{
	uint64_t n = table->size / sizeof(Elf64_Sym);

	if (!rewrite_work(b, n))
		return false;
	for (uint64_t i = 0; i < n; i++) {
		const uint8_t *p = rewrite_view_at(b, &b->table_view,
			table->off + i * sizeof(Elf64_Sym), sizeof(Elf64_Sym));

		if (!p)
			return false;
		if (ELF64_ST_TYPE(p[4]) != STT_FUNC &&
			ELF64_ST_TYPE(p[4]) != STT_GNU_IFUNC)
			continue;
		if (get16(p + 6) == SHN_UNDEF || get16(p + 6) >= SHN_LORESERVE)
			continue;
		if (!use_symbol(b, gaps, count, get64(p + 8), get64(p + 16)))
			return false;
	}
	return true;
}

/* A limit found for one candidate holds for those behind (before) it. */
static void spread_limits(struct gap *gaps, size_t count)
{
	uint64_t low = 0, high = UINT64_MAX;

	for (size_t i = 0; i < count; i++) {
		if (gaps[i].low < low)
			gaps[i].low = low;
		low = gaps[i].low;
	}
	for (size_t i = count; i-- > 0;) {
		if (gaps[i].high > high)
			gaps[i].high = high;
		high = gaps[i].high;
	}
}

static void place_by_symbol(struct gap *g)
{
	struct cand *c = g->cand;

	if (g->end) {
		c->evidence = EV_SYM;
		if (g->start > c->lo)
			c->lo = g->start;
		if (g->end < c->hi)
			c->hi = g->end;
		return;
	}
	if (g->low > c->lo)
		c->lo = g->low;
	if (g->high < c->hi)
		c->hi = g->high;
}

static void find_by_symbols(struct builder *b, bool static_symbols)
{
	size_t count = 0, k = 0;
	struct gap *gaps;

	for (size_t i = 0; i < b->cand_count; i++)
		count += b->cands[i].evidence == EV_GAP && !b->cands[i].lost;
	if (count == 0 || (b->dynsym.size == 0 && b->symtab.size == 0))
		return;
	gaps = rewrite_alloc_bytes(b, count * sizeof(*gaps));
	if (!gaps)
		return;
	for (size_t i = 0; i < b->cand_count; i++)
		if (b->cands[i].evidence == EV_GAP && !b->cands[i].lost)
			gaps[k++] = (struct gap){
				.cand = &b->cands[i], .high = UINT64_MAX};
	if (read_symbols(b, &b->dynsym, gaps, count) &&
		(!static_symbols || read_symbols(b, &b->symtab, gaps, count))) {
		spread_limits(gaps, count);
		for (size_t i = 0; i < count; i++)
			place_by_symbol(&gaps[i]);
	}
	rewrite_free_bytes(b, gaps, count * sizeof(*gaps));
}

void rewrite_find_evidence(struct builder *b)
{
	bool unwind = b->eh_hdr.size && find_by_fde(b);

	if (b->pclntab.size)
		find_by_pclntab(b);
	/* .symtab can be huge and tells little beyond unwind tables. */
	find_by_symbols(b, !unwind);
}
