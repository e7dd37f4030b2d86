/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that open and look at files: open, stat and their kin.
 */
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/process.h"
#include "kernel/service.h"
#include "kernel/syscall_fs.h"
#include "kernel/uaccess.h"
#include "kernel/vfs.h"
#include "lib/string.h"
#include "lib/types.h"

/* ---- open ---- */

enum {
	OPEN_FLAGS = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC |
		O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | FASYNC | O_DIRECT |
		O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC |
		O_PATH | O_TMPFILE,
};

static int64_t do_open(
	int dfd, uint64_t u_path, uint32_t flags, uint32_t mode, unsigned walk)
{
	struct file *f;
	char *path;
	int64_t err;

	flags &= OPEN_FLAGS;
	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	else
		flags |= O_LARGEFILE; /* as for every 64-bit program */
	err = path_from_user(u_path, &path);
	if (err)
		return err;
	err = vfs_open(dfd, path, flags, mode & 07777, walk, &f);
	path_buf_put(path);
	if (err)
		return err;
	return fd_install_new(f, flags & O_CLOEXEC);
}

int64_t sys_creat(const uint64_t *a)
{
	return do_open(AT_FDCWD, a[0], O_CREAT | O_WRONLY | O_TRUNC,
		(uint32_t)a[1], 0);
}

int64_t sys_openat(const uint64_t *a)
{
	return do_open((int)a[0], a[1], (uint32_t)a[2], (uint32_t)a[3], 0);
}

int64_t sys_openat2(const uint64_t *a)
{
	uint64_t u_size = a[3];
	struct open_how how = {0};
	unsigned walk = 0;
	int err;

	if (u_size < sizeof(how))
		return -EINVAL;
	if (u_size > PATH_MAX)
		return -E2BIG;
	for (uint64_t off = sizeof(how); off < u_size; off += 8) {
		uint64_t word = 0;

		if (user_read(&word, a[2] + off, u64_min(8, u_size - off)))
			return -EFAULT;
		if (word)
			return -E2BIG;
	}
	err = user_read(&how, a[2], sizeof(how));
	if (err)
		return err;
	if ((how.flags & ~(uint64_t)OPEN_FLAGS) || (how.mode & ~07777ull) ||
		(how.mode &&
			!(how.flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)))))
		return -EINVAL;
	if (how.resolve & ~0x3full)
		return -EINVAL;
	if ((how.resolve & RESOLVE_BENEATH) && (how.resolve & RESOLVE_IN_ROOT))
		return -EINVAL;
	if (how.resolve & RESOLVE_NO_XDEV)
		walk |= WALK_NO_XDEV;
	if (how.resolve & RESOLVE_NO_MAGICLINKS)
		walk |= WALK_NO_MAGICLINKS;
	if (how.resolve & RESOLVE_NO_SYMLINKS)
		walk |= WALK_NO_SYMLINKS;
	if (how.resolve & RESOLVE_BENEATH)
		walk |= WALK_BENEATH;
	if (how.resolve & RESOLVE_IN_ROOT)
		walk |= WALK_IN_ROOT;
	if (how.resolve & RESOLVE_CACHED)
		walk |= WALK_CACHED;
	return do_open(
		(int)a[0], a[1], (uint32_t)how.flags, (uint32_t)how.mode, walk);
}

/* ---- stat ---- */

static int put_stat(uint64_t u_buf, const struct kstat *k)
{
	struct stat st;

	memset(&st, 0, sizeof(st));
	st.st_dev = k->dev;
	st.st_ino = k->ino;
	st.st_nlink = k->nlink;
	st.st_mode = (uint32_t)k->mode;
	st.st_uid = (uint32_t)k->uid;
	st.st_gid = (uint32_t)k->gid;
	st.st_rdev = k->rdev;
	st.st_size = (long)k->size;
	st.st_blksize = k->blksize;
	st.st_blocks = (long)k->blocks;
	st.st_atime = (unsigned long)k->atime.sec;
	st.st_atime_nsec = k->atime.nsec;
	st.st_mtime = (unsigned long)k->mtime.sec;
	st.st_mtime_nsec = k->mtime.nsec;
	st.st_ctime = (unsigned long)k->ctime.sec;
	st.st_ctime_nsec = k->ctime.nsec;
	return user_write(u_buf, &st, sizeof(st));
}

