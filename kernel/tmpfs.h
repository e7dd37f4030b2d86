/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file system in the enclave's memory. Directories are their dentries,
 * which it keeps referenced; contents are pages of the kernel's heap.
 * Nothing here ever asks the host.
 */
#pragma once

#include "kernel/pagemap.h"
#include "kernel/vfs.h"

struct file;
struct uio;

struct tmpfs {
	uint64_t limit; /* pages; UINT64_MAX none */
	uint64_t used;
	uint64_t next_ino;
};

struct tmpfs_xattr {
	struct list node;
	char *name;
	size_t size;
	uint8_t value[];
};

struct tmpfs_node {
	struct vnode v;
	uint32_t uid, gid, nlink;
	uint64_t rdev;
	struct vtime atime, mtime, ctime, btime;
	struct list xattrs;
	/* regular files: tmpfs_data.c */
	uint64_t size;
	struct pagemap map;
	uint64_t pages; /* held */
	uint32_t seals;
	/* directories */
	uint64_t next_cookie;
	uint32_t entries;
	/* links */
	char *target;
	struct pipe *fifo; /* of a FIFO that was opened */
};

static inline struct tmpfs_node *tmpfs_node(const struct vnode *v)
{
	return (struct tmpfs_node *)(uintptr_t)v;
}

static inline struct tmpfs *tmpfs_of(const struct vnode *v)
{
	return v->mount->priv;
}

/* A node with one link; NULL on no memory. */
struct tmpfs_node *tmpfs_node_new(
	struct mount *m, uint32_t mode, uint64_t rdev);
/* A new name in directory dir, for those who fill a file system; target for
 * links. The new name with a reference, or NULL. */
struct dentry *tmpfs_add(struct dentry *dir, const char *name, uint32_t mode,
	uint64_t rdev, const char *target);
/* An open file of d. */
int tmpfs_open_node(struct dentry *d, uint32_t flags, struct file **out);

/* ---- tmpfs_data.c ---- */
int64_t tmpfs_read(struct tmpfs_node *n, struct uio *u, uint64_t pos);
int64_t tmpfs_write(struct tmpfs_node *n, struct uio *u, uint64_t pos);
int tmpfs_set_size(struct tmpfs_node *n, uint64_t size);
int tmpfs_fallocate(struct tmpfs_node *n, int mode, uint64_t off, uint64_t len);
/* Offset of the next data or hole at or after off; -ENXIO. */
int64_t tmpfs_seek(struct tmpfs_node *n, uint64_t off, bool hole);
void tmpfs_free_pages(struct tmpfs_node *n);

/* memfd_create(2): an unlinked file; flags MFD_*. */
int tmpfs_memfd(const char *name, unsigned flags, struct file **out);

extern const struct pagestore_ops tmpfs_pagestore;

extern const struct xattr_ops tmpfs_xattr_ops; /* tmpfs_xattr.c */
