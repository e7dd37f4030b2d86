/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/witness_link.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "cas/address.h"
#include "cas/witness_tls.h"
#include "lib/string.h"

enum {
	CONNECT_MS = 3000, /* with the handshake */
	ANSWER_MS = 3000,
	RETRY_MS = 50, /* doubled with each failure, up to: */
	RETRY_MAX_MS = 2000,
};

void witness_link_init(struct witness_link *l, SSL_CTX *context,
	const struct witness_address *address)
{
	*l = (struct witness_link){
		.context = context, .address = *address, .fd = -1};
}

static void drop(struct witness_link *l)
{
	SSL_free(l->tls);
	if (l->fd >= 0)
		close(l->fd);
	l->tls = NULL;
	l->fd = -1;
	l->state = LINK_DOWN;
	l->in_size = l->out_size = l->out_done = 0;
}

void witness_link_close(struct witness_link *l)
{
	drop(l);
	if (l->places)
		freeaddrinfo(l->places);
	l->places = l->place = NULL;
}

static void enter(
	struct witness_link *l, enum witness_link_state state, int64_t now)
{
	l->state = state;
	l->since = now;
}

/* One that served before is tried again at once: the witness, or what is in
 * between, gave up an idle connection. */
static enum witness_link_event lose(
	struct witness_link *l, int64_t now, const char *why)
{
	bool served = l->state >= LINK_READY && l->failures == 0;
	int64_t wait = RETRY_MS << (l->failures < 6 ? l->failures : 6);

	if (why != l->trouble)
		(void)!string_copy(l->trouble, sizeof(l->trouble), why);
	drop(l);
	if (l->place)
		l->place = l->place->ai_next;
	l->failures++;
	l->retry = served || l->place
		? now
		: now + (wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS);
	return LINK_LOST;
}

static bool find_place(struct witness_link *l)
{
	struct err e = {0};

	if (l->place)
		return true;
	/* Asked again each time round: names move. */
	if (l->places)
		freeaddrinfo(l->places);
	if (address_resolve(l->address.address, WITNESS_PORT, &l->places, &e) <
		0) {
		(void)!string_copy(l->trouble, sizeof(l->trouble), e.text);
		l->places = NULL;
	}
	l->place = l->places;
	return l->place != NULL;
}

static enum witness_link_event start(struct witness_link *l, int64_t now)
{
	int one = 1;

	if (now < l->retry)
		return LINK_NOTHING;
	if (!find_place(l))
		return lose(l, now, l->trouble);
	l->fd = socket(l->place->ai_family,
		SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return lose(l, now, strerror(errno));
	(void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(l->fd, l->place->ai_addr, l->place->ai_addrlen) < 0 &&
		errno != EINPROGRESS)
		return lose(l, now, strerror(errno));
	enter(l, LINK_CONNECTING, now);
	return LINK_NOTHING;
}

static enum witness_link_event connected(struct witness_link *l, int64_t now)
{
	struct pollfd p = {.fd = l->fd, .events = POLLOUT};
	int code = 0;
	socklen_t size = sizeof(code);

	if (poll(&p, 1, 0) < 1)
		return LINK_NOTHING;
	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0)
		code = errno;
	if (code)
		return lose(l, now, strerror(code));
	l->tls = SSL_new(l->context);
	if (!l->tls || SSL_set_fd(l->tls, l->fd) != 1)
		return lose(l, now, "libssl failed");
	SSL_set_connect_state(l->tls);
	l->state = LINK_SHAKING;
	return LINK_NOTHING;
}

static enum witness_link_event shake(struct witness_link *l, int64_t now)
{
	uint8_t key[WITNESS_HASH_SIZE];
	int rc = witness_tls_handshake(l->tls, &l->want_write);

	if (rc == 0)
		return LINK_NOTHING;
	if (rc < 0)
		return lose(l, now, "the TLS handshake failed");
	if (witness_tls_peer(l->tls, key) < 0 ||
		memcmp(key, l->address.key, sizeof(key)) != 0)
		return lose(l, now,
			"it has another key than the one that is configured");
	enter(l, LINK_READY, now);
	return LINK_NOTHING;
}

static enum witness_link_event send_some(struct witness_link *l, int64_t now)
{
	while (l->out_done < l->out_size) {
		int n = witness_tls_write(l->tls, l->out + l->out_done,
			l->out_size - l->out_done, &l->want_write);

		if (n < 0)
			return lose(l, now, "the connection was closed");
		if (n == 0)
			return LINK_NOTHING;
		l->out_done += (size_t)n;
	}
	return LINK_NOTHING;
}

static enum witness_link_event receive(
	struct witness_link *l, int64_t now, struct witness_reply *reply)
{
	const uint8_t *content;
	size_t size;
	int rc,
		n = witness_tls_read(l->tls, l->in + l->in_size,
			sizeof(l->in) - l->in_size, &l->want_write);

	if (n < 0)
		return lose(l, now, "the connection was closed");
	if (n == 0)
		return LINK_NOTHING;
	l->in_size += (size_t)n;
	rc = witness_msg_frame(l->in, l->in_size, &content, &size);
	/* One request, one answer: nothing comes unasked. */
	if (rc < 0 || l->state != LINK_ASKED ||
		(size && (size_t)(content - l->in) + size != l->in_size) ||
		(size && witness_msg_get_reply(content, size, reply) < 0))
		return lose(l, now, "what it sent is no answer");
	if (!size)
		return LINK_NOTHING;
	l->in_size = 0;
	l->failures = 0;
	l->trouble[0] = '\0';
	enter(l, LINK_READY, now);
	return LINK_REPLY;
}

static bool is_late(const struct witness_link *l, int64_t now)
{
	return (l->state == LINK_CONNECTING || l->state == LINK_SHAKING)
		? now - l->since >= CONNECT_MS
		: l->state == LINK_ASKED && now - l->since >= ANSWER_MS;
}

enum witness_link_event witness_link_turn(
	struct witness_link *l, int64_t now, struct witness_reply *reply)
{
	enum witness_link_event what = LINK_NOTHING;

	l->want_write = false;
	if (l->state == LINK_DOWN)
		what = start(l, now);
	if (what == LINK_NOTHING && l->state == LINK_CONNECTING)
		what = connected(l, now);
	if (what == LINK_NOTHING && l->state == LINK_SHAKING)
		what = shake(l, now);
	if (what == LINK_NOTHING && l->state == LINK_ASKED)
		what = send_some(l, now);
	if (what == LINK_NOTHING && l->state >= LINK_READY)
		what = receive(l, now, reply);
	if (what == LINK_NOTHING && is_late(l, now))
		what = lose(l, now, "it does not answer");
	return what;
}

void witness_link_ask(
	struct witness_link *l, int64_t now, const struct witness_request *r)
{
	l->out_size = witness_msg_put_request(r, l->out);
	l->out_done = 0;
	enter(l, LINK_ASKED, now);
}

short witness_link_events(const struct witness_link *l)
{
	if (l->state == LINK_CONNECTING)
		return POLLOUT;
	return l->want_write ? POLLIN | POLLOUT : POLLIN;
}

int64_t witness_link_due(const struct witness_link *l)
{
	switch (l->state) {
	case LINK_DOWN:
		return l->retry;
	case LINK_CONNECTING:
	case LINK_SHAKING:
		return l->since + CONNECT_MS;
	case LINK_ASKED:
		return l->since + ANSWER_MS;
	default:
		return INT64_MAX;
	}
}
