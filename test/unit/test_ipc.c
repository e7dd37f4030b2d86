/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes, event files, poll, epoll: what programs rely on. */
#include "test/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>

#include "kernel/file.h"
#include "kernel/sys.h"
#include "kernel/thread.h"
#include "kernel/uio.h"
#include "test/unit/wait_env.h"

static int64_t do_read(int fd, void *buf, size_t size)
{
	struct file *f = fd_get(fd);
	struct uio u;
	int64_t n;

	uio_init_kernel(&u, buf, size);
	n = f->ops->read(f, &u, NULL);
	file_put(f);
	return n;
}

static int64_t do_write(int fd, const void *buf, size_t size)
{
	struct file *f = fd_get(fd);
	struct uio u;
	int64_t n;

	uio_init_kernel(&u, (void *)(uintptr_t)buf, size);
	n = f->ops->write(f, &u, NULL);
	file_put(f);
	return n;
}

static int setup(void **state)
{
	wait_env_init();
	return 0;
}

static int teardown(void **state)
{
	for (int fd = 0; fd < 64; fd++)
		fd_close(fd);
	return wait_env_fini() ? 0 : -1;
}

/* ---- pipes ---- */

static void test_pipe_bytes(void **state)
{
	int fds[2], count;
	struct file *f;
	char buf[64] = {0};

	assert_int_equal(CALL(pipe2, P(fds), O_NONBLOCK), 0);
	assert_int_equal(do_read(fds[0], buf, 10), -EAGAIN);
	assert_int_equal(do_write(fds[1], "hello ", 6), 6);
	assert_int_equal(do_write(fds[1], "world", 5), 5);
	assert_int_equal(do_read(fds[0], buf, 3), 3);
	assert_int_equal(do_read(fds[0], buf + 3, 60), 8);
	assert_string_equal(buf, "hello world");
	assert_int_equal(do_write(fds[0], "x", 1), -EBADF);
	assert_int_equal(do_read(fds[1], buf, 1), -EBADF);
	do_write(fds[1], "1234", 4);
	f = fd_get(fds[0]);
	assert_int_equal(f->ops->ioctl(f, FIONREAD, P(&count)), 0);
	file_put(f);
	assert_int_equal(count, 4);
	assert_int_equal(CALL(pipe2, P(fds), 1), -EINVAL);
	assert_int_equal(CALL(pipe2, 8, 0), -EFAULT);
}

/* A full pipe takes 64 KiB; a write of up to PIPE_BUF is all or nothing. */
static void test_pipe_full(void **state)
{
	static char block[100000];
	int fds[2];
	int64_t total = 0, n;

	assert_int_equal(CALL(pipe2, P(fds), O_NONBLOCK), 0);
	while ((n = do_write(fds[1], block, 4096)) > 0)
		total += n;
	assert_int_equal(n, -EAGAIN);
	assert_int_equal(total, 65536);
	assert_int_equal(do_read(fds[0], block, 4000), 4000);
	assert_int_equal(do_write(fds[1], block, 4096), -EAGAIN);
	assert_int_equal(do_write(fds[1], block, 5000), 4000);
	assert_int_equal(do_read(fds[0], block, sizeof(block)), 65536);
}

static int pipe_fds[2];
static size_t moved;

static void writer(void *arg)
{
	char *data = malloc(1 << 20);

	for (size_t i = 0; i < 1 << 20; i++)
		data[i] = (char)(i * 7 >> 3);
	assert_int_equal(do_write(pipe_fds[1], data, 1 << 20), 1 << 20);
	fd_close(pipe_fds[1]);
	free(data);
}

static void test_pipe_blocking(void **state)
{
	char buf[777];
	int64_t n;

	moved = 0;
	assert_int_equal(CALL(pipe2, P(pipe_fds)), 0);
	wait_env_thread(writer, NULL);
	while ((n = do_read(pipe_fds[0], buf, sizeof(buf))) > 0) {
		for (int64_t i = 0; i < n; i++, moved++)
			assert_int_equal(buf[i], (char)(moved * 7 >> 3));
	}
	assert_int_equal(n, 0);
	assert_int_equal(moved, 1 << 20);
}

