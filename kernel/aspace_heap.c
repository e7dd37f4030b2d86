/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap behind the program (brk), moving and resizing mappings (mremap),
 * and advice about pages.
 */
#include <linux/errno.h>

#include "abi/layout.h"
#include "kernel/aspace_impl.h"
#include "lib/string.h"
#include "lib/types.h"

enum { MREMAP_MAYMOVE = 1, MREMAP_FIXED = 2, MREMAP_DONTUNMAP = 4 };

/* Below this a discarded page is cleared in place. */
#define CLEAR_MAX 0x10000ul

void aspace_set_brk(struct aspace *as, uint64_t start)
{
	as->brk_start = as->brk = start;
}

uint64_t aspace_brk(struct aspace *as, uint64_t want)
{
	uint64_t old, new;

	mm_lock();
	old = align_up(as->brk, PAGE_SIZE);
	new = align_up(want, PAGE_SIZE);
	if (want < as->brk_start || want > USER_END)
		goto out;
	if (new > old) {
		struct vma v = {.kind = VMA_ANON, .flags = ASPACE_HEAP};

		/* Never more than there can be memory for. */
		if (!aspace_room(new - old) ||
			!range_free(&aspace_used, old, new) ||
			aspace_map_locked(as, old, new - old,
				PROT_READ | PROT_WRITE, ASPACE_NOREPLACE,
				&v) < 0)
			goto out;
	} else if (new < old) {
		if (aspace_unmap_locked(as, new, old - new))
			goto out;
	}
	as->brk = want;
out:
	want = as->brk;
	mm_unlock();
	return want;
}

/* Carries what is committed of [from, from + size) to the same place in a
 * new mapping at to. */
static int move_pages(
	struct aspace *as, uint64_t from, uint64_t to, uint64_t size)
{
	uint64_t lo = from, hi = from + size;

	while (lo < hi) {
		uint8_t state;
		uint64_t end = pages_run(lo, hi, &state);
		int err = 0;

		if (end - lo > 0x200000)
			end = lo + 0x200000;
		if (state & PAGE_COMMITTED) {
			const struct vma *v = vma_find(&as->set, lo);
			bool hidden = state & PAGE_HIDDEN;

			/* The source must be readable for the copy. */
			if (hidden)
				err = commit_protect(lo, end, PROT_READ, false);
			if (!err)
				err = commit_copy(as, to + (lo - from),
					to + (end - from), v->prot,
					(const void *)lo);
			if (!err && (state & PAGE_DIRTY))
				pages_set(to + (lo - from), to + (end - from),
					pages_get(to + (lo - from)) |
						PAGE_DIRTY);
			if (!err)
				commit_drop(as, lo, end);
		}
		if (err)
			return err;
		lo = end;
	}
	return 0;
}

static int64_t move(struct aspace *as, uint64_t addr, uint64_t old_size,
	uint64_t new_size, uint64_t new_addr, unsigned flags)
{
	struct vma v = *vma_find(&as->set, addr);
	int prot = v.prot;
	int64_t at;
	int err;

	if (v.kind == VMA_TRAMPOLINE || !aspace_owns_pages(&v))
		return -EINVAL;
	v.offset += addr - v.start;
	v.window = 0;
	v.flags &= (uint16_t)~ASPACE_HEAP;
	vma_object_get(v.obj);
	at = aspace_map_locked(as, new_addr, new_size, prot,
		flags & MREMAP_FIXED ? ASPACE_FIXED : 0, &v);
	if (at < 0) {
		vma_object_put(v.obj);
		return at;
	}
	err = move_pages(as, addr, (uint64_t)at,
		old_size < new_size ? old_size : new_size);
	if (err) {
		/* Bring back what was moved: it fits where it was. */
		move_pages(as, (uint64_t)at, addr,
			old_size < new_size ? old_size : new_size);
		aspace_unmap_locked(as, (uint64_t)at, new_size);
		return err;
	}
	if (!(flags & MREMAP_DONTUNMAP)) {
		err = aspace_unmap_locked(as, addr, old_size);
		if (err)
			return err;
	}
	return at;
}

