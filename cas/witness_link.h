/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's connection to one witness: made again whenever it is lost, one
 * request at a time, never waiting.
 */
#pragma once

#include <openssl/ssl.h>

#include "cas/witness_msg.h"

enum witness_link_state {
	LINK_DOWN,
	LINK_CONNECTING,
	LINK_SHAKING,
	LINK_READY, /* for a request */
	LINK_ASKED, /* its answer is awaited */
};

struct addrinfo;

struct witness_link {
	struct witness_address address;
	SSL_CTX *context; /* borrowed */
	enum witness_link_state state;
	int fd;
	SSL *tls;
	bool want_write;
	int64_t since; /* ms: of this state */
	int64_t retry; /* ms: LINK_DOWN until then */
	unsigned failures; /* in a row */
	struct addrinfo *places, *place; /* what the name stands for */
	size_t in_size, out_size, out_done;
	uint8_t in[WITNESS_FRAME_MAX], out[WITNESS_FRAME_MAX];
	char trouble[160]; /* why it was lost at last, or "" */
};

/* What happened: */
enum witness_link_event {
	LINK_NOTHING,
	LINK_REPLY, /* *reply is there */
	LINK_LOST, /* and with it the request that was out, if any */
};

void witness_link_init(struct witness_link *l, SSL_CTX *context,
	const struct witness_address *address);
void witness_link_close(struct witness_link *l);
/* Goes on as far as it can without waiting. now: ms of a monotonic clock. */
enum witness_link_event witness_link_turn(
	struct witness_link *l, int64_t now, struct witness_reply *reply);
/* LINK_READY only; sends with the next turn. */
void witness_link_ask(
	struct witness_link *l, int64_t now, const struct witness_request *r);
/* For poll(2): events of l->fd, if that is not -1; and when to turn at the
 * latest. */
short witness_link_events(const struct witness_link *l);
int64_t witness_link_due(const struct witness_link *l);
