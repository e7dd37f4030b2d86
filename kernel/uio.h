/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cursor over the memory of one read or write: segments in the
 * application or one buffer of the kernel. File operations move data only
 * through it, so that they need not know whose memory it is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UIO_IOV_MAX = 1024 };

struct uio_seg {
	uint64_t addr;
	uint64_t size;
};

struct uio {
	const struct uio_seg *seg; /* current segment */
	size_t seg_count; /* segments left, the current one included */
	size_t seg_done; /* bytes used of the current one */
	size_t resid; /* bytes left in all */
	bool kernel; /* addresses are the kernel's own */
	struct uio_seg one; /* storage for the single-segment case */
};

/* A range of the application; -EFAULT if it is not wholly user memory. */
int uio_init_user(struct uio *u, uint64_t u_addr, uint64_t size)
	__attribute__((warn_unused_result));
void uio_init_kernel(struct uio *u, void *buf, size_t size);
/* Reads an iovec array of the application (checks count and total as
 * readv(2) does). *seg is kmalloc'ed unless NULL is left there; the caller
 * kfrees it after use. */
int uio_init_iov(struct uio *u, uint64_t u_iov, uint64_t u_count,
	struct uio_seg **seg) __attribute__((warn_unused_result));

/* Move n <= resid bytes; 0 or -EFAULT. May sleep. */
int uio_copy_to(struct uio *u, const void *src, size_t n)
	__attribute__((warn_unused_result)); /* kernel -> uio (a read) */
int uio_copy_from(struct uio *u, void *dst, size_t n)
	__attribute__((warn_unused_result)); /* uio -> kernel (a write) */
int uio_clear(struct uio *u, size_t n) __attribute__((warn_unused_result));
/* Advance by n without moving data. */
void uio_skip(struct uio *u, size_t n);
