/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/der.h"

#include "attest/date.h"
#include "lib/string.h"

/* The length, in one byte or, from 128 on, in 1 to 3 behind their number. */
static bool take_length(struct der *d, size_t *out)
{
	size_t size, count;

	if (d->left == 0)
		return false;
	size = *d->at++;
	d->left--;
	if (size >= 0x80) {
		count = size - 0x80;
		if (count < 1 || count > 3 || count > d->left || d->at[0] == 0)
			return false;
		size = 0;
		for (size_t i = 0; i < count; i++)
			size = size << 8 | *d->at++;
		d->left -= count;
		if (size < 0x80)
			return false;
	}
	*out = size;
	return size <= d->left;
}

bool der_next(struct der *d, uint8_t *tag, struct der *content)
{
	struct der r = *d;
	size_t size;

	if (r.left == 0)
		return false;
	*tag = *r.at++;
	r.left--;
	/* 31: the tag goes on in the next byte. Nothing here has such tags. */
	if ((*tag & 0x1f) == 0x1f || !take_length(&r, &size))
		return false;
	content->at = r.at;
	content->left = size;
	d->at = r.at + size;
	d->left = r.left - size;
	return true;
}

bool der_take(struct der *d, uint8_t tag, struct der *content)
{
	uint8_t seen;

	return d->left > 0 && d->at[0] == tag && der_next(d, &seen, content);
}

bool der_take_whole(struct der *d, uint8_t tag, struct der *whole)
{
	struct der content;

	whole->at = d->at;
	if (!der_take(d, tag, &content))
		return false;
	whole->left = (size_t)(d->at - whole->at);
	return true;
}

bool der_is(const struct der *d, const void *bytes, size_t size)
{
	return d->left == size && !memcmp(d->at, bytes, size);
}

bool der_take_bytes(struct der *d, struct der *content)
{
	if (!der_take(d, DER_BIT_STRING, content) || content->left < 1 ||
		content->at[0] != 0)
		return false;
	content->at++;
	content->left--;
	return true;
}

bool der_number(const struct der *content, uint32_t *out)
{
	const uint8_t *p = content->at;
	size_t left = content->left;

	/* Five bytes: the first is zero, for a number that has its top bit. */
	if (left == 0 || left > 5 || p[0] >= 0x80 || (left == 5 && p[0] != 0) ||
		(left > 1 && p[0] == 0 && p[1] < 0x80))
		return false;
	*out = 0;
	while (left-- > 0)
		*out = *out << 8 | *p++;
	return true;
}

static bool two_digits(const uint8_t *p, unsigned *out)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return false;
	*out = (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
	return true;
}

bool der_take_time(struct der *d, int64_t *out)
{
	unsigned part[6], century = 0;
	struct der t;

	if (der_take(d, DER_UTC_TIME, &t)) {
		if (t.left != 13 || !two_digits(t.at, &part[0]))
			return false;
		century = part[0] < 50 ? 20 : 19;
	} else {
		if (!der_take(d, DER_GENERALIZED_TIME, &t) || t.left != 15 ||
			!two_digits(t.at, &century))
			return false;
		t.at += 2;
	}
	for (size_t i = 0; i < ARRAY_SIZE(part); i++)
		if (!two_digits(t.at + 2 * i, &part[i]))
			return false;
	return t.at[12] == 'Z' &&
		date_from_civil(century * 100 + part[0], part[1], part[2],
			part[3], part[4], part[5], out) == 0;
}
