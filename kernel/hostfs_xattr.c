/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes of the host's files, passed through.
 */
#include "kernel/hostfs.h"

#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/hostcall.h"

static int64_t xattr_get(struct dentry *d, struct file *f, const char *name,
	void *buf, size_t size)
{
	char *path;
	int64_t n;
	int root;

	n = hostfs_path(d, &path, &root);
	if (n)
		return n;
	n = host_getxattr(root, path, name, buf, size);
	path_buf_put(path);
	return n;
}

static int xattr_set(struct dentry *d, struct file *f, const char *name,
	const void *value, size_t size, int flags)
{
	char *path;
	int err, root;

	err = hostfs_path(d, &path, &root);
	if (err)
		return err;
	err = (int)host_setxattr(
		root, path, name, value, size, (uint64_t)flags);
	path_buf_put(path);
	hostfs_changed(d->vnode);
	return err;
}

static int64_t xattr_list(
	struct dentry *d, struct file *f, char *buf, size_t size)
{
	char *path;
	int64_t n;
	int root;

	n = hostfs_path(d, &path, &root);
	if (n)
		return n;
	n = host_listxattr(root, path, buf, size);
	path_buf_put(path);
	return n;
}

static int xattr_remove(struct dentry *d, struct file *f, const char *name)
{
	char *path;
	int err, root;

	err = hostfs_path(d, &path, &root);
	if (err)
		return err;
	err = (int)host_removexattr(root, path, name);
	path_buf_put(path);
	hostfs_changed(d->vnode);
	return err;
}

const struct xattr_ops hostfs_xattr_ops = {
	.get = xattr_get,
	.set = xattr_set,
	.list = xattr_list,
	.remove = xattr_remove,
};
