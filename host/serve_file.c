/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers of file calls. Paths are relative to a directory descriptor; a
 * link in the last component is never followed, except where a call says so:
 * the enclave resolves links itself.
 */
#define _GNU_SOURCE
#include "host/serve_state.h"
#include "host/serve_syscall.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "abi/hostfile.h"

static int64_t outcome(ssize_t n)
{
	return n < 0 ? -errno : n;
}

int64_t serve_close(struct serve *s, const uint64_t *a)
{
	int64_t r;

	/* Linux closes in any case, so EINTR must not be repeated: a close of
	 * what is there no more would say EBADF. */
	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"((long)SYS_close), "D"(a[0])
			 : "rcx", "r11", "memory");
	return r == -EINTR ? 0 : r;
}

int64_t serve_close_now(struct serve *s, const uint64_t *a)
{
	return serve_close(s, a);
}

int64_t serve_read(struct serve *s, const uint64_t *a)
{
	return serve_syscall(SYS_read, a[0], a[1], a[2], 0, 0, 0);
}

int64_t serve_write(struct serve *s, const uint64_t *a)
{
	return serve_syscall(SYS_write, a[0], a[1], a[2], 0, 0, 0);
}

int64_t serve_pread(struct serve *s, const uint64_t *a)
{
	return serve_syscall(SYS_pread64, a[0], a[1], a[2], a[3], 0, 0);
}

int64_t serve_pwrite(struct serve *s, const uint64_t *a)
{
	return serve_syscall(SYS_pwrite64, a[0], a[1], a[2], a[3], 0, 0);
}

static const char *str(uint64_t a)
{
	return (const char *)a;
}

static void stat_out(const struct statx *x, struct kstat *h)
{
	*h = (struct kstat){.dev = makedev(x->stx_dev_major, x->stx_dev_minor),
		.ino = x->stx_ino,
		.mode = x->stx_mode,
		.nlink = x->stx_nlink,
		.uid = x->stx_uid,
		.gid = x->stx_gid,
		.rdev = makedev(x->stx_rdev_major, x->stx_rdev_minor),
		.size = x->stx_size,
		.blksize = x->stx_blksize,
		.blocks = x->stx_blocks,
		.atime = {x->stx_atime.tv_sec, x->stx_atime.tv_nsec},
		.mtime = {x->stx_mtime.tv_sec, x->stx_mtime.tv_nsec},
		.ctime = {x->stx_ctime.tv_sec, x->stx_ctime.tv_nsec},
		.btime = {x->stx_btime.tv_sec, x->stx_btime.tv_nsec}};
}

static int stat_at(int dir, const char *path, int flags, struct kstat *h)
{
	struct statx x;

	if (statx(dir, path, flags, STATX_BASIC_STATS | STATX_BTIME, &x) < 0)
		return -errno;
	stat_out(&x, h);
	return 0;
}

/* Of an open file, but for the time of its birth: fstat(2) does not know that
 * and takes half the time of statx(2). */
static int stat_open(int fd, struct kstat *h)
{
	struct stat st;

	int64_t r = serve_syscall(
		SYS_fstat, (uint64_t)fd, (uint64_t)(uintptr_t)&st, 0, 0, 0, 0);

	if (r < 0)
		return (int)r;
	*h = (struct kstat){.dev = st.st_dev,
		.ino = st.st_ino,
		.mode = st.st_mode,
		.nlink = st.st_nlink,
		.uid = st.st_uid,
		.gid = st.st_gid,
		.rdev = st.st_rdev,
		.size = (uint64_t)st.st_size,
		.blksize = (uint64_t)st.st_blksize,
		.blocks = (uint64_t)st.st_blocks,
		.atime = {st.st_atim.tv_sec, (uint64_t)st.st_atim.tv_nsec},
		.mtime = {st.st_mtim.tv_sec, (uint64_t)st.st_mtim.tv_nsec},
		.ctime = {st.st_ctim.tv_sec, (uint64_t)st.st_ctim.tv_nsec}};
	return 0;
}

int64_t serve_open(struct serve *s, const uint64_t *a)
{
	int flags = (int)(uint32_t)(a[2] & ~HOST_OPEN_FOLLOW);
	int64_t fd;
	int err;

	if (!(a[2] & HOST_OPEN_FOLLOW))
		flags |= O_NOFOLLOW;
	flags |= O_CLOEXEC | O_NOCTTY;
	if (!(flags & O_PATH))
		flags |= O_NONBLOCK;
	fd = serve_syscall(SYS_openat, a[0], (uint64_t)(uintptr_t)str(a[1]),
		(uint64_t)(int64_t)flags, a[3], 0, 0);
	if (fd < 0)
		return fd;
	err = stat_open((int)fd, (struct kstat *)a[4]);
	if (err) {
		close((int)fd);
		return err;
	}
	return fd;
}

