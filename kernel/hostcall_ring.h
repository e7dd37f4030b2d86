/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How marshalled calls travel: through the call slot with an exit, through
 * the ring of this enclave thread, or posted. See abi/ring.h for the memory.
 */
#pragma once

#include <stdint.h>

/* The raw, unchecked result word of a call. A sleep point. */
int64_t hostcall_ring_call(unsigned nr, unsigned how, const uint64_t *wire);
/* Queues a call whose result is only checked. May have to exit first. */
void hostcall_ring_post(unsigned nr, const uint64_t *wire);
