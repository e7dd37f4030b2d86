/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces: mapping, unmapping, protection, and the search for free
 * addresses. All processes share one linear range, so beside each one's set
 * of mappings there is one set of all ranges in use.
 */
#include <errno.h>

#include "abi/layout.h"
#include "kernel/aspace_impl.h"
#include "kernel/aspace_text.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/random.h"
#include "kernel/thread.h"
#include "kernel/vfs.h"
#include "kernel/vvar.h"
#include "kernel/wait.h"

/* New mappings go below the top, so that low addresses stay free for
 * programs linked there. */
#define MAP_LOW 0x100000000ul
#define MAP_TOP (USER_END - 0x1000000ul)
#define MAP_RANDOM 0x40000000ul
#define LOW_END 0x80000000ul /* MAP_32BIT */

struct range_set aspace_used;

static struct waitq lock_waiters;
static struct thread *lock_owner;
static unsigned lock_depth;

void mm_lock(void)
{
	struct thread *me = current_thread();

	while (lock_depth > 0 && lock_owner != me) {
		if (!lock_waiters.waiters.next)
			waitq_init(&lock_waiters);
		/* Ends early for a thread that is being killed: it must wait
		 * all the same. */
		if (waitq_wait_nointr(&lock_waiters, NO_DEADLINE))
			sched_yield();
	}
	lock_owner = me;
	lock_depth++;
}

void mm_unlock(void)
{
	ASSERT(lock_depth > 0);
	if (--lock_depth > 0)
		return;
	lock_owner = NULL;
	if (lock_waiters.waiters.next)
		waitq_wake(&lock_waiters, 1, 0);
}

struct aspace *aspace_new(void)
{
	struct aspace *as = kzalloc(sizeof(*as));

	if (!as)
		return NULL;
	as->refs = 1;
	list_init(&as->texts);
	as->map_top = MAP_TOP - (random_u64() % MAP_RANDOM & ~PAGE_MASK);
	return as;
}

struct aspace *aspace_get(struct aspace *as)
{
	as->refs++;
	return as;
}

void aspace_put(struct aspace *as)
{
	if (!as)
		return;
	ASSERT(as->refs > 0);
	if (--as->refs > 0)
		return;
	mm_lock();
	aspace_unmap_locked(as, USER_START, USER_END - USER_START);
	mm_unlock();
	ASSERT(list_is_empty(&as->texts));
	vma_set_fini(&as->set);
	kfree(as);
}

uint64_t aspace_committed(const struct aspace *as)
{
	return as->committed;
}

void aspace_no_random(struct aspace *as)
{
	as->fixed_layout = true;
	as->map_top = MAP_TOP;
}

uint64_t aspace_find_free(
	struct aspace *as, uint64_t size, uint64_t align, unsigned flags)
{
	uint64_t a;

	if (flags & ASPACE_32BIT)
		return range_find_high(
			&aspace_used, size, align, USER_START, LOW_END);
	if (flags & ASPACE_LOW_SEARCH)
		return range_find_low(
			&aspace_used, size, align, MAP_LOW, MAP_TOP);
	a = range_find_high(&aspace_used, size, align, MAP_LOW, as->map_top);
	if (!a)
		a = range_find_high(
			&aspace_used, size, align, USER_START, MAP_TOP);
	return a;
}

/* Is every part of [start, end) free or this process's own? */
bool aspace_available(const struct aspace *own, uint64_t start, uint64_t end)
{
	static const struct vma_set empty;
	const struct vma_set *set = own ? &own->set : &empty;
	size_t i = vma_index(set, start);

	while (start < end) {
		uint64_t stop = end;

		if (i < set->count && set->v[i].start < end)
			stop = set->v[i].start > start ? set->v[i].start
						       : start;
		if (stop > start && !range_free(&aspace_used, start, stop))
			return false;
		if (stop == end)
			break;
		start = set->v[i++].end;
	}
	return true;
}

static int64_t place(
	struct aspace *as, uint64_t addr, uint64_t size, unsigned flags)
{
	if (flags & (ASPACE_FIXED | ASPACE_NOREPLACE)) {
		if (addr & PAGE_MASK)
			return -EINVAL;
		if (addr < USER_START || addr > USER_END ||
			size > USER_END - addr)
			return addr < USER_START ? -EPERM : -ENOMEM;
		if ((flags & ASPACE_NOREPLACE) &&
			vma_overlaps(&as->set, addr, addr + size))
			return -EEXIST;
		if (!aspace_available(as, addr, addr + size)) {
			klog("addresses %lx-%lx belong to another process "
			     "of this enclave",
				addr, addr + size);
			return -ENOMEM;
		}
		return (int64_t)addr;
	}
	addr &= ~PAGE_MASK;
	if (addr >= USER_START && addr < USER_END && size <= USER_END - addr &&
		range_free(&aspace_used, addr, addr + size) &&
		(!(flags & ASPACE_32BIT) || addr + size <= LOW_END))
		return (int64_t)addr;
	addr = aspace_find_free(as, size, PAGE_SIZE, flags);
	return addr ? (int64_t)addr : -ENOMEM;
}

