/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/cbor_put.h"

#include <errno.h>
#include <string.h>

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

void cbor_put_tag(struct cbor_writer *w, uint64_t tag)
{
	put_head(w, CBOR_TAG, tag);
}

int cbor_writer_check(const struct cbor_writer *w)
{
	return w->len <= w->size ? 0 : -ENOSPC;
}
