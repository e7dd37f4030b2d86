/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of host calls: takes requests from the shared region,
 * checks that buffers lie within it (a broken enclave shall not break the
 * launcher), runs serve_NAME of the row and writes the completion.
 *
 * A handler gets its scalars as they are and its buffers as addresses (0 if
 * none); it returns >= 0 or -errno and repeats what EINTR interrupted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/hostcall.h"

/* What the launcher does for the enclave itself; each 0 or -errno. */
struct serve_enclave_ops {
	int (*augment)(void *ctx, uint64_t addr, uint64_t size, bool hidden);
	int (*restrict_perm)(
		void *ctx, uint64_t addr, uint64_t size, uint64_t perm);
	int (*modify_type)(
		void *ctx, uint64_t addr, uint64_t size, uint64_t type);
	int (*remove)(void *ctx, uint64_t addr, uint64_t size);
	int (*protect)(void *ctx, uint64_t addr, uint64_t size, uint64_t perm);
	/* bytes taken */
	int64_t (*stats)(void *ctx, const char *text, uint64_t size);
	int (*thread_start)(void *ctx, uint64_t cpu);
	int (*kick)(void *ctx, uint64_t cpu);
	int (*park)(void *ctx, uint64_t cpu);
};

struct serve;

typedef int64_t (*serve_handler)(struct serve *s, const uint64_t *a);

/* base: the zeroed region (abi/ring.h). enclave may be NULL: -ENOSYS.
 * NULL on no memory. */
struct serve *serve_new(void *base, size_t size, int cpus,
	const struct serve_enclave_ops *enclave, void *enclave_ctx);
void serve_free(struct serve *s);
/* One line to standard error for each call served. */
void serve_set_trace(struct serve *s, bool on);
/* The log has system calls: their numbers get names. */
void serve_set_names(struct serve *s, bool on);
/* The socket of the quoting service, for all servers; kept. NULL: the first
 * of those that host/aesm.h names. */
void serve_quote_from(const char *path);
/* How often a call was served. */
uint64_t serve_count(const struct serve *s, unsigned nr);
/* The enclave's last words after EXIT_PANIC; printable, at most size - 1. */
void serve_panic_text(const struct serve *s, char *text, size_t size);

/* The enclave thread of this index left with EXIT_CALL: serves what is
 * posted in its ring, then its call slot. On its own host thread. */
void serve_exit_call(struct serve *s, int cpu);

/* For workers: is there a request in that ring? Serve one: true if there
 * was. Tell the enclave threads whether anybody looks at their rings. */
bool serve_ring_waits(struct serve *s, int cpu);
bool serve_ring_once(struct serve *s, int cpu);
void serve_set_polling(struct serve *s, bool on);

#define HOSTCALL(name, ...) \
	int64_t serve_##name(struct serve *s, const uint64_t *a);
#include "abi/hostcall.def"
#undef HOSTCALL
