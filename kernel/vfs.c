/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/vfs.h"

#include "kernel/file.h"
#include "kernel/flock.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/pipe.h"
#include "kernel/process.h"
#include "kernel/time.h"
#include "lib/string.h"
#include "lib/types.h"

struct dentry *vfs_root;

void vnode_init(struct vnode *v, const struct vnode_ops *ops, struct mount *m,
	uint32_t mode, uint64_t ino)
{
	v->ops = ops;
	v->mount = m;
	v->refs = 1;
	v->mode = mode;
	v->dev = m ? m->dev : 0;
	v->ino = ino;
	v->locks = NULL;
	v->next_old = NULL;
	v->old = false;
	list_init(&v->watches);
}

struct vnode *vnode_get(struct vnode *v)
{
	ASSERT(v->refs < INT32_MAX);
	v->refs++;
	return v;
}

void vnode_put(struct vnode *v)
{
	if (!v)
		return;
	ASSERT(v->refs > 0);
	if (--v->refs > 0)
		return;
	if (v->locks)
		flock_vnode_gone(v);
	if (v->ops->release)
		v->ops->release(v);
	else
		kfree(v);
}

struct vtime vfs_now(void)
{
	uint64_t ns = time_real_ns();

	return (struct vtime){
		(int64_t)(ns / NSEC_PER_SEC), (uint32_t)(ns % NSEC_PER_SEC)};
}

/* ---- attributes and permissions ---- */

static void basic_stat(const struct vnode *v, struct kstat *st)
{
	*st = (struct kstat){.dev = v->dev,
		.ino = v->ino,
		.mode = v->mode,
		.nlink = 1,
		.blksize = 4096};
}

int vfs_getattr(struct dentry *d, struct kstat *st)
{
	struct vnode *v = d->vnode;

	if (!v)
		return -ENOENT;
	if (v->ops->getattr)
		return v->ops->getattr(d, v, NULL, st);
	basic_stat(v, st);
	return 0;
}

int vfs_file_getattr(struct file *f, struct kstat *st)
{
	struct vnode *v = f->vnode;

	if (f->ops->stat)
		return f->ops->stat(f, st);
	if (!v)
		return -EINVAL;
	if (v->ops->getattr)
		return v->ops->getattr(f->dentry, v, f, st);
	basic_stat(v, st);
	return 0;
}

void vfs_anon_stat(struct kstat *st, uint32_t mode, uint64_t ino)
{
	struct vtime now = vfs_now();

	*st = (struct kstat){.dev = 0xd,
		.ino = ino,
		.mode = mode,
		.nlink = 1,
		.uid = curproc->euid,
		.gid = curproc->egid,
		.blksize = 4096,
		.atime = now,
		.mtime = now,
		.ctime = now};
}

int vfs_setattr(struct dentry *d, struct vnode *v, struct file *f,
	const struct kattr *a)
{
	if (v->mount && v->mount->readonly)
		return -EROFS;
	return v->ops->setattr ? v->ops->setattr(d, v, f, a) : -EPERM;
}

int vfs_may_setattr(const struct kstat *st, const struct kattr *a)
{
	uint32_t free = ATTR_SIZE | ATTR_ATIME | ATTR_MTIME;
	uint32_t euid = curproc->euid;

	if (euid == 0)
		return 0;
	if ((a->valid & ~free) && euid != st->uid)
		return -EPERM;
	return (a->valid & ATTR_UID) && a->uid != st->uid ? -EPERM : 0;
}

int vfs_sticky(struct dentry *d)
{
	uint32_t euid = curproc->euid;
	struct kstat dir, st;

	if (euid == 0 || vfs_getattr(d->parent, &dir) ||
		!(dir.mode & S_ISVTX) || euid == dir.uid)
		return 0;
	return vfs_getattr(d, &st) == 0 && st.uid != euid ? -EPERM : 0;
}

bool xattr_is_plain(const char *name)
{
	return string_has_prefix(name, "user.") ||
		string_has_prefix(name, "trusted.") ||
		string_has_prefix(name, "security.");
}

bool vnode_mode_allows(const struct kstat *st, int mask)
{
	const struct process *p = curproc;
	uint64_t bits = st->mode;

	if (p->euid == 0) {
		return !(mask & X_OK) || S_ISDIR(st->mode) || (st->mode & 0111);
	}
	if (p->euid == st->uid)
		bits >>= 6;
	else if (p->egid == st->gid)
		bits >>= 3;
	return ((uint32_t)mask & ~bits & 7) == 0;
}

