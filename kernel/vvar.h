/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page through which the kernel's clock and the vDSO agree.
 *
 * time.c is the only writer. seq is odd while it writes. The application can
 * write the page too (it is ordinary memory of the enclave), so the kernel
 * keeps its own copy and never reads this one back.
 *
 *	ns(tsc) = base_ns + ((tsc - tsc_base) * mult >> 32)	mono
 *	real = mono + real_offset
 *
 * A tsc below tsc_base counts as tsc_base. valid 0: the vDSO falls back to
 * the system call.
 */
#pragma once

#include <stdint.h>

struct vvar {
	uint32_t seq;
	uint32_t valid;
	uint64_t tsc_base;
	uint64_t mult; /* ns per tick, times 2^32 */
	uint64_t base_ns; /* CLOCK_MONOTONIC at tsc_base */
	uint64_t real_offset; /* CLOCK_REALTIME minus CLOCK_MONOTONIC */
	uint64_t coarse_ns; /* resolution of the coarse clocks */
};

/* The page in the address space that all processes share, or NULL before
 * vdso_init(). */
extern struct vvar *vvar;

/*
 * Copies the vDSO and its vvar page into the user range, once, before the
 * first program. May sleep. 0 or -ENOMEM.
 */
int vdso_init(void);
/* Where the vDSO's ELF header is; 0: there is none (AT_SYSINFO_EHDR). */
uint64_t vdso_base(void);
