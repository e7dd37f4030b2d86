/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_UNIX inside, and TCP and UDP through the launcher's own handlers over
 * the machine's loopback interface.
 */
#include "test/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <ucontext.h>

#include "host/serve_net.h"
#include "kernel/file.h"
#include "kernel/process.h"
#include "kernel/sys.h"
#include "kernel/uio.h"
#include "test/unit/wait_env.h"

void inetsock_allow(bool on); /* kernel/socket.h clashes with libc */

static char x[] = "x";

struct cred {
	int pid;
	unsigned uid, gid;
};

static int setup(void **state)
{
	static bool started;

	if (!started)
		assert_int_equal(serve_net_init(), 0);
	started = true;
	wait_env_init();
	wait_env_host = false;
	return 0;
}

static int setup_host(void **state)
{
	setup(state);
	wait_env_host = true;
	inetsock_allow(true);
	return 0;
}

static int teardown(void **state)
{
	for (int fd = 0; fd < 64; fd++)
		fd_close(fd);
	return wait_env_fini() ? 0 : -1;
}

static int64_t xsend(int fd, const void *p, size_t n, int flags)
{
	return CALL(sendto, (uint64_t)fd, P(p), n, (uint64_t)flags, 0, 0);
}

static int64_t xrecv(int fd, void *p, size_t n, int flags)
{
	return CALL(recvfrom, (uint64_t)fd, P(p), n, (uint64_t)flags, 0, 0);
}

static int64_t opt(int fd, int name, int value)
{
	return CALL(setsockopt, (uint64_t)fd, SOL_SOCKET, (uint64_t)name,
		P(&value), sizeof(value));
}

/* ---- AF_UNIX ---- */

static void pair(int type, int fds[2])
{
	assert_int_equal(
		CALL(socketpair, AF_UNIX, (uint64_t)type, 0, P(fds)), 0);
}

static void test_pair_stream(void **state)
{
	char buf[64] = {0};
	int s[2], n;

	pair(SOCK_STREAM | SOCK_NONBLOCK, s);
	assert_int_equal(xrecv(s[0], buf, 10, 0), -EAGAIN);
	assert_int_equal(xsend(s[0], "abc", 3, 0), 3);
	assert_int_equal(xsend(s[0], "defgh", 5, 0), 5);
	assert_int_equal(CALL(ioctl, (uint64_t)s[1], FIONREAD, P(&n)), 0);
	assert_int_equal(n, 8);
	assert_int_equal(xrecv(s[1], buf, 4, MSG_PEEK), 4);
	assert_memory_equal(buf, "abcd", 4);
	assert_int_equal(xrecv(s[1], buf, 64, 0), 8);
	assert_string_equal(buf, "abcdefgh");
	assert_int_equal(CALL(shutdown, (uint64_t)s[0], SHUT_WR), 0);
	assert_int_equal(xrecv(s[1], buf, 64, 0), 0);
	assert_int_equal(xsend(s[0], "x", 1, 0), -EPIPE);
	assert_int_equal(wait_env_sigpipes, 1);
	assert_int_equal(xsend(s[0], "x", 1, MSG_NOSIGNAL), -EPIPE);
	assert_int_equal(wait_env_sigpipes, 1);
	assert_int_equal(xsend(s[1], "y", 1, 0), 1);
	fd_close(s[0]);
	assert_int_equal(xsend(s[1], "y", 1, MSG_NOSIGNAL), -EPIPE);
	/* the peer left with unread data */
	assert_int_equal(xrecv(s[1], buf, 1, 0), -ECONNRESET);
	assert_int_equal(xrecv(s[1], buf, 1, 0), 0);
}

static void test_pair_packets(void **state)
{
	char buf[64] = {0};
	int s[2];

	pair(SOCK_SEQPACKET | SOCK_NONBLOCK, s);
	assert_int_equal(xsend(s[0], "abc", 3, 0), 3);
	assert_int_equal(xsend(s[0], "", 0, 0), 0);
	assert_int_equal(xsend(s[0], "defgh", 5, 0), 5);
	assert_int_equal(xrecv(s[1], buf, 64, 0), 3);
	assert_int_equal(xrecv(s[1], buf, 64, 0), 0);
	assert_int_equal(xrecv(s[1], buf, 2, MSG_TRUNC), 5);
	assert_int_equal(xrecv(s[1], buf, 2, 0), -EAGAIN);
	fd_close(s[0]);
	assert_int_equal(xrecv(s[1], buf, 2, 0), 0);
}

