/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of AF_UNIX sockets: data, descriptors (SCM_RIGHTS), credentials
 * (SCM_CREDENTIALS).
 *
 * A message is complete before it is queued, and copied out under the
 * receiver's lock; copying from or to the application may sleep, so that who
 * the peer is is looked at again afterwards. A stream's read goes on over
 * messages of the same sender until one carries descriptors.
 */
#include <asm/fcntl.h>
#include <asm/poll.h>
#include <asm/socket.h>
#include <linux/errno.h>

#include "kernel/file.h"
#include "kernel/kalloc.h"
#include "kernel/process.h"
#include "kernel/unixsock_int.h"
#include "lib/string.h"
#include "lib/types.h"

/* A message may hold the last reference on a socket whose queue holds a
 * message that holds the last reference on a socket, as long as the program
 * likes. So whoever frees one while another is being freed leaves it here. */
static struct list doomed = LIST_INIT(doomed);
static bool freeing;

static void message_free(struct unixmsg *m)
{
	list_add_tail(&doomed, &m->node);
	if (freeing)
		return;
	freeing = true;
	while ((m = list_first(&doomed, struct unixmsg, node))) {
		list_del(&m->node);
		for (size_t i = 0; i < m->file_count; i++)
			file_put(m->files[i]);
		kfree(m->files);
		unixaddr_put(m->from);
		kfree(m);
	}
	freeing = false;
}

void unixsock_drop_messages(struct unixsock *u)
{
	struct unixmsg *m;

	while ((m = list_first(&u->messages, struct unixmsg, node))) {
		list_del(&m->node);
		message_free(m);
	}
	u->queued = 0;
	u->message_count = 0;
}

bool unixsock_has_room(const struct unixsock *to, size_t size)
{
	if (to->sk.type == SOCK_STREAM)
		return to->queued < (size_t)to->buffer;
	return to->message_count < UNIX_MESSAGES &&
		(to->queued == 0 || to->queued + size <= (size_t)to->buffer);
}

/* ---- sending ---- */

static int take_files(struct unixmsg *msg, const struct cmsg_view *v)
{
	size_t count = v->size / sizeof(int);
	int fd;

	if (msg->files != NULL || count > UNIX_FDS_MAX)
		return -EINVAL;
	if (count == 0)
		return 0;
	msg->files = kmalloc(count * sizeof(*msg->files));
	if (msg->files == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		memcpy(&fd, v->data + i * sizeof(fd), sizeof(fd));
		msg->files[i] = fd_get(fd);
		if (msg->files[i] == NULL)
			return -EBADF;
		msg->file_count++;
	}
	return 0;
}

static int take_cred(struct unixmsg *msg, const struct cmsg_view *v)
{
	const struct process *p = curproc;
	struct ucred c;

	if (v->size < sizeof(c))
		return -EINVAL;
	memcpy(&c, v->data, sizeof(c));
	if (p->euid != 0 &&
		(c.pid != p->pid || (c.uid != p->uid && c.uid != p->euid) ||
			(c.gid != p->gid && c.gid != p->egid)))
		return -EPERM;
	msg->cred = c;
	return 0;
}

static int take_control(struct unixmsg *msg, const struct sockmsg *m)
{
	struct cmsg_view v;
	size_t pos = 0;
	int more, err = 0;

	if (m->control_size == 0)
		return 0;
	while ((more = socket_cmsg_next(m, &pos, &v)) == 1 && err == 0) {
		if (v.level != SOL_SOCKET)
			continue;
		if (v.type == SCM_RIGHTS)
			err = take_files(msg, &v);
		else if (v.type == SCM_CREDENTIALS)
			err = take_cred(msg, &v);
		else
			err = -EINVAL;
	}
	return more < 0 ? more : err;
}

