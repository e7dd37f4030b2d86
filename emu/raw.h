/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few primitives of code that must not touch libc, because the FS base it
 * runs with is the enclave's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

static inline long raw_syscall4(long nr, long a, long b, long c, long d)
{
	long ret;
	register long r10 __asm__("r10") = d;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long raw_syscall3(long nr, long a, long b, long c)
{
	return raw_syscall4(nr, a, b, c, 0);
}

static inline void raw_copy(void *dst, const void *src, size_t size)
{
	__asm__ volatile("rep movsb"
			 : "+D"(dst), "+S"(src), "+c"(size)
			 :
			 : "memory");
}

static inline void raw_zero(void *dst, size_t size)
{
	__asm__ volatile("rep stosb"
			 : "+D"(dst), "+c"(size)
			 : "a"(0)
			 : "memory");
}

static inline uint64_t raw_rdfsbase(void)
{
	uint64_t base;

	__asm__ volatile("rdfsbase %0" : "=r"(base));
	return base;
}

static inline uint64_t raw_rdgsbase(void)
{
	uint64_t base;

	__asm__ volatile("rdgsbase %0" : "=r"(base));
	return base;
}

static inline void raw_wrfsbase(uint64_t base)
{
	__asm__ volatile("wrfsbase %0" : : "r"(base) : "memory");
}

static inline void raw_wrgsbase(uint64_t base)
{
	__asm__ volatile("wrgsbase %0" : : "r"(base) : "memory");
}