static int stream[2];
static void send_much(void *arg)
{
	char *data = malloc(3 << 20);

	for (size_t i = 0; i < 3 << 20; i++)
		data[i] = (char)(i * 5 >> 4);
	assert_int_equal(xsend(stream[0], data, 3 << 20, 0), 3 << 20);
	fd_close(stream[0]);
	free(data);
}

static void check_much(int fd)
{
	static char buf[50000];
	size_t got = 0;
	int64_t n;

	while ((n = xrecv(fd, buf, sizeof(buf), 0)) > 0)
		for (int64_t i = 0; i < n; i++, got++)
			if (buf[i] != (char)(got * 5 >> 4))
				fail_msg("byte %zu differs", got);
	assert_int_equal(n, 0);
	assert_int_equal(got, 3 << 20);
}

static void test_pair_blocking(void **state)
{
	pair(SOCK_STREAM, stream);
	wait_env_thread(send_much, NULL);
	check_much(stream[1]);
}

static socklen_t abstract(struct sockaddr_un *sun, const char *name)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	strcpy(sun->sun_path + 1, name);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
		strlen(name));
}

static int client_fd;
static void unix_client(void *arg)
{
	struct sockaddr_un sun;
	socklen_t size = abstract(&sun, "server");

	client_fd = (int)CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(CALL(connect, (uint64_t)client_fd, P(&sun), size), 0);
	assert_int_equal(xsend(client_fd, "hi", 2, 0), 2);
}

