/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/plain.h"

#include <string.h>

/* The letter at text, of left bytes; *used of them. Bytes that are no UTF-8
 * stand for themselves. */
static uint32_t letter(const char *text, size_t left, size_t *used)
{
	const uint8_t *s = (const uint8_t *)text;
	size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 1;
	uint32_t c = n == 1 ? s[0] : s[0] & (0x7fu >> n);

	*used = 1;
	if (n > left)
		return s[0];
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return s[0];
		c = c << 6 | (s[i] & 0x3f);
	}
	*used = n;
	return c;
}

/* Controls, and what Unicode has to turn or to hide the direction of text. */
static bool is_tricky(uint32_t c, size_t used)
{
	return (c < 0x20 && c != '\t') || c == 0x7f ||
		(c >= 0x80 && (used == 1 || c < 0xa0)) || c == 0xad ||
		c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
		(c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
		c == 0xfeff || (c >= 0xe0000 && c <= 0xe007f);
}

void plain_print(FILE *f, const char *text, size_t size, const char *begin)
{
	size_t used;

	for (size_t i = 0; i < size; i += used) {
		uint32_t c = letter(text + i, size - i, &used);

		if (c == '\n')
			fprintf(f, "\n%s", i + 1 < size ? begin : "");
		else if (is_tricky(c, used))
			fprintf(f, "\\u{%x}", c);
		else
			fwrite(text + i, 1, used, f);
	}
}
