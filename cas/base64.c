/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/base64.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

json_t *base64_json(const void *data, size_t size)
{
	char *text = malloc(size / 3 * 4 + 8);
	json_t *j = NULL;

	if (text && size <= INT32_MAX) {
		EVP_EncodeBlock((uint8_t *)text, data, (int)size);
		j = json_string(text);
	}
	free(text);
	return j;
}

int base64_read(const json_t *j, size_t max, struct bytes *out)
{
	size_t size = json_string_length(j), pad = 0;
	const char *text = json_string_value(j);
	uint8_t *data;
	int n;

	if (!text || !size || size % 4 || size > max)
		return -EINVAL;
	data = malloc(size / 4 * 3);
	if (!data)
		return -ENOMEM;
	n = EVP_DecodeBlock(data, (const uint8_t *)text, (int)size);
	while (pad < 2 && text[size - 1 - pad] == '=')
		pad++;
	if (n < 0 || (size_t)n < pad) {
		free(data);
		return -EINVAL;
	}
	*out = (struct bytes){data, (size_t)n - pad};
	return 0;
}
