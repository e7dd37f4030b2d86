/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls on descriptors: moving data, offsets, duplicates.
 */
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/process.h"
#include "kernel/syscall_fs.h"
#include "kernel/uaccess.h"
#include "kernel/uio.h"
#include "kernel/vfs.h"
#include "lib/types.h"

int64_t file_transfer(struct file *f, struct uio *u, uint64_t *pos, bool write)
{
	int64_t n;

	if (write ? !file_writable(f) : !file_readable(f))
		return -EBADF;
	if (write ? !f->ops->write : !f->ops->read)
		return f->vnode && S_ISDIR(f->vnode->mode) ? -EISDIR : -EINVAL;
	if (f->ops->lseek && *pos > (uint64_t)INT64_MAX - u->resid)
		return write ? -EFBIG : -EINVAL;
	n = write ? f->ops->write(f, u, f->ops->lseek ? pos : NULL)
		  : f->ops->read(f, u, f->ops->lseek ? pos : NULL);
	if (n > 0 && f->vnode)
		vfs_notify_file(f, write ? 2 : 1); /* IN_MODIFY, IN_ACCESS */
	return n;
}

/* read and write at the file's own offset. */
static int64_t transfer_here(struct file *f, struct uio *u, bool write)
{
	int64_t n;

	if (!f->ops->lseek)
		return file_transfer(f, u, &f->pos, write);
	mutex_lock(&f->pos_lock);
	n = file_transfer(f, u, &f->pos, write);
	if (n > 0)
		f->pos += (uint64_t)n;
	mutex_unlock(&f->pos_lock);
	return n;
}

static int64_t rw(struct file *f, const uint64_t *a, bool write)
{
	struct uio u;
	int64_t n = uio_init_user(&u, a[1], a[2]);

	return n ? n : transfer_here(f, &u, write);
}

int64_t sys_read(struct file *f, const uint64_t *a)
{
	return rw(f, a, false);
}

int64_t sys_write(struct file *f, const uint64_t *a)
{
	return rw(f, a, true);
}

static int64_t prw(struct file *f, const uint64_t *a, bool write)
{
	uint64_t pos = a[3];
	struct uio u;
	int64_t n;

	if ((int64_t)pos < 0)
		return -EINVAL;
	n = f->ops->lseek ? uio_init_user(&u, a[1], a[2]) : -ESPIPE;
	return n ? n : file_transfer(f, &u, &pos, write);
}

int64_t sys_pread64(struct file *f, const uint64_t *a)
{
	return prw(f, a, false);
}

int64_t sys_pwrite64(struct file *f, const uint64_t *a)
{
	return prw(f, a, true);
}

/* at: offset, or -1 for the file's own. */
static int64_t rwv(struct file *f, const uint64_t *a, int64_t at, bool write)
{
	struct uio_seg *seg = NULL;
	struct uio u;
	int64_t n = uio_init_iov(&u, a[1], a[2], &seg);

	if (!n && at == -1) {
		n = transfer_here(f, &u, write);
	} else if (!n) {
		uint64_t pos = (uint64_t)at;

		n = f->ops->lseek ? file_transfer(f, &u, &pos, write) : -ESPIPE;
	}
	kfree(seg);
	return n;
}

int64_t sys_readv(struct file *f, const uint64_t *a)
{
	return rwv(f, a, -1, false);
}

int64_t sys_writev(struct file *f, const uint64_t *a)
{
	return rwv(f, a, -1, true);
}

static int64_t prwv(struct file *f, const uint64_t *a, bool own_pos, bool write)
{
	int64_t at = (int64_t)a[3];

	if (at < 0 && !(own_pos && at == -1))
		return -EINVAL;
	return rwv(f, a, at, write);
}

int64_t sys_preadv(struct file *f, const uint64_t *a)
{
	return prwv(f, a, false, false);
}

int64_t sys_pwritev(struct file *f, const uint64_t *a)
{
	return prwv(f, a, false, true);
}

static int64_t sync_file(struct file *f, bool data_only)
{
	return f->ops->fsync ? f->ops->fsync(f, data_only) : -EINVAL;
}

/* High priority asks for nothing that could be refused; not waiting and
 * appending once do not exist here. */
enum { FLAG_HIPRI = 1, FLAG_DSYNC = 2, FLAG_SYNC = 4 };

int64_t sys_preadv2(struct file *f, const uint64_t *a)
{
	if (a[5] & ~(uint64_t)FLAG_HIPRI)
		return -EOPNOTSUPP;
	return prwv(f, a, true, false);
}

int64_t sys_pwritev2(struct file *f, const uint64_t *a)
{
	int64_t n, err;

	if (a[5] & ~(uint64_t)(FLAG_HIPRI | FLAG_DSYNC | FLAG_SYNC))
		return -EOPNOTSUPP;
	n = prwv(f, a, true, true);
	if (n <= 0 || !(a[5] & (FLAG_DSYNC | FLAG_SYNC)))
		return n;
	err = sync_file(f, !(a[5] & FLAG_SYNC));
	return err ? err : n;
}

