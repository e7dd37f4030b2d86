/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets as files, and what the families share. */
#include "kernel/socket.h"

#include <asm/signal.h>

#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/poll.h"
#include "kernel/poll_table.h"
#include "kernel/signal.h"
#include "kernel/thread.h"
#include "kernel/vfs.h"
#include "lib/string.h"
#include "lib/types.h"

static uint64_t last_ino;

static int64_t socket_read(struct file *f, struct uio *u, uint64_t *pos)
{
	struct socket *s = f->priv;
	struct sockmsg m = {.u = *u, .nonblock = f->flags & O_NONBLOCK};
	int64_t n;

	if (u->resid == 0)
		return 0;
	n = s->ops->recv(s, &m);
	if (n > 0)
		uio_skip(u, (size_t)n);
	return n;
}

static int64_t socket_write(struct file *f, struct uio *u, uint64_t *pos)
{
	struct socket *s = f->priv;
	struct sockmsg m = {.u = *u, .nonblock = f->flags & O_NONBLOCK};
	int64_t n = s->ops->send(s, &m);

	if (n > 0)
		uio_skip(u, (size_t)n);
	if (n == -EPIPE)
		signal_raise(current, SIGPIPE);
	return n;
}

static uint32_t socket_poll(struct file *f, struct poll_ctx *pc)
{
	struct socket *s = f->priv;

	return s->ops->poll(s, pc);
}

static int64_t socket_ioctl(struct file *f, uint32_t cmd, uint64_t u_arg)
{
	struct socket *s = f->priv;

	return s->ops->ioctl ? s->ops->ioctl(s, cmd, u_arg) : -ENOTTY;
}

static int socket_stat(struct file *f, struct kstat *st)
{
	const struct socket *s = f->priv;

	vfs_anon_stat(st, S_IFSOCK | 0777, s->ino);
	return 0;
}

static void socket_release(struct file *f)
{
	struct socket *s = f->priv;

	if (s != NULL)
		s->ops->release(s);
}

static const struct file_ops socket_file_ops = {
	.name = "socket",
	.read = socket_read,
	.write = socket_write,
	.poll = socket_poll,
	.ioctl = socket_ioctl,
	.stat = socket_stat,
	.release = socket_release,
};

int socket_init(struct socket *s, const struct socket_ops *ops, int family,
	int type, int protocol)
{
	struct file *f = file_new(&socket_file_ops, O_RDWR);

	if (f == NULL)
		return -ENOMEM;
	s->ops = ops;
	s->file = f;
	s->family = family;
	s->type = type;
	s->protocol = protocol;
	s->recv_timeout = NO_DEADLINE;
	s->send_timeout = NO_DEADLINE;
	s->ino = ++last_ino;
	f->priv = s;
	return 0;
}

struct socket *socket_of(struct file *f)
{
	return f->ops == &socket_file_ops ? f->priv : NULL;
}

static uint64_t timeout_deadline(uint64_t timeout)
{
	return timeout == NO_DEADLINE ? NO_DEADLINE : poll_deadline(timeout);
}

uint64_t socket_recv_deadline(const struct socket *s)
{
	return timeout_deadline(s->recv_timeout);
}

uint64_t socket_send_deadline(const struct socket *s)
{
	return timeout_deadline(s->send_timeout);
}

int socket_wait_error(const struct socket *s, int err, uint64_t timeout)
{
	if (err == -ETIMEDOUT)
		return -EAGAIN;
	if (err == -ERESTARTSYS && timeout != NO_DEADLINE)
		return -EINTR;
	return err;
}

/* struct cmsghdr: size_t size with header, int level, int type; data follows;
 * each starts at a multiple of 8. */
enum { CMSG_HEAD = 16 };

bool socket_cmsg_put(
	struct sockmsg *m, int level, int type, const void *data, size_t size)
{
	size_t at = align_up(m->control_size, 8), whole = CMSG_HEAD + size;
	uint64_t head = whole;

	if (m->control == NULL || at + whole > m->control_room) {
		m->out_flags |= MSG_CTRUNC;
		return false;
	}
	memset(m->control + m->control_size, 0, at - m->control_size);
	memcpy(m->control + at, &head, 8);
	memcpy(m->control + at + 8, &level, 4);
	memcpy(m->control + at + 12, &type, 4);
	memcpy(m->control + at + CMSG_HEAD, data, size);
	m->control_size = at + whole;
	return true;
}

int socket_cmsg_next(const struct sockmsg *m, size_t *pos, struct cmsg_view *v)
{
	size_t left = m->control_size - *pos;
	uint64_t whole;

	if (*pos >= m->control_size || left < CMSG_HEAD)
		return 0;
	memcpy(&whole, m->control + *pos, 8);
	if (whole < CMSG_HEAD || whole > left)
		return -EINVAL;
	memcpy(&v->level, m->control + *pos + 8, 4);
	memcpy(&v->type, m->control + *pos + 12, 4);
	v->data = m->control + *pos + CMSG_HEAD;
	v->size = whole - CMSG_HEAD;
	*pos += align_up(whole, 8);
	return 1;
}