int vfs_permission(struct dentry *d, int mask)
{
	struct vnode *v = d->vnode;
	struct kstat st;
	int err;

	if (!v)
		return -ENOENT;
	if ((mask & W_OK) && v->mount && v->mount->readonly &&
		(S_ISREG(v->mode) || S_ISDIR(v->mode) || S_ISLNK(v->mode)))
		return -EROFS;
	if (v->ops->access)
		return v->ops->access(d, mask);
	err = vfs_getattr(d, &st);
	if (err)
		return err;
	return vnode_mode_allows(&st, mask) ? 0 : -EACCES;
}

/* ---- opening ---- */

int vfs_open_fifo(
	struct pipe **fifo, uint32_t flags, struct dentry *d, struct file **out)
{
	int err;

	if (!*fifo)
		*fifo = pipe_new();
	if (!*fifo)
		return -ENOMEM;
	err = pipe_open(*fifo, flags, out);
	if (err)
		return err;
	(*out)->dentry = dentry_get(d);
	(*out)->vnode = vnode_get(d->vnode);
	return 0;
}

int vfs_file_new(const struct file_ops *ops, uint32_t flags, struct dentry *d,
	struct file **out)
{
	struct file *f = file_new(ops,
		flags &
			~(uint32_t)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC |
				O_CLOEXEC));

	if (!f)
		return -ENOMEM;
	if (d) {
		f->dentry = dentry_get(d);
		f->vnode = d->vnode ? vnode_get(d->vnode) : NULL;
	}
	*out = f;
	return 0;
}

int64_t vfs_seek(struct file *f, int64_t off, int whence, uint64_t size)
{
	int64_t base = whence == SEEK_CUR ? (int64_t)f->pos
		: whence == SEEK_END      ? (int64_t)size
					  : 0;

	if (whence < SEEK_SET || whence > SEEK_END)
		return -EINVAL;
	if (add_overflows(base, off, &base))
		return -EOVERFLOW;
	if (base < 0)
		return -EINVAL;
	f->pos = (uint64_t)base;
	return base;
}

int64_t vfs_seek_endless(struct file *f, int64_t off, int whence)
{
	return whence == SEEK_END ? -EINVAL : vfs_seek(f, off, whence, 0);
}

static const struct file_ops path_ops = {.name = "path"};

static int open_mask(uint32_t flags)
{
	int mask = (flags & O_ACCMODE) == O_RDONLY ? R_OK
		: (flags & O_ACCMODE) == O_WRONLY  ? W_OK
						   : R_OK | W_OK;

	return flags & O_TRUNC ? mask | W_OK : mask;
}

/* d is positive. */
static int open_existing(struct dentry *d, uint32_t flags, struct file **out)
{
	struct vnode *v = d->vnode;
	int err;

	if (S_ISLNK(v->mode))
		return -ELOOP;
	if ((flags & O_DIRECTORY) && !S_ISDIR(v->mode))
		return -ENOTDIR;
	if (S_ISDIR(v->mode) &&
		((flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT)))
		return -EISDIR;
	if (v->mount->readonly && (open_mask(flags) & W_OK) && S_ISREG(v->mode))
		return -EROFS;
	if (!v->ops->access) {
		err = vfs_permission(d, open_mask(flags));
		if (err)
			return err;
	}
	return v->ops->open ? v->ops->open(d, flags, 0, out) : -ENXIO;
}

static int open_create(
	struct walk *w, uint32_t flags, uint32_t mode, struct file **out)
{
	struct dentry *d = w->dentry, *dir = w->parent;
	const struct vnode_ops *ops = dir->vnode->ops;
	int err;

	if (w->slash)
		return -EISDIR;
	if (dir->mount->readonly)
		return -EROFS;
	if (!ops->create)
		return -EACCES;
	if (!ops->access) {
		err = vfs_permission(dir, W_OK | X_OK);
		if (err)
			return err;
	}
	if (dir->deleted)
		return -ENOENT;
	err = ops->create(
		d, flags, S_IFREG | (mode & ~curproc->fs->umask), out);
	if (!err)
		vfs_notify(d, 0x100); /* IN_CREATE */
	return err;
}

static int open_walked(struct walk *w, uint32_t flags, uint32_t mode,
	uint64_t now, struct file **out)
{
	struct dentry *d = w->dentry;
	bool unknown = d && w->parent && d->expires <= now &&
		w->parent->vnode->ops->open_unknown;
	int err;

	if (w->file) { /* an open file without a name of its own */
		*out = file_get(w->file);
		return 0;
	}
	if (flags & O_PATH) {
		if ((flags & O_DIRECTORY) && !S_ISDIR(d->vnode->mode))
			return -ENOTDIR;
		return vfs_file_new(&path_ops,
			flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW), d, out);
	}
	if ((flags & O_TMPFILE) == O_TMPFILE) {
		const struct vnode_ops *ops = d->vnode->ops;

		if (!ops->tmpfile)
			return -EOPNOTSUPP;
		if (d->mount->readonly)
			return -EROFS;
		err = ops->tmpfile(
			d, flags, S_IFREG | (mode & ~curproc->fs->umask), out);
		if (!err)
			(*out)->dentry->nameless = flags & O_EXCL;
		return err;
	}
	if (!d->vnode && (flags & O_CREAT))
		return open_create(w, flags, mode, out);
	if (!d->vnode) {
		if (!unknown)
			return -ENOENT;
		if (d->mount->readonly && (open_mask(flags) & W_OK))
			return -EROFS;
		return w->parent->vnode->ops->open(d, flags, mode, out);
	}
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	return open_existing(d, flags, out);
}

