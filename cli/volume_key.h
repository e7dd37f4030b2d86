/* SPDX-License-Identifier: Apache-2.0 */
/* Volume keys in files, for development: 32 bytes as they are, or 64
 * hexadecimal digits and a line feed. */
#pragma once

#include "lib/err.h"
#include "volume/format.h"

/* -EINVAL: neither form; else as open(2) and read(2) fail. */
must_check int volume_key_read(
	const char *path, uint8_t key[VOL_KEY_SIZE], struct err *e);
/* A new random key into a new file of mode 0600. -EEXIST: there is one. */
must_check int volume_key_make(
	const char *path, uint8_t key[VOL_KEY_SIZE], struct err *e);
