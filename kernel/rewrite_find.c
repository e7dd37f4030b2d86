/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Candidates (raw byte matches) and the bounds around each: the function it
 * lies in by unwind tables (rewrite_unwind.c), Go's pclntab or a symbol, else
 * the gap between the functions next to it.
 *
 * All tables are read once, in order, and met by the sorted candidates; no
 * table is kept. A table that is not sorted as its format demands proves
 * nothing: candidates not yet placed by it count as lost.
 *
 * Format of pclntab: Go src/debug/gosym.
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

/* Where to look for candidates. */
struct opcodes {
	struct builder *b;
	unsigned int region;
	uint64_t va;
	const uint8_t *p;
	size_t avail;
};

static bool use_opcode(void *ctx, size_t at)
{
	const struct opcodes *o = ctx;
	unsigned int kind;

	if (o->p[at] != 0x0f)
		return true;
	kind = match_kind(o->p + at, o->avail - at);
	return kind == REWRITE_KINDS || !(o->b->src->kinds & 1u << kind) ||
		add_candidate(o->b, o->region, o->va + at, (uint8_t)kind);
}

int rewrite_find_candidates(struct builder *b)
{
	for (unsigned int r = 0; r < b->region_count; r++) {
		const struct region *reg = &b->regions[r];
		uint64_t at = 0;

		while (at < reg->size) {
			uint64_t avail = reg->size - at, count;
			struct opcodes o = {.b = b, .region = r};

			/* The next window repeats the last two bytes. */
			if (avail > b->text_view.cap - 4096)
				avail = b->text_view.cap - 4096;
			count = at + avail < reg->size ? avail - 2 : avail;
			o.va = reg->va + at;
			o.avail = (size_t)avail;
			o.p = rewrite_view_at(
				b, &b->text_view, reg->off + at, o.avail);
			if (!o.p)
				return b->err;
			/* A full table means no more candidates. */
			if (!rewrite_scan(o.p, (size_t)count, o.avail,
				    REWRITE_OPCODES, use_opcode, &o))
				return b->err;
			at += count;
			b->plan->stats.text_size += count;
		}
	}
	return 0;
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

/* ---- unsorted tables ---- */

/* Bytes of code per unwind record, above which there must be code without. */
enum { FDE_DENSITY = 4096 };

struct gap {
	struct cand *cand;
	uint64_t low, high; /* nearest ends and starts of symbols */
	uint64_t start, end; /* innermost symbol around it */
	bool fde; /* which is an FDE */
};

struct gaps {
	struct builder *b;
	struct gap *gap; /* ascending */
	size_t count;
};

/* The first gap candidate at or above va. */
static size_t gap_at(const struct gaps *g, uint64_t va)
{
	size_t lo = 0, hi = g->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (g->gap[mid].cand->va < va)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* A function is at [start, start + size). */
static bool use_function(
	struct gaps *g, uint64_t start, uint64_t size, bool fde)
{
	struct gap *gap = g->gap;
	uint64_t end;
	size_t i;

	if (add_overflows(start, size, &end))
		return true;
	i = gap_at(g, start);
	if (i > 0 && start < gap[i - 1].high)
		gap[i - 1].high = start;
	for (; i < g->count && gap[i].cand->va < end; i++) {
		if (!rewrite_work(g->b, 8))
			return false;
		if (gap[i].start <= start) {
			gap[i].start = start;
			gap[i].end = end;
			gap[i].fde = fde;
		}
	}
	if (i < g->count && end > gap[i].low)
		gap[i].low = end;
	return true;
}

static bool use_fde(void *ctx, uint64_t start, uint64_t size)
{
	return use_function(ctx, start, size, true);
}

static bool read_symbols(struct gaps *g, const struct extent *table)
{
	uint64_t n = table->size / sizeof(Elf64_Sym);

	if (!rewrite_work(g->b, n))
		return false;
	for (uint64_t i = 0; i < n; i++) {
		const uint8_t *p = rewrite_view_at(g->b, &g->b->table_view,
			table->off + i * sizeof(Elf64_Sym), sizeof(Elf64_Sym));

		if (!p)
			return false;
		if (ELF64_ST_TYPE(p[4]) != STT_FUNC &&
			ELF64_ST_TYPE(p[4]) != STT_GNU_IFUNC)
			continue;
		if (get16(p + 6) == SHN_UNDEF || get16(p + 6) >= SHN_LORESERVE)
			continue;
		if (!use_function(g, get64(p + 8), get64(p + 16), false))
			return false;
	}
	return true;
}

/* A limit found for one candidate holds for those behind (before) it. */
static void spread_limits(struct gaps *g)
{
	uint64_t low = 0, high = UINT64_MAX;

	for (size_t i = 0; i < g->count; i++) {
		if (g->gap[i].low < low)
			g->gap[i].low = low;
		low = g->gap[i].low;
	}
	for (size_t i = g->count; i-- > 0;) {
		if (g->gap[i].high > high)
			g->gap[i].high = high;
		high = g->gap[i].high;
	}
}

static void place(struct gap *g)
{
	struct cand *c = g->cand;

	if (g->end) {
		c->evidence = g->fde ? EV_FDE : EV_SYM;
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

/* Candidates that are in no function yet, against unsorted tables: unwind
 * records without index, symbols. */
static void find_in_gaps(struct builder *b, bool indexed)
{
	struct gaps g = {b, NULL, 0};
	size_t count = 0;
	bool good;

	for (size_t i = 0; i < b->cand_count; i++)
		count += b->cands[i].evidence == EV_GAP && !b->cands[i].lost;
	if (count == 0)
		return;
	g.gap = rewrite_alloc_bytes(b, count * sizeof(*g.gap));
	if (!g.gap)
		return;
	for (size_t i = 0; i < b->cand_count; i++)
		if (b->cands[i].evidence == EV_GAP && !b->cands[i].lost)
			g.gap[g.count++] = (struct gap){
				.cand = &b->cands[i], .high = UINT64_MAX};
	good = indexed || rewrite_unwind_each(b, use_fde, &g);
	good = good && read_symbols(&g, &b->dynsym);
	/* .symtab can be huge and tells little beyond unwind tables, unless
	 * those cover only what C contributed to a Go program. */
	if (good && b->plan->stats.text_size / FDE_DENSITY > b->fde_count)
		good = read_symbols(&g, &b->symtab);
	if (good) {
		spread_limits(&g);
		for (size_t i = 0; i < count; i++)
			place(&g.gap[i]);
	}
	rewrite_free_bytes(b, g.gap, count * sizeof(*g.gap));
}

void rewrite_find_evidence(struct builder *b)
{
	bool indexed = b->eh_hdr.size && rewrite_unwind_place(b);

	if (b->pclntab.size)
		find_by_pclntab(b);
	find_in_gaps(b, indexed);
}
