/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Formatting without libc, for messages of kernel and host alike.
 *
 * Conversions: %d %i %u %o %x %X %c %s %p %%, with the lengths hh h l ll z, the
 * flags '0' and '-', a width and, for %s, a precision (each also as '*').
 * Anything else is copied as it stands. No floating point.
 */
#pragma once

#include <stdarg.h>

#include "lib/types.h"

/*
 * Writes at most @size bytes with the final NUL (always there if size > 0).
 * Returns the length the whole text has, as snprintf does; a result >= size
 * means it was truncated. A NULL string prints as "(null)".
 */
size_t fmt_vprint(char *buf, size_t size, const char *format, va_list args)
	printf_like(3, 0);
size_t fmt_print(char *buf, size_t size, const char *format, ...)
	printf_like(3, 4);
