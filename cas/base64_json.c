/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/base64_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cas/base64.h"

json_t *base64_json(const void *data, size_t size)
{
	char *text = base64_encode(data, size);
	json_t *j = text ? json_string(text) : NULL;

	free(text);
	return j;
}

int base64_read(const json_t *j, size_t max, struct bytes *out)
{
	const char *text = json_string_value(j);
	size_t size = json_string_length(j);
	uint8_t *data;

	/* The text alone counts: nothing may hide behind a NUL. */
	if (!text || size > max || strlen(text) != size)
		return -EINVAL;
	data = malloc(BASE64_SIZE(size) + 1);
	if (!data)
		return -ENOMEM;
	if (base64_decode(text, data, &size)) {
		free(data);
		return -EINVAL;
	}
	*out = (struct bytes){data, size};
	return 0;
}