static void test_pipe_broken(void **state)
{
	int fds[2];

	assert_int_equal(CALL(pipe2, P(fds)), 0);
	fd_close(fds[0]);
	assert_int_equal(do_write(fds[1], "x", 1), -EPIPE);
	assert_int_equal(wait_env_sigpipes, 1);
}

static int64_t reader_result;
static void reader(void *arg)
{
	char c;

	reader_result = do_read(pipe_fds[0], &c, 1);
}

static void test_pipe_interrupted(void **state)
{
	struct thread *t;

	assert_int_equal(CALL(pipe2, P(pipe_fds)), 0);
	t = wait_env_thread(reader, NULL);
	wait_env_yield();
	wait_env_interrupt(t);
	wait_env_yield();
	assert_int_equal(reader_result, -512); /* ERESTARTSYS */
}

static void test_pipe_capacity(void **state)
{
	static char block[1 << 20];
	struct file *f;
	int fds[2];

	assert_int_equal(CALL(pipe2, P(fds), O_NONBLOCK), 0);
	f = fd_get(fds[1]);
	assert_int_equal(f->ops->fcntl(f, 1032, 0), 65536); /* F_GETPIPE_SZ */
	assert_int_equal(f->ops->fcntl(f, 1031, 200000), 262144);
	assert_int_equal(do_write(fds[1], block, 1 << 20), 262144);
	assert_int_equal(f->ops->fcntl(f, 1031, 4096), -EBUSY);
	assert_int_equal(do_read(fds[0], block, 262144 - 100), 262144 - 100);
	assert_int_equal(f->ops->fcntl(f, 1031, 1), 4096);
	assert_int_equal(do_read(fds[0], block, 4096), 100);
	assert_int_equal(f->ops->fcntl(f, 1031, 2 << 20), -EPERM);
	file_put(f);
}

/* ---- eventfd, timerfd, signalfd ---- */

static void test_eventfd(void **state)
{
	uint64_t v = 3;
	int fd = (int)CALL(eventfd2, 2, 0x800), sem;

	assert_true(fd >= 0);
	assert_int_equal(do_write(fd, &v, 8), 8);
	assert_int_equal(do_read(fd, &v, 8), 8);
	assert_int_equal(v, 5);
	assert_int_equal(do_read(fd, &v, 8), -EAGAIN);
	assert_int_equal(do_read(fd, &v, 4), -EINVAL);
	v = UINT64_MAX;
	assert_int_equal(do_write(fd, &v, 8), -EINVAL);
	v = UINT64_MAX - 1;
	assert_int_equal(do_write(fd, &v, 8), 8);
	v = 1;
	assert_int_equal(do_write(fd, &v, 8), -EAGAIN);
	sem = (int)CALL(eventfd2, 2, 0x801);
	assert_int_equal(do_read(sem, &v, 8), 8);
	assert_int_equal(v, 1);
	assert_int_equal(do_read(sem, &v, 8), 8);
	assert_int_equal(do_read(sem, &v, 8), -EAGAIN);
	assert_int_equal(CALL(eventfd2, 0, 2), -EINVAL);
}

static void test_timerfd(void **state)
{
	struct itimerspec its = {{0, 250000000}, {1, 0}}, now;
	int fd = (int)CALL(timerfd_create, CLOCK_MONOTONIC, 0);
	uint64_t n, start = env_now;

	assert_int_equal(CALL(timerfd_settime, fd, 0, P(&its), 0), 0);
	assert_int_equal(CALL(timerfd_gettime, fd, P(&now)), 0);
	assert_int_equal(now.it_value.tv_sec, 1);
	assert_int_equal(now.it_interval.tv_nsec, 250000000);
	assert_int_equal(do_read(fd, &n, 8), 8);
	assert_int_equal(n, 1);
	assert_int_equal(env_now - start, 1000000000);
	env_now += 600000000;
	assert_int_equal(do_read(fd, &n, 8), 8);
	assert_int_equal(n, 2);
	assert_int_equal(do_read(fd, &n, 8), 8);
	assert_int_equal(env_now - start, 1750000000);
	/* absolute, in the past */
	its = (struct itimerspec){{0, 0}, {1, 0}};
	assert_int_equal(
		CALL(timerfd_settime, fd, TFD_TIMER_ABSTIME, P(&its), P(&now)),
		0);
	assert_int_equal(now.it_interval.tv_nsec, 250000000);
	assert_int_equal(do_read(fd, &n, 8), 8);
	assert_int_equal(n, 1);
	its.it_value.tv_nsec = 1000000000;
	assert_int_equal(CALL(timerfd_settime, fd, 0, P(&its), 0), -EINVAL);
	assert_int_equal(CALL(timerfd_create, 77, 0), -EINVAL);
}

