/* SPDX-License-Identifier: Apache-2.0 */
/* Instants as people and programs write them (RFC 3339, 5.6). */
#include <errno.h>

#include "attest/date.h"
#include "cli/attest_cmd.h"
#include "lib/string.h"

static bool all_digits(const char *text, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;
	return true;
}

/* Seconds since 1970, maybe negative. */
static int parse_seconds(const char *text, int64_t *at)
{
	bool negative = *text == '-';
	size_t len;
	int64_t n = 0;

	text += negative ? 1 : 0;
	len = strlen(text);
	if (len == 0 || !all_digits(text, len))
		return -EINVAL;
	for (; *text != '\0'; text++)
		if (mul_overflows(n, 10, &n) ||
			(negative ? sub_overflows(n, *text - '0', &n)
				  : add_overflows(n, *text - '0', &n)))
			return -EINVAL;
	*at = n;
	return 0;
}

/* "Z", "+hh:mm" or "-hh:mm", to the seconds to add for UTC. */
static int parse_zone(const char *zone, int64_t *seconds)
{
	int hours, minutes;

	*seconds = 0;
	if (strcmp(zone, "Z") == 0 || strcmp(zone, "z") == 0)
		return 0;
	if (strlen(zone) != 6 || (zone[0] != '+' && zone[0] != '-') ||
		!all_digits(zone + 1, 2) || zone[3] != ':' ||
		!all_digits(zone + 4, 2))
		return -EINVAL;
	hours = (zone[1] - '0') * 10 + zone[2] - '0';
	minutes = (zone[4] - '0') * 10 + zone[5] - '0';
	if (hours > 23 || minutes > 59)
		return -EINVAL;
	*seconds = (hours * 60 + minutes) * 60 * (zone[0] == '+' ? -1 : 1);
	return 0;
}

int attest_time_parse(const char *text, int64_t *at)
{
	char utc[] = "0000-00-00T00:00:00Z";
	size_t len = strlen(text);
	const char *zone;
	int64_t offset;

	if (parse_seconds(text, at) == 0)
		return 0;
	if (len == 10) {
		memcpy(utc, text, 10);
		return date_parse(utc, 20, at);
	}
	if (len < 20 || (text[10] != 'T' && text[10] != 't' && text[10] != ' '))
		return -EINVAL;
	memcpy(utc, text, 10);
	memcpy(utc + 11, text + 11, 8);
	zone = text + 19;
	if (*zone == '.') { /* parts of a second do not matter */
		size_t digits = 0;

		zone++;
		while (zone[digits] >= '0' && zone[digits] <= '9')
			digits++;
		if (digits == 0)
			return -EINVAL;
		zone += digits;
	}
	if (parse_zone(zone, &offset) < 0 || date_parse(utc, 20, at) < 0)
		return -EINVAL;
	*at += offset;
	return 0;
}
