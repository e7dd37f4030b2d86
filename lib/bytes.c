/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/bytes.h"

void bytes_to_hex(const void *data, size_t size, char *text)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;

	for (size_t i = 0; i < size; i++) {
		*text++ = digits[p[i] >> 4];
		*text++ = digits[p[i] & 15];
	}
	*text = '\0';
}

bool bytes_zero(const void *data, size_t size)
{
	const uint8_t *p = data;
	uint8_t any = 0;

	for (size_t i = 0; i < size; i++)
		any |= p[i];
	return any == 0;
}
