/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random bytes in bulk: ChaCha20 with fast key erasure. The key comes from
 * RDRAND (S-23) and is mixed with it again after every CSPRNG_RESEED bytes;
 * each refill of the buffer begins by replacing the key, and bytes that were
 * given out are wiped, so that what leaks later tells nothing about earlier.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { CSPRNG_RESEED = 1 << 20 };

void csprng_fill(void *buf, size_t size);

/* One block of ChaCha20 (RFC 8439, 2.3): the test's way in. */
void csprng_block(const uint32_t in[static 16], uint8_t out[static 64]);
