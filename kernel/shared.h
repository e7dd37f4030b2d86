/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only place where the kernel touches untrusted memory.
 *
 * Callers name it by offsets from the start of the shared region, never by
 * pointers. Every access is an aligned 8-byte load or store (S-14, S-15);
 * each word is read once (S-10); the bytes that pad the last word of a write
 * are zero (S-12). Offsets must be multiples of 8; they are the enclave's own
 * numbers, and checked against the region nevertheless.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct uio;

/* Once, at boot, with the host's words: the region must lie wholly above
 * ELRANGE, page aligned, at least RING_REGION_MIN. 0 or -EPROTO. */
int shared_init(uint64_t u_addr, uint64_t u_size)
	__attribute__((warn_unused_result));
uint64_t shared_size(void);

uint64_t shared_load(uint64_t off);
void shared_store(uint64_t off, uint64_t val);

void shared_read(void *dst, uint64_t off, size_t size);
void shared_write(uint64_t off, const void *src, size_t size);

/* Move size <= u->resid bytes and advance u; 0 or -EFAULT. May sleep. */
int shared_read_uio(struct uio *u, uint64_t off, size_t size)
	__attribute__((warn_unused_result));
int shared_write_uio(uint64_t off, struct uio *u, size_t size)
	__attribute__((warn_unused_result));

/* After a check whose outcome steers later accesses (S-18). */
static inline void shared_fence(void)
{
	__asm__ volatile("lfence" ::: "memory");
}
