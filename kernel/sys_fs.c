/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that change directories: making, removing and renaming names;
 * and where a process is.
 */
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/process.h"
#include "kernel/syscall_fs.h"
#include "kernel/tmpfs.h"
#include "kernel/uaccess.h"
#include "kernel/vfs.h"
#include "lib/string.h"

/* As in <linux/inotify.h>. */
enum {
	EV_MOVED_FROM = 0x40,
	EV_MOVED_TO = 0x80,
	EV_CREATE = 0x100,
	EV_DELETE = 0x200,
	EV_ISDIR = 0x40000000,
};

/* May a name in w's directory be made or removed? */
static int dir_writable(const struct walk *w)
{
	struct dentry *dir = w->parent;

	if (dir->mount->readonly)
		return -EROFS;
	if (dir->deleted)
		return -ENOENT;
	if (dir->vnode->ops->access)
		return 0; /* whoever does it will see */
	return vfs_permission(dir, W_OK | X_OK);
}

/* Walks to a name that shall be made. */
static int walk_new(int dfd, uint64_t u_path, bool dir, struct walk *w)
{
	int err = walk_from_user(dfd, u_path, WALK_PARENT | WALK_NAME, w);

	if (err)
		return err;
	if (w->dots || !w->parent || w->dentry->vnode)
		err = -EEXIST;
	else if (w->slash && !dir)
		err = -ENOENT;
	else
		err = dir_writable(w);
	if (err)
		walk_done(w);
	return err;
}

static uint32_t masked(uint64_t u_mode)
{
	return (uint32_t)u_mode & 07777 & ~curproc->fs->umask;
}

/* ---- making ---- */

int64_t sys_mkdirat(const uint64_t *a)
{
	struct walk w;
	const struct vnode_ops *ops;
	int err = walk_new((int)a[0], a[1], true, &w);

	if (err)
		return err;
	ops = w.parent->vnode->ops;
	err = ops->mkdir ? ops->mkdir(w.dentry, masked(a[2]) & 01777) : -EPERM;
	if (!err)
		vfs_notify(w.dentry, EV_CREATE | EV_ISDIR);
	walk_done(&w);
	return err;
}

int64_t sys_mknodat(const uint64_t *a)
{
	uint32_t type = (uint32_t)a[2] & S_IFMT;
	const struct vnode_ops *ops;
	struct walk w;
	int err;

	if (type == 0)
		type = S_IFREG;
	if (type == S_IFDIR)
		return -EPERM;
	if (type != S_IFREG && type != S_IFIFO && type != S_IFSOCK &&
		type != S_IFCHR && type != S_IFBLK)
		return -EINVAL;
	err = walk_new((int)a[0], a[1], false, &w);
	if (err)
		return err;
	ops = w.parent->vnode->ops;
	err = ops->mknod ? ops->mknod(w.dentry, type | masked(a[2]), a[3])
			 : -EPERM;
	if (!err)
		vfs_notify(w.dentry, EV_CREATE);
	walk_done(&w);
	return err;
}

int64_t sys_symlinkat(const uint64_t *a)
{
	const struct vnode_ops *ops;
	struct walk w;
	char *target;
	int err = path_from_user(a[0], &target);

	if (err)
		return err;
	err = target[0] ? walk_new((int)a[1], a[2], false, &w) : -ENOENT;
	if (!err) {
		ops = w.parent->vnode->ops;
		err = ops->symlink ? ops->symlink(w.dentry, target) : -EPERM;
		if (!err)
			vfs_notify(w.dentry, EV_CREATE);
		walk_done(&w);
	}
	path_buf_put(target);
	return err;
}

int64_t sys_symlink(const uint64_t *a)
{
	const uint64_t at[] = {a[0], (uint64_t)AT_FDCWD, a[1]};

	return sys_symlinkat(at);
}

int64_t sys_linkat(const uint64_t *a)
{
	int flags = (int)a[4];
	unsigned wf = flags & AT_SYMLINK_FOLLOW ? WALK_FOLLOW : 0;
	const struct vnode_ops *ops;
	struct walk from, to;
	int err;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (flags & AT_EMPTY_PATH)
		wf |= WALK_EMPTY;
	err = walk_from_user((int)a[0], a[1], wf, &from);
	if (err)
		return err;
	/* Without a name on the host: then the dentry is not the file's. */
	if (!from.dentry || (from.file && from.file->dentry != from.dentry)) {
		walk_done(&from);
		return -EXDEV;
	}
	err = walk_new((int)a[2], a[3], false, &to);
	if (err)
		goto from;
	ops = to.parent->vnode->ops;
	if (from.dentry->nameless)
		err = -ENOENT;
	else if (S_ISDIR(from.dentry->vnode->mode))
		err = -EPERM;
	else if (from.dentry->mount != to.parent->mount)
		err = -EXDEV;
	else
		err = ops->link ? ops->link(from.dentry, to.dentry) : -EPERM;
	if (!err)
		vfs_notify(to.dentry, EV_CREATE);
	walk_done(&to);
from:
	walk_done(&from);
	return err;
}

