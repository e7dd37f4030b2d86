/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that the host provides: TCP and UDP over IPv4 and IPv6, netlink
 * (routes and addresses, for getaddrinfo), AF_UNIX to servers on the host.
 *
 * The host's socket never blocks. An operation tries, and if there is nothing
 * waits inside until readiness changes (hostready.h). What the host answers
 * is bounded by the rows of hostcall.def; here addresses and control messages
 * are checked besides (S-11).
 */
#include <asm/ioctls.h>
#include <asm/poll.h>
#include <asm/socket.h>
#include <linux/errno.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/sockios.h>
#include <linux/tcp.h>

#include "abi/net.h"
#include "kernel/file.h"
#include "kernel/hostcall.h"
#include "kernel/hostready.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/netpost.h"
#include "kernel/process.h"
#include "kernel/poll.h"
#include "kernel/signal.h"
#include "kernel/sockopt.h"
#include "kernel/socket.h"
#include "kernel/uaccess.h"
#include "lib/string.h"
#include "lib/types.h"

enum {
	SOL_IP = 0,
	SOL_TCP = 6,
	SOL_UDP = 17,
	SOL_IPV6 = 41,
	SEND_FLAGS = MSG_OOB | MSG_DONTROUTE | MSG_EOR | MSG_CONFIRM | MSG_MORE,
	RECV_FLAGS = MSG_OOB | MSG_PEEK | MSG_TRUNC | MSG_ERRQUEUE |
		MSG_DONTROUTE,
	RECV_OUT_FLAGS = MSG_OOB | MSG_TRUNC | MSG_CTRUNC | MSG_EOR |
		MSG_ERRQUEUE,
};

struct inetsock {
	struct socket sk;
	struct netpost post; /* its fd is -1 while there is none */
	struct list leaving; /* on the list of those that wait inside */
	enum { STAYS, SHUTS, CLOSES } then; /* when all has been sent */
	bool plain; /* no option that reading ahead would get wrong */
	bool abort; /* closing throws away what is not sent */
	bool connecting; /* a blocking connect may have been interrupted */
	bool over; /* nothing will come: the end is not EAGAIN */
	bool drained; /* the last receive took all there was */
	bool answers; /* a blocking receive had to wait after the last send */
};

static struct list leaving = LIST_INIT(leaving);

static struct inetsock *of(struct socket *s)
{
	return container_of(s, struct inetsock, sk);
}

static bool is_stream(const struct inetsock *is)
{
	return is->sk.type == SOCK_STREAM;
}

static const struct socket_ops inetsock_ops;
static uint64_t leave(void);

static int alloc(int family, int type, int protocol, struct inetsock **out)
{
	struct inetsock *is = kzalloc(sizeof(*is));
	int err = -ENOMEM;

	if (is == NULL)
		return err;
	err = netpost_init(&is->post);
	if (err)
		goto free;
	list_init(&is->leaving);
	hostready_do_errands = leave;
	is->plain = type == SOCK_STREAM &&
		(family == AF_INET || family == AF_INET6);
	is->post.ahead = is->plain;
	err = socket_init(&is->sk, &inetsock_ops, family, type, protocol);
	if (err)
		goto fini;
	*out = is;
	return 0;
fini:
	netpost_fini(&is->post);
free:
	kfree(is);
	return err;
}

static void set_fd(struct inetsock *is, int fd)
{
	is->post.fd = fd;
	is->sk.file->host_fd = fd;
}

static void destroy(struct inetsock *is)
{
	list_del(&is->leaving);
	if (is->post.fd >= 0)
		host_close_now(is->post.fd);
	netpost_fini(&is->post);
	kfree(is);
}

/* One that waits no longer, and the bytes that others wait for. */
static struct inetsock *take_done(uint64_t *left)
{
	struct inetsock *is;

	*left = 0;
	list_for_each_entry (is, &leaving, leaving) {
		if (netpost_unsent(&is->post) == 0) {
			list_del(&is->leaving);
			return is;
		}
		*left += netpost_unsent(&is->post);
	}
	return NULL;
}

