/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies as anybody writes them. What is taken comes back from each of its
 * forms as the same session, and can be compared.
 */
#include <stdlib.h>
#include <string.h>

#include "cas/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hash_of(const struct session *s, uint8_t hash[32])
{
	if (session_hash(s, hash) < 0)
		abort();
}

static void check_text(const struct session *s)
{
	struct session *again = NULL;
	uint8_t one[32], other[32];
	struct buf text = {0};
	struct err e = {0};

	if (session_yaml(s, &text) < 0)
		abort();
	if (text.size <= SESSION_YAML_MAX) {
		if (session_parse("again", (char *)text.data, text.size, &again,
			    &e) < 0)
			abort();
		hash_of(s, one);
		hash_of(again, other);
		if (memcmp(one, other, sizeof(one)) != 0)
			abort();
	}
	session_free(again);
	buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session *s = NULL, *decoded = NULL;
	struct buf form = {0}, effects = {0};
	uint8_t one[32], other[32];
	struct err e = {0};

	if (session_parse("fuzz", (const char *)data, size, &s, &e) < 0) {
		if (e.code == 0)
			abort();
		return 0;
	}
	if (session_encode(s, &form) < 0 ||
		session_decode(form.data, form.size, &decoded, &e) < 0)
		abort();
	hash_of(s, one);
	hash_of(decoded, other);
	if (memcmp(one, other, sizeof(one)) != 0)
		abort();
	check_text(s);
	if (session_diff(NULL, s, &effects) < 0 ||
		session_diff(decoded, s, &effects) < 0)
		abort();
	buf_fini(&effects);
	buf_fini(&form);
	session_free(decoded);
	session_free(s);
	return 0;
}
