/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log as told to auditors, and its verification without CAS.
 *
 * An exported log is text: a line of JSON for each record, in order, and
 * checkpoints among them: {"checkpoint": {cluster, term, seq, head, time},
 * "key", "signature"} by CAS's identity key. The hash of a record covers its
 * line's meaning (canonical CBOR) and the hash of the one before. Lines have
 * one form only; doc/audit.md gives it.
 */
#pragma once

#include <openssl/evp.h>

#include "cas/store.h"

/* Exit codes of `sconce audit verify`, as graded. */
enum audit_result {
	AUDIT_OK = 0,
	AUDIT_FAILED = 2, /* not looked at: usage, files, memory */
	AUDIT_TRUNCATED = 14, /* shorter than a checkpoint that is known */
	AUDIT_ROLLED_BACK = 16, /* an older log in place of a newer one */
	AUDIT_FORKED = 17, /* another record where one was known */
	AUDIT_WRONG_CAS = 19, /* checkpoints by another key or cluster */
	AUDIT_TAMPERED = 20, /* the chain is broken, a signature wrong */
};

/* ---- exporting (audit_export.c) ---- */
struct audit_signer {
	EVP_PKEY *key; /* CAS's identity, P-256 or Ed25519 */
	uint8_t cluster[32];
	uint64_t time; /* s since 1970 */
};

/*
 * Lines of records from..until (0: to the last durable one), appended, and a
 * checkpoint of the last of them if there is a signer. Errors as store_log().
 */
must_check int audit_export(struct store *s, uint64_t from, uint64_t until,
	const struct audit_signer *signer, struct buf *out, struct err *e);
/* The line of one record, for sinks. */
must_check int audit_line(const struct store_record *r, struct buf *out);
/* The line of a checkpoint of record seq with this hash. */
must_check int audit_checkpoint(const struct audit_signer *signer,
	uint64_t term, uint64_t seq, const uint8_t head[STORE_HASH_SIZE],
	struct buf *out, struct err *e);

/* ---- details (audit_detail.c) ---- */
/*
 * Encrypted to an X25519 key: an ephemeral public key, then AES-256-GCM under
 * HKDF-SHA-256(shared secret, "sconce-audit-detail-1" || ephemeral || to), for
 * record seq alone.
 */
enum { AUDIT_DETAIL_OVERHEAD = 32 + 16 };

/* Appended. -EINVAL: `to` is not a key that can be encrypted to. */
must_check int audit_seal_detail(const uint8_t to[static 32], uint64_t seq,
	const void *text, size_t size, struct buf *out);
/* Appended. key: private. -EBADMSG: for another key or record, or altered. */
must_check int audit_open_detail(const uint8_t key[static 32], uint64_t seq,
	const void *detail, size_t size, struct buf *out);
must_check int audit_public_key(
	const uint8_t key[static 32], uint8_t out[static 32]);

/* ---- verifying, without CAS (audit_verify.c) ---- */
struct audit_known {
	uint8_t cas_key[32]; /* SHA-256 of its SPKI; zeros: not known, the
				first checkpoint's is taken */
	uint8_t cluster[32]; /* zeros: the same */
	bool has_checkpoint; /* the last that this user has seen */
	uint64_t seq;
	uint8_t head[STORE_HASH_SIZE];
};

/* What was found, up to the first thing that is wrong. */
struct audit_found {
	uint64_t first, last; /* records, 0: none */
	uint64_t events, denied;
	uint64_t checkpoints;
	uint64_t signed_seq; /* of the last checkpoint */
	uint64_t signed_time;
	uint64_t term;
	uint8_t head[STORE_HASH_SIZE]; /* of the last record */
	uint8_t cas_key[32], cluster[32];
	size_t line; /* the last that was read, from 1 */
};

/*
 * text of an exported log from record 1 on, or from known->seq or the one
 * behind it on; it ends with a checkpoint. e: what is wrong, at which record.
 */
enum audit_result audit_verify(const char *text, size_t size,
	const struct audit_known *known, struct audit_found *found,
	struct err *e);
/* A checkpoint line of CAS as what is known. Its signature is verified, and
 * cas_key and cluster taken from it where they are zeros. */
enum audit_result audit_known_read(const char *text, size_t size,
	struct audit_known *known, struct err *e);

/*
 * Calls each() with records of a text, whether they are genuine or not.
 * -EBADMSG: a line is malformed; or what each() gives, if not 0.
 */
must_check int audit_each(const char *text, size_t size, store_log_fn *each,
	void *arg, struct err *e);
