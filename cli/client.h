/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The owner's and users' commands towards a CAS: a program of its own
 * (sconce-client, beside sconce).
 *
 * Exit status: 0 done, 1 CAS refused or a check failed, 2 unusable input.
 */
#pragma once

#include <jansson.h>

#include "cli/cas_client.h"
#include "cli/options.h"

enum { CLIENT_OK = 0, CLIENT_REFUSED = 1, CLIENT_UNUSABLE = 2 };

enum client_option {
	CLIENT_CAS,
	CLIENT_KEY,
	CLIENT_IDENTITY,
	CLIENT_JSON,
	CLIENT_OUT,
	CLIENT_HASH,
	CLIENT_SIGNATURE,
	CLIENT_COMMENT,
	CLIENT_REASON,
	CLIENT_REJECT,
	CLIENT_SIGN_KEY,
	CLIENT_MRENCLAVE,
	CLIENT_MANIFEST,
	CLIENT_COLLATERAL,
	CLIENT_EMULATED,
	CLIENT_TOLERATE,
	CLIENT_ROLLBACK,
	CLIENT_NATIVE,
	CLIENT_ENCLAVES,
	CLIENT_DEFAULT,
	CLIENT_FORMAT,
	CLIENT_SERVICE,
	CLIENT_FROM,
	CLIENT_STATE,
	CLIENT_IMAGE,
	CLIENT_WITNESS,
	CLIENT_OWNER,
	CLIENT_LISTEN,
	CLIENT_RATE,
	CLIENT_MEMORY,
	CLIENT_LAS,
	CLIENT_NEED,
	CLIENT_BOX,
	CLIENT_RECOVER,
	CLIENT_RESTORE,
	CLIENT_PERMIT,
	CLIENT_JOIN,
	CLIENT_MRSIGNER,
	CLIENT_SVN,
	CLIENT_WITHDRAW,
	CLIENT_OPTIONS,
};

/* ---- client_cas.c ---- */
int client_cas_attest(struct options *o, struct err *e);
int client_cas_provision(struct options *o, struct err *e);
int client_cas_status(struct options *o, struct err *e);
/* What a CAS says of itself, and the evidence for it. */
struct client_statement {
	json_t *answer, *said;
	const char *text; /* what the evidence is bound to */
	uint8_t key[32];
	uint8_t *evidence; /* malloc'ed; NULL: there is none */
	size_t evidence_size;
};
/* Asks c, judges the answer by the options of `sconce cas attest`; from then
 * on c speaks with nobody else. Finish s also after an error. */
must_check int client_attest(const struct options *o, struct cas_client *c,
	struct client_statement *s, struct err *e);
/* What `sconce measure --json` says of this installation, under a manifest or
 * (NULL) none. */
must_check int client_measured(const char *manifest, const char *member,
	uint8_t *out, size_t size, struct err *e);
void client_statement_fini(struct client_statement *s);
int client_cas_key(struct options *o, struct err *e);
/* ---- client_collateral.c ---- */
/* What an evidence is judged with, in a folder that goes away again. Zeroed. */
struct client_collateral {
	char top[64], dir[80];
};
/* Has it fetched; emulated: takes this user's emulated platform's. 0 or
 * -errno; client_collateral_drop() in both cases. */
must_check int client_collateral_get(struct client_collateral *c,
	const void *evidence, size_t size, bool emulated, struct err *e);
void client_collateral_drop(struct client_collateral *c);
/* ---- client_recovery.c ---- */
int client_cas_member_key(struct options *o, struct err *e);
int client_cas_recovery(struct options *o, struct err *e);
int client_cas_backup(struct options *o, struct err *e);
int client_cas_recover(struct options *o, struct err *e);
int client_cas_upgrade(struct options *o, struct err *e);
int client_cas_permit(struct options *o, struct err *e);
/* ---- client_start.c ---- */
int client_cas_image(struct options *o, struct err *e);
int client_cas_manifest(struct options *o, struct err *e);
int client_cas_start(struct options *o, struct err *e);
/* Becomes the program beside this one, argv NULL-terminated. -errno. */
must_check int client_become(
	const char *program, const char *const *argv, struct err *e);
/* ---- client_session.c ---- */
int client_session_create(struct options *o, struct err *e);
int client_session_update(struct options *o, struct err *e);
int client_session_read(struct options *o, struct err *e);
int client_session_delete(struct options *o, struct err *e);
int client_session_list(struct options *o, struct err *e);
int client_session_verify(struct options *o, struct err *e);
int client_session_diff(struct options *o, struct err *e);
int client_session_dry_run(struct options *o, struct err *e);
int client_secret_public(struct options *o, struct err *e);
/* ---- client_board.c ---- */
int client_proposal_open(struct options *o, struct err *e);
int client_proposal_vote(struct options *o, struct err *e);
int client_proposal_show(struct options *o, struct err *e);
int client_proposal_list(struct options *o, struct err *e);
int client_proposal_withdraw(struct options *o, struct err *e);
/* ---- client_audit.c ---- */
int client_audit_fetch(struct options *o, struct err *e);
/* True if the line is a checkpoint; *seq: of the record that it signs. */
bool client_checkpoint(const char *line, size_t size, uint64_t *seq);
/* ---- client_follow.c ---- */
int client_audit_follow(struct options *o, struct err *e);

/* ---- client_main.c ---- */
/* The CAS of the options. */
must_check int client_open(
	const struct options *o, struct cas_client **out, struct err *e);
/*
 * One request; its answer goes to standard output: with --json as it is, else
 * member `member` (NULL: each member on a line). 0 or -errno.
 */
must_check int client_show(const struct options *o, const char *method,
	const char *path, const char *type, const struct buf *body,
	const char *member, struct err *e);
/* A whole file of at most 2 MiB; "-": standard input. */
must_check int client_read(
	const char *what, const char *path, struct buf *out, struct err *e);
/* Writes to --output or standard output. */
must_check int client_write(
	const struct options *o, const struct buf *data, struct err *e);
