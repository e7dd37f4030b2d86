/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to the host, as the kernel makes them: host_NAME(arguments...) for
 * every row of abi/hostcall.def.
 *
 * A stub returns the row's result (>= 0) or an -errno of the row's classes;
 * anything else the host may answer ends the enclave. Besides, without asking
 * the host: -EBADF (descriptor not owned), -E2BIG (a buffer of more than
 * HOSTCALL_BUF_MAX, except uio: those are cut to it, so loop), -ENAMETOOLONG
 * (string), -ENOMEM (data area full), -EFAULT (uio).
 *
 * A uio is advanced by the bytes the result says, not at all on an error.
 * Buffers may be NULL where the call knows that. Every call is a sleep point.
 * POST calls return 0 at once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/hostcall.h"

struct uio;

/* Boot: the region's words as the host gave them; ends the enclave if they
 * are bad. cpus is already checked. */
void hostcall_init(uint64_t u_addr, uint64_t u_size);

/* How RING rows travel. */
enum hostcall_policy {
	HOSTCALL_EXITS, /* never by a worker: the state after init */
	HOSTCALL_AUTO, /* by what is measured now */
	HOSTCALL_RINGS, /* always when a worker polls */
};
/* AUTO and RINGS make calls: not before the scheduler runs. */
void hostcall_set_policy(enum hostcall_policy policy);

/* Best round trips seen by hostcall_set_policy, in TSC ticks; 0: not seen. */
struct hostcall_costs {
	uint64_t exit, ring;
};
const struct hostcall_costs *hostcall_costs(void);

int64_t hostcall_run(unsigned nr, const uint64_t *args);

/* Would a POST call return at once, without a sleep point? */
bool hostcall_post_fits(void);

/* Is fd one of the host descriptors that the enclave opened? (0, 1, 2 are.) */
bool hostcall_fd_owned(int fd);

/* The enclave's last words: size bytes of text for the launcher, left in the
 * region at RING_PANIC_TEXT. No call; nothing if there is no region yet. */
void hostcall_panic_text(const char *text, size_t size);

/* Boot: a descriptor that the launcher opened for the enclave. */
void hostcall_fd_adopt(int fd);

/* Counters for --stats; for each row. */
struct hostcall_stats {
	uint64_t exits, rings, posts;
};
const struct hostcall_stats *hostcall_stats(unsigned nr);
const struct hostcall_desc *hostcall_desc(unsigned nr);

/* ---- pure; hostcall_check.c ---- */
/* Is result within the contract of d for a call with these wire words? */
bool hostcall_result_ok(
	const struct hostcall_desc *d, const uint64_t *wire, int64_t result);

/* ---- the stubs ---- */
#define HC_DECL(kind, ...) HC_DECL_##kind(__VA_ARGS__)
#define HC_DECL_VAL(n) uint64_t n
#define HC_DECL_FD(n) int n
#define HC_DECL_DIRFD(n) int n
#define HC_DECL_CLOSE(n) int n
#define HC_DECL_STR(n) const char *n
#define HC_DECL_IN(n, size) const void *n
#define HC_DECL_OUT(n, size) void *n
#define HC_DECL_INS(n, type) const type *n
#define HC_DECL_OUTS(n, type) type *n
#define HC_DECL_OUTF(n, size) void *n
#define HC_DECL_INA(n, type, count) const type *n
#define HC_DECL_OUTA(n, type, count) type *n
#define HC_DECL_UIN(n, size) struct uio *n
#define HC_DECL_UOUT(n, size) struct uio *n

#define HC_PASS(kind, n, ...) (uint64_t)(n)

#define HOSTCALL(name, how, result, errors, ...)                        \
	static inline int64_t host_##name(HC_MAP(HC_DECL, __VA_ARGS__)) \
	{                                                               \
		const uint64_t args[HOSTCALL_ARGS] = {                  \
			HC_MAP(HC_PASS, __VA_ARGS__)};                  \
                                                                        \
		return hostcall_run(HC_##name, args);                   \
	}
#include "abi/hostcall.def"
#undef HOSTCALL