static void test_unix_listen(void **state)
{
	struct sockaddr_un sun, name;
	socklen_t size = abstract(&sun, "server"), len;
	int l = (int)CALL(socket, AF_UNIX, SOCK_STREAM, 0), c;
	struct pollfd p = {.fd = l, .events = POLLIN};
	struct cred cred;
	char buf[8];

	assert_int_equal(CALL(listen, (uint64_t)l, 5), -EINVAL);
	assert_int_equal(CALL(bind, (uint64_t)l, P(&sun), size), 0);
	c = (int)CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(CALL(bind, (uint64_t)c, P(&sun), size), -EADDRINUSE);
	assert_int_equal(
		CALL(connect, (uint64_t)c, P(&sun), size), -ECONNREFUSED);
	fd_close(c);
	assert_int_equal(CALL(listen, (uint64_t)l, 5), 0);
	assert_int_equal(CALL(poll, P(&p), 1, 0), 0);
	wait_env_thread(unix_client, NULL);
	assert_int_equal(CALL(poll, P(&p), 1, UINT64_MAX), 1);
	len = sizeof(name);
	c = (int)CALL(accept, (uint64_t)l, P(&name), P(&len));
	assert_true(c >= 0);
	assert_int_equal(len, 2);
	assert_int_equal(xrecv(c, buf, 8, 0), 2);
	len = sizeof(name);
	assert_int_equal(
		CALL(getpeername, (uint64_t)client_fd, P(&name), P(&len)), 0);
	assert_int_equal(len, size);
	assert_memory_equal(&name, &sun, size);
	len = sizeof(cred);
	assert_int_equal(CALL(getsockopt, (uint64_t)c, SOL_SOCKET, SO_PEERCRED,
				 P(&cred), P(&len)),
		0);
	assert_int_equal(cred.pid, env_process.pid);
	fd_close(client_fd);
	assert_int_equal(xrecv(c, buf, 8, 0), 0);
	fd_close(l);
	c = (int)CALL(socket, AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(
		CALL(connect, (uint64_t)c, P(&sun), size), -ECONNREFUSED);
}

static void test_unix_dgram(void **state)
{
	struct sockaddr_un sa, sb, from;
	socklen_t la = abstract(&sa, "a"), lb = abstract(&sb, "b"), len;
	int a = (int)CALL(socket, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	int b = (int)CALL(socket, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	char buf[16];

	CALL(bind, (uint64_t)a, P(&sa), la);
	CALL(bind, (uint64_t)b, P(&sb), lb);
	assert_int_equal(xsend(a, "x", 1, 0), -ENOTCONN);
	assert_int_equal(
		CALL(sendto, (uint64_t)a, P("one"), 3, 0, P(&sb), lb), 3);
	len = sizeof(from);
	assert_int_equal(
		CALL(recvfrom, (uint64_t)b, P(buf), 16, 0, P(&from), P(&len)),
		3);
	assert_int_equal(len, la);
	assert_memory_equal(&from, &sa, la);
	assert_int_equal(CALL(connect, (uint64_t)b, P(&sa), la), 0);
	assert_int_equal(xsend(b, "two", 3, 0), 3);
	assert_int_equal(xrecv(a, buf, 2, 0), 2);
	assert_int_equal(xrecv(a, buf, 2, 0), -EAGAIN);
	fd_close(a);
	assert_int_equal(xsend(b, "two", 3, 0), -ECONNREFUSED);
	assert_int_equal(CALL(sendto, (uint64_t)b, P("x"), 1, 0, P(&sa), la),
		-ECONNREFUSED);
}

/* A descriptor travels, alive although its sender closed it. */
static void test_scm_rights(void **state)
{
	int s[2], pipe_fds[2], got[2] = {-1, -1};
	struct iovec iov = {x, 1};
	struct {
		struct cmsghdr h;
		int fds[2];
	} c = {{sizeof(c), SOL_SOCKET, SCM_RIGHTS}, {0, 0}};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &c,
		.msg_controllen = sizeof(c)};
	char buf[4];

	pair(SOCK_STREAM | SOCK_NONBLOCK, s);
	assert_int_equal(CALL(pipe2, P(pipe_fds)), 0);
	memcpy(c.fds, pipe_fds, sizeof(pipe_fds));
	assert_int_equal(xsend(s[0], "a", 1, 0), 1);
	assert_int_equal(CALL(sendmsg, (uint64_t)s[0], P(&m), 0), 1);
	assert_int_equal(xsend(s[0], "b", 1, 0), 1);
	fd_close(pipe_fds[0]);
	fd_close(pipe_fds[1]);
	/* data before it comes alone */
	iov = (struct iovec){buf, 4};
	m.msg_controllen = sizeof(c);
	assert_int_equal(CALL(recvmsg, (uint64_t)s[1], P(&m), 0), 1);
	assert_int_equal(m.msg_controllen, 0);
	m.msg_controllen = sizeof(c);
	memset(&c, 0, sizeof(c));
	assert_int_equal(CALL(recvmsg, (uint64_t)s[1], P(&m), 0), 1);
	assert_int_equal(buf[0], 'x');
	assert_int_equal(c.h.cmsg_type, SCM_RIGHTS);
	assert_int_equal(m.msg_controllen, sizeof(c));
	memcpy(got, c.fds, sizeof(got));
	assert_int_equal(CALL(write, (uint64_t)got[1], P("data"), 4), 4);
	assert_int_equal(CALL(read, (uint64_t)got[0], P(buf), 4), 4);
	assert_memory_equal(buf, "data", 4);
	assert_int_equal(xrecv(s[1], buf, 4, 0), 1);
	/* a bad descriptor, a malformed length */
	c.h = (struct cmsghdr){sizeof(c), SOL_SOCKET, SCM_RIGHTS};
	c.fds[0] = 999;
	iov = (struct iovec){x, 1};
	m.msg_controllen = sizeof(c);
	assert_int_equal(CALL(sendmsg, (uint64_t)s[0], P(&m), 0), -EBADF);
	c.h.cmsg_len = sizeof(c) + 1;
	assert_int_equal(CALL(sendmsg, (uint64_t)s[0], P(&m), 0), -EINVAL);
}

/*
 * Sockets in messages of sockets in messages: closing the first frees all of
 * them, on a stack of 16 KiB.
 */
static char small_stack[16384] __attribute__((aligned(16)));
static ucontext_t chain_context, main_context;
static int chain_head;

static void close_chain(void)
{
	fd_close(chain_head);
}

static void test_scm_chain(void **state)
{
	int s[2], next[2];
	struct iovec iov = {x, 1};
	struct {
		struct cmsghdr h;
		int fds[2];
	} c = {.h = {20, SOL_SOCKET, SCM_RIGHTS}};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &c,
		.msg_controllen = 20};

	(void)state;
	pair(SOCK_DGRAM, s);
	for (int i = 0; i < 1000; i++) {
		/* s[1], whose queue is the chain so far, into next's queue */
		pair(SOCK_DGRAM, next);
		c.fds[0] = s[1];
		assert_int_equal(CALL(sendmsg, (uint64_t)next[0], P(&m), 0), 1);
		fd_close(s[0]);
		fd_close(s[1]);
		s[0] = next[0];
		s[1] = next[1];
	}
	fd_close(s[0]);
	chain_head = s[1];
	getcontext(&chain_context);
	chain_context.uc_stack.ss_sp = small_stack;
	chain_context.uc_stack.ss_size = sizeof(small_stack);
	chain_context.uc_link = &main_context;
	makecontext(&chain_context, close_chain, 0);
	swapcontext(&main_context, &chain_context);
}

/* No room for the descriptors: they are closed, the reader is told. */
static void test_scm_truncated(void **state)
{
	int s[2], p[2];
	char buf[4];
	struct iovec iov = {x, 1};
	struct {
		struct cmsghdr h;
		int fds[2];
	} c;
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &c,
		.msg_controllen = 20};

	pair(SOCK_DGRAM | SOCK_NONBLOCK, s);
	assert_int_equal(CALL(pipe2, P(p), O_NONBLOCK), 0);
	c.h = (struct cmsghdr){20, SOL_SOCKET, SCM_RIGHTS};
	c.fds[0] = p[0];
	assert_int_equal(CALL(sendmsg, (uint64_t)s[0], P(&m), 0), 1);
	fd_close(p[0]);
	iov = (struct iovec){buf, 4};
	m.msg_controllen = 16;
	assert_int_equal(CALL(recvmsg, (uint64_t)s[1], P(&m), 0), 1);
	assert_int_equal(m.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
	assert_int_equal(CALL(write, (uint64_t)p[1], P("x"), 1), -EPIPE);
}

static void test_pass_cred(void **state)
{
	int s[2];
	char buf[4];
	struct iovec iov = {buf, 4};
	struct {
		struct cmsghdr h;
		struct cred cred;
	} c;
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &c,
		.msg_controllen = sizeof(c)};

	pair(SOCK_STREAM | SOCK_NONBLOCK, s);
	assert_int_equal(opt(s[1], SO_PASSCRED, 1), 0);
	assert_int_equal(xsend(s[0], "ab", 2, 0), 2);
	assert_int_equal(CALL(recvmsg, (uint64_t)s[1], P(&m), 0), 2);
	assert_int_equal(c.h.cmsg_type, SCM_CREDENTIALS);
	assert_int_equal(c.cred.pid, env_process.pid);
}

