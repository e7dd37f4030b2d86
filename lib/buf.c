/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/cbor.h"
#include "lib/string.h"

enum { BUF_MIN = 256 };

/* Room for size bytes more and the NUL. */
static bool buf_room(struct buf *b, size_t size)
{
	size_t want, cap = b->cap ? b->cap : BUF_MIN;
	uint8_t *data;

	if (b->failed)
		return false;
	b->failed = add_overflows(b->size, size, &want) || want > SIZE_MAX / 4;
	if (b->failed)
		return false;
	if (want < b->cap)
		return true;
	while (cap <= want)
		cap *= 2;
	/* Not realloc: it may leave a copy behind. */
	data = malloc(cap);
	b->failed = !data;
	if (b->failed)
		return false;
	if (b->size)
		memcpy(data, b->data, b->size);
	if (b->secret && b->data)
		string_wipe(b->data, b->cap);
	free(b->data);
	b->data = data;
	b->cap = cap;
	return true;
}

void buf_add(struct buf *b, const void *data, size_t size)
{
	if (!buf_room(b, size))
		return;
	if (size)
		memcpy(b->data + b->size, data, size);
	b->size += size;
	b->data[b->size] = 0;
}

void buf_text(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_format(struct buf *b, const char *format, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, format);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, format, ap);
	if (n >= 0 && buf_room(b, (size_t)n)) {
		vsnprintf((char *)b->data + b->size, (size_t)n + 1, format,
			again);
		b->size += (size_t)n;
	}
	va_end(again);
	va_end(ap);
}

/* The character of a UTF-8 sequence; 0xffff is none that stands for itself. */
static uint32_t character(const uint8_t *s, size_t len)
{
	if (len == 2)
		return (uint32_t)(s[0] & 0x1f) << 6 | (s[1] & 0x3f);
	if (len == 3)
		return (uint32_t)(s[0] & 0x0f) << 12 |
			(uint32_t)(s[1] & 0x3f) << 6 | (s[2] & 0x3f);
	return len == 1 ? s[0] : 0x10000;
}

/* Controls, and what YAML takes for line ends or does not take. */
static bool is_escaped(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 ||
		c == 0x2029 || c == 0xfeff || c == 0xfffe || c == 0xffff;
}

static void add_character(struct buf *b, const uint8_t *s, size_t len)
{
	static const char short_for[] = "\bb\ff\nn\rr\tt\"\"\\\\";
	uint32_t c = character(s, len);

	for (size_t i = 0; short_for[i] != '\0'; i += 2)
		if ((uint8_t)short_for[i] == c) {
			buf_add(b, "\\", 1);
			buf_add(b, &short_for[i + 1], 1);
			return;
		}
	if (is_escaped(c))
		buf_format(b, "\\u%04x", c);
	else
		buf_add(b, s, len);
}

int buf_json(struct buf *b, const void *data, size_t size)
{
	const uint8_t *s = data;
	size_t len;

	for (size_t i = 0; i < size; i += len) {
		len = cbor_utf8_length(s + i, size - i);
		if (len == 0)
			return -EINVAL;
	}
	for (size_t i = 0; i < size; i += len) {
		len = cbor_utf8_length(s + i, size - i);
		add_character(b, s + i, len);
	}
	return 0;
}

int buf_check(const struct buf *b)
{
	return b->failed ? -ENOMEM : 0;
}

void buf_fini(struct buf *b)
{
	if (b->secret && b->data)
		string_wipe(b->data, b->cap);
	free(b->data);
	*b = (struct buf){.secret = b->secret};
}
