/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The port for enclaves: frames of CBOR in TLS 1.3 (cas/wire.h). Whoever
 * connects is a stranger until its evidence was judged, so: sizes are bounded
 * before memory is taken, a handshake and a first request have a deadline, and
 * what one connection may have waiting is limited.
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "cas/join.h"
#include "cas/server.h"
#include "cas/wire.h"
#include "lib/string.h"

enum {
	/* s until CAS has accepted it, for handshake, evidence and all: bytes
	 * that come now and then do not make it longer. */
	FIRST_TIMEOUT = 20,
	IDLE_TIMEOUT = 600, /* s: leases are far shorter */
	WRITE_TIMEOUT = 60, /* s in which nothing of replies is taken */
	BACKLOG_MAX = 16 << 20, /* bytes of replies that are not read */
	STRANGER_BACKLOG_MAX = 64 << 10,
};

struct conn {
	struct port *port;
	struct bufferevent *bev;
	struct engine_peer *peer; /* NULL: not through the handshake */
	uint8_t binding[64];
	struct conn *next, **pprev;
	struct event *deadline; /* NULL: CAS has accepted it */
	char name[LIMITS_NAME]; /* its address, for the limits */
	bool closing; /* once everything was sent */
};

struct port {
	struct server *server;
	SSL_CTX *tls;
	struct evconnlistener *listener;
	struct conn *conns; /* the newest one first */
	unsigned count;
};

static void no_deadline(struct conn *c)
{
	if (c->deadline)
		event_free(c->deadline);
	c->deadline = NULL;
}

static void conn_free(struct conn *c)
{
	no_deadline(c);
	giver_gone(c->port->server, c);
	engine_peer_free(c->peer);
	bufferevent_free(c->bev);
	*c->pprev = c->next;
	if (c->next)
		c->next->pprev = c->pprev;
	c->port->count--;
	free(c);
}

/* The rest is sent, then it ends. */
static void conn_close(struct conn *c)
{
	c->closing = true;
	bufferevent_disable(c->bev, EV_READ);
	if (!evbuffer_get_length(bufferevent_get_output(c->bev)))
		conn_free(c);
}

static void on_reply(void *arg, const struct wire_reply *r)
{
	struct conn *c = arg;
	struct buf frame = {.secret = true};
	struct err e = {0};

	if (wire_put_reply(r, &frame, &e) ||
		bufferevent_write(c->bev, frame.data, frame.size))
		server_say("port: a reply could not be sent: %s",
			e.code ? e.text : "no memory");
	buf_fini(&frame);
	/* An instance: it was attested, or had the token. */
	if (!r->status && r->lease)
		no_deadline(c);
}

/* Who has no answer by now, as witnesses are away, asks again. */
static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	conn_free(c);
}

static void refuse(struct conn *c, uint64_t id, int code, const char *text)
{
	const struct wire_reply r = {
		.id = id, .status = (uint64_t)code, .error = text};

	on_reply(c, &r);
	conn_close(c);
}

/* Attested ones are limited by what they have waiting. */
static bool is_allowed(const struct conn *c)
{
	uint64_t retry;

	return !c->deadline ||
		limits_allow(
			&c->port->server->limits, c->name, server_ms(), &retry);
}

/* One request. False: it was refused, and the connection ends. */
static bool take(struct conn *c, const struct bytes *payload)
{
	size_t size = WIRE_ARENA_SIZE(payload->size);
	void *memory = malloc(size);
	struct wire_request r = {0};
	struct arena arena;
	struct err e = {0};
	int ret;

	if (!memory) {
		refuse(c, 0, ENOMEM, "CAS has no memory for this request");
		return false;
	}
	arena_init(&arena, memory, size);
	ret = wire_get_request(&r, payload->data, payload->size, &arena, &e);
	if (ret) {
		refuse(c, r.id, EINVAL, e.text);
	} else if (!is_allowed(c)) {
		refuse(c, r.id, EDQUOT,
			"too many requests from this address; try again");
		ret = -EDQUOT;
	} else {
		bufferevent_set_timeouts(c->bev,
			&(struct timeval){.tv_sec = IDLE_TIMEOUT},
			&(struct timeval){.tv_sec = WRITE_TIMEOUT});
		if (r.op == WIRE_JOIN || r.op == WIRE_COPY)
			giver_request(c->port->server, c, c->binding, &r,
				on_reply, c);
		else if (c->port->server->frozen)
			on_reply(c,
				&(struct wire_reply){.id = r.id,
					.status = EAGAIN,
					.error = "this CAS hands over to its "
						 "successor"});
		else
			engine_peer_request(c->peer, &r, on_reply, c);
	}
	string_wipe(memory, arena.used);
	free(memory);
	return !ret;
}

/* The next whole frame. 1; 0: not yet; or it was refused. */
static int next_frame(
	struct conn *c, struct evbuffer *in, struct bytes *payload)
{
	uint8_t head[WIRE_HEAD_SIZE];
	size_t want = WIRE_HEAD_SIZE;
	const uint8_t *frame;
	int ret;