int64_t serve_stat(struct serve *s, const uint64_t *a)
{
	return stat_at((int)a[0], str(a[1]),
		AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, (struct kstat *)a[2]);
}

int64_t serve_fstat(struct serve *s, const uint64_t *a)
{
	return stat_at((int)a[0], "", AT_EMPTY_PATH, (struct kstat *)a[1]);
}

int64_t serve_readlink(struct serve *s, const uint64_t *a)
{
	return outcome(readlinkat((int)a[0], str(a[1]), (char *)a[2], a[3]));
}

int64_t serve_getdents(struct serve *s, const uint64_t *a)
{
	return outcome(syscall(SYS_getdents64, (int)a[0], (void *)a[1], a[2]));
}

int64_t serve_seek(struct serve *s, const uint64_t *a)
{
	return outcome(lseek((int)a[0], (off_t)a[1], (int)a[2]));
}

int64_t serve_mkdir(struct serve *s, const uint64_t *a)
{
	return outcome(mkdirat((int)a[0], str(a[1]), (mode_t)a[2]));
}

int64_t serve_mknod(struct serve *s, const uint64_t *a)
{
	return outcome(mknodat((int)a[0], str(a[1]), (mode_t)a[2], 0));
}

int64_t serve_symlink(struct serve *s, const uint64_t *a)
{
	return outcome(symlinkat(str(a[0]), (int)a[1], str(a[2])));
}

int64_t serve_link(struct serve *s, const uint64_t *a)
{
	return outcome(linkat((int)a[0], str(a[1]), (int)a[2], str(a[3]), 0));
}

int64_t serve_unlink(struct serve *s, const uint64_t *a)
{
	return outcome(unlinkat((int)a[0], str(a[1]), (int)a[2]));
}

int64_t serve_rename(struct serve *s, const uint64_t *a)
{
	return outcome(renameat2(
		(int)a[0], str(a[1]), (int)a[2], str(a[3]), (unsigned)a[4]));
}

/* path NULL: of the open file fd. */
static int64_t setattr(int fd, const char *path, const struct kattr *h)
{
	struct timespec t[2] = {
		{(time_t)h->atime.sec, (long)h->atime.nsec},
		{(time_t)h->mtime.sec, (long)h->mtime.nsec},
	};
	bool owner = h->valid & (ATTR_UID | ATTR_GID);
	uid_t uid = h->valid & ATTR_UID ? (uid_t)h->uid : (uid_t)-1;
	gid_t gid = h->valid & ATTR_GID ? (gid_t)h->gid : (gid_t)-1;

	if (h->valid & ATTR_SIZE) {
		int out = path ? openat(fd, path,
					 O_WRONLY | O_NOFOLLOW | O_CLOEXEC |
						 O_NONBLOCK)
			       : fd;
		int err = out < 0 || ftruncate(out, (off_t)h->size) < 0 ? -errno
									: 0;

		if (path && out >= 0)
			close(out);
		if (err)
			return err;
	}
	if (owner &&
		(path ? fchownat(fd, path, uid, gid, AT_SYMLINK_NOFOLLOW)
		      : fchown(fd, uid, gid)) < 0)
		return -errno;
	if ((h->valid & ATTR_MODE) &&
		(path ? fchmodat(fd, path, (mode_t)h->mode, 0)
		      : fchmod(fd, (mode_t)h->mode)) < 0)
		return -errno;
	if (!(h->valid & ATTR_ATIME))
		t[0].tv_nsec = UTIME_OMIT;
	if (!(h->valid & ATTR_MTIME))
		t[1].tv_nsec = UTIME_OMIT;
	if ((h->valid & (ATTR_ATIME | ATTR_MTIME)) &&
		(path ? utimensat(fd, path, t, AT_SYMLINK_NOFOLLOW)
		      : futimens(fd, t)) < 0)
		return -errno;
	return 0;
}

int64_t serve_setattr(struct serve *s, const uint64_t *a)
{
	return setattr((int)a[0], str(a[1]), (const struct kattr *)a[2]);
}

int64_t serve_fsetattr(struct serve *s, const uint64_t *a)
{
	return setattr((int)a[0], NULL, (const struct kattr *)a[1]);
}

