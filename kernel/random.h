/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Randomness from the processor (S-23): RDRAND, tried a few times, then the
 * enclave stops. There is no other source.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint64_t random_u64(void);
void random_fill(void *buf, size_t size);