static int message_new(struct unixsock *u, struct sockmsg *m, size_t size,
	bool with_control, struct unixmsg **out)
{
	struct unixmsg *msg = kmalloc(sizeof(*msg) + size);
	int err = 0;

	if (msg == NULL)
		return -ENOMEM;
	memset(msg, 0, sizeof(*msg));
	list_init(&msg->node);
	msg->size = size;
	msg->from = unixaddr_get(u->addr);
	msg->cred = ucred_current();
	if (with_control)
		err = take_control(msg, m);
	if (err == 0)
		err = uio_copy_from(&m->u, msg->data, size);
	if (err) {
		message_free(msg);
		return err;
	}
	*out = msg;
	return 0;
}

static void deliver(struct unixsock *to, struct unixmsg *msg)
{
	list_add_tail(&to->messages, &msg->node);
	to->queued += msg->size;
	to->message_count++;
	waitq_wake_all(&to->queue, POLLIN | POLLRDNORM);
}

/* Waits for room in to: 0, or why not. */
static int wait_room(struct unixsock *u, struct unixsock *to, size_t size,
	bool nonblock, uint64_t deadline)
{
	int err;

	while (!to->closed && !to->recv_shut && !u->send_shut &&
		!unixsock_has_room(to, size)) {
		if (nonblock)
			return -EAGAIN;
		err = waitq_wait(&to->space, deadline);
		if (err)
			return socket_wait_error(
				&u->sk, err, u->sk.send_timeout);
	}
	return 0;
}

static int64_t send_stream(struct unixsock *u, struct sockmsg *m)
{
	uint64_t deadline = socket_send_deadline(&u->sk);
	struct unixmsg *msg;
	int64_t done = 0;
	int err = 0;
	bool first = true;

	while (m->u.resid > 0) {
		size_t size = u64_min(m->u.resid, UNIX_CHUNK);
		struct unixsock *to = u->peer;

		if (u->send_shut || to == NULL) {
			err = !u->had_peer ? -ENOTCONN : -EPIPE;
			break;
		}
		unixsock_get(to);
		err = wait_room(u, to, size, m->nonblock, deadline);
		if (err == 0)
			err = message_new(u, m, size, first, &msg);
		if (err == 0 && (u->peer != to || to->recv_shut)) {
			message_free(msg);
			err = -EPIPE;
		} else if (err == 0) {
			deliver(to, msg);
			done += (int64_t)size;
			first = false;
		}
		unixsock_put(to);
		if (err)
			break;
	}
	return done > 0 ? done : err;
}

static int64_t send_packet_to(
	struct unixsock *u, struct unixsock *to, struct sockmsg *m)
{
	size_t size = m->u.resid;
	struct unixmsg *msg;
	int err;

	if (size > (size_t)to->buffer - 32)
		return -EMSGSIZE;
	err = wait_room(u, to, size, m->nonblock, socket_send_deadline(&u->sk));
	if (err)
		return err;
	err = message_new(u, m, size, true, &msg);
	if (err)
		return err;
	if (to->closed || to->recv_shut || u->send_shut) {
		message_free(msg);
		return unixsock_is_dgram(u) && to->closed ? -ECONNREFUSED
							  : -EPIPE;
	}
	deliver(to, msg);
	return (int64_t)size;
}

static int64_t send_packet(struct unixsock *u, struct sockmsg *m)
{
	struct sockaddr_buf host_name;
	struct unixsock *to = u->peer;
	int64_t n;

	if (u->send_shut)
		return -EPIPE;
	if (unixsock_is_dgram(u) && m->addr && m->addr->size > 0) {
		n = unixsock_lookup(m->addr, &to, &host_name);
		if (n == -EXDEV)
			return -EPERM; /* datagrams to the host: connect */
		if (n)
			return n;
		if (!unixsock_is_dgram(to)) {
			unixsock_put(to);
			return -EPROTOTYPE;
		}
	} else if (to == NULL) {
		n = u->error ? -u->error : u->had_peer ? -EPIPE : -ENOTCONN;
		u->error = 0;
		return n;
	} else {
		unixsock_get(to);
	}
	n = send_packet_to(u, to, m);
	unixsock_put(to);
	return n;
}