/* Does what had to wait until all was sent. Bytes still inside. */
static uint64_t leave(void)
{
	struct inetsock *is;
	struct file *f;
	uint64_t left;

	netpost_retry();
	while ((is = take_done(&left))) {
		if (is->then == CLOSES) {
			destroy(is);
			continue;
		}
		f = file_get(is->sk.file);
		(void)host_sock_shutdown(is->post.fd, SHUT_WR);
		file_put(f);
	}
	return left;
}

/* Later, when what is sent has left the enclave. */
static void leave_later(struct inetsock *is, int then)
{
	is->then = then;
	if (!list_is_linked(&is->leaving))
		list_add_tail(&leaving, &is->leaving);
}

static void release(struct socket *s)
{
	static const int at_once[2] = {1, 0};
	struct inetsock *is = of(s);

	is->post.ahead = false;
	if (is->abort && !netpost_flush(&is->post))
		netpost_drop_unsent(&is->post);
	/* Linux resets a connection that is closed with data unread. */
	if (netpost_ahead(&is->post))
		(void)host_sock_setopt(is->post.fd, SOL_SOCKET, SO_LINGER,
			at_once, sizeof(at_once));
	else if (!netpost_flush(&is->post)) {
		leave_later(is, CLOSES);
		return;
	}
	destroy(is);
}

static bool allowed;

void inetsock_allow(bool on)
{
	allowed = on;
}

static int create(int family, int type, int protocol, struct inetsock **out)
{
	struct inetsock *is;
	int64_t fd;
	int err;

	if (!allowed && curproc != init_process)
		return -EACCES;
	err = alloc(family, type, protocol, &is);
	if (err)
		return err;
	fd = host_sock_new((uint64_t)family, (uint64_t)type, (uint64_t)protocol,
		is->post.ready.key);
	if (fd < 0) {
		file_put(is->sk.file);
		return (int)fd;
	}
	set_fd(is, (int)fd);
	*out = is;
	return 0;
}

int inetsock_new(int family, int type, int protocol, struct socket **out)
{
	struct inetsock *is;
	int err;

	if (family == AF_NETLINK && protocol != 0)
		return -EPROTONOSUPPORT; /* NETLINK_ROUTE alone */
	err = create(family, type, protocol, &is);
	if (err == 0)
		*out = &is->sk;
	return err;
}

/* ---- addresses ---- */

static void addr_out(const struct sockaddr_buf *addr, struct host_addr *out)
{
	memset(out, 0, sizeof(*out));
	out->size = addr->size;
	memcpy(out->bytes, addr->bytes, addr->size);
}

/* The host's word: no more than fits, and of the socket's family. */
static void addr_in(const struct inetsock *is, const struct host_addr *in,
	struct sockaddr_buf *addr)
{
	addr->size = 0;
	if (in->size == 0)
		return;
	if (in->size > HOST_ADDR_MAX || in->size < sizeof(addr->family))
		panic_host("socket address of %lu bytes", in->size);
	addr->size = in->size;
	memcpy(addr->bytes, in->bytes, in->size);
	if (addr->family != is->sk.family && addr->family != AF_UNSPEC)
		panic_host("socket address of family %u", addr->family);
}

static int bind(struct socket *s, const struct sockaddr_buf *addr)
{
	struct host_addr out;

	addr_out(addr, &out);
	return (int)host_sock_bind(of(s)->post.fd, &out);
}

static int getname(struct socket *s, bool peer, struct sockaddr_buf *addr)
{
	struct host_addr in;
	int err = (int)host_sock_name(of(s)->post.fd, peer, &in);

	if (err == 0)
		addr_in(of(s), &in, addr);
	return err;
}

/* ---- connections ---- */

static int listen(struct socket *s, int backlog)
{
	of(s)->post.ahead = false; /* there is nothing to read */
	hostready_reset(&of(s)->post.ready);
	return (int)host_sock_listen(of(s)->post.fd, (uint64_t)backlog);
}

