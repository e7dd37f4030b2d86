/* SPDX-License-Identifier: Apache-2.0 */
/* System calls on memory: arguments are checked here, aspace*.c acts. */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/membarrier.h>
#include <linux/mman.h>
#include <linux/resource.h>

#include "abi/layout.h"
#include "kernel/aspace.h"
#include "kernel/cpu.h"
#include "kernel/file.h"
#include "kernel/process.h"
#include "kernel/sys.h"
#include "kernel/thread.h"
#include "kernel/uaccess.h"
#include "kernel/vfs.h"
#include "lib/types.h"

/* asm/mman.h and asm-generic/mman.h, which libc's headers hide. */
enum {
	U_PROT_MASK = 0x7,
	U_PROT_SEM = 0x8,
	U_MAP_FIXED = 0x10,
	U_MAP_ANONYMOUS = 0x20,
	U_MAP_32BIT = 0x40,
	U_MAP_GROWSDOWN = 0x100,
	U_MAP_LOCKED = 0x2000,
	U_MAP_NORESERVE = 0x4000,
	U_MAP_POPULATE = 0x8000,
	U_MAP_NONBLOCK = 0x10000,
	U_MAP_STACK = 0x20000,
	U_MAP_HUGETLB = 0x40000,
	U_MAP_SYNC = 0x80000,
	U_MAP_FIXED_NOREPLACE = 0x100000,
	U_MAP_TYPE = 0xf,

	U_MADV_NORMAL = 0,
	U_MADV_WILLNEED = 3,
	U_MADV_DONTNEED = 4,
	U_MADV_FREE = 8,
	U_MADV_REMOVE = 9,
	U_MADV_DODUMP = 17,
	U_MADV_WIPEONFORK = 18,
	U_MADV_KEEPONFORK = 19,
	U_MADV_COLD = 20,
	U_MADV_PAGEOUT = 21,
	U_MADV_POPULATE_READ = 22,
	U_MADV_POPULATE_WRITE = 23,

	BARRIER_POLL_NS = 50000,

	U_MS_ASYNC = 1,
	U_MS_INVALIDATE = 2,
	U_MS_SYNC = 4,
};

static struct aspace *own(void)
{
	return curproc->as;
}

/* Page aligned, not wrapping, inside of the user range? */
static bool range_ok(uint64_t u_addr, uint64_t *u_size)
{
	uint64_t size = align_up(*u_size, PAGE_SIZE);

	if ((u_addr & PAGE_MASK) || size < *u_size || u_addr > USER_END ||
		size > USER_END - u_addr)
		return false;
	*u_size = size;
	return true;
}

static unsigned map_flags(uint32_t u_flags)
{
	unsigned f = 0;

	if (u_flags & U_MAP_FIXED_NOREPLACE)
		f |= ASPACE_NOREPLACE;
	else if (u_flags & U_MAP_FIXED)
		f |= ASPACE_FIXED;
	if (u_flags & U_MAP_32BIT)
		f |= ASPACE_32BIT;
	if (u_flags & (U_MAP_POPULATE | U_MAP_LOCKED) &&
		!(u_flags & U_MAP_NONBLOCK))
		f |= ASPACE_POPULATE;
	return f;
}

/* May a file be mapped like that? Also turns a shared mapping that nobody
 * can write through into a private one. */
static int check_file(struct file *f, int prot, unsigned *flags)
{
	unsigned access = f->flags & O_ACCMODE;

	if (access == O_WRONLY)
		return -EACCES;
	if (*flags & ASPACE_SHARED) {
		if ((prot & PROT_WRITE) && access != O_RDWR)
			return -EACCES;
	}
	if (!f->ops->read)
		return -ENODEV;
	return 0;
}

