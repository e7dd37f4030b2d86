/* SPDX-License-Identifier: Apache-2.0 */
/* Days are counted in eras of 400 years that begin on the first of March, so
 * that the leap day is the last of its year. */
#include "attest/date.h"

#include <errno.h>

#include "lib/fmt.h"

enum {
	ERA_DAYS = 146097,
	EPOCH_DAYS = 719468, /* 0000-03-01 to 1970-01-01 */
	DAY_SECONDS = 86400,
};

static unsigned month_days(unsigned year, unsigned month)
{
	static const uint8_t days[] = {
		31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

int date_from_civil(unsigned year, unsigned month, unsigned day, unsigned hour,
	unsigned minute, unsigned second, int64_t *out)
{
	int64_t y, era, day_of_year, day_of_era;

	if (year > 9999 || month < 1 || month > 12 || day < 1 ||
		day > month_days(year, month) || hour > 23 || minute > 59 ||
		second > 59)
		return -EINVAL;
	y = (int64_t)year - (month <= 2 ? 1 : 0);
	era = (y >= 0 ? y : y - 399) / 400;
	y -= era * 400;
	day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
	day_of_era = y * 365 + y / 4 - y / 100 + day_of_year;
	*out = (era * ERA_DAYS + day_of_era - EPOCH_DAYS) * DAY_SECONDS +
		hour * 3600 + minute * 60 + second;
	return 0;
}

static bool digits(const char *text, unsigned count, unsigned *out)
{
	*out = 0;
	for (unsigned i = 0; i < count; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*out = *out * 10 + (unsigned)(text[i] - '0');
	}
	return true;
}

int date_parse(const char *text, size_t len, int64_t *out)
{
	unsigned year, month, day, hour, minute, second;

	if (len != 20 || !digits(text, 4, &year) || text[4] != '-' ||
		!digits(text + 5, 2, &month) || text[7] != '-' ||
		!digits(text + 8, 2, &day) || text[10] != 'T' ||
		!digits(text + 11, 2, &hour) || text[13] != ':' ||
		!digits(text + 14, 2, &minute) || text[16] != ':' ||
		!digits(text + 17, 2, &second) || text[19] != 'Z')
		return -EINVAL;
	return date_from_civil(year, month, day, hour, minute, second, out);
}

/* As / and %, with a remainder that is not negative. */
static int64_t divide(int64_t value, int64_t by, int64_t *rest)
{
	*rest = value % by;
	if (*rest < 0)
		*rest += by;
	return (value - *rest) / by;
}

void date_format(int64_t at, char text[static DATE_TEXT])
{
	int64_t seconds, days, era, day_of_era, year, day_of_year, month, day;

	/* Not by divide(): at - seconds may be below the least number. */
	days = at / DAY_SECONDS;
	seconds = at % DAY_SECONDS;
	if (seconds < 0) {
		seconds += DAY_SECONDS;
		days--;
	}
	era = divide(days + EPOCH_DAYS, ERA_DAYS, &day_of_era);
	year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
		       day_of_era / (ERA_DAYS - 1)) /
		365;
	day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
	month = (5 * day_of_year + 2) / 153;
	day = day_of_year - (153 * month + 2) / 5 + 1;
	month = month < 10 ? month + 3 : month - 9;
	year += era * 400 + (month <= 2 ? 1 : 0);
	fmt_print(text, DATE_TEXT, "%s%04lld-%02d-%02dT%02d:%02d:%02dZ",
		year < 0 ? "-" : "", (long long)(year < 0 ? -year : year),
		(int)month, (int)day, (int)(seconds / 3600),
		(int)(seconds / 60 % 60), (int)(seconds % 60));
}