static int socket_error(struct inetsock *is)
{
	int val = 0, err = netpost_error(&is->post);
	int64_t n;

	if (err)
		return err;
	n = host_sock_getopt(
		is->post.fd, SOL_SOCKET, SO_ERROR, &val, sizeof(val));

	if (n < 0)
		return (int)n;
	/* It becomes the result of a system call: no number that means
	 * something else to the kernel, as -ERESTARTSYS does. */
	if (n != sizeof(val) || val < 0 || val > EHWPOISON)
		panic_host("socket error %d", val);
	is->post.ready.ready &= ~(uint32_t)POLLERR;
	return -val;
}

static int wait_connected(struct inetsock *is)
{
	uint64_t deadline = socket_send_deadline(&is->sk);
	uint32_t done = POLLOUT | POLLERR | POLLHUP;
	int err;

	for (;;) {
		err = hostready_wait(&is->post.ready, POLLOUT, deadline);
		if (err == -ETIMEDOUT)
			return -EINPROGRESS;
		if (err)
			return socket_wait_error(
				&is->sk, err, is->sk.send_timeout);
		if (hostready_poll(&is->post.ready, is->post.fd, NULL) & done)
			return socket_error(is);
	}
}

static int connect(
	struct socket *s, const struct sockaddr_buf *addr, bool nonblock)
{
	struct inetsock *is = of(s);
	struct host_addr out;
	int err;

	addr_out(addr, &out);
	is->then = STAYS;
	if (is_stream(is) && !is->connecting)
		hostready_reset(&is->post.ready);
	err = (int)host_sock_connect(is->post.fd, &out);
	if (err == -EISCONN && is->connecting && !nonblock)
		err = 0;
	if ((err == -EINPROGRESS || (err == -EALREADY && is->connecting)) &&
		!nonblock) {
		is->connecting = true;
		err = wait_connected(is);
		if (err == -ERESTARTSYS)
			return err;
	}
	is->connecting = err == -EINPROGRESS;
	return err;
}

static int accept(struct socket *s, bool nonblock, struct socket **out,
	struct sockaddr_buf *peer)
{
	struct inetsock *is = of(s), *new;
	uint64_t deadline = nonblock ? 0 : socket_recv_deadline(s), seen;
	struct host_addr addr;
	int64_t fd;
	int err = alloc(s->family, s->type, s->protocol, &new);

	if (err)
		return err;
	for (;;) {
		seen = hostready_begin(&is->post.ready);
		fd = host_sock_accept(is->post.fd, new->post.ready.key, &addr);
		hostready_done(&is->post.ready, seen, POLLIN,
			fd == -EAGAIN ? HOSTREADY_DRY : HOSTREADY_SOME);
		if (fd != -EAGAIN || nonblock)
			break;
		err = hostready_wait(&is->post.ready, POLLIN, deadline);
		if (err) {
			fd = socket_wait_error(s, err, s->recv_timeout);
			break;
		}
	}
	if (fd < 0) {
		file_put(new->sk.file);
		return (int)fd;
	}
	set_fd(new, (int)fd);
	new->plain = new->post.ahead = is->plain;
	addr_in(is, &addr, peer);
	*out = &new->sk;
	return 0;
}

static int shutdown(struct socket *s, int how)
{
	struct inetsock *is = of(s);
	int err;

	is->over = is->over || how != SHUT_WR;
	if (how != SHUT_RD && !netpost_flush(&is->post)) {
		leave_later(is, SHUTS);
		if (how == SHUT_WR)
			return 0;
		how = SHUT_RD;
	}
	err = (int)host_sock_shutdown(is->post.fd, (uint64_t)how);
	if (err == 0 && how != SHUT_RD && is->plain)
		is->then = SHUTS;
	return err;
}

/* ---- sending ---- */

static bool cmsg_may_leave(const struct cmsg_view *v)
{
	switch (v->level) {
	case SOL_IP:
		return v->type == IP_PKTINFO || v->type == IP_TTL ||
			v->type == IP_TOS;
	case SOL_IPV6:
		return v->type == IPV6_PKTINFO || v->type == IPV6_HOPLIMIT ||
			v->type == IPV6_TCLASS;
	case SOL_UDP:
		return v->type == 103; /* UDP_SEGMENT */
	default:
		return false;
	}
}