static void test_signalfd(void **state)
{
	uint64_t set = 1ul << (10 - 1) | 1ul << (12 - 1);
	uint8_t rec[256];
	int fd = (int)CALL(signalfd4, UINT64_MAX, P(&set), 8, O_NONBLOCK);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_true(fd >= 0);
	assert_int_equal(do_read(fd, rec, 128), -EAGAIN);
	wait_env_pending = 1ul << (12 - 1) | 1ul << (2 - 1);
	assert_int_equal(CALL(poll, P(&p), 1, 0), 1);
	assert_int_equal(do_read(fd, rec, 256), 128);
	assert_int_equal(*(uint32_t *)rec, 12);
	assert_int_equal(wait_env_pending, 1ul << (2 - 1));
	assert_int_equal(do_read(fd, rec, 127), -EINVAL);
}

/* ---- poll, select ---- */

static void poke(void *arg)
{
	do_write(*(int *)arg, "x", 1);
}

static void test_poll(void **state)
{
	int a[2], b[2];
	struct pollfd p[4];
	uint64_t start = env_now;

	assert_int_equal(CALL(pipe2, P(a)), 0);
	assert_int_equal(CALL(pipe2, P(b)), 0);
	p[0] = (struct pollfd){a[0], POLLIN, 77};
	p[1] = (struct pollfd){b[0], POLLIN, 77};
	p[2] = (struct pollfd){-1, POLLIN, 77};
	assert_int_equal(CALL(poll, P(p), 3, 0), 0);
	assert_int_equal(p[0].revents | p[2].revents, 0);
	assert_int_equal(CALL(poll, P(p), 3, 250), 0);
	assert_int_equal(env_now - start, 250000000);
	wait_env_thread(poke, &b[1]);
	assert_int_equal(CALL(poll, P(p), 3, UINT64_MAX), 1);
	assert_int_equal(p[0].revents, 0);
	assert_int_equal(p[1].revents, POLLIN);
	p[2] = (struct pollfd){a[1], POLLOUT, 0};
	p[3] = (struct pollfd){1000, POLLIN, 0};
	assert_int_equal(CALL(poll, P(p), 4, UINT64_MAX), 3);
	assert_int_equal(p[2].revents, POLLOUT);
	assert_int_equal(p[3].revents, POLLNVAL);
	fd_close(a[1]);
	assert_int_equal(CALL(poll, P(p), 1, UINT64_MAX), 1);
	assert_int_equal(p[0].revents, POLLHUP);
	assert_int_equal(CALL(poll, P(p), 100000, 0), -EINVAL);
}

/* More descriptors than fit into the table's own entries. */
static void test_poll_many(void **state)
{
	static struct pollfd p[300];
	int fds[2], last[2];

	assert_int_equal(CALL(pipe2, P(fds)), 0);
	assert_int_equal(CALL(pipe2, P(last)), 0);
	for (int i = 0; i < 300; i++)
		p[i] = (struct pollfd){fds[0], POLLIN, 0};
	p[299].fd = last[0];
	wait_env_thread(poke, &last[1]);
	assert_int_equal(CALL(poll, P(p), 300, UINT64_MAX), 1);
	assert_int_equal(p[299].revents, POLLIN);
}