int64_t sys_link(const uint64_t *a)
{
	const uint64_t cwd = (uint64_t)AT_FDCWD;
	const uint64_t at[] = {cwd, a[0], cwd, a[1], 0};

	return sys_linkat(at);
}

/* ---- removing ---- */

int64_t sys_unlinkat(const uint64_t *a)
{
	bool dir = a[2] != 0;
	const struct vnode_ops *ops;
	struct vnode *v;
	struct walk w;
	bool is_dir;
	int err;

	if (a[2] & ~(uint64_t)AT_REMOVEDIR)
		return -EINVAL;
	err = walk_from_user((int)a[0], a[1], WALK_NAME, &w);
	if (err)
		return err;
	if (!w.parent || w.dots) {
		err = !dir         ? -EISDIR
			: w.dotdot ? -ENOTEMPTY
			: w.slash  ? -EBUSY
				   : -EINVAL;
		goto done;
	}
	v = w.dentry->vnode;
	is_dir = S_ISDIR(v->mode);
	if (w.dentry == w.dentry->parent) /* something is mounted there */
		err = -EBUSY;
	else if (dir && !is_dir)
		err = -ENOTDIR;
	else if (!dir && is_dir)
		err = -EISDIR;
	else if (!dir && w.slash)
		err = -ENOTDIR;
	else
		err = dir_writable(&w);
	if (err)
		goto done;
	ops = w.parent->vnode->ops;
	vnode_get(v);
	err = ops->unlink ? ops->unlink(w.dentry, dir) : -EPERM;
	vnode_put(v);
	if (!err)
		vfs_notify(w.dentry, is_dir ? EV_DELETE | EV_ISDIR : EV_DELETE);
done:
	walk_done(&w);
	return err;
}

/* ---- renaming ---- */

static bool is_below(const struct dentry *d, const struct dentry *top)
{
	for (;; d = d->parent) {
		if (d == top)
			return true;
		if (d == d->parent)
			return false;
	}
}

static int rename_check(
	const struct walk *from, const struct walk *to, unsigned flags)
{
	struct dentry *a = from->dentry, *b = to->dentry;
	bool a_dir = S_ISDIR(a->vnode->mode);
	int err;

	if (!from->parent || !to->parent || from->dots || to->dots)
		return -EBUSY;
	if (a == a->parent || b == b->parent)
		return -EBUSY;
	if (a->mount != b->mount)
		return -EXDEV;
	if ((from->slash && !a_dir) || (to->slash && !a_dir))
		return -ENOTDIR;
	if (is_below(b, a) && a != b)
		return -EINVAL;
	if (is_below(a, b) && a != b)
		return flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	if (b->vnode) {
		bool b_dir = S_ISDIR(b->vnode->mode);

		if (flags & RENAME_NOREPLACE)
			return -EEXIST;
		if (!(flags & RENAME_EXCHANGE) && a_dir != b_dir)
			return a_dir ? -ENOTDIR : -EISDIR;
	} else if (flags & RENAME_EXCHANGE) {
		return -ENOENT;
	}
	err = dir_writable(from);
	return err ? err : dir_writable(to);
}

int64_t sys_renameat2(const uint64_t *a)
{
	unsigned flags = (unsigned)a[4];
	const struct vnode_ops *ops;
	struct walk from, to;
	int err;

	if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) ||
		(flags & (RENAME_NOREPLACE | RENAME_EXCHANGE)) ==
			(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	err = walk_from_user((int)a[0], a[1], WALK_NAME, &from);
	if (err)
		return err;
	err = walk_from_user((int)a[2], a[3], WALK_PARENT | WALK_NAME, &to);
	if (err)
		goto from;
	err = rename_check(&from, &to, flags);
	if (err || from.dentry->vnode == to.dentry->vnode)
		goto to; /* two links to one file: nothing to do */
	ops = from.parent->vnode->ops;
	err = ops->rename ? ops->rename(from.dentry, to.dentry, flags) : -EPERM;
	if (!err) { /* to's dentry has the old name now */
		vfs_notify(to.dentry,
			S_ISDIR(from.dentry->vnode->mode)
				? EV_MOVED_FROM | EV_ISDIR
				: EV_MOVED_FROM);
		vfs_notify(from.dentry, EV_MOVED_TO);
	}
to:
	walk_done(&to);
from:
	walk_done(&from);
	return err;
}

