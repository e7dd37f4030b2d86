/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From candidates to sites: decode the function or gap around each one,
 * accept what is proven to be an instruction, choose its window.
 *
 * Proof of an instruction at c:
 *   (a) c is an instruction boundary of its function, which decodes without
 *       an undefined byte from its start through c;
 *   (b) c is a boundary of a gap that decodes from end to end;
 *   (c) c lies in a gap, behind `mov $nr,%eax` or before `cmp $-4096+x,%rax`.
 * Without it the bytes may be data: libcrypto keeps a table in .text that
 * contains 0f 05.
 *
 * Windows other than K1 change several instructions, so no jump may land
 * inside them. Jumps of the same function are known from decoding it; jumps
 * from elsewhere (split cold parts) are looked for in the raw bytes of all
 * code, where a false match merely costs the site.
 */
#include "kernel/rewrite_int.h"

#include "kernel/insn.h"
#include "lib/string.h"

#include <asm/errno.h>

enum {
	MARK_START = 1, /* an instruction starts here */
	MARK_TARGET = 2, /* a branch of this function lands here */
	MARK_FIXED = 4, /* this instruction must stay where it is */
	JUMP_LEN = 5,
	LEAD = 8,
	AROUND = 256,
	FILTER_BITS = 8192,
};

/* A decoded function or gap. */
struct area {
	uint64_t lo, hi;
	uint64_t clean; /* first address not decoded; hi if all is code */
	const uint8_t *code;
	uint8_t *marks; /* of code[0..hi - lo) */
	uint8_t lead; /* bytes that may be read in front of code */
};

/* ---- decoding ---- */

static bool target_in_image(
	const struct rewrite_plan *plan, uint64_t next, int32_t disp)
{
	uint64_t target = next + (uint64_t)(int64_t)disp;

	return target >= plan->min_va && target <= plan->max_va;
}

/* May this instruction be executed at another address? */
static bool movable(const struct rewrite_plan *plan, const struct insn *in,
	const uint8_t *code, uint64_t va)
{
	if (in->flow != INSN_NEXT || in->kind != INSN_OTHER)
		return false;
	if (!in->rip_pos)
		return true;
	return !in->addr32 &&
		target_in_image(
			plan, va + in->len, (int32_t)get32(code + in->rip_pos));
}

static bool grow_marks(struct builder *b, size_t size)
{
	size_t cap = 64 << 10;

	if (size <= b->marks_cap)
		return true;
	while (cap < size)
		cap *= 2;
	rewrite_free_bytes(b, b->marks, b->marks_cap);
	b->marks_cap = 0;
	b->marks = rewrite_alloc_bytes(b, cap);
	if (b->marks)
		b->marks_cap = cap;
	return b->marks != NULL;
}

static void decode_bytes(struct builder *b, struct area *a)
{
	size_t size = (size_t)(a->hi - a->lo), at = 0;
	struct insn in;

	while (at < size) {
		uint64_t next, target;

		if (!insn_decode(a->code + at, size - at, &in))
			break;
		a->marks[at] |= MARK_START;
		if (!movable(b->plan, &in, a->code + at, a->lo + at))
			a->marks[at] |= MARK_FIXED;
		at += in.len;
		next = a->lo + at;
		target = next + (uint64_t)(int64_t)in.rel;
		if (in.has_rel && target >= a->lo && target < a->hi)
			a->marks[target - a->lo] |= MARK_TARGET;
	}
	a->clean = a->lo + at;
	b->plan->stats.decoded += at;
}

/* A window over code that has room for size bytes and some in front. */
static bool grow_text(struct builder *b, uint64_t size)
{
	rewrite_view_fini(b, &b->text_view);
	return !rewrite_view_init(b, &b->text_view, (size_t)size + 2 * 4096);
}

/*
 * Decode what is around c. A gap that is too large is not decoded: only the
 * bytes next to c are shown, and clean == lo. False if there is nothing to
 * look at (a function too large, read error, budget).
 */
