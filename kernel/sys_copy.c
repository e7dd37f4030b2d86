/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that move data from one descriptor to another: sendfile,
 * copy_file_range, splice. They read into a buffer of the kernel and write
 * from it. What a short write leaves over of a stream's data cannot be
 * put back, so a stream source is read in pieces that the sink is asked to
 * take in full.
 */
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/syscall_fs.h"
#include "kernel/uaccess.h"
#include "kernel/uio.h"
#include "kernel/vfs.h"
#include "kernel/volfs.h"
#include "lib/types.h"

enum { PIECE = 65536, COPY_MAX = 0x7ffff000 };

/* Offsets of both ends; NULL: the file's own. */
struct ends {
	struct file *in, *out;
	uint64_t *in_pos, *out_pos;
};

/* Writes all of it, however often that takes; bytes or -errno. */
static int64_t put_all(struct file *f, uint8_t *buf, size_t size, uint64_t *pos)
{
	size_t done = 0;

	while (done < size) {
		struct uio u;
		int64_t n;

		uio_init_kernel(&u, buf + done, size - done);
		n = file_transfer(f, &u, pos, true);
		if (n <= 0)
			return done ? (int64_t)done : n;
		if (f->ops->lseek)
			*pos += (uint64_t)n;
		done += (size_t)n;
	}
	return (int64_t)done;
}

static int64_t copy(const struct ends *e, uint64_t count, bool once)
{
	uint64_t *in_pos = e->in_pos ? e->in_pos : &e->in->pos;
	uint64_t *out_pos = e->out_pos ? e->out_pos : &e->out->pos;
	size_t size = u64_min(count, PIECE);
	uint64_t done = 0;
	uint8_t *buf;
	int64_t n = 0;

	if (count == 0)
		return 0;
	buf = kmalloc(size);
	if (!buf)
		return -ENOMEM;
	while (done < count) {
		size_t want = u64_min(count - done, size);
		struct uio u;
		int64_t put;

		uio_init_kernel(&u, buf, want);
		n = file_transfer(e->in, &u, in_pos, false);
		if (n <= 0)
			break;
		put = put_all(e->out, buf, (size_t)n, out_pos);
		if (put > 0 && e->in->ops->lseek)
			*in_pos += (uint64_t)put;
		if (put > 0)
			done += (uint64_t)put;
		if (put < n) {
			n = put < 0 ? put : 0;
			break;
		}
		if (once || (size_t)n < want)
			break;
	}
	kfree(buf);
	return done ? (int64_t)done : n;
}

static int64_t with_ends(int in_fd, int out_fd, struct ends *e)
{
	e->in = fd_get(in_fd);
	e->out = fd_get(out_fd);
	if (e->in && e->out)
		return 0;
	file_put(e->in);
	file_put(e->out);
	return -EBADF;
}

/* Tells the application the offsets that it gave; n, or -EFAULT. */
static int64_t done_ends(
	struct ends *e, int64_t n, uint64_t u_in_pos, uint64_t u_out_pos)
{
	if (n >= 0 && u_in_pos &&
		user_write(u_in_pos, e->in_pos, sizeof(*e->in_pos)))
		n = -EFAULT;
	if (n >= 0 && u_out_pos &&
		user_write(u_out_pos, e->out_pos, sizeof(*e->out_pos)))
		n = -EFAULT;
	file_put(e->in);
	file_put(e->out);
	return n;
}

/* An offset of the application, if u_pos is not 0. */
static int64_t read_pos(
	uint64_t u_pos, struct file *f, uint64_t *store, uint64_t **pos)
{
	if (!u_pos)
		return 0;
	if (!f->ops->lseek)
		return -ESPIPE;
	if (user_read(store, u_pos, sizeof(*store)))
		return -EFAULT;
	if ((int64_t)*store < 0)
		return -EINVAL;
	*pos = store;
	return 0;
}

int64_t sys_sendfile(const uint64_t *a)
{
	uint64_t pos;
	struct ends e = {0};
	int64_t n = with_ends((int)a[1], (int)a[0], &e);

	if (n)
		return n;
	n = e.in->ops->lseek ? read_pos(a[2], e.in, &pos, &e.in_pos) : -EINVAL;
	if (!n)
		n = copy(&e, u64_min(a[3], COPY_MAX), false);
	return done_ends(&e, n, a[2], 0);
}

int64_t sys_copy_file_range(const uint64_t *a)
{
	uint64_t in_pos, out_pos;
	struct ends e = {0};
	int64_t n;

	if (a[5])
		return -EINVAL;
	n = with_ends((int)a[0], (int)a[2], &e);
	if (n)
		return n;
	if (!e.in->vnode || !e.out->vnode || !S_ISREG(e.in->vnode->mode) ||
		!S_ISREG(e.out->vnode->mode))
		n = -EINVAL;
	else if (e.out->flags & O_APPEND)
		n = -EBADF;
	if (!n)
		n = read_pos(a[1], e.in, &in_pos, &e.in_pos);
	if (!n)
		n = read_pos(a[3], e.out, &out_pos, &e.out_pos);
	if (!n && e.in->vnode == e.out->vnode) {
		uint64_t from = e.in_pos ? in_pos : e.in->pos;
		uint64_t to = e.out_pos ? out_pos : e.out->pos;

		if (from < to + a[4] && to < from + a[4])
			n = -EINVAL;
	}
	if (!n)
		n = copy(&e, u64_min(a[4], COPY_MAX), false);
	return done_ends(&e, n, a[1], a[3]);
}

static bool is_pipe(struct file *f)
{
	struct kstat st;

	return vfs_file_getattr(f, &st) == 0 && S_ISFIFO(st.mode);
}

static uint32_t ready(struct file *f)
{
	return f->ops->poll ? f->ops->poll(f, NULL) : 5; /* in, out */
}

enum { SPLICE_NONBLOCK = 2, SPLICE_KNOWN = 15, EV_IN = 1, EV_OUT = 4 };

int64_t sys_splice(const uint64_t *a)
{
	uint64_t in_pos, out_pos;
	struct ends e = {0};
	bool nonblock = a[5] & SPLICE_NONBLOCK;
	int64_t n;

	if (a[5] & ~(uint64_t)SPLICE_KNOWN)
		return -EINVAL;
	n = with_ends((int)a[0], (int)a[2], &e);
	if (n)
		return n;
	if (!is_pipe(e.in) && !is_pipe(e.out))
		n = -EINVAL;
	if (!n)
		n = read_pos(a[1], e.in, &in_pos, &e.in_pos);
	if (!n)
		n = read_pos(a[3], e.out, &out_pos, &e.out_pos);
	if (!n && nonblock &&
		(!(ready(e.in) & ~(uint32_t)EV_OUT) ||
			!(ready(e.out) & ~(uint32_t)EV_IN)))
		n = -EAGAIN;
	if (!n)
		n = copy(&e, u64_min(a[4], PIECE), true);
	return done_ends(&e, n, a[1], a[3]);
}

/* Only volumes write late: what the host has, it has. */
int64_t sys_sync(const uint64_t *a)
{
	volfs_sync();
	return 0;
}
