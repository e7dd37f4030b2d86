/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/volfs.h"

#include "kernel/devfs.h"
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/pagestore.h"
#include "kernel/pipe.h"
#include "kernel/process.h"
#include "lib/string.h"
#include "lib/types.h"

static const struct vnode_ops volfs_ops;

/* ---- nodes ---- */

static struct volfs_node **bucket_of(struct volfs *fs, uint64_t ino)
{
	return &fs->bucket[ino % ARRAY_SIZE(fs->bucket)];
}

/* The vnode of n, whose reference is taken over, also on failure. */
static int node_find(
	struct mount *m, struct volume_node *n, struct volfs_node **out)
{
	struct volume_attr a;
	struct volfs_node **b, *v, *new;

	volume_getattr(n, &a);
	b = bucket_of(m->priv, a.ino);
	new = kzalloc(sizeof(*new));
	for (v = *b; v && v->n != n; v = v->hash_next)
		;
	if (v) {
		vnode_get(&v->v);
		kfree(new);
		volume_put(n);
		*out = v;
		return 0;
	}
	if (!new) {
		volume_put(n);
		return -ENOMEM;
	}
	vnode_init(&new->v, &volfs_ops, m, a.mode, a.ino);
	new->n = n;
	mutex_init(&new->append);
	new->hash_next = *b;
	if (*b)
		(*b)->hash_pprev = &new->hash_next;
	new->hash_pprev = b;
	*b = new;
	*out = new;
	return 0;
}

static void node_release(struct vnode *v)
{
	struct volfs_node *n = volfs_node(v);

	*n->hash_pprev = n->hash_next;
	if (n->hash_next)
		n->hash_next->hash_pprev = n->hash_pprev;
	pagemap_free(&n->lent);
	if (n->fifo)
		pipe_put(n->fifo);
	volume_put(n->n);
	kfree(n);
}

/* d means n from now on; n's reference is taken over. */
static int name_node(struct dentry *d, struct volume_node *n)
{
	struct volfs_node *v;
	int err = node_find(d->mount, n, &v);

	if (err)
		return err;
	dentry_set(d, &v->v, UINT64_MAX);
	vnode_put(&v->v);
	return 0;
}

int volfs_root(struct mount *m)
{
	struct volfs *fs = m->priv;
	struct volume_node *n;
	int err = volume_get(fs->volume, VOL_OBJECT_ROOT, &n);

	if (err)
		return err;
	m->root = dentry_new(NULL, m, "", 0);
	if (!m->root) {
		volume_put(n);
		return -ENOMEM;
	}
	return name_node(m->root, n);
}

/* ---- attributes ---- */

static struct vtime time_of(const struct volume_attr *a, int which)
{
	return (struct vtime){a->sec[which], a->nsec[which]};
}

static int volfs_getattr(
	struct dentry *d, struct vnode *v, struct file *f, struct kstat *st)
{
	struct volume_attr a;

	volume_getattr(volfs_node(v)->n, &a);
	*st = (struct kstat){.dev = v->dev,
		.ino = a.ino,
		.rdev = a.rdev,
		.size = a.size,
		.blocks = a.blocks,
		.mode = a.mode,
		.nlink = a.nlink,
		.uid = a.uid,
		.gid = a.gid,
		.blksize = VOL_BLOCK_SIZE,
		.atime = time_of(&a, VOL_ATIME),
		.mtime = time_of(&a, VOL_MTIME),
		.ctime = time_of(&a, VOL_CTIME),
		.btime = time_of(&a, VOL_BTIME)};
	return 0;
}