static int control_out(const struct sockmsg *m, struct host_msg *out)
{
	struct cmsg_view v;
	size_t pos = 0;
	int more;

	if (m->control_size > HOST_CONTROL_MAX)
		return -ENOBUFS;
	while ((more = socket_cmsg_next(m, &pos, &v)) == 1) {
		if (cmsg_may_leave(&v))
			continue;
		if (v.level == SOL_SOCKET && v.type == SCM_RIGHTS)
			klog("descriptors cannot be sent to the host: EPERM");
		return -EPERM;
	}
	if (more < 0)
		return more;
	out->control_size = m->control_size;
	if (m->control_size)
		memcpy(out->control, m->control, m->control_size);
	return 0;
}

static int64_t send_once(
	struct inetsock *is, struct sockmsg *m, const struct host_msg *out)
{
	size_t size = u64_min(m->u.resid, HOSTCALL_BUF_MAX);
	uint64_t seen = hostready_begin(&is->post.ready);
	uint32_t flags = m->flags & SEND_FLAGS;
	enum hostready_how how = HOSTREADY_SOME;
	int64_t n;

	is->post.sending++;
	if (out)
		n = host_sock_sendmsg(is->post.fd, &m->u, size, flags, out);
	else
		n = host_sock_send(is->post.fd, &m->u, size, flags);
	is->post.sending--;
	if (n == -EAGAIN)
		how = HOSTREADY_DRY;
	else if (is_stream(is) && n >= 0 && (size_t)n < size)
		how = HOSTREADY_SHORT;
	hostready_done(&is->post.ready, seen, POLLOUT, how);
	return n;
}

static int64_t send_all(
	struct inetsock *is, struct sockmsg *m, const struct host_msg *out)
{
	uint64_t deadline = NO_DEADLINE;
	int64_t n, done = 0;
	bool waited = false;

	for (;;) {
		n = -EAGAIN;
		if (netpost_flush(&is->post)) {
			n = netpost_error(&is->post);
			if (n == 0)
				n = send_once(is, m, out);
		}
		if (n >= 0) {
			done += n;
			if (!is_stream(is) || m->u.resid == 0)
				return done;
			continue;
		}
		if (n != -EAGAIN || m->nonblock)
			break;
		if (!waited)
			deadline = socket_send_deadline(&is->sk);
		waited = true;
		n = hostready_wait(&is->post.ready, POLLOUT, deadline);
		if (n) {
			n = socket_wait_error(
				&is->sk, (int)n, is->sk.send_timeout);
			break;
		}
	}
	return done > 0 ? done : n;
}

static no_inline int64_t send_full(struct inetsock *is, struct sockmsg *m)
{
	struct host_msg out;
	int err;

	memset(&out, 0, sizeof(out));
	err = control_out(m, &out);
	if (err)
		return err;
	if (m->addr)
		addr_out(m->addr, &out.addr);
	return send_all(is, m, &out);
}

static int64_t send(struct socket *s, struct sockmsg *m)
{
	struct inetsock *is = of(s);
	size_t size = m->u.resid;
	bool waits = m->nonblock || is->answers;

	is->answers = false;
	if (!is_stream(is) && m->u.resid > HOSTCALL_BUF_MAX)
		return -EMSGSIZE;
	if (m->addr || m->control_size)
		return send_full(is, m);
	if (is->then != STAYS)
		return -EPIPE;
	/* Who does not wait for it will soon wait for other things; and who
	 * waited for an answer after the last one, for that. */
	if (is->plain && waits && !(m->flags & SEND_FLAGS) &&
		netpost_send(&is->post, &m->u))
		return (int64_t)size;
	return send_all(is, m, NULL);
}

/* ---- receiving ---- */

