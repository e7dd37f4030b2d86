/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The envelope in which Intel's provisioning service signs JSON:
 *
 *	{"tcbInfo":{...},"signature":"<128 hexadecimal digits>"}
 *
 * The signature is ECDSA P-256 with SHA-256, r || s big-endian, over the bytes
 * of the inner object exactly as they were served. Tools that re-indent files
 * destroy it, so it is also tried over the object without white space.
 *
 * Strict: one value and nothing behind it but white space or NULs, UTF-8, no
 * member twice (at any depth), bounded size, depth and number of values.
 */
#pragma once

#include <jansson.h>

#include "attest/ecdsa.h"
#include "lib/err.h"

enum {
	SIGNED_JSON_SIZE = 1 << 20,
	SIGNED_JSON_DEPTH = 16,
	SIGNED_JSON_VALUES = 1 << 16,
	SIGNED_JSON_SIGNATURE = 64,
};

struct signed_json {
	json_t *root; /* owned */
	const json_t *body; /* the inner object, part of root */
	/* Its bytes, in the text that was parsed: that must live as long as
	 * signed_json_verify is to be called. */
	const char *raw;
	size_t raw_size;
	uint8_t signature[SIGNED_JSON_SIGNATURE];
};

/*
 * Parses text[size]; member: "tcbInfo" or "enclaveIdentity". Other members of
 * the envelope are ignored. 0; -EINVAL with what and where in e; -ENOMEM.
 * After 0 the result is to be freed with signed_json_fini.
 */
must_check int signed_json_parse(const char *member, const void *text,
	size_t size, struct signed_json *json, struct err *e);
void signed_json_fini(struct signed_json *json);

/*
 * 0: signed with the private half of key. -EBADMSG: not so. -EINVAL: no key
 * (NULL), or one that is not of P-256. -ENOMEM.
 */
must_check int signed_json_verify(
	const struct signed_json *json, const struct ecdsa_key *key);
