/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/uio.h"

#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/uaccess.h"
#include "lib/string.h"
#include "lib/types.h"

enum { RW_MAX = 0x7ffff000 }; /* MAX_RW_COUNT of Linux */

int uio_init_user(struct uio *u, uint64_t u_addr, uint64_t size)
{
	size = u64_min(size, RW_MAX);
	if (user_check(u_addr, size))
		return -EFAULT;
	u->one = (struct uio_seg){u_addr, size};
	u->seg = &u->one;
	u->seg_count = 1;
	u->seg_done = 0;
	u->resid = size;
	u->kernel = false;
	return 0;
}

void uio_init_kernel(struct uio *u, void *buf, size_t size)
{
	u->one = (struct uio_seg){(uint64_t)buf, size};
	u->seg = &u->one;
	u->seg_count = 1;
	u->seg_done = 0;
	u->resid = size;
	u->kernel = true;
}

int uio_init_iov(
	struct uio *u, uint64_t u_iov, uint64_t u_count, struct uio_seg **seg)
{
	uint64_t total = 0;
	struct uio_seg *s;
	int err;

	*seg = NULL;
	if (u_count > UIO_IOV_MAX)
		return -EINVAL;
	if (u_count <= 1) {
		struct uio_seg one = {0, 0};

		if (u_count && user_read(&one, u_iov, sizeof(one)))
			return -EFAULT;
		if (one.size > INT64_MAX)
			return -EINVAL;
		return uio_init_user(u, one.addr, one.size);
	}
	s = kmalloc(u_count * sizeof(*s));
	if (!s)
		return -ENOMEM;
	err = -EFAULT;
	if (user_read(s, u_iov, u_count * sizeof(*s)))
		goto free;
	for (uint64_t i = 0; i < u_count; i++) {
		err = -EINVAL;
		if (s[i].size > INT64_MAX)
			goto free;
		s[i].size = u64_min(s[i].size, RW_MAX - total);
		err = -EFAULT;
		if (user_check(s[i].addr, s[i].size))
			goto free;
		total += s[i].size;
	}
	u->seg = s;
	u->seg_count = u_count;
	u->seg_done = 0;
	u->resid = total;
	u->kernel = false;
	*seg = s;
	return 0;
free:
	kfree(s);
	return err;
}

void uio_skip(struct uio *u, size_t n)
{
	u->resid -= n;
	while (u->seg_count) {
		size_t left = u->seg->size - u->seg_done;

		if (n < left) {
			u->seg_done += n;
			return;
		}
		n -= left;
		if (u->seg_count == 1) {
			u->seg_done = u->seg->size;
			return;
		}
		u->seg++;
		u->seg_count--;
		u->seg_done = 0;
	}
}

enum direction { TO_UIO, FROM_UIO, CLEAR_UIO };

static int move(
	struct uio *u, enum direction dir, uint64_t addr, void *k, size_t n)
{
	if (u->kernel) {
		void *p = (void *)(uintptr_t)addr;

		if (dir == TO_UIO)
			memcpy(p, k, n);
		else if (dir == FROM_UIO)
			memcpy(k, p, n);
		else
			memset(p, 0, n);
		return 0;
	}
	if (dir == TO_UIO)
		return user_write(addr, k, n);
	if (dir == FROM_UIO)
		return user_read(k, addr, n);
	return user_clear(addr, n);
}

static int move_all(struct uio *u, enum direction dir, void *k, size_t n)
{
	while (n) {
		size_t part = u64_min(n, u->seg->size - u->seg_done);

		if (part) {
			int err = move(
				u, dir, u->seg->addr + u->seg_done, k, part);

			if (err)
				return err;
			n -= part;
			if (k)
				k = (char *)k + part;
		}
		uio_skip(u, part);
	}
	return 0;
}

int uio_copy_to(struct uio *u, const void *src, size_t n)
{
	return move_all(u, TO_UIO, (void *)(uintptr_t)src, n);
}

int uio_copy_from(struct uio *u, void *dst, size_t n)
{
	return move_all(u, FROM_UIO, dst, n);
}

int uio_clear(struct uio *u, size_t n)
{
	return move_all(u, CLEAR_UIO, NULL, n);
}