int64_t sys_mmap(const uint64_t *a)
{
	uint64_t u_addr = a[0], u_size = a[1], u_offset = a[5];
	uint32_t u_prot = (uint32_t)a[2], u_flags = (uint32_t)a[3];
	int prot = (int)(u_prot & U_PROT_MASK);
	unsigned flags = map_flags(u_flags);
	struct file *f = NULL;
	int64_t at;

	if (u_offset & PAGE_MASK)
		return -EINVAL;
	switch (u_flags & U_MAP_TYPE) {
	case MAP_PRIVATE:
		break;
	case MAP_SHARED_VALIDATE:
		if (u_flags & U_MAP_SYNC)
			return -EOPNOTSUPP;
		/* fall through */
	case MAP_SHARED:
		flags |= ASPACE_SHARED;
		break;
	default:
		return -EINVAL;
	}
	if (u_size == 0)
		return -EINVAL;
	if (u_size > USER_END)
		return -ENOMEM;
	if (u_flags & U_MAP_HUGETLB)
		return -ENOMEM;
	/* Memory that is asked for to be written and cannot be there: refused
	 * here, where programs expect it, not at the first touch. */
	if ((prot & PROT_WRITE) && !(u_flags & U_MAP_NORESERVE) &&
		((u_flags & U_MAP_ANONYMOUS) || !(flags & ASPACE_SHARED)) &&
		!aspace_room(u_size))
		return -ENOMEM;
	if (!(u_flags & U_MAP_ANONYMOUS)) {
		int err;

		if (add_overflows(u_offset, u_size, &(uint64_t){0}))
			return -EOVERFLOW;
		f = fd_get((int)a[4]);
		if (!f)
			return -EBADF;
		err = check_file(f, prot, &flags);
		if (err) {
			file_put(f);
			return err;
		}
	}
	at = aspace_map(own(), u_addr, u_size, prot, flags, f, u_offset);
	file_put(f);
	return at;
}

int64_t sys_munmap(const uint64_t *a)
{
	return aspace_unmap(own(), a[0], a[1]);
}

int64_t sys_mprotect(const uint64_t *a)
{
	uint32_t u_prot = (uint32_t)a[2];

	if (u_prot & ~(uint32_t)(U_PROT_MASK | U_PROT_SEM))
		return -EINVAL; /* PROT_GROWSDOWN: stacks do not grow */
	return aspace_protect(own(), a[0], a[1], (int)(u_prot & U_PROT_MASK));
}

int64_t sys_brk(const uint64_t *a)
{
	return (int64_t)aspace_brk(own(), a[0]);
}

int64_t sys_mremap(const uint64_t *a)
{
	if (a[2] > a[1] && !aspace_room(a[2] - a[1]))
		return -ENOMEM;
	return aspace_remap(own(), a[0], a[1], a[2], (unsigned)a[3], a[4]);
}

int64_t sys_msync(const uint64_t *a)
{
	uint64_t u_addr = a[0], u_size = a[1];
	uint32_t u_flags = (uint32_t)a[2];

	if (u_flags & ~(uint32_t)(U_MS_ASYNC | U_MS_INVALIDATE | U_MS_SYNC) ||
		(u_flags & (U_MS_ASYNC | U_MS_SYNC)) ==
			(U_MS_ASYNC | U_MS_SYNC) ||
		(u_addr & PAGE_MASK))
		return -EINVAL;
	if (!range_ok(u_addr, &u_size) || !aspace_mapped(own(), u_addr, u_size))
		return -ENOMEM;
	return aspace_sync(own(), u_addr, u_size, u_flags & U_MS_SYNC);
}

int64_t sys_mincore(const uint64_t *a)
{
	uint64_t u_addr = a[0], u_size = a[1], u_vec = a[2];
	uint8_t vec[256];

	if (u_addr & PAGE_MASK)
		return -EINVAL;
	if (!range_ok(u_addr, &u_size) || !aspace_mapped(own(), u_addr, u_size))
		return -ENOMEM;
	while (u_size > 0) {
		size_t n = 0;

		for (; n < sizeof(vec) && u_size > 0; n++) {
			vec[n] = aspace_resident(u_addr);
			u_addr += PAGE_SIZE;
			u_size -= PAGE_SIZE;
		}
		if (user_write(u_vec, vec, n))
			return -EFAULT;
		u_vec += n;
	}
	return 0;
}

