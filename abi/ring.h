/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared region: untrusted memory through which calls and data travel.
 * Offsets from its start; everything is an aligned 64-bit word (S-14..S-16).
 *
 *	RING_DEADLINE    when the enclave's next timer is due, in ns of the
 *host's CLOCK_MONOTONIC: a hint for the ticks of busy threads RING_PANIC_TEXT
 *the enclave's last words, NUL-terminated RING_CPUS    one block of
 *RING_CPU_SIZE per enclave thread RING_DATA    buffers of calls, allocated by
 *the enclave
 *
 * A block:
 *	call slot    request of the call for which this thread exits, and its
 *	             completion (id, result)
 *	submissions  RING_ENTRIES requests; the enclave writes entry, then tail
 *	completions  RING_ENTRIES (id, result); the host writes entry, then tail
 *
 * Tails count entries since the start and never wrap; entry n is at index
 * n % RING_ENTRIES. The enclave has at most RING_ENTRIES calls in flight per
 * block, hence neither side needs the other's head: who consumes keeps it to
 * itself. The host takes submissions in order. Ids are chosen by the enclave,
 * each is completed once; it remembers inside what is in flight.
 */
#pragma once

#include "abi/layout.h"

enum { RING_ENTRIES = 64 };

/* Words of a request. */
enum { RING_REQ_ID, RING_REQ_NR, RING_REQ_ARGS, RING_REQ_WORDS = 8 };
/* Words of a completion. */
enum { RING_DONE_ID, RING_DONE_RESULT, RING_DONE_WORDS };

#define RING_DEADLINE 0x400ul
#define RING_PANIC_TEXT 0x800ul
#define RING_PANIC_SIZE 512
#define RING_CPUS 0x1000ul
#define RING_CPU_SIZE 0x2000ul
#define RING_DATA 0x100000ul
#define RING_REGION_MIN (RING_DATA + 0x100000ul)

/* In a block; one cache line each. */
#define RING_SQ_TAIL 0x000ul /* enclave writes */
#define RING_CQ_TAIL 0x040ul /* host writes */
#define RING_POLLING 0x080ul /* host writes: 1 while a worker looks at it */
#define RING_SLOT 0x0c0ul /* enclave writes: request */
#define RING_SLOT_DONE 0x100ul /* host writes: completion */
#define RING_CQ 0x400ul
#define RING_SQ 0x1000ul

_Static_assert(RING_CQ + RING_ENTRIES * RING_DONE_WORDS * 8 <= RING_SQ, "cq");
_Static_assert(
	RING_SQ + RING_ENTRIES * RING_REQ_WORDS * 8 <= RING_CPU_SIZE, "sq");
_Static_assert(RING_CPUS + TCS_MAX * RING_CPU_SIZE <= RING_DATA, "blocks");
