/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fcntl(2) and flock(2).
 */
#include "kernel/file.h"
#include "kernel/flock.h"
#include "kernel/fsabi.h"
#include "kernel/process.h"
#include "kernel/syscall_fs.h"
#include "kernel/uaccess.h"
#include "kernel/vfs.h"
#include "lib/types.h"

enum { SETFL_MASK = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | FASYNC };

struct user_flock {
	int16_t type, whence;
	int32_t pad;
	int64_t start, len;
	int32_t pid, pad2;
};
static_assert_size(struct user_flock, 32);

static int range_from_user(
	struct file *f, const struct user_flock *u, struct flock_range *r)
{
	int64_t base = 0, start, end;
	struct kstat st;
	int err;

	if (u->whence == SEEK_CUR) {
		base = (int64_t)f->pos;
	} else if (u->whence == SEEK_END) {
		err = vfs_file_getattr(f, &st);
		if (err)
			return err;
		base = (int64_t)st.size;
	} else if (u->whence != SEEK_SET) {
		return -EINVAL;
	}
	if (add_overflows(base, u->start, &start) ||
		add_overflows(start, u->len, &end))
		return -EOVERFLOW;
	if (u->len < 0) {
		int64_t t = start;

		start = end;
		end = t;
	}
	if (start < 0)
		return -EINVAL;
	*r = (struct flock_range){.type = u->type,
		.start = (uint64_t)start,
		.end = u->len == 0 ? UINT64_MAX : (uint64_t)end,
		.pid = u->pid};
	return 0;
}

static int64_t do_lock(struct file *f, int cmd, uint64_t u_arg)
{
	bool ofd = cmd == F_OFD_GETLK || cmd == F_OFD_SETLK ||
		cmd == F_OFD_SETLKW;
	const void *owner = ofd ? (const void *)f : curproc->files;
	struct user_flock u;
	struct flock_range r;
	int err;

	err = user_read(&u, u_arg, sizeof(u));
	if (err)
		return err;
	if (!f->vnode)
		return -EBADF;
	if (u.type != F_RDLCK && u.type != F_WRLCK && u.type != F_UNLCK)
		return -EINVAL;
	if (ofd && u.pid)
		return -EINVAL;
	err = range_from_user(f, &u, &r);
	if (err)
		return err;
	if (cmd == F_GETLK || cmd == F_OFD_GETLK) {
		if (u.type == F_UNLCK)
			return -EINVAL;
		flock_range_test(f, owner, &r);
		u.type = (int16_t)r.type;
		if (r.type != F_UNLCK) {
			u.whence = SEEK_SET;
			u.start = (int64_t)r.start;
			u.len = r.end == UINT64_MAX
				? 0
				: (int64_t)(r.end - r.start);
			u.pid = r.pid;
		}
		return user_write(u_arg, &u, sizeof(u));
	}
	if (u.type == F_RDLCK && (f->flags & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	if (u.type == F_WRLCK && (f->flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	return flock_range_set(
		f, owner, ofd, &r, cmd == F_SETLKW || cmd == F_OFD_SETLKW);
}

static int64_t do_dup(struct file *f, uint64_t from, bool cloexec)
{
	int fd;

	if ((int)from < 0 || from >= curproc->rlimit[7][0])
		return -EINVAL;
	fd = fd_install(file_get(f), cloexec, (int)from);
	if (fd < 0)
		file_put(f);
	return fd;
}

static int64_t set_flags(struct file *f, uint64_t u_flags)
{
	uint32_t flags = (f->flags & ~(uint32_t)SETFL_MASK) |
		((uint32_t)u_flags & SETFL_MASK);
	int err = f->ops->setfl ? f->ops->setfl(f, flags) : 0;

	if (!err)
		f->flags = flags;
	return err;
}

/* Works on O_PATH descriptors, too. */
static bool allowed_on_path(int cmd)
{
	return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC || cmd == F_GETFD ||
		cmd == F_SETFD || cmd == F_GETFL;
}

static int64_t do_fcntl(struct file *f, int fd, int cmd, uint64_t arg)
{
	int32_t zero[2] = {0, 0};

	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return do_dup(f, arg, cmd == F_DUPFD_CLOEXEC);
	case F_GETFD:
		return fd_get_cloexec(fd) > 0 ? FD_CLOEXEC : 0;
	case F_SETFD:
		return fd_set_cloexec(fd, arg & FD_CLOEXEC);
	case F_GETFL:
		/* as Linux shows it: O_LARGEFILE is implied on 64 bit */
		return f->flags &
			~(uint32_t)(O_CLOEXEC | O_CREAT | O_EXCL | O_NOCTTY |
				O_TRUNC);
	case F_SETFL:
		return set_flags(f, arg);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return do_lock(f, cmd, arg);
	case F_GETOWN:
	case F_GETSIG:
		return 0; /* no owner, SIGIO: the defaults */
	case F_GETOWN_EX:
		return user_write(arg, zero, sizeof(zero));
	case F_GETLEASE:
		return F_UNLCK;
	case F_SETPIPE_SZ:
	case F_GETPIPE_SZ:
		return f->ops->fcntl ? f->ops->fcntl(f, cmd, arg) : -EBADF;
	case F_ADD_SEALS:
	case F_GET_SEALS:
		return f->ops->fcntl ? f->ops->fcntl(f, cmd, arg) : -EINVAL;
	default:
		return -EINVAL;
	}
}

int64_t sys_fcntl(struct file *f, const uint64_t *a)
{
	int cmd = (int)a[1];

	if ((f->flags & O_PATH) && !allowed_on_path(cmd))
		return -EBADF;
	return do_fcntl(f, (int)a[0], cmd, a[2]);
}

enum { FLOCK_SH = 1, FLOCK_EX = 2, FLOCK_NB = 4, FLOCK_UN = 8 };

int64_t sys_flock(struct file *f, const uint64_t *a)
{
	int op = (int)a[1] & ~FLOCK_NB, type;

	if (op == FLOCK_SH)
		type = F_RDLCK;
	else if (op == FLOCK_EX)
		type = F_WRLCK;
	else if (op == FLOCK_UN)
		type = F_UNLCK;
	else
		return -EINVAL;
	return f->vnode ? flock_whole(f, type, !(a[1] & FLOCK_NB)) : -EBADF;
}
