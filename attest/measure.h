/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MRENCLAVE: the SHA-256 over the records that ECREATE, EADD and EEXTEND
 * leave, in the order of those instructions (SDM vol. 3D, "ECREATE", "EADD",
 * "EEXTEND", operation sections).
 *
 * The emulator feeds it while it builds an enclave; `sconce measure` feeds it
 * without building one. Offsets are relative to the base of ELRANGE.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct measure; /* opaque */

/* Starts with the ECREATE record. NULL: out of memory. */
struct measure *measure_new(uint32_t ssa_frame_pages, uint64_t size);
void measure_free(struct measure *m);

/* 0, or -EIO if libcrypto refuses. */
int measure_eadd(struct measure *m, uint64_t offset, uint64_t secinfo_flags);
/* chunk: 256 bytes. */
int measure_eextend(struct measure *m, uint64_t offset, const void *chunk);
/* EADD of a page and, if extend, its 16 EEXTENDs. page: 4096 bytes. */
int measure_page(struct measure *m, uint64_t offset, uint64_t secinfo_flags,
	const void *page, int extend);
/* A record stream as it stands (ECREATE excluded), for stored streams. */
int measure_raw(struct measure *m, const void *data, size_t size);
/* The value so far; more records may follow. */
int measure_value(const struct measure *m, uint8_t mrenclave[32]);

/* SHA-256 of something else that has to do with an enclave. */
void measure_hash(const void *data, size_t size, uint8_t hash[32]);
