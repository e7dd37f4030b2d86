/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy: which verdicts are good enough. Verification finds facts and never
 * asks this; this looks at a verdict and never at evidence.
 *
 * The policy of a struct appraise_policy that is all zero is the strictest: no
 * debug, no emulated platform, TCB state UpToDate. A policy without fields says
 * nothing about which enclave is wanted: callers must tell their users so.
 */
#pragma once

#include "attest/verdict.h"
#include "lib/err.h"

enum { APPRAISE_VALUES = 16, APPRAISE_FIELDS = 32, APPRAISE_ADVISORIES = 64 };

/* A field of the verdict must have one of these values. */
struct appraise_field {
	char name[24];
	uint8_t size; /* of each value; 0: a number, at least `minimum` */
	uint8_t count;
	uint8_t values[APPRAISE_VALUES][64];
	uint64_t minimum;
	bool exactly; /* the number must be equal to minimum */
};

struct appraise_policy {
	bool allow_debug;
	bool allow_emulated;
	/* Bit 1 << status: also accepted besides UpToDate. REVOKED and
	 * NOT_SUPPORTED never are. */
	uint32_t tolerate;
	/* Advisories that are fine; others with a tolerated state are not, if
	 * only_advisories is set. */
	bool only_advisories;
	char advisories[APPRAISE_ADVISORIES][24];
	size_t advisory_count;
	int64_t max_tcb_age; /* s between at and the level's date; 0: any */
	uint32_t min_tcb_evaluation; /* 0: any */
	struct appraise_field fields[APPRAISE_FIELDS];
	size_t field_count;
};

/*
 * Reads a policy: YAML or JSON text, see sconce-quote-policy in doc/.
 * 0, -ENOMEM or -EINVAL with line, column and cure in e.
 */
must_check int appraise_parse(struct appraise_policy *policy, const char *text,
	size_t size, struct err *e);

/*
 * Adds to v->failures what the policy does not accept (rules "policy-...").
 * True: v has no failures at all, of verification or of policy.
 */
bool appraise(
	struct verdict *v, const struct appraise_policy *policy, int64_t at);
