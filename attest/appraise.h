/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy: which verdicts are good enough. Verification finds facts and never
 * asks this; this looks at a verdict and never at evidence.
 *
 * The policy of a struct appraise_policy that is all zero is the strictest: no
 * debug, no emulated platform, TCB state UpToDate. A policy that names no
 * program (appraise_names_program) takes any: callers must tell their users so.
 */
#pragma once

#include "attest/verdict.h"
#include "lib/err.h"

enum { APPRAISE_VALUES = 16, APPRAISE_FIELDS = 32, APPRAISE_ADVISORIES = 64 };

enum appraise_match {
	APPRAISE_ONE_OF, /* equal to one of `count` values */
	/* At least values[0]: a number, or bytes each at least as large as the
	 * byte at its place (security versions of components). */
	APPRAISE_AT_LEAST,
	APPRAISE_MASKED, /* equal to values[0] where the mask has ones */
};

/* What a field of the verdict must be. */
struct appraise_field {
	char name[24];
	uint8_t size; /* of each value; 0: numbers */
	uint8_t match; /* enum appraise_match */
	uint8_t count; /* of values; 0 is refused by appraise() */
	union {
		uint8_t values[APPRAISE_VALUES][64];
		uint64_t numbers[APPRAISE_VALUES];
	};
	union {
		uint8_t mask[64];
		uint64_t number_mask;
	};
};

/* Some 35 KiB: not for the stack. */
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
 * Reads a policy: YAML or JSON text, as doc/quote-policy.md describes it. The
 * text's name stands before ":LINE:COLUMN" in messages. 0, -ENOMEM or -EINVAL
 * with line, column and cure in e; *policy is the strictest one then.
 */
must_check int appraise_parse(struct appraise_policy *policy, const char *name,
	const char *text, size_t size, struct err *e);

/*
 * For policies made by programs: `name` must have one of the values given by
 * calls with this name. -EINVAL: no evidence has a field of that name and
 * size; -ENOSPC: no room.
 */
must_check int appraise_want_bytes(struct appraise_policy *policy,
	const char *name, const void *value, size_t size);

/*
 * Whether the policy says which program is wanted, or whose: it has values for
 * a field that measures one or has its signer's key (mrenclave, mrsigner, mrtd,
 * measurement, id_key_digest, author_key_digest).
 */
bool appraise_names_program(const struct appraise_policy *policy);
/*
 * Whether the enclave of this verdict takes a configuration (it has KSS, and so
 * CONFIGID, in which Sconce has the hash of the manifest) that the policy does
 * not ask for: a kernel that runs anybody's programs is one program by
 * MRENCLAVE.
 */
bool appraise_takes_any_config(
	const struct appraise_policy *policy, const struct verdict *v);

/*
 * Adds to v->failures what the policy does not accept (rules "policy-...").
 * True: v has no failures at all, of verification or of policy.
 */
bool appraise(
	struct verdict *v, const struct appraise_policy *policy, int64_t at);

/* ---- the names of fields ---- */

struct appraise_name {
	const char *name;
	const char *rule; /* "policy-NAME" */
	uint8_t size; /* 0: a number */
	bool program; /* says which program it is, or whose */
};

/* Fields that evidence of some kind may have. NULL: there is none such. */
const struct appraise_name *appraise_name_find(const char *name, size_t len);
/* The index-th of them; NULL behind the last. */
const struct appraise_name *appraise_name_at(size_t index);
