/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing piece of memory for ordinary programs (not the kernel). What is
 * appended after memory ran out is dropped, and buf_check() says so: callers
 * append at will and look once.
 */
#pragma once

#include "lib/types.h"

struct buf {
	uint8_t *data; /* followed by a NUL that does not count */
	size_t size, cap;
	bool failed;
	bool secret; /* memory that is given up is wiped first */
};

void buf_add(struct buf *b, const void *data, size_t size);
void buf_text(struct buf *b, const char *text);
void buf_format(struct buf *b, const char *format, ...) printf_like(2, 3);
/* What stands between the quotes of a text in JSON, which YAML also takes.
 * -EINVAL: not UTF-8; nothing is appended. */
must_check int buf_json(struct buf *b, const void *data, size_t size);
/* 0, or -ENOMEM if something was dropped. */
must_check int buf_check(const struct buf *b);
/* Empty again, without memory; wipes if secret. */
void buf_fini(struct buf *b);
