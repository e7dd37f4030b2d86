/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An upgrade without people at the machines: a CAS hands its key and its
 * database to a successor that its owner approved.
 *
 *	successors.c	what the owner approves
 *	giver.c		the CAS in charge, on the port for enclaves
 *	join.c		the successor, before it has anything
 *
 * Both show evidence that is bound to the connection. From the grant on the
 * giver changes nothing, and ends when the copy was fetched; if that fails it
 * goes on. A successor takes a higher term, after which witnesses refuse an
 * older CAS whatever it does.
 */
#pragma once

#include "cas/http.h"
#include "cas/wire.h"

/* ---- successors.c ---- */
void successors_add(struct http_call *c);
void successors_get(struct http_call *c);
void successors_withdraw(struct http_call *c);

/* ---- giver.c ---- */
/* WIRE_JOIN or WIRE_COPY on a connection, `conn`, with this binding. reply()
 * may come later, unless giver_gone() came before. */
void giver_request(struct server *s, const void *conn,
	const uint8_t binding[static 64], const struct wire_request *r,
	engine_wire_fn *reply, void *arg);
void giver_gone(struct server *s, const void *conn);
void giver_free(struct server *s);
/* What the giver's evidence has as report data. 0 or -EIO. */
must_check int giver_binding(
	const uint8_t binding[static 64], uint8_t report_data[static 64]);

/* ---- join.c ---- */
/*
 * Asks the CAS at from ("ADDRESS:PORT=KEY", numeric, the key's hash) for its
 * key, and for its database into this file. 0; -EKEYREJECTED: it refused, or
 * it is not an enclave to take a key from; errors of links and files.
 */
must_check int join_run(struct server *s, const struct server_options *o,
	const char *from, const char *file, uint8_t key[static STORE_KEY_SIZE],
	struct err *e);
