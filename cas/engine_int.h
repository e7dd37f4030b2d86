/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the engine's files share: decoded sessions kept at hand, answers that
 * wait until they are durable, the log of decisions, records of the store.
 *
 * The store's rows are the truth. A struct held is a row decoded once; it is
 * found again as long as the row's record number (seq) is the same, so nobody
 * has to tell the cache about changes.
 */
#pragma once

#include "cas/access.h"
#include "cas/engine.h"
#include "cas/secret.h"
#include "cas/session.h"
#include "lib/err.h"
#include "lib/list.h"
#include "volume/volume.h"

enum {
	ENGINE_SIGNATURES_MAX = 32,
	ENGINE_HELD_BYTES = 64 << 20, /* of decoded sessions kept at hand */
	ENGINE_VERSIONS_MAX = 64, /* older ones of a session that are kept */
	ENGINE_INSTANCE_SIZE = 16,
};

struct services; /* engine_service.c's own */
struct owner; /* cas/engine_owner.h */

struct engine {
	struct engine_options o;
	struct store *store;
	struct engine_counts counts;
	/* Sessions at hand: by name (tsearch), the last used one first. */
	void *held_tree;
	struct list held;
	size_t held_bytes;
	/* Answers that are not given yet (struct answer). */
	struct list answers;
	struct owner *owner; /* NULL: not provisioned */
	void *usage_tree; /* struct usage, by name */
	struct list usages;
	struct list proposals; /* open ones: engine_board.c */
	/* Denials are told singly at this rate, else counted. */
	uint64_t denied_untold;
	int64_t denied_at;
	unsigned denied_left;
	struct services *services;
};

/* Of the last record: an answer that waits for it shows nothing that may still
 * be lost. */
static inline uint64_t store_seq(const struct engine *g)
{
	struct store_status st;

	store_status(g->store, &st);
	return st.seq;
}

static inline int64_t engine_now(const struct engine *g)
{
	return g->o.now(g->o.now_arg);
}

/* ---- sessions at hand (engine.c) ---- */
/* A session as it is now. Counted: engine_hold() gives one that is unheld by
 * engine_unhold(). Nobody changes what it points to. */
struct held {
	struct list link;
	char *name;
	unsigned refs;
	bool stale; /* no longer in the tree */
	uint64_t seq; /* of the record that made it */
	size_t bytes;
	struct session *session;
	uint8_t hash[SESSION_HASH_SIZE];
	/* Filled by engine_secrets(). */
	uint64_t secrets_seq;
	struct secret_set *secrets;
	/* Filled by engine_session_read(): the text for readers. */
	struct buf yaml;
};

/* 0; -ENOENT; -EBADMSG: the row is not a session (then the store was given
 * something wrong: a defect); -ENOMEM. */
must_check int engine_hold(
	struct engine *g, const char *name, struct held **out, struct err *e);
void engine_unhold(struct engine *g, struct held *h); /* NULL is fine */

/* The values as they are kept: valid until the next engine_secrets() on h or
 * until h is unheld. */
must_check int engine_secrets(struct engine *g, struct held *h,
	const struct secret_set **out, struct err *e);
/*
 * The same, with what is due renewed first. What was renewed is in x, which the
 * caller submits (or not: then nothing happened); *changed says whether. The
 * set is *out's, freed with secret_set_free().
 */
must_check int engine_secrets_renewed(struct engine *g, struct held *h,
	struct store_txn *x, struct secret_set **out, bool *changed,
	struct err *e);
/* How secrets of a session are made: import of exported ones by the rules of
 * both sides. hash: of the importing session. Lives as long as both. */
struct engine_importer {
	struct engine *g;
	const struct session *session;
	const uint8_t *hash;
};
void engine_secret_env(struct engine_importer *i, struct secret_env *env);
/* True if one of the exports is to that session; *by (may be NULL): which. */
bool engine_exports(struct engine *g, const struct item_list *exports,
	const struct session *to, const uint8_t hash[SESSION_HASH_SIZE],
	const struct session_ref **by);
/* h is the version that the importer wants. */
bool engine_pinned(const struct session_ref *from, const struct held *h);
void held_free_all(struct engine *g);
/* Puts the set into x as the values of the session. */
must_check int engine_secrets_put(
	struct store_txn *x, const char *session, const struct secret_set *set);

/* ---- volumes (engine_volume.c) ---- */
/* A row of STORE_VOLUME; its key: volume_row_key(). */
struct volume_record {
	uint8_t key[VOL_KEY_SIZE];
	bool has_tag;
	uint8_t tag[VOL_TAG_SIZE];
	uint64_t term; /* how often somebody began to write it */
	bool has_holder;
	uint8_t holder[ENGINE_INSTANCE_SIZE]; /* who writes it now */
};

enum { VOLUME_ROW_KEY_MAX = SESSION_NAME_MAX + 1 + 255 };

/* Whose volume it is, in the end. */
struct volume_place {
	char key[VOLUME_ROW_KEY_MAX];
	size_t key_size;
	/* Of an import: what the exporter lays down at least (enum
	 * volume_tag_policy), else VOLUME_ROLLBACK_PROTECTED. */
	uint64_t update_policy;
	bool imported;
};

/* Where volume v of session s (its hash) is kept: own ones, and imported ones
 * if the exporter says so. -EPERM: not there, or not exported to s. */