int64_t unixsock_send(struct socket *s, struct sockmsg *m)
{
	struct unixsock *u = unixsock_of(s);

	if (u->host)
		return u->host->ops->send(u->host, m);
	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (s->type != SOCK_STREAM)
		return send_packet(u, m);
	if (m->addr && m->addr->size > 0)
		return u->peer ? -EISCONN : -EOPNOTSUPP;
	return send_stream(u, m);
}

/* ---- receiving ---- */

/* Installs the descriptors and tells about them. The files stay the
 * message's. */
static void give_files(struct unixmsg *msg, struct sockmsg *m)
{
	size_t used = align_up(m->control_size, 8) + 16;
	size_t room = m->control_room > used ? m->control_room - used : 0;
	size_t count = u64_min(msg->file_count, room / sizeof(int)), n = 0;
	int fds[UNIX_FDS_MAX];

	while (n < count) {
		fds[n] = fd_install(file_get(msg->files[n]),
			m->flags & MSG_CMSG_CLOEXEC, 0);
		if (fds[n] < 0) {
			file_put(msg->files[n]);
			break;
		}
		n++;
	}
	if (n < msg->file_count)
		m->out_flags |= MSG_CTRUNC;
	if (n > 0)
		socket_cmsg_put(
			m, SOL_SOCKET, SCM_RIGHTS, fds, n * sizeof(int));
}

static void give_control(
	struct unixsock *u, struct unixmsg *msg, struct sockmsg *m)
{
	if (u->pass_cred && m->control)
		socket_cmsg_put(m, SOL_SOCKET, SCM_CREDENTIALS, &msg->cred,
			sizeof(msg->cred));
	if (msg->file_count > 0)
		give_files(msg, m);
}

static void give_addr(const struct unixmsg *msg, struct sockmsg *m)
{
	if (m->addr && msg->from)
		*m->addr = msg->from->name;
}

/* Room has come: whoever sends here may go on. */
static void wake_senders(struct unixsock *u)
{
	struct unixsock *from;

	waitq_wake_all(&u->space, 0);
	if (!unixsock_is_dgram(u)) {
		if (u->peer)
			waitq_wake_all(&u->peer->queue, POLLOUT | POLLWRNORM);
		return;
	}
	list_for_each_entry (from, &u->senders, sender_node)
		waitq_wake_all(&from->queue, POLLOUT | POLLWRNORM);
}

static void consume(struct unixsock *u, struct unixmsg *msg)
{
	list_del(&msg->node);
	u->message_count--;
	message_free(msg);
}

/* First message, waiting for it. recv_lock is held, and dropped meanwhile.
 * NULL with *err: 0 at the end of the stream. */
static struct unixmsg *first_message(struct unixsock *u,
	const struct sockmsg *m, uint64_t deadline, int *err)
{
	struct unixmsg *msg;

	for (;;) {
		msg = list_first(&u->messages, struct unixmsg, node);
		if (msg != NULL)
			return msg;
		*err = -u->error;
		u->error = 0;
		if (*err || u->recv_shut)
			return NULL;
		if (!u->had_peer && !unixsock_is_dgram(u)) {
			*err = -ENOTCONN;
			return NULL;
		}
		*err = -EAGAIN;
		if (m->nonblock)
			return NULL;
		mutex_unlock(&u->recv_lock);
		*err = waitq_wait(&u->queue, deadline);
		mutex_lock(&u->recv_lock);
		if (*err) {
			*err = socket_wait_error(
				&u->sk, *err, u->sk.recv_timeout);
			return NULL;
		}
	}
}

