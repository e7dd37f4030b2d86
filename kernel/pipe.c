/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/pipe.h"

#include <asm/poll.h>
#include <asm/signal.h>

#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/mutex.h"
#include "kernel/poll.h"
#include "kernel/signal.h"
#include "kernel/sys.h"
#include "kernel/thread.h"
#include "kernel/uaccess.h"
#include "kernel/uio.h"
#include "kernel/vfs.h"
#include "lib/string.h"

enum {
	PIPE_ATOMIC = 4096, /* PIPE_BUF */
	PIPE_CAPACITY = 65536,
	PIPE_CAPACITY_MAX = 1048576,
};

struct pipe {
	uint32_t refs;
	uint64_t ino;
	uint32_t readers, writers;
	uint32_t reader_opens, writer_opens; /* ever: for open of a FIFO */
	char *ring;
	size_t ring_size; /* 0 or a power of two, <= capacity */
	size_t capacity; /* a power of two */
	size_t start, count;
	struct mutex lock; /* ring, start, count while bytes are moved */
	struct waitq read_queue, write_queue;
};

static uint64_t last_ino;

struct pipe *pipe_new(void)
{
	struct pipe *p = kzalloc(sizeof(*p));

	if (p == NULL)
		return NULL;
	p->refs = 1;
	p->ino = ++last_ino;
	p->capacity = PIPE_CAPACITY;
	mutex_init(&p->lock);
	waitq_init(&p->read_queue);
	waitq_init(&p->write_queue);
	return p;
}

void pipe_put(struct pipe *p)
{
	if (--p->refs > 0)
		return;
	kfree(p->ring);
	kfree(p);
}

/* Moves the content to a ring of size bytes. The lock is held. */
static int ring_resize(struct pipe *p, size_t size)
{
	char *ring = kmalloc(size);
	size_t first;

	if (ring == NULL)
		return -ENOMEM;
	if (p->count > 0) {
		first = u64_min(p->count, p->ring_size - p->start);
		memcpy(ring, p->ring + p->start, first);
		memcpy(ring + first, p->ring, p->count - first);
	}
	kfree(p->ring);
	p->ring = ring;
	p->ring_size = size;
	p->start = 0;
	return 0;
}

/* Makes room for some of n > 0 further bytes: how many, or -ENOMEM. */
static int64_t ring_reserve(struct pipe *p, size_t n)
{
	size_t want = u64_min(p->count + n, p->capacity);
	size_t size = p->ring_size ? p->ring_size : PIPE_ATOMIC;
	int err;

	if (want > p->ring_size) {
		while (size < want)
			size *= 2;
		err = ring_resize(p, size);
		if (err)
			return err;
	}
	return (int64_t)(want - p->count);
}

static int64_t ring_read(struct pipe *p, struct uio *u)
{
	size_t n = u64_min(p->count, u->resid), part, done = 0;

	while (done < n) {
		part = u64_min(n - done, p->ring_size - p->start);
		if (uio_copy_to(u, p->ring + p->start, part))
			return done ? (int64_t)done : -EFAULT;
		p->start = (p->start + part) & (p->ring_size - 1);
		p->count -= part;
		done += part;
	}
	return (int64_t)n;
}

static int64_t ring_write(struct pipe *p, struct uio *u)
{
	int64_t room = ring_reserve(p, u->resid);
	size_t done = 0, part, end;

	if (room < 0)
		return room;
	while (done < (size_t)room) {
		end = (p->start + p->count) & (p->ring_size - 1);
		part = u64_min((size_t)room - done, p->ring_size - end);
		if (uio_copy_from(u, p->ring + end, part))
			return done ? (int64_t)done : -EFAULT;
		p->count += part;
		done += part;
	}
	return room;
}

static int64_t pipe_read(struct file *f, struct uio *u, uint64_t *pos)
{
	struct pipe *p = f->priv;
	int64_t n;

	if (!file_readable(f))
		return -EBADF;
	if (u->resid == 0)
		return 0;
	for (;;) {
		mutex_lock(&p->lock);
		if (p->count > 0)
			break;
		mutex_unlock(&p->lock);
		if (p->writers == 0)
			return 0;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		n = waitq_wait(&p->read_queue, NO_DEADLINE);
		if (n)
			return n;
	}
	n = ring_read(p, u);
	mutex_unlock(&p->lock);
	waitq_wake_all(&p->write_queue, POLLOUT | POLLWRNORM);
	return n;
}

/* Room for all of a small write, for anything of a large one? */
static bool has_room(const struct pipe *p, size_t n)
{
	return p->capacity - p->count >= (n <= PIPE_ATOMIC ? n : 1);
}

static int64_t pipe_write(struct file *f, struct uio *u, uint64_t *pos)
{
	struct pipe *p = f->priv;
	int64_t done = 0, n = 0;

	if (!file_writable(f))
		return -EBADF;
	while (u->resid > 0) {
		if (p->readers == 0) {
			signal_raise(current, SIGPIPE);
			n = -EPIPE;
			break;
		}
		mutex_lock(&p->lock);
		n = has_room(p, u->resid) ? ring_write(p, u) : -EAGAIN;
		mutex_unlock(&p->lock);
		if (n > 0) {
			done += n;
			waitq_wake_all(&p->read_queue, POLLIN | POLLRDNORM);
			continue;
		}
		if (n != -EAGAIN || (f->flags & O_NONBLOCK))
			break;
		n = waitq_wait(&p->write_queue, NO_DEADLINE);
		if (n)
			break;
	}
	return done > 0 ? done : n;
}