static bool decode_area(struct builder *b, const struct cand *c, struct area *a)
{
	const struct region *reg = &b->regions[c->region];
	uint64_t lo = c->lo, hi = c->hi, lead;
	bool blind;
	const uint8_t *p;

	if (lo < reg->va || hi > reg->va + reg->size || lo > c->va ||
		hi <= c->va)
		return false;
	blind = hi - lo > REWRITE_AREA - LEAD ||
		(hi - lo > b->text_view.cap - LEAD && !grow_text(b, hi - lo));
	if (blind) {
		if (c->evidence != EV_GAP)
			return false;
		if (c->va - lo > AROUND)
			lo = c->va - AROUND;
		if (hi - c->va > AROUND)
			hi = c->va + AROUND;
	}
	*a = (struct area){.lo = lo, .hi = hi, .clean = lo};
	/* A few bytes more, to look at a mov in front of a gap. */
	lead = lo - reg->va < LEAD ? lo - reg->va : LEAD;
	p = rewrite_view_at(b, &b->text_view, reg->off + (lo - lead - reg->va),
		(size_t)(lead + hi - lo));
	if (!p || !rewrite_work(b, hi - lo) ||
		!grow_marks(b, (size_t)(hi - lo)))
		return false;
	a->code = p + lead;
	a->lead = (uint8_t)lead;
	a->marks = b->marks;
	memset(a->marks, 0, (size_t)(hi - lo));
	if (!blind)
		decode_bytes(b, a);
	return true;
}

/* ---- windows ---- */

/*
 * The movable instructions that end at site, nearest first, as long as they
 * start at or above floor: ends[n] bytes in all after n + 1 of them.
 */
static unsigned int walk_back(
	const struct area *a, size_t site, size_t floor, uint8_t ends[static 8])
{
	unsigned int n = 0;
	size_t at = site;

	while (n < 8 && at > floor && site - at < JUMP_LEN) {
		size_t from = at - 1;

		while (from > floor && at - from < INSN_MAX &&
			!(a->marks[from] & MARK_START))
			from--;
		if (!(a->marks[from] & MARK_START) ||
			(a->marks[from] & MARK_FIXED))
			break;
		ends[n++] = (uint8_t)(site - from);
		at = from;
	}
	return n;
}

/* No known jump lands in code[from + 1 .. to). */
static bool no_target_inside(const struct area *a, size_t from, size_t to)
{
	for (size_t i = from + 1; i < to; i++)
		if (a->marks[i] & MARK_TARGET)
			return false;
	return true;
}

/* A relative branch that the trampoline can end with instead. */
static bool branch_movable(const struct rewrite_plan *plan,
	const struct insn *in, const uint8_t *code, uint64_t va)
{
	if (!target_in_image(plan, va + in->len, in->rel))
		return false;
	if (in->flow == INSN_JMP)
		return code[0] == 0xeb || code[0] == 0xe9;
	return in->flow == INSN_JCC &&
		((code[0] & 0xf0) == 0x70 || (code[0] == 0x0f && in->len == 6));
}

/*
 * Bytes behind the site that can move, want or a little more; 0: not enough.
 * A return among them may move too, and one branch at the end, whose length
 * goes to *tail.
 */
static unsigned int walk_forward(const struct builder *b, const struct area *a,
	size_t from, unsigned int want, uint8_t *tail)
{
	size_t size = (size_t)(a->clean - a->lo), at = from;
	const uint8_t *p;
	struct insn in;

	*tail = 0;
	while (at < size && at - from < want) {
		p = a->code + at;
		if (!(a->marks[at] & MARK_START) ||
			!insn_decode(p, size - at, &in))
			return 0;
		if (!movable(b->plan, &in, p, a->lo + at) &&
			in.flow != INSN_RET) {
			if (!branch_movable(b->plan, &in, p, a->lo + at))
				return 0;
			*tail = in.len;
			at += in.len;
			break;
		}
		at += in.len;
	}
	if (at - from < want || !no_target_inside(a, from, at))
		return 0;
	return (unsigned int)(at - from);
}

