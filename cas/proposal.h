/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A proposal as it is kept: what is proposed, who voted how and why, what
 * became of it. A row of STORE_PROPOSAL in canonical CBOR.
 */
#pragma once

#include <jansson.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/schema.h"

enum {
	PROPOSAL_ID_SIZE = 32, /* hexadecimal digits */
	PROPOSAL_VOTES_MAX = 60,
	PROPOSAL_TEXT_MAX = 4096, /* comment, reason */
	PROPOSAL_DIFF_MAX = 256 * 1024,
};

enum proposal_state {
	PROPOSAL_OPEN,
	PROPOSAL_APPLIED,
	PROPOSAL_VETOED,
	PROPOSAL_EXPIRED,
	PROPOSAL_WITHDRAWN,
	PROPOSAL_STALE, /* the session was changed otherwise */
	PROPOSAL_STATES,
};

struct proposal_vote {
	bool yes;
	bool by_signature; /* else with a TLS key */
	struct bytes key; /* 32 bytes: SHA-256 of the SPKI */
	struct bytes spki, value; /* by_signature */
	uint64_t time;
	const char *reason;
};

struct proposal {
	const char *id;
	uint64_t action; /* enum change_kind */
	const char *session;
	struct bytes hash; /* of the new version; delete: of the present one */
	struct bytes predecessor; /* none: create */
	struct bytes policy; /* canonical form; none: delete, or closed */
	struct bytes opener;
	const char *comment;
	const char *diff; /* as it was shown to those who vote */
	uint64_t opened, not_before, expires; /* s since 1970 */
	uint64_t state;
	const char *outcome; /* why it ended, or could not take effect yet */
	struct item_list votes; /* of struct proposal_vote */
	void *memory; /* what it points to */
};

/* "open", "applied", ... */
const char *proposal_state_name(uint64_t state);

/* *p's pointers live until proposal_fini(). -EBADMSG; -ENOMEM. */
must_check int proposal_decode(
	struct proposal *p, const void *row, size_t size, struct err *e);
void proposal_fini(struct proposal *p);
must_check int proposal_encode(const struct proposal *p, struct buf *out);

/* For people. What members sign: message, or reject to vote against it. yaml
 * may be NULL. NULL: no memory. */
json_t *proposal_json(const struct proposal *p, const char *action,
	const char *message, const char *reject, const char *yaml);
json_t *proposal_json_short(const struct proposal *p, const char *action);