int64_t sys_madvise(const uint64_t *a)
{
	uint64_t u_addr = a[0], u_size = a[1];
	int u_advice = (int)a[2];

	if (!range_ok(u_addr, &u_size))
		return -EINVAL;
	switch (u_advice) {
	case U_MADV_DONTNEED:
	case U_MADV_FREE:
		return u_size ? aspace_discard(own(), u_addr, u_size) : 0;
	case U_MADV_WILLNEED:
		return 0;
	case U_MADV_POPULATE_READ:
	case U_MADV_POPULATE_WRITE:
		return u_size ? aspace_prefault(own(), u_addr, u_size) : 0;
	case U_MADV_REMOVE:
	case U_MADV_WIPEONFORK:
	case U_MADV_KEEPONFORK:
		return -EINVAL;
	default:
		if (u_advice < U_MADV_NORMAL ||
			(u_advice > 4 && u_advice < U_MADV_FREE) ||
			u_advice > U_MADV_PAGEOUT)
			return -EINVAL;
		/* The rest is about swapping, huge pages, dumps: there is
		 * nothing here that the advice could change. */
		return aspace_mapped(own(), u_addr, u_size) ? 0 : -ENOMEM;
	}
}

/* Pages of an enclave are the host's to page out: locking them is not in
 * its power, only the limit is checked. */
static int64_t lock(uint64_t u_addr, uint64_t u_size, bool populate)
{
	uint64_t limit = curproc->rlimit[RLIMIT_MEMLOCK][0];

	u_size += u_addr & PAGE_MASK;
	u_addr &= ~PAGE_MASK;
	if (!range_ok(u_addr, &u_size))
		return -EINVAL;
	if (u_size == 0)
		return 0;
	if (curproc->euid != 0 && u_size > limit)
		return limit ? -ENOMEM : -EPERM;
	if (!aspace_mapped(own(), u_addr, u_size))
		return -ENOMEM;
	return populate ? aspace_prefault(own(), u_addr, u_size) : 0;
}

int64_t sys_mlock(const uint64_t *a)
{
	return lock(a[0], a[1], true);
}

int64_t sys_mlock2(const uint64_t *a)
{
	uint32_t u_flags = (uint32_t)a[2];

	if (u_flags & ~1u) /* MLOCK_ONFAULT */
		return -EINVAL;
	return lock(a[0], a[1], !u_flags);
}

int64_t sys_munlock(const uint64_t *a)
{
	uint64_t u_addr = a[0] & ~PAGE_MASK;
	uint64_t u_size = a[1] + (a[0] & PAGE_MASK);

	if (!range_ok(u_addr, &u_size))
		return -EINVAL;
	return aspace_mapped(own(), u_addr, u_size) ? 0 : -ENOMEM;
}

int64_t sys_mlockall(const uint64_t *a)
{
	uint32_t u_flags = (uint32_t)a[0];

	if (u_flags == 0 || u_flags > 7 || u_flags == 4)
		return -EINVAL;
	if (curproc->euid != 0 && curproc->rlimit[RLIMIT_MEMLOCK][0] == 0)
		return -EPERM;
	return 0;
}

int64_t sys_munlockall(const uint64_t *a)
{
	return 0;
}

/*
 * Every other enclave thread that runs this process must pass a serialising
 * point: an entry into the kernel is one. The host is asked to make it happen
 * but not believed: the thread's own kernel clears need_resched on its way
 * back to the application.
 */
static int64_t barrier(void)
{
	const struct process *p = curproc;

	for (int i = 0; i < cpu_count; i++) {
		struct cpu *c = cpu_get(i);
		struct thread *t = c->thread;

		if (c == this_cpu() || !t || t->proc != p)
			continue;
		c->need_resched = 1;
		sched_kick(t);
		while (c->need_resched && c->thread == t)
			(void)sched_sleep(time_mono_ns() + BARRIER_POLL_NS,
				SLEEP_KILLABLE);
	}
	return 0;
}

int64_t sys_membarrier(const uint64_t *a)
{
	uint32_t u_cmd = (uint32_t)a[0], u_flags = (uint32_t)a[1];

	if (u_flags)
		return -EINVAL;
	switch (u_cmd) {
	case MEMBARRIER_CMD_QUERY:
		return MEMBARRIER_CMD_GLOBAL |
			MEMBARRIER_CMD_PRIVATE_EXPEDITED |
			MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
		return 0;
	case MEMBARRIER_CMD_GLOBAL:
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
		return barrier();
	default:
		return -EINVAL;
	}
}