static void test_select(void **state)
{
	int a[2];
	uint64_t rd[16] = {0}, wr[16] = {0};
	int64_t tv[2] = {0, 100000};

	assert_int_equal(CALL(pipe2, P(a)), 0);
	rd[a[0] / 64] |= 1ul << a[0] % 64;
	assert_int_equal(
		CALL(select, (uint64_t)a[1] + 1, P(rd), 0, 0, P(tv)), 0);
	assert_int_equal(rd[0], 0);
	assert_int_equal(tv[0] | tv[1], 0);
	rd[a[0] / 64] |= 1ul << a[0] % 64;
	wr[a[1] / 64] |= 1ul << a[1] % 64;
	do_write(a[1], "x", 1);
	assert_int_equal(
		CALL(select, (uint64_t)a[1] + 1, P(rd), P(wr), 0, 0), 2);
	rd[0] |= 1ul << 60;
	assert_int_equal(CALL(select, 64, P(rd), 0, 0, 0), -EBADF);
}

/* ---- epoll ---- */

static int64_t wait_n(int ep, struct epoll_event *ev, int max, int ms)
{
	return CALL(
		epoll_wait, (uint64_t)ep, P(ev), (uint64_t)max, (uint64_t)ms);
}

static int64_t ctl(int ep, int op, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = {.events = events, .data.u64 = data};

	return CALL(
		epoll_ctl, (uint64_t)ep, (uint64_t)op, (uint64_t)fd, P(&ev));
}

static void test_epoll_level(void **state)
{
	int ep = (int)CALL(epoll_create1, 0), a[2];
	struct epoll_event ev[4];
	char c;

	assert_int_equal(CALL(pipe2, P(a)), 0);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, a[0], EPOLLIN, 42), 0);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, a[0], EPOLLIN, 42), -EEXIST);
	assert_int_equal(wait_n(ep, ev, 4, 0), 0);
	do_write(a[1], "ab", 2);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(wait_n(ep, ev, 4, 0), 1);
		assert_int_equal(ev[0].events, EPOLLIN);
		assert_int_equal(ev[0].data.u64, 42);
	}
	do_read(a[0], &c, 1);
	assert_int_equal(wait_n(ep, ev, 4, 0), 1);
	do_read(a[0], &c, 1);
	assert_int_equal(wait_n(ep, ev, 4, 0), 0);
	assert_int_equal(wait_n(ep, ev, 4, 10), 0);
	assert_int_equal(ctl(ep, EPOLL_CTL_MOD, a[0], EPOLLIN, 43), 0);
	wait_env_thread(poke, &a[1]);
	assert_int_equal(wait_n(ep, ev, 4, -1), 1);
	assert_int_equal(ev[0].data.u64, 43);
	assert_int_equal(ctl(ep, EPOLL_CTL_DEL, a[0], 0, 0), 0);
	assert_int_equal(ctl(ep, EPOLL_CTL_DEL, a[0], 0, 0), -ENOENT);
	assert_int_equal(ctl(ep, EPOLL_CTL_MOD, a[0], 0, 0), -ENOENT);
	assert_int_equal(wait_n(ep, ev, 4, 0), 0);
	assert_int_equal(wait_n(ep, ev, 0, 0), -EINVAL);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, ep, EPOLLIN, 0), -EINVAL);
	assert_int_equal(ctl(a[0], EPOLL_CTL_ADD, ep, EPOLLIN, 0), -EINVAL);
}

static void test_epoll_edge(void **state)
{
	int ep = (int)CALL(epoll_create1, 0), a[2];
	struct epoll_event ev[4];
	char c;

	assert_int_equal(CALL(pipe2, P(a)), 0);
	do_write(a[1], "a", 1);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, a[0], EPOLLIN | EPOLLET, 1), 0);
	assert_int_equal(wait_n(ep, ev, 4, 0), 1);
	assert_int_equal(wait_n(ep, ev, 4, 0), 0);
	do_write(a[1], "b", 1); /* a new edge although not drained */
	assert_int_equal(wait_n(ep, ev, 4, 0), 1);
	assert_int_equal(wait_n(ep, ev, 4, 0), 0);
	do_read(a[0], &c, 1);
	assert_int_equal(wait_n(ep, ev, 4, 0), 0);
	/* MOD looks again */
	assert_int_equal(ctl(ep, EPOLL_CTL_MOD, a[0], EPOLLIN | EPOLLET, 1), 0);
	assert_int_equal(wait_n(ep, ev, 4, 0), 1);
	assert_int_equal(wait_n(ep, ev, 4, 0), 0);
}