/*
 * Choose a window for the site at offset at of the area, whose first free
 * byte is floor. whole: the area is code to its end, so its jumps are known.
 */
static bool choose_window(const struct builder *b, const struct area *a,
	size_t at, size_t floor, bool whole, struct rewrite_site *site)
{
	uint8_t ends[8];
	unsigned int n = walk_back(a, at, floor, ends), post;
	bool target = a->marks[at] & MARK_TARGET;
	size_t after = at + site->len;

	site->post = 0;
	site->tail = 0;
	/* Jumped to directly: K1 and K2 would trap there every time. */
	if (target && whole) {
		post = walk_forward(
			b, a, after, JUMP_LEN - site->len, &site->tail);
		if (post && !(a->marks[after] & MARK_TARGET)) {
			site->form = REWRITE_POST;
			site->pre = 0;
			site->post = (uint8_t)post;
			return true;
		}
	}
	site->tail = 0;
	if (n > 0 && ends[0] >= JUMP_LEN &&
		no_target_inside(a, at - ends[0], at)) {
		site->form = REWRITE_K1;
		site->pre = ends[0];
		return true;
	}
	if (!whole)
		return false;
	for (unsigned int i = 0; i < n; i++) {
		if (!no_target_inside(a, at - ends[i], at))
			break;
		if (ends[i] >= JUMP_LEN) {
			site->form = REWRITE_K2;
			site->pre = ends[i];
			return true;
		}
	}
	if (target)
		return false;
	for (unsigned int i = 0; i < n; i++) {
		if (!no_target_inside(a, at - ends[i], at + site->len))
			break;
		if (ends[i] + site->len >= JUMP_LEN) {
			site->form = REWRITE_P;
			site->pre = ends[i];
			return true;
		}
	}
	if (a->marks[after < a->hi - a->lo ? after : at] & MARK_TARGET)
		return false;
	for (unsigned int i = 0; i <= n; i++) {
		unsigned int pre = i ? ends[i - 1] : 0;

		if (!no_target_inside(a, at - pre, after))
			break;
		if (pre + site->len >= JUMP_LEN)
			break;
		post = walk_forward(
			b, a, after, JUMP_LEN - site->len - pre, &site->tail);
		if (post && pre + site->len + post <= REWRITE_WINDOW_MAX) {
			site->form = REWRITE_POST;
			site->pre = (uint8_t)pre;
			site->post = (uint8_t)post;
			return true;
		}
	}
	return false;
}

/* Evidence (c), for a gap that does not decode from end to end. */
static bool strong_evidence(const struct builder *b, const struct cand *c,
	const uint8_t *code, size_t before, size_t after,
	struct rewrite_site *site)
{
	unsigned int mov = rewrite_mov_nr(code, before);

	if (c->kind != REWRITE_SYSCALL || !b->sections)
		return false;
	if (mov) {
		site->form = REWRITE_K1;
		site->pre = (uint8_t)mov;
		site->post = 0;
		return true;
	}
	if (after < 8 || code[2] != 0x48 || code[3] != 0x3d ||
		(code[4] != 0x00 && code[4] != 0x01) || code[5] != 0xf0 ||
		code[6] != 0xff || code[7] != 0xff)
		return false;
	/* No short jump around here may lead into the window. */
	for (size_t i = before < 130 ? 0 : before - 130;
		i < before + 130 && i + 2 <= before + after; i++) {
		const uint8_t *p = code - before + i;
		size_t to = i + 2 + (size_t)(int8_t)p[1];

		if (((p[0] & 0xf0) == 0x70 || p[0] == 0xeb ||
			    (p[0] & 0xfc) == 0xe0) &&
			to > before && to < before + 8)
			return false;
	}
	site->form = REWRITE_POST;
	site->pre = 0;
	site->post = 6;
	return true;
}

