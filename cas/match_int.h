/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of cas/match. */
#pragma once

#include "attest/appraise.h"
#include "cas/match.h"

/* What a variable became; the first word of a chain of allocations. */
struct match_memory {
	struct match_memory *next;
	struct session_rules rules;
	char *text;
};

struct match_rules {
	const struct session *session;
	const struct session_service *service;
	struct session_security security;
	struct attest_variant *variants;
	size_t variant_count, variant_cap;
	struct text_list platforms;
	struct match_memory *memory;
};

/* The next place for a reason; a spare one if there is none left. */
struct match_reason *match_reason_add(
	struct match_result *m, unsigned variant, const char *rule);
must_check bool match_has_variable(const char *text);

/* ---- match_tcb.c: security.attestation ---- */
/* What the appraiser is to accept of this verdict. */
void match_tcb_policy(const struct session_security *s, const struct verdict *v,
	struct appraise_policy *out);
/* How the policy would accept what this rule of the appraiser refused; out is
 * empty if it cannot. */
void match_tcb_cure(const struct session_security *s, const struct verdict *v,
	const char *rule, char *out, size_t size);
