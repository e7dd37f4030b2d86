/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How marshalled calls travel: through the call slot with an exit, through
 * the ring of this enclave thread, or posted. See abi/ring.h for the memory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A posted call whose result is wanted; the owner's memory until done(). */
struct hostcall_post {
	/* n: the result, validated. Must not sleep. */
	void (*done)(struct hostcall_post *p, int64_t n);
	uint64_t limit; /* of a SIZE result */
	uint64_t id; /* 0: not in flight */
	int cpu; /* whose ring it is in */
};

/* Called before every exit for a call: what wants to leave with it is posted
 * now. Must not sleep. */
extern void (*hostcall_before_exit)(void);

/* The raw, unchecked result word of a call. A sleep point. */
int64_t hostcall_ring_call(unsigned nr, unsigned how, const uint64_t *wire);
/* Queues a call whose result is only checked. May have to exit first. */
void hostcall_ring_post(unsigned nr, const uint64_t *wire);
/* The same for a call whose result is wanted. False: the ring is full. */
bool hostcall_ring_try_post(
	unsigned nr, const uint64_t *wire, struct hostcall_post *p);
/* Has it come back? Looks, does not leave the enclave. */
bool hostcall_ring_is_back(struct hostcall_post *p);
/* Until it has. A sleep point. */
void hostcall_ring_settle(struct hostcall_post *p);
