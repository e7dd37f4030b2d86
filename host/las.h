/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server of a node's quoting service: AESM's protocol on a UNIX socket.
 *
 * One thread and a poll loop. Nothing that a client does or leaves undone holds
 * up another: sizes, clients and the time of each step are bounded, and when
 * all places are taken, who has waited longest without having sent its request
 * makes room. Clients that break the protocol are hung up on.
 */
#pragma once

#include "host/aesm_wire.h"
#include "lib/err.h"

enum {
	LAS_CLIENTS = 256,
	LAS_READ_MS = 5000, /* from the connection to the whole request */
	LAS_FORWARD_MS = 60000, /* Intel's service may ask its PCCS first */
	LAS_SEND_MS = 5000, /* until the client has taken the answer */
	LAS_STOP_MS = 1000, /* for answers under way, when stopping */
};

/* Who answers. */
struct las_backend {
	/*
	 * Makes the answer to a request: a frame, malloc'ed. Quick: all clients
	 * wait for it. -EPROTO: the client is hung up on; -ENOMEM.
	 * NULL: requests are passed on to @forward.
	 */
	int (*answer)(void *ctx, const struct aesm_msg *request,
		uint8_t **frame, size_t *size);
	/* Called every @tick_ms (0: never). */
	void (*tick)(void *ctx);
	int64_t tick_ms;
	void *ctx;
	const char *forward; /* path of the socket of Intel's service */
};

struct las; /* opaque */

/*
 * Listens at @path (a socket that nobody serves any more is replaced; a lock
 * beside it, PATH.lock, tells), with @mode as permissions. The path is that of
 * a file, not an abstract one. 0; -EADDRINUSE: another one serves there; other
 * -errno.
 */
must_check int las_new(struct las **out, const char *path, unsigned mode,
	const struct las_backend *backend, struct err *e);
/* Serves until SIGTERM or SIGINT, which must be blocked. 0 or -errno. */
must_check int las_serve(struct las *las, struct err *e);
/* Removes the socket. NULL is fine. */
void las_free(struct las *las);

/* An answer that only has an error. 0, -ENOMEM, or -EINVAL: there is no such
 * message. */
must_check int las_error(
	uint32_t message, enum aesm_code code, uint8_t **frame, size_t *size);
/* m as a response, malloc'ed. 0, -ENOMEM or -EINVAL. */
must_check int las_encode(
	const struct aesm_msg *m, uint8_t **frame, size_t *size);

/* ---- las_emulated.c: the quoting enclave of the emulated platform ---- */

struct emu_qe;
struct las_emulated; /* opaque */

must_check int las_emulated_new(struct las_emulated **out, struct err *e);
void las_emulated_free(struct las_emulated *l); /* NULL is fine */
const struct emu_qe *las_emulated_qe(const struct las_emulated *l);
/* struct las_backend's answer; @ctx is the struct las_emulated. */
int las_emulated_answer(void *ctx, const struct aesm_msg *request,
	uint8_t **frame, size_t *size);
