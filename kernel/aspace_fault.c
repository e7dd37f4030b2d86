/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page faults: first touch of reserved memory commits a window around it.
 *
 * The window starts small (64 KiB) and doubles, up to 2 MiB, as long as a
 * mapping is filled in sequence; near the memory limit it is small again.
 */
#include <errno.h>

#include "abi/layout.h"
#include "kernel/aspace_impl.h"
#include "kernel/aspace_text.h"
#include "kernel/klog.h"

enum {
	VAIN_MAX = 100000, /* more than threads that fault at once */
	WINDOW_MIN = 16, /* pages */
	WINDOW_MAX = 512,
	WINDOW_FILE_MAX = 64, /* what one read of a file may cost */
	WINDOW_CODE = 32, /* code is used all over */
	WINDOW_ALWAYS = 4,
};

static bool allowed(const struct vma *v, bool write, bool exec)
{
	if (write)
		return v->prot & PROT_WRITE;
	if (exec)
		return v->prot & PROT_EXEC;
	return v->prot != PROT_NONE;
}

/* The protection a fresh page gets. */
static int fresh_prot(const struct vma *v)
{
	return v->kind == VMA_FILE && (v->flags & ASPACE_SHARED)
		? v->prot & ~PROT_WRITE
		: v->prot;
}

/* v may move, or go, meanwhile. */
static int load(struct aspace *as, const struct vma *v, uint64_t lo,
	uint64_t hi, uint64_t fault)
{
	struct vma copy = *v;
	int err = -EFAULT;

	copy.prot = (uint8_t)fresh_prot(v);
	vma_object_get(copy.obj);
	switch (copy.kind) {
	case VMA_ANON:
		err = commit_copy(as, lo, hi, copy.prot, NULL);
		break;
	case VMA_FILE:
		err = mapping_load(as, &copy, lo, hi, fault);
		break;
	case VMA_SHARED:
		err = object_load(&copy, lo, hi, fault);
		break;
	case VMA_TRAMPOLINE:
		err = text_load_trampolines(as, &copy);
		break;
	}
	vma_object_put(copy.obj);
	return err;
}

/* The pages around page that are not committed, within its window. */
static void window(struct vma *v, uint64_t page, uint64_t *lo, uint64_t *hi)
{
	uint64_t max = v->kind == VMA_FILE ? WINDOW_FILE_MAX : WINDOW_MAX;
	uint32_t min = v->prot & PROT_EXEC && v->kind == VMA_FILE ? WINDOW_CODE
								  : WINDOW_MIN;
	uint64_t room = commit_room(), size, a, b;

	if (v->window == 0)
		v->window = min;
	else if (page == v->next && v->window < max)
		v->window *= 2;
	else if (page != v->next && v->window > min)
		v->window /= 2;
	size = (uint64_t)v->window * PAGE_SIZE;
	if (size > room / 8)
		size = WINDOW_ALWAYS * PAGE_SIZE;
	if (size > room)
		size = PAGE_SIZE;
	a = u64_max(page & ~(size - 1), v->start);
	b = u64_min((page & ~(size - 1)) + size, v->end);
	for (*lo = page; *lo > a; *lo -= PAGE_SIZE)
		if (pages_get(*lo - PAGE_SIZE) & PAGE_COMMITTED)
			break;
	for (*hi = page + PAGE_SIZE; *hi < b; *hi += PAGE_SIZE)
		if (pages_get(*hi) & PAGE_COMMITTED)
			break;
	v->next = *hi;
}

/* Faults in a row that found nothing to do: the host keeps a page away. */
static unsigned vain;

static int fault(struct aspace *as, uint64_t addr, bool write, bool exec)
{
	struct vma *v = vma_find(&as->set, addr);
	uint64_t page = addr & ~PAGE_MASK, lo, hi;
	uint8_t state, need;
	int err;

	if (!v)
		return -EFAULT;
	if (!allowed(v, write, exec))
		return -EACCES;
	state = pages_get(page);
	need = write ? PAGE_W : exec ? PAGE_X : PAGE_R;
	if (state & PAGE_COMMITTED) {
		if ((state & need) && !(state & PAGE_HIDDEN)) {
			if (++vain == VAIN_MAX)
				panic_host("page %lx is not there", page);
			return 0; /* another thread was faster */
		}
		vain = 0;
		if (v->kind == VMA_SHARED)
			return commit_protect(
				page, page + PAGE_SIZE, v->prot, true);
		/* First write to a page of a shared file mapping. */
		err = commit_protect(page, page + PAGE_SIZE, v->prot, false);
		if (!err && write)
			pages_set(page, page + PAGE_SIZE,
				pages_get(page) | PAGE_DIRTY);
		return err;
	}
	vain = 0;
	window(v, page, &lo, &hi);
	err = load(as, v, lo, hi, page);
	v = vma_find(&as->set, page);
	if (err == -ENOMEM && hi - lo > PAGE_SIZE && v)
		err = load(as, v, page, page + PAGE_SIZE, page);
	return err;
}

int aspace_fault(struct aspace *as, uint64_t addr, bool write, bool exec)
{
	int err;

	if (addr < USER_START || addr >= USER_END)
		return -EFAULT;
	mm_lock();
	err = fault(as, addr, write, exec);
	mm_unlock();
	return err;
}

int aspace_populate(struct aspace *as, uint64_t lo, uint64_t hi)
{
	while (lo < hi) {
		const struct vma *v = vma_find(&as->set, lo);
		uint64_t end, max;
		uint8_t state;
		int err;

		if (!v)
			return -ENOMEM;
		max = v->kind == VMA_FILE ? WINDOW_FILE_MAX : WINDOW_MAX;
		end = pages_run(lo, u64_min(v->end, hi), &state);
		end = u64_min(end, lo + max * PAGE_SIZE);
		if ((state & PAGE_COMMITTED) || v->prot == PROT_NONE) {
			lo = end;
			continue;
		}
		err = load(as, v, lo, end, lo);
		if (err)
			return err;
		lo = end;
	}
	return 0;
}
