/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/base64.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 30 };

char *base64_encode(const void *data, size_t size)
{
	char *text = size <= MOST ? malloc(BASE64_TEXT(size)) : NULL;

	if (text)
		EVP_EncodeBlock((uint8_t *)text, data, (int)size);
	return text;
}

int base64_decode(const char *text, uint8_t *data, size_t *size)
{
	size_t len = strlen(text);
	size_t pad = len - strcspn(text, "=");
	int n;

	/* EVP_DecodeBlock() passes over white space at both ends. */
	if (len % 4 != 0 || len == 0 || pad > 2 || len > MOST ||
		strspn(text,
			"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			"0123456789+/") != len - pad ||
		strspn(text + len - pad, "=") != pad)
		return -EINVAL;
	n = EVP_DecodeBlock(data, (const uint8_t *)text, (int)len);
	if (n < (int)pad)
		return -EINVAL;
	*size = (size_t)n - pad;
	return 0;
}
