/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as text. What is encoded is secret, so no table is indexed by it:
 * alphabets are computed by comparisons of ranges.
 */
#include "cas/secret_int.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/string.h"

enum alphabet { HEX, BASE64, BASE64URL, BASE32 };

struct encoding {
	const char *name;
	enum alphabet alphabet;
	unsigned bits; /* of a character; 8: the bytes themselves */
	bool padded;
};

static const struct encoding encodings[] = {
	{"bin", HEX, 8, false},
	{"hex", HEX, 4, false},
	{"base64", BASE64, 6, true},
	{"base64url", BASE64URL, 6, false},
	{"base32", BASE32, 5, true},
	{"base32nopad", BASE32, 5, false},
};

/* All ones if lo <= v < hi, for small numbers. */
static unsigned within(unsigned v, unsigned lo, unsigned hi)
{
	return (0u - ((~(v - lo) & (v - hi)) >> 31));
}

static char letter(enum alphabet a, unsigned v)
{
	unsigned c = 0;

	switch (a) {
	case HEX:
		c = (within(v, 0, 10) & (v + '0')) |
			(within(v, 10, 16) & (v - 10 + 'a'));
		break;
	case BASE32:
		c = (within(v, 0, 26) & (v + 'A')) |
			(within(v, 26, 32) & (v - 26 + '2'));
		break;
	case BASE64:
	case BASE64URL:
		c = (within(v, 0, 26) & (v + 'A')) |
			(within(v, 26, 52) & (v - 26 + 'a')) |
			(within(v, 52, 62) & (v - 52 + '0')) |
			(within(v, 62, 63) & (a == BASE64 ? '+' : '-')) |
			(within(v, 63, 64) & (a == BASE64 ? '/' : '_'));
		break;
	}
	return (char)c;
}

static const struct encoding *find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(encodings); i++)
		if (strlen(encodings[i].name) == len &&
			!memcmp(encodings[i].name, name, len))
			return &encodings[i];
	return NULL;
}

bool secret_encoding_known(const char *name, size_t len)
{
	return find(name, len) != NULL;
}

static void encode_bits(const struct encoding *c, const uint8_t *p, size_t size,
	struct buf *out)
{
	const unsigned step = c->bits & 7, mask = (1u << step) - 1;
	unsigned held = 0, bits = 0;
	/* Groups of as many bytes as make whole characters. */
	unsigned group = step == 5 ? 8 : step == 6 ? 4 : 1;
	char text[64] = {0};
	size_t len = 0, count = 0;

	for (size_t i = 0; i < size; i++) {
		held = held << 8 | p[i];
		for (bits += 8; bits >= step; count++) {
			bits -= step;
			text[len++] = letter(c->alphabet, held >> bits & mask);
		}
		held &= (1u << bits) - 1;
		if (len > sizeof(text) - 4) {
			buf_add(out, text, len);
			len = 0;
		}
	}
	if (bits) {
		text[len++] = letter(c->alphabet, held << (step - bits) & mask);
		count++;
	}
	buf_add(out, text, len);
	for (; c->padded && count % group; count++)
		buf_text(out, "=");
	string_wipe(text, sizeof(text));
}

void secret_encode_text(const char *name, size_t len, const void *data,
	size_t size, struct buf *out)
{
	const struct encoding *c = find(name, len);

	if (!c || c->bits == 8)
		buf_add(out, data, size);
	else
		encode_bits(c, data, size, out);
}

static int digit(char c)
{
	return c >= 'A' && c <= 'Z'    ? c - 'A'
		: c >= 'a' && c <= 'z' ? c - 'a' + 26
		: c >= '0' && c <= '9' ? c - '0' + 52
		: c == '+' || c == '-' ? 62
		: c == '/' || c == '_' ? 63
				       : -1;
}

/* Values that stand in a policy: either alphabet, with padding or without. */
int secret_base64_decode(const char *text, size_t len, struct blob *out)
{
	unsigned held = 0, bits = 0, pad = 0;
	uint8_t *p;
	size_t size = 0;
	int rc;

	while (pad < 2 && len && text[len - 1] == '=') {
		len--;
		pad++;
	}
	if (len % 4 == 1 || (pad && (len + pad) % 4) || len > SECRET_VALUE_MAX)
		return -EINVAL;
	p = malloc(len + 1);
	if (!p)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++) {
		int d = digit(text[i]);

		if (d < 0)
			break;
		held = (held << 6 | (unsigned)d) & 0xffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			p[size++] = (uint8_t)(held >> bits);
		}
	}
	/* All of it was read, and what is left over is zero. */
	rc = size == len * 3 / 4 && !(held & ((1u << bits) - 1)) ? 0 : -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (digit(text[i]) < 0)
			rc = -EINVAL;
	if (!rc)
		rc = blob_set(out, p, size);
	string_wipe(p, len);
	free(p);
	return rc;
}

void secret_pem(const char *label, const struct blob *der, struct buf *out)
{
	enum { LINE = 48 };

	buf_format(out, "-----BEGIN %s-----\n", label);
	for (size_t i = 0; i < der->size; i += LINE) {
		secret_encode_text("base64", 6, der->data + i,
			u64_min(LINE, der->size - i), out);
		buf_text(out, "\n");
	}
	buf_format(out, "-----END %s-----\n", label);
}
