/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instants of certificates and collateral: seconds since 1970, UTC, in 64
 * bits, in the Gregorian calendar as if it had always been in use. Nothing
 * here knows what time it is.
 */
#pragma once

#include "lib/types.h"

enum { DATE_TEXT = 32 };

/*
 * year 0..9999, month 1..12, day 1.. of that month, time up to 23:59:59.
 * 0 or -EINVAL: there is no such instant.
 */
must_check int date_from_civil(unsigned year, unsigned month, unsigned day,
	unsigned hour, unsigned minute, unsigned second, int64_t *out);

/* Exactly "2025-06-25T00:00:00Z"; len without a NUL. 0 or -EINVAL. */
must_check int date_parse(const char *text, size_t len, int64_t *out);

/* In that form; years past 9999 or before 0 with all of their digits. */
void date_format(int64_t at, char text[static DATE_TEXT]);