must_check int engine_volume_place(struct engine *g, const struct session *s,
	const uint8_t hash[SESSION_HASH_SIZE], const struct session_volume *v,
	struct volume_place *out, struct err *e);
/* Own volumes: -ENAMETOOLONG. */
must_check int volume_row_key(
	const char *session, const char *volume, struct volume_place *out);
/* -ENOENT: no such row; -EBADMSG. */
must_check int engine_volume_get(struct engine *g,
	const struct volume_place *at, struct volume_record *out,
	uint64_t *seq);
void engine_volume_put(struct store_txn *x, const struct volume_place *at,
	const struct volume_record *r);

/* ---- who may (engine_access.c) ---- */
/* By the rules of h. Errors as access_decide(). */
must_check int engine_may_keys(struct engine *g, struct held *h,
	enum access_right right, const struct access_keys *present,
	const struct access_keys *signed_by, struct err *e);
/* The same for one who brings no signatures. */
must_check int engine_may(struct engine *g, struct held *h,
	enum access_right right, const struct principal *who, struct err *e);

/* The rules of a right (of the board's veto) name this key. */
bool engine_names(struct engine *g, struct held *h, enum access_right right,
	enum access_way way, const uint8_t key[32]);
bool engine_vetoes(struct engine *g, struct held *h, enum access_way way,
	const uint8_t key[32]);

/* ---- what a session or CAS must be like ---- */
/* -EAGAIN with the cure in e, unless CAS has an owner. */
must_check int engine_ready(const struct engine *g, struct err *e);
/* cas_requirements: -EPERM if this CAS is less than the session wants. */
must_check int engine_requirements(
	struct engine *g, const struct session *s, struct err *e);

/* ---- the log ---- */
/* Into x. session (may be NULL) says whose key reads the detail. */
void engine_audit(struct store_txn *x, const struct session *session,
	const struct audit_event *event);
/* A denial in its own transaction; a flood of them is counted instead. */
void engine_audit_denied(struct engine *g, const struct session *session,
	const struct audit_event *event);

/* What was not told singly since; then it is forgotten. */
void denied_tell(struct engine *g);
/* The answer -EACCES, the same whether the session is there or not. s: whose
 * key reads the log, or NULL. */
void engine_deny(struct engine *g, const struct engine_call *c,
	const char *what, const char *name, const struct session *s);

/* ---- answers (engine_answer.c) ---- */
enum { ANSWER_ITEMS = 16 };

/* An answer in the making; it copies what is put in. */
struct answer {
	struct list link; /* of g->answers, while it waits */
	struct engine *g; /* NULL: the engine is gone */
	struct engine_call call;
	int status;
	char *error;
	struct span_list items[ANSWER_ITEMS + 1];
	size_t item_count;
	struct buf body;
	bool failed; /* memory ran out */
};

/* NULL: no memory; then the caller was answered (-ENOMEM). */
struct answer *answer_new(struct engine *g, const struct engine_call *c);
void answer_item(struct answer *a, const char *name, const char *text);
void answer_item_hex(
	struct answer *a, const char *name, const void *data, size_t size);
void answer_item_number(struct answer *a, const char *name, uint64_t number);
/* Each of these gives the answer once and frees it. Now: */
void answer_send(struct answer *a);
/* status and text of e. */
void answer_fail(struct answer *a, int status, const char *text);
/* When x, which is submitted, is durable; if that fails, the error, which is
 * also what it returns: nothing happened then. */
int answer_submit(struct answer *a, struct store_txn *x);
/* When record seq is durable. */
void answer_after(struct answer *a, uint64_t seq);
/* The engine goes: waiting answers are not given. */
void answers_leave(struct engine *g);
/* Without an answer in the making. */
void engine_fail(struct engine *g, const struct engine_call *c, int status,
	const char *text);

/* An older version, by its hash; *out is freed with session_free(). -ENOENT */
must_check int engine_version(struct engine *g, const char *name,
	const uint8_t hash[SESSION_HASH_SIZE], struct session **out,
	struct err *e);

/* As YAML for people: values that were given are masked (engine_mask.c). */
must_check int engine_yaml(const struct session *s, struct buf *out);
/* -EINVAL: the mask came back as a value. */
must_check int engine_mask_check(const struct session *s, struct err *e);

/* ---- name spaces ---- */
/* "shop/db": "shop"; "shop": "/"; "/": false. out: SESSION_NAME_MAX + 1. */
bool engine_parent(const char *name, char *out);
/* True if name is below the name space ("/": everything but "/"). */
bool engine_is_below(const char *name, const char *namespace);

/* -EINVAL: cannot be a session's name. */
must_check int engine_name_check(const char *name, struct err *e);

/* ---- the engine's parts ---- */
must_check int owner_load(struct engine *g, struct err *e);
void owner_free(struct engine *g);
must_check int usage_load(struct engine *g, struct err *e);
void usage_free(struct engine *g);
must_check int board_load(struct engine *g, struct err *e);
void board_free(struct engine *g);
void board_tick(struct engine *g, int64_t now);
must_check int services_new(struct engine *g, struct err *e);
void services_free(struct engine *g);
void services_tick(struct engine *g, int64_t now);
/* The session is being deleted, in x: its instances and tokens go. -EBUSY if
 * something of it runs. */
must_check int services_forget(struct engine *g, const struct session *s,
	struct store_txn *x, struct err *e);
