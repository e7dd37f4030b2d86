/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of files. Content is read into a staging buffer of the kernel,
 * patched there if it is code, and enters the application's range by
 * EACCEPTCOPY with its final permissions: no other thread ever sees a page
 * half loaded, and code is never writable.
 */
#include <errno.h>

#include "abi/layout.h"
#include "kernel/aspace_impl.h"
#include "kernel/aspace_text.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/vfs.h"
#include "lib/string.h"
#include "lib/types.h"

enum { STAGE_PAGES = 64 };

#define LARGE 0x200000ul /* a large page */
#define IMAGE_MAX (4 * LARGE) /* what is loaded as a whole at most */
/* Private writable mappings up to this size are loaded at once. */
#define DATA_READY 0x10000ul

static void release(struct vma_object *obj)
{
	struct mapping *m = container_of(obj, struct mapping, base);

	text_detach(m);
	file_put(m->file);
	kfree(m);
}

struct mapping *mapping_of(const struct vma *v)
{
	return container_of(v->obj, struct mapping, base);
}

int mapping_new(struct file *file, uint64_t limit, struct mapping **out)
{
	struct mapping *m = kzalloc(sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->base = (struct vma_object){1, release};
	m->file = file_get(file);
	m->limit = limit;
	if (file->vnode) {
		m->dev = file->vnode->dev;
		m->ino = file->vnode->ino;
	}
	*out = m;
	return 0;
}

uint64_t mapping_size(struct mapping *m)
{
	struct kstat st;

	return vfs_file_getattr(m->file, &st) ? 0 : st.size;
}

/* The one buffer, STAGE_PAGES, of whoever holds the lock. */
static uint8_t *stage(void)
{
	static uint8_t *buf;

	if (!buf)
		buf = kpages_alloc(STAGE_PAGES);
	return buf;
}

/*
 * Reads what [lo, hi) of a mapping shows into buf and patches it. Bytes that
 * exist, rounded up to pages (the rest of the last page is zero), or -errno.
 */
static int64_t fetch(
	const struct vma *v, uint64_t lo, uint64_t hi, uint8_t *buf)
{
	struct mapping *m = mapping_of(v);
	uint64_t off = v->offset + (lo - v->start), size;
	int64_t n = file_pread(m->file, buf, hi - lo, off);

	if (n < 0)
		return n == -ENOMEM ? -ENOMEM : -EIO;
	if (m->limit - off < (uint64_t)n)
		n = (int64_t)(m->limit - off);
	size = align_up((uint64_t)n, PAGE_SIZE);
	memset(buf + n, 0, size - (uint64_t)n);
	if (m->text)
		text_apply(m->text, lo, lo + size, buf);
	return (int64_t)size;
}

int mapping_load(struct aspace *as, const struct vma *v, uint64_t lo,
	uint64_t hi, uint64_t fault)
{
	uint8_t *buf = stage();
	int64_t n;

	ASSERT(hi - lo <= STAGE_PAGES * PAGE_SIZE);
	if (!buf)
		return -ENOMEM;
	n = fetch(v, lo, hi, buf);
	if (n < 0)
		return (int)n;
	if (fault - lo >= (uint64_t)n)
		return -ENXIO; /* behind the end of the file */
	return commit_copy(as, lo, lo + (uint64_t)n, v->prot, buf);
}

/* A run of neighbouring mappings, from index i on, that can be loaded at once:
 * end of the run. */
static uint64_t image_run(const struct vma_set *s, size_t i, uint64_t hi)
{
	uint64_t end = s->v[i].start;
	uint8_t state;

	for (; i < s->count && s->v[i].start == end; i++) {
		const struct vma *v = &s->v[i];

		if (v->end > hi || v->prot == PROT_NONE ||
			(v->flags & ASPACE_SHARED) ||
			(v->kind != VMA_FILE && v->kind != VMA_ANON) ||
			pages_run(end, v->end, &state) != v->end || state)
			break;
		end = v->end;
	}
	return end;
}

/* Fills the pages of v, which were added; they stay writable. Nobody knows of
 * them yet, so they are read and searched and patched in their place. */
static void fill(struct aspace *as, const struct vma *v)
{
	uint64_t at = v->start;
	int64_t n = 1;

	commit_fill(at, v->end, PROT_READ | PROT_WRITE, NULL);
	for (; v->kind == VMA_FILE && n > 0 && at < v->end; at += (uint64_t)n) {
		n = fetch(v, at, u64_min(at + STAGE_PAGES * PAGE_SIZE, v->end),
			(uint8_t *)at);
		n = n < 0 ? 0 : n;
	}
	if (v->kind == VMA_FILE && (v->prot & PROT_EXEC)) {
		text_attach(as, v, at == v->end);
		if (mapping_of(v)->text)
			text_apply(mapping_of(v)->text, v->start, v->end,
				(uint8_t *)v->start);
	}
	if (v->kind == VMA_FILE && at < v->end)
		commit_drop(as, at, v->end);
}

/* Loading v, or not, with its neighbours. */
static void ready(struct aspace *as, const struct vma *v)
{
	/* Without rewriting its system calls would trap: slow, but right. So an
	 * error here does not matter. */
	if (v->prot & PROT_EXEC)
		text_attach(as, v, false);
	/* Initialised data, about to be relocated. */
	if ((v->prot & PROT_WRITE) && v->end - v->start <= DATA_READY &&
		!(v->flags & ASPACE_SHARED))
		aspace_populate(as, v->start, v->end);
}

/*
 * A small image is touched all over within its first instructions. One that
 * fills large pages costs less as a whole than in parts. Code that has to be
 * searched is read anyway.
 */
static bool at_once(
	struct aspace *as, const struct vma *v, uint64_t size, bool image)
{
	uint64_t large = align_up(v->start, LARGE) + LARGE;

	if (commit_room() < 4 * size)
		return false;
	if (image)
		return size <= STAGE_PAGES * PAGE_SIZE ||
			(size <= IMAGE_MAX && large <= v->start + size);
	return (v->prot & PROT_EXEC) && size <= LARGE &&
		!text_known(mapping_of(v)->file);
}

void mapping_preload(struct aspace *as, uint64_t lo, uint64_t hi, bool image)
{
	size_t i = vma_index(&as->set, lo);
	bool whole = at_once(as, &as->set.v[i], hi - lo, image);

	for (; i < as->set.count && as->set.v[i].start < hi;
		i = vma_index(&as->set, lo)) {
		struct vma v = as->set.v[i];
		uint64_t at, end = whole ? image_run(&as->set, i, hi) : 0;

		lo = v.start;
		if (end <= lo || commit_begin(as, lo, end, false)) {
			if (v.kind == VMA_FILE)
				ready(as, &v);
			lo = v.end;
			continue;
		}
		for (at = lo; at < end; at = v.end) {
			v = *vma_find(&as->set, at);
			fill(as, &v);
		}
		/* Not before all are there: the host may be busy with them. */
		for (; lo < end; lo = v.end) {
			v = *vma_find(&as->set, lo);
			commit_protect(lo, v.end, v.prot, false);
		}
	}
}