static uint32_t pipe_poll(struct file *f, struct poll_ctx *pc)
{
	struct pipe *p = f->priv;
	uint32_t events = 0;

	if (file_readable(f)) {
		poll_add(pc, &p->read_queue);
		if (p->count > 0)
			events |= POLLIN | POLLRDNORM;
		if (p->writers == 0 && p->writer_opens > 0)
			events |= POLLHUP;
	}
	if (file_writable(f)) {
		poll_add(pc, &p->write_queue);
		if (p->capacity - p->count >= PIPE_ATOMIC)
			events |= POLLOUT | POLLWRNORM;
		if (p->readers == 0)
			events |= POLLERR;
	}
	return events;
}

static int64_t pipe_ioctl(struct file *f, uint32_t cmd, uint64_t u_arg)
{
	struct pipe *p = f->priv;
	int count = (int)p->count;

	if (cmd != FIONREAD)
		return -ENOTTY;
	return user_write(u_arg, &count, sizeof(count));
}

static int64_t set_capacity(struct pipe *p, uint64_t u_size)
{
	size_t size = PIPE_ATOMIC;
	int err = 0;

	if (u_size > PIPE_CAPACITY_MAX)
		return -EPERM;
	while (size < u_size)
		size *= 2;
	mutex_lock(&p->lock);
	if (size < p->count)
		err = -EBUSY;
	else if (size < p->ring_size)
		err = ring_resize(p, size);
	if (err == 0)
		p->capacity = size;
	mutex_unlock(&p->lock);
	waitq_wake_all(&p->write_queue, POLLOUT | POLLWRNORM);
	return err ? err : (int64_t)size;
}

static int64_t pipe_fcntl(struct file *f, int cmd, uint64_t arg)
{
	struct pipe *p = f->priv;

	switch (cmd) {
	case F_GETPIPE_SZ:
		return (int64_t)p->capacity;
	case F_SETPIPE_SZ:
		return set_capacity(p, (uint32_t)arg);
	default:
		return -EINVAL;
	}
}

static int pipe_stat(struct file *f, struct kstat *st)
{
	const struct pipe *p = f->priv;

	vfs_anon_stat(st, S_IFIFO | 0600, p->ino);
	return 0;
}

static void pipe_release(struct file *f)
{
	struct pipe *p = f->priv;

	if (file_readable(f) && --p->readers == 0)
		waitq_wake_all(&p->write_queue, POLLOUT | POLLERR);
	if (file_writable(f) && --p->writers == 0)
		waitq_wake_all(&p->read_queue, POLLIN | POLLHUP);
	pipe_put(p);
}

static const struct file_ops pipe_ops = {
	.name = "pipe",
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
	.fcntl = pipe_fcntl,
	.stat = pipe_stat,
	.release = pipe_release,
};

int pipe_open_now(struct pipe *p, uint32_t flags, struct file **out)
{
	struct file *f = file_new(&pipe_ops, flags);

	if (f == NULL)
		return -ENOMEM;
	p->refs++;
	f->priv = p;
	if (file_readable(f)) {
		p->readers++;
		p->reader_opens++;
		waitq_wake_all(&p->write_queue, 0);
	}
	if (file_writable(f)) {
		p->writers++;
		p->writer_opens++;
		waitq_wake_all(&p->read_queue, 0);
	}
	*out = f;
	return 0;
}

int pipe_open(struct pipe *p, uint32_t flags, struct file **out)
{
	bool for_read = (flags & O_ACCMODE) == O_RDONLY;
	uint32_t *opens = for_read ? &p->writer_opens : &p->reader_opens;
	uint32_t *others = for_read ? &p->writers : &p->readers;
	struct waitq *q = for_read ? &p->read_queue : &p->write_queue;
	uint32_t seen = *opens;
	int err;

	if ((flags & O_ACCMODE) == O_WRONLY && (flags & O_NONBLOCK) &&
		p->readers == 0)
		return -ENXIO;
	err = pipe_open_now(p, flags, out);
	if (err || (flags & O_NONBLOCK) || (flags & O_ACCMODE) == O_RDWR)
		return err;
	while (*others == 0 && *opens == seen) {
		err = waitq_wait(q, NO_DEADLINE);
		if (err) {
			file_put(*out);
			return err;
		}
	}
	return 0;
}

int64_t sys_pipe2(const uint64_t *a)
{
	uint32_t u_flags = (uint32_t)a[1], flags = u_flags & O_NONBLOCK;
	struct file *r = NULL, *w = NULL;
	struct pipe *p;
	int err = -ENOMEM;

	if (u_flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL; /* O_DIRECT packets are not there */
	p = pipe_new();
	if (p == NULL)
		return -ENOMEM;
	if (pipe_open_now(p, flags | O_RDONLY, &r) ||
		pipe_open_now(p, flags | O_WRONLY, &w))
		file_put(r);
	else
		err = fd_install_pair(r, w, u_flags & O_CLOEXEC, a[0]);
	pipe_put(p);
	return err;
}
