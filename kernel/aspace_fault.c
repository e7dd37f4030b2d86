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

static int load(struct aspace *as, const struct vma *v, uint64_t lo,
	uint64_t hi, uint64_t fault)
{
	switch (v->kind) {
	case VMA_ANON:
		return commit_copy(as, lo, hi, v->prot, NULL);
	case VMA_FILE:
		return mapping_load(as, v, lo, hi, fault);
	case VMA_SHARED:
		return object_load(v, lo, hi, fault);
	case VMA_TRAMPOLINE:
		return text_load_trampolines(as, v);
	default:
		return -EFAULT;
	}
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
	a = page & ~(size - 1);
	b = a + size;
	if (a < v->start)
		a = v->start;
	if (b > v->end)
		b = v->end;
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
	struct vma *v = vma_find(&as->set, addr), copy;
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
	copy = *v;
	copy.prot = (uint8_t)fresh_prot(v);
	vma_object_get(copy.obj);
	err = load(as, &copy, lo, hi, page);
	if (err == -ENOMEM && hi - lo > PAGE_SIZE)
		err = load(as, &copy, page, page + PAGE_SIZE, page);
	vma_object_put(copy.obj);
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
		struct vma *v = vma_find(&as->set, lo), copy;
		uint64_t end, stop;
		uint8_t state;
		int err;

		if (!v)
			return -ENOMEM;
		stop = v->end < hi ? v->end : hi;
		end = pages_run(lo, stop, &state);
		if (end - lo > WINDOW_MAX * PAGE_SIZE)
			end = lo + WINDOW_MAX * PAGE_SIZE;
		if (v->kind == VMA_FILE &&
			end - lo > WINDOW_FILE_MAX * PAGE_SIZE)
			end = lo + WINDOW_FILE_MAX * PAGE_SIZE;
		if ((state & PAGE_COMMITTED) || v->prot == PROT_NONE) {
			lo = end;
			continue;
		}
		copy = *v;
		copy.prot = (uint8_t)fresh_prot(v);
		vma_object_get(copy.obj);
		err = load(as, &copy, lo, end, lo);
		vma_object_put(copy.obj);
		if (err)
			return err;
		lo = end;
	}
	return 0;
}