/* ---- through the host ---- */

static struct sockaddr_in listener_addr;

static int tcp_listener(void)
{
	socklen_t len = sizeof(listener_addr);
	int l = (int)CALL(socket, AF_INET, SOCK_STREAM, 0);

	assert_true(l >= 0);
	listener_addr = (struct sockaddr_in){.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(CALL(bind, (uint64_t)l, P(&listener_addr), len), 0);
	assert_int_equal(CALL(listen, (uint64_t)l, 16), 0);
	assert_int_equal(
		CALL(getsockname, (uint64_t)l, P(&listener_addr), P(&len)), 0);
	assert_int_equal(len, sizeof(listener_addr));
	return l;
}

static int tcp_connect(int flags)
{
	int c = (int)CALL(socket, AF_INET, (uint64_t)(SOCK_STREAM | flags), 0);
	int64_t err = CALL(
		connect, (uint64_t)c, P(&listener_addr), sizeof(listener_addr));

	if (err != -EINPROGRESS)
		assert_int_equal(err, 0);
	return c;
}

static void tcp_client(void *arg)
{
	stream[0] = tcp_connect(0);
	send_much(NULL);
}

/* network: false of the manifest */
static void test_no_network(void **state)
{
	static const int families[] = {AF_INET, AF_INET6, AF_NETLINK};

	(void)state;
	inetsock_allow(false);
	/* Process 1 needs it to reach CAS, whatever programs may. */
	assert_true(CALL(socket, AF_INET, SOCK_DGRAM, 0) >= 0);
	init_process = NULL;
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			CALL(socket, families[i], SOCK_DGRAM, 0), -EACCES);
	init_process = &env_process;
	inetsock_allow(true);
	assert_true(CALL(socket, AF_INET, SOCK_DGRAM, 0) >= 0);
}

