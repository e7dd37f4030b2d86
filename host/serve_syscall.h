/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls of hot handlers, without libc's cancellation points: those
 * cost a quarter of a short read in a program with threads.
 */
#pragma once

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>

/* The result as the kernel gives it, -errno included; repeated on EINTR. */
static inline int64_t serve_syscall(long nr, uint64_t a0, uint64_t a1,
	uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	register uint64_t r10 __asm__("r10") = a3;
	register uint64_t r8 __asm__("r8") = a4;
	register uint64_t r9 __asm__("r9") = a5;
	int64_t result;

	do
		__asm__ volatile("syscall"
				 : "=a"(result)
				 : "a"(nr), "D"(a0), "S"(a1), "d"(a2), "r"(r10),
				 "r"(r8), "r"(r9)
				 : "rcx", "r11", "memory");
	/* cppcheck-suppress uninitvar ; the assembly's output */
	while (result == -EINTR);
	return result;
}
