/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CAS knows, kept: a map from (table, key) to values, all of it in memory,
 * and a log in which each change and each decision is a record of a hash chain.
 *
 * The store below (SQLite on a volume, or anything else) is not trusted: rows
 * and records are sealed, each record has the digest of the whole map after it,
 * and the head of the chain is held by witnesses or a TPM. So what is altered,
 * replayed, deleted or rolled back is noticed when CAS starts.
 *
 * One thread, the engine's, calls these functions. A transaction takes effect
 * in memory at once; its `done` comes, in the engine's thread, when it is
 * durable and witnessed. Nothing that depends on it may be told to anybody
 * before. Transactions are committed in groups.
 */
#pragma once

#include "cas/freshness.h"
#include "lib/buf.h"
#include "lib/err.h"

enum store_table {
	STORE_META, /* CAS itself: identity, owner, witnesses */
	STORE_SESSION, /* name => encoded session */
	STORE_SECRETS, /* session name => encoded secret set */
	STORE_HISTORY, /* session hash => encoded session */
	STORE_VOLUME, /* "session\0volume" => key, tag, term */
	STORE_INSTANCE, /* instance id => who runs */
	STORE_PROPOSAL, /* id => proposal */
	STORE_TOKEN, /* one-time token => session */
	STORE_TABLES,
};

enum { STORE_HASH_SIZE = 32, STORE_KEY_SIZE = 32, STORE_NAME_MAX = 2200 };

struct store;
struct store_txn;

/* A record of the chain, as told to auditors: who, what, with which result.
 * Texts and hashes only; no secret may ever be in it. */
struct audit_event {
	const char *what; /* "session.create", "service.attest", ... */
	const char *object; /* name of a session, service, volume; or NULL */
	const uint8_t *actor; /* 32 bytes, hash of a key or of evidence, or
				 NULL */
	const uint8_t *before, *after; /* 32 bytes, hash or tag, or NULL */
	bool denied;
	const char *detail; /* encrypted to the session's audit key; or NULL */
	const uint8_t *audit_key; /* X25519, 32 bytes; NULL: CAS's own */
};

/* status: 0, or -errno if it will never be durable (the store is closing). */
typedef void store_done_fn(void *arg, int status);

/* ---- the map ---- */
/* False: there is none. The value is valid until the key is next changed.
 * *seq: of the record that made it; durable if <= store_durable(). */
bool store_get(struct store *s, enum store_table t, const char *key,
	size_t key_size, const void **value, size_t *size, uint64_t *seq);
/* In order of keys, those that begin with prefix; stops when each() gives
 * nonzero, and returns that. */
typedef int store_each_fn(void *arg, const char *key, size_t key_size,
	const void *value, size_t size);
int store_each(struct store *s, enum store_table t, const char *prefix,
	size_t prefix_size, store_each_fn *each, void *arg);

/* ---- transactions ---- */
/* NULL: no memory. Calls on NULL do nothing, store_submit() gives -ENOMEM. */
struct store_txn *store_begin(struct store *s);
void store_put(struct store_txn *x, enum store_table t, const char *key,
	size_t key_size, const void *value, size_t size);
void store_delete(struct store_txn *x, enum store_table t, const char *key,
	size_t key_size);
void store_audit(struct store_txn *x, const struct audit_event *event);
void store_abort(struct store_txn *x);
/*
 * Takes effect in memory, and is freed. 0: done() will be called; -ENOMEM:
 * nothing happened; -ESHUTDOWN. done may be NULL.
 */
must_check int store_submit(
	struct store_txn *x, store_done_fn *done, void *arg);
/* done() as soon as record seq is durable; at once if it is. For answers that
 * show what may not be durable yet. */
must_check int store_after(
	struct store *s, uint64_t seq, store_done_fn *done, void *arg);

/* ---- its state ---- */
struct store_status {
	uint64_t seq; /* last record */
	uint64_t durable; /* last record that is durable and witnessed */
	uint8_t head[STORE_HASH_SIZE]; /* of the durable one */
	enum freshness_kind freshness;
	unsigned witnesses, witnesses_answering;
	int error; /* of the commit that is being retried; 0: healthy */
	char error_text[256];
	uint64_t rows, bytes; /* of the map */
	uint64_t commits; /* groups */
};

void store_status(struct store *s, struct store_status *out);

/* ---- opening ---- */
struct store_options {
	const char *path; /* of the SQLite database */
	uint8_t key[STORE_KEY_SIZE]; /* cluster key: seals rows and records */
	/* Who holds the head; NULL: nobody. Borrowed; the store calls stop()
	 * when it closes or could not be opened. */
	struct freshness *freshness;
	/* Other kinds of back end and of threads, for simulation. */
	const struct store_backend *backend; /* NULL: SQLite */
	void *backend_arg;
	int64_t (*now)(void *arg); /* s since 1970; NULL: the clock */
	void *now_arg;
	/* Called from the committer's thread when completions wait: the engine
	 * then calls store_complete(). */
	void (*wakeup)(void *arg);
	void *wakeup_arg;
	bool no_thread; /* simulation: store_step() commits one group */
};

/*
 * Opens or makes (if `create`, -EEXIST if there is one). -EBADMSG: altered;
 * -ESTALE: rolled back, or forked: e names the record found and the one that
 * the witnesses have; -EKEYREJECTED: another key; -EIO, ...
 */
must_check int store_open(const struct store_options *o, bool create,
	struct store **out, struct err *e);
/* Waits for what was submitted. NULL is fine. */
void store_close(struct store *s);
/* Calls the done() of everything that became durable. Engine's thread. */
void store_complete(struct store *s);
/* no_thread: commits one group; 0, -errno (it will be tried again), 1: there
 * was nothing. */
int store_step(struct store *s);
