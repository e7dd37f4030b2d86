/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of unknown meaning: as text, and whether there is any in them. */
#pragma once

#include "lib/types.h"

/*
 * Writes @size bytes as lower case hexadecimal digits and a NUL: @text has room
 * for 2 * @size + 1. string_from_hex() reads them.
 */
void bytes_to_hex(const void *data, size_t size, char *text);

/* True if all of them are zero, or there are none. */
bool bytes_zero(const void *data, size_t size);
