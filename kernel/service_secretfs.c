/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev/sconce/secret: a file NAME or NAME:FORMAT for each value that CAS may
 * give, or take. Which there are only CAS knows: every name is there, nothing
 * is listed, and opening it for reading says whether the service may.
 *
 * What is read is the value as it was when the file was opened. A write is the
 * whole of a new value.
 */
#include "abi/service.h"
#include "kernel/boot.h"
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/process.h"
#include "kernel/service.h"
#include "kernel/uio.h"
#include "kernel/vfs.h"
#include "lib/config.h"
#include "lib/string.h"

struct open {
	struct mutex lock;
	uint8_t *value; /* NULL: not asked for yet */
	size_t size;
};

static int load(const struct file *f)
{
	struct open *o = f->priv;

	return o->value
		? 0
		: service_secret_get(f->dentry->name, &o->value, &o->size);
}

static void forget(struct open *o)
{
	if (o->value)
		string_wipe(o->value, o->size);
	kfree(o->value);
	o->value = NULL;
	o->size = 0;
}

static int64_t secret_read(struct file *f, struct uio *u, uint64_t *pos)
{
	struct open *o = f->priv;
	size_t n = 0;
	int err;

	mutex_lock(&o->lock);
	err = load(f);
	if (!err && *pos < o->size) {
		n = u64_min(u->resid, o->size - *pos);
		err = uio_copy_to(u, o->value + *pos, n);
	}
	mutex_unlock(&o->lock);
	return err ? err : (int64_t)n;
}

static int64_t secret_write(struct file *f, struct uio *u, uint64_t *pos)
{
	struct open *o = f->priv;
	size_t size = u->resid;
	uint8_t *data;
	int err;

	/* The rest of a value would become a value. */
	if (*pos)
		return -EINVAL;
	if (size > SERVICE_SECRET_MAX)
		return -EFBIG;
	data = kmalloc(size + 1);
	if (!data)
		return -ENOMEM;
	err = uio_copy_from(u, data, size);
	if (!err)
		err = service_secret_put(f->dentry->name, data, size);
	string_wipe(data, size);
	kfree(data);
	mutex_lock(&o->lock);
	if (!err)
		forget(o);
	mutex_unlock(&o->lock);
	return err ? err : (int64_t)size;
}

static int64_t secret_lseek(struct file *f, int64_t off, int whence)
{
	const struct open *o = f->priv;

	return vfs_seek(f, off, whence, o->size);
}

static void secret_release(struct file *f)
{
	forget(f->priv);
	file_free_state(f);
}

static const struct file_ops secret_ops = {
	.name = "secret",
	.read = secret_read,
	.write = secret_write,
	.lseek = secret_lseek,
	.release = secret_release,
};

static int dir_getdents(struct file *f, struct dirent_sink *sink)
{
	return 0;
}

static const struct file_ops dir_ops = {
	.name = "secret",
	.lseek = vfs_seek_endless,
	.getdents = dir_getdents,
};

static int secret_open(
	struct dentry *d, uint32_t flags, uint32_t mode, struct file **out)
{
	struct open *o;
	int err;

	flags &= O_ACCMODE | O_NONBLOCK;
	if (S_ISDIR(d->vnode->mode))
		return vfs_file_new(&dir_ops, flags, d, out);
	o = kzalloc(sizeof(*o));
	if (!o)
		return -ENOMEM;
	mutex_init(&o->lock);
	err = vfs_file_new(&secret_ops, flags, d, out);
	if (err) {
		kfree(o);
		return err;
	}
	(*out)->priv = o;
	if ((flags & O_ACCMODE) == O_RDONLY)
		err = load(*out);
	if (err)
		file_put(*out);
	return err;
}

static int secret_getattr(
	struct dentry *d, struct vnode *v, struct file *f, struct kstat *st)
{
	*st = (struct kstat){.dev = v->dev,
		.ino = v->ino,
		.mode = v->mode,
		.nlink = 1,
		.uid = (uint32_t)boot_config()->uid,
		.gid = (uint32_t)boot_config()->gid,
		.blksize = 4096};
	st->atime = st->mtime = st->ctime = vfs_now();
	return 0;
}

static int secret_lookup(struct dentry *dir, struct dentry *d);

static const struct vnode_ops vnode_ops = {
	.lookup = secret_lookup,
	.getattr = secret_getattr,
	.open = secret_open,
};
static const struct vnode_ops secret_vnode_ops = {
	.getattr = secret_getattr,
	.open = secret_open,
};

static struct vnode *new_vnode(
	struct mount *m, const struct vnode_ops *o, uint32_t mode)
{
	static uint64_t last_ino;
	struct vnode *v = kzalloc(sizeof(*v));

	if (v)
		vnode_init(v, o, m, mode, ++last_ino);
	return v;
}

static int secret_lookup(struct dentry *dir, struct dentry *d)
{
	struct vnode *v = new_vnode(
		d->mount, &secret_vnode_ops, S_IFREG | 0600);

	if (!v)
		return -ENOMEM;
	dentry_set(d, v, UINT64_MAX);
	vnode_put(v);
	return 0;
}

int secretfs_mount(struct mount *m)
{
	return mount_set_root(m, new_vnode(m, &vnode_ops, S_IFDIR | 0700));
}
