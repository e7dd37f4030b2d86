/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small operations, timed in place: prints lines "name ns-per-operation".
 * The same binary runs natively and inside; bench/run compares.
 *
 *	micro [SCRATCH-FOLDER]
 *
 * Each figure is the median of BATCHES batches.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BATCHES = 11 };

extern char **environ;

static char page[4096];
static int file_fd, zero_fd, epoll_fd, pipe_a[2], pipe_b[2];
static char file_path[4096];
static int tcp_a;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void check(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "micro: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const char *name, void (*op)(void), int count)
{
	double t[BATCHES];

	op();
	for (int b = 0; b < BATCHES; b++) {
		double start = now();

		for (int i = 0; i < count; i++)
			op();
		t[b] = (now() - start) / count;
	}
	qsort(t, BATCHES, sizeof(t[0]), by_value);
	printf("%s %.1f\n", name, t[BATCHES / 2]);
	fflush(stdout);
}

static void op_getppid(void)
{
	getppid();
}

static void op_raw_getpid(void)
{
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(SYS_getpid)
			 : "rcx", "r11", "memory");
}

static void op_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
}

static void op_read_zero(void)
{
	check(read(zero_fd, page, 1) == 1, "read /dev/zero");
}

static void op_stat(void)
{
	struct stat st;

	check(!stat(file_path, &st), "stat");
}

static void op_open_close(void)
{
	int fd = open(file_path, O_RDONLY);

	check(fd >= 0, "open");
	close(fd);
}

static void op_pread(void)
{
	check(pread(file_fd, page, sizeof(page), 0) == sizeof(page), "pread");
}

static void op_pwrite(void)
{
	check(pwrite(file_fd, page, sizeof(page), 0) == sizeof(page), "pwrite");
}

static void op_epoll(void)
{
	struct epoll_event ev;

	check(epoll_wait(epoll_fd, &ev, 1, -1) == 1, "epoll_wait");
}

/* ---- ping-pong between two threads ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn;

static void *cond_peer(void *arg)
{
	for (;;) {
		pthread_mutex_lock(&lock);
		while (turn == 0)
			pthread_cond_wait(&cond, &lock);
		if (turn < 0) {
			pthread_mutex_unlock(&lock);
			return arg;
		}
		turn = 0;
		pthread_cond_signal(&cond);
		pthread_mutex_unlock(&lock);
	}
}

static void op_cond(void)
{
	pthread_mutex_lock(&lock);
	turn = 1;
	pthread_cond_signal(&cond);
	while (turn == 1)
		pthread_cond_wait(&cond, &lock);
	pthread_mutex_unlock(&lock);
}

static void bench_cond(void)
{
	pthread_t t;

	pthread_create(&t, NULL, cond_peer, NULL);
	measure("condvar_pingpong", op_cond, 2000);
	pthread_mutex_lock(&lock);
	turn = -1;
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&lock);
	pthread_join(t, NULL);
}

static void *pipe_peer(void *arg)
{
	char c;

	while (read(pipe_a[0], &c, 1) == 1 && c)
		check(write(pipe_b[1], &c, 1) == 1, "write pipe");
	return arg;
}

static void op_pipe(void)
{
	char c = 1;

	check(write(pipe_a[1], &c, 1) == 1, "write pipe");
	check(read(pipe_b[0], &c, 1) == 1, "read pipe");
}

static void bench_pipe(void)
{
	pthread_t t;
	char c = 0;

	check(!pipe(pipe_a) && !pipe(pipe_b), "pipe");
	pthread_create(&t, NULL, pipe_peer, NULL);
	measure("pipe_pingpong", op_pipe, 2000);
	check(write(pipe_a[1], &c, 1) == 1, "write pipe");
	pthread_join(t, NULL);
}

static void *tcp_peer(void *arg)
{
	int fd = *(int *)arg;
	char c;

	while (read(fd, &c, 1) == 1)
		check(write(fd, &c, 1) == 1, "write tcp");
	return NULL;
}

static void op_tcp(void)
{
	char c = 1;

	check(write(tcp_a, &c, 1) == 1, "write tcp");
	check(read(tcp_a, &c, 1) == 1, "read tcp");
}

static void bench_tcp(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0), b, one = 1;
	pthread_t t;

	check(!bind(listener, (struct sockaddr *)&addr, len) &&
			!listen(listener, 1) &&
			!getsockname(listener, (struct sockaddr *)&addr, &len),
		"listen");
	tcp_a = socket(AF_INET, SOCK_STREAM, 0);
	check(!connect(tcp_a, (struct sockaddr *)&addr, len), "connect");
	b = accept(listener, NULL, NULL);
	check(b >= 0, "accept");
	setsockopt(tcp_a, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(b, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	pthread_create(&t, NULL, tcp_peer, &b);
	measure("tcp_pingpong", op_tcp, 500);
	shutdown(tcp_a, SHUT_RDWR);
	pthread_join(t, NULL);
}

static void *nothing(void *arg)
{
	return arg;
}

static void op_thread(void)
{
	pthread_t t;

	check(!pthread_create(&t, NULL, nothing, NULL), "pthread_create");
	pthread_join(t, NULL);
}

static void op_spawn(void)
{
	static char name[] = "true";
	char *argv[] = {name, NULL};
	pid_t pid;
	int status;

	check(!posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ),
		"posix_spawn");
	check(waitpid(pid, &status, 0) == pid && status == 0, "waitpid");
}

int main(int argc, char **argv)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int efd;

	snprintf(file_path, sizeof(file_path), "%s/micro.%d",
		argc > 1 ? argv[1] : "/tmp", (int)getpid());
	file_fd = open(file_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	check(file_fd >= 0, file_path);
	op_pwrite();

	measure("getppid_libc", op_getppid, 100000);
	measure("getpid_raw", op_raw_getpid, 100000);
	measure("clock_gettime", op_clock, 100000);
	zero_fd = open("/dev/zero", O_RDONLY);
	if (zero_fd >= 0)
		measure("read_zero_1", op_read_zero, 50000);
	measure("stat", op_stat, 20000);
	measure("pread_4k", op_pread, 20000);
	measure("pwrite_4k", op_pwrite, 20000);
	measure("open_close", op_open_close, 10000);

	efd = eventfd(1, 0);
	epoll_fd = epoll_create1(0);
	check(efd >= 0 && epoll_fd >= 0 &&
			!epoll_ctl(epoll_fd, EPOLL_CTL_ADD, efd, &ev),
		"epoll");
	measure("epoll_wait_ready", op_epoll, 50000);

	bench_cond();
	bench_pipe();
	measure("pthread_create_join", op_thread, 500);
	bench_tcp();
	measure("posix_spawn_wait", op_spawn, 30);
	unlink(file_path);
	return 0;
}