int64_t sys_lseek(struct file *f, const uint64_t *a)
{
	int64_t n;

	if (!f->ops->lseek)
		return -ESPIPE;
	mutex_lock(&f->pos_lock);
	n = f->ops->lseek(f, (int64_t)a[1], (int)a[2]);
	mutex_unlock(&f->pos_lock);
	return n;
}

int64_t sys_close(const uint64_t *a)
{
	return fd_close((int)a[0]);
}

int64_t sys_close_range(const uint64_t *a)
{
	unsigned first = (unsigned)a[0], last = (unsigned)a[1];
	unsigned flags = (unsigned)a[2];

	if (first > last || (flags & ~6u))
		return -EINVAL;
	if ((flags & 2) && curproc->thread_count > 1) {
		/* CLOSE_RANGE_UNSHARE: a table of one's own */
		struct fdtable *t;
		int err = fdtable_copy(curproc->files, &t);

		if (err)
			return err;
		fdtable_put(curproc->files);
		curproc->files = t;
	}
	fd_close_range(first, last, flags & 4);
	return 0;
}

int64_t sys_dup(struct file *f, const uint64_t *a)
{
	return fd_install_new(file_get(f), false);
}

static int64_t dup_to(int from, int to, bool cloexec)
{
	struct file *f = fd_get_path(from);
	int fd;

	if (!f)
		return -EBADF;
	fd = fd_install_at(f, cloexec, to);
	if (fd < 0)
		file_put(f);
	return fd;
}

int64_t sys_dup2(const uint64_t *a)
{
	if ((int)a[0] == (int)a[1]) {
		int err = fd_get_cloexec((int)a[0]);

		return err < 0 ? err : (int)a[0];
	}
	return dup_to((int)a[0], (int)a[1], false);
}

int64_t sys_dup3(const uint64_t *a)
{
	if ((int)a[0] == (int)a[1] || (a[2] & ~(uint64_t)O_CLOEXEC))
		return -EINVAL;
	return dup_to((int)a[0], (int)a[1], a[2] != 0);
}

int64_t sys_ioctl(struct file *f, const uint64_t *a)
{
	uint32_t cmd = (uint32_t)a[1];
	int32_t on;

	switch (cmd) {
	case FIOCLEX:
	case FIONCLEX:
		return fd_set_cloexec((int)a[0], cmd == FIOCLEX);
	case FIONBIO:
		if (user_read(&on, a[2], sizeof(on)))
			return -EFAULT;
		if (on)
			f->flags |= O_NONBLOCK;
		else
			f->flags &= ~(uint32_t)O_NONBLOCK;
		return f->ops->setfl ? f->ops->setfl(f, f->flags) : 0;
	case FIONREAD:
		if (f->vnode && S_ISREG(f->vnode->mode)) {
			struct kstat st;
			int err = vfs_file_getattr(f, &st);
			int32_t left = st.size > f->pos
				? (int32_t)(st.size - f->pos)
				: 0;

			return err ? err
				   : user_write(a[2], &left, sizeof(left));
		}
		__attribute__((fallthrough));
	default:
		return f->ops->ioctl ? f->ops->ioctl(f, cmd, a[2]) : -ENOTTY;
	}
}

int64_t sys_fsync(struct file *f, const uint64_t *a)
{
	return sync_file(f, false);
}

int64_t sys_fdatasync(struct file *f, const uint64_t *a)
{
	return sync_file(f, true);
}

int64_t sys_sync_file_range(struct file *f, const uint64_t *a)
{
	return sync_file(f, true);
}

int64_t sys_syncfs(struct file *f, const uint64_t *a)
{
	return sync_file(f, false);
}

int64_t sys_ftruncate(struct file *f, const uint64_t *a)
{
	int64_t n;

	if ((int64_t)a[1] < 0 || !file_writable(f) || !f->ops->truncate)
		return -EINVAL;
	n = f->ops->truncate(f, a[1]);
	if (!n)
		vfs_notify_file(f, 2);
	return n;
}

int64_t sys_fallocate(struct file *f, const uint64_t *a)
{
	uint64_t off = a[2], len = a[3], end;

	if ((int64_t)off < 0 || (int64_t)len <= 0)
		return -EINVAL;
	if (add_overflows(off, len, &end) || end > INT64_MAX)
		return -EFBIG;
	if (!file_writable(f))
		return -EBADF;
	return f->ops->fallocate ? f->ops->fallocate(f, (int)a[1], off, len)
				 : -EOPNOTSUPP;
}

/* Advice; checked and taken note of by nobody, as the calls allow. */
int64_t sys_fadvise64(struct file *f, const uint64_t *a)
{
	if (!f->ops->lseek)
		return -ESPIPE;
	return (unsigned)a[3] > 5 ? -EINVAL : 0;
}

int64_t sys_readahead(struct file *f, const uint64_t *a)
{
	return !file_readable(f) ? -EBADF : f->ops->lseek ? 0 : -EINVAL;
}
