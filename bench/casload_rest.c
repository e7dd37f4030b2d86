/* SPDX-License-Identifier: Apache-2.0 */
/* What people and machines do with CAS: HTTP in TLS 1.3, connections stay. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench/casload.h"
#include "cas/address.h"
#include "lib/string.h"

enum { CONNS_MAX = 256, ANSWER_MAX = 64 * 1024, TEXT_MAX = 16 * 1024 };

struct conn {
	SSL *ssl;
	uint64_t sent_at;
	size_t size; /* of answer */
	char answer[ANSWER_MAX];
};

static struct {
	struct address address;
	SSL_CTX *tls;
	struct conn conn[CONNS_MAX];
	size_t conns, busy;
	int epoll;
	struct load_times times;
	/* What is asked: text with @N@ */
	const char *text;
	bool post;
	uint64_t next, count; /* numbers for @N@; get: again from 0 */
	uint64_t end; /* get */
} load;

/* ---- requests ---- */

/* text with the number in it. */
static size_t fill(char *out, size_t room, const char *text, uint64_t number)
{
	const char *mark;
	size_t n = 0;

	while ((mark = strstr(text, "@N@"))) {
		n += (size_t)snprintf(out + n, room - n, "%.*s%llu",
			(int)(mark - text), text, (unsigned long long)number);
		text = mark + 3;
	}
	n += (size_t)snprintf(out + n, room - n, "%s", text);
	return n;
}

static void send_request(struct conn *c)
{
	static char body[TEXT_MAX], request[2 * TEXT_MAX];
	uint64_t number = load.next++;
	size_t size = fill(body, sizeof(body), load.text,
		load.count && !load.post ? number % load.count : number);
	int n = load.post
		? snprintf(request, sizeof(request),
			  "POST /v1/sessions HTTP/1.1\r\nHost: cas\r\n"
			  "Content-Type: application/yaml\r\n"
			  "Content-Length: %zu\r\n\r\n%s",
			  size, body)
		: snprintf(request, sizeof(request),
			  "GET %s HTTP/1.1\r\nHost: cas\r\n\r\n", body);

	c->sent_at = load_now_ns();
	c->size = 0;
	/* Requests are small: the socket takes them as a whole. */
	if (SSL_write(c->ssl, request, n) != n)
		load_die("a request was not taken");
}

/* Whether all of the answer is there. */
static bool complete(struct conn *c)
{
	const char *end, *length;

	c->answer[c->size] = '\0';
	end = strstr(c->answer, "\r\n\r\n");
	if (!end)
		return false;
	length = strstr(c->answer, "Content-Length: ");
	if (!length || length > end)
		load_die("no Content-Length: %s", c->answer);
	return c->size >=
		(size_t)(end + 4 - c->answer) + strtoul(length + 16, NULL, 10);
}

static bool more(void)
{
	return load.post ? load.next < load.count : load_now_ns() < load.end;
}

static void answered(struct conn *c)
{
	if (strncmp(c->answer, "HTTP/1.1 200 ", 13) == 0)
		load_took(&load.times, load_now_ns() - c->sent_at);
	else if (load.times.failed++ < 3)
		fprintf(stderr, "bench-casload: %.400s\n", c->answer);
	if (more())
		send_request(c);
	else
		load.busy--;
}

static void on_input(struct conn *c)
{
	int n;

	while ((n = SSL_read(c->ssl, c->answer + c->size,
			(int)(sizeof(c->answer) - 1 - c->size))) > 0) {
		c->size += (size_t)n;
		if (complete(c)) {
			answered(c);
			return;
		}
	}
	if (SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_READ)
		load_die("a connection ended: %s",
			ERR_error_string(ERR_get_error(), NULL));
}

/* ---- connections ---- */

static void connect_one(struct conn *c)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	int fd = socket(load.address.any.sa_family, SOCK_STREAM, 0);
	int yes = 1;

	if (fd < 0 || connect(fd, &load.address.any, load.address.size))
		load_die("%s: %s", load.address.text, strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	c->ssl = SSL_new(load.tls);
	if (!c->ssl || !SSL_set_fd(c->ssl, fd) || SSL_connect(c->ssl) != 1)
		load_die("%s: no TLS", load.address.text);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) ||
		epoll_ctl(load.epoll, EPOLL_CTL_ADD, fd, &ev))
		load_die("epoll: %s", strerror(errno));
}

static void begin(char **argv, const char *conns)
{
	struct err e = {0};

	if (address_read(argv[0], &load.address, &e))
		load_die("%s", e.text);
	load.conns = strtoul(conns, NULL, 10);
	if (load.conns < 1 || load.conns > CONNS_MAX)
		load_die("CONNECTIONS: wanted 1 to %d", CONNS_MAX);
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	load.tls = SSL_CTX_new(TLS_client_method());
	/* Whose certificate it is does not matter to the speed. */
	if (!load.tls ||
		SSL_CTX_use_certificate_file(
			load.tls, argv[1], SSL_FILETYPE_PEM) != 1 ||
		SSL_CTX_use_PrivateKey_file(
			load.tls, argv[1], SSL_FILETYPE_PEM) != 1)
		load_die("IDENTITY %s: wanted a PEM file", argv[1]);
	for (size_t i = 0; i < load.conns; i++)
		connect_one(&load.conn[i]);
}

static void run(void)
{
	uint64_t began = load_now_ns();
	struct epoll_event ev[64];
	int n;

	for (load.busy = 0; load.busy < load.conns && more(); load.busy++)
		send_request(&load.conn[load.busy]);
	while (load.busy) {
		n = epoll_wait(load.epoll, ev, ARRAY_SIZE(ev), 30000);
		if (n <= 0)
			load_die("CAS says nothing for 30 s");
		for (int i = 0; i < n; i++)
			on_input(ev[i].data.ptr);
	}
	load_print(&load.times, began);
}

int load_get(int argc, char **argv)
{
	load.text = argv[2];
	load.count = argc > 5 ? strtoul(argv[5], NULL, 10) : 0;
	begin(argv, argv[3]);
	load.end = load_now_ns() + strtoul(argv[4], NULL, 10) * 1000000000;
	run();
	return 0;
}

int load_create(int argc, char **argv)
{
	static char text[TEXT_MAX / 2];
	FILE *f = fopen(argv[2], "r");

	(void)argc;
	if (!f || fread(text, 1, sizeof(text) - 1, f) == 0)
		load_die("FILE %s: cannot be read, or is empty", argv[2]);
	fclose(f);
	load.text = text;
	load.post = true;
	load.count = strtoul(argv[3], NULL, 10);
	begin(argv, argv[4]);
	run();
	return 0;
}
