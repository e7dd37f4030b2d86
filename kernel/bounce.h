/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocator of the data area of the shared region. What is in use is kept
 * inside the enclave; outside there is only data. Offsets are from the start
 * of the region and aligned to 64. Never sleeps, needs no heap (the heap
 * itself grows by a host call).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The area [start, start + size) of the region; page aligned. */
void bounce_init(uint64_t start, uint64_t size);
/* Offset of size (> 0) bytes, or 0: no room. */
uint64_t bounce_alloc(size_t size);
void bounce_free(uint64_t off, size_t size);
size_t bounce_used(void); /* bytes */
