/* SPDX-License-Identifier: Apache-2.0 */
/* See aspace_text.h. */
#include "kernel/aspace_text.h"

#include <errno.h>

#include "abi/layout.h"
#include "kernel/cpu.h"
#include "kernel/elf.h"
#include "kernel/kalloc.h"
#include "kernel/rewrite.h"
#include "kernel/vfs.h"
#include "lib/string.h"
#include "lib/types.h"

enum { PLANS_MAX = 64, SEGMENTS_MAX = 8 };

/* Trampolines must be within reach of a jump from any place of the image. */
#define REACH 0x70000000ul

struct file_id {
	uint64_t dev, ino, size, sec, nsec;
};

/* One file's plan; plan is NULL if there is nothing to rewrite. */
struct text_plan {
	struct list node; /* most recently used first */
	uint32_t refs; /* loads; the cache itself has none */
	struct file_id id;
	struct rewrite_plan *plan;
	struct {
		uint64_t va, off, size;
	} segment[SEGMENTS_MAX];
	unsigned segment_count;
};

struct text_load {
	struct vma_object base; /* held by the trampolines' mapping */
	struct list node;
	struct aspace *as;
	struct text_plan *tp;
	uint64_t bias, tramp_va, tramp_size;
	uint32_t users; /* mappings */
};

static struct list plans = LIST_INIT(plans);
static unsigned plan_count;

static void *plan_alloc(void *ctx, size_t size)
{
	return kmalloc(size);
}

static void plan_release(void *ctx, void *ptr, size_t size)
{
	kfree(ptr);
}

static const struct rewrite_alloc allocator = {
	.alloc = plan_alloc,
	.free = plan_release,
};

static const struct rewrite_gs gs = {
	.syscall_off = CPU_SYSCALL_ENTRY,
	.cpuid_off = CPU_CPUID_ENTRY,
};

static int64_t read_file(void *ctx, uint64_t off, void *buf, size_t size)
{
	return file_pread(ctx, buf, size, off);
}

/* Which parts of the file are code, and where they are linked. */
static void find_segments(struct text_plan *tp, struct file *f)
{
	struct elf_image *img = kmalloc(sizeof(*img));
	struct elf_src src = {f, read_file, tp->id.size};

	if (!img)
		return;
	if (!elf_read(&src, img, NULL)) {
		for (unsigned i = 0; i < img->segment_count; i++) {
			const struct elf_segment *s = &img->segment[i];

			if (!(s->prot & PROT_EXEC) ||
				tp->segment_count == SEGMENTS_MAX)
				continue;
			tp->segment[tp->segment_count].va = s->va;
			tp->segment[tp->segment_count].off = s->off;
			tp->segment[tp->segment_count++].size = s->filesz;
		}
	}
	kfree(img);
}

static void plan_drop(struct text_plan *tp)
{
	list_del(&tp->node);
	plan_count--;
	rewrite_plan_free(tp->plan);
	kfree(tp);
}

/* Makes room for one more plan. */
static void plans_shrink(void)
{
	struct text_plan *tp, *old = NULL;

	if (plan_count < PLANS_MAX)
		return;
	list_for_each_entry (tp, &plans, node)
		if (tp->refs == 0)
			old = tp;
	if (old)
		plan_drop(old);
}

static struct text_plan *plan_find(struct file *f, struct file_id *id)
{
	struct text_plan *tp;
	struct kstat st;

	if (vfs_file_getattr(f, &st))
		return NULL;
	*id = (struct file_id){
		st.dev, st.ino, st.size, (uint64_t)st.mtime.sec, st.mtime.nsec};
	list_for_each_entry (tp, &plans, node) {
		if (memcmp(&tp->id, id, sizeof(*id)))
			continue;
		list_del(&tp->node);
		list_add(&plans, &tp->node);
		return tp;
	}
	return NULL;
}

bool text_known(struct file *f)
{
	struct file_id id;

	return plan_find(f, &id);
}

