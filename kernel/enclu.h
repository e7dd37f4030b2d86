/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ENCLU leaves that the kernel executes (SDM volume 3D, chapter 39).
 *
 * Every site is the instruction and a two-byte nop: five bytes, so that an
 * emulator may put a call of the same length there after measuring. The
 * kernel has no red zone, hence such a call harms nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/sgx.h"

#define ENCLU ".byte 0x0f, 0x01, 0xd7, 0x66, 0x90"

#ifdef ENCLU_SIMULATED
/* Hosted tests bring their own. */
uint64_t enclu_accept(uint64_t page, const struct sgx_secinfo *info);
void enclu_modpe(uint64_t page, const struct sgx_secinfo *info);
uint64_t enclu_acceptcopy(
	uint64_t page, const struct sgx_secinfo *info, const void *src);
bool enclu_rdrand(uint64_t *v);
#else

/* False if the processor has none at the moment. */
static inline bool enclu_rdrand(uint64_t *v)
{
	bool ok;

	__asm__ volatile("rdrand %0" : "=r"(*v), "=@ccc"(ok));
	return ok;
}

/* RAX of the leaf: 0 or an SGX error code. Wrong use faults. */
static inline uint64_t enclu(
	uint64_t leaf, const void *rbx, uint64_t rcx, const void *rdx)
{
	__asm__ volatile(ENCLU
			 : "+a"(leaf)
			 : "b"(rbx), "c"(rcx), "d"(rdx)
			 : "memory", "cc");
	return leaf;
}

static inline uint64_t enclu_accept(
	uint64_t page, const struct sgx_secinfo *info)
{
	return enclu(SGX_EACCEPT, info, page, NULL);
}

/* EMODPE adds permissions; it has no result. */
static inline void enclu_modpe(uint64_t page, const struct sgx_secinfo *info)
{
	enclu(SGX_EMODPE, info, page, NULL);
}

static inline uint64_t enclu_acceptcopy(
	uint64_t page, const struct sgx_secinfo *info, const void *src)
{
	return enclu(SGX_EACCEPTCOPY, info, page, src);
}

/* target 512, data 64, report 432 bytes; aligned 512, 128, 512. */
static inline void enclu_report(
	const void *target, const void *data, void *report)
{
	enclu(SGX_EREPORT, target, (uintptr_t)data, report);
}

/* request 512, key 16 bytes; aligned so. */
static inline uint64_t enclu_key(const void *request, void *key)
{
	return enclu(SGX_EGETKEY, request, (uintptr_t)key, NULL);
}

#endif