static void test_tcp_stream(void **state)
{
	int l = tcp_listener(), c;
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);

	wait_env_thread(tcp_client, NULL);
	c = (int)CALL(accept4, (uint64_t)l, P(&peer), P(&len), SOCK_CLOEXEC);
	assert_true(c >= 0);
	assert_int_equal(peer.sin_family, AF_INET);
	assert_int_equal(peer.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	check_much(c);
	assert_int_equal(wait_env_stuck, false);
}

static void echo_server(void *arg)
{
	int l = *(int *)arg, c = (int)CALL(accept, (uint64_t)l, 0, 0);
	char buf[100];
	int64_t n;

	while ((n = xrecv(c, buf, sizeof(buf), 0)) > 0)
		assert_int_equal(xsend(c, buf, (size_t)n, 0), n);
	fd_close(c);
}

/* Readiness that is wrong after a read of exactly what was there. */
static void test_tcp_level(void **state)
{
	int l = tcp_listener(), c, ep = (int)CALL(epoll_create1, 0);
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 7};
	char buf[8];

	wait_env_thread(echo_server, &l);
	c = tcp_connect(0);
	assert_int_equal(CALL(epoll_ctl, (uint64_t)ep, EPOLL_CTL_ADD,
				 (uint64_t)c, P(&ev)),
		0);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(xsend(c, "12345678", 8, 0), 8);
		assert_int_equal(
			CALL(epoll_wait, (uint64_t)ep, P(&ev), 1, UINT64_MAX),
			1);
		assert_int_equal(ev.events, EPOLLIN);
		assert_int_equal(xrecv(c, buf, 4, 0), 4);
		assert_int_equal(
			CALL(epoll_wait, (uint64_t)ep, P(&ev), 1, 0), 1);
		assert_int_equal(xrecv(c, buf, 4, 0), 4);
		assert_int_equal(
			CALL(epoll_wait, (uint64_t)ep, P(&ev), 1, 0), 0);
	}
	assert_int_equal(CALL(shutdown, (uint64_t)c, SHUT_WR), 0);
	assert_int_equal(
		CALL(epoll_wait, (uint64_t)ep, P(&ev), 1, UINT64_MAX), 1);
	assert_int_equal(xrecv(c, buf, 8, 0), 0);
}

static void test_tcp_edge(void **state)
{
	int l = tcp_listener(), c, ep = (int)CALL(epoll_create1, 0);
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.u64 = 7};
	char buf[100];

	wait_env_thread(echo_server, &l);
	c = tcp_connect(SOCK_NONBLOCK);
	CALL(epoll_ctl, (uint64_t)ep, EPOLL_CTL_ADD, (uint64_t)c, P(&ev));
	while (xsend(c, "x", 1, 0) == -EAGAIN || xsend(c, "y", 1, 0) < 0)
		wait_env_yield();
	for (int i = 0; i < 50; i++) {
		assert_int_equal(
			CALL(epoll_wait, (uint64_t)ep, P(&ev), 1, 5000), 1);
		while (xrecv(c, buf, 3, 0) > 0)
			;
		assert_int_equal(xrecv(c, buf, 3, 0), -EAGAIN);
		assert_int_equal(xsend(c, "hello", 5, 0), 5);
	}
	CALL(shutdown, (uint64_t)c, SHUT_WR);
	while (!(ev.events & EPOLLRDHUP))
		assert_int_equal(
			CALL(epoll_wait, (uint64_t)ep, P(&ev), 1, 5000), 1);
}

/* The EAGAIN after a read of everything is known, but only once, and not
 * after something else was done. */