static struct text_plan *plan_get(const struct vma *v, bool loaded)
{
	struct file *f = mapping_of(v)->file;
	struct rewrite_src src = {
		.ctx = f,
		.read = read_file,
		.alloc = &allocator,
		.kinds = 1u << REWRITE_SYSCALL | 1u << REWRITE_CPUID,
		.mem = (const uint8_t *)v->start,
		.mem_off = v->offset,
		.mem_size = loaded ? v->end - v->start : 0,
	};
	struct file_id id = {0};
	struct text_plan *tp = plan_find(f, &id);
	int err;

	if (tp || !id.size)
		return tp;
	plans_shrink();
	tp = kzalloc(sizeof(*tp));
	if (!tp)
		return NULL;
	tp->id = id;
	src.file_size = id.size;
	err = rewrite_plan_build(&src, &tp->plan);
	if (err && err != -ENOEXEC) {
		kfree(tp);
		return NULL;
	}
	if (tp->plan && tp->plan->count == 0) {
		rewrite_plan_free(tp->plan);
		tp->plan = NULL;
	}
	if (tp->plan)
		find_segments(tp, f);
	list_add(&plans, &tp->node);
	plan_count++;
	return tp;
}

static bool has_sites(const struct rewrite_plan *p, uint64_t lo, uint64_t hi)
{
	size_t a = 0, b = p->count;

	while (a < b) {
		size_t mid = (a + b) / 2;

		if (p->sites[mid].va < lo)
			a = mid + 1;
		else
			b = mid;
	}
	return a < p->count && p->sites[a].va < hi;
}

static void load_release(struct vma_object *obj)
{
	struct text_load *t = container_of(obj, struct text_load, base);

	list_del(&t->node);
	t->tp->refs--;
	kfree(t);
}

/* A place for the trampolines: below the image if there is room. */
static uint64_t place(const struct text_load *t, uint64_t size)
{
	const struct rewrite_plan *p = t->tp->plan;
	uint64_t lo = (p->min_va + t->bias) & ~PAGE_MASK;
	uint64_t hi = (p->max_va + t->bias + PAGE_MASK) & ~PAGE_MASK;
	uint64_t from = hi > REACH + USER_START ? hi - REACH : USER_START;
	uint64_t to = lo + REACH < USER_END ? lo + REACH : USER_END;
	uint64_t a = range_find_high(&aspace_used, size, PAGE_SIZE, from, lo);

	if (!a && hi < to)
		a = range_find_low(&aspace_used, size, PAGE_SIZE, hi, to);
	return a;
}

static struct text_load *load_new(
	struct aspace *as, struct text_plan *tp, uint64_t bias)
{
	struct text_load *t = kzalloc(sizeof(*t));
	struct vma v = {
		.kind = VMA_TRAMPOLINE,
		.flags = ASPACE_KERNEL,
	};
	uint64_t size = (tp->plan->tramp_size + PAGE_MASK) & ~PAGE_MASK;

	if (!t)
		return NULL;
	t->base = (struct vma_object){1, load_release};
	t->as = as;
	t->tp = tp;
	t->bias = bias;
	t->tramp_size = size;
	tp->refs++;
	list_add(&as->texts, &t->node);
	t->tramp_va = place(t, size);
	v.obj = &t->base;
	if (!t->tramp_va ||
		rewrite_placement_check(tp->plan, bias, t->tramp_va) ||
		aspace_map_locked(as, t->tramp_va, size, PROT_READ | PROT_EXEC,
			ASPACE_NOREPLACE, &v) < 0) {
		vma_object_put(&t->base);
		return NULL;
	}
	return t;
}