static int64_t remap(struct aspace *as, uint64_t addr, uint64_t old_size,
	uint64_t new_size, unsigned flags, uint64_t new_addr)
{
	const struct vma *v = vma_find(&as->set, addr);
	uint64_t end = addr + old_size;

	if (!v)
		return -EFAULT;
	if (old_size == 0)
		return -EINVAL; /* a second view of shared pages */
	if (v->end < end)
		return -EFAULT;
	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) {
		if ((flags & MREMAP_FIXED) && new_addr < end &&
			new_addr + new_size > addr)
			return -EINVAL;
		return move(as, addr, old_size, new_size, new_addr, flags);
	}
	if (new_size <= old_size) {
		int err = new_size == old_size
			? 0
			: aspace_unmap_locked(
				  as, addr + new_size, old_size - new_size);

		return err ? err : (int64_t)addr;
	}
	/* In place, if what is behind is free. */
	if (v->end == end && v->kind != VMA_TRAMPOLINE &&
		aspace_owns_pages(v) && new_size <= USER_END - addr &&
		range_free(&aspace_used, end, addr + new_size)) {
		struct vma more = *v;
		int64_t at;

		more.offset += end - v->start;
		more.window = 0;
		vma_object_get(more.obj);
		at = aspace_map_locked(as, end, new_size - old_size, v->prot,
			ASPACE_NOREPLACE, &more);
		if (at >= 0)
			return (int64_t)addr;
		vma_object_put(more.obj);
	}
	if (!(flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	return move(as, addr, old_size, new_size, 0, flags);
}

int64_t aspace_remap(struct aspace *as, uint64_t addr, uint64_t old_size,
	uint64_t new_size, unsigned flags, uint64_t new_addr)
{
	int64_t at;

	if (flags &
		~(unsigned)(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP))
		return -EINVAL;
	if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) &&
		!(flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if ((flags & MREMAP_DONTUNMAP) && old_size != new_size)
		return -EINVAL;
	if ((addr | ((flags & MREMAP_FIXED) ? new_addr : 0)) & PAGE_MASK)
		return -EINVAL;
	if (addr >= USER_END || old_size > USER_END || new_size > USER_END)
		return addr >= USER_END ? -EFAULT : -ENOMEM;
	old_size = align_up(old_size, PAGE_SIZE);
	new_size = align_up(new_size, PAGE_SIZE);
	if (!new_size)
		return -EINVAL;
	mm_lock();
	at = remap(as, addr, old_size, new_size, flags, new_addr);
	mm_unlock();
	return at;
}

/* The pages lose their content: anonymous memory reads as zero, private file
 * pages as the file. */
static void discard(
	struct aspace *as, const struct vma *v, uint64_t lo, uint64_t hi)
{
	if (v->kind == VMA_ANON && (v->prot & PROT_WRITE) &&
		hi - lo <= CLEAR_MAX) {
		while (lo < hi) {
			uint8_t state;
			uint64_t end = pages_run(lo, hi, &state);

			if ((state & PAGE_COMMITTED) && (state & PAGE_W) &&
				!(state & PAGE_HIDDEN))
				memset((void *)lo, 0, end - lo);
			else
				commit_drop(as, lo, end);
			lo = end;
		}
		return;
	}
	commit_drop(as, lo, hi);
}

int aspace_discard(struct aspace *as, uint64_t addr, uint64_t size)
{
	uint64_t end = addr + size;
	int err = 0;

	mm_lock();
	while (addr < end) {
		size_t i = vma_index(&as->set, addr);
		const struct vma *v = &as->set.v[i];
		uint64_t hi;

		if (i == as->set.count || v->start >= end) {
			err = -ENOMEM;
			break;
		}
		if (v->start > addr) {
			err = -ENOMEM; /* but go on, as Linux does */
			addr = v->start;
		}
		hi = v->end < end ? v->end : end;
		if (v->kind == VMA_ANON ||
			(v->kind == VMA_FILE && !(v->flags & ASPACE_SHARED)))
			discard(as, v, addr, hi);
		addr = hi;
	}
	mm_unlock();
	return err;
}

int aspace_prefault(struct aspace *as, uint64_t addr, uint64_t size)
{
	int err;

	mm_lock();
	err = aspace_populate(as, addr, addr + size);
	mm_unlock();
	return err;
}

bool aspace_mapped(struct aspace *as, uint64_t addr, uint64_t size)
{
	return vma_covers(&as->set, addr, addr + size);
}

bool aspace_resident(uint64_t addr)
{
	return pages_get(addr) & PAGE_COMMITTED;
}
