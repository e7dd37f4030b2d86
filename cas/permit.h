/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the owner may decide about a start: a text, signed with the
 * owner's key (`sconce cas permit`), as JSON
 *
 *	{"text": "...", "key": base64 of the SPKI, "value": base64}
 *
 * An operator hands it over; it works for what it names and once.
 *
 *	sconce-cas-permit-1 rollback CLUSTER RECORD HEAD RECORD HEAD
 *		goes on from the first record, although the second one is what
 *		witnesses acknowledged last (0 and zeros: they know nothing)
 */
#pragma once

#include "cas/store.h"

struct permit_rollback {
	uint8_t cluster[32];
	uint64_t seq, instead; /* records: the store's, the witnesses' */
	uint8_t head[STORE_HASH_SIZE], instead_head[STORE_HASH_SIZE];
};

enum { PERMIT_TEXT_MAX = 512 };

/* The text that the owner signs. */
void permit_rollback_text(
	const struct permit_rollback *p, char text[static PERMIT_TEXT_MAX]);
/* Whether `permit` is this text, signed by the owner that the store names.
 * -EKEYREJECTED, with the difference in e. */
must_check int permit_check(
	struct store *s, const char *permit, const char *text, struct err *e);
/* The text of a permit whose signature by the owner holds. */
must_check int permit_text(struct store *s, const char *permit,
	char text[static PERMIT_TEXT_MAX], struct err *e);
