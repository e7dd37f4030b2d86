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
	return ON_HOST(d, host_getxattr(root, path, name, buf, size));
}

static int xattr_set(struct dentry *d, struct file *f, const char *name,
	const void *value, size_t size, int flags)
{
	hostfs_changed(d->vnode);
	return (int)ON_HOST(d,
		host_setxattr(root, path, name, value, size, (uint64_t)flags));
}

static int64_t xattr_list(
	struct dentry *d, struct file *f, char *buf, size_t size)
{
	return ON_HOST(d, host_listxattr(root, path, buf, size));
}

static int xattr_remove(struct dentry *d, struct file *f, const char *name)
{
	hostfs_changed(d->vnode);
	return (int)ON_HOST(d, host_removexattr(root, path, name));
}

const struct xattr_ops hostfs_xattr_ops = {
	.get = xattr_get,
	.set = xattr_set,
	.list = xattr_list,
	.remove = xattr_remove,
};
