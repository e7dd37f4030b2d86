/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The owner's configuration, and what name spaces take against its limits.
 */
#pragma once

#include "cas/engine_int.h"

struct owner_limits {
	char *namespace; /* a top-level name, "/" for those names themselves,
			    "*" for all others */
	uint64_t sessions, bytes, changes_per_minute;
};

struct owner {
	uint8_t key[32];
	char *name;
	struct owner_limits *limits;
	size_t limit_count;
	/* Who may fetch the log. */
	uint8_t (*auditors)[32];
	size_t auditor_count;
};

/* Never NULL. */
const struct owner_limits *owner_limits(
	const struct engine *g, const char *namespace);

/* What a change of a session takes or gives back. */
struct usage_change {
	int64_t sessions, bytes;
};

/* -EDQUOT, naming the limit. Counts as one change of the minute. */
must_check int usage_allow(struct engine *g, const char *session,
	const struct usage_change *u, struct err *e);
/* It happened. */
void usage_apply(
	struct engine *g, const char *session, const struct usage_change *u);
