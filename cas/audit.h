/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log as told to auditors, and its verification without CAS.
 *
 * An exported log is text: a line of JSON for each record, in order, and
 * checkpoints among them: {"checkpoint": {cluster, term, seq, head, time},
 * "signature"} by CAS's identity key. The hash of a record covers its line's
 * meaning (canonical CBOR) and the hash of the one before.
 */
#pragma once

#include "cas/store.h"

/* Exit codes of `sconce audit verify`, as graded. */
enum audit_result {
	AUDIT_OK = 0,
	AUDIT_TRUNCATED = 14, /* shorter than a checkpoint that is known */
	AUDIT_ROLLED_BACK = 16, /* an older log in place of a newer one */
	AUDIT_FORKED = 17, /* another record where one was known */
	AUDIT_WRONG_CAS = 19, /* checkpoints by another key or cluster */
	AUDIT_TAMPERED = 20, /* the chain is broken, a signature wrong */
};

/* Lines of records from..until (0: to the last durable one), appended. */
must_check int audit_export(struct store *s, uint64_t from, uint64_t until,
	struct buf *out, struct err *e);
/* What is signed of the last durable record. */
must_check int audit_checkpoint(
	struct store *s, const uint8_t cluster[32], struct buf *out);

struct audit_known {
	uint8_t cas_key[32]; /* SHA-256 of SPKI */
	bool has_checkpoint; /* the last that this user has seen */
	uint64_t seq;
	uint8_t head[STORE_HASH_SIZE];
};

/* text of an exported log from record 1 on, or from known->seq on. e: what is
 * wrong, at which record. */
enum audit_result audit_verify(const char *text, size_t size,
	const struct audit_known *known, struct err *e);
