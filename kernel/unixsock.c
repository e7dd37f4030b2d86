/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_UNIX sockets between threads and processes of the enclave: their life,
 * connections, options. A name that belongs to a socket file of the host is
 * handed to inetsock.c.
 */
#include <asm/ioctls.h>
#include <asm/poll.h>
#include <asm/socket.h>
#include <linux/errno.h>
#include <linux/sockios.h>

#include "kernel/file.h"
#include "kernel/kalloc.h"
#include "kernel/poll.h"
#include "kernel/process.h"
#include "kernel/sockopt.h"
#include "kernel/uaccess.h"
#include "kernel/unixsock_int.h"
#include "lib/string.h"
#include "lib/types.h"

static const struct socket_ops unixsock_ops;

struct ucred ucred_current(void)
{
	const struct process *p = curproc;

	return (struct ucred){p->pid, p->euid, p->egid};
}

/* ---- life ---- */

static int unix_alloc(int type, int protocol, struct unixsock **out)
{
	struct unixsock *u;
	int err;

	if (protocol != 0 && protocol != AF_UNIX)
		return -EPROTONOSUPPORT;
	if (type == SOCK_RAW)
		type = SOCK_DGRAM;
	if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET)
		return -ESOCKTNOSUPPORT;
	u = kzalloc(sizeof(*u));
	if (u == NULL)
		return -ENOMEM;
	u->refs = 1;
	u->buffer = UNIX_BUFFER;
	u->cred = ucred_current();
	list_init(&u->senders);
	list_init(&u->sender_node);
	list_init(&u->messages);
	list_init(&u->pending);
	list_init(&u->pending_node);
	mutex_init(&u->recv_lock);
	waitq_init(&u->queue);
	waitq_init(&u->space);
	err = socket_init(&u->sk, &unixsock_ops, AF_UNIX, type, 0);
	if (err) {
		kfree(u);
		return err;
	}
	*out = u;
	return 0;
}

struct unixsock *unixsock_get(struct unixsock *u)
{
	u->refs++;
	return u;
}

void unixsock_put(struct unixsock *u)
{
	if (--u->refs > 0)
		return;
	unixsock_drop_messages(u);
	unixaddr_put(u->addr);
	kfree(u);
}

