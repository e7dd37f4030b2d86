/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What verifying a piece of evidence found: facts, no judgement. Whether a
 * debug enclave or a platform without its patches is good enough is for
 * attest/appraise.h to say.
 *
 * Whatever is wrong is one entry of failures: the rule that was broken, the
 * value seen and the value wanted. A verdict without failures is one whose
 * signatures, certificates, dates and TCB data all hold.
 */
#pragma once

#include "lib/types.h"

enum evidence_kind {
	EVIDENCE_SGX_V3,
	EVIDENCE_SGX_V4,
	EVIDENCE_SGX_V5,
	EVIDENCE_TDX_V4,
	EVIDENCE_TDX_V5,
	EVIDENCE_SNP,
};

/*
 * Intel's TCB states, in the names of its TCB information; of SNP platforms
 * only UNKNOWN (not determined) or UP_TO_DATE (the VCEK or VLEK is for the
 * TCB that is reported).
 */
enum tcb_status {
	TCB_UNKNOWN,
	TCB_UP_TO_DATE,
	TCB_SW_HARDENING_NEEDED,
	TCB_CONFIGURATION_NEEDED,
	TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
	TCB_OUT_OF_DATE,
	TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
	TCB_TD_RELAUNCH_ADVISED,
	TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
	TCB_REVOKED,
	TCB_NOT_SUPPORTED, /* no TCB level matches */
	TCB_STATUS_COUNT,
};

enum {
	VERDICT_FAILURES = 16,
	VERDICT_ADVISORIES = 64,
	VERDICT_FIELDS = 32,
	VERDICT_TEXT = 136, /* 64 bytes in hex and the NUL */
};

struct verdict_failure {
	const char *rule; /* static: "quote-signature", "pck-crl-date", ... */
	char seen[VERDICT_TEXT];
	char wanted[VERDICT_TEXT];
};

/* One measured value: size bytes, or (size 0) a number. */
struct verdict_field {
	const char *name; /* static: "mrenclave", "rtmr0", "isv_svn", ... */
	uint8_t size;
	uint8_t bytes[64];
	uint64_t number;
};

struct verdict {
	enum evidence_kind kind;
	bool signature; /* all signatures from the evidence to its leaf key */
	bool chain; /* leaf certificate: to a trusted root, valid, not revoked
		     */
	bool debug;
	bool emulated; /* leads to the root of an emulated platform */

	enum tcb_status tcb_status; /* converged */
	enum tcb_status platform_status; /* of the platform's own level */
	enum tcb_status module_status; /* TDX module; else UNKNOWN */
	enum tcb_status qe_status; /* quoting enclave */
	int64_t tcb_date; /* of the level chosen; s since 1970, 0: none */
	/* The lower tcbEvaluationDataNumber of TCB information and quoting
	 * enclave's identity, 0: none. */
	uint32_t tcb_evaluation;
	/* When all of the collateral and certificates are valid, both ends
	 * included. INT64_MIN, INT64_MAX: nothing that was looked at has dates
	 */
	int64_t valid_from, valid_until;

	char advisories[VERDICT_ADVISORIES][24]; /* sorted, each once */
	size_t advisory_count;

	struct verdict_field fields[VERDICT_FIELDS];
	size_t field_count;

	struct verdict_failure failures[VERDICT_FAILURES];
	size_t failure_count; /* those beyond VERDICT_FAILURES are counted only
			       */
};

/* "sgx-v3", "tdx-v4", "snp", ... */
const char *verdict_kind_name(enum evidence_kind kind);
/* "UpToDate", "OutOfDate", ..., "NotSupported"; "" for UNKNOWN. */
const char *verdict_tcb_name(enum tcb_status status);
/* UNKNOWN if there is no such name (exact spelling). */
enum tcb_status verdict_tcb_parse(const char *name, size_t len);

void verdict_init(struct verdict *v, enum evidence_kind kind);
/* seen and wanted are shortened to fit; control bytes become '?'. What is there
 * already is not added again. */
void verdict_fail(struct verdict *v, const char *rule, const char *seen,
	const char *wanted);
void verdict_fail_hex(struct verdict *v, const char *rule, const void *seen,
	const void *wanted, size_t size);
/* Dates are shown as 2025-06-25T00:00:00Z. */
void verdict_fail_date(
	struct verdict *v, const char *rule, int64_t seen, int64_t wanted);
/* Something that is needed is valid from.. until: makes v's window smaller. If
 * `at` is not in it, adds a failure of this rule and returns false. */
bool verdict_window(struct verdict *v, const char *rule, int64_t from,
	int64_t until, int64_t at);
/* Each id once; ids longer than 23 bytes are cut. -E2BIG: no room. */
int verdict_add_advisory(struct verdict *v, const char *id, size_t len);
void verdict_add_bytes(
	struct verdict *v, const char *name, const void *bytes, size_t size);
void verdict_add_number(struct verdict *v, const char *name, uint64_t number);
/* NULL: the evidence has no such field. */
const struct verdict_field *verdict_field(
	const struct verdict *v, const char *name);
