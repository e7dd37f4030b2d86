/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading DER (ITU-T X.690, 10) where it lies: lengths are definite, in their
 * shortest form, and below 16 MiB; tags have one byte. Nothing is copied or
 * allocated.
 */
#pragma once

#include "lib/types.h"

enum {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_OID = 0x06,
	DER_ENUMERATED = 0x0a,
	DER_UTF8_STRING = 0x0c,
	DER_PRINTABLE_STRING = 0x13,
	DER_IA5_STRING = 0x16,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
	DER_CONTEXT = 0xa0, /* + n: [n], constructed */
};

/* What is not read yet, or the content of an element. */
struct der {
	const uint8_t *at;
	size_t left;
};

/* Takes the next element, of any tag. False: malformed, or none is left. */
must_check bool der_next(struct der *d, uint8_t *tag, struct der *content);
/* Takes the next element if it has this tag; else d stands where it stood. */
must_check bool der_take(struct der *d, uint8_t tag, struct der *content);
/* The same, with tag and length included. */
must_check bool der_take_whole(struct der *d, uint8_t tag, struct der *whole);
bool der_is(const struct der *d, const void *bytes, size_t size);

/* Of a BIT STRING: no bits are left over at the end. */
must_check bool der_take_bytes(struct der *d, struct der *content);
/* The content of an INTEGER or ENUMERATED: minimal, and not negative. */
must_check bool der_number(const struct der *content, uint32_t *out);
/* A time as certificates have it (RFC 5280, 4.1.2.5): UTC, with seconds. */
must_check bool der_take_time(struct der *d, int64_t *out);