int aspace_clear(
	struct aspace *as, uint64_t addr, uint64_t size, unsigned flags)
{
	int64_t at = place(as, addr, size, flags);
	int err = at < 0 ? (int)at : 0;

	if (!err && (flags & ASPACE_FIXED))
		err = aspace_unmap_locked(as, addr, size);
	if (!err && !range_free(&aspace_used, addr, addr + size))
		err = -ENOMEM;
	return err;
}

/*
 * Maps what proto says (kind, obj, offset, flags; the reference on obj is
 * taken over on success).
 */
int64_t aspace_map_locked(struct aspace *as, uint64_t addr, uint64_t size,
	int prot, unsigned flags, struct vma *proto)
{
	int64_t at;
	int err;

	size = (size + PAGE_MASK) & ~PAGE_MASK;
	if (size == 0)
		return -EINVAL;
	if (size > USER_END - USER_START)
		return -ENOMEM;
	at = place(as, addr, size, flags);
	if (at < 0)
		return at;
	addr = (uint64_t)at;
	if (flags & ASPACE_FIXED) {
		err = aspace_unmap_locked(as, addr, size);
		if (!err && !range_free(&aspace_used, addr, addr + size))
			err = -ENOMEM; /* pages of a file that others see */
		if (err)
			return err;
	}
	err = vma_reserve(&as->set, 1);
	if (err)
		return err;
	err = range_add(&aspace_used, addr, addr + size);
	if (err)
		return err;
	proto->start = addr;
	proto->end = addr + size;
	proto->prot = (uint8_t)prot;
	vma_insert(&as->set, proto);
	return (int64_t)addr;
}

int64_t aspace_map(struct aspace *as, uint64_t addr, uint64_t size, int prot,
	unsigned flags, struct file *file, uint64_t offset)
{
	return aspace_map_file(
		as, addr, size, prot, flags, file, offset, UINT64_MAX);
}

int64_t aspace_map_file(struct aspace *as, uint64_t addr, uint64_t size,
	int prot, unsigned flags, struct file *file, uint64_t offset,
	uint64_t limit)
{
	struct vma v = {
		.kind = VMA_ANON,
		.flags = flags &
			(ASPACE_SHARED | ASPACE_STACK | ASPACE_HEAP |
				ASPACE_KERNEL),
	};
	struct mapping *m = NULL;
	int64_t at;

	if (file && (flags & ASPACE_SHARED) && object_wanted(file))
		return object_map(as, addr, size, prot, flags, file, offset);
	if (file) {
		int err = mapping_new(file, limit, &m);

		if (err)
			return err;
		v.kind = VMA_FILE;
		v.obj = &m->base;
		v.offset = offset;
	}
	mm_lock();
	at = aspace_map_locked(as, addr, size, prot, flags, &v);
	if (at < 0)
		vma_object_put(v.obj);
	else if (m && !(flags & ASPACE_IMAGE))
		mapping_preload(as, (uint64_t)at, v.end, false);
	if (at >= 0 && (flags & ASPACE_POPULATE))
		aspace_populate(as, (uint64_t)at, v.end);
	mm_unlock();
	return at;
}

bool aspace_owns_pages(const struct vma *v)
{
	return v->kind != VMA_FOREIGN && v->kind != VMA_SHARED;
}

/* Gives back the pages of the process's own mappings in [start, end). */
static void drop_pages(struct aspace *as, uint64_t start, uint64_t end)
{
	while (start < end) {
		size_t i = vma_index(&as->set, start);
		const struct vma *v;
		uint64_t stop;

		if (i == as->set.count || as->set.v[i].start >= end)
			return;
		v = &as->set.v[i];
		if (v->start > start)
			start = v->start;
		stop = v->end < end ? v->end : end;
		if (!aspace_owns_pages(v)) {
			start = stop;
			continue;
		}
		/* Neighbouring mappings go in one batch. */
		while (stop < end && ++i < as->set.count &&
			as->set.v[i].start == stop &&
			aspace_owns_pages(&as->set.v[i]))
			stop = as->set.v[i].end < end ? as->set.v[i].end : end;
		commit_drop(as, start, stop);
		start = stop;
	}
}

int aspace_unmap_locked(struct aspace *as, uint64_t addr, uint64_t size)
{
	uint64_t end = addr + size;
	size_t i;
	int err = vma_reserve(&as->set, 2);

	if (err)
		return err;
	if (!vma_overlaps(&as->set, addr, end))
		return 0;
	mapping_write_back(as, addr, end);
	drop_pages(as, addr, end);
	/* Free the addresses, mapping by mapping: gaps may be others'. */
	for (i = vma_index(&as->set, addr);
		i < as->set.count && as->set.v[i].start < end; i++) {
		const struct vma *v = &as->set.v[i];
		uint64_t lo = v->start > addr ? v->start : addr;
		uint64_t hi = v->end < end ? v->end : end;

		if (!aspace_owns_pages(v))
			continue;
		err = range_remove(&aspace_used, lo, hi);
		if (err)
			return err;
	}
	vma_remove(&as->set, addr, end);
	return 0;
}

