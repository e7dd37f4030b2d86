/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of engine_service share: instances that run, connections,
 * answers that wait for the store.
 *
 * An instance is one start of a service. Its row in STORE_INSTANCE is there
 * from the durable HELLO until its exit is durable, or until its lease ended
 * without a connection. Leases are kept in memory and begin anew when CAS
 * starts.
 *
 * A rollback protected volume has one writer: its row names the instance and a
 * term, which grows with each writer. Who lost it has an old term for ever.
 */
#pragma once

#include "cas/engine_int.h"
#include "cas/match.h"
#include "cas/wire.h"
#include "crypto/sha256.h"

enum {
	SERVICE_NAME_MAX = SESSION_NAME_MAX + 1 + 1024, /* session/service */
	SERVICE_LEASE_DEFAULT = 60, /* s */
	SERVICE_TOKEN_LIFE = 600, /* s from the giving to the start */
	/* The most that one tick takes from leases: a clock that jumps ends
	 * none. */
	SERVICE_STEP_MAX = 10,
	SERVICE_PENDING_MAX = 4096, /* requests of a connection that wait */
	SERVICE_TOKENS_USED_MAX = 100000,
	SERVICE_ADVICE_MAX = 512, /* short texts for enclaves */
};

/* What is counted for one service. A row in STORE_INSTANCE, with limits. */
struct service_state {
	char *name; /* session/service */
	unsigned live; /* instances */
	/* Starts of the last hour by minutes; minute: of the newest bucket. */
	int64_t minute;
	uint32_t starts[60];
	int64_t otp_step; /* of the last code taken */
	int64_t otp_failed_step; /* in which wrong ones were counted */
	unsigned otp_failed;
};

struct instance_volume {
	char name[65]; /* as the service calls it */
	struct volume_place place;
	uint64_t term;
	char *object; /* session/volume, for the log */
	bool had_writer; /* who had it before, when it was taken */
	uint8_t writer[ENGINE_INSTANCE_SIZE];
};

struct instance {
	struct list link; /* of services->instances */
	uint8_t id[ENGINE_INSTANCE_SIZE];
	char *session, *service;
	struct service_state *state; /* has its name, session/service */
	uint8_t measured[SHA256_SIZE]; /* of what the evidence measured */
	uint64_t started; /* s since 1970 */
	uint64_t lease; /* s */
	uint64_t on_expiry;
	int64_t lease_end; /* by services->clock */
	bool fenced; /* another instance took a volume */
	bool over; /* its exit was told; waits to be durable */
	struct engine_peer *peer; /* NULL: no connection */
	size_t volume_count;
	struct instance_volume *volumes;
};

struct services {
	struct engine *g;
	void *instance_tree, *state_tree;
	struct list instances;
	struct list peers;
	struct list pending; /* all; for the end of the engine */
	struct list spare; /* struct pending */
	/* Instances' rows were deleted by a transaction whose end was not
	 * known: services_settle(). */
	bool forgetting;
	int64_t clock, last; /* s of ticks; wall clock of the last one */
	uint8_t token_key[32];
	uint64_t tokens_given; /* since the last tick */
	uint64_t tokens_used; /* rows */
	int64_t tokens_swept; /* used ones that ended before are forgotten */
	int64_t sweep_at; /* when used ones are looked through */
	struct verdict *verdict;
	struct match_result *match;
	struct volume_place place; /* of the one being delivered: it is large */
};

struct engine_peer {
	struct list link; /* of services->peers */
	struct engine *g;
	uint8_t binding[MATCH_BINDING_SIZE];
	struct instance *instance; /* NULL: before HELLO, after EXIT */
	bool greeting; /* a HELLO waits to be durable */
	bool greeted; /* one was accepted: there is no second */
	unsigned waiting;
};

/* A request being answered. */
struct request {
	struct engine *g;
	struct engine_peer *peer;
	const struct wire_request *r;
	engine_wire_fn *reply;
	void *arg;
};

/* An answer that waits until the store has it. */
struct pending {
	struct list link; /* of services->pending */
	struct services *v; /* NULL: the engine is gone */
	struct engine_peer *peer; /* NULL: gone */
	engine_wire_fn *reply;
	void *arg;
	struct wire_reply r; /* what it points to is in `data`, or in id */
	uint8_t id[ENGINE_INSTANCE_SIZE];
	struct buf data; /* config or value */
	struct instance *ends; /* an EXIT: what is over then */
	bool greets;
};

/* ---- answers (engine_service.c) ---- */
/* At once. */
void service_reply(const struct request *q, const struct wire_reply *r);
void service_refuse(const struct request *q, int status, const char *text);
/* NULL: no memory; then the request was refused. */
struct pending *pending_new(const struct request *q);
/* Submits x and answers when it is durable, or refuses at once. False: nothing
 * happened. p and x are given up in any case. */
bool pending_submit(
	const struct request *q, struct pending *p, struct store_txn *x);
