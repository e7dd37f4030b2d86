/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls on sockets: reading addresses, message headers and option
 * values of the application, and writing results back. What a call means is
 * the family's business (socket.h).
 */
#include <asm/fcntl.h>
#include <asm/signal.h>
#include <asm/socket.h>
#include <linux/errno.h>

#include "kernel/file.h"
#include "kernel/kalloc.h"
#include "kernel/signal.h"
#include "kernel/sockopt.h"
#include "kernel/socket.h"
#include "kernel/sys.h"
#include "kernel/time.h"
#include "kernel/thread.h"
#include "kernel/uaccess.h"
#include "kernel/usertime.h"
#include "lib/string.h"
#include "lib/types.h"

/* struct msghdr and struct mmsghdr of the system-call interface. */
struct user_msghdr {
	uint64_t name;
	uint32_t name_size, pad0;
	uint64_t iov, iov_count;
	uint64_t control, control_size;
	uint32_t flags, pad1;
};
static_assert_size(struct user_msghdr, 56);

struct user_mmsghdr {
	struct user_msghdr head;
	uint32_t size, pad;
};
static_assert_size(struct user_mmsghdr, 64);

enum { MMSG_MAX = 1024, CONTROL_STACK = 256 };

static bool is_nonblock(const struct socket *s)
{
	return s->file->flags & O_NONBLOCK;
}

/* Installs a fresh socket; takes it over also when that fails. */
static int install(struct socket *s, uint32_t flags)
{
	s->file->flags |= flags & SOCK_NONBLOCK;
	return fd_install_new(s->file, flags & SOCK_CLOEXEC);
}

static int addr_read(
	struct sockaddr_buf *addr, uint64_t u_addr, uint64_t u_size)
{
	int size = (int)u_size;

	if (size < 0 || size > SOCKADDR_MAX)
		return -EINVAL;
	memset(addr, 0, sizeof(*addr));
	addr->size = (size_t)size;
	return user_read(addr->bytes, u_addr, addr->size);
}

/* The address and its true length, cut to the room at u_size. */
static int addr_write(
	const struct sockaddr_buf *addr, uint64_t u_addr, uint64_t u_size)
{
	uint32_t room, size = (uint32_t)addr->size;
	int err = user_read(&room, u_size, sizeof(room));

	if (err)
		return err;
	if ((int)room < 0)
		return -EINVAL;
	err = user_write(u_addr, addr->bytes, u64_min(room, size));
	return err ? err : user_write(u_size, &size, sizeof(size));
}

/* ---- making and connecting ---- */

/* SOCK_* flags apart from the type. */
static int split_type(uint64_t u_type, int *type, uint32_t *flags)
{
	*flags = (uint32_t)u_type & ~0xfu;
	*type = (int)(u_type & 0xf);
	return *flags & ~(uint32_t)(SOCK_NONBLOCK | SOCK_CLOEXEC) ? -EINVAL : 0;
}

static int socket_create(int family, int type, int protocol, struct socket **s)
{
	switch (family) {
	case AF_UNIX:
		return unixsock_new(type, protocol, s);
	case AF_INET:
	case AF_INET6:
	case AF_NETLINK:
		return inetsock_new(family, type, protocol, s);
	default:
		return -EAFNOSUPPORT;
	}
}

int64_t sys_socket(const uint64_t *a)
{
	struct socket *s;
	uint32_t flags;
	int type, err = split_type(a[1], &type, &flags);

	if (err == 0)
		err = socket_create((int)a[0], type, (int)a[2], &s);
	return err ? err : install(s, flags);
}

int64_t sys_socketpair(const uint64_t *a)
{
	struct socket *s[2];
	uint32_t flags;
	int type, err = split_type(a[1], &type, &flags);

	if (err)
		return err;
	if ((int)a[0] != AF_UNIX)
		return (int)a[0] == AF_INET || (int)a[0] == AF_INET6
			? -EOPNOTSUPP
			: -EAFNOSUPPORT;
	err = unixsock_pair(type, (int)a[2], s);
	if (err)
		return err;
	s[0]->file->flags |= flags & SOCK_NONBLOCK;
	s[1]->file->flags |= flags & SOCK_NONBLOCK;
	return fd_install_pair(
		s[0]->file, s[1]->file, flags & SOCK_CLOEXEC, a[3]);
}

