/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals, pipes, sockets and devices of the host as byte streams: the
 * launcher's standard descriptors and what is opened by a name below a host
 * mount. Waiting is done inside, on readiness the host reports: what is
 * opened here does not block on the host. Terminal ioctls pass with
 * structures of known size.
 *
 * The standard descriptors are shared with whoever started the launcher, so
 * their flags are left alone: a read first waits until the host says there is
 * something, a write may block the host thread.
 */
#include "kernel/hostfs.h"

#include <asm/signal.h>
#include <asm/termbits.h>

#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/hostcall.h"
#include "kernel/hostready.h"
#include "kernel/kalloc.h"
#include "kernel/poll.h"
#include "kernel/process.h"
#include "kernel/signal.h"
#include "kernel/uaccess.h"
#include "kernel/uio.h"
#include "lib/types.h"

enum { EV_IN = 1, EV_OUT = 4 }; /* POLLIN, POLLOUT */

struct stream {
	struct kstat st; /* as it was when opened */
	struct hostready ready;
	bool attached; /* ready is known to the host; else always ready */
	bool keep; /* the launcher's own descriptor */
};

static int32_t foreground; /* group that TIOCSPGRP named; 0: none yet */

static struct stream *stream_of(struct file *f)
{
	return f->priv;
}

static int wait_ready(struct file *f, uint32_t event)
{
	if (f->flags & O_NONBLOCK)
		return -EAGAIN;
	return hostready_wait(&stream_of(f)->ready, event, NO_DEADLINE);
}

static int64_t stream_read(struct file *f, struct uio *u, uint64_t *pos)
{
	struct stream *s = stream_of(f);

	if (!s->attached || u->resid == 0)
		return host_read(f->host_fd, u, u->resid);
	for (;;) {
		uint64_t want = u->resid, seen;
		int64_t n;
		int err;

		/* A descriptor that blocks is read only when it is ready. */
		while (s->keep &&
			!(hostready_poll(&s->ready, f->host_fd, NULL) &
				~(uint32_t)EV_OUT)) {
			err = wait_ready(f, EV_IN);
			if (err)
				return err;
		}
		seen = hostready_begin(&s->ready);
		n = host_read(f->host_fd, u, u->resid);
		hostready_done(&s->ready, seen, EV_IN,
			n == -EAGAIN ? HOSTREADY_DRY : HOSTREADY_SOME);
		if (n != -EAGAIN || want == 0) {
			hostfs_distrust();
			return n;
		}
		err = wait_ready(f, EV_IN);
		if (err)
			return err;
	}
}

static int64_t stream_write(struct file *f, struct uio *u, uint64_t *pos)
{
	struct stream *s = stream_of(f);
	int64_t done = 0;

	do {
		uint64_t seen = hostready_begin(&s->ready);
		int64_t n = host_write(f->host_fd, u, u->resid);
		int err;

		if (s->attached)
			hostready_done(&s->ready, seen, EV_OUT,
				n == -EAGAIN ? HOSTREADY_DRY : HOSTREADY_SOME);
		if (n == -EAGAIN && s->attached) {
			err = done && (f->flags & O_NONBLOCK)
				? -EAGAIN
				: wait_ready(f, EV_OUT);
			if (err)
				return done ? done : err;
			continue;
		}
		if (n == -EPIPE)
			signal_raise(current, SIGPIPE);
		if (n < 0)
			return done ? done : n;
		done += n;
		if (n == 0)
			break;
	} while (u->resid);
	return done;
}

static uint32_t stream_poll(struct file *f, struct poll_ctx *pc)
{
	struct stream *s = stream_of(f);

	if (!s->attached)
		return EV_IN | EV_OUT;
	return hostready_poll(&s->ready, f->host_fd, pc);
}

static int stream_stat(struct file *f, struct kstat *st)
{
	*st = stream_of(f)->st;
	if (S_ISREG(st->mode)) {
		int err = (int)host_fstat(f->host_fd, st);

		if (err)
			return err;
		hostfs_stat_check(st);
	}
	return 0;
}

static const struct {
	uint32_t cmd;
	uint16_t size;
	bool set;
} tty_ioctls[] = {
	{TCGETS, sizeof(struct termios), false},
	{TCSETS, sizeof(struct termios), true},
	{TCSETSW, sizeof(struct termios), true},
	{TCSETSF, sizeof(struct termios), true},
	{TCGETS2, sizeof(struct termios2), false},
	{TCSETS2, sizeof(struct termios2), true},
	{TCSETSW2, sizeof(struct termios2), true},
	{TCSETSF2, sizeof(struct termios2), true},
	{TIOCGWINSZ, 8, false},
	{TIOCSWINSZ, 8, true},
	{FIONREAD, 4, false},
	{TIOCOUTQ, 4, false},
};

