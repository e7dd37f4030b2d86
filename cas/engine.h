/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CAS decides. Servers bring requests and who asks; the engine looks at
 * policies, changes the store, and answers when the change is durable. It
 * knows no sockets and no threads: everything happens in one thread, time
 * comes from outside, so that simulations drive it as servers do.
 *
 * Each operation calls reply() once, perhaps before it returns. What the reply
 * points to lives until reply() returns. What is passed in is the caller's
 * again when the call returns. Errors:
 *	EACCES		this principal may not (nor learns whether it is there)
 *	EPERM		the policy forbids it to everybody
 *	EKEYREJECTED	evidence is not what the policy wants
 *	ENOENT, EEXIST	no such thing, there is one already
 *	EINVAL		what was sent is malformed: line and column
 *	ESTALE		predecessor, tag or term is not the present one
 *	EBUSY		volume or instances in use
 *	EDQUOT		a limit of the name space or client
 *	EAGAIN		not provisioned yet, or no quorum: later
 */
#pragma once

#include "cas/secret.h"
#include "cas/store.h"
#include "lib/schema.h"

struct engine;

/* Who asks: the TLS client key of a person. */
struct principal {
	bool present;
	uint8_t key[32]; /* SHA-256 of its DER SubjectPublicKeyInfo */
};

struct engine_reply {
	int status; /* 0 or -errno */
	const char *error; /* for people; NULL if 0 */
	struct span_list {
		const char *name; /* JSON member */
		const char *text; /* NULL-terminated text value */
	} const *items; /* what to tell, in order; ends with name NULL */
	/* What a list or a text is, or a binary answer. */
	const void *body;
	size_t body_size;
};

typedef void engine_reply_fn(void *arg, const struct engine_reply *r);

/* Answers to one request. */
struct engine_call {
	struct principal who;
	engine_reply_fn *reply;
	void *arg;
};

/* A detached signature over a change: see engine_message(). */
struct signature {
	struct bytes spki; /* DER */
	struct bytes value; /* Ed25519, or ECDSA (DER) with SHA-256/384 */
};

struct signature_list {
	const struct signature *item;
	size_t count;
};

/* Evidence is judged elsewhere, so that simulations need none. */
struct verdict;
typedef int engine_verify_fn(void *arg, const void *evidence, size_t size,
	int64_t at, struct verdict *v, struct err *e);

struct engine_options {
	struct store *store;
	engine_verify_fn *verify;
	void *verify_arg;
	uint8_t identity[32]; /* SHA-256 of CAS's SPKI: in manifests */
	/* Who alone may provision it: SHA-256 of the owner's SPKI. */
	bool has_owner_key;
	uint8_t owner_key[32];
	int64_t (*now)(void *arg);
	void *now_arg;
	/* Of all rows: name spaces take no more together, however many there
	 * are. 0: any. */
	uint64_t bytes_max;
	secret_key_fn *ready_key; /* RSA keys made in advance; may be NULL */
	void *ready_key_arg;
};

must_check int engine_new(
	const struct engine_options *o, struct engine **out, struct err *e);
void engine_free(struct engine *g);
/* What is due: leases, proposals, renewals. Once a second or so. */
void engine_tick(struct engine *g);

/* ---- the owner (engine_owner.c) ---- */
/* First come (or the key of the options): who becomes the owner, with
 * configuration as YAML text. By the owner: another configuration. Until then
 * everything but this and status is -EAGAIN. */
void engine_provision(struct engine *g, const struct engine_call *c,
	const char *config, size_t size);
bool engine_provisioned(const struct engine *g);
/* Whether this principal may fetch the log: the owner, and auditors of the
 * owner's configuration. */
bool engine_may_audit(const struct engine *g, const struct principal *who);
/* Whether c comes from the owner; if not, it was answered, and the log says
 * that somebody tried `what`. */
bool engine_is_owner(
	struct engine *g, const struct engine_call *c, const char *what);
/* What the server does for the owner that belongs into store and log. */
struct engine_own {
	const char *what, *object; /* of the log's event */
	const uint8_t *after; /* 32 bytes, or NULL */
	const char *row; /* of STORE_META; NULL: none changes */
	const void *value; /* copied */
	size_t size;
	const void *body; /* of the answer */
	size_t body_size;
};
/* By the owner alone (see above). Answers when it is durable. */
void engine_own(struct engine *g, const struct engine_call *c,
	const struct engine_own *own);
