/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence against a policy: pure judgement, no store, no clock.
 *
 * match_rules_new() puts the values of variables in the place of the variables
 * of a service's `attestation` and `platforms` and of `security.attestation`.
 * match() compares a verdict with the result. Nothing is cut short: each
 * variant of `attestation` is compared as a whole, and each difference becomes
 * a reason with what was seen, what was wanted, and the smallest change of the
 * policy that would make this evidence good, if there is one.
 */
#pragma once

#include "attest/verdict.h"
#include "cas/session.h"
#include "cas/subst.h"

enum {
	MATCH_REASONS = 64,
	MATCH_HASH_SIZE = 32,
	MATCH_BINDING_SIZE = 64,
	MATCH_VARIANTS_MAX = 64,
	MATCH_VALUES_MAX = 1024, /* of one list of hashes */
};

/* Opaque: rules without variables. */
struct match_rules;

/*
 * The rules of one service. lookup gives values of variables; config-fragments
 * are read as YAML of the shape that stands in their place. -EINVAL: a value
 * is not of that shape; what lookup gives. s and service are borrowed, *out is
 * freed with match_rules_free().
 */
must_check int match_rules_new(const struct session *s,
	const struct session_service *service, subst_fn *lookup, void *arg,
	struct match_rules **out, struct err *e);
void match_rules_free(struct match_rules *r); /* NULL is fine */
/* security.attestation's one_time_password_shared_secret, or NULL. */
const char *match_rules_otp(const struct match_rules *r);
/* enum attest_mode: after variables. */
uint64_t match_rules_mode(const struct match_rules *r);

/* What the evidence must be bound to. */
struct match_binding {
	/* Report data of this connection, MATCH_BINDING_SIZE bytes; NULL: of
	 * no connection (dry run). */
	const uint8_t *report_data;
	/* SHA-256 of the manifest that stands for this service: of `sconce run
	 * --cas`, with the one-time token if the session wants one. */
	uint8_t config[MATCH_HASH_SIZE];
	/* The token is not known (dry run): any configuration is taken. */
	bool any_token;
};

struct match_reason {
	unsigned variant; /* 1..: of `attestation`; 0: of all of them */
	char label[48]; /* how the variant begins */
	const char *rule; /* static: "mrenclave", "policy-debug", ... */
	char seen[VERDICT_TEXT];
	char wanted[2 * VERDICT_TEXT];
	char cure[384]; /* empty: no policy accepts it */
};

/* Some 60 KiB: not for the stack. */
struct match_result {
	bool accepted;
	unsigned variant; /* that accepted it, from 1 */
	size_t count; /* those beyond MATCH_REASONS are counted only */
	struct match_reason reasons[MATCH_REASONS];
};

/*
 * Compares. Adds to v->failures what attest/appraise.h says of it. at: s since
 * 1970. -ENOMEM; 0: *out is filled, with reasons or without. If a variant
 * accepts, there are no reasons.
 */
must_check int match(const struct match_rules *r,
	const struct match_binding *binding, struct verdict *v, int64_t at,
	struct match_result *out);

/* All reasons, a line each, appended: for owners. */
void match_explain(const struct match_result *m, struct buf *out);
/* The names of the rules that refused, for the enclave and for the log: at
 * most size - 1 bytes. */
void match_summary(const struct match_result *m, char *text, size_t size);