static bool cmsg_may_enter(const struct cmsg_view *v)
{
	switch (v->level) {
	case SOL_SOCKET:
		return v->type == SO_TIMESTAMP || v->type == SO_TIMESTAMPNS ||
			v->type == SO_RXQ_OVFL;
	case SOL_IP:
		return v->type == IP_PKTINFO || v->type == IP_TTL ||
			v->type == IP_TOS || v->type == IP_RECVERR ||
			v->type == IP_ORIGDSTADDR;
	case SOL_IPV6:
		return v->type == IPV6_PKTINFO || v->type == IPV6_HOPLIMIT ||
			v->type == IPV6_TCLASS || v->type == IPV6_RECVERR;
	case SOL_UDP:
		return v->type == 104; /* UDP_GRO */
	default:
		return false;
	}
}

static void control_in(struct sockmsg *m, struct host_msg *in)
{
	struct sockmsg view = {
		.control = in->control, .control_size = in->control_size};
	struct cmsg_view v;
	size_t pos = 0;
	int more;

	if (in->control_size > HOST_CONTROL_MAX)
		panic_host("%lu bytes of control messages", in->control_size);
	while ((more = socket_cmsg_next(&view, &pos, &v)) == 1)
		if (cmsg_may_enter(&v))
			socket_cmsg_put(m, v.level, v.type, v.data, v.size);
	if (more < 0)
		panic_host("malformed control message");
}

/* What a result says about what is left. A stream that gave less than it was
 * asked for is empty, other sockets and full results are told by more. */
static enum hostready_how recv_how(const struct inetsock *is,
	const struct sockmsg *m, size_t size, int64_t n, uint64_t more)
{
	if (m->flags & (MSG_OOB | MSG_ERRQUEUE))
		return HOSTREADY_KEEP;
	if (n == -EAGAIN)
		return HOSTREADY_DRY;
	if (m->flags & MSG_PEEK || n < 0)
		return HOSTREADY_KEEP;
	if (is_stream(is) && (size_t)n < size)
		return n == 0 ? HOSTREADY_KEEP : HOSTREADY_SHORT;
	return more ? HOSTREADY_MORE : HOSTREADY_DRY;
}

static int64_t recv_host(
	struct inetsock *is, struct sockmsg *m, struct host_msg *in)
{
	size_t size = u64_min(m->u.resid, HOSTCALL_BUF_MAX);
	uint64_t seen = hostready_begin(&is->post.ready), more = 0;
	uint32_t flags = m->flags & RECV_FLAGS;
	int64_t n;

	is->post.receiving++;
	if (in) {
		n = host_sock_recvmsg(is->post.fd, &m->u, size, flags, in);
		more = in->more;
	} else {
		n = host_sock_recv(is->post.fd, &m->u, size, flags, &more);
	}
	is->post.receiving--;
	netpost_received(&is->post, n);
	hostready_done(
		&is->post.ready, seen, POLLIN, recv_how(is, m, size, n, more));
	return n;
}

/* What was read along, and if there may be more and room for it, that, too:
 * who gets less than he asked for takes it that there is no more. */
static int64_t recv_once(
	struct inetsock *is, struct sockmsg *m, struct host_msg *in)
{
	struct netpost *np = &is->post;
	int64_t n, took = 0;

	if (!(m->flags & (MSG_OOB | MSG_ERRQUEUE)))
		took = netpost_take(np, &m->u, m->flags);
	n = took;
	if (took == 0) {
		n = recv_host(is, m, in);
		if (n == -EAGAIN && np->error && np->error != EPIPE)
			n = netpost_error(np);
	} else if (took > 0 && m->u.resid && !(m->flags & MSG_PEEK) &&
		np->ready.ready & POLLIN) {
		n = recv_host(is, m, in);
		if (n < 0 && n != -EAGAIN)
			np->error = (int)-n; /* the next one's */
		n = took + (n > 0 ? n : 0);
	}
	is->drained = n > 0 && netpost_ahead(np) == 0 &&
		hostready_none(&np->ready, POLLIN | POLLRDHUP);
	return n;
}

/*
 * Servers read until EAGAIN. If the last read took all there was, no event
 * has come and nothing else was done since but answering on this very socket,
 * the answer is known. Once only: who asks again wants to know better.
 */
