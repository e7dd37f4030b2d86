/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/places.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <sys/socket.h>

struct place {
	struct places *all;
	struct place *next, **pprev;
	SSL *ssl;
	uint64_t since_ms; /* its last request, or its begin */
	size_t bytes; /* of the request that comes in */
	bool busy; /* with an answer */
	bool out; /* put out, until evhttp notices */
};

static int place_index = -1;

static void unlink_place(struct place *c)
{
	*c->pprev = c->next;
	if (c->next)
		c->next->pprev = c->pprev;
}

static void link_first(struct place *c)
{
	c->next = c->all->first;
	c->pprev = &c->all->first;
	if (c->next)
		c->next->pprev = &c->next;
	c->all->first = c;
}

static void forget_bytes(struct place *c)
{
	c->all->bytes -= c->bytes;
	c->bytes = 0;
}

/* The connection is gone. */
static void on_free(void *parent, void *data, CRYPTO_EX_DATA *ad, int index,
	long argl, void *argp)
{
	struct place *c = data;

	if (c && c->all) {
		forget_bytes(c);
		if (!c->out)
			c->all->count--;
		unlink_place(c);
	}
	free(c);
}

/* evhttp sees the end, and frees what there is. */
static void shut(const struct place *c)
{
	int fd = SSL_get_fd(c->ssl);

	if (fd >= 0)
		(void)shutdown(fd, SHUT_RDWR);
}

static void put_out(struct place *c)
{
	shut(c);
	forget_bytes(c);
	c->out = true;
	c->all->count--;
}

/* Who was quiet for longest; with_bytes: of those that sent some. */
static void make_room(struct places *p, bool with_bytes)
{
	struct place *last = NULL;

	for (struct place *c = p->first; c; c = c->next)
		if (!c->out && !c->busy && (!with_bytes || c->bytes))
			last = c;
	if (last)
		put_out(last);
}

static void on_bytes(
	struct evbuffer *b, const struct evbuffer_cb_info *info, void *arg)
{
	struct place *c = arg;

	if (!c->all || c->out)
		return;
	c->bytes += info->n_added;
	c->all->bytes += info->n_added;
	if (info->n_added && c->all->bytes > PLACES_BYTES_MAX)
		make_room(c->all, true);
}

bool places_init(struct places *p, unsigned max)
{
	*p = (struct places){.max = max};
	if (place_index < 0)
		place_index = CRYPTO_get_ex_new_index(
			CRYPTO_EX_INDEX_SSL, 0, NULL, NULL, NULL, on_free);
	return place_index >= 0;
}

bool places_add(
	struct places *p, SSL *ssl, struct bufferevent *bev, uint64_t now_ms)
{
	struct place *c;

	if (p->count >= p->max)
		make_room(p, false);
	c = calloc(1, sizeof(*c));
	if (!c || !SSL_set_ex_data(ssl, place_index, c)) {
		free(c);
		return false;
	}
	c->all = p;
	c->ssl = ssl;
	c->since_ms = now_ms;
	/* All wait for answers: it has no socket yet, so the tick ends it. */
	c->out = p->count >= p->max;
	link_first(c);
	p->count += !c->out;
	return evbuffer_add_cb(bufferevent_get_input(bev), on_bytes, c) != NULL;
}

void places_fini(struct places *p)
{
	while (p->first) {
		struct place *c = p->first;

		unlink_place(c);
		c->all = NULL;
	}
}

void places_begin(SSL *ssl, uint64_t now_ms)
{
	struct place *c = SSL_get_ex_data(ssl, place_index);

	if (!c)
		return;
	forget_bytes(c);
	c->busy = true;
	c->since_ms = now_ms;
	unlink_place(c);
	link_first(c);
}

void places_end(SSL *ssl, uint64_t now_ms)
{
	struct place *c = SSL_get_ex_data(ssl, place_index);

	if (!c)
		return;
	c->busy = false;
	c->since_ms = now_ms;
}

void places_tick(struct places *p, uint64_t now_ms)
{
	for (struct place *c = p->first; c; c = c->next)
		if (c->out)
			shut(c);
		else if (!c->busy && now_ms - c->since_ms >= PLACES_REQUEST_MS)
			put_out(c);
}
