/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/tmpfs.h"

#include "abi/layout.h"
#include "kernel/devfs.h"
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/pipe.h"
#include "kernel/process.h"
#include "kernel/uio.h"
#include "lib/string.h"
#include "lib/types.h"

static const struct vnode_ops tmpfs_ops;
static const struct file_ops tmpfile_ops, tmpdir_ops;

/* ---- nodes ---- */

struct tmpfs_node *tmpfs_node_new(struct mount *m, uint32_t mode, uint64_t rdev)
{
	struct tmpfs *t = m->priv;
	struct tmpfs_node *n = kzalloc(sizeof(*n));

	if (!n)
		return NULL;
	vnode_init(&n->v, &tmpfs_ops, m, mode, t->next_ino++);
	n->uid = curproc->euid;
	n->gid = curproc->egid;
	n->nlink = S_ISDIR(mode) ? 2 : 1;
	n->rdev = rdev;
	n->btime = n->atime = n->mtime = n->ctime = vfs_now();
	n->next_cookie = 2;
	list_init(&n->xattrs);
	return n;
}

static void node_release(struct vnode *v)
{
	struct tmpfs_node *n = tmpfs_node(v);
	struct tmpfs_xattr *x, *tmp;

	tmpfs_free_pages(n);
	list_for_each_entry_safe (x, tmp, &n->xattrs, node) {
		kfree(x->name);
		kfree(x);
	}
	if (n->fifo)
		pipe_put(n->fifo);
	kfree(n->target);
	kfree(n);
}

static void touch(struct tmpfs_node *n)
{
	n->mtime = n->ctime = vfs_now();
}

static int tmpfs_getattr(
	struct dentry *d, struct vnode *v, struct file *f, struct kstat *st)
{
	struct tmpfs_node *n = tmpfs_node(v);

	*st = (struct kstat){.dev = v->dev,
		.ino = v->ino,
		.rdev = n->rdev,
		.size = S_ISLNK(v->mode)   ? strlen(n->target)
			: S_ISDIR(v->mode) ? n->entries * 20ull + 40
					   : n->size,
		.blocks = n->pages * 8,
		.mode = v->mode,
		.nlink = n->nlink,
		.uid = n->uid,
		.gid = n->gid,
		.blksize = PAGE_SIZE,
		.atime = n->atime,
		.mtime = n->mtime,
		.ctime = n->ctime,
		.btime = n->btime};
	return 0;
}

enum { SEAL_SHRINK = 2, SEAL_GROW = 4, SEAL_WRITE = 8 };

static int resize(struct tmpfs_node *n, uint64_t size)
{
	int err;

	if (((n->seals & SEAL_SHRINK) && size < n->size) ||
		((n->seals & SEAL_GROW) && size > n->size))
		return -EPERM;
	err = tmpfs_set_size(n, size);
	if (!err)
		touch(n);
	return err;
}

static int tmpfs_setattr(struct dentry *d, struct vnode *v, struct file *f,
	const struct kattr *a)
{
	struct tmpfs_node *n = tmpfs_node(v);
	struct kstat st = {.uid = n->uid};
	int err = vfs_may_setattr(&st, a);

	if (!err && (a->valid & ATTR_SIZE))
		err = resize(n, a->size);
	if (err)
		return err;
	if (a->valid & ATTR_MODE)
		v->mode = (v->mode & S_IFMT) | (a->mode & 07777);
	if (a->valid & ATTR_UID)
		n->uid = (uint32_t)a->uid;
	if (a->valid & ATTR_GID)
		n->gid = (uint32_t)a->gid;
	if ((a->valid & (ATTR_UID | ATTR_GID)) && !S_ISDIR(v->mode))
		v->mode &= ~(uint32_t)(S_ISUID | S_ISGID);
	if (a->valid & ATTR_ATIME)
		n->atime = a->atime;
	if (a->valid & ATTR_MTIME)
		n->mtime = a->mtime;
	n->ctime = vfs_now();
	return 0;
}