int aspace_unmap(struct aspace *as, uint64_t addr, uint64_t size)
{
	const struct vma *v;
	int err;

	if ((addr & PAGE_MASK) || size == 0 || addr > USER_END)
		return -EINVAL;
	size = (size + PAGE_MASK) & ~PAGE_MASK;
	if (size == 0 || size > USER_END - addr)
		return -EINVAL;
	mm_lock();
	v = vma_find(&as->set, addr);
	if (v && v->kind == VMA_SHARED &&
		object_forget_repeat(v, addr, addr + size))
		err = 0;
	else
		err = aspace_unmap_locked(as, addr, size);
	mm_unlock();
	return err;
}

/* Linux checks each mapping as it comes and leaves the earlier ones
 * changed; so do we. */
static int protect_one(struct aspace *as, uint64_t lo, uint64_t hi, int prot)
{
	struct vma *v = vma_find(&as->set, lo);
	bool shared = v->flags & ASPACE_SHARED;
	/* Code that is made at run time keeps the union of its permissions:
	 * JITs change them all the time. */
	bool keep = v->kind == VMA_ANON && ((v->prot | prot) & PROT_EXEC);
	uint8_t old = v->prot;
	enum vma_kind kind;
	bool file;
	int err;

	if (v->prot == prot)
		return 0;
	if (v->kind == VMA_FOREIGN ||
		((v->flags & ASPACE_KERNEL) && (prot & PROT_WRITE)))
		return -EACCES;
	if (v->kind == VMA_FILE && shared && (prot & PROT_WRITE) &&
		(mapping_of(v)->file->flags & 3) != 2) /* O_RDWR */
		return -EACCES;
	kind = (enum vma_kind)v->kind;
	file = kind == VMA_FILE;
	if (v->kind == VMA_SHARED && prot == PROT_NONE)
		return -EACCES; /* others may need the pages */
	vma_split(&as->set, lo);
	vma_split(&as->set, hi);
	vma_find(&as->set, lo)->prot = (uint8_t)prot;
	if (file && (prot & PROT_EXEC) && !(old & PROT_EXEC))
		text_attach_committed(as, lo, hi);
	if (kind == VMA_SHARED) /* see aspace_object.c */
		keep = true;
	/* A shared page becomes writable by its first write. */
	err = commit_protect(
		lo, hi, file && shared ? prot & ~PROT_WRITE : prot, keep);
	vma_merge(
		&as->set, vma_index(&as->set, lo), vma_index(&as->set, hi - 1));
	return err;
}

int aspace_protect(struct aspace *as, uint64_t addr, uint64_t size, int prot)
{
	uint64_t end;
	int err = 0;

	if (addr & PAGE_MASK)
		return -EINVAL;
	if (size == 0)
		return 0;
	if (addr > USER_END || size > USER_END - addr)
		return -ENOMEM;
	end = addr + ((size + PAGE_MASK) & ~PAGE_MASK);
	mm_lock();
	while (addr < end && !err) {
		struct vma *v = vma_find(&as->set, addr);
		uint64_t hi;

		if (!v) {
			err = -ENOMEM;
			break;
		}
		hi = v->end < end ? v->end : end;
		err = vma_reserve(&as->set, 2);
		if (!err)
			err = protect_one(as, addr, hi, prot);
		addr = hi;
	}
	mm_unlock();
	return err;
}

bool aspace_next(struct aspace *as, uint64_t addr, struct aspace_info *info)
{
	size_t i = vma_index(&as->set, addr);
	const struct vma *v;

	if (i == as->set.count)
		return false;
	v = &as->set.v[i];
	*info = (struct aspace_info){
		.start = v->start,
		.end = v->end,
		.offset = v->offset,
		.prot = v->prot,
		.shared = v->flags & ASPACE_SHARED,
	};
	if (v->flags & ASPACE_STACK)
		info->name = "[stack]";
	else if (v->flags & ASPACE_HEAP)
		info->name = "[heap]";
	else if (v->kind == VMA_FOREIGN)
		info->name = v->start == vdso_base() ? "[vdso]" : "[vvar]";
	else if (v->kind == VMA_TRAMPOLINE)
		info->name = "[syscalls]";
	if (v->kind == VMA_FILE) {
		const struct mapping *m = mapping_of(v);

		info->dev = m->dev;
		info->ino = m->ino;
		info->file = m->file;
	} else if (v->kind == VMA_SHARED) {
		info->file = object_file(v);
		info->dev = info->file->vnode->dev;
		info->ino = info->file->vnode->ino;
	} else {
		info->offset = 0;
	}
	return true;
}
