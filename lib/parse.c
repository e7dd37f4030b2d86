/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/parse.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* Leaves *end at the first byte that is no digit. */
static int digits(const char *text, uint64_t *v, const char **end)
{
	const char *p = text;
	uint64_t n = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		if (mul_overflows(n, 10, &n) ||
			add_overflows(n, (uint64_t)(*p - '0'), &n))
			return -ERANGE;
	if (p == text)
		return -EINVAL;
	*v = n;
	*end = p;
	return 0;
}

int parse_uint(const char *text, uint64_t max, uint64_t *v)
{
	const char *end;
	int ret = digits(text, v, &end);

	if (ret < 0)
		return ret;
	if (*end != '\0')
		return -EINVAL;
	return *v <= max ? 0 : -ERANGE;
}

int parse_size(const char *text, uint64_t max, uint64_t *size)
{
	static const char units[] = "kmgt";
	const char *end, *unit;
	uint64_t v;
	int ret = digits(text, &v, &end);

	if (ret < 0)
		return ret;
	if (*end != '\0' && strcasecmp(end, "b") != 0) {
		unit = strchr(units, *end | 0x20);
		if (unit == NULL)
			return -EINVAL;
		if (end[1] != '\0' && strcasecmp(end + 1, "b") != 0 &&
			strcasecmp(end + 1, "ib") != 0)
			return -EINVAL;
		if (mul_overflows(v, 1ull << 10 * (unit - units + 1), &v))
			return -ERANGE;
	}
	*size = v;
	return v <= max ? 0 : -ERANGE;
}
