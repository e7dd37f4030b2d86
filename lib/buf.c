/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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
