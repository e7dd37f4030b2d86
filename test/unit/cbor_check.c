/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/cbor_check.h"

#include <errno.h>

#include "lib/cbor.h"

static int check_item(struct cbor_reader *r, int depth);

static int check_map(struct cbor_reader *r, int depth)
{
	const char *key, *last = NULL;
	size_t size, last_size = 0;
	uint64_t count;

	if (depth == 0 || cbor_get_map(r, &count) < 0)
		return -EBADMSG;
	for (; count > 0; count--) {
		if (cbor_get_text(r, &key, &size) < 0)
			return -EBADMSG;
		if (last != NULL &&
			cbor_key_compare(last, last_size, key, size) >= 0)
			return -EBADMSG;
		last = key;
		last_size = size;
		if (check_item(r, depth - 1) < 0)
			return -EBADMSG;
	}
	return 0;
}

static int check_item(struct cbor_reader *r, int depth)
{
	const uint8_t *data;
	const char *text;
	uint64_t v;
	size_t size;
	bool truth;

	if (cbor_reader_at_end(r))
		return -EBADMSG;
	switch (*r->at >> 5) {
	case CBOR_UINT:
		return cbor_get_uint(r, &v);
	case CBOR_BYTES:
		return cbor_get_bytes(r, &data, &size);
	case CBOR_TEXT:
		return cbor_get_text(r, &text, &size);
	case CBOR_ARRAY:
		if (depth == 0 || cbor_get_array(r, &v) < 0)
			return -EBADMSG;
		for (; v > 0; v--)
			if (check_item(r, depth - 1) < 0)
				return -EBADMSG;
		return 0;
	case CBOR_MAP:
		return check_map(r, depth);
	case CBOR_SIMPLE:
		return cbor_get_bool(r, &truth);
	default:
		return -EBADMSG;
	}
}

int cbor_check(const void *data, size_t size, int depth)
{
	struct cbor_reader r;

	cbor_reader_init(&r, data, size);
	if (check_item(&r, depth) < 0 || !cbor_reader_at_end(&r))
		return -EBADMSG;
	return 0;
}