static bool surely_dry(struct inetsock *is, const struct sockmsg *m)
{
	bool dry = is->drained && !is->over && !is->post.error && m->nonblock &&
		is_stream(is) && (m->flags & ~(uint32_t)MSG_DONTWAIT) == 0 &&
		hostready_none(&is->post.ready, POLLIN | POLLRDHUP) &&
		hostready_is_latest(&is->post.ready);

	is->drained = false;
	return dry;
}

static int64_t recv_wait(
	struct inetsock *is, struct sockmsg *m, struct host_msg *in)
{
	bool all = is_stream(is) && m->flags & MSG_WAITALL &&
		!(m->flags & MSG_PEEK);
	uint64_t deadline = NO_DEADLINE;
	int64_t n, done = 0;
	bool waited = false,
	     try = m->nonblock || m->flags & (MSG_OOB | MSG_ERRQUEUE) ||
		!hostready_none(&is->post.ready, POLLIN);

	for (;; try = true) {
		n = try ? recv_once(is, m, in) : -EAGAIN;
		if (n > 0)
			done += n;
		if (n > 0 && all && m->u.resid > 0)
			continue;
		if (n != -EAGAIN || m->nonblock ||
			m->flags & (MSG_OOB | MSG_ERRQUEUE))
			break;
		if (!waited)
			deadline = socket_recv_deadline(&is->sk);
		waited = is->answers = true;
		n = netpost_wait(&is->post, deadline);
		if (n) {
			n = socket_wait_error(
				&is->sk, (int)n, is->sk.recv_timeout);
			break;
		}
	}
	return done > 0 ? done : n;
}

static no_inline int64_t recv_full(struct inetsock *is, struct sockmsg *m)
{
	struct host_msg in;
	int64_t n;

	memset(&in, 0, sizeof(in));
	n = recv_wait(is, m, &in);
	if (n < 0)
		return n;
	m->out_flags = (uint32_t)in.flags & RECV_OUT_FLAGS;
	if (m->addr)
		addr_in(is, &in.addr, m->addr);
	control_in(m, &in);
	if ((m->flags & MSG_TRUNC) && !is_stream(is) &&
		in.full_size > (uint64_t)n && in.full_size <= INT32_MAX)
		return (int64_t)in.full_size;
	return n;
}

static int64_t recv(struct socket *s, struct sockmsg *m)
{
	struct inetsock *is = of(s);

	if (surely_dry(is, m))
		return -EAGAIN;
	/* A datagram's size does not tell whether there is another one. */
	if (!is_stream(is) || m->control ||
		m->flags & (MSG_TRUNC | MSG_ERRQUEUE))
		return recv_full(is, m);
	return recv_wait(is, m, NULL);
}

/* ---- the rest ---- */

static uint32_t poll(struct socket *s, struct poll_ctx *pc)
{
	struct netpost *np = &of(s)->post;

	return netpost_poll(np, hostready_poll(&np->ready, np->fd, pc));
}

/* Options by which it can be seen when something was read. */
static bool reads_matter(int name)
{
	return name == SO_RCVLOWAT || name == SO_OOBINLINE ||
		name == SO_TIMESTAMP_OLD || name == SO_TIMESTAMPNS_OLD ||
		name == SO_TIMESTAMPING_OLD;
}

static int setsockopt(
	struct socket *s, int level, int name, const void *value, size_t size)
{
	struct inetsock *is = of(s);
	size_t max = sockopt_host_size(level, name, true);

	if (max == 0)
		return -ENOPROTOOPT;
	if (level == SOL_SOCKET && name == SO_LINGER && size >= 8)
		is->abort = ((const int *)value)[0] && !((const int *)value)[1];
	else if (level == SOL_SOCKET && reads_matter(name))
		is->plain = is->post.ahead = false;
	return (int)host_sock_setopt(is->post.fd, (uint64_t)level,
		(uint64_t)name, value, u64_min(size, max));
}

static int getsockopt(
	struct socket *s, int level, int name, void *value, size_t *size)
{
	size_t max = sockopt_host_size(level, name, false);
	struct inetsock *is = of(s);
	int64_t n;
	int err;

