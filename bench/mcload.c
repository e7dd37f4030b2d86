/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mcload PORT SECONDS: load for memcached on loopback: CONNECTIONS clients,
 * each with one request under way, 1 KiB values, nine reads to one write.
 * Prints operations per second.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 32, KEYS = 10000, VALUE = 1024, BUF = 4096 };

struct client {
	int fd;
	uint32_t random;
	char in[BUF];
	size_t have;
};

static char value[VALUE];

static void fail(const char *what)
{
	fprintf(stderr, "mcload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint32_t next_random(struct client *c)
{
	c->random = c->random * 1664525u + 1013904223u;
	return c->random >> 8;
}

static void send_set(struct client *c, uint32_t key)
{
	static char buf[BUF];
	int n = snprintf(buf, sizeof(buf), "set key%u 0 0 %d\r\n", key, VALUE);

	memcpy(buf + n, value, VALUE);
	/* Not a string. NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
	memcpy(buf + n + VALUE, "\r\n", 2);
	if (write(c->fd, buf, (size_t)n + VALUE + 2) != n + VALUE + 2)
		fail("write");
}

static void send_next(struct client *c)
{
	uint32_t r = next_random(c), key = next_random(c) % KEYS;
	char buf[64];
	int n;

	if (r % 10 == 0) {
		send_set(c, key);
		return;
	}
	n = snprintf(buf, sizeof(buf), "get key%u\r\n", key);
	if (write(c->fd, buf, (size_t)n) != n)
		fail("write");
}

/* Whole answer? "STORED\r\n" or "...END\r\n". */
static int complete(const struct client *c)
{
	if (c->have >= 8 && !memcmp(c->in, "STORED\r\n", 8))
		return 1;
	return c->have >= 5 && !memcmp(c->in + c->have - 5, "END\r\n", 5);
}

static void receive(struct client *c)
{
	ssize_t n = read(c->fd, c->in + c->have, sizeof(c->in) - c->have);

	if (n <= 0)
		fail("read");
	c->have += (size_t)n;
}

static void fill(struct client *c)
{
	for (uint32_t k = 0; k < KEYS; k++) {
		send_set(c, k);
		c->have = 0;
		do
			receive(c);
		while (!complete(c));
	}
	c->have = 0;
}

int main(int argc, char **argv)
{
	static struct client clients[CONNECTIONS];
	struct sockaddr_in addr = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int ep = epoll_create1(0), one = 1;
	double start, end;
	uint64_t done = 0;

	if (argc != 3) {
		fprintf(stderr, "usage: mcload PORT SECONDS\n");
		return 2;
	}
	addr.sin_port = htons((uint16_t)atoi(argv[1]));
	memset(value, 'v', sizeof(value));
	for (int i = 0; i < CONNECTIONS; i++) {
		struct client *c = &clients[i];
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};

		c->random = (uint32_t)i * 7919 + 1;
		c->fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)))
			fail("connect");
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (i == 0)
			fill(c);
		if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev))
			fail("epoll_ctl");
	}
	start = now();
	end = start + atof(argv[2]);
	for (int i = 0; i < CONNECTIONS; i++)
		send_next(&clients[i]);
	while (now() < end) {
		struct epoll_event ev[CONNECTIONS];
		int n = epoll_wait(ep, ev, CONNECTIONS, 1000);

		if (n <= 0)
			fail("no answer");
		for (int i = 0; i < n; i++) {
			struct client *c = ev[i].data.ptr;

			receive(c);
			if (!complete(c))
				continue;
			c->have = 0;
			done++;
			send_next(c);
		}
	}
	printf("%.0f op/s\n", (double)done / (now() - start));
	return 0;
}