static int64_t tmpfs_readlink(struct dentry *d, char *buf, size_t size)
{
	const char *target = tmpfs_node(d->vnode)->target;
	size_t len = strlen(target);

	memcpy(buf, target, u64_min(len, size));
	return (int64_t)len;
}

static int tmpfs_statfs(struct dentry *d, struct kstatfs *s)
{
	struct tmpfs *t = d->mount->priv;
	uint64_t total = t->limit == UINT64_MAX ? 1 << 19 : t->limit;

	*s = (struct kstatfs){.type = 0x01021994,
		.bsize = PAGE_SIZE,
		.blocks = total,
		.bfree = total - u64_min(t->used, total),
		.bavail = total - u64_min(t->used, total),
		.files = 1 << 20,
		.ffree = 1 << 19,
		.fsid = d->mount->dev,
		.namelen = VFS_NAME_MAX,
		.flags = 0x20};
	return 0;
}

/* ---- directories ---- */

/* All names are in the cache: what is not there does not exist. */
static int tmpfs_lookup(struct dentry *dir, struct dentry *d)
{
	dentry_set(d, NULL, 1);
	return 0;
}

/* d, so far nothing, becomes a name of n; takes n's reference over. */
static void enter(struct dentry *d, struct tmpfs_node *n)
{
	struct tmpfs_node *dir = tmpfs_node(d->parent->vnode);

	dentry_set(d, &n->v, UINT64_MAX);
	vnode_put(&n->v);
	if (!d->hash_pprev)
		dentry_insert(d);
	dentry_get(d); /* the directory's own reference */
	d->cookie = dir->next_cookie++;
	dir->entries++;
	if (S_ISDIR(n->v.mode))
		dir->nlink++;
	touch(dir);
}

/* The name goes; the caller still holds d. */
static void leave(struct dentry *d)
{
	struct tmpfs_node *dir = tmpfs_node(d->parent->vnode);
	struct tmpfs_node *n = tmpfs_node(d->vnode);

	dir->entries--;
	if (S_ISDIR(n->v.mode)) {
		dir->nlink--;
		n->nlink = 0;
	} else {
		n->nlink--;
	}
	n->ctime = vfs_now();
	touch(dir);
	d->cookie = 0;
}

static int make(
	struct dentry *d, uint32_t mode, uint64_t rdev, const char *target)
{
	struct tmpfs_node *dir = tmpfs_node(d->parent->vnode), *n;
	struct dentry *other;

	if (dir->nlink == 0)
		return -ENOENT;
	n = tmpfs_node_new(d->mount, mode, rdev);
	if (!n)
		return -ENOSPC;
	if (dir->v.mode & S_ISGID) {
		n->gid = dir->gid;
		if (S_ISDIR(mode))
			n->v.mode |= S_ISGID;
	}
	if (target) {
		n->target = kstrdup(target);
		if (!n->target) {
			vnode_put(&n->v);
			return -ENOSPC;
		}
	}
	other = dentry_find(d->parent, d->name, d->len, d->hash);
	if (other) { /* kzalloc slept and somebody was faster */
		dentry_put(other);
		vnode_put(&n->v);
		return -EEXIST;
	}
	enter(d, n);
	return 0;
}

struct dentry *tmpfs_add(struct dentry *dir, const char *name, uint32_t mode,
	uint64_t rdev, const char *target)
{
	struct dentry *d = dentry_new(dir, dir->mount, name, strlen(name));

	if (d && make(d, mode, rdev, target)) {
		dentry_put(d);
		return NULL;
	}
	return d;
}

static int tmpfs_mkdir(struct dentry *d, uint32_t mode)
{
	return make(d, S_IFDIR | (mode & 07777), 0, NULL);
}

static int tmpfs_mknod(struct dentry *d, uint32_t mode, uint64_t rdev)
{
	if (S_ISCHR(mode) || S_ISBLK(mode))
		return -EPERM;
	return make(d, mode, rdev, NULL);
}