	if (level == SOL_SOCKET && name == SO_ERROR) {
		err = socket_error(is);
		if (err < 0)
			err = -err;
		*size = u64_min(*size, sizeof(err));
		memcpy(value, &err, *size);
		return 0;
	}
	if (max == 0)
		return -ENOPROTOOPT;
	n = host_sock_getopt(is->post.fd, (uint64_t)level, (uint64_t)name,
		value, u64_min(*size, max));
	if (n < 0)
		return (int)n;
	*size = (size_t)n;
	return 0;
}

static int64_t ioctl_ifreq(struct inetsock *is, uint32_t cmd, uint64_t u_arg)
{
	struct host_ifreq in, out;
	int err = user_read(&in, u_arg, sizeof(in));

	if (err == 0)
		err = (int)host_sock_ifreq(is->post.fd, cmd, &in, &out);
	return err ? err : user_write(u_arg, &out, sizeof(out));
}

static int64_t ioctl_ifconf(struct inetsock *is, uint64_t u_arg)
{
	struct {
		int32_t size, pad;
		uint64_t reqs;
	} conf;
	uint8_t *reqs;
	int64_t n;
	int err = user_read(&conf, u_arg, sizeof(conf));

	if (err)
		return err;
	if (conf.size < 0)
		return -EINVAL;
	if (conf.size > HOST_IFCONF_MAX || conf.reqs == 0)
		conf.size = HOST_IFCONF_MAX;
	reqs = kmalloc(HOST_IFCONF_MAX);
	if (reqs == NULL)
		return -ENOMEM;
	n = host_sock_ifconf(is->post.fd, reqs, (uint64_t)conf.size);
	if (n >= 0 && conf.reqs)
		err = user_write(conf.reqs, reqs, (size_t)n);
	kfree(reqs);
	if (n < 0 || err)
		return n < 0 ? n : err;
	conf.size = (int32_t)n;
	return user_write(u_arg, &conf.size, sizeof(conf.size));
}

static int64_t ioctl(struct socket *s, uint32_t cmd, uint64_t u_arg)
{
	struct inetsock *is = of(s);
	int64_t n;
	int val;

	switch (cmd) {
	case FIONREAD:
	case TIOCOUTQ:
	case SIOCATMARK:
		val = (int)(cmd == FIONREAD       ? netpost_ahead(&is->post)
				: cmd == TIOCOUTQ ? netpost_unsent(&is->post)
						  : 0);
		n = host_sock_count(is->post.fd, cmd);
		if (cmd == SIOCATMARK && netpost_ahead(&is->post))
			n = 0; /* the mark is behind that */
		val += (int)n;
		return n < 0 ? n : user_write(u_arg, &val, sizeof(val));
	case SIOCGIFNAME:
	case SIOCGIFFLAGS:
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR:
	case SIOCGIFBRDADDR:
	case SIOCGIFNETMASK:
	case SIOCGIFMETRIC:
	case SIOCGIFMTU:
	case SIOCGIFHWADDR:
	case SIOCGIFINDEX:
	case SIOCGIFTXQLEN:
		return ioctl_ifreq(is, cmd, u_arg);
	case SIOCGIFCONF:
		return ioctl_ifconf(is, u_arg);
	default:
		return -ENOTTY;
	}
}

static const struct socket_ops inetsock_ops = {
	.name = "host",
	.bind = bind,
	.connect = connect,
	.listen = listen,
	.accept = accept,
	.send = send,
	.recv = recv,
	.getname = getname,
	.shutdown = shutdown,
	.setsockopt = setsockopt,
	.getsockopt = getsockopt,
	.poll = poll,
	.ioctl = ioctl,
	.release = release,
};

int inetsock_connect_unix(int type, const struct sockaddr_buf *addr,
	bool nonblock, struct socket **out)
{
	struct inetsock *is;
	int err = create(AF_UNIX, type, 0, &is);

	if (err)
		return err;
	err = connect(&is->sk, addr, nonblock);
	if (err) {
		file_put(is->sk.file);
		return err;
	}
	*out = &is->sk;
	return 0;
}
