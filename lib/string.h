/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory and string functions, the same names in kernel and hosted code.
 *
 * Hosted code gets them from libc; the freestanding build declares them here
 * and defines them in string.c. memcpy and memset of more than a few words use
 * rep movsb/stosb: no vector register is touched.
 */
#pragma once

#include "lib/types.h"

#if __STDC_HOSTED__
#include <string.h>
#else
void *memcpy(void *restrict dst, const void *restrict src, size_t size);
void *memmove(void *dst, const void *src, size_t size);
void *memset(void *dst, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
void *memchr(const void *s, int byte, size_t size);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t max);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
#endif

/*
 * Copies @src with its NUL into @dst of @size bytes. Returns 0, or -E2BIG if
 * it did not fit; @dst then holds the truncated, terminated text. @size > 0.
 */
must_check int string_copy(char *dst, size_t size, const char *src);

/* True if @s begins with @prefix. */
bool string_has_prefix(const char *s, const char *prefix);

/* Reads 2 * @size hexadecimal digits and nothing else; false: it is not that.
 */
bool string_from_hex(const char *text, uint8_t *out, size_t size);

/* Compares in time that depends on @size only. */
bool string_equal_const_time(const void *a, const void *b, size_t size);

/* Overwrites secrets; never optimised away. */
void string_wipe(void *p, size_t size);
