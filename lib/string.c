/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The freestanding half (mem*, str*) is compiled for the kernel only, and by
 * its unit test under other names. Short copies avoid the start-up cost of
 * rep movsb with overlapping word accesses.
 *
 * Compilers recognise the loops below as the very functions they implement;
 * the pragma keeps gcc from making each call itself.
 */
#include "lib/string.h"

#include <linux/errno.h>

#if !__STDC_HOSTED__ || defined(STRING_FREESTANDING)

#ifndef __clang__
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

enum { SHORT = 256 }; /* rep starts slowly */

typedef uint64_t u64_any __attribute__((may_alias, aligned(1)));
typedef uint32_t u32_any __attribute__((may_alias, aligned(1)));
typedef uint16_t u16_any __attribute__((may_alias, aligned(1)));

/* Up to 16 bytes; all loads come before all stores, so overlap is fine. */
static always_inline void copy_short(uint8_t *d, const uint8_t *s, size_t n)
{
	if (n >= 8) {
		uint64_t a = *(const u64_any *)s;
		uint64_t b = *(const u64_any *)(s + n - 8);

		*(u64_any *)d = a;
		*(u64_any *)(d + n - 8) = b;
	} else if (n >= 4) {
		uint32_t a = *(const u32_any *)s;
		uint32_t b = *(const u32_any *)(s + n - 4);

		*(u32_any *)d = a;
		*(u32_any *)(d + n - 4) = b;
	} else if (n >= 2) {
		uint16_t a = *(const u16_any *)s;
		uint16_t b = *(const u16_any *)(s + n - 2);

		*(u16_any *)d = a;
		*(u16_any *)(d + n - 2) = b;
	} else if (n == 1) {
		*d = *s;
	}
}

void *memcpy(void *restrict dst, const void *restrict src, size_t size)
{
	void *d = dst;

	if (size <= 16) {
		copy_short(dst, src, size);
	} else if (size <= SHORT) {
		const uint8_t *from = src;
		uint8_t *to = dst;

		copy_short(to + size - 16, from + size - 16, 16);
		for (size_t i = 0; i < size - 16; i += 8)
			*(u64_any *)(to + i) = *(const u64_any *)(from + i);
	} else {
		__asm__ volatile("rep movsb"
				 : "+D"(d), "+S"(src), "+c"(size)
				 :
				 : "memory");
	}
	return dst;
}

void *memmove(void *dst, const void *src, size_t size)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	if (size <= 16) {
		copy_short(d, s, size);
	} else if ((uintptr_t)d - (uintptr_t)s >= size) {
		void *to = dst;

		__asm__ volatile("rep movsb"
				 : "+D"(to), "+S"(src), "+c"(size)
				 :
				 : "memory");
	} else {
		while (size >= 8) {
			size -= 8;
			*(u64_any *)(d + size) = *(const u64_any *)(s + size);
		}
		while (size > 0) {
			size--;
			d[size] = s[size];
		}
	}
	return dst;
}

void *memset(void *dst, int byte, size_t size)
{
	uint8_t *d = dst;

	for (; size >= 8 && size <= SHORT; size -= 8, d += 8)
		*(u64_any *)d = 0x0101010101010101 * (uint8_t)byte;
	if (size >= 8)
		__asm__ volatile("rep stosb"
				 : "+D"(d), "+c"(size)
				 : "a"(byte)
				 : "memory");
	for (; size; size--)
		*d++ = (uint8_t)byte;
	return dst;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const uint8_t *x = a, *y = b;
	size_t i = 0;

	while (size - i >= 8 &&
		*(const u64_any *)(x + i) == *(const u64_any *)(y + i))
		i += 8;
	for (; i < size; i++)
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	return 0;
}

void *memchr(const void *s, int byte, size_t size)
{
	const uint8_t *p = s;

	for (size_t i = 0; i < size; i++)
		if (p[i] == (uint8_t)byte)
			return (void *)(uintptr_t)(p + i);
	return NULL;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0')
		n++;
	return n;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n] != '\0')
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	return (int)(unsigned char)*a - (int)(unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t max)
{
	for (size_t i = 0; i < max; i++) {
		if (a[i] != b[i] || a[i] == '\0')
			return (int)(unsigned char)a[i] -
				(int)(unsigned char)b[i];
	}
	return 0;
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)(uintptr_t)s;
		if (*s == '\0')
			return NULL;
	}
}

char *strrchr(const char *s, int c)
{
	const char *found = NULL;

	for (;; s++) {
		if (*s == (char)c)
			found = s;
		if (*s == '\0')
			return (char *)(uintptr_t)found;
	}
}

#endif

int string_copy(char *dst, size_t size, const char *src)
{
	size_t n = strnlen(src, size);

	if (n == size) {
		memcpy(dst, src, size - 1);
		dst[size - 1] = '\0';
		return -E2BIG;
	}
	memcpy(dst, src, n + 1);
	return 0;
}

bool string_has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'    ? c - '0'
		: c >= 'a' && c <= 'f' ? c - 'a' + 10
		: c >= 'A' && c <= 'F' ? c - 'A' + 10
				       : -1;
}

bool string_from_hex(const char *text, uint8_t *out, size_t size)
{
	if (strnlen(text, 2 * size + 1) != 2 * size)
		return false;
	for (size_t i = 0; i < size; i++) {
		int high = hex_digit(text[2 * i]);
		int low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool string_equal_const_time(const void *a, const void *b, size_t size)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t diff = 0;

	for (size_t i = 0; i < size; i++)
		diff |= (uint8_t)(x[i] ^ y[i]);
	return diff == 0;
}

void string_wipe(void *p, size_t size)
{
	memset(p, 0, size);
	__asm__ volatile("" : : "r"(p) : "memory");
}