static int tmpfs_symlink(struct dentry *d, const char *target)
{
	return make(d, S_IFLNK | 0777, 0, target);
}

static int tmpfs_create(
	struct dentry *d, uint32_t flags, uint32_t mode, struct file **out)
{
	int err = make(d, mode, 0, NULL);

	return err ? err : tmpfs_open_node(d, flags, out);
}

static int tmpfs_link(struct dentry *old, struct dentry *d)
{
	struct tmpfs_node *n = tmpfs_node(old->vnode);

	if (tmpfs_node(d->parent->vnode)->nlink == 0)
		return -ENOENT;
	if (n->nlink == 0 && !S_ISREG(n->v.mode))
		return -ENOENT;
	n->nlink++;
	n->ctime = vfs_now();
	vnode_get(&n->v);
	enter(d, n);
	return 0;
}

/* Drops the reference of the directory after the name went. */
static int tmpfs_unlink(struct dentry *d, bool dir)
{
	if (vfs_sticky(d))
		return -EPERM;
	if (dir && tmpfs_node(d->vnode)->entries)
		return -ENOTEMPTY;
	leave(d);
	dentry_get(d); /* dentry_unlink must not reuse it as negative */
	dentry_unlink(d, UINT64_MAX);
	dentry_put(d);
	dentry_put(d);
	return 0;
}

static int tmpfs_rename(struct dentry *from, struct dentry *to, unsigned flags)
{
	struct tmpfs_node *n = tmpfs_node(from->vnode);
	struct tmpfs_node *a = tmpfs_node(from->parent->vnode);
	struct tmpfs_node *b = tmpfs_node(to->parent->vnode);
	bool dir = S_ISDIR(n->v.mode);
	uint64_t cookie;

	if (vfs_sticky(from) || (to->vnode && vfs_sticky(to)))
		return -EPERM;
	if (b->nlink == 0)
		return -ENOENT;
	if (flags & RENAME_EXCHANGE) {
		bool other = S_ISDIR(to->vnode->mode);

		from->cookie = b->next_cookie++;
		to->cookie = a->next_cookie++;
		a->nlink += (uint32_t)other - (uint32_t)dir;
		b->nlink += (uint32_t)dir - (uint32_t)other;
		touch(a);
		touch(b);
		n->ctime = tmpfs_node(to->vnode)->ctime = vfs_now();
		dentry_exchange(from, to);
		return 0;
	}
	if (to->vnode) {
		if (S_ISDIR(to->vnode->mode) && tmpfs_node(to->vnode)->entries)
			return -ENOTEMPTY;
		leave(to);
	}
	if (!to->hash_pprev)
		dentry_insert(to);
	a->entries--;
	b->entries++;
	if (dir) {
		a->nlink--;
		b->nlink++;
	}
	cookie = b->next_cookie++;
	dentry_move(from, to);
	from->cookie = cookie;
	touch(a);
	touch(b);
	n->ctime = vfs_now();
	if (to->vnode)
		dentry_put(to); /* the directory's reference */
	return 0;
}

/* ---- open files ---- */

static int64_t tmpfile_read(struct file *f, struct uio *u, uint64_t *pos)
{
	struct tmpfs_node *n = tmpfs_node(f->vnode);
	int64_t r = tmpfs_read(n, u, *pos);

	if (r > 0 && !(f->flags & O_NOATIME) && n->atime.sec <= n->mtime.sec)
		n->atime = vfs_now(); /* relatime */
	return r;
}

static int64_t tmpfile_write(struct file *f, struct uio *u, uint64_t *pos)
{
	struct tmpfs_node *n = tmpfs_node(f->vnode);
	int64_t r;

	if (n->seals & SEAL_WRITE)
		return -EPERM;
	if (f->flags & O_APPEND)
		*pos = n->size;
	if ((n->seals & SEAL_GROW) && *pos + u->resid > n->size)
		return -EPERM;
	r = tmpfs_write(n, u, *pos);
	if (r > 0)
		touch(n);
	return r;
}