/* flags AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH */
static int stat_path(int dfd, uint64_t u_path, int flags, struct kstat *st)
{
	struct walk w;
	int err = walk_from_user(dfd, u_path, walk_flags(flags), &w);

	if (err)
		return err;
	err = w.file ? vfs_file_getattr(w.file, st) : vfs_getattr(w.dentry, st);
	walk_done(&w);
	return err;
}

static int64_t stat_file(struct file *f, uint64_t u_buf)
{
	struct kstat st;
	int err = vfs_file_getattr(f, &st);

	return err ? err : put_stat(u_buf, &st);
}

int64_t sys_fstat(struct file *f, const uint64_t *a)
{
	return stat_file(f, a[1]);
}

int64_t sys_newfstatat(const uint64_t *a)
{
	int flags = (int)a[3];
	struct kstat st;
	char first;
	int64_t err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH))
		return -EINVAL;
	/* glibc's fstat: no name to look at */
	if ((flags & AT_EMPTY_PATH) && (int)a[0] >= 0 &&
		!user_read(&first, a[1], 1) && first == '\0') {
		struct file *f = fd_get_path((int)a[0]);

		err = f ? stat_file(f, a[2]) : -EBADF;
		file_put(f);
		return err;
	}
	err = stat_path((int)a[0], a[1], flags, &st);
	return err ? err : put_stat(a[2], &st);
}

static struct statx_timestamp statx_time(struct vtime t)
{
	return (struct statx_timestamp){
		.tv_sec = t.sec, .tv_nsec = (uint32_t)t.nsec};
}

static uint32_t dev_major(uint64_t dev)
{
	return (uint32_t)(dev >> 8 & 0xfff) | ((uint32_t)(dev >> 32) & ~0xfffu);
}

static uint32_t dev_minor(uint64_t dev)
{
	return (uint32_t)(dev & 0xff) | ((uint32_t)(dev >> 12) & ~0xffu);
}

int64_t sys_statx(const uint64_t *a)
{
	int flags = (int)a[2];
	struct kstat k;
	struct statx x;
	int err;

	if (flags &
		~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH |
			AT_STATX_SYNC_TYPE))
		return -EINVAL;
	if (a[3] & STATX__RESERVED)
		return -EINVAL;
	err = stat_path((int)a[0], a[1], flags, &k);
	if (err)
		return err;
	memset(&x, 0, sizeof(x));
	x.stx_mask = STATX_BASIC_STATS | (k.btime.sec ? STATX_BTIME : 0);
	x.stx_blksize = (uint32_t)k.blksize;
	x.stx_nlink = (uint32_t)k.nlink;
	x.stx_uid = (uint32_t)k.uid;
	x.stx_gid = (uint32_t)k.gid;
	x.stx_mode = (uint16_t)k.mode;
	x.stx_ino = k.ino;
	x.stx_size = k.size;
	x.stx_blocks = k.blocks;
	x.stx_atime = statx_time(k.atime);
	x.stx_mtime = statx_time(k.mtime);
	x.stx_ctime = statx_time(k.ctime);
	x.stx_btime = statx_time(k.btime);
	x.stx_dev_major = dev_major(k.dev);
	x.stx_dev_minor = dev_minor(k.dev);
	x.stx_rdev_major = dev_major(k.rdev);
	x.stx_rdev_minor = dev_minor(k.rdev);
	return user_write(a[4], &x, sizeof(x));
}

/* ---- access, readlink, getcwd ---- */

