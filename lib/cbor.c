/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cbor.h"

#include <linux/errno.h>

#include "lib/string.h"

void cbor_reader_init(struct cbor_reader *r, const void *data, size_t size)
{
	r->at = data;
	r->end = r->at + size;
}

bool cbor_reader_at_end(const struct cbor_reader *r)
{
	return r->at == r->end;
}

static size_t left(const struct cbor_reader *r)
{
	return (size_t)(r->end - r->at);
}

/* The smallest argument that needs @extra bytes. */
static uint64_t least(size_t extra)
{
	return extra == 1 ? 24 : 1ull << 4 * extra;
}

int cbor_get_head(struct cbor_reader *r, unsigned *kind, uint64_t *v)
{
	uint8_t info;
	size_t extra;

	if (left(r) < 1)
		return -EBADMSG;
	*kind = *r->at >> 5;
	info = *r->at++ & 31;
	if (info < 24) {
		*v = info;
		return 0;
	}
	if (info > 27)
		return -EBADMSG;
	extra = (size_t)1 << (info - 24);
	if (left(r) < extra)
		return -EBADMSG;
	*v = 0;
	for (size_t i = 0; i < extra; i++)
		*v = *v << 8 | *r->at++;
	return *v < least(extra) ? -EBADMSG : 0;
}

static int get_kind(struct cbor_reader *r, enum cbor_kind wanted, uint64_t *v)
{
	unsigned kind;
	int ret = cbor_get_head(r, &kind, v);

	if (ret < 0)
		return ret;
	return kind == (unsigned)wanted ? 0 : -EINVAL;
}

int cbor_get_uint(struct cbor_reader *r, uint64_t *v)
{
	return get_kind(r, CBOR_UINT, v);
}

int cbor_get_bool(struct cbor_reader *r, bool *v)
{
	uint64_t simple;
	const uint8_t *start = r->at;
	int ret = get_kind(r, CBOR_SIMPLE, &simple);

	if (ret < 0)
		return ret;
	if (r->at - start != 1 || (simple != CBOR_FALSE && simple != CBOR_TRUE))
		return -EBADMSG;
	*v = simple == CBOR_TRUE;
	return 0;
}

static int get_string(struct cbor_reader *r, enum cbor_kind kind,
	const uint8_t **data, size_t *size)
{
	uint64_t v;
	int ret = get_kind(r, kind, &v);

	if (ret < 0)
		return ret;
	if (v > left(r))
		return -EBADMSG;
	*data = r->at;
	*size = v;
	r->at += v;
	return 0;
}

int cbor_get_bytes(struct cbor_reader *r, const uint8_t **data, size_t *size)
{
	return get_string(r, CBOR_BYTES, data, size);
}

size_t cbor_utf8_length(const uint8_t *s, size_t size)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (n > size || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

int cbor_get_text(struct cbor_reader *r, const char **text, size_t *size)
{
	const uint8_t *data;
	int ret = get_string(r, CBOR_TEXT, &data, size);

	if (ret < 0)
		return ret;
	for (size_t i = 0, n; i < *size; i += n) {
		n = cbor_utf8_length(data + i, *size - i);
		if (n == 0)
			return -EBADMSG;
	}
	*text = (const char *)data;
	return 0;
}

int cbor_get_array(struct cbor_reader *r, uint64_t *count)
{
	int ret = get_kind(r, CBOR_ARRAY, count);

	if (ret < 0)
		return ret;
	return *count <= left(r) ? 0 : -EBADMSG;
}

int cbor_get_map(struct cbor_reader *r, uint64_t *count)
{
	int ret = get_kind(r, CBOR_MAP, count);

	if (ret < 0)
		return ret;
	return *count <= left(r) / 2 ? 0 : -EBADMSG;
}

int cbor_key_compare(const char *a, size_t a_size, const char *b, size_t b_size)
{
	if (a_size != b_size)
		return a_size < b_size ? -1 : 1;
	return memcmp(a, b, a_size);
}