static void test_tcp_dry(void **state)
{
	int l = tcp_listener(), c = tcp_connect(SOCK_NONBLOCK);
	int s = (int)CALL(accept, (uint64_t)l, 0, 0);
	struct pollfd p = {.fd = c, .events = POLLOUT};
	unsigned calls;
	char buf[100];

	CALL(poll, P(&p), 1, 5000);
	p.events = POLLIN;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(xsend(s, "hello", 5, 0), 5);
		assert_int_equal(CALL(poll, P(&p), 1, 5000), 1);
		assert_int_equal(xrecv(c, buf, 100, 0), 5);
		assert_int_equal(xsend(c, "x", 1, 0), 1);
		calls = env_calls;
		assert_int_equal(xrecv(c, buf, 100, 0), -EAGAIN);
		assert_int_equal(env_calls, calls);
		/* asked again, and after a send that could be its cause */
		calls = env_calls;
		assert_int_equal(xrecv(c, buf, 100, 0), -EAGAIN);
		assert_true(env_calls > calls);
		assert_int_equal(xsend(s, "abc", 3, 0), 3);
		assert_int_equal(CALL(poll, P(&p), 1, 5000), 1);
		assert_int_equal(xrecv(c, buf, 100, 0), 3);
		assert_int_equal(xsend(s, "de", 2, 0), 2);
		calls = env_calls;
		xrecv(c, buf, 1, MSG_PEEK);
		assert_true(env_calls > calls);
		assert_int_equal(CALL(poll, P(&p), 1, 5000), 1);
		assert_int_equal(xrecv(c, buf, 100, 0), 2);
		assert_int_equal(xrecv(s, buf, 1, 0), 1);
	}
}

