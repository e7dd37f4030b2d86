/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared mappings of files that live in memory (tmpfs, memfd).
 *
 * An enclave page has one address, and all processes share the addresses. So
 * such a file, while somebody has it mapped, has a range of its own: an
 * *object*. Every mapping of it, by whatever process, is a view of that range;
 * the file's pages move there when they are first touched (pagestore.h) and
 * back when the last view is gone.
 *
 * The pages are writable as long as they are there, whatever a single view
 * may do, since reads and writes of the file go to them too. A view at
 * another address than the object's cannot be had: -EINVAL, said once.
 */
#include <linux/errno.h>

#include "abi/layout.h"
#include "kernel/aspace_impl.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/pagestore.h"
#include "kernel/vfs.h"
#include "lib/types.h"

/* A new object spans the whole file, so that later views of other parts find
 * their place, if the file is no larger than this. */
#define WHOLE_MAX 0x40000000ul

struct shared_object {
	struct vma_object base;
	struct list node;
	struct file *file; /* referenced */
	uint64_t addr, offset, size;
	uint32_t repeats; /* equal views of one process, but the first */
};

static struct list objects = LIST_INIT(objects);
static bool refused;

static struct shared_object *object_of(const struct vma *v)
{
	return container_of(v->obj, struct shared_object, base);
}

struct file *object_file(const struct vma *v)
{
	return object_of(v)->file;
}

static uint64_t index_of(const struct shared_object *o, uint64_t addr)
{
	return (o->offset + (addr - o->addr)) >> PAGE_SHIFT;
}

/* The last view is gone: contents go home, the range is free. */
static void release(struct vma_object *obj)
{
	struct shared_object *o = container_of(obj, struct shared_object, base);
	const struct pagestore_ops *pages = o->file->vnode->ops->pages;
	uint64_t at = o->addr, end = o->addr + o->size;

	list_del(&o->node);
	while (at < end) {
		uint8_t state;
		uint64_t stop = pages_run(at, end, &state);

		for (; (state & PAGE_COMMITTED) && at < stop; at += PAGE_SIZE)
			if (pages->take_back(o->file->vnode, index_of(o, at),
				    (const void *)at))
				klog("a page of a shared file is lost");
		at = stop;
	}
	commit_drop(NULL, o->addr, end);
	if (range_remove(&aspace_used, o->addr, end))
		klog("no memory: an address range stays unused");
	file_put(o->file);
	kfree(o);
}

static int refuse(void)
{
	if (!refused)
		klog("a second shared mapping of a file at another address "
		     "is not possible in an enclave");
	refused = true;
	return -EINVAL;
}

/* An object of the file that touches [offset, offset + size). */
static struct shared_object *find(
	const struct vnode *v, uint64_t offset, uint64_t size)
{
	struct shared_object *o;

	list_for_each_entry (o, &objects, node)
		if (o->file->vnode == v && offset < o->offset + o->size &&
			o->offset < offset + size)
			return o;
	return NULL;
}

static struct shared_object *object_new(struct aspace *as, uint64_t addr,
	uint64_t size, unsigned flags, struct file *f, uint64_t offset)
{
	struct shared_object *o = kzalloc(sizeof(*o));
	struct kstat st;

	if (!o)
		return NULL;
	o->base = (struct vma_object){0, release};
	o->offset = offset;
	o->size = size;
	if (flags & (ASPACE_FIXED | ASPACE_NOREPLACE)) {
		o->addr = addr;
	} else {
		uint64_t whole = offset + size;

		if (!vfs_file_getattr(f, &st) && st.size > whole)
			whole = align_up(st.size, PAGE_SIZE);
		if (whole <= WHOLE_MAX) {
			o->offset = 0;
			o->size = whole;
		}
		o->addr = aspace_find_free(
			as, o->size, PAGE_SIZE, flags & ASPACE_32BIT);
	}
	if (!o->addr || range_add(&aspace_used, o->addr, o->addr + o->size)) {
		kfree(o);
		return NULL;
	}
	o->file = file_get(f);
	list_add(&objects, &o->node);
	return o;
}

/* Makes room for a view that goes on behind the object's end. */
static int extend(struct shared_object *o, uint64_t offset, uint64_t size)
{
	uint64_t end = o->addr + o->size;
	uint64_t more = offset + size - (o->offset + o->size);
	int err;

	if (offset < o->offset)
		return refuse();
	if (more > USER_END - end || !range_free(&aspace_used, end, end + more))
		return refuse();
	err = range_add(&aspace_used, end, end + more);
	if (!err)
		o->size += more;
	return err;
}