/* ---- sites ---- */

static bool add_site(struct builder *b, const struct rewrite_site *site)
{
	struct rewrite_plan *plan = b->plan;

	if (plan->count == plan->capacity) {
		size_t cap = plan->capacity ? 2 * plan->capacity : 64;
		struct rewrite_site *p = rewrite_alloc_bytes(
			b, cap * sizeof(*p));

		if (!p)
			return false;
		if (plan->count)
			memcpy(p, plan->sites, plan->count * sizeof(*p));
		rewrite_free_bytes(b, plan->sites, plan->capacity * sizeof(*p));
		plan->sites = p;
		plan->capacity = cap;
	}
	plan->sites[plan->count++] = *site;
	return true;
}

/* Link address of the first byte behind the last site's window. */
static uint64_t windows_end(const struct rewrite_plan *plan)
{
	const struct rewrite_site *s;

	if (!plan->count)
		return 0;
	s = &plan->sites[plan->count - 1];
	return s->va + s->len + s->post;
}

enum verdict { UNPROVEN, REFUTED, NO_WINDOW, SITE };

/* Weigh the proof for c in its decoded area; for a SITE, fill in the window,
 * which begins at or above link address floor. */
static enum verdict judge(const struct builder *b, const struct cand *c,
	const struct area *a, uint64_t floor, struct rewrite_site *site)
{
	size_t at = (size_t)(c->va - a->lo), size = (size_t)(a->hi - c->va);
	const uint8_t *code = a->code + at;
	bool gap = c->evidence == EV_GAP, whole = a->clean == a->hi;
	bool decoded = gap ? b->sections && whole : c->va < a->clean;
	unsigned int mov;

	if (decoded && (a->marks[at] & MARK_START) && size >= site->len) {
		/* A function may end, for the unwinder, between its mov and
		 * its syscall: glibc's clone3. */
		mov = gap && c->kind == REWRITE_SYSCALL
			? rewrite_mov_nr(code, at + a->lead)
			: 0;
		if (mov > at && c->va - mov >= floor) {
			site->form = REWRITE_K1;
			site->pre = (uint8_t)mov;
			return SITE;
		}
		if (c->va < floor)
			return NO_WINDOW;
		return choose_window(b, a, at,
			       floor > a->lo ? (size_t)(floor - a->lo) : 0,
			       whole, site)
			? SITE
			: NO_WINDOW;
	}
	if (gap && strong_evidence(b, c, code, at + a->lead, size, site))
		return c->va - site->pre >= floor ? SITE : NO_WINDOW;
	return decoded && !(a->marks[at] & MARK_START) ? REFUTED : UNPROVEN;
}

static void plan_candidate(
	struct builder *b, const struct cand *c, const struct area *a)
{
	const struct region *reg = &b->regions[c->region];
	struct rewrite_stats *st = &b->plan->stats;
	struct rewrite_site site = {
		.va = c->va,
		.off = reg->off + (c->va - reg->va),
		.kind = c->kind,
		.len = c->kind == REWRITE_RDTSCP ? 3 : 2,
	};

	switch (judge(b, c, a, windows_end(b->plan), &site)) {
	case UNPROVEN:
		st->unproven++;
		break;
	case REFUTED:
		st->refuted++;
		break;
	case NO_WINDOW:
		st->no_window++;
		break;
	case SITE:
		memcpy(site.orig, a->code + (c->va - a->lo) - site.pre,
			(size_t)site.pre + site.len + site.post);
		if (add_site(b, &site))
			st->by_evidence[c->evidence]++;
		break;
	}
}

