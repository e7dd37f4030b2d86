/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members of JSON objects whose format is given. Each function reads member
 * `name` of object `from` and fails with -EINVAL and a text like
 *
 *	tcbInfo.tcbLevels[3].tcb.pcesvn: missing; wanted a number up to 65535
 *
 * Each place knows the one it is in, so that this text is only made when
 * something is wrong.
 */
#pragma once

#include <jansson.h>

#include "attest/verdict.h"
#include "lib/err.h"

/* A value and how it is reached: member `name` of `in`, or (name NULL)
 * element `index` of it. */
struct json_place {
	const json_t *value;
	const char *name;
	size_t index;
	const struct json_place *in; /* NULL: the top, maybe without name */
};

/* Sets e to "PLACE.name: seen; wanted ..."; name may be NULL. -EINVAL. */
int json_read_fail(const struct json_place *from, const char *name,
	const char *seen, const char *wanted, struct err *e);

/* False and *out untouched: there is no such member. */
bool json_read_has(const struct json_place *from, const char *name);

must_check int json_read_object(const struct json_place *from, const char *name,
	struct json_place *out, struct err *e);
/* An array with min to max elements. */
must_check int json_read_array(const struct json_place *from, const char *name,
	size_t min, size_t max, struct json_place *out, struct err *e);
/* Element index of an array, which must be an object. */
must_check int json_read_element(const struct json_place *array, size_t index,
	struct json_place *out, struct err *e);

must_check int json_read_uint(const struct json_place *from, const char *name,
	uint64_t max, uint64_t *out, struct err *e);
/* Exactly 2 * size hexadecimal digits of any case. */
must_check int json_read_hex(const struct json_place *from, const char *name,
	uint8_t *out, size_t size, struct err *e);
/* Without NULs; lives as long as the value. */
must_check int json_read_string(const struct json_place *from, const char *name,
	const char **out, struct err *e);
/* "2025-06-25T00:00:00Z" */
must_check int json_read_date(const struct json_place *from, const char *name,
	int64_t *out, struct err *e);