int vfs_open(int dfd, const char *path, uint32_t flags, uint32_t mode,
	unsigned walk_flags, struct file **out)
{
	unsigned wf = walk_flags | WALK_OPEN;
	struct walk w;
	int err;

	if ((flags & O_TMPFILE) == O_TMPFILE || (flags & O_PATH))
		wf &= ~(unsigned)WALK_OPEN;
	if ((flags & O_TMPFILE) == O_TMPFILE) {
		if ((flags & O_ACCMODE) == O_RDONLY)
			return -EINVAL;
		wf |= WALK_DIRECTORY;
	} else if (flags & O_CREAT) {
		if ((flags & O_DIRECTORY))
			return -EINVAL;
		wf |= WALK_PARENT;
	}
	if (!(flags & O_NOFOLLOW) &&
		(flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL))
		wf |= WALK_FOLLOW;
	/* Twice: the first time a cached or unknown name is tried as it is. */
	for (int attempt = 0;; attempt++) {
		uint64_t now = time_mono_ns();

		err = vfs_walk(dfd, path, wf, &w);
		if (err)
			return err;
		err = open_walked(&w, flags, mode, now, out);
		if (err && attempt == 0 && (wf & WALK_OPEN) && w.dentry &&
			w.parent && w.parent->vnode->ops->open_unknown &&
			(err == -ELOOP || err == -ESTALE ||
				(err == -ENOTDIR && (flags & O_DIRECTORY)))) {
			w.dentry->expires = 0;
			walk_done(&w);
			wf &= ~(unsigned)WALK_OPEN;
			continue;
		}
		if (!err && *out != w.file && !(flags & O_PATH))
			vfs_notify_file(*out, 0x20); /* IN_OPEN */
		walk_done(&w);
		return err == -ESTALE ? -ENOENT : err;
	}
}

int vfs_open_exec(
	int dfd, const char *path, unsigned walk_flags, struct file **out)
{
	struct walk w;
	int err = vfs_walk(dfd, path, walk_flags | WALK_FOLLOW, &w);

	if (err)
		return err;
	if (w.file && !w.file->dentry) {
		err = -EACCES;
		goto done;
	}
	if (!w.dentry->vnode || !S_ISREG(w.dentry->vnode->mode)) {
		err = -EACCES;
		goto done;
	}
	err = vfs_permission(w.dentry, X_OK);
	if (!err)
		err = open_existing(w.dentry, O_RDONLY, out);
done:
	walk_done(&w);
	return err;
}

int64_t vfs_file_path(const struct file *f, char *buf, size_t size)
{
	if (!f->dentry)
		return -ENOENT;
	return dentry_path(f->dentry, curproc->fs->root, buf, size);
}

/* ---- where a process is ---- */

static struct fs_ctx *ctx_at(
	struct dentry *root, struct dentry *cwd, uint32_t umask)
{
	struct fs_ctx *c = kzalloc(sizeof(*c));

	if (c)
		*c = (struct fs_ctx){
			1, dentry_get(cwd), dentry_get(root), umask};
	return c;
}

struct fs_ctx *fs_ctx_new(void)
{
	return ctx_at(vfs_root, vfs_root, 022);
}

struct fs_ctx *fs_ctx_get(struct fs_ctx *c)
{
	c->refs++;
	return c;
}

void fs_ctx_put(struct fs_ctx *c)
{
	if (!c || --c->refs > 0)
		return;
	dentry_put(c->cwd);
	dentry_put(c->root);
	kfree(c);
}

int fs_ctx_copy(const struct fs_ctx *c, struct fs_ctx **out)
{
	*out = ctx_at(c->root, c->cwd, c->umask);
	return *out ? 0 : -ENOMEM;
}

int fs_ctx_chdir(struct fs_ctx *c, const char *path)
{
	struct dentry *old = c->cwd;
	struct walk w;
	int err = vfs_walk(AT_FDCWD, path, WALK_FOLLOW | WALK_DIRECTORY, &w);

	if (err)
		return err;
	err = w.file ? -ENOTDIR : vfs_permission(w.dentry, X_OK);
	if (!err) {
		c->cwd = dentry_get(w.dentry);
		dentry_put(old);
	}
	walk_done(&w);
	return err;
}