/* Owner only: state for operation, without any session's contents. Before
 * there is an owner, anybody: items "provisioned", "identity". */
void engine_status(struct engine *g, const struct engine_call *c);

/* ---- sessions (engine_session.c) ---- */
/* signatures: of members of a board, over engine_message(). Replies: hash. */
void engine_session_create(struct engine *g, const struct engine_call *c,
	const char *yaml, size_t size, const struct signature_list *signatures);
/* The session's `predecessor` must be the present hash. */
void engine_session_update(struct engine *g, const struct engine_call *c,
	const char *yaml, size_t size, const struct signature_list *signatures);
/* body: YAML of the policy without generated values; hash. hash may be NULL, or
 * name an older version. */
void engine_session_read(struct engine *g, const struct engine_call *c,
	const char *name, const uint8_t *hash);
/* Is hash that of the session as it is now? 0, -ESTALE. For those who may read
 * it; for anybody with a key if the session has a salt. */
void engine_session_verify(struct engine *g, const struct engine_call *c,
	const char *name, const uint8_t hash[static 32]);
/* 1.0, if access_policy.delete allows. Values and volume keys are gone. */
void engine_session_delete(struct engine *g, const struct engine_call *c,
	const char *name, const struct signature_list *signatures);
/* body: JSON array of names below prefix that the principal may list. */
void engine_session_list(
	struct engine *g, const struct engine_call *c, const char *prefix);
/* Nothing is changed: would it be taken, what would it do. body: the effective
 * differences, a line each. */
void engine_session_diff(struct engine *g, const struct engine_call *c,
	const char *yaml, size_t size);
/* What would be said to this evidence, with every reason
 * (engine_service.c). */
void engine_session_dry_run(struct engine *g, const struct engine_call *c,
	const char *name, const char *service, const void *evidence,
	size_t size);
/* Anybody: the public value of a secret. body. */
void engine_public_value(struct engine *g, const struct engine_call *c,
	const char *session, const char *secret, const char *format);

/* ---- proposals (engine_board.c) ---- */
/* The message that members sign: text, ends with the new session's hash.
 * action: "create", "update", "delete" (hash: of the present version), or
 * "reject" for votes against any of these. predecessor NULL: create.
 * (cas/message.c) */
must_check int engine_message(const char *action, const char *session,
	const uint8_t *predecessor, const uint8_t hash[static 32],
	struct buf *out);
void engine_proposal_open(struct engine *g, const struct engine_call *c,
	const char *yaml, size_t size, const char *comment);
void engine_proposal_vote(struct engine *g, const struct engine_call *c,
	const char *id, bool yes, const char *reason,
	const struct signature *signature);
void engine_proposal_read(
	struct engine *g, const struct engine_call *c, const char *id);
/* session NULL: all that the principal may read. */
void engine_proposal_list(
	struct engine *g, const struct engine_call *c, const char *session);
void engine_proposal_withdraw(
	struct engine *g, const struct engine_call *c, const char *id);

/* ---- services (engine_service.c): cas/wire.h ---- */
struct wire_request;
struct wire_reply;
typedef void engine_wire_fn(void *arg, const struct wire_reply *r);

/* A connection of an enclave. */
struct engine_peer;
/* binding: the report data that its evidence must have. */
struct engine_peer *engine_peer_new(
	struct engine *g, const uint8_t binding[static 64]);
/* The connection ended: replies that are still due are not given, leases run
 * on until they expire. */
void engine_peer_free(struct engine_peer *p);
/* An instance speaks through it: its evidence was accepted, and it has not
 * ended. */
bool engine_peer_is_known(const struct engine_peer *p);
void engine_peer_request(struct engine_peer *p, const struct wire_request *r,
	engine_wire_fn *reply, void *arg);

/* ---- figures for /metrics ---- */
struct engine_counts {
	uint64_t sessions, instances, volumes, proposals;
	uint64_t attested, refused, tags, created, updated, denied;
	uint64_t secrets_delivered, public_reads;
};
void engine_counts(const struct engine *g, struct engine_counts *out);