static int volfs_setattr(struct dentry *d, struct vnode *v, struct file *f,
	const struct kattr *k)
{
	struct volfs_node *n = volfs_node(v);
	struct volume_attr a = {.mode = (uint32_t)k->mode & 07777,
		.uid = (uint32_t)k->uid,
		.gid = (uint32_t)k->gid,
		.sec = {[VOL_ATIME] = k->atime.sec, [VOL_MTIME] = k->mtime.sec},
		.nsec = {[VOL_ATIME] = (uint32_t)k->atime.nsec,
			[VOL_MTIME] = (uint32_t)k->mtime.nsec}};
	unsigned valid = 0;
	struct kstat st;
	int err;

	volfs_getattr(d, v, f, &st);
	err = vfs_may_setattr(&st, k);
	if (!err && (k->valid & ATTR_SIZE))
		err = volfs_set_size(n, k->size);
	if (err)
		return err;
	if (k->valid & ATTR_MODE)
		valid |= VOLUME_SET_MODE;
	if (k->valid & ATTR_UID)
		valid |= VOLUME_SET_UID;
	if (k->valid & ATTR_GID)
		valid |= VOLUME_SET_GID;
	if (k->valid & ATTR_ATIME)
		valid |= VOLUME_SET_ATIME;
	if (k->valid & ATTR_MTIME)
		valid |= VOLUME_SET_MTIME;
	/* A new owner ends what ran as the old one. */
	if ((k->valid & (ATTR_UID | ATTR_GID)) && !S_ISDIR(st.mode)) {
		if (!(k->valid & ATTR_MODE))
			a.mode = (uint32_t)st.mode & 07777;
		a.mode &= ~(uint32_t)(S_ISUID | S_ISGID);
		valid |= VOLUME_SET_MODE;
	}
	if (valid)
		err = volume_setattr(n->n, valid, &a);
	if (!err && (valid & VOLUME_SET_MODE))
		v->mode = (v->mode & S_IFMT) | a.mode;
	return err;
}

static int64_t volfs_readlink(struct dentry *d, char *buf, size_t size)
{
	return volume_readlink(volfs_node(d->vnode)->n, buf, size);
}

static int volfs_statfs(struct dentry *d, struct kstatfs *s)
{
	struct volfs *fs = d->mount->priv;
	struct volume_usage u;

	volume_usage(fs->volume, &u);
	*s = (struct kstatfs){.type = 0x53434e43,
		.bsize = u.block_size,
		.blocks = u.blocks,
		.bfree = u.free,
		.bavail = u.free,
		.files = u.inodes + (1 << 24),
		.ffree = 1 << 24,
		.fsid = d->mount->dev,
		.namelen = VOL_NAME_MAX,
		.flags = 0x20};
	return 0;
}

/* ---- names ---- */

static struct volume_node *dir_of(const struct dentry *d)
{
	return volfs_node(d->parent->vnode)->n;
}

static int volfs_lookup(struct dentry *dir, struct dentry *d)
{
	struct volume_node *n;
	int err = volume_lookup(volfs_node(dir->vnode)->n, d->name, d->len, &n);

	if (err == -ENOENT) {
		dentry_set(d, NULL, UINT64_MAX);
		return 0;
	}
	return err ? err : name_node(d, n);
}

static void new_attr(const struct dentry *dir, uint32_t mode, uint64_t rdev,
	struct volume_attr *a)
{
	struct volume_attr parent;

	volume_getattr(volfs_node(dir->vnode)->n, &parent);
	*a = (struct volume_attr){.mode = mode,
		.uid = curproc->euid,
		.gid = curproc->egid,
		.rdev = rdev};
	if (parent.mode & S_ISGID) {
		a->gid = parent.gid;
		if (S_ISDIR(mode))
			a->mode |= S_ISGID;
	}
}

static int make(
	struct dentry *d, uint32_t mode, uint64_t rdev, const char *target)
{
	struct volume_attr a;
	struct volume_node *n;
	int err;

	new_attr(d->parent, mode, rdev, &a);
	err = volume_make(dir_of(d), d->name, d->len, &a, target, &n);
	return err ? err : name_node(d, n);
}

static int volfs_mkdir(struct dentry *d, uint32_t mode)
{
	return make(d, S_IFDIR | (mode & 07777), 0, NULL);
}

static int volfs_mknod(struct dentry *d, uint32_t mode, uint64_t rdev)
{
	if (S_ISCHR(mode) || S_ISBLK(mode))
		return -EPERM;
	return make(d, mode, rdev, NULL);
}

static int volfs_symlink(struct dentry *d, const char *target)
{
	return make(d, S_IFLNK | 0777, 0, target);
}

