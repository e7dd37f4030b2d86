/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of the port for people, which evhttp does not show: how many
 * there are, since when each has not finished a request, and how many bytes of
 * requests it has sent. Who drips bytes is put out, and who was quiet for
 * longest gives way when places or bytes are taken.
 */
#pragma once

#include <event2/bufferevent.h>
#include <openssl/ssl.h>

#include "lib/types.h"

struct place;

struct places {
	struct place *first; /* the one used last */
	unsigned count, max;
	size_t bytes; /* of requests that are not whole */
};

enum {
	PLACES_BYTES_MAX = 64 << 20,
	PLACES_REQUEST_MS = 60000, /* for a request to come in */
};

/* Before the first connection. False: no memory. */
bool places_init(struct places *p, unsigned max);
/* Connections may outlive it: libevent frees them in its own time. */
void places_fini(struct places *p);
/* A connection begins, which ends with its ssl. False: no
 * memory. Beyond max it is ended by the next tick. */
must_check bool places_add(
	struct places *p, SSL *ssl, struct bufferevent *bev, uint64_t now_ms);
/* A whole request is there, and is being answered; or was. */
void places_begin(SSL *ssl, uint64_t now_ms);
void places_end(SSL *ssl, uint64_t now_ms);
/* Who took too long. */
void places_tick(struct places *p, uint64_t now_ms);