static int64_t stream_ioctl(struct file *f, uint32_t cmd, uint64_t u_arg)
{
	uint8_t buf[64];
	int32_t pgrp;
	int64_t err;

	for (size_t i = 0; i < ARRAY_SIZE(tty_ioctls); i++) {
		uint16_t size = tty_ioctls[i].size;

		if (tty_ioctls[i].cmd != cmd)
			continue;
		if (!tty_ioctls[i].set) {
			err = host_tty_get(f->host_fd, cmd, buf, size);
			return err ? err : user_write(u_arg, buf, size);
		}
		err = user_read(buf, u_arg, size);
		return err ? err : host_tty_set(f->host_fd, cmd, buf, size);
	}
	/* Process groups are the enclave's own. */
	if (cmd == TIOCGPGRP || cmd == TIOCSPGRP || cmd == TIOCGSID) {
		struct termios t;

		err = host_tty_get(f->host_fd, TCGETS, &t, sizeof(t));
		if (err)
			return err;
		if (cmd == TIOCSPGRP)
			return user_read(
				&foreground, u_arg, sizeof(foreground));
		pgrp = cmd == TIOCGSID ? curproc->sid
			: foreground   ? foreground
				       : curproc->pgid;
		return user_write(u_arg, &pgrp, sizeof(pgrp));
	}
	return -ENOTTY;
}

/* The launcher's standard files may be regular: the offset is the host's. */
static int64_t stream_lseek(struct file *f, int64_t off, int whence)
{
	return host_seek(f->host_fd, (uint64_t)off, (uint64_t)whence);
}

/* read and write go by the host's offset, pread and pwrite do not. */
static int64_t stdfile_read(struct file *f, struct uio *u, uint64_t *pos)
{
	if (pos == &f->pos)
		return host_read(f->host_fd, u, u->resid);
	return host_pread(f->host_fd, u, u->resid, *pos);
}

static int64_t stdfile_write(struct file *f, struct uio *u, uint64_t *pos)
{
	if (pos == &f->pos)
		return stream_write(f, u, NULL);
	return host_pwrite(f->host_fd, u, u->resid, *pos);
}

static int stream_fsync(struct file *f, bool data_only)
{
	return (int)host_fsync(f->host_fd, data_only);
}

static int stream_truncate(struct file *f, uint64_t size)
{
	struct kattr h = {.valid = ATTR_SIZE, .size = size};

	return (int)host_fsetattr(f->host_fd, &h);
}

static void stream_release(struct file *f)
{
	struct stream *s = stream_of(f);

	hostready_fini(&s->ready);
	if (!s->keep)
		host_close_now(f->host_fd); /* the other end waits */
	kfree(s);
}

static const struct file_ops stream_ops = {
	.name = "hoststream",
	.read = stream_read,
	.write = stream_write,
	.ioctl = stream_ioctl,
	.poll = stream_poll,
	.stat = stream_stat,
	.fsync = stream_fsync,
	.release = stream_release,
};

static const struct file_ops stdfile_ops = {
	.name = "hoststream",
	.read = stdfile_read,
	.write = stdfile_write,
	.lseek = stream_lseek,
	.ioctl = stream_ioctl,
	.stat = stream_stat,
	.fsync = stream_fsync,
	.truncate = stream_truncate,
	.release = stream_release,
};

static int stream_new(const struct file_ops *ops, struct dentry *d,
	uint32_t flags, int host_fd, const struct kstat *h, bool keep,
	struct file **out)
{
	struct stream *s = kzalloc(sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	hostfs_stat_check(h);
	s->st = *h;
	s->keep = keep;
	err = hostready_init(&s->ready);
	if (err)
		goto free;
	err = hostready_attach(&s->ready, host_fd);
	s->attached = err == 0; /* -EPERM: a file or device, always ready */
	err = vfs_file_new(ops, flags, d, out);
	if (err)
		goto fini;
	(*out)->priv = s;
	(*out)->host_fd = host_fd;
	return 0;
fini:
	hostready_fini(&s->ready);
free:
	kfree(s);
	return err;
}

int hostfs_stream_new(struct dentry *d, uint32_t flags, int host_fd,
	const struct kstat *h, struct file **out)
{
	int err = stream_new(&stream_ops, d, flags, host_fd, h, false, out);

	if (err)
		host_close(host_fd);
	return err;
}

int file_new_host_stream(int host_fd, struct file **out)
{
	struct kstat h;
	int err = (int)host_fstat(host_fd, &h);

	if (err)
		return err;
	return stream_new(S_ISREG(h.mode) ? &stdfile_ops : &stream_ops, NULL,
		O_RDWR, host_fd, &h, true, out);
}
