/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/der_put.h"

#include <errno.h>
#include "attest/date.h"
#include "lib/string.h"

void der_writer_init(struct der_writer *w, void *buf, size_t size)
{
	*w = (struct der_writer){.base = buf, .at = size, .size = size};
}

int der_writer_check(
	const struct der_writer *w, const uint8_t **text, size_t *size)
{
	*text = w->base + w->at;
	*size = w->size - w->at;
	return w->failed ? -E2BIG : 0;
}

void der_put_raw(struct der_writer *w, const void *data, size_t size)
{
	if (w->failed || size > w->at) {
		w->failed = true;
		return;
	}
	w->at -= size;
	if (size)
		memcpy(w->base + w->at, data, size);
}

void der_put_byte(struct der_writer *w, uint8_t byte)
{
	der_put_raw(w, &byte, 1);
}

size_t der_mark(const struct der_writer *w)
{
	return w->at;
}

void der_put_head(struct der_writer *w, uint8_t tag, size_t mark)
{
	size_t size = mark - w->at, rest;
	unsigned bytes = 0;

	if (size < 0x80) {
		der_put_byte(w, (uint8_t)size);
	} else {
		for (rest = size; rest; rest >>= 8, bytes++)
			der_put_byte(w, (uint8_t)rest);
		der_put_byte(w, (uint8_t)(0x80 | bytes));
	}
	der_put_byte(w, tag);
}

void der_put(struct der_writer *w, uint8_t tag, const void *data, size_t size)
{
	size_t mark = der_mark(w);

	der_put_raw(w, data, size);
	der_put_head(w, tag, mark);
}

void der_put_time(struct der_writer *w, int64_t t)
{
	const int64_t year_2050 = 2524608000, year_10000 = 253402300800;
	char text[DATE_TEXT], digits[DATE_TEXT];
	size_t len = 0, skip = t < year_2050 ? 2 : 0;

	if (t < 0 || t >= year_10000) {
		w->failed = true;
		return;
	}
	date_format(t, text);
	for (const char *p = text; *p; p++)
		if (*p != '-' && *p != ':' && *p != 'T')
			digits[len++] = *p;
	der_put(w, skip ? DER_UTC_TIME : DER_GENERALIZED_TIME, digits + skip,
		len - skip);
}