static void plan_sites(struct builder *b)
{
	const struct cand *last = NULL; /* whose area is decoded */
	struct area a = {0};
	bool ok = false;

	for (size_t i = 0; i < b->cand_count && !b->err; i++) {
		const struct cand *c = &b->cands[i];

		if (c->lost) {
			b->plan->stats.unproven++;
			continue;
		}
		if (!last || last->lo != c->lo || last->hi != c->hi ||
			(ok && (c->lo != a.lo || c->hi != a.hi)))
			ok = decode_area(b, c, &a);
		last = c;
		if (ok)
			plan_candidate(b, c, &a);
		else
			b->plan->stats.unproven++;
	}
}

/* ---- jumps from elsewhere ---- */

/* Sites whose window a jump may break, by address. */
struct fragile {
	struct rewrite_plan *plan;
	uint64_t lo, hi; /* around all of them */
	bool *drop; /* per site */
	/* Filter in front of the search: a bit for each 16 bytes, modulo. */
	uint64_t near[FILTER_BITS / 64];
};

static bool may_land(const struct fragile *f, uint64_t va)
{
	uint64_t bit = (va >> 4) % FILTER_BITS;

	return va > f->lo && va < f->hi && f->near[bit / 64] >> bit % 64 & 1;
}

/* A jump lands at va: drop the site if that is inside its window. */
static void landed(struct fragile *f, uint64_t va)
{
	size_t lo = 0, hi = f->plan->count;
	const struct rewrite_site *s;
	uint64_t end;

	/* The last site whose window starts below va. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		s = &f->plan->sites[mid];
		if (s->va - s->pre < va)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0)
		return;
	s = &f->plan->sites[lo - 1];
	end = s->form <= REWRITE_K2 ? s->va : s->va + s->len + s->post;
	if (s->form != REWRITE_K1 && va < end)
		f->drop[lo - 1] = true;
}

/* Bytes of code at va. */
struct jumps {
	struct fragile *f;
	uint64_t va;
	const uint8_t *p;
	size_t size;
};

/* Every e9 and 0f 8x is taken as a jump. (Calls go to the start of functions,
 * short jumps do not leave theirs.) */
static bool use_jump(void *ctx, size_t at)
{
	const struct jumps *j = ctx;
	const uint8_t *p = j->p;
	uint64_t target;

	if (at + 6 <= j->size && p[at] == 0x0f && (p[at + 1] & 0xf0) == 0x80)
		at++;
	else if (at + 5 > j->size || p[at] != 0xe9)
		return true;
	at++;
	target = j->va + at + 4 + (uint64_t)(int64_t)(int32_t)get32(p + at);
	if (may_land(j->f, target))
		landed(j->f, target);
	return true;
}

static bool find_jumps(struct builder *b, struct fragile *f)
{
	for (unsigned int r = 0; r < b->region_count; r++) {
		const struct region *reg = &b->regions[r];
		uint64_t at = 0;

		while (at + 5 <= reg->size) {
			uint64_t size = reg->size - at;
			struct jumps j = {.f = f, .va = reg->va + at};

			if (size > b->text_view.cap - 4096)
				size = b->text_view.cap - 4096;
			j.size = (size_t)size;
			j.p = rewrite_view_at(
				b, &b->text_view, reg->off + at, j.size);
			if (!j.p)
				return false;
			rewrite_scan(j.p, j.size, j.size, REWRITE_JUMPS,
				use_jump, &j);
			if (at + size == reg->size)
				break;
			at += size - 8;
		}
	}
	return true;
}

static void drop_sites(struct fragile *f)
{
	struct rewrite_plan *plan = f->plan;
	size_t k = 0;

	for (size_t i = 0; i < plan->count; i++) {
		if (f->drop[i])
			plan->stats.no_window++;
		else
			plan->sites[k++] = plan->sites[i];
	}
	plan->count = k;
}

static void check_fragile(struct builder *b)
{
	struct rewrite_plan *plan = b->plan;
	struct fragile f = {.plan = plan, .lo = UINT64_MAX};
	size_t count = plan->count;

	for (size_t i = 0; i < count; i++) {
		const struct rewrite_site *s = &plan->sites[i];

		if (s->form == REWRITE_K1)
			continue;
		if (s->va - s->pre < f.lo)
			f.lo = s->va - s->pre;
		f.hi = s->va + s->len + s->post;
		for (uint64_t va = (s->va - s->pre) >> 4; va <= f.hi >> 4; va++)
			f.near[va % FILTER_BITS / 64] |= 1ull
				<< va % FILTER_BITS % 64;
	}
	if (!f.hi)
		return;
	f.drop = rewrite_alloc_bytes(b, count * sizeof(*f.drop));
	if (!f.drop)
		return;
	memset(f.drop, 0, count * sizeof(*f.drop));
	if (!find_jumps(b, &f))
		for (size_t i = 0; i < count; i++)
			f.drop[i] = plan->sites[i].form != REWRITE_K1;
	drop_sites(&f);
	rewrite_free_bytes(b, f.drop, count * sizeof(*f.drop));
}

/* ---- the plan ---- */

static void lay_out_trampolines(struct rewrite_plan *plan)
{
	uint32_t at = 0;

	for (size_t i = 0; i < plan->count; i++) {
		struct rewrite_site *s = &plan->sites[i];

		s->tramp = at;
		at += rewrite_site_tramp_size(s);
		plan->stats.by_form[s->kind][s->form]++;
	}
	plan->tramp_size = at;
}

static int build(struct builder *b)
{
	int err;

	err = rewrite_view_init(b, &b->table_view, REWRITE_VIEW);
	if (!err)
		err = rewrite_view_init(b, &b->frame_view, REWRITE_VIEW);
	if (!err)
		err = rewrite_elf_read(b);
	if (err)
		return err;
	if (!b->region_count)
		return 0;
	err = rewrite_view_init(b, &b->text_view, REWRITE_CODE);
	if (!err)
		err = rewrite_find_candidates(b);
	if (err)
		return err;
	b->plan->stats.candidates = (uint32_t)b->cand_count;
	if (b->cand_count) {
		rewrite_find_evidence(b);
		plan_sites(b);
		check_fragile(b);
	}
	lay_out_trampolines(b->plan);
	return b->err;
}

int rewrite_plan_build(const struct rewrite_src *src, struct rewrite_plan **out)
{
	const struct rewrite_alloc *alloc = src->alloc;
	struct rewrite_plan *plan;
	struct builder *b;
	int err = -ENOMEM;

	*out = NULL;
	if (src->file_size >> 46)
		return -ENOEXEC;
	plan = alloc->alloc(alloc->ctx, sizeof(*plan));
	if (!plan)
		return -ENOMEM;
	memset(plan, 0, sizeof(*plan));
	plan->alloc = alloc;
	b = alloc->alloc(alloc->ctx, sizeof(*b));
	if (b) {
		memset(b, 0, sizeof(*b));
		b->src = src;
		b->plan = plan;
		b->read_budget = 8 * src->file_size + (1 << 20);
		b->work_budget = 8 * src->file_size + (1 << 20);
		err = build(b);
		rewrite_view_fini(b, &b->text_view);
		rewrite_view_fini(b, &b->table_view);
		rewrite_view_fini(b, &b->frame_view);
		rewrite_free_bytes(b, b->marks, b->marks_cap);
		rewrite_free_bytes(
			b, b->cands, b->cand_cap * sizeof(*b->cands));
		alloc->free(alloc->ctx, b, sizeof(*b));
	}
	if (err) {
		rewrite_plan_free(plan);
		return err;
	}
	*out = plan;
	return 0;
}

void rewrite_plan_free(struct rewrite_plan *plan)
{
	const struct rewrite_alloc *alloc;

	if (!plan)
		return;
	alloc = plan->alloc;
	if (plan->sites)
		alloc->free(alloc->ctx, plan->sites,
			plan->capacity * sizeof(plan->sites[0]));
	alloc->free(alloc->ctx, plan, sizeof(*plan));
}
