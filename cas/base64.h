/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 4648 section 4, for what is no secret (secret_text.c for that). */
#pragma once

#include <stddef.h>

#include "lib/types.h"

/* Bytes for the text of size bytes, its NUL too; most bytes in len digits. */
#define BASE64_TEXT(size) (((size) + 2) / 3 * 4 + 1)
#define BASE64_SIZE(len) ((len) / 4 * 3)

/* malloc'ed; NULL: no memory, or over 1 GiB. */
char *base64_encode(const void *data, size_t size);
/*
 * Exactly: whole groups of the alphabet and their padding, at least one. data:
 * of BASE64_SIZE(strlen(text)). 0 or -EINVAL.
 */
must_check int base64_decode(const char *text, uint8_t *data, size_t *size);
