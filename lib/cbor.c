/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cbor.h"

#include <linux/errno.h>

#include "lib/string.h"

enum { CBOR_FALSE = 20, CBOR_TRUE = 21 };

void cbor_writer_init(struct cbor_writer *w, void *buf, size_t size)
{
	*w = (struct cbor_writer){.buf = buf, .size = size};
}

static void put(struct cbor_writer *w, const void *data, size_t size)
{
	if (w->len <= w->size && size <= w->size - w->len && size > 0)
		memcpy(w->buf + w->len, data, size);
	if (add_overflows(w->len, size, &w->len))
		w->len = SIZE_MAX;
}

static void put_head(struct cbor_writer *w, enum cbor_kind kind, uint64_t v)
{
	uint8_t head[9];
	size_t extra = v < 24     ? 0
		: v <= UINT8_MAX  ? 1
		: v <= UINT16_MAX ? 2
		: v <= UINT32_MAX ? 4
				  : 8;
	uint8_t info = extra == 0 ? (uint8_t)v
		: extra == 1      ? 24
		: extra == 2      ? 25
		: extra == 4      ? 26
				  : 27;

	head[0] = (uint8_t)((unsigned)kind << 5 | info);
	for (size_t i = 0; i < extra; i++)
		head[1 + i] = (uint8_t)(v >> 8 * (extra - 1 - i));
	put(w, head, 1 + extra);
}

void cbor_put_uint(struct cbor_writer *w, uint64_t v)
{
	put_head(w, CBOR_UINT, v);
}

void cbor_put_bool(struct cbor_writer *w, bool v)
{
	put_head(w, CBOR_SIMPLE, v ? CBOR_TRUE : CBOR_FALSE);
}

void cbor_put_bytes(struct cbor_writer *w, const void *data, size_t size)
{
	put_head(w, CBOR_BYTES, size);
	put(w, data, size);
}

void cbor_put_text(struct cbor_writer *w, const char *text, size_t size)
{
	put_head(w, CBOR_TEXT, size);
	put(w, text, size);
}

void cbor_put_array(struct cbor_writer *w, uint64_t count)
{
	put_head(w, CBOR_ARRAY, count);
}

void cbor_put_map(struct cbor_writer *w, uint64_t count)
{
	put_head(w, CBOR_MAP, count);
}

int cbor_writer_check(const struct cbor_writer *w)
{
	return w->len <= w->size ? 0 : -ENOSPC;
}

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

static int get_head(struct cbor_reader *r, unsigned *kind, uint64_t *v)
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
	int ret = get_head(r, &kind, v);

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

/* Length of the UTF-8 sequence at @s, 0 if there is none (RFC 3629). */
static size_t utf8_length(const uint8_t *s, size_t size)
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
		n = utf8_length(data + i, *size - i);
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

static int check_item(struct cbor_reader *r, int depth);

static int check_map(struct cbor_reader *r, uint64_t count, int depth)
{
	const char *key, *last = NULL;
	size_t size, last_size = 0;

	if (count > left(r) / 2)
		return -EBADMSG;
	for (; count > 0; count--) {
		if (cbor_get_text(r, &key, &size) < 0)
			return -EBADMSG;
		if (last != NULL &&
			cbor_key_compare(last, last_size, key, size) >= 0)
			return -EBADMSG;
		last = key;
		last_size = size;
		if (check_item(r, depth) < 0)
			return -EBADMSG;
	}
	return 0;
}

static int check_item(struct cbor_reader *r, int depth)
{
	struct cbor_reader again = *r;
	const uint8_t *data;
	const char *text;
	unsigned kind;
	uint64_t v;
	size_t size;
	bool truth;

	if (get_head(r, &kind, &v) < 0)
		return -EBADMSG;
	switch (kind) {
	case CBOR_UINT:
		return 0;
	case CBOR_BYTES:
		*r = again;
		return cbor_get_bytes(r, &data, &size);
	case CBOR_TEXT:
		*r = again;
		return cbor_get_text(r, &text, &size);
	case CBOR_ARRAY:
		if (depth == 0 || v > left(r))
			return -EBADMSG;
		for (; v > 0; v--)
			if (check_item(r, depth - 1) < 0)
				return -EBADMSG;
		return 0;
	case CBOR_MAP:
		return depth == 0 ? -EBADMSG : check_map(r, v, depth - 1);
	case CBOR_SIMPLE:
		*r = again;
		return cbor_get_bool(r, &truth);
	default:
		return -EBADMSG;
	}
}

int cbor_check(const void *data, size_t size, int depth)
{
	struct cbor_reader r;

	cbor_reader_init(&r, data, size);
	if (check_item(&r, depth) < 0 || !cbor_reader_at_end(&r))
		return -EBADMSG;
	return 0;
}