	if (evbuffer_copyout(in, head, sizeof(head)) < WIRE_HEAD_SIZE)
		return 0;
	/* Made contiguous once, when all of it is there. */
	for (unsigned i = 0; i < WIRE_HEAD_SIZE; i++)
		want += (size_t)head[i] << 8 * i;
	if (want > WIRE_HEAD_SIZE + WIRE_REQUEST_MAX)
		want = WIRE_HEAD_SIZE;
	if (evbuffer_get_length(in) < want)
		return 0;
	frame = evbuffer_pullup(in, (ev_ssize_t)want);
	ret = frame ? wire_frame(frame, want, WIRE_REQUEST_MAX, payload)
		    : -ENOMEM;
	if (ret < 0)
		refuse(c, 0, -ret,
			frame ? "a frame of no or too many bytes"
			      : "CAS has no memory for this request");
	return ret;
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct evbuffer *out = bufferevent_get_output(bev);
	struct conn *c = arg;

	while (!c->closing && c->peer) {
		struct bytes payload;

		if (next_frame(c, in, &payload) != 1)
			return;
		/* Who sends requests and does not read replies waits. */
		if (evbuffer_get_length(out) >
			(c->deadline ? STRANGER_BACKLOG_MAX : BACKLOG_MAX)) {
			bufferevent_disable(bev, EV_READ);
			return;
		}
		if (!take(c, &payload))
			return;
		evbuffer_drain(in, WIRE_HEAD_SIZE + payload.size);
	}
}

/* Everything was sent. */
static void on_write(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	if (c->closing) {
		conn_free(c);
		return;
	}
	bufferevent_enable(bev, EV_READ);
	on_read(bev, arg);
}

static bool begin(struct conn *c)
{
	static const char label[] = WIRE_EXPORTER_LABEL;
	SSL *ssl = bufferevent_openssl_get_ssl(c->bev);
	uint8_t exporter[WIRE_EXPORTER_SIZE];

	if (SSL_export_keying_material(ssl, exporter, sizeof(exporter), label,
		    sizeof(label) - 1, NULL, 0, 0) != 1 ||
		wire_binding(exporter, c->binding))
		return false;
	c->peer = engine_peer_new(c->port->server->engine, c->binding);
	string_wipe(exporter, sizeof(exporter));
	return c->peer != NULL;
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = arg;

	if (what & BEV_EVENT_CONNECTED) {
		if (begin(c))
			return;
		server_say("port: no memory for a connection");
	}
	while (bufferevent_get_openssl_error(bev)) {
	}
	ERR_clear_error();
	conn_free(c);
}

/* Who was a stranger for longest gives way to who comes next. */
static void make_room(struct port *p)
{
	struct conn *oldest = NULL;

	for (struct conn *c = p->conns; c; c = c->next)
		if (c->deadline)
			oldest = c;
	if (oldest)
		conn_free(oldest);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd,
	struct sockaddr *address, int size, void *arg)
{
	struct port *p = arg;
	struct conn *c = NULL;
	SSL *ssl = NULL;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (p->count >= p->server->max_clients)
		make_room(p);
	if (p->count < p->server->max_clients)
		c = calloc(1, sizeof(*c));
	if (c)
		ssl = SSL_new(p->tls);
	if (ssl)
		c->bev = bufferevent_openssl_socket_new(p->server->base, fd,
			ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
	if (c && c->bev)
		c->deadline = evtimer_new(p->server->base, on_deadline, c);
	if (!c || !c->deadline) {
		if (c && c->bev)
			bufferevent_free(c->bev);
		else if (ssl)
			SSL_free(ssl);
		if (!c || !c->bev)
			evutil_closesocket(fd);
		free(c);
		return;
	}
	c->port = p;
	(void)getnameinfo(address, (socklen_t)size, c->name, sizeof(c->name),
		NULL, 0, NI_NUMERICHOST);
	c->next = p->conns;
	c->pprev = &p->conns;
	if (c->next)
		c->next->pprev = &c->next;
	p->conns = c;
	p->count++;
	bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
	bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
	bufferevent_setwatermark(
		c->bev, EV_READ, 0, WIRE_HEAD_SIZE + WIRE_REQUEST_MAX);
	bufferevent_set_timeouts(c->bev,
		&(struct timeval){.tv_sec = FIRST_TIMEOUT},
		&(struct timeval){.tv_sec = WRITE_TIMEOUT});
	(void)event_add(
		c->deadline, &(struct timeval){.tv_sec = FIRST_TIMEOUT});
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

int port_new(
	struct server *s, const char *address, struct port **out, struct err *e)
{
	struct port *p = calloc(1, sizeof(*p));
	int ret;

	if (!p)
		return err_setf(e, -ENOMEM, "port: no memory");
	ret = server_tls(s, false, &p->tls, e);
	if (!ret)
		ret = server_listen(s, address, on_accept, p, &p->listener, e);
	if (ret) {
		port_free(p);
		return ret;
	}
	p->server = s;
	*out = p;
	return 0;
}

void port_free(struct port *p)
{
	if (!p)
		return;
	if (p->listener)
		evconnlistener_free(p->listener);
	while (p->conns)
		conn_free(p->conns);
	SSL_CTX_free(p->tls);
	free(p);
}

unsigned port_clients(const struct port *p)
{
	return p->count;
}

unsigned port_number(const struct port *p)
{
	return server_bound(evconnlistener_get_fd(p->listener));
}