static void test_epoll_oneshot(void **state)
{
	int ep = (int)CALL(epoll_create1, 0), a[2];
	struct epoll_event ev[4];

	assert_int_equal(CALL(pipe2, P(a)), 0);
	assert_int_equal(
		ctl(ep, EPOLL_CTL_ADD, a[0], EPOLLIN | EPOLLONESHOT, 1), 0);
	do_write(a[1], "a", 1);
	assert_int_equal(wait_n(ep, ev, 4, 0), 1);
	do_write(a[1], "a", 1);
	assert_int_equal(wait_n(ep, ev, 4, 0), 0);
	assert_int_equal(
		ctl(ep, EPOLL_CTL_MOD, a[0], EPOLLIN | EPOLLONESHOT, 1), 0);
	assert_int_equal(wait_n(ep, ev, 4, 0), 1);
	assert_int_equal(wait_n(ep, ev, 4, 0), 0);
}

/* A registration ends with the last descriptor, not with the first. */
static void test_epoll_close(void **state)
{
	int ep = (int)CALL(epoll_create1, 0), a[2], dup;
	struct epoll_event ev[4];

	assert_int_equal(CALL(pipe2, P(a)), 0);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, a[0], EPOLLIN, 9), 0);
	dup = fd_install(fd_get(a[0]), false, 0);
	fd_close(a[0]);
	do_write(a[1], "a", 1);
	assert_int_equal(wait_n(ep, ev, 4, 0), 1);
	fd_close(dup);
	assert_int_equal(wait_n(ep, ev, 4, 0), 0);
	assert_int_equal(do_write(a[1], "a", 1), -EPIPE);
}

static void test_epoll_nested(void **state)
{
	int in = (int)CALL(epoll_create1, 0), out = (int)CALL(epoll_create1, 0);
	struct pollfd p = {.fd = out, .events = POLLIN};
	struct epoll_event ev[4];
	int a[2];
	char c;

	assert_int_equal(CALL(pipe2, P(a)), 0);
	assert_int_equal(ctl(out, EPOLL_CTL_ADD, in, EPOLLIN, 5), 0);
	assert_int_equal(ctl(in, EPOLL_CTL_ADD, out, EPOLLIN, 5), -ELOOP);
	assert_int_equal(ctl(in, EPOLL_CTL_ADD, a[0], EPOLLIN, 6), 0);
	assert_int_equal(wait_n(out, ev, 4, 0), 0);
	do_write(a[1], "a", 1);
	assert_int_equal(CALL(poll, P(&p), 1, 0), 1);
	assert_int_equal(wait_n(out, ev, 4, 0), 1);
	assert_int_equal(ev[0].data.u64, 5);
	assert_int_equal(wait_n(in, ev, 4, 0), 1);
	assert_int_equal(ev[0].data.u64, 6);
	do_read(a[0], &c, 1);
	assert_int_equal(wait_n(out, ev, 4, 0), 0);
	wait_env_thread(poke, &a[1]);
	assert_int_equal(wait_n(out, ev, 4, -1), 1);
}

/* Asking and waking recurse along a chain of instances: it must stay short
 * from whichever end it is built. */