int64_t sys_faccessat2(const uint64_t *a)
{
	int mask = (int)a[2], flags = (int)a[3], err;
	struct walk w;

	if ((mask & ~7) ||
		(flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
		return -EINVAL;
	err = walk_from_user((int)a[0], a[1], walk_flags(flags), &w);
	if (err)
		return err;
	if (w.dentry && (!w.file || w.file->dentry)) {
		err = vfs_permission(w.dentry, mask);
	} else if (w.file) {
		struct kstat st;

		err = vfs_file_getattr(w.file, &st);
		if (!err && !vnode_mode_allows(&st, mask))
			err = -EACCES;
	}
	walk_done(&w);
	return err;
}

int64_t sys_readlinkat(const uint64_t *a)
{
	int dfd = (int)a[0];
	struct walk w;
	char *path;
	int64_t n;

	if ((int)a[3] <= 0)
		return -EINVAL;
	n = path_from_user(a[1], &path);
	if (n)
		return n;
	n = vfs_walk(dfd, path, dfd == AT_FDCWD ? 0 : WALK_EMPTY, &w);
	if (!n) {
		const struct vnode_ops *ops;

		ops = w.dentry && w.dentry->vnode ? w.dentry->vnode->ops : NULL;
		if (!ops || !S_ISLNK(w.dentry->vnode->mode) || !ops->readlink)
			n = -EINVAL;
		else
			n = ops->readlink(w.dentry, path, VFS_PATH_MAX);
		walk_done(&w);
	}
	if (n > 0) {
		n = (int64_t)u64_min((uint64_t)n, (uint32_t)a[3]);
		if (user_write(a[2], path, (size_t)n))
			n = -EFAULT;
	}
	path_buf_put(path);
	return n;
}

int64_t sys_getcwd(const uint64_t *a)
{
	struct fs_ctx *fs = curproc->fs;
	char *buf;
	int64_t n;

	if (fs->cwd->deleted)
		return -ENOENT;
	buf = path_buf_get();
	if (!buf)
		return -ENOMEM;
	n = dentry_path(fs->cwd, fs->root, buf, VFS_PATH_MAX);
	if (n >= 0) {
		n++;
		if ((uint64_t)n > a[1])
			n = -ERANGE;
		else if (user_write(a[0], buf, (size_t)n))
			n = -EFAULT;
	}
	path_buf_put(buf);
	return n;
}

/* ---- getdents ---- */

struct user_sink {
	struct dirent_sink sink;
	uint8_t *buf;
	size_t used, size;
	bool old; /* getdents(2): the type is the record's last byte */
};

static int user_sink_add(struct dirent_sink *s, const char *name, size_t len,
	uint64_t ino, uint64_t next_off, unsigned type)
{
	struct user_sink *u = container_of(s, struct user_sink, sink);
	size_t reclen = align_up(19 + len + 1, 8);
	uint8_t *p = u->buf + u->used;
	uint16_t rec = (uint16_t)reclen;

	if (reclen > u->size - u->used)
		return -ENOSPC;
	memset(p, 0, reclen);
	memcpy(p, &ino, 8);
	memcpy(p + 8, &next_off, 8);
	memcpy(p + 16, &rec, 2);
	if (u->old) {
		memcpy(p + 18, name, len);
		p[reclen - 1] = (uint8_t)type;
	} else {
		p[18] = (uint8_t)type;
		memcpy(p + 19, name, len);
	}
	u->used += reclen;
	s->room = u->size - u->used;
	return 0;
}

static int64_t do_getdents(struct file *f, const uint64_t *a, bool old)
{
	size_t size = u64_min((unsigned)a[2], 65536);
	struct user_sink u = {
		.sink = {.add = user_sink_add, .room = size},
		.size = size,
		.old = old,
	};
	int64_t n;

	if (!f->ops->getdents)
		return -ENOTDIR;
	if (f->dentry && f->dentry->deleted)
		return -ENOENT;
	u.buf = kmalloc(size + 8);
	if (!u.buf)
		return -ENOMEM;
	mutex_lock(&f->pos_lock);
	n = service_names_begun(f) ? 0 : f->ops->getdents(f, &u.sink);
	if (!n && !u.used)
		n = service_names_list(f, &u.sink);
	mutex_unlock(&f->pos_lock);
	if (n == -ENOSPC)
		n = u.used ? 0 : -EINVAL;
	if (!n)
		n = user_write(a[1], u.buf, u.used) ? -EFAULT : (int64_t)u.used;
	kfree(u.buf);
	return n;
}

int64_t sys_getdents(struct file *f, const uint64_t *a)
{
	return do_getdents(f, a, true);
}

int64_t sys_getdents64(struct file *f, const uint64_t *a)
{
	return do_getdents(f, a, false);
}
