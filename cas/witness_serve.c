/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread, one epoll. Everybody may connect, so everything is bounded: how
 * many connections there are (a new one takes the place of the one that has
 * been silent longest, strangers first), how long a handshake or a slow reader
 * may take, how many bytes of either direction are kept.
 */
#include "cas/witness_serve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "cas/address.h"
#include "cas/witness_disk.h"
#include "cas/witness_tls.h"
#include "lib/string.h"

enum {
	EVENTS_MAX = 64,
	IN_MAX = 1024,
	OUT_MAX = 2048,
	SWEEP_MS = 1000,
	HANDSHAKE_MS = 10000, /* until the first request */
	STUCK_MS = 10000, /* until an answer is taken */
	IDLE_MS = 3600000,
};

struct conn {
	int fd;
	SSL *tls;
	bool shaken; /* the handshake is done, the cluster known */
	bool asked; /* at least one request came */
	bool over; /* to be closed at the end of this turn */
	bool want_write;
	bool more; /* unread bytes, for which no event will come */
	uint32_t events;
	uint8_t cluster[WITNESS_HASH_SIZE];
	uint32_t slot;
	int64_t since; /* ms: the last request, or that it has been waiting */
	size_t in_size, out_size;
	uint8_t in[IN_MAX], out[OUT_MAX];
};

struct server {
	const struct witness_serve_options *o;
	struct witness_core *core;
	struct witness_disk *disk;
	SSL_CTX *context;
	int epoll, listener, signals;
	struct conn *conns; /* o->connections of them; fd -1: free */
	int64_t now, swept;
	bool stop;
	bool more; /* some connection's */
};

static int64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int fail(struct err *e, const char *what)
{
	int code = errno;

	return err_setf(e, -code, "witness: %s: %s", what, strerror(code));
}

/* ---- connections ---- */

static void conn_close(struct conn *c)
{
	SSL_free(c->tls);
	close(c->fd);
	*c = (struct conn){.fd = -1};
}

static void conn_watch(struct server *s, struct conn *c)
{
	bool full = c->out_size + WITNESS_FRAME_MAX > OUT_MAX;
	uint32_t events = (full ? 0u : EPOLLIN) |
		(c->want_write || (c->shaken && c->out_size) ? EPOLLOUT : 0u);
	struct epoll_event ev = {.events = events, .data.ptr = c};

	if (events == c->events)
		return;
	c->events = events;
	if (epoll_ctl(s->epoll, EPOLL_CTL_MOD, c->fd, &ev) < 0)
		c->over = true;
}

/* Who has waited longest, strangers before those who asked for something. */
static struct conn *conn_place(struct server *s)
{
	struct conn *worst = &s->conns[0];

	for (unsigned i = 0; i < s->o->connections; i++) {
		struct conn *c = &s->conns[i];

		if (c->fd < 0)
			return c;
		if ((worst->asked && !c->asked) ||
			(worst->asked == c->asked && c->since < worst->since))
			worst = c;
	}
	conn_close(worst);
	return worst;
}

static void conn_add(struct server *s, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct conn *c = conn_place(s);
	SSL *tls = SSL_new(s->context);
	int one = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	*c = (struct conn){.fd = fd,
		.tls = tls,
		.events = EPOLLIN,
		.slot = WITNESS_NO_SLOT,
		.since = s->now};
	ev.data.ptr = c;
	if (!tls || SSL_set_fd(tls, fd) != 1 ||
		epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev) < 0) {
		conn_close(c);
		return;
	}
	SSL_set_accept_state(tls);
}

