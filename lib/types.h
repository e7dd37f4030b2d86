/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vocabulary of every file: integer types, marks, checked arithmetic.
 *
 * __host marks a pointer into untrusted memory. clang refuses to dereference
 * it (noderef); only the audited copy primitives cast the mark away.
 *
 * add_overflows() and friends store the wrapped result and return true if the
 * mathematical one did not fit: S-08 wants every check on lengths made by them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__clang__) && defined(__has_attribute)
#if __has_attribute(noderef)
#define __host __attribute__((noderef))
#endif
#endif
#ifndef __host
#define __host
#endif

#define must_check __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define packed_struct __attribute__((packed))
#define always_inline inline __attribute__((always_inline))
#define no_inline __attribute__((noinline))

#define unlikely(x) __builtin_expect(!!(x), 0)

/* 0, or a compile error if the condition does not hold. */
#define static_zero_assert(cond) (sizeof(char[1 - 2 * !(cond)]) - 1)
#define is_array(a) \
	(!__builtin_types_compatible_p(__typeof__(a), __typeof__(&(a)[0])))
/* Number of elements; refuses pointers. */
#define ARRAY_SIZE(a) \
	(sizeof(a) / sizeof((a)[0]) + static_zero_assert(is_array(a)))

#define static_assert_size(type, n) \
	_Static_assert(sizeof(type) == (n), "size of " #type)
#define static_assert_offset(type, field, n) \
	_Static_assert(                      \
		offsetof(type, field) == (n), "offset of " #type "." #field)

#define container_of(ptr, type, field) \
	((type *)(uintptr_t)((const char *)(ptr)-offsetof(type, field)))

#define add_overflows(a, b, result) __builtin_add_overflow(a, b, result)
#define sub_overflows(a, b, result) __builtin_sub_overflow(a, b, result)
#define mul_overflows(a, b, result) __builtin_mul_overflow(a, b, result)

/* The high bit of the first zero byte of w is the lowest bit set; 0: none. */
static inline uint64_t zero_bytes(uint64_t w)
{
	return (w - 0x0101010101010101) & ~w & 0x8080808080808080;
}

static inline uint64_t u64_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t u64_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* @align is a power of two. align_up wraps to 0 past the top. */
static inline uint64_t align_down(uint64_t v, uint64_t align)
{
	return v & ~(align - 1);
}

static inline uint64_t align_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) & ~(align - 1);
}

static inline bool is_aligned(uint64_t v, uint64_t align)
{
	return (v & (align - 1)) == 0;
}

/* True if [start, start + size) lies within [lo, hi), without overflow. */
static inline bool range_within(
	uint64_t start, uint64_t size, uint64_t lo, uint64_t hi)
{
	return lo <= hi && start >= lo && start <= hi && size <= hi - start;
}