int64_t sys_bind(struct socket *s, const uint64_t *a)
{
	struct sockaddr_buf addr;
	int err = addr_read(&addr, a[1], a[2]);

	if (err)
		return err;
	return s->ops->bind ? s->ops->bind(s, &addr) : -EOPNOTSUPP;
}

int64_t sys_listen(struct socket *s, const uint64_t *a)
{
	int u_backlog = (int)a[1];

	if (u_backlog < 0 || u_backlog > SOCK_BACKLOG_MAX)
		u_backlog = SOCK_BACKLOG_MAX;
	return s->ops->listen ? s->ops->listen(s, u_backlog) : -EOPNOTSUPP;
}

int64_t sys_connect(struct socket *s, const uint64_t *a)
{
	struct sockaddr_buf addr;
	int err = addr_read(&addr, a[1], a[2]);

	if (err)
		return err;
	if (addr.size < sizeof(addr.family))
		return -EINVAL;
	return s->ops->connect(s, &addr, is_nonblock(s));
}

static int64_t do_accept(
	struct socket *s, uint64_t u_addr, uint64_t u_size, uint32_t u_flags)
{
	struct sockaddr_buf peer = {.size = 0};
	struct socket *new;
	int err;

	if (u_flags & ~(uint32_t)(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	if (!s->ops->accept)
		return -EOPNOTSUPP;
	err = s->ops->accept(s, is_nonblock(s), &new, &peer);
	if (err)
		return err;
	err = u_addr ? addr_write(&peer, u_addr, u_size) : 0;
	if (err) {
		file_put(new->file);
		return err;
	}
	return install(new, u_flags);
}

int64_t sys_accept(struct socket *s, const uint64_t *a)
{
	return do_accept(s, a[1], a[2], 0);
}

int64_t sys_accept4(struct socket *s, const uint64_t *a)
{
	return do_accept(s, a[1], a[2], (uint32_t)a[3]);
}

int64_t sys_shutdown(struct socket *s, const uint64_t *a)
{
	int u_how = (int)a[1];

	if (u_how < SHUT_RD || u_how > SHUT_RDWR)
		return -EINVAL;
	return s->ops->shutdown(s, u_how);
}

static int64_t get_name(struct socket *s, const uint64_t *a, bool peer)
{
	struct sockaddr_buf addr = {.size = 0};
	int err = s->ops->getname(s, peer, &addr);

	return err ? err : addr_write(&addr, a[1], a[2]);
}

int64_t sys_getsockname(struct socket *s, const uint64_t *a)
{
	return get_name(s, a, false);
}

int64_t sys_getpeername(struct socket *s, const uint64_t *a)
{
	return get_name(s, a, true);
}

/* ---- data ---- */

static int64_t do_send(struct socket *s, struct sockmsg *m, uint32_t u_flags)
{
	int64_t n;

	m->flags = u_flags;
	m->nonblock = u_flags & MSG_DONTWAIT || is_nonblock(s);
	n = s->ops->send(s, m);
	if (n == -EPIPE && !(u_flags & MSG_NOSIGNAL) && s->type == SOCK_STREAM)
		signal_raise(current, SIGPIPE);
	return n;
}

static int64_t do_recv(struct socket *s, struct sockmsg *m, uint32_t u_flags)
{
	m->flags = u_flags;
	m->nonblock = u_flags & MSG_DONTWAIT || is_nonblock(s);
	return s->ops->recv(s, m);
}

int64_t sys_sendto(struct socket *s, const uint64_t *a)
{
	struct sockaddr_buf addr;
	struct sockmsg m = {.addr = NULL};
	int64_t n = uio_init_user(&m.u, a[1], a[2]);

	if (n == 0 && a[4]) {
		m.addr = &addr;
		n = addr_read(&addr, a[4], a[5]);
	}
	return n ? n : do_send(s, &m, (uint32_t)a[3]);
}

int64_t sys_recvfrom(struct socket *s, const uint64_t *a)
{
	struct sockaddr_buf addr;
	struct sockmsg m = {.addr = NULL};
	int64_t n = uio_init_user(&m.u, a[1], a[2]);
	int err;

	if (n)
		return n;
	if (a[4]) {
		addr.size = 0;
		m.addr = &addr;
	}
	n = do_recv(s, &m, (uint32_t)a[3]);
	if (n < 0 || !a[4])
		return n;
	err = addr_write(&addr, a[4], a[5]);
	return err ? err : n;
}

/* A message of the application, decoded: address, segments, control. */
struct message {
	struct user_msghdr head;
	struct sockaddr_buf addr;
	struct sockmsg m;
	struct uio_seg *seg;
	uint8_t *control; /* kmalloc'ed or NULL */
	uint64_t stack[CONTROL_STACK / 8];
};

static void message_fini(struct message *msg)
{
	kfree(msg->seg);
	kfree(msg->control);
}

static int message_control(struct message *msg)
{
	size_t size = msg->head.control_size;

	if (size == 0 || msg->head.control == 0)
		return 0;
	msg->m.control = (uint8_t *)msg->stack;
	if (size > CONTROL_STACK) {
		msg->control = kmalloc(size);
		if (msg->control == NULL)
			return -ENOMEM;
		msg->m.control = msg->control;
	}
	return 0;
}

static int message_init(struct message *msg, uint64_t u_msg, bool send)
{
	struct user_msghdr *h = &msg->head;
	int err;

	msg->seg = NULL;
	msg->control = NULL;
	memset(&msg->m, 0, sizeof(msg->m));
	err = user_read(h, u_msg, sizeof(*h));
	if (err)
		return err;
	if ((int)h->name_size < 0)
		return -EINVAL;
	if (h->iov_count > UIO_IOV_MAX)
		return -EMSGSIZE;
	if (send && h->control_size > SOCK_CONTROL_MAX)
		return -ENOBUFS;
	if (!send)
		h->control_size = u64_min(h->control_size, SOCK_CONTROL_MAX);
	err = uio_init_iov(&msg->m.u, h->iov, h->iov_count, &msg->seg);
	if (err)
		return err;
	err = message_control(msg);
	if (err == 0 && h->name) {
		msg->addr.size = 0;
		msg->m.addr = &msg->addr;
		if (send && h->name_size > 0)
			err = addr_read(&msg->addr, h->name,
				u64_min(h->name_size, SOCKADDR_MAX));
		else if (send)
			msg->m.addr = NULL;
	}
	if (err == 0 && msg->m.control && send) {
		msg->m.control_size = h->control_size;
		err = user_read(msg->m.control, h->control, h->control_size);
	} else if (err == 0 && msg->m.control) {
		msg->m.control_room = h->control_size;
	}
	if (err)
		message_fini(msg);
	return err;
}

/* Results of a recvmsg into the header of the application. */
static int message_results(
	struct message *msg, uint64_t u_msg, uint32_t u_flags)
{
	const struct user_msghdr *h = &msg->head;
	uint32_t size = (uint32_t)msg->addr.size;
	uint64_t control_size = msg->m.control_size;
	uint32_t flags = msg->m.out_flags | (u_flags & MSG_CMSG_CLOEXEC);
	int err = 0;

	if (h->name) {
		err = user_write(
			h->name, msg->addr.bytes, u64_min(size, h->name_size));
		if (err == 0)
			err = user_write(
				u_msg + offsetof(struct user_msghdr, name_size),
				&size, sizeof(size));
	}
	if (err == 0 && control_size)
		err = user_write(h->control, msg->m.control, control_size);
	if (err == 0)
		err = user_write(
			u_msg + offsetof(struct user_msghdr, control_size),
			&control_size, sizeof(control_size));
	if (err == 0)
		err = user_write(u_msg + offsetof(struct user_msghdr, flags),
			&flags, sizeof(flags));
	return err;
}

static no_inline int64_t send_one(
	struct socket *s, uint64_t u_msg, uint32_t u_flags)
{
	struct message msg;
	int64_t n = message_init(&msg, u_msg, true);

	if (n)
		return n;
	n = do_send(s, &msg.m, u_flags);
	message_fini(&msg);
	return n;
}

static no_inline int64_t recv_one(
	struct socket *s, uint64_t u_msg, uint32_t u_flags)
{
	struct message msg;
	int64_t n = message_init(&msg, u_msg, false);
	int err;

	if (n)
		return n;
	n = do_recv(s, &msg.m, u_flags);
	if (n >= 0) {
		err = message_results(&msg, u_msg, u_flags);
		if (err)
			n = err;
	}
	message_fini(&msg);
	return n;
}

/* One of several, which also says how much it was. */
static int64_t one_of_many(struct socket *s, uint64_t u_msg, uint32_t u_flags,
	int64_t (*one)(struct socket *s, uint64_t u_msg, uint32_t u_flags))
{
	int64_t n = one(s, u_msg, u_flags);
	uint32_t size = (uint32_t)n;

	return n < 0 ? n
		     : user_write(u_msg + offsetof(struct user_mmsghdr, size),
			       &size, sizeof(size));
}

int64_t sys_sendmsg(struct socket *s, const uint64_t *a)
{
	return send_one(s, a[1], (uint32_t)a[2]);
}

int64_t sys_recvmsg(struct socket *s, const uint64_t *a)
{
	return recv_one(s, a[1], (uint32_t)a[2]);
}

int64_t sys_sendmmsg(struct socket *s, const uint64_t *a)
{
	uint64_t u_count = u64_min((uint32_t)a[2], MMSG_MAX), i;
	int64_t n = 0;

	for (i = 0; i < u_count; i++) {
		uint64_t u_msg = a[1] + i * sizeof(struct user_mmsghdr);

		n = one_of_many(s, u_msg, (uint32_t)a[3], send_one);
		if (n < 0)
			break;
	}
	return i > 0 ? (int64_t)i : n;
}

int64_t sys_recvmmsg(struct socket *s, const uint64_t *a)
{
	uint64_t u_count = u64_min((uint32_t)a[2], MMSG_MAX), i;
	uint32_t u_flags = (uint32_t)a[3];
	uint64_t start = time_mono_ns(), timeout = NO_DEADLINE;
	int64_t n = 0;

	if (a[4])
		n = usertime_read(a[4], &timeout);
	if (n)
		return n;
	for (i = 0; i < u_count; i++) {
		uint64_t u_msg = a[1] + i * sizeof(struct user_mmsghdr);

		n = one_of_many(s, u_msg, u_flags & ~(uint32_t)MSG_WAITFORONE,
			recv_one);
		if (n < 0)
			break;
		if (u_flags & MSG_WAITFORONE)
			u_flags |= MSG_DONTWAIT;
		if (time_mono_ns() - start >= timeout) {
			i++;
			break;
		}
	}
	return i > 0 ? (int64_t)i : n;
}

/* ---- options ---- */

int64_t sys_setsockopt(struct socket *s, const uint64_t *a)
{
	uint8_t value[SOCKOPT_STACK];
	size_t size = u64_min((uint32_t)a[4], sizeof(value));

	if ((int)a[4] < 0)
		return -EINVAL;
	if (user_read(value, a[3], size))
		return -EFAULT;
	return sockopt_set(s, (int)a[1], (int)a[2], value, size);
}

int64_t sys_getsockopt(struct socket *s, const uint64_t *a)
{
	uint8_t value[SOCKOPT_STACK] = {0};
	uint32_t u_size;
	size_t size;
	int err = user_read(&u_size, a[4], sizeof(u_size));

	if (err)
		return err;
	if ((int)u_size < 0)
		return -EINVAL;
	size = u64_min(u_size, sizeof(value));
	err = sockopt_get(s, (int)a[1], (int)a[2], value, &size);
	if (err == 0)
		err = user_write(a[3], value, size);
	u_size = (uint32_t)size;
	return err ? err : user_write(a[4], &u_size, sizeof(u_size));
}