int64_t serve_access(struct serve *s, const uint64_t *a)
{
	return outcome(faccessat((int)a[0], str(a[1]), (int)a[2], AT_EACCESS));
}

int64_t serve_statfs(struct serve *s, const uint64_t *a)
{
	struct kstatfs *h = (struct kstatfs *)a[2];
	int fd = openat((int)a[0], str(a[1]), O_PATH | O_CLOEXEC | O_NOFOLLOW);
	struct statfs f;
	int err;

	if (fd < 0)
		return -errno;
	err = fstatfs(fd, &f) < 0 ? -errno : 0;
	close(fd);
	if (err)
		return err;
	*h = (struct kstatfs){.type = (uint64_t)f.f_type,
		.bsize = (uint64_t)f.f_bsize,
		.blocks = f.f_blocks,
		.bfree = f.f_bfree,
		.bavail = f.f_bavail,
		.files = f.f_files,
		.ffree = f.f_ffree,
		.namelen = (uint64_t)f.f_namelen,
		.flags = (uint64_t)f.f_flags};
	memcpy(&h->fsid, &f.f_fsid, sizeof(h->fsid));
	return 0;
}

int64_t serve_fallocate(struct serve *s, const uint64_t *a)
{
	int n;

	do
		n = fallocate((int)a[0], (int)a[1], (off_t)a[2], (off_t)a[3]);
	while (n < 0 && errno == EINTR);
	return outcome(n);
}

int64_t serve_writeback(struct serve *s, const uint64_t *a)
{
	/* What fails here fails again when somebody waits for it. */
	(void)sync_file_range(
		(int)a[0], (off_t)a[1], (off_t)a[2], SYNC_FILE_RANGE_WRITE);
	return 0;
}

int64_t serve_fsync(struct serve *s, const uint64_t *a)
{
	return outcome(a[1] ? fdatasync((int)a[0]) : fsync((int)a[0]));
}

int64_t serve_lock(struct serve *s, const uint64_t *a)
{
	return outcome(flock((int)a[0], LOCK_NB | (a[1] ? LOCK_EX : LOCK_SH)));
}

int64_t serve_set_append(struct serve *s, const uint64_t *a)
{
	int flags = fcntl((int)a[0], F_GETFL);

	if (flags < 0)
		return -errno;
	flags = a[1] ? flags | O_APPEND : flags & ~O_APPEND;
	return outcome(fcntl((int)a[0], F_SETFL, flags));
}

/* Extended attributes go through /proc/self/fd: the calls know no *at form. */
static int xattr_path(const uint64_t *a, char *buf, size_t size)
{
	int fd = openat((int)a[0], str(a[1]), O_PATH | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	snprintf(buf, size, "/proc/self/fd/%d", fd);
	return fd;
}

static int64_t xattr_done(int fd, int64_t n)
{
	n = outcome(n);
	close(fd);
	return n;
}

int64_t serve_getxattr(struct serve *s, const uint64_t *a)
{
	char path[32];
	int fd = xattr_path(a, path, sizeof(path));

	if (fd < 0)
		return fd;
	return xattr_done(fd, getxattr(path, str(a[2]), (void *)a[3], a[4]));
}

int64_t serve_setxattr(struct serve *s, const uint64_t *a)
{
	char path[32];
	int fd = xattr_path(a, path, sizeof(path));

	if (fd < 0)
		return fd;
	return xattr_done(fd,
		setxattr(path, str(a[2]), (const void *)a[3], a[4], (int)a[5]));
}

int64_t serve_listxattr(struct serve *s, const uint64_t *a)
{
	char path[32];
	int fd = xattr_path(a, path, sizeof(path));

	if (fd < 0)
		return fd;
	return xattr_done(fd, listxattr(path, (char *)a[2], a[3]));
}

int64_t serve_removexattr(struct serve *s, const uint64_t *a)
{
	char path[32];
	int fd = xattr_path(a, path, sizeof(path));

	if (fd < 0)
		return fd;
	return xattr_done(fd, removexattr(path, str(a[2])));
}

/* The enclave names the size; only ioctls whose size that is may pass. */
int64_t serve_tty_get(struct serve *s, const uint64_t *a)
{
	return outcome(ioctl((int)a[0], a[1], (void *)a[2]));
}

int64_t serve_tty_set(struct serve *s, const uint64_t *a)
{
	return outcome(ioctl((int)a[0], a[1], (void *)a[2]));
}