/* The process sees this part already: fine if it is exactly the same. */
static int64_t repeat(
	struct aspace *as, struct shared_object *o, uint64_t at, uint64_t size)
{
	const struct vma *v = vma_find(&as->set, at);

	if (!v || v->obj != &o->base || v->start != at || v->end != at + size)
		return refuse();
	o->repeats++;
	return (int64_t)at;
}

bool object_forget_repeat(const struct vma *v, uint64_t start, uint64_t end)
{
	struct shared_object *o = object_of(v);

	if (!o->repeats || v->start != start || v->end != end)
		return false;
	o->repeats--;
	return true;
}

static int64_t view(struct aspace *as, uint64_t addr, uint64_t size, int prot,
	unsigned flags, struct file *f, uint64_t offset)
{
	bool fixed = flags & (ASPACE_FIXED | ASPACE_NOREPLACE);
	struct shared_object *o = find(f->vnode, offset, size);
	struct vma v = {.kind = VMA_SHARED,
		.prot = (uint8_t)prot,
		.flags = ASPACE_SHARED,
		.offset = offset};
	int err = vma_reserve(&as->set, 3);

	if (err)
		return err;
	if (o && (offset < o->offset || offset + size > o->offset + o->size))
		err = extend(o, offset, size);
	if (err)
		return err;
	if (!o) {
		if (fixed) {
			err = aspace_clear(as, addr, size, flags);
			if (err)
				return err;
		}
		o = object_new(as, addr, size, flags, f, offset);
		if (!o)
			return -ENOMEM;
	}
	v.start = o->addr + (offset - o->offset);
	v.end = v.start + size;
	if (fixed && addr != v.start)
		return refuse();
	if (vma_overlaps(&as->set, v.start, v.end))
		return repeat(as, o, v.start, size);
	v.obj = vma_object_get(&o->base);
	vma_insert(&as->set, &v);
	return (int64_t)v.start;
}

int object_sync(const struct file *f)
{
	const struct pagestore_ops *pages = f->vnode->ops->pages;

	return pages->sync ? pages->sync(f->vnode) : 0;
}

bool object_wanted(const struct file *f)
{
	return f->vnode && f->vnode->ops->pages && S_ISREG(f->vnode->mode);
}

int64_t object_map(struct aspace *as, uint64_t addr, uint64_t size, int prot,
	unsigned flags, struct file *f, uint64_t offset)
{
	int64_t at;

	size = align_up(size, PAGE_SIZE);
	if (size == 0 || size > USER_END)
		return size ? -ENOMEM : -EINVAL;
	mm_lock();
	at = view(as, addr, size, prot, flags, f, offset);
	mm_unlock();
	return at;
}

int object_load(const struct vma *v, uint64_t lo, uint64_t hi, uint64_t fault)
{
	struct shared_object *o = object_of(v);
	int prot = PROT_READ | PROT_WRITE | (v->prot & PROT_EXEC);
	struct kstat st;
	uint64_t end;
	void *buf;
	int err = vfs_file_getattr(o->file, &st);

	if (err)
		return -EIO;
	st.size = align_up(st.size, PAGE_SIZE);
	if (index_of(o, fault) >= st.size >> PAGE_SHIFT)
		return -ENXIO;
	end = st.size - o->offset + o->addr;
	if (hi > end)
		hi = end;
	buf = kpages_alloc(1);
	if (!buf)
		return -ENOMEM;
	err = commit_begin(NULL, lo, hi, true);
	for (uint64_t at = lo; !err && at < hi; at += PAGE_SIZE) {
		err = o->file->vnode->ops->pages->lend(
			o->file->vnode, index_of(o, at), at, buf);
		if (!err) {
			commit_fill(at, at + PAGE_SIZE, prot, buf);
			continue;
		}
		/* What nobody waits for may come later. */
		commit_fill(at, hi, PROT_READ | PROT_WRITE, NULL);
		commit_drop(NULL, at, hi);
		if (fault < at)
			err = 0;
		else if (err == -ENOSPC)
			err = -ENXIO;
		break;
	}
	kpages_free(buf, 1);
	return err;
}
