/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Against the loss of a machine: recovery shares and copies of the store, for
 * the owner (recovery.c); and a CAS without its key, which waits for shares
 * (recovering.c). doc/cas-recovery.md has the whole.
 */
#pragma once

#include "cas/http.h"

/* STORE_META: what the owner was given last, boxes and all. */
#define RECOVERY_ROW "recovery"

/* ---- recovery.c ---- */
void recovery_make(struct http_call *c);
void recovery_get(struct http_call *c);
void backup_make(struct http_call *c);
void backup_get(struct http_call *c);

/* ---- recovering.c ---- */
struct recovering_result {
	uint8_t key[STORE_KEY_SIZE];
	char how[128]; /* for the log */
};

/*
 * Serves evidence and takes shares at this address until they give the key
 * that opens this database. 0; -EINTR: SIGTERM came first; errors of sockets.
 */
must_check int recovering_run(struct server *s, const char *listen,
	const char *database, struct recovering_result *out, struct err *e);
