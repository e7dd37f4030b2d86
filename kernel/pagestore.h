/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the pages of a file in memory live.
 *
 * An enclave page has one address only. A page of a tmpfs file is either a
 * page of the kernel's heap, or, while a program has it mapped MAP_SHARED,
 * the program's own page at the address of the mapping; the file's reads and
 * writes then go there. The address space code moves pages back and forth:
 *
 *	fault on a shared mapping	pagestore_lend(), after the page at addr
 *					is committed
 *	munmap, exit			pagestore_return(), before it is removed
 *
 * A second shared mapping of a page that lives at another address cannot be
 * had: pagestore_where() tells, and mmap should choose that address.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file;
struct vnode;

/* Is v such a file? */
bool pagestore_has(const struct vnode *v);
/* The user address that page index lives at, or 0. */
uint64_t pagestore_where(const struct vnode *v, uint64_t index);
/* The content moves to the committed page at addr (PAGE_SIZE writable bytes
 * of the kernel's view) and is the file's from now on. -ENXIO: beyond the
 * end of the file; -EBUSY: lives elsewhere in user memory already. */
int pagestore_lend(struct vnode *v, uint64_t index, void *addr)
	__attribute__((warn_unused_result));
/* The page at addr, readable, goes; its content moves back. -ENOMEM: it is
 * lost, the caller should not go on. Not lent: 0. */
int pagestore_return(struct vnode *v, uint64_t index, const void *addr)
	__attribute__((warn_unused_result));