static int volfs_create(
	struct dentry *d, uint32_t flags, uint32_t mode, struct file **out)
{
	int err = make(d, S_IFREG | (mode & 07777), 0, NULL);

	return err ? err : volfs_open_node(d, flags, out);
}

static int volfs_open(
	struct dentry *d, uint32_t flags, uint32_t mode, struct file **out)
{
	return volfs_open_node(d, flags, out);
}

static int volfs_link(struct dentry *old, struct dentry *d)
{
	struct vnode *v = old->vnode;
	int err;

	vnode_get(v);
	err = volume_link(volfs_node(v)->n, dir_of(d), d->name, d->len);
	if (!err)
		dentry_set(d, v, UINT64_MAX);
	vnode_put(v);
	return err;
}

static int volfs_unlink(struct dentry *d, bool dir)
{
	int err = vfs_sticky(d);

	if (!err)
		err = volume_unlink(dir_of(d), d->name, d->len, dir);
	if (!err)
		dentry_unlink(d, UINT64_MAX);
	return err;
}

static int volfs_rename(struct dentry *from, struct dentry *to, unsigned flags)
{
	int err = vfs_sticky(from);

	if (!err && to->vnode)
		err = vfs_sticky(to);
	if (!err)
		err = volume_rename(dir_of(from), from->name, from->len,
			dir_of(to), to->name, to->len, flags);
	if (err)
		return err;
	if (flags & RENAME_EXCHANGE)
		dentry_exchange(from, to);
	else
		dentry_move(from, to);
	return 0;
}

static int volfs_tmpfile(
	struct dentry *dir, uint32_t flags, uint32_t mode, struct file **out)
{
	struct volfs *fs = dir->mount->priv;
	struct volume_attr a;
	struct volume_node *n;
	struct dentry *d = dentry_new(dir, dir->mount, "#tmpfile", 8);
	int err;

	if (!d)
		return -ENOMEM;
	d->deleted = true;
	new_attr(dir, S_IFREG | (mode & 07777), 0, &a);
	err = volume_make_unnamed(fs->volume, &a, &n);
	if (!err)
		err = name_node(d, n);
	if (!err)
		err = volfs_open_node(d, flags & ~(uint32_t)O_TMPFILE, out);
	dentry_put(d);
	return err;
}

/* ---- extended attributes ---- */

static struct volume_node *node_of(struct dentry *d, struct file *f)
{
	return volfs_node(d ? d->vnode : f->vnode)->n;
}

static int64_t xattr_get(struct dentry *d, struct file *f, const char *name,
	void *buf, size_t size)
{
	return volume_xattr_get(node_of(d, f), name, buf, size);
}

static int xattr_set(struct dentry *d, struct file *f, const char *name,
	const void *value, size_t size, int flags)
{
	if (!xattr_is_plain(name))
		return -EOPNOTSUPP;
	return volume_xattr_set(node_of(d, f), name, value, size, flags);
}

static int64_t xattr_list(
	struct dentry *d, struct file *f, char *buf, size_t size)
{
	return volume_xattr_list(node_of(d, f), buf, size);
}

static int xattr_remove(struct dentry *d, struct file *f, const char *name)
{
	return volume_xattr_remove(node_of(d, f), name);
}

static const struct xattr_ops xattr_ops = {
	.get = xattr_get,
	.set = xattr_set,
	.list = xattr_list,
	.remove = xattr_remove,
};

static const struct vnode_ops volfs_ops = {
	.lookup = volfs_lookup,
	.getattr = volfs_getattr,
	.setattr = volfs_setattr,
	.readlink = volfs_readlink,
	.open = volfs_open,
	.create = volfs_create,
	.mkdir = volfs_mkdir,
	.mknod = volfs_mknod,
	.symlink = volfs_symlink,
	.link = volfs_link,
	.unlink = volfs_unlink,
	.rename = volfs_rename,
	.tmpfile = volfs_tmpfile,
	.statfs = volfs_statfs,
	.xattr = &xattr_ops,
	.pages = &volfs_pagestore,
	.release = node_release,
};
