/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the pages of a file live that is kept inside the enclave.
 *
 * An enclave page has one address only. A page of such a file is at home in
 * its file system (the kernel's heap, a volume), or, while a program has it
 * mapped MAP_SHARED, *lent*: the program's own page at the address of the
 * mapping, and the file's reads and writes go there. The address space code
 * moves pages back and forth:
 *
 *	fault on a shared mapping	lend(), then the page at addr is made
 *	munmap, exit			take_back(), before it is removed
 */
#pragma once

#include "lib/types.h"

struct vnode;

struct pagestore_ops {
	/* The page's content goes to buf (PAGE_SIZE bytes), and from then on
	 * the page lives at addr, which the caller fills with buf before
	 * anybody can look. -ENXIO: beyond the end of the file; -EBUSY: lives
	 * elsewhere already; -ENOSPC, -ENOMEM, -EIO. May sleep, but not after
	 * it took the content. */
	must_check int (*lend)(
		struct vnode *v, uint64_t index, uint64_t addr, void *buf);
	/* The page at addr, readable, goes; its content moves back. On an
	 * error it is lost, the caller should say so. Not lent: 0. */
	must_check int (*take_back)(
		struct vnode *v, uint64_t index, const void *addr);
	/* fsync of a file some of whose pages may be lent. NULL: there is
	 * nothing more durable. */
	int (*sync)(struct vnode *v);
};
