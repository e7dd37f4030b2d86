/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes of files in memory: user.*, trusted.* and security.*
 * as plain values.
 */
#include "kernel/tmpfs.h"

#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "lib/string.h"

enum { FLAG_CREATE = 1, FLAG_REPLACE = 2 };

static struct tmpfs_node *node(struct dentry *d, struct file *f)
{
	return tmpfs_node(d ? d->vnode : f->vnode);
}

static struct tmpfs_xattr *find(struct tmpfs_node *n, const char *name)
{
	struct tmpfs_xattr *x;

	list_for_each_entry (x, &n->xattrs, node) {
		if (strcmp(x->name, name) == 0)
			return x;
	}
	return NULL;
}

static void drop(struct tmpfs_xattr *x)
{
	list_del(&x->node);
	kfree(x->name);
	kfree(x);
}

static int64_t xattr_get(struct dentry *d, struct file *f, const char *name,
	void *buf, size_t size)
{
	struct tmpfs_xattr *x = find(node(d, f), name);

	if (!x)
		return -ENODATA;
	if (x->size > size)
		return -ERANGE;
	memcpy(buf, x->value, x->size);
	return (int64_t)x->size;
}

static int xattr_set(struct dentry *d, struct file *f, const char *name,
	const void *value, size_t size, int flags)
{
	struct tmpfs_node *n = node(d, f);
	struct tmpfs_xattr *x, *old;

	if (!xattr_is_plain(name))
		return -EOPNOTSUPP;
	x = kzalloc(sizeof(*x) + size);
	if (!x)
		return -ENOSPC;
	list_init(&x->node);
	x->name = kstrdup(name);
	old = find(n, name);
	if (!x->name || (old && (flags & FLAG_CREATE)) ||
		(!old && (flags & FLAG_REPLACE))) {
		int err = !x->name ? -ENOSPC : old ? -EEXIST : -ENODATA;

		drop(x);
		return err;
	}
	x->size = size;
	memcpy(x->value, value, size);
	if (old)
		drop(old);
	list_add_tail(&n->xattrs, &x->node);
	n->ctime = vfs_now();
	return 0;
}

static int64_t xattr_list(
	struct dentry *d, struct file *f, char *buf, size_t size)
{
	struct tmpfs_xattr *x;
	size_t at = 0;

	list_for_each_entry (x, &node(d, f)->xattrs, node) {
		size_t len = strlen(x->name) + 1;

		if (len > size - at)
			return -ERANGE;
		memcpy(buf + at, x->name, len);
		at += len;
	}
	return (int64_t)at;
}

static int xattr_remove(struct dentry *d, struct file *f, const char *name)
{
	struct tmpfs_xattr *x = find(node(d, f), name);

	if (!x)
		return -ENODATA;
	drop(x);
	return 0;
}

const struct xattr_ops tmpfs_xattr_ops = {
	.get = xattr_get,
	.set = xattr_set,
	.list = xattr_list,
	.remove = xattr_remove,
};