void text_attach(struct aspace *as, const struct vma *v, bool loaded)
{
	uint64_t start = v->start, size = v->end - start, offset = v->offset;
	struct mapping *m = mapping_of(v);
	struct text_plan *tp;
	struct text_load *t;
	uint64_t bias = 0;
	unsigned i;

	if (m->text)
		return;
	tp = plan_get(v, loaded);
	if (!tp || !tp->plan)
		return;
	for (i = 0; i < tp->segment_count; i++) {
		uint64_t off = tp->segment[i].off;

		if (off < offset + size && off + tp->segment[i].size > offset)
			break;
	}
	if (i == tp->segment_count)
		return;
	bias = start - (tp->segment[i].va + (offset - tp->segment[i].off));
	if (!has_sites(tp->plan, start - bias, start + size - bias))
		return;
	list_for_each_entry (t, &as->texts, node)
		if (t->tp == tp && t->bias == bias)
			goto found;
	t = load_new(as, tp, bias);
	if (!t)
		return;
found:
	t->users++;
	m->text = t;
	vma_object_get(&t->base);
}

void text_detach(struct mapping *m)
{
	struct text_load *t = m->text;
	const struct vma *v;

	m->text = NULL;
	if (!t)
		return;
	v = vma_find(&t->as->set, t->tramp_va);
	/* The application may have unmapped the trampolines itself. */
	if (--t->users == 0 && v && v->obj == &t->base)
		aspace_unmap_locked(t->as, t->tramp_va, t->tramp_size);
	vma_object_put(&t->base);
}

void text_apply(
	const struct text_load *t, uint64_t lo, uint64_t hi, uint8_t *mem)
{
	rewrite_apply(t->tp->plan, lo - t->bias, hi - t->bias, t->bias, mem,
		t->tramp_va);
}

void text_attach_committed(struct aspace *as, uint64_t lo, uint64_t hi)
{
	const struct vma *v = vma_find(&as->set, lo);
	struct mapping *m = mapping_of(v);

	vma_object_get(&m->base);
	text_attach(as, v, false);
	while (m->text && lo < hi) {
		uint8_t state;
		uint64_t end = pages_run(lo, hi, &state);

		if (state & PAGE_COMMITTED) {
			commit_protect(lo, end, PROT_READ | PROT_WRITE, false);
			text_apply(m->text, lo, end, (uint8_t *)lo);
		}
		lo = end;
	}
	vma_object_put(&m->base);
}

static struct text_load *load_of(const struct vma *v)
{
	return container_of(v->obj, struct text_load, base);
}

int text_load_trampolines(struct aspace *as, const struct vma *v)
{
	struct text_load *t = load_of(v);
	size_t pages = t->tramp_size >> PAGE_SHIFT;
	uint8_t *buf;
	int err;

	if (v->start != t->tramp_va || v->end - v->start != t->tramp_size)
		return -EFAULT; /* partly unmapped by the application */
	buf = kpages_alloc(pages);
	if (!buf)
		return -ENOMEM;
	err = rewrite_emit_trampolines(
		t->tp->plan, t->bias, t->tramp_va, &gs, buf, t->tramp_size);
	if (!err)
		err = commit_copy(as, v->start, v->end, v->prot, buf);
	kpages_free(buf, pages);
	return err;
}

static const struct text_load *load_at(struct aspace *as, uint64_t rip)
{
	const struct vma *v = vma_find(&as->set, rip);

	return v && v->kind == VMA_TRAMPOLINE ? load_of(v) : NULL;
}

uint64_t aspace_canonical_rip(struct aspace *as, uint64_t rip)
{
	const struct text_load *t = load_at(as, rip);

	return t ? rewrite_canonical_rip(t->tp->plan, t->bias, t->tramp_va, rip)
		 : rip;
}

uint64_t aspace_resume_rip(struct aspace *as, uint64_t rip)
{
	const struct vma *v = vma_find(&as->set, rip);
	const struct text_load *t;

	if (!v || v->kind != VMA_FILE)
		return rip;
	t = mapping_of(v)->text;
	return t ? rewrite_resume_rip(t->tp->plan, t->bias, t->tramp_va, rip)
		 : rip;
}
