/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers of sockets and readiness. Sockets are made non-blocking and are
 * registered edge-triggered in the same call that makes them.
 */
#define _GNU_SOURCE
#include "host/serve_net.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "host/serve.h"
#include "host/serve_syscall.h"
#include "lib/types.h"

static int epoll_fd = -1, kick_fd = -1, signal_fd = -1;
static uint64_t signals_pending; /* bit n: signal n */

static int watch(int fd, uint32_t events, uint64_t key)
{
	struct epoll_event ev = {.events = events, .data.u64 = key};

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int watch_edges(int fd, uint64_t key)
{
	return watch(
		fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET, key);
}

int serve_net_init(void)
{
	int err;

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	signal_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (epoll_fd < 0 || kick_fd < 0 || signal_fd < 0)
		return -errno;
	err = watch(kick_fd, EPOLLIN, HOST_KEY_KICK);
	return err ? err : watch(signal_fd, EPOLLIN, HOST_KEY_SIGNAL);
}

static void ring_bell(int fd)
{
	int saved = errno;

	(void)!write(fd, &(uint64_t){1}, sizeof(uint64_t));
	errno = saved;
}

void serve_net_kick(void)
{
	ring_bell(kick_fd);
}

void serve_net_signal(int signo)
{
	__atomic_fetch_or(
		&signals_pending, UINT64_C(1) << signo, __ATOMIC_RELEASE);
	ring_bell(signal_fd);
}

/* ---- readiness ---- */

static int wait_events(struct epoll_event *ev, int max, uint64_t timeout)
{
	struct timespec ts = {.tv_sec = (time_t)(timeout / 1000000000u),
		.tv_nsec = (long)(timeout % 1000000000u)};
	static bool no_pwait2;
	int n = -1;

	if (timeout == 0 || timeout == UINT64_MAX)
		return epoll_wait(epoll_fd, ev, max, timeout ? -1 : 0);
	if (!no_pwait2) {
		n = epoll_pwait2(epoll_fd, ev, max, &ts, NULL);
		if (n >= 0 || errno != ENOSYS)
			return n;
		no_pwait2 = true;
	}
	timeout = (timeout + 999999) / 1000000;
	return epoll_wait(epoll_fd, ev, max,
		timeout > INT32_MAX ? INT32_MAX : (int)timeout);
}

/* False: somebody else took it. */
static bool take_signal(uint64_t *signo)
{
	uint64_t rings, set;

	(void)!read(signal_fd, &rings, sizeof(rings));
	set = __atomic_load_n(&signals_pending, __ATOMIC_ACQUIRE);
	do {
		if (!set)
			return false;
		*signo = (uint64_t)__builtin_ctzll(set);
	} while (!__atomic_compare_exchange_n(&signals_pending, &set,
		set & (set - 1), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	if (set & (set - 1))
		ring_bell(signal_fd);
	return true;
}

int64_t serve_poll_wait(struct serve *s, const uint64_t *a)
{
	struct host_event *out = (struct host_event *)a[0];
	struct epoll_event ev[HOST_EVENTS_MAX];
	int max = (int)u64_min(a[1], HOST_EVENTS_MAX), n, count = 0;
	uint64_t kicks, signo;

	if (!out || max == 0)
		return -EINVAL;
	n = wait_events(ev, max, a[2]);
	if (n < 0) /* a tick: the kernel looks at its clock and comes back */
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		uint64_t key = ev[i].data.u64, events = ev[i].events;

		if (key == HOST_KEY_KICK) {
			(void)!read(kick_fd, &kicks, sizeof(kicks));
		} else if (key == HOST_KEY_SIGNAL) {
			if (!take_signal(&signo))
				continue;
			events = signo;
		}
		out[count].key = key;
		out[count++].events = events;
	}
	return count;
}

int64_t serve_ready_add(struct serve *s, const uint64_t *a)
{
	return watch_edges((int)a[0], a[1]);
}

int64_t serve_ready_poll(struct serve *s, const uint64_t *a)
{
	struct pollfd p = {.fd = (int)a[0], .events = (short)a[1]};
	int n;

	do
		n = poll(&p, 1, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (uint16_t)p.revents;
}

/* ---- sockets ---- */

static int64_t result(ssize_t n)
{
	return n < 0 ? -errno : n;
}

/* A new socket: registered, or closed again. */
static int64_t keep(int fd, uint64_t key)
{
	int err = watch_edges(fd, key);

	if (!err)
		return fd;
	close(fd);
	return err;
}

int64_t serve_sock_new(struct serve *s, const uint64_t *a)
{
	int fd = socket(
		(int)a[0], (int)a[1] | SOCK_NONBLOCK | SOCK_CLOEXEC, (int)a[2]);

	return fd < 0 ? -errno : keep(fd, a[3]);
}

int64_t serve_sock_accept(struct serve *s, const uint64_t *a)
{
	struct host_addr *peer = (struct host_addr *)a[2];
	socklen_t size = HOST_ADDR_MAX;
	int fd;

	if (!peer)
		return -EINVAL;
	do
		fd = accept4((int)a[0], (struct sockaddr *)peer->bytes, &size,
			SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return -errno;
	peer->size = u64_min(size, HOST_ADDR_MAX);
	return keep(fd, a[1]);
}

static const struct host_addr *addr_of(uint64_t a)
{
	const struct host_addr *addr = (const struct host_addr *)a;

	return addr && addr->size <= HOST_ADDR_MAX ? addr : NULL;
}

int64_t serve_sock_bind(struct serve *s, const uint64_t *a)
{
	const struct host_addr *addr = addr_of(a[1]);

	if (!addr)
		return -EINVAL;
	return result(bind((int)a[0], (const struct sockaddr *)addr->bytes,
		(socklen_t)addr->size));
}

int64_t serve_sock_connect(struct serve *s, const uint64_t *a)
{
	const struct host_addr *addr = addr_of(a[1]);
	int n;

	if (!addr)
		return -EINVAL;
	n = connect((int)a[0], (const struct sockaddr *)addr->bytes,
		(socklen_t)addr->size);
	/* Interrupted, a connect goes on by itself. */
	return n && errno == EINTR ? -EINPROGRESS : result(n);
}

int64_t serve_sock_listen(struct serve *s, const uint64_t *a)
{
	return result(listen((int)a[0], (int)a[1]));
}

int64_t serve_sock_shutdown(struct serve *s, const uint64_t *a)
{
	return result(shutdown((int)a[0], (int)a[1]));
}

int64_t serve_sock_name(struct serve *s, const uint64_t *a)
{
	struct host_addr *addr = (struct host_addr *)a[2];
	socklen_t size = HOST_ADDR_MAX;
	int n;

	if (!addr)
		return -EINVAL;
	n = (a[1] ? getpeername : getsockname)(
		(int)a[0], (struct sockaddr *)addr->bytes, &size);
	if (n)
		return -errno;
	addr->size = u64_min(size, HOST_ADDR_MAX);
	return 0;
}

enum { FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL };

int64_t serve_sock_send(struct serve *s, const uint64_t *a)
{
	return serve_syscall(SYS_sendto, a[0], a[1], a[2], a[3] | FLAGS, 0, 0);
}

/* Asked only when the result does not tell by itself. */
static uint64_t more_to_read(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return serve_syscall(SYS_poll, (uint64_t)&p, 1, 0, 0, 0, 0) != 0;
}

int64_t serve_sock_recv(struct serve *s, const uint64_t *a)
{
	uint64_t *more = (uint64_t *)a[4];
	int64_t n;

	if (!more)
		return -EINVAL;
	n = serve_syscall(SYS_recvfrom, a[0], a[1], a[2], a[3] | FLAGS, 0, 0);
	if (n < 0)
		return n;
	*more = (size_t)n == a[2] ? more_to_read((int)a[0]) : 0;
	return n;
}

int64_t serve_sock_sendmsg(struct serve *s, const uint64_t *a)
{
	struct host_msg *m = (struct host_msg *)a[4];
	struct iovec iov = {(void *)a[1], a[2]};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (!m || m->addr.size > HOST_ADDR_MAX ||
		m->control_size > HOST_CONTROL_MAX)
		return -EINVAL;
	if (m->addr.size) {
		h.msg_name = m->addr.bytes;
		h.msg_namelen = (socklen_t)m->addr.size;
	}
	if (m->control_size) {
		h.msg_control = m->control;
		h.msg_controllen = m->control_size;
	}
	do
		n = sendmsg((int)a[0], &h, (int)a[3] | FLAGS);
	while (n < 0 && errno == EINTR);
	return result(n);
}

int64_t serve_sock_recvmsg(struct serve *s, const uint64_t *a)
{
	struct host_msg *m = (struct host_msg *)a[4];
	struct iovec iov = {(void *)a[1], a[2]};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (!m)
		return -EINVAL;
	h.msg_name = m->addr.bytes;
	h.msg_namelen = HOST_ADDR_MAX;
	h.msg_control = m->control;
	h.msg_controllen = HOST_CONTROL_MAX;
	do
		n = recvmsg((int)a[0], &h, (int)a[3] | FLAGS);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	m->addr.size = u64_min(h.msg_namelen, HOST_ADDR_MAX);
	m->control_size = h.msg_controllen;
	m->flags = (uint32_t)h.msg_flags;
	m->full_size = (uint64_t)n;
	m->more = more_to_read((int)a[0]);
	return n > (ssize_t)a[2] ? (ssize_t)a[2] : n;
}

int64_t serve_sock_setopt(struct serve *s, const uint64_t *a)
{
	return result(setsockopt((int)a[0], (int)a[1], (int)a[2],
		(const void *)a[3], (socklen_t)a[4]));
}

int64_t serve_sock_getopt(struct serve *s, const uint64_t *a)
{
	socklen_t size = (socklen_t)a[4];

	if (getsockopt((int)a[0], (int)a[1], (int)a[2], (void *)a[3], &size))
		return -errno;
	return size;
}

int64_t serve_sock_count(struct serve *s, const uint64_t *a)
{
	int val = 0;

	return ioctl((int)a[0], a[1], &val) ? -errno : val;
}

int64_t serve_sock_ifreq(struct serve *s, const uint64_t *a)
{
	_Static_assert(sizeof(struct ifreq) == sizeof(struct host_ifreq), "");

	if (!a[2] || !a[3])
		return -EINVAL;
	memcpy((void *)a[3], (const void *)a[2], sizeof(struct ifreq));
	return result(ioctl((int)a[0], a[1], (void *)a[3]));
}

int64_t serve_sock_ifconf(struct serve *s, const uint64_t *a)
{
	struct ifconf conf = {.ifc_len = (int)a[2], .ifc_buf = (char *)a[1]};

	return ioctl((int)a[0], SIOCGIFCONF, &conf) ? -errno : conf.ifc_len;
}
