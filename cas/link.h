/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to CAS, as its clients have it: TLS 1.3, CAS known by the hash
 * of its public key and by nothing else of its certificate. A wrong key ends
 * the handshake, before any message was sent.
 *
 * Nothing here waits but link_wait(): who has other things to do calls
 * link_step() when poll(2) says link_events() of link_fd(). SIGPIPE must be
 * ignored. Secrets may pass: all buffers are wiped.
 */
#pragma once

#include "cas/wire.h"
#include "lib/err.h"

enum { LINK_KEY_SIZE = 32 };

struct link;

/*
 * Begins to connect. address: numeric, "192.0.2.1:18765" or "[2001:db8::1]:1".
 * -EINVAL: no such address; -ENOMEM; errors of socket(2) and connect(2).
 */
must_check int link_new(const char *address,
	const uint8_t key[static LINK_KEY_SIZE], struct link **out,
	struct err *e);
/* Says goodbye if possible. NULL is fine. */
void link_free(struct link *l);

int link_fd(const struct link *l);
short link_events(const struct link *l);
const char *link_address(const struct link *l);

/*
 * Goes on as far as possible without waiting. 1: messages can be exchanged;
 * 0: not yet; -EKEYREJECTED: whoever is there has another key; -EPROTO: does
 * not speak TLS 1.3; -ECONNRESET: ended; other errors of sockets. After an
 * error the link is only to be freed.
 */
must_check int link_step(struct link *l, struct err *e);
/* As link_step, until it is 1 or timeout_ms are over: -ETIMEDOUT. */
must_check int link_wait(struct link *l, unsigned timeout_ms, struct err *e);

/* What evidence must have as report data; valid once link_step() gave 1. */
const uint8_t *link_binding(const struct link *l); /* 64 bytes */

/* Queues; link_step() sends. -EINVAL, -EMSGSIZE, -ENOMEM as wire_put_*(). */
must_check int link_send(
	struct link *l, const struct wire_request *r, struct err *e);
/*
 * The next reply that is there: 1 with r, which lives until the next call or
 * link_free(); 0: none; errors as link_step(), or -EPROTO: not a reply.
 */
must_check int link_receive(
	struct link *l, struct wire_reply *r, struct err *e);
/* Sends r and waits for the reply with its id; others are dropped. */
must_check int link_call(struct link *l, const struct wire_request *r,
	unsigned timeout_ms, struct wire_reply *reply, struct err *e);

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t link_now(void);
