/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contents of files in memory: a two-level table of pages. An entry is 0 (a
 * hole), a page of the kernel's heap, or (bit 0 set) a page of a program
 * that has it mapped: see pagestore.h.
 */
#include "kernel/tmpfs.h"

#include "abi/layout.h"
#include "kernel/aspace.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/pagestore.h"
#include "kernel/uaccess.h"
#include "kernel/uio.h"
#include "lib/string.h"
#include "lib/types.h"

enum { LENT = 1, PIECE = 512 };

static const uint64_t size_max = 1ull << 42;

static bool charge(struct tmpfs_node *n)
{
	struct tmpfs *t = tmpfs_of(&n->v);

	if (t->used >= t->limit || !aspace_charge(PAGE_SIZE, false))
		return false;
	t->used++;
	n->pages++;
	return true;
}

static void uncharge(struct tmpfs_node *n)
{
	tmpfs_of(&n->v)->used--;
	n->pages--;
	aspace_uncharge(PAGE_SIZE);
}

/* The entry with a page behind it. */
static int page_make(struct tmpfs_node *n, uint64_t index, uintptr_t **out)
{
	uintptr_t *e = pagemap_make(&n->map, index);
	void *page;

	if (!e)
		return -ENOMEM;
	if (!*e) {
		if (!charge(n))
			return -ENOSPC;
		page = kpages_alloc(1);
		if (!page) {
			uncharge(n);
			return -ENOSPC;
		}
		e = pagemap_make(&n->map, index); /* the table may have moved */
		if (!e || *e) {
			kpages_free(page, 1);
			uncharge(n);
			if (!e)
				return -ENOMEM;
		} else {
			*e = (uintptr_t)page;
		}
	}
	*out = e;
	return 0;
}

/* Drops one page; lent ones are only cleared, they belong to the mapping. */
static void page_drop(struct tmpfs_node *n, uintptr_t *e)
{
	if (!*e)
		return;
	if (*e & LENT) {
		if (user_clear(*e & ~(uintptr_t)LENT, PAGE_SIZE))
			return;
		return;
	}
	kpages_free((void *)*e, 1);
	*e = 0;
	uncharge(n);
}

/* Between a lent page and the uio, through a piece of stack. */
static int move_lent(struct uio *u, uint64_t addr, size_t size, bool write)
{
	uint8_t piece[PIECE];

	while (size) {
		size_t n = u64_min(size, sizeof(piece));
		int err;

		if (write) {
			err = uio_copy_from(u, piece, n);
			if (!err)
				err = user_write(addr, piece, n);
		} else {
			err = user_read(piece, addr, n);
			if (!err)
				err = uio_copy_to(u, piece, n);
		}
		if (err)
			return err;
		addr += n;
		size -= n;
	}
	return 0;
}

int64_t tmpfs_read(struct tmpfs_node *n, struct uio *u, uint64_t pos)
{
	int64_t done = 0;

	while (u->resid && pos < n->size) {
		uint64_t in = pos % PAGE_SIZE;
		size_t part = u64_min(
			u->resid, u64_min(PAGE_SIZE - in, n->size - pos));
		uintptr_t *e = pagemap_find(&n->map, pos / PAGE_SIZE);
		uintptr_t page = e ? *e : 0;
		int err;

		if (!page)
			err = uio_clear(u, part);
		else if (page & LENT)
			err = move_lent(
				u, (page & ~(uintptr_t)LENT) + in, part, false);
		else
			err = uio_copy_to(u, (char *)page + in, part);
		if (err)
			return done ? done : err;
		pos += part;
		done += (int64_t)part;
	}
	return done;
}

int64_t tmpfs_write(struct tmpfs_node *n, struct uio *u, uint64_t pos)
{
	int64_t done = 0;

	if (pos >= size_max)
		return -EFBIG;
	while (u->resid) {
		uint64_t in = pos % PAGE_SIZE;
		size_t part = u64_min(u->resid, PAGE_SIZE - in);
		uintptr_t *e;
		int err = pos + part > size_max
			? -EFBIG
			: page_make(n, pos / PAGE_SIZE, &e);

		if (!err && (*e & LENT))
			err = move_lent(
				u, (*e & ~(uintptr_t)LENT) + in, part, true);
		else if (!err)
			err = uio_copy_from(u, (char *)*e + in, part);
		if (err)
			return done ? done : err;
		pos += part;
		done += (int64_t)part;
		if (pos > n->size)
			n->size = pos;
	}
	return done;
}

/* Zeroes bytes within one page. */
static int clear_part(struct tmpfs_node *n, uint64_t pos, uint64_t size)
{
	uintptr_t *e = pagemap_find(&n->map, pos / PAGE_SIZE);
	uint64_t in = pos % PAGE_SIZE;

	if (!e || !*e || !size)
		return 0;
	if (*e & LENT)
		return user_clear((*e & ~(uintptr_t)LENT) + in, size);
	memset((char *)*e + in, 0, size);
	return 0;
}