static void test_tcp_refused(void **state)
{
	struct pollfd p = {.events = POLLOUT};
	int l = tcp_listener(), err;
	socklen_t len = sizeof(err);
	int64_t n;

	fd_close(l);
	l = (int)CALL(socket, AF_INET, SOCK_STREAM, 0);
	assert_int_equal(CALL(connect, (uint64_t)l, P(&listener_addr),
				 sizeof(listener_addr)),
		-ECONNREFUSED);
	l = (int)CALL(socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	n = CALL(
		connect, (uint64_t)l, P(&listener_addr), sizeof(listener_addr));
	if (n != -EINPROGRESS) {
		assert_int_equal(n, -ECONNREFUSED);
		return;
	}
	p.fd = l;
	assert_int_equal(CALL(poll, P(&p), 1, 5000), 1);
	assert_int_equal(p.revents & POLLERR, POLLERR);
	assert_int_equal(CALL(getsockopt, (uint64_t)l, SOL_SOCKET, SO_ERROR,
				 P(&err), P(&len)),
		0);
	assert_int_equal(err, ECONNREFUSED);
}

static void test_tcp_timeout(void **state)
{
	int64_t tv[2] = {0, 50000};
	int l = tcp_listener(), c = tcp_connect(0);
	uint64_t start = env_calls;
	char buf[1];

	(void)l;
	assert_int_equal(CALL(setsockopt, (uint64_t)c, SOL_SOCKET, SO_RCVTIMEO,
				 P(tv), 16),
		0);
	assert_int_equal(xrecv(c, buf, 1, 0), -EAGAIN);
	assert_true(env_calls - start < 10);
	assert_int_equal(CALL(accept4, (uint64_t)l, 0, 0, 1), -EINVAL);
}

static void test_udp(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
			   from;
	socklen_t len = sizeof(a);
	int s = (int)CALL(socket, AF_INET, SOCK_DGRAM, 0);
	int c = (int)CALL(socket, AF_INET, SOCK_DGRAM, 0), on = 1;
	struct pollfd p = {.fd = s, .events = POLLIN};
	char buf[10];
	struct iovec iov = {buf, sizeof(buf)};
	uint64_t control[16];
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};

	assert_int_equal(CALL(bind, (uint64_t)s, P(&a), len), 0);
	CALL(getsockname, (uint64_t)s, P(&a), P(&len));
	for (int i = 0; i < 2; i++)
		assert_int_equal(CALL(sendto, (uint64_t)c, P("packet"), 6, 0,
					 P(&a), sizeof(a)),
			6);
	len = sizeof(from);
	assert_int_equal(CALL(recvfrom, (uint64_t)s, P(buf), 3, MSG_TRUNC,
				 P(&from), P(&len)),
		6);
	assert_int_equal(from.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	assert_int_equal(CALL(poll, P(&p), 1, 0), 1);
	assert_int_equal(xrecv(s, buf, 10, 0), 6);
	assert_int_equal(CALL(poll, P(&p), 1, 0), 0);
	assert_int_equal(xrecv(s, buf, 10, MSG_DONTWAIT), -EAGAIN);
	/* where it was sent to */
	assert_int_equal(CALL(setsockopt, (uint64_t)s, IPPROTO_IP, IP_PKTINFO,
				 P(&on), 4),
		0);
	CALL(sendto, (uint64_t)c, P("z"), 1, 0, P(&a), sizeof(a));
	assert_int_equal(CALL(recvmsg, (uint64_t)s, P(&m), 0), 1);
	assert_int_equal(((struct cmsghdr *)control)->cmsg_type, IP_PKTINFO);
	/* zero bytes are a packet too */
	assert_int_equal(
		CALL(sendto, (uint64_t)c, P(""), 0, 0, P(&a), sizeof(a)), 0);
	assert_int_equal(xrecv(s, buf, 10, 0), 0);
}

static void test_options(void **state)
{
	int c = (int)CALL(socket, AF_INET, SOCK_STREAM, 0), v = 0, s[2];
	socklen_t len = sizeof(v);

	assert_int_equal(opt(c, SO_KEEPALIVE, 1), 0);
	assert_int_equal(CALL(getsockopt, (uint64_t)c, SOL_SOCKET, SO_KEEPALIVE,
				 P(&v), P(&len)),
		0);
	assert_int_equal(v, 1);
	assert_int_equal(CALL(getsockopt, (uint64_t)c, SOL_SOCKET, SO_TYPE,
				 P(&v), P(&len)),
		0);
	assert_int_equal(v, SOCK_STREAM);
	v = 1;
	assert_int_equal(CALL(setsockopt, (uint64_t)c, IPPROTO_TCP, TCP_NODELAY,
				 P(&v), 4),
		0);
	assert_int_equal(
		CALL(setsockopt, (uint64_t)c, 4711, 1, P(&v), 4), -ENOPROTOOPT);
	assert_int_equal(opt(c, SO_ATTACH_FILTER, 1), -ENOPROTOOPT);
	assert_int_equal(CALL(socket, 77, SOCK_STREAM, 0), -EAFNOSUPPORT);
	assert_int_equal(
		CALL(socket, AF_NETLINK, SOCK_RAW, 9), -EPROTONOSUPPORT);
	assert_int_equal(CALL(pipe2, P(s)), 0);
	assert_int_equal(CALL(listen, (uint64_t)s[0], 1), -ENOTSOCK);
	assert_int_equal(CALL(listen, 999, 1), -EBADF);
}

/* Descriptors are not given away to the host. */
static void test_rights_to_host(void **state)
{
	int l = tcp_listener(), c = tcp_connect(0);
	struct iovec iov = {x, 1};
	struct {
		struct cmsghdr h;
		int fds[2];
	} cm = {{20, SOL_SOCKET, SCM_RIGHTS}, {l, 0}};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &cm,
		.msg_controllen = 20};

	assert_int_equal(CALL(sendmsg, (uint64_t)c, P(&m), 0), -EPERM);
}

#define UNIX(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
#define HOST(t) cmocka_unit_test_setup_teardown(t, setup_host, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIX(test_pair_stream),
		UNIX(test_pair_packets),
		UNIX(test_pair_blocking),
		UNIX(test_unix_listen),
		UNIX(test_unix_dgram),
		UNIX(test_scm_rights),
		UNIX(test_scm_chain),
		UNIX(test_scm_truncated),
		UNIX(test_pass_cred),
		HOST(test_no_network),
		HOST(test_tcp_stream),
		HOST(test_tcp_level),
		HOST(test_tcp_edge),
		HOST(test_tcp_dry),
		HOST(test_tcp_refused),
		HOST(test_tcp_timeout),
		HOST(test_udp),
		HOST(test_options),
		HOST(test_rights_to_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
