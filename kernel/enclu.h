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
#include <stdint.h>

#define ENCLU ".byte 0x0f, 0x01, 0xd7, 0x66, 0x90"

enum enclu_leaf {
	ENCLU_EREPORT = 0,
	ENCLU_EACCEPT = 5,
	ENCLU_EMODPE = 6,
	ENCLU_EACCEPTCOPY = 7,
};

/* SECINFO.FLAGS. The page type is in bits 8 to 15. */
enum {
	SECINFO_R = 1,
	SECINFO_W = 2,
	SECINFO_X = 4,
	SECINFO_PENDING = 8,
	SECINFO_MODIFIED = 16,
	SECINFO_PR = 32,
	SECINFO_TYPE_TCS = 1 << 8,
	SECINFO_TYPE_REG = 2 << 8,
	SECINFO_TYPE_TRIM = 4 << 8,
	SECINFO_RWX = 7,
};

struct enclu_secinfo {
	uint64_t flags;
	uint64_t reserved[7];
} __attribute__((aligned(64)));

#ifdef ENCLU_SIMULATED
/* Hosted tests bring their own. */
uint64_t enclu_accept(uint64_t page, const struct enclu_secinfo *info);
void enclu_modpe(uint64_t page, const struct enclu_secinfo *info);
uint64_t enclu_acceptcopy(
	uint64_t page, const struct enclu_secinfo *info, const void *src);
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
static inline uint64_t enclu_accept(
	uint64_t page, const struct enclu_secinfo *info)
{
	uint64_t rax = ENCLU_EACCEPT;

	__asm__ volatile(ENCLU
			 : "+a"(rax)
			 : "b"(info), "c"(page)
			 : "memory", "cc");
	return rax;
}

/* EMODPE adds permissions; it has no result. */
static inline void enclu_modpe(uint64_t page, const struct enclu_secinfo *info)
{
	uint64_t rax = ENCLU_EMODPE;

	__asm__ volatile(ENCLU
			 : "+a"(rax)
			 : "b"(info), "c"(page)
			 : "memory", "cc");
}

static inline uint64_t enclu_acceptcopy(
	uint64_t page, const struct enclu_secinfo *info, const void *src)
{
	uint64_t rax = ENCLU_EACCEPTCOPY;

	__asm__ volatile(ENCLU
			 : "+a"(rax)
			 : "b"(info), "c"(page), "d"(src)
			 : "memory", "cc");
	return rax;
}

/* target 512, data 64, report 432 bytes; aligned 512, 128, 512. */
static inline void enclu_report(
	const void *target, const void *data, void *report)
{
	uint64_t rax = ENCLU_EREPORT;

	__asm__ volatile(ENCLU
			 : "+a"(rax)
			 : "b"(target), "c"(data), "d"(report)
			 : "memory", "cc");
}

#endif