static void accept_some(struct server *s)
{
	for (int i = 0; i < EVENTS_MAX; i++) {
		int fd = accept4(
			s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		conn_add(s, fd);
	}
}

static bool is_let_in(const struct server *s, const uint8_t *cluster)
{
	for (size_t i = 0; i < s->o->only_count; i++)
		if (!memcmp(s->o->only[i], cluster, WITNESS_HASH_SIZE))
			return true;
	return s->o->only_count == 0;
}

static void conn_shake(struct server *s, struct conn *c)
{
	int rc = witness_tls_handshake(c->tls, &c->want_write);

	if (rc == 0)
		return;
	if (rc < 0 || witness_tls_peer(c->tls, c->cluster) < 0)
		c->over = true;
	else
		c->shaken = true;
}

/* Decides what came; the answers wait for the disk. */
static int conn_decide(struct server *s, struct conn *c, struct err *e)
{
	size_t used = 0;

	while (c->out_size + WITNESS_FRAME_MAX <= OUT_MAX) {
		const uint8_t *content;
		size_t size;
		struct witness_request r;
		struct witness_reply reply = {.status = WITNESS_FULL};
		bool changed = false;
		int rc = witness_msg_frame(
			c->in + used, c->in_size - used, &content, &size);

		if (rc < 0 ||
			(size &&
				witness_msg_get_request(content, size, &r) <
					0)) {
			c->over = true;
			return 0;
		}
		if (!size)
			break;
		used = (size_t)(content - c->in) + size;
		c->asked = true;
		c->since = s->now;
		reply.id = r.id;
		if (is_let_in(s, c->cluster))
			changed = witness_core_answer(
				s->core, c->cluster, &r, &reply, &c->slot);
		if (changed) {
			rc = witness_disk_write(
				s->disk, c->slot, c->cluster, &reply.view, e);
			if (rc < 0)
				return rc;
		}
		c->out_size += witness_msg_put_reply(
			&reply, c->out + c->out_size);
	}
	memmove(c->in, c->in + used, c->in_size - used);
	c->in_size -= used;
	return 0;
}

static int conn_read(struct server *s, struct conn *c, struct err *e)
{
	int rc = conn_decide(s, c, e);

	c->more = false;
	if (rc < 0)
		return rc;
	while (!c->over && c->out_size + WITNESS_FRAME_MAX <= OUT_MAX) {
		int n = witness_tls_read(c->tls, c->in + c->in_size,
			IN_MAX - c->in_size, &c->want_write);

		if (n < 0)
			c->over = true;
		if (n <= 0)
			return 0;
		c->in_size += (size_t)n;
		rc = conn_decide(s, c, e);
		if (rc < 0)
			return rc;
	}
	c->more = true;
	return 0;
}

static int conn_turn(struct server *s, struct conn *c, struct err *e)
{
	c->more = false;
	if (!c->shaken)
		conn_shake(s, c);
	return c->shaken && !c->over ? conn_read(s, c, e) : 0;
}

static void conn_send(struct server *s, struct conn *c)
{
	while (c->out_size && !c->over) {
		int n = witness_tls_write(
			c->tls, c->out, c->out_size, &c->want_write);

		if (n < 0)
			c->over = true;
		if (n <= 0)
			return;
		c->out_size -= (size_t)n;
		memmove(c->out, c->out + n, c->out_size);
		c->since = s->now;
	}
}

static bool is_overdue(const struct server *s, const struct conn *c)
{
	int64_t limit = !c->asked ? HANDSHAKE_MS
		: c->out_size     ? STUCK_MS
				  : IDLE_MS;

	return s->now - c->since > limit;
}

/* After the sync: answers go out, and what is over goes away. */
static void finish_turn(struct server *s, bool sweep)
{
	s->more = false;
	for (unsigned i = 0; i < s->o->connections; i++) {
		struct conn *c = &s->conns[i];

		if (c->fd < 0)
			continue;
		conn_send(s, c);
		if (c->over || (sweep && is_overdue(s, c)))
			conn_close(c);
		else
			conn_watch(s, c);
		s->more |= c->more &&
			c->out_size + WITNESS_FRAME_MAX <= OUT_MAX;
	}
}

/* ---- the loop ---- */

static void conn_event(struct conn *c, uint32_t events)
{
	c->more = true;
	if (events & (EPOLLERR | EPOLLHUP))
		c->over = true;
}

static int turn_conns(struct server *s, struct err *e)
{
	for (unsigned i = 0; i < s->o->connections; i++) {
		struct conn *c = &s->conns[i];
		int rc = c->fd >= 0 && c->more ? conn_turn(s, c, e) : 0;

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int turn(struct server *s, struct err *e)
{
	struct epoll_event ev[EVENTS_MAX];
	bool arrivals = false, sweep;
	int rc,
		n = epoll_wait(
			s->epoll, ev, EVENTS_MAX, s->more ? 0 : SWEEP_MS);

	if (n < 0 && errno != EINTR)
		return fail(e, "epoll_wait");
	s->now = clock_ms();
	for (int i = 0; i < n; i++) {
		void *what = ev[i].data.ptr;

		if (what == &s->signals)
			s->stop = true;
		else if (what == &s->listener)
			arrivals = true;
		else
			conn_event(what, ev[i].events);
	}
	rc = turn_conns(s, e);
	if (rc < 0)
		return rc;
	rc = witness_disk_sync(s->disk, e);
	if (rc < 0)
		return rc;
	sweep = s->now - s->swept >= SWEEP_MS;
	if (sweep)
		s->swept = s->now;
	finish_turn(s, sweep);
	/* Last: a new one may take the place of one that stood in ev. */
	if (arrivals)
		accept_some(s);
	return 0;
}

static int watch(struct server *s, int *fd, struct err *e)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = fd};

	return epoll_ctl(s->epoll, EPOLL_CTL_ADD, *fd, &ev) < 0
		? fail(e, "epoll_ctl")
		: 0;
}

static int open_signals(struct server *s, struct err *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return fail(e, "sigprocmask");
	s->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (s->signals < 0)
		return fail(e, "signalfd");
	/* A peer that is gone is an error of write(). */
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static int server_open(
	struct server *s, char *address, size_t size, struct err *e)
{
	const struct witness_serve_options *o = s->o;
	int rc = witness_core_new(o->clusters, &s->core);

	s->conns = calloc(o->connections, sizeof(*s->conns));
	if (rc < 0 || !s->conns)
		return err_setf(e, -ENOMEM, "witness: no memory");
	for (unsigned i = 0; i < o->connections; i++)
		s->conns[i].fd = -1;
	rc = witness_disk_open(o->state, o->repair, s->core, &s->disk, e);
	if (rc < 0)
		return rc;
	s->context = witness_tls_context(o->key, true, e);
	if (!s->context)
		return -EIO;
	rc = address_listen(
		o->listen, WITNESS_PORT, &s->listener, address, size, e);
	if (rc < 0)
		return rc;
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll < 0)
		return fail(e, "epoll_create1");
	rc = open_signals(s, e);
	if (rc == 0)
		rc = watch(s, &s->signals, e);
	return rc < 0 ? rc : watch(s, &s->listener, e);
}

static void server_close(struct server *s)
{
	for (unsigned i = 0; s->conns && i < s->o->connections; i++)
		if (s->conns[i].fd >= 0)
			conn_close(&s->conns[i]);
	free(s->conns);
	if (s->signals >= 0)
		close(s->signals);
	if (s->epoll >= 0)
		close(s->epoll);
	if (s->listener >= 0)
		close(s->listener);
	SSL_CTX_free(s->context);
	witness_disk_close(s->disk);
	witness_core_free(s->core);
}

int witness_serve(const struct witness_serve_options *o, struct err *e)
{
	struct server s = {.o = o, .epoll = -1, .listener = -1, .signals = -1};
	char address[280];
	int rc = server_open(&s, address, sizeof(address), e);

	if (rc == 0 && o->ready)
		o->ready(o->arg, address);
	while (rc == 0 && !s.stop)
		rc = turn(&s, e);
	server_close(&s);
	return rc;
}
