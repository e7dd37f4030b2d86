/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data of a host socket that travels with exits which happen anyway.
 *
 * Sends are taken into the data area and posted with the next exit of any
 * enclave thread. What the host does not take at once stays there and goes on
 * when the socket is writable; an error is told by the next operation.
 * Receives are posted for sockets of which an event says that there is
 * something to read: the first one that is asked for by the application takes
 * the others along.
 *
 * One call of each kind is in flight per socket, so nothing is overtaken.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/hostcall_ring.h"
#include "kernel/hostready.h"
#include "kernel/mutex.h"
#include "lib/list.h"

struct uio;

struct netpost {
	struct hostready ready;
	int fd;
	int error; /* of a posted call: errno, 0: none */

	/* Bytes [out_pos, out_end) of the area's [out_off, + out_room). */
	struct hostcall_post out;
	struct list out_node; /* on the list of what leaves next */
	uint64_t out_off, out_seen;
	size_t out_room, out_pos, out_end;
	size_t out_hint; /* room that would have been enough */
	bool blocked; /* the host took less than it was given */
	unsigned sending, receiving; /* calls of the socket itself: meanwhile
					nothing is posted */

	/* Bytes [in_pos, in_end) of in_buf, or if that is NULL of the area. */
	struct hostcall_post in;
	struct list in_node;
	struct mutex in_lock;
	uint64_t in_off, in_seen;
	uint8_t *in_buf;
	size_t in_room, in_pos, in_end;
	struct list wait_node; /* on the list of those somebody waits for */
	unsigned waiting; /* threads */
	uint8_t no_guess; /* times that guessing is not worth it */
	bool guessed; /* the receive in flight is a guess */
	bool ahead; /* may be read before the application asks */
	bool large; /* receives take more than can be read along */
	bool in_more; /* the host had more */
};

/* hostready_init() and the rest. 0 or -ENOMEM. */
int netpost_init(struct netpost *np);
void netpost_fini(struct netpost *np);

/* Bytes that are sent for the application but still inside. */
static inline size_t netpost_unsent(const struct netpost *np)
{
	return np->out_end - np->out_pos;
}

/* Takes all of u. False: nothing happened, send it yourself. */
bool netpost_send(struct netpost *np, struct uio *u);
/* Tries to get rid of what is inside: true if nothing is. */
bool netpost_flush(struct netpost *np);
void netpost_drop_unsent(struct netpost *np);
/* Sends on what is writable again; who waits for that is woken. */
void netpost_retry(void);
/* The pending error as -errno, once; 0: none. */
int netpost_error(struct netpost *np);

/* What was read along, for a receive with these MSG_* flags: bytes, 0: nothing
 * was (ask the host), -errno. */
int64_t netpost_take(struct netpost *np, struct uio *u, uint32_t flags);
/* Waits for a receive on its way. Bytes read along. */
size_t netpost_ahead(struct netpost *np);
/* hostready_wait() for something to read. */
int netpost_wait(struct netpost *np, uint64_t deadline);
/* A receive of the socket itself got n bytes. */
void netpost_received(struct netpost *np, int64_t n);
/* Corrects what the host says about readiness (POLL*). */
uint32_t netpost_poll(struct netpost *np, uint32_t ready);