static int64_t tmpfile_lseek(struct file *f, int64_t off, int whence)
{
	struct tmpfs_node *n = tmpfs_node(f->vnode);

	if (whence == SEEK_DATA || whence == SEEK_HOLE) {
		off = off < 0
			? -ENXIO
			: tmpfs_seek(n, (uint64_t)off, whence == SEEK_HOLE);
		if (off < 0)
			return off;
		whence = SEEK_SET;
	}
	return vfs_seek(f, off, whence, n->size);
}

static int tmpfile_fsync(struct file *f, bool data_only)
{
	return 0; /* there is nothing more durable */
}

static int tmpfile_truncate(struct file *f, uint64_t size)
{
	return resize(tmpfs_node(f->vnode), size);
}

static int tmpfile_fallocate(
	struct file *f, int mode, uint64_t off, uint64_t len)
{
	struct tmpfs_node *n = tmpfs_node(f->vnode);
	int err;

	if ((n->seals & SEAL_WRITE) ||
		((n->seals & SEAL_GROW) && off + len > n->size))
		return -EPERM;
	err = tmpfs_fallocate(n, mode, off, len);
	if (!err)
		touch(n);
	return err;
}

enum { SEAL_SEAL = 1, SEALS_KNOWN = 0x1f };

static int64_t tmpfile_fcntl(struct file *f, int cmd, uint64_t arg)
{
	struct tmpfs_node *n = tmpfs_node(f->vnode);

	if (cmd == F_GET_SEALS)
		return n->seals;
	if (cmd != F_ADD_SEALS)
		return -EBADF;
	if ((f->flags & O_ACCMODE) == O_RDONLY || (n->seals & SEAL_SEAL))
		return -EPERM;
	if (arg & ~(uint64_t)SEALS_KNOWN)
		return -EINVAL;
	n->seals |= (uint32_t)arg;
	return 0;
}

static const struct file_ops tmpfile_ops = {
	.name = "tmpfs",
	.read = tmpfile_read,
	.write = tmpfile_write,
	.lseek = tmpfile_lseek,
	.fsync = tmpfile_fsync,
	.truncate = tmpfile_truncate,
	.fallocate = tmpfile_fallocate,
	.fcntl = tmpfile_fcntl,
};

/* The first entry with a cookie >= at: the list is in order of cookies, new
 * names go to its end. Mount points that only exist as such have none. */
static struct dentry *entry_from(
	struct dentry *dir, struct list *l, uint64_t at)
{
	for (; l != &dir->children; l = l->next) {
		struct dentry *d = list_entry(l, struct dentry, child_node);

		if (d->vnode && d->cookie >= at)
			return d;
	}
	return NULL;
}

static int tmpdir_getdents(struct file *f, struct dirent_sink *sink)
{
	struct dentry *dir = f->dentry, *d;
	int err = 0;

	if (f->pos == 0) {
		err = sink->add(sink, ".", 1, dir->vnode->ino, 1, DT_DIR);
		if (err)
			return err;
		f->pos = 1;
	}
	if (f->pos == 1) {
		err = sink->add(
			sink, "..", 2, dir->parent->vnode->ino, 2, DT_DIR);
		if (err)
			return err;
		f->pos = 2;
	}
	for (d = entry_from(dir, dir->children.next, f->pos); d;
		d = entry_from(dir, d->child_node.next, 2)) {
		err = sink->add(sink, d->name, d->len, d->vnode->ino,
			d->cookie + 1, d->vnode->mode >> 12 & 15);
		if (err)
			return err;
		f->pos = d->cookie + 1;
	}
	return 0;
}

static const struct file_ops tmpdir_ops = {
	.name = "tmpfs",
	.lseek = vfs_seek_endless,
	.fsync = tmpfile_fsync,
	.getdents = tmpdir_getdents,
};