int64_t sys_rename(const uint64_t *a)
{
	const uint64_t cwd = (uint64_t)AT_FDCWD;
	const uint64_t at[] = {cwd, a[0], cwd, a[1], 0};

	return sys_renameat2(at);
}

/* ---- where a process is ---- */

static int enter_dir(struct dentry **slot, struct dentry *d)
{
	struct dentry *old = *slot;
	int err = vfs_permission(d, X_OK);

	if (err)
		return err;
	*slot = dentry_get(d);
	dentry_put(old);
	return 0;
}

static int enter_path(uint64_t u_path, bool root)
{
	struct walk w;
	int err = walk_from_user(
		AT_FDCWD, u_path, WALK_FOLLOW | WALK_DIRECTORY, &w);

	if (err)
		return err;
	err = w.file ? -ENOTDIR
		     : enter_dir(root ? &curproc->fs->root : &curproc->fs->cwd,
			       w.dentry);
	walk_done(&w);
	return err;
}

int64_t sys_chdir(const uint64_t *a)
{
	return enter_path(a[0], false);
}

int64_t sys_fchdir(struct file *f, const uint64_t *a)
{
	if (!f->dentry || !f->vnode || !S_ISDIR(f->vnode->mode))
		return -ENOTDIR;
	return enter_dir(&curproc->fs->cwd, f->dentry);
}

int64_t sys_chroot(const uint64_t *a)
{
	if (curproc->euid != 0)
		return -EPERM;
	return enter_path(a[0], true);
}

int64_t sys_umask(const uint64_t *a)
{
	uint32_t old = curproc->fs->umask;

	curproc->fs->umask = (uint32_t)a[0] & 0777;
	return old;
}

/* ---- whole file systems ---- */

static int64_t put_statfs(uint64_t u_buf, const struct kstatfs *k)
{
	struct statfs s;

	memset(&s, 0, sizeof(s));
	s.f_type = (long)k->type;
	s.f_bsize = (long)k->bsize;
	s.f_blocks = (long)k->blocks;
	s.f_bfree = (long)k->bfree;
	s.f_bavail = (long)k->bavail;
	s.f_files = (long)k->files;
	s.f_ffree = (long)k->ffree;
	memcpy(&s.f_fsid, &k->fsid, sizeof(s.f_fsid));
	s.f_namelen = (long)k->namelen;
	s.f_frsize = (long)k->bsize;
	s.f_flags = (long)k->flags;
	return user_write(u_buf, &s, sizeof(s));
}

static int64_t do_statfs(struct dentry *d, uint64_t u_buf)
{
	struct kstatfs k = {0};
	int err;

	if (!d || !d->vnode)
		return -ENOSYS;
	err = d->vnode->ops->statfs ? d->vnode->ops->statfs(d, &k) : -ENOSYS;
	return err ? err : put_statfs(u_buf, &k);
}

int64_t sys_statfs(const uint64_t *a)
{
	struct walk w;
	int64_t err = walk_from_user(AT_FDCWD, a[0], WALK_FOLLOW, &w);

	if (err)
		return err;
	err = do_statfs(w.dentry, a[1]);
	walk_done(&w);
	return err;
}

int64_t sys_fstatfs(struct file *f, const uint64_t *a)
{
	return do_statfs(f->dentry, a[1]);
}

int64_t sys_memfd_create(const uint64_t *a)
{
	char name[VFS_NAME_MAX - 5];
	struct file *f;
	int64_t n;

	if (a[1] & ~3ul) /* MFD_CLOEXEC, MFD_ALLOW_SEALING; no huge pages */
		return -EINVAL;
	n = user_read_str(name, a[0], sizeof(name));
	if (n < 0)
		return n == -ENAMETOOLONG ? -EINVAL : n;
	n = tmpfs_memfd(name, (unsigned)a[1], &f);
	if (n)
		return n;
	return fd_install_new(f, a[1] & 1);
}