/* The other end of a connection has gone. */
static void peer_gone(struct unixsock *u, bool unread)
{
	u->peer = NULL;
	u->recv_shut = true;
	if (unread)
		u->error = ECONNRESET;
	waitq_wake_all(&u->queue, POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
	waitq_wake_all(&u->space, 0);
}

static void disconnect_senders(struct unixsock *u)
{
	struct unixsock *from, *tmp;

	list_for_each_entry_safe (from, tmp, &u->senders, sender_node) {
		list_del(&from->sender_node);
		from->peer = NULL;
		from->error = ECONNREFUSED;
		waitq_wake_all(&from->queue, POLLOUT | POLLERR);
	}
}

static void unix_release(struct socket *s)
{
	struct unixsock *u = unixsock_of(s), *n;

	u->closed = true;
	u->recv_shut = u->send_shut = true;
	if (u->addr)
		u->addr->owner = NULL;
	if (unixsock_is_dgram(u)) {
		list_del(&u->sender_node);
		disconnect_senders(u);
	} else if (u->peer) {
		peer_gone(u->peer, !list_is_empty(&u->messages));
	}
	u->peer = NULL;
	waitq_wake_all(&u->space, 0);
	waitq_wake_all(&u->queue, POLLHUP);
	while ((n = list_first(&u->pending, struct unixsock, pending_node))) {
		list_del(&n->pending_node);
		file_put(n->sk.file);
	}
	if (u->host)
		file_put(u->host->file);
	u->host = NULL;
	unixsock_put(u);
}

int unixsock_new(int type, int protocol, struct socket **out)
{
	struct unixsock *u;
	int err = unix_alloc(type, protocol, &u);

	if (err == 0)
		*out = &u->sk;
	return err;
}

static void join(struct unixsock *a, struct unixsock *b)
{
	a->peer = b;
	b->peer = a;
	a->had_peer = b->had_peer = true;
	a->state = b->state = UNIX_CONNECTED;
	a->peer_cred = b->cred;
	b->peer_cred = a->cred;
	if (unixsock_is_dgram(a)) {
		list_add(&b->senders, &a->sender_node);
		list_add(&a->senders, &b->sender_node);
	}
}

int unixsock_pair(int type, int protocol, struct socket *out[2])
{
	struct unixsock *a, *b;
	int err = unix_alloc(type, protocol, &a);

	if (err)
		return err;
	err = unix_alloc(type, protocol, &b);
	if (err) {
		file_put(a->sk.file);
		return err;
	}
	join(a, b);
	out[0] = &a->sk;
	out[1] = &b->sk;
	return 0;
}

/* ---- connections ---- */

static int unix_listen(struct socket *s, int backlog)
{
	struct unixsock *u = unixsock_of(s);

	if (unixsock_is_dgram(u))
		return -EOPNOTSUPP;
	if (u->addr == NULL || u->state == UNIX_CONNECTED)
		return -EINVAL;
	u->state = UNIX_LISTEN;
	u->backlog = backlog;
	u->cred = ucred_current();
	waitq_wake_all(&u->space, 0);
	return 0;
}

/* Connects u to n, the listener's side of it, in the backlog. */
static void enqueue_connection(
	struct unixsock *u, struct unixsock *n, struct unixsock *listener)
{
	n->addr = unixaddr_get(listener->addr);
	n->cred = listener->cred;
	u->cred = ucred_current();
	join(u, n);
	list_add_tail(&listener->pending, &n->pending_node);
	listener->pending_count++;
	waitq_wake_all(&listener->queue, POLLIN | POLLRDNORM);
	waitq_wake_all(&u->queue, POLLOUT);
}

/* Waits until there is a place in the backlog: 0, or why not. */
static int wait_backlog(
	struct unixsock *u, struct unixsock *listener, bool nonblock)
{
	uint64_t deadline = socket_send_deadline(&u->sk);
	int err;

	for (;;) {
		if (listener->closed || listener->state != UNIX_LISTEN)
			return -ECONNREFUSED;
		if (listener->sk.type != u->sk.type)
			return -EPROTOTYPE;
		if (u->state != UNIX_NEW)
			return u->state == UNIX_LISTEN ? -EINVAL : -EISCONN;
		if (listener->pending_count <= listener->backlog)
			return 0;
		if (nonblock)
			return -EAGAIN;
		err = waitq_wait(&listener->space, deadline);
		if (err)
			return socket_wait_error(
				&u->sk, err, u->sk.send_timeout);
	}
}

static int connect_stream(
	struct unixsock *u, struct unixsock *listener, bool nonblock)
{
	struct unixsock *n;
	int err = unix_alloc(u->sk.type, 0, &n);

	if (err)
		return err;
	err = wait_backlog(u, listener, nonblock);
	if (err)
		file_put(n->sk.file);
	else
		enqueue_connection(u, n, listener);
	return err;
}

static int connect_dgram(struct unixsock *u, struct unixsock *to)
{
	if (!unixsock_is_dgram(to))
		return -EPROTOTYPE;
	list_del(&u->sender_node);
	u->peer = to;
	u->had_peer = true;
	u->error = 0;
	list_add(&to->senders, &u->sender_node);
	waitq_wake_all(&u->queue, POLLOUT);
	return 0;
}

static int unix_connect(
	struct socket *s, const struct sockaddr_buf *addr, bool nonblock)
{
	struct unixsock *u = unixsock_of(s), *to;
	struct sockaddr_buf host_name;
	int err;

	if (addr->family == AF_UNSPEC && unixsock_is_dgram(u)) {
		list_del(&u->sender_node);
		u->peer = NULL;
		return 0;
	}
	if (u->host || (u->state == UNIX_CONNECTED && !unixsock_is_dgram(u)))
		return -EISCONN;
	err = unixsock_lookup(addr, &to, &host_name);
	if (err == -EXDEV)
		return inetsock_connect_unix(
			s->type, &host_name, nonblock, &u->host);
	if (err)
		return err;
	err = unixsock_is_dgram(u) ? connect_dgram(u, to)
				   : connect_stream(u, to, nonblock);
	unixsock_put(to);
	return err;
}

static int unix_accept(struct socket *s, bool nonblock, struct socket **out,
	struct sockaddr_buf *peer)
{
	struct unixsock *u = unixsock_of(s), *n;
	uint64_t deadline = socket_recv_deadline(s);
	int err;

	for (;;) {
		if (u->state != UNIX_LISTEN)
			return unixsock_is_dgram(u) ? -EOPNOTSUPP : -EINVAL;
		n = list_first(&u->pending, struct unixsock, pending_node);
		if (n != NULL)
			break;
		if (u->recv_shut)
			return -EINVAL;
		if (nonblock)
			return -EAGAIN;
		err = waitq_wait(&u->queue, deadline);
		if (err)
			return socket_wait_error(s, err, s->recv_timeout);
	}
	list_del(&n->pending_node);
	u->pending_count--;
	waitq_wake_all(&u->space, 0);
	peer->size = UNIX_NAME_HEAD;
	peer->family = AF_UNIX;
	if (n->peer && n->peer->addr)
		*peer = n->peer->addr->name;
	*out = &n->sk;
	return 0;
}

static int unix_shutdown(struct socket *s, int how)
{
	struct unixsock *u = unixsock_of(s), *peer = u->peer;
	bool recv = how != SHUT_WR, send = how != SHUT_RD;

	if (u->host)
		return u->host->ops->shutdown(u->host, how);
	if (u->state != UNIX_LISTEN && !u->had_peer)
		return -ENOTCONN;
	u->recv_shut |= recv;
	u->send_shut |= send;
	waitq_wake_all(&u->queue, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	waitq_wake_all(&u->space, 0);
	if (peer && !unixsock_is_dgram(u)) {
		peer->recv_shut |= send;
		peer->send_shut |= recv;
		waitq_wake_all(
			&peer->queue, POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
		waitq_wake_all(&peer->space, 0);
	}
	return 0;
}

/* ---- options, readiness ---- */

static int unix_getname(struct socket *s, bool peer, struct sockaddr_buf *addr)
{
	const struct unixsock *u = unixsock_of(s);

	if (peer && u->host)
		return u->host->ops->getname(u->host, true, addr);
	if (peer) {
		u = u->peer;
		if (u == NULL)
			return -ENOTCONN;
	}
	addr->size = UNIX_NAME_HEAD;
	addr->family = AF_UNIX;
	if (u->addr)
		*addr = u->addr->name;
	return 0;
}

static int unix_setsockopt(
	struct socket *s, int level, int name, const void *value, size_t size)
{
	struct unixsock *u = unixsock_of(s);
	int val;

	if (level != SOL_SOCKET)
		return level == AF_UNSPEC ? -ENOPROTOOPT : -EOPNOTSUPP;
	memcpy(&val, value, sizeof(val));
	switch (name) {
	case SO_PASSCRED:
		u->pass_cred = val != 0;
		return 0;
	case SO_SNDBUF:
	case SO_RCVBUF:
	case SO_SNDBUFFORCE:
	case SO_RCVBUFFORCE:
		u->buffer = (int)u64_min(
			u64_max(val < 0 ? 0 : (uint64_t)val * 2, 4608),
			4 << 20);
		return 0;
	/* Taken and without effect here, as on Linux. */
	case SO_REUSEADDR:
	case SO_KEEPALIVE:
	case SO_BROADCAST:
	case SO_OOBINLINE:
	case SO_DONTROUTE:
	case SO_LINGER:
	case SO_PRIORITY:
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int unix_getsockopt(
	struct socket *s, int level, int name, void *value, size_t *size)
{
	struct unixsock *u = unixsock_of(s);
	int val = 0, linger[2] = {0, 0};

	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	switch (name) {
	case SO_PEERCRED:
		if (u->had_peer)
			return sockopt_give(value, size, &u->peer_cred,
				sizeof(u->peer_cred));
		return sockopt_give(value, size,
			&(struct ucred){0, UINT32_MAX, UINT32_MAX},
			sizeof(struct ucred));
	case SO_ERROR:
		if (u->host)
			return u->host->ops->getsockopt(
				u->host, level, name, value, size);
		val = u->error;
		u->error = 0;
		break;
	case SO_ACCEPTCONN:
		val = u->state == UNIX_LISTEN;
		break;
	case SO_PASSCRED:
		val = u->pass_cred;
		break;
	case SO_SNDBUF:
	case SO_RCVBUF:
		val = u->buffer;
		break;
	case SO_LINGER:
		return sockopt_give(value, size, linger, sizeof(linger));
	case SO_REUSEADDR:
	case SO_KEEPALIVE:
	case SO_BROADCAST:
	case SO_OOBINLINE:
	case SO_DONTROUTE:
	case SO_PRIORITY:
		break;
	default:
		return -ENOPROTOOPT;
	}
	return sockopt_give(value, size, &val, sizeof(val));
}

static uint32_t unix_poll(struct socket *s, struct poll_ctx *pc)
{
	struct unixsock *u = unixsock_of(s);
	uint32_t events = 0;
	bool dgram = unixsock_is_dgram(u);

	poll_add(pc, &u->queue);
	if (u->host)
		return u->host->ops->poll(u->host, pc);
	if (u->error)
		events |= POLLERR;
	if (u->recv_shut)
		events |= POLLRDHUP | POLLIN | POLLRDNORM;
	if (u->recv_shut && u->send_shut)
		events |= POLLHUP;
	if (!list_is_empty(&u->messages) || !list_is_empty(&u->pending))
		events |= POLLIN | POLLRDNORM;
	if (u->state == UNIX_LISTEN)
		return events;
	if (!dgram && (u->peer == NULL))
		events |= POLLHUP | POLLOUT | POLLWRNORM;
	else if (u->peer == NULL || unixsock_has_room(u->peer, 1))
		events |= POLLOUT | POLLWRNORM;
	return events;
}

static int64_t unix_ioctl(struct socket *s, uint32_t cmd, uint64_t u_arg)
{
	const struct unixsock *u = unixsock_of(s);
	const struct unixmsg *m;
	int val;

	if (u->host)
		return u->host->ops->ioctl(u->host, cmd, u_arg);
	if (cmd == TIOCOUTQ) {
		val = u->peer ? (int)u->peer->queued : 0;
	} else if (cmd == FIONREAD) {
		val = (int)u->queued;
		m = list_first(&u->messages, struct unixmsg, node);
		if (unixsock_is_dgram(u))
			val = m ? (int)m->size : 0;
	} else {
		return -ENOTTY;
	}
	return user_write(u_arg, &val, sizeof(val));
}

static const struct socket_ops unixsock_ops = {
	.name = "unix",
	.bind = unixsock_bind,
	.connect = unix_connect,
	.listen = unix_listen,
	.accept = unix_accept,
	.send = unixsock_send,
	.recv = unixsock_recv,
	.getname = unix_getname,
	.shutdown = unix_shutdown,
	.setsockopt = unix_setsockopt,
	.getsockopt = unix_getsockopt,
	.poll = unix_poll,
	.ioctl = unix_ioctl,
	.release = unix_release,
};
