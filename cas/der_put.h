/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing DER (ITU-T X.690, 10) backwards: contents first, then the head in
 * front of them, whose length is known by then.
 *
 *	mark = der_mark(&w);
 *	... what is inside, the last element first ...
 *	der_put_head(&w, DER_SEQUENCE, mark);
 *
 * libcrypto's encoders of keys and certificates take ten times as long.
 */
#pragma once

#include "attest/der.h"

struct der_writer {
	uint8_t *base;
	size_t at; /* the text is from here to the end */
	size_t size;
	bool failed; /* it did not fit */
};

void der_writer_init(struct der_writer *w, void *buf, size_t size);
/* 0, or -E2BIG; *text points into the writer's buffer. */
must_check int der_writer_check(
	const struct der_writer *w, const uint8_t **text, size_t *size);

/* In front of what is there. */
void der_put_raw(struct der_writer *w, const void *data, size_t size);
void der_put_byte(struct der_writer *w, uint8_t byte);
size_t der_mark(const struct der_writer *w);
void der_put_head(struct der_writer *w, uint8_t tag, size_t mark);
/* An element with these contents. */
void der_put(struct der_writer *w, uint8_t tag, const void *data, size_t size);
/* A time as in certificates: UTCTime until 2049, else GeneralizedTime; s since
 * 1970, 0 to 9999-12-31. */
void der_put_time(struct der_writer *w, int64_t t);
