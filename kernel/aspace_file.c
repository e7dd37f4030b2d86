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
#include "kernel/vfs.h"
#include "lib/string.h"
#include "lib/types.h"

enum { STAGE_PAGES = 64 };

static void *stage;
static bool stage_busy;

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

/* A buffer for count pages; the usual one is kept. */
static void *stage_get(size_t count)
{
	if (stage_busy || count > STAGE_PAGES)
		return kpages_alloc(count);
	if (!stage) {
		void *p = kpages_alloc(STAGE_PAGES);

		if (!p)
			return NULL;
		stage = p;
	}
	stage_busy = true;
	return stage;
}

static void stage_put(void *p, size_t count)
{
	if (p == stage)
		stage_busy = false;
	else
		kpages_free(p, count);
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
	size_t count = (hi - lo) >> PAGE_SHIFT;
	uint8_t *buf = stage_get(count);
	int64_t n;
	int err;

	if (!buf)
		return -ENOMEM;
	n = fetch(v, lo, hi, buf);
	if (n < 0)
		err = (int)n;
	else if (fault - lo >= (uint64_t)n)
		err = -ENXIO; /* behind the end of the file */
	else
		err = commit_copy(as, lo, lo + (uint64_t)n, v->prot, buf);
	stage_put(buf, count);
	return err;
}

/* Can v be loaded as part of an image? */
static bool preloadable(const struct vma *v, uint64_t hi)
{
	uint8_t state;

	return v->end <= hi && v->prot != PROT_NONE &&
		!(v->flags & ASPACE_SHARED) &&
		(v->kind == VMA_FILE || v->kind == VMA_ANON) &&
		pages_run(v->start, v->end, &state) == v->end && !state;
}

/* A run of neighbouring mappings, from index i on: end of the run. */
static uint64_t image_run(const struct vma_set *s, size_t i, uint64_t hi)
{
	uint64_t end = s->v[i].start;

	for (; i < s->count && s->v[i].start == end; i++) {
		if (!preloadable(&s->v[i], hi))
			break;
		end = s->v[i].end;
	}
	return end;
}

static void preload_run(
	struct aspace *as, uint64_t lo, uint64_t hi, uint8_t *buf)
{
	/* First all contents: reading sleeps and may fail. */
	for (uint64_t at = lo; at < hi;) {
		const struct vma v = *vma_find(&as->set, at);

		if (v.kind == VMA_FILE &&
			fetch(&v, v.start, v.end, buf + (v.start - lo)) !=
				(int64_t)(v.end - v.start))
			return;
		at = v.end;
	}
	if (commit_begin(as, lo, hi))
		return;
	for (uint64_t at = lo; at < hi;) {
		const struct vma *v = vma_find(&as->set, at);

		commit_fill(v->start, v->end, v->prot,
			v->kind == VMA_FILE ? buf + (v->start - lo) : NULL);
		at = v->end;
	}
}

void mapping_preload(struct aspace *as, uint64_t lo, uint64_t hi)
{
	uint8_t *buf;

	if (hi - lo > STAGE_PAGES * PAGE_SIZE || commit_room() < 4 * (hi - lo))
		return;
	buf = stage_get(STAGE_PAGES);
	if (!buf)
		return;
	while (lo < hi) {
		size_t i = vma_index(&as->set, lo);
		uint64_t end;

		if (i == as->set.count || as->set.v[i].start >= hi)
			break;
		lo = as->set.v[i].start;
		end = image_run(&as->set, i, hi);
		if (end > lo)
			preload_run(as, lo, end, buf);
		else
			end = as->set.v[i].end;
		lo = end;
	}
	stage_put(buf, STAGE_PAGES);
}
