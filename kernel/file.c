/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/file.h"

#include "kernel/flock.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/uio.h"
#include "kernel/vfs.h"

void (*file_epoll_release)(struct file *f);

struct file *file_new(const struct file_ops *ops, uint32_t flags)
{
	struct file *f = kzalloc(sizeof(*f));

	if (!f)
		return NULL;
	f->ops = ops;
	f->flags = flags;
	f->refs = 1;
	f->host_fd = -1;
	mutex_init(&f->pos_lock);
	list_init(&f->epoll_items);
	return f;
}

struct file *file_new_state(
	const struct file_ops *ops, uint32_t flags, size_t size)
{
	struct file *f = file_new(ops, flags);

	if (!f)
		return NULL;
	f->priv = kzalloc(size);
	if (f->priv)
		return f;
	kfree(f);
	return NULL;
}

void file_free_state(struct file *f)
{
	kfree(f->priv);
}

struct file *file_get(struct file *f)
{
	f->refs++;
	return f;
}

void file_put(struct file *f)
{
	struct dentry *d;
	struct vnode *v;

	if (!f)
		return;
	ASSERT(f->refs > 0);
	if (--f->refs > 0)
		return;
	if (!list_is_empty(&f->epoll_items) && file_epoll_release)
		file_epoll_release(f);
	d = f->dentry;
	v = f->vnode;
	if (v && !(f->flags & O_PATH)) /* IN_CLOSE_NOWRITE, IN_CLOSE_WRITE */
		vfs_notify_file(
			f, (f->flags & O_ACCMODE) == O_RDONLY ? 0x10 : 0x8);
	if (v && v->locks)
		flock_file_gone(f);
	if (f->ops->release)
		f->ops->release(f);
	kfree(f);
	dentry_put(d);
	vnode_put(v);
}

int64_t file_pread(struct file *f, void *buf, size_t size, uint64_t off)
{
	size_t done = 0;

	if (!f->ops->read || !f->ops->lseek)
		return -EINVAL;
	while (done < size) {
		struct uio u;
		uint64_t pos = off + done;
		int64_t n;

		uio_init_kernel(&u, (char *)buf + done, size - done);
		n = f->ops->read(f, &u, &pos);
		if (n < 0)
			return n;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (int64_t)done;
}
