/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one way from the kernel to the application's memory (S-06, S-08).
 *
 * Every function checks that the whole range lies in [USER_START, USER_END),
 * then copies with a routine whose page faults are resolved (memory is
 * committed on demand) or reported. So each of them may sleep. Copy once,
 * then check, then use: never read the same user memory twice.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* 0 or -EFAULT. No access is made. */
int user_check(uint64_t u_addr, uint64_t size);

/* Copies size bytes; 0 or -EFAULT (then part may have been copied). */
int user_read(void *dst, uint64_t u_src, size_t size)
	__attribute__((warn_unused_result));
int user_write(uint64_t u_dst, const void *src, size_t size)
	__attribute__((warn_unused_result));
int user_clear(uint64_t u_dst, size_t size) __attribute__((warn_unused_result));

/* For untrusted memory on the kernel's side: that side is 8-byte aligned and
 * accessed in whole words only (kernel/shared.c is the only caller). The
 * application's side is checked like above. words * 8 bytes; 0 or -EFAULT. */
int user_read_words(uint64_t shared_dst, uint64_t u_src, size_t words)
	__attribute__((warn_unused_result));
int user_write_words(uint64_t u_dst, uint64_t shared_src, size_t words)
	__attribute__((warn_unused_result));

/* Copies a NUL-terminated string of at most cap bytes with its NUL.
 * Returns its length without NUL, -EFAULT, or -ENAMETOOLONG. */
int64_t user_read_str(char *dst, uint64_t u_src, size_t cap)
	__attribute__((warn_unused_result));

/* Atomic operations on an aligned 32-bit word of the application (futexes).
 * 0 or -EFAULT/-EINVAL (unaligned). */
int user_load32(uint64_t u_addr, uint32_t *val)
	__attribute__((warn_unused_result));
int user_cmpxchg32(uint64_t u_addr, uint32_t expect, uint32_t desired,
	uint32_t *seen) __attribute__((warn_unused_result));