int tmpfs_open_node(struct dentry *d, uint32_t flags, struct file **out)
{
	uint32_t mode = d->vnode->mode;
	int err;

	if (S_ISREG(mode)) {
		if (flags & O_TRUNC) {
			err = resize(tmpfs_node(d->vnode), 0);
			if (err)
				return err;
		}
		return vfs_file_new(&tmpfile_ops, flags, d, out);
	}
	if (S_ISDIR(mode))
		return vfs_file_new(&tmpdir_ops, flags, d, out);
	if (S_ISCHR(mode))
		return devfs_open_device(d, flags, out);
	if (S_ISFIFO(mode))
		return vfs_open_fifo(
			&tmpfs_node(d->vnode)->fifo, flags, d, out);
	return -ENXIO; /* sockets are connected to, not opened */
}

static int tmpfs_open(
	struct dentry *d, uint32_t flags, uint32_t mode, struct file **out)
{
	return tmpfs_open_node(d, flags, out);
}

/* A file that no directory knows. */
static int open_unlinked(struct dentry *dir, struct mount *m, const char *name,
	uint32_t flags, uint32_t mode, struct file **out)
{
	struct dentry *d = dentry_new(dir, m, name, strlen(name));
	struct tmpfs_node *n = tmpfs_node_new(m, mode, 0);
	int err = -ENOMEM;

	if (d && n) {
		n->nlink = 0;
		d->deleted = true;
		dentry_set(d, &n->v, UINT64_MAX);
		err = tmpfs_open_node(d, flags, out);
	}
	if (n)
		vnode_put(&n->v);
	dentry_put(d);
	return err;
}

static int tmpfs_tmpfile(
	struct dentry *dir, uint32_t flags, uint32_t mode, struct file **out)
{
	return open_unlinked(dir, dir->mount, "#tmpfile",
		flags & ~(uint32_t)O_TMPFILE, mode, out);
}

static const struct vnode_ops tmpfs_ops = {
	.lookup = tmpfs_lookup,
	.getattr = tmpfs_getattr,
	.setattr = tmpfs_setattr,
	.readlink = tmpfs_readlink,
	.open = tmpfs_open,
	.create = tmpfs_create,
	.mkdir = tmpfs_mkdir,
	.mknod = tmpfs_mknod,
	.symlink = tmpfs_symlink,
	.link = tmpfs_link,
	.unlink = tmpfs_unlink,
	.rename = tmpfs_rename,
	.tmpfile = tmpfs_tmpfile,
	.statfs = tmpfs_statfs,
	.xattr = &tmpfs_xattr_ops,
	.pages = &tmpfs_pagestore,
	.release = node_release,
};

int tmpfs_mount(struct mount *m, const char *source, uint64_t size)
{
	struct tmpfs *t = kzalloc(sizeof(*t));
	struct tmpfs_node *n;
	int err;

	if (!t)
		return -ENOMEM;
	t->limit = size ? size / PAGE_SIZE : UINT64_MAX;
	t->next_ino = 1;
	m->priv = t;
	n = tmpfs_node_new(m, S_IFDIR | S_ISVTX | 0777, 0);
	err = mount_set_root(m, n ? &n->v : NULL);
	if (err)
		kfree(t);
	return err;
}

/* ---- memfd ---- */

enum { MFD_SEALING = 2 };

int tmpfs_memfd(const char *name, unsigned flags, struct file **out)
{
	static struct mount *m; /* mounted nowhere */
	char full[VFS_NAME_MAX + 8] = "memfd:";
	int err;

	if (!m) {
		struct mount *new = kzalloc(sizeof(*new));

		if (!new)
			return -ENOMEM;
		new->type = "tmpfs";
		new->dev = 0xff00000001ull;
		err = tmpfs_mount(new, NULL, 0);
		if (err) {
			kfree(new);
			return err;
		}
		m = new;
	}
	if (string_copy(full + 6, sizeof(full) - 6, name))
		return -EINVAL;
	err = open_unlinked(
		m->root, m, full, O_RDWR | O_LARGEFILE, S_IFREG | 0777, out);
	if (!err && !(flags & MFD_SEALING))
		tmpfs_node((*out)->vnode)->seals = SEAL_SEAL;
	return err;
}
