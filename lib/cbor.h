/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deterministic CBOR (RFC 8949, 4.2.1): shortest heads, definite lengths, map
 * keys in ascending order of their encoding. Both ends speak a subset:
 * unsigned integers, byte strings, UTF-8 text, arrays, maps, tags, true and
 * false.
 *
 * Equal values have equal bytes and the reader refuses every other encoding,
 * so a hash of the bytes names the value. The reader never reads outside its
 * input and copies nothing: strings point into the input. The writer is in
 * cbor_put.h.
 */
#pragma once

#include "lib/types.h"

enum cbor_kind {
	CBOR_UINT = 0,
	CBOR_BYTES = 2,
	CBOR_TEXT = 3,
	CBOR_ARRAY = 4,
	CBOR_MAP = 5,
	CBOR_TAG = 6,
	CBOR_SIMPLE = 7,
};

/* Arguments of CBOR_SIMPLE. */
enum { CBOR_FALSE = 20, CBOR_TRUE = 21 };

enum { CBOR_DEPTH = 8 };

struct cbor_reader {
	const uint8_t *at, *end;
};

void cbor_reader_init(struct cbor_reader *r, const void *data, size_t size);

/*
 * Each returns 0, -EBADMSG for malformed or not canonical input, or -EINVAL
 * if the next item is of another kind. After a failure the position is
 * undefined.
 */
must_check int cbor_get_uint(struct cbor_reader *r, uint64_t *v);
must_check int cbor_get_bool(struct cbor_reader *r, bool *v);
must_check int cbor_get_bytes(
	struct cbor_reader *r, const uint8_t **data, size_t *size);
must_check int cbor_get_text(
	struct cbor_reader *r, const char **text, size_t *size);
/* @count is at most what the rest of the input could hold. */
must_check int cbor_get_array(struct cbor_reader *r, uint64_t *count);
must_check int cbor_get_map(struct cbor_reader *r, uint64_t *count);
/* The head of whatever comes: its kind and argument. */
must_check int cbor_get_head(
	struct cbor_reader *r, unsigned *kind, uint64_t *v);

/* ---- cbor_skip.c, not in the kernel ---- */
/* What the tag is of follows. */
must_check int cbor_get_tag(struct cbor_reader *r, uint64_t *tag);
/* As many bytes as that, copied; -EBADMSG if there are more or fewer. */
must_check int cbor_get_fixed(struct cbor_reader *r, void *out, size_t size);
/* An item of any kind with what is in it, floats and null included: at most
 * CBOR_DEPTH arrays, maps and tags within each other. -EBADMSG beyond. */
must_check int cbor_skip(struct cbor_reader *r);

/* Length of the UTF-8 sequence at @s, 0 if there is none (RFC 3629). @size > 0.
 */
size_t cbor_utf8_length(const uint8_t *s, size_t size);

/* True if everything was read. */
bool cbor_reader_at_end(const struct cbor_reader *r);

/*
 * Order of two text keys in a canonical map: the shorter first, then bytewise.
 * Returns <0, 0 or >0.
 */
int cbor_key_compare(
	const char *a, size_t a_size, const char *b, size_t b_size);