static void test_epoll_chain(void **state)
{
	int ep[8], up = 0, down = 0;
	struct pollfd p = {.events = POLLIN};

	for (int i = 0; i < 8; i++)
		ep[i] = (int)CALL(epoll_create1, 0);
	while (up < 7 && !ctl(ep[up + 1], EPOLL_CTL_ADD, ep[up], EPOLLIN, 0))
		up++;
	assert_in_range(up, 3, 5);
	assert_int_equal(
		ctl(ep[up + 1], EPOLL_CTL_ADD, ep[up], EPOLLIN, 0), -ELOOP);
	p.fd = ep[up];
	assert_int_equal(CALL(poll, P(&p), 1, 0), 0);
	for (int i = 0; i < 8; i++)
		fd_close(ep[i]);
	for (int i = 0; i < 8; i++)
		ep[i] = (int)CALL(epoll_create1, 0);
	while (down < 7 &&
		!ctl(ep[down], EPOLL_CTL_ADD, ep[down + 1], EPOLLIN, 0))
		down++;
	assert_int_equal(down, up);
	/* Two short chains must not be joined to a long one. */
	for (int i = 0; i < 8; i++)
		fd_close(ep[i]);
	for (int i = 0; i < 8; i++)
		ep[i] = (int)CALL(epoll_create1, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			ctl(ep[i], EPOLL_CTL_ADD, ep[i + 1], EPOLLIN, 0), 0);
		assert_int_equal(
			ctl(ep[i + 3], EPOLL_CTL_ADD, ep[i + 4], EPOLLIN, 0),
			0);
	}
	assert_int_equal(ctl(ep[2], EPOLL_CTL_ADD, ep[3], EPOLLIN, 0), -ELOOP);
	assert_int_equal(ctl(ep[5], EPOLL_CTL_ADD, ep[3], EPOLLIN, 0), -ELOOP);
}

/* More ready than asked for: nobody starves, all come round. */
static void test_epoll_fair(void **state)
{
	int ep = (int)CALL(epoll_create1, 0), a[10][2], seen[10] = {0};
	struct epoll_event ev[100];

	for (int i = 0; i < 10; i++) {
		assert_int_equal(CALL(pipe2, P(a[i])), 0);
		ctl(ep, EPOLL_CTL_ADD, a[i][0], EPOLLIN, (uint64_t)i);
		do_write(a[i][1], "x", 1);
	}
	for (int i = 0; i < 5; i++) {
		assert_int_equal(wait_n(ep, ev, 2, 0), 2);
		seen[ev[0].data.u64]++;
		seen[ev[1].data.u64]++;
	}
	for (int i = 0; i < 10; i++)
		assert_int_equal(seen[i], 1);
	assert_int_equal(wait_n(ep, ev, 100, 0), 10);
}

static int shared_ep, woken;
static void sleeper(void *arg)
{
	struct epoll_event ev;

	woken += wait_n(shared_ep, &ev, 1, 1000) == 1;
}

/* One event wakes one thread; two events wake two. */
static void test_epoll_threads(void **state)
{
	int a[2], b[2];

	shared_ep = (int)CALL(epoll_create1, 0);
	woken = 0;
	assert_int_equal(CALL(pipe2, P(a)), 0);
	assert_int_equal(CALL(pipe2, P(b)), 0);
	ctl(shared_ep, EPOLL_CTL_ADD, a[0], EPOLLIN | EPOLLET, 1);
	ctl(shared_ep, EPOLL_CTL_ADD, b[0], EPOLLIN | EPOLLET, 1);
	for (int i = 0; i < 4; i++)
		wait_env_thread(sleeper, NULL);
	wait_env_yield();
	do_write(a[1], "x", 1);
	wait_env_yield();
	assert_int_equal(woken, 1);
	do_write(a[1], "x", 1);
	do_write(b[1], "x", 1);
	wait_env_yield();
	assert_int_equal(woken, 3);
	do_write(b[1], "x", 1);
	wait_env_yield();
	assert_int_equal(woken, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_pipe_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_pipe_full, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_pipe_blocking, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_pipe_broken, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_pipe_interrupted, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_pipe_capacity, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eventfd, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timerfd, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signalfd, setup, teardown),
		cmocka_unit_test_setup_teardown(test_poll, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_poll_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_select, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_epoll_level, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_epoll_edge, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_epoll_oneshot, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_epoll_close, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_epoll_nested, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_epoll_chain, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_epoll_fair, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_epoll_threads, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
