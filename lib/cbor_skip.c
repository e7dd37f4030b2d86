/* SPDX-License-Identifier: Apache-2.0 */
/* What evidence and CAS need of CBOR beyond what the kernel reads: tags, items
 * of a known size, and items that are not understood. */
#include <linux/errno.h>

#include "lib/cbor.h"
#include "lib/string.h"

static size_t left(const struct cbor_reader *r)
{
	return (size_t)(r->end - r->at);
}

int cbor_get_tag(struct cbor_reader *r, uint64_t *tag)
{
	unsigned kind;
	int ret = cbor_get_head(r, &kind, tag);

	if (ret < 0)
		return ret;
	return kind == CBOR_TAG ? 0 : -EINVAL;
}

int cbor_get_fixed(struct cbor_reader *r, void *out, size_t size)
{
	const uint8_t *data;
	size_t n;
	int ret = cbor_get_bytes(r, &data, &n);

	if (!ret && n != size)
		ret = -EBADMSG;
	if (!ret)
		memcpy(out, data, size);
	return ret;
}

/* Steps over one head and, of strings, over the text. *items: how many items
 * are in it. Negative integers and floats have nothing behind their heads. */
static int skip_head(struct cbor_reader *r, uint64_t *items)
{
	const uint8_t *start = r->at;
	unsigned kind;
	uint64_t v;
	int ret;

	/* Two-byte simple values and floats: no shorter form to insist on. */
	if (left(r) && *start >= 0xf8 && *start <= 0xfb) {
		size_t extra = (size_t)1 << (*start - 0xf8);

		if (left(r) - 1 < extra)
			return -EBADMSG;
		r->at += 1 + extra;
		*items = 0;
		return 0;
	}
	ret = cbor_get_head(r, &kind, &v);
	if (ret < 0)
		return ret;
	*items = kind == CBOR_TAG ? 1 : kind == CBOR_ARRAY ? v : 0;
	if (kind == CBOR_MAP && mul_overflows(v, 2, items))
		return -EBADMSG;
	if (kind == CBOR_BYTES || kind == CBOR_TEXT) {
		if (v > left(r))
			return -EBADMSG;
		r->at += v;
	}
	return *items <= left(r) ? 0 : -EBADMSG;
}

int cbor_skip(struct cbor_reader *r)
{
	uint64_t todo[CBOR_DEPTH + 1] = {1}, items;
	size_t depth = 0;

	for (;;) {
		int ret;

		while (todo[depth] == 0) {
			if (depth == 0)
				return 0;
			depth--;
		}
		todo[depth]--;
		ret = skip_head(r, &items);
		if (ret < 0)
			return ret;
		if (items == 0)
			continue;
		if (depth == CBOR_DEPTH)
			return -EBADMSG;
		todo[++depth] = items;
	}
}
