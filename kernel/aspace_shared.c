/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared mappings of files. Pages come in read-only; the first write to a
 * page makes it writable and marks it dirty; msync, munmap and the end of the
 * process write dirty pages back.
 *
 * A page of an enclave has one address, so the same part of a file cannot be
 * at two. Two mappings of one range do not see each other's changes before
 * they are written back and loaded again; that is said once.
 */
#include <linux/errno.h>

#include "kernel/aspace_impl.h"
#include "kernel/uio.h"

static bool dirty_run(uint64_t *lo, uint64_t *end, uint64_t hi)
{
	while (*lo < hi) {
		uint8_t state;

		*end = pages_run(*lo, hi, &state);
		if (state & PAGE_DIRTY)
			return true;
		*lo = *end;
	}
	return false;
}

/* Writes [lo, hi) to the file, but never makes the file longer. */
static int write_run(
	const struct vma *v, uint64_t lo, uint64_t hi, uint64_t size)
{
	struct file *f = mapping_of(v)->file;
	uint64_t pos = v->offset + (lo - v->start);

	if (!f->ops->write)
		return -EIO;
	while (lo < hi && pos < size) {
		uint64_t n = hi - lo < size - pos ? hi - lo : size - pos;
		struct uio u;
		int64_t done;

		uio_init_kernel(&u, (void *)lo, n);
		done = f->ops->write(f, &u, &pos);
		if (done <= 0)
			return done < 0 ? (int)done : -EIO;
		lo += (uint64_t)done;
		pos = v->offset + (lo - v->start);
	}
	return 0;
}

int mapping_write_back(struct aspace *as, uint64_t lo, uint64_t hi)
{
	int result = 0;

	while (lo < hi) {
		size_t i = vma_index(&as->set, lo);
		uint64_t stop, end, size;
		struct vma v;

		if (i == as->set.count || as->set.v[i].start >= hi)
			break;
		v = as->set.v[i];
		if (v.start > lo)
			lo = v.start;
		stop = v.end < hi ? v.end : hi;
		if (v.kind != VMA_FILE || !(v.flags & ASPACE_SHARED)) {
			lo = stop;
			continue;
		}
		vma_object_get(v.obj);
		size = mapping_size(mapping_of(&v));
		while (dirty_run(&lo, &end, stop)) {
			int err;

			/* Clean and read-only first: what is written during
			 * the write-back becomes dirty again. */
			commit_protect(lo, end, PROT_READ, false);
			pages_set(lo, end,
				(uint8_t)(pages_get(lo) & ~PAGE_DIRTY));
			err = write_run(&v, lo, end, size);
			if (err)
				result = err;
			lo = end;
		}
		vma_object_put(v.obj);
		lo = stop;
	}
	return result;
}

int aspace_sync(struct aspace *as, uint64_t addr, uint64_t size, bool wait)
{
	uint64_t end = addr + size;
	int err;

	mm_lock();
	err = mapping_write_back(as, addr, end);
	while (wait && !err && addr < end) {
		const struct vma *v = vma_find(&as->set, addr);
		struct vma_object *obj;
		struct file *f;

		if (!v)
			break;
		addr = v->end;
		if (!(v->flags & ASPACE_SHARED) ||
			(v->kind != VMA_FILE && v->kind != VMA_SHARED))
			continue;
		obj = vma_object_get(v->obj);
		f = v->kind == VMA_FILE ? mapping_of(v)->file : object_file(v);
		if (v->kind == VMA_SHARED)
			err = object_sync(f);
		else if (f->ops->fsync)
			err = f->ops->fsync(f, true);
		vma_object_put(obj);
	}
	mm_unlock();
	return err;
}
