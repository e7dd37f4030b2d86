/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PCK extension (Intel SGX PCK Certificate and Certificate Revocation List
 * Profile Specification, 1.3.5): a sequence of pairs of object identifier and
 * value. Written from its end to its beginning, so that lengths are known
 * where they are needed.
 */
#include "attest/pki_der.h"

#include <assert.h>
#include <string.h>

enum {
	TAG_BOOLEAN = 0x01,
	TAG_INTEGER = 0x02,
	TAG_OCTETS = 0x04,
	TAG_OID = 0x06,
	TAG_ENUMERATED = 0x0a,
	TAG_SEQUENCE = 0x30,
};

/* 1.2.840.113741.1.13.1 */
static const uint8_t base_oid[] = {
	0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};

struct back {
	uint8_t *start, *p;
	const uint8_t *end;
};

static void put(struct back *b, const void *data, size_t size)
{
	assert((size_t)(b->p - b->start) >= size);
	b->p -= size;
	memcpy(b->p, data, size);
}

static void put_byte(struct back *b, unsigned byte)
{
	uint8_t v = (uint8_t)byte;

	put(b, &v, 1);
}

/* Tag and length before all that was written since p was @after. */
static void put_head(struct back *b, unsigned tag, const uint8_t *after)
{
	size_t size = (size_t)(after - b->p);
	unsigned bytes = 0;

	if (size >= 0x80) {
		for (; size > 0; size >>= 8, bytes++)
			put_byte(b, size & 0xff);
		put_byte(b, 0x80 | bytes);
	} else {
		put_byte(b, (unsigned)size);
	}
	put_byte(b, tag);
}

static void put_oid(struct back *b, unsigned first, unsigned second)
{
	const uint8_t *after = b->p;

	if (second)
		put_byte(b, second);
	put_byte(b, first);
	put(b, base_oid, sizeof(base_oid));
	put_head(b, TAG_OID, after);
}

/* A pair whose value was written since @after. */
static void put_pair(
	struct back *b, unsigned first, unsigned second, const uint8_t *after)
{
	put_oid(b, first, second);
	put_head(b, TAG_SEQUENCE, after);
}

static void put_octets(struct back *b, unsigned first, unsigned second,
	const void *data, size_t size)
{
	const uint8_t *after = b->p;

	put(b, data, size);
	put_head(b, TAG_OCTETS, after);
	put_pair(b, first, second, after);
}

static void put_number(struct back *b, unsigned tag, unsigned first,
	unsigned second, unsigned value)
{
	const uint8_t *after = b->p;

	put_byte(b, value & 0xff);
	if (value > 0xff)
		put_byte(b, value >> 8);
	if (tag == TAG_INTEGER && (*b->p & 0x80)) /* it is not negative */
		put_byte(b, 0);
	put_head(b, tag, after);
	put_pair(b, first, second, after);
}

static void put_boolean(
	struct back *b, unsigned first, unsigned second, bool value)
{
	put_number(b, TAG_BOOLEAN, first, second, value ? 0xff : 0);
}

static void put_tcb(struct back *b, const struct pki_platform *platform)
{
	const uint8_t *after = b->p;

	put_octets(b, 2, 18, platform->components, PKI_TCB_COMPONENTS);
	put_number(b, TAG_INTEGER, 2, 17, platform->pcesvn);
	for (unsigned i = PKI_TCB_COMPONENTS; i > 0; i--)
		put_number(b, TAG_INTEGER, 2, i, platform->components[i - 1]);
	put_head(b, TAG_SEQUENCE, after);
	put_pair(b, 2, 0, after);
}

static void put_configuration(
	struct back *b, const struct pki_platform *platform)
{
	const uint8_t *after = b->p;

	put_boolean(b, 7, 3, platform->smt);
	put_boolean(b, 7, 2, platform->cached_keys);
	put_boolean(b, 7, 1, platform->dynamic_platform);
	put_head(b, TAG_SEQUENCE, after);
	put_pair(b, 7, 0, after);
}

size_t pki_der_platform(
	const struct pki_platform *platform, uint8_t der[PKI_EXTENSION_MAX])
{
	struct back b = {der, der + PKI_EXTENSION_MAX, der + PKI_EXTENSION_MAX};
	size_t size;

	put_configuration(&b, platform);
	put_octets(
		&b, 6, 0, platform->instance_id, sizeof(platform->instance_id));
	put_number(&b, TAG_ENUMERATED, 5, 0, platform->sgx_type);
	put_octets(&b, 4, 0, platform->fmspc, sizeof(platform->fmspc));
	put_octets(&b, 3, 0, platform->pceid, sizeof(platform->pceid));
	put_tcb(&b, platform);
	put_octets(&b, 1, 0, platform->ppid, sizeof(platform->ppid));
	put_head(&b, TAG_SEQUENCE, b.end);
	size = (size_t)(b.end - b.p);
	memmove(der, b.p, size);
	return size;
}
