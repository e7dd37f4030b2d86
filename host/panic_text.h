/* SPDX-License-Identifier: Apache-2.0 */
/* The last words of an enclave, left in the shared region (abi/ring.h). */
#pragma once

#include <string.h>

#include "abi/ring.h"

/* text: PANIC_TEXT_SIZE + 1 bytes; printable and NUL-terminated after. */
static inline void panic_text_read(const char *region, char *text)
{
	memcpy(text, region + RING_PANIC_TEXT, PANIC_TEXT_SIZE);
	text[PANIC_TEXT_SIZE] = '\0';
	for (char *p = text; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
}