/* Answers when record seq is durable. */
void pending_after(const struct request *q, struct pending *p, uint64_t seq);
void pending_drop(struct pending *p); /* unanswered */

/* ---- instances (engine_service_instance.c) ---- */
must_check int instances_load(struct services *v, struct err *e);
void instances_free(struct services *v);
/* Not in the tables yet. NULL: no memory. */
struct instance *instance_new(
	struct services *v, const char *session, const char *service);
void instance_free(struct instance *i); /* not in the tables */
must_check int instance_add(struct services *v, struct instance *i);
void instance_remove(struct services *v, struct instance *i);
struct instance *instance_find(
	struct services *v, const uint8_t id[ENGINE_INSTANCE_SIZE]);
must_check int instance_put(const struct instance *i, struct store_txn *x);
/* Its row goes, and its hold on volumes. */
void instance_end(
	struct services *v, const struct instance *i, struct store_txn *x);
/* Its row is there: no transaction ended it. */
bool instance_is_stored(struct services *v, const struct instance *i);
/* Instances without a row, and without a connection, are forgotten: what
 * services_forget() wanted, once it is known whether that came to be. */
void services_settle(struct services *v);
/* It runs, as far as CAS can know. */
bool instance_is_live(const struct services *v, const struct instance *i);

struct service_state *service_state_get(struct services *v, const char *name);
void service_state_put(const struct service_state *s, struct store_txn *x);
/* Starts in the last hour; adds one if `add`. */
uint64_t service_starts(struct service_state *s, int64_t now, bool add);

/* ---- starts (engine_service_hello.c) ---- */
void service_hello(const struct request *q);
/* A session with its values, while a request is judged. */
struct giver {
	struct engine *g;
	struct held *held;
	const struct session *session;
	const struct secret_set *set;
	struct secret_set *own; /* NULL: set is the engine's */
	uint64_t given; /* values */
};
/* x: for what is renewed; NULL: nothing is renewed. giver_close() in any
 * case. */
must_check int giver_open(struct engine *g, const char *session,
	struct store_txn *x, struct giver *out, struct err *e);
void giver_close(struct giver *s);
/* Makes set its own, to be changed. */
must_check int giver_own(struct giver *s, struct err *e);
/* A subst_fn; arg: struct giver. Imports must still be exported. */
int giver_lookup(void *arg, const char *name, const char *format,
	struct buf *out, struct err *e);
/* The text with its variables replaced, appended. */
must_check int giver_expand(
	struct giver *s, const char *text, struct buf *out, struct err *e);
/* 0 if the session has no service_access_token, or this is it. -EKEYREJECTED */
must_check int service_access_token(
	struct giver *s, const char *token, struct err *e);
/* Splits "session/service" at its last '/'. */
must_check int service_split(const char *name, char *session, size_t size,
	const char **service, struct err *e);
/* CONFIGID's hash. */
must_check int service_config_hash(const struct engine *g, const char *name,
	const char *token, uint8_t hash[static MATCH_HASH_SIZE], struct err *e);
/* SHA-256 of all that the evidence measures: the same for an instance that
 * comes back. */
void service_measured(const struct verdict *v, uint8_t out[static SHA256_SIZE]);

/* ---- volumes (engine_service_volume.c) ---- */
/* The volumes of i's image, taken over in x; deliver_volume_fn's answers come
 * from them. -EBUSY: somebody writes one. */
must_check int service_volumes_take(struct giver *s, struct instance *i,
	const struct session_service *service, struct store_txn *x,
	struct err *e);
/* Another session's, which lets it be read only. */
bool service_volume_is_lent(const struct volume_place *at);
/* i has its volumes for good: who had them has them no more. */
void service_volumes_fence(struct services *v, const struct instance *i);
/* "session/volume", to be freed; NULL: no memory. */
char *service_volume_object(const struct volume_place *at);
void service_tag(const struct request *q);

/* ---- tokens and codes (engine_service_token.c) ---- */
must_check int tokens_load(struct services *v, struct err *e);
void service_token(const struct request *q);
/* 0: one that was given for this service and not used; it is in x now.
 * -EKEYREJECTED: e says what is wrong. */
must_check int token_use(struct services *v, const char *name,
	const char *token, struct store_txn *x, struct err *e);
/* Without using it. */
must_check int token_check(
	struct services *v, const char *name, const char *token, struct err *e);
void tokens_tick(struct services *v, int64_t now);
/* TOTP (RFC 6238): 6 digits, 30 s, SHA-1. secret: base32, at least 128 bits.
 * *step: of the code. -EKEYREJECTED, -EINVAL (the secret). */
must_check int otp_check(const char *secret, const char *code, int64_t now,
	int64_t after, int64_t *step, struct err *e);

/* ---- values (engine_service_secret.c) ---- */
void service_secret_get(const struct request *q);
void service_secret_put(const struct request *q);
