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

int mapping_load(struct aspace *as, const struct vma *v, uint64_t lo,
	uint64_t hi, uint64_t fault)
{
	struct mapping *m = mapping_of(v);
	size_t count = (hi - lo) >> PAGE_SHIFT;
	uint8_t *buf = stage_get(count);
	uint64_t end, off;
	int64_t n;
	int err;

	if (!buf)
		return -ENOMEM;
	off = v->offset + (lo - v->start);
	n = file_pread(m->file, buf, hi - lo, off);
	if (n < 0) {
		err = n == -ENOMEM ? -ENOMEM : -EIO;
		goto out;
	}
	if (m->limit - off < (uint64_t)n)
		n = (int64_t)(m->limit - off);
	/* What is behind the end of the file does not exist, but the rest of
	 * its last page reads as zero. */
	end = lo + (((uint64_t)n + PAGE_MASK) & ~PAGE_MASK);
	memset(buf + n, 0, end - lo - (uint64_t)n);
	if (fault >= end) {
		err = -ENXIO;
		goto out;
	}
	if (m->text)
		text_apply(m->text, lo, end, buf);
	err = commit_copy(as, lo, end, v->prot, buf);
out:
	stage_put(buf, count);
	return err;
}