static int64_t recv_packet(struct unixsock *u, struct sockmsg *m)
{
	bool peek = m->flags & MSG_PEEK;
	size_t want = m->u.resid, size;
	struct unixmsg *msg;
	int err;

	msg = first_message(u, m, socket_recv_deadline(&u->sk), &err);
	if (msg == NULL)
		return err;
	size = msg->size;
	err = uio_copy_to(&m->u, msg->data, u64_min(size, want));
	if (err)
		return err;
	if (size > want)
		m->out_flags |= MSG_TRUNC;
	if (u->sk.type == SOCK_SEQPACKET)
		m->out_flags |= MSG_EOR;
	give_addr(msg, m);
	give_control(u, msg, m);
	if (!peek) {
		u->queued -= size;
		consume(u, msg);
		wake_senders(u);
	}
	return (int64_t)(m->flags & MSG_TRUNC ? size : u64_min(size, want));
}

/* Can reading go on from a message that was done to this one? */
static bool continues(const struct unixsock *u, const struct ucred *cred,
	const struct unixmsg *next)
{
	if (next->file_count > 0)
		return false;
	return !u->pass_cred || memcmp(cred, &next->cred, sizeof(*cred)) == 0;
}

static int64_t peek_stream(struct unixsock *u, struct sockmsg *m)
{
	struct unixmsg *msg;
	int64_t done = 0;
	int err;

	msg = first_message(u, m, socket_recv_deadline(&u->sk), &err);
	if (msg == NULL)
		return err;
	give_addr(msg, m);
	give_control(u, msg, m);
	while (m->u.resid > 0) {
		size_t n = u64_min(m->u.resid, msg->size - msg->done);

		if (uio_copy_to(&m->u, msg->data + msg->done, n))
			return done ? done : -EFAULT;
		done += (int64_t)n;
		if (msg->node.next == &u->messages || msg->file_count > 0)
			break;
		msg = list_entry(msg->node.next, struct unixmsg, node);
	}
	return done;
}

static int64_t recv_stream(struct unixsock *u, struct sockmsg *m)
{
	uint64_t deadline = socket_recv_deadline(&u->sk);
	struct unixmsg *msg;
	struct ucred cred = {0, 0, 0};
	int64_t done = 0;
	int err = 0;
	bool stop = false;

	while (m->u.resid > 0 && !stop) {
		bool more = done > 0;
		size_t n;

		if (more && !(m->flags & MSG_WAITALL) &&
			list_is_empty(&u->messages))
			break;
		msg = first_message(u, m, deadline, &err);
		if (msg == NULL || (more && !continues(u, &cred, msg)))
			break;
		n = u64_min(m->u.resid, msg->size - msg->done);
		if (uio_copy_to(&m->u, msg->data + msg->done, n)) {
			err = -EFAULT;
			break;
		}
		if (!more)
			give_addr(msg, m);
		if (!more && msg->done == 0)
			give_control(u, msg, m);
		else if (!more && u->pass_cred)
			socket_cmsg_put(m, SOL_SOCKET, SCM_CREDENTIALS,
				&msg->cred, sizeof(msg->cred));
		stop = msg->file_count > 0;
		cred = msg->cred;
		msg->done += n;
		u->queued -= n;
		done += (int64_t)n;
		if (msg->done == msg->size)
			consume(u, msg);
		wake_senders(u);
	}
	return done > 0 ? done : err;
}

int64_t unixsock_recv(struct socket *s, struct sockmsg *m)
{
	struct unixsock *u = unixsock_of(s);
	int64_t n;

	if (u->host)
		return u->host->ops->recv(u->host, m);
	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (u->state == UNIX_LISTEN)
		return -EINVAL;
	unixsock_get(u);
	mutex_lock(&u->recv_lock);
	if (s->type != SOCK_STREAM)
		n = recv_packet(u, m);
	else if (m->flags & MSG_PEEK)
		n = peek_stream(u, m);
	else
		n = recv_stream(u, m);
	mutex_unlock(&u->recv_lock);
	unixsock_put(u);
	return n;
}