/* Frees all pages of [first, end). */
static void drop_range(struct tmpfs_node *n, uint64_t first, uint64_t end)
{
	for (uint64_t i = first; i < end;) {
		uint64_t leaf = i / PAGEMAP_LEAF;

		if (leaf >= n->map.leaves)
			return;
		if (!n->map.leaf[leaf]) {
			i = (leaf + 1) * PAGEMAP_LEAF;
			continue;
		}
		page_drop(n, &n->map.leaf[leaf][i % PAGEMAP_LEAF]);
		i++;
	}
}

int tmpfs_set_size(struct tmpfs_node *n, uint64_t size)
{
	if (size > size_max)
		return -EFBIG;
	if (size < n->size) {
		uint64_t keep = align_up(size, PAGE_SIZE);
		int err = clear_part(n, size, keep - size);

		if (err)
			return err;
		drop_range(n, keep / PAGE_SIZE,
			align_up(n->size, PAGE_SIZE) / PAGE_SIZE);
	}
	n->size = size;
	return 0;
}

static int punch(struct tmpfs_node *n, uint64_t off, uint64_t end)
{
	uint64_t first = align_up(off, PAGE_SIZE);
	uint64_t last = align_down(end, PAGE_SIZE);
	int err;

	if (first > last) /* within one page */
		return clear_part(n, off, end - off);
	err = clear_part(n, off, first - off);
	if (!err)
		err = clear_part(n, last, end - last);
	drop_range(n, first / PAGE_SIZE, last / PAGE_SIZE);
	return err;
}

int tmpfs_fallocate(struct tmpfs_node *n, int mode, uint64_t off, uint64_t len)
{
	uint64_t end = off + len;
	int err;

	if (mode &
		~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE |
			FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	if (mode & FALLOC_FL_PUNCH_HOLE) {
		if (!(mode & FALLOC_FL_KEEP_SIZE))
			return -EOPNOTSUPP;
		return punch(
			n, off, u64_min(end, align_up(n->size, PAGE_SIZE)));
	}
	if (end > size_max)
		return -EFBIG;
	if (mode & FALLOC_FL_ZERO_RANGE) {
		err = punch(n, off, end);
		if (err)
			return err;
	}
	for (uint64_t i = off / PAGE_SIZE; i * PAGE_SIZE < end; i++) {
		uintptr_t *e;

		err = page_make(n, i, &e);
		if (err)
			return err;
	}
	if (!(mode & FALLOC_FL_KEEP_SIZE) && end > n->size)
		n->size = end;
	return 0;
}

int64_t tmpfs_seek(struct tmpfs_node *n, uint64_t off, bool hole)
{
	if (off >= n->size)
		return -ENXIO;
	for (uint64_t i = off / PAGE_SIZE; i * PAGE_SIZE < n->size; i++) {
		uintptr_t *e = pagemap_find(&n->map, i);

		if ((e && *e) != hole)
			return (int64_t)u64_max(off, i * PAGE_SIZE);
		if (!e && !hole) /* a whole leaf of nothing */
			i |= PAGEMAP_LEAF - 1;
	}
	return hole ? (int64_t)n->size : -ENXIO;
}

void tmpfs_free_pages(struct tmpfs_node *n)
{
	drop_range(n, 0, n->map.leaves * PAGEMAP_LEAF);
	pagemap_free(&n->map);
}

/* ---- pagestore.h ---- */

static int page_lend(struct vnode *v, uint64_t index, uint64_t addr, void *buf)
{
	struct tmpfs_node *n = tmpfs_node(v);
	uintptr_t *e;
	int err;

	if (index * PAGE_SIZE >= n->size)
		return -ENXIO;
	err = page_make(n, index, &e);
	if (err)
		return err;
	if (*e & LENT)
		return -EBUSY;
	memcpy(buf, (void *)*e, PAGE_SIZE);
	kpages_free((void *)*e, 1);
	aspace_uncharge(PAGE_SIZE); /* the page at addr is counted itself */
	*e = addr | LENT;
	return 0;
}

static int page_return(struct vnode *v, uint64_t index, const void *addr)
{
	struct tmpfs_node *n = tmpfs_node(v);
	uintptr_t *e = pagemap_find(&n->map, index);
	void *page;

	if (!e || *e != ((uintptr_t)addr | LENT))
		return 0;
	page = kpages_alloc(1);
	if (!page)
		return -ENOMEM;
	memcpy(page, addr, PAGE_SIZE);
	*e = (uintptr_t)page;
	aspace_charge(PAGE_SIZE, true);
	if (index * PAGE_SIZE >= n->size) /* truncated meanwhile */
		page_drop(n, e);
	return 0;
}

const struct pagestore_ops tmpfs_pagestore = {
	.lend = page_lend,
	.take_back = page_return,
};
