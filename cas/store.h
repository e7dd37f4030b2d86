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
/* Sizes of a value, and of each text of an audit event. */
enum { STORE_VALUE_MAX = 64 << 20, STORE_TEXT_MAX = 64 * 1024 };

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
 * *seq (may be NULL): of the record that made it; durable if <=
 * store_durable(). */
bool store_get(struct store *s, enum store_table t, const char *key,
	size_t key_size, const void **value, size_t *size, uint64_t *seq);
/* In order of keys, those that begin with prefix; stops when each() gives
 * nonzero, and returns that. each() may change the store; what it adds may or
 * may not be seen. It may not call store_complete(). */
typedef int store_each_fn(void *arg, const char *key, size_t key_size,
	const void *value, size_t size);
int store_each(struct store *s, enum store_table t, const char *prefix,
	size_t prefix_size, store_each_fn *each, void *arg);

/* ---- transactions ---- */
/* NULL: no memory. Calls on NULL do nothing, store_submit() gives -ENOMEM.
 * What is given is copied. */
struct store_txn *store_begin(struct store *s);
/* key_size: 1 to STORE_NAME_MAX, size: to STORE_VALUE_MAX, texts of events: to
 * STORE_TEXT_MAX; else store_submit() gives -EINVAL. */
void store_put(struct store_txn *x, enum store_table t, const char *key,
	size_t key_size, const void *value, size_t size);
void store_delete(struct store_txn *x, enum store_table t, const char *key,
	size_t key_size);
void store_audit(struct store_txn *x, const struct audit_event *event);
void store_abort(struct store_txn *x);
/*
 * Takes effect in memory, and x is freed. 0: done() will be called. Otherwise
 * nothing happened: -ENOMEM (also if too much waits to be committed), -EINVAL,
 * -ESHUTDOWN (closing, or somebody else is in charge). done may be NULL. A
 * transaction of nothing is a barrier: done() when all before it is durable.
 */
must_check int store_submit(
	struct store_txn *x, store_done_fn *done, void *arg);
/* done() as soon as record seq is durable; at once if it is. For answers that
 * show what may not be durable yet. */
must_check int store_after(
	struct store *s, uint64_t seq, store_done_fn *done, void *arg);

/* ---- its state ---- */
/* Last record that is durable and witnessed. */
uint64_t store_durable(struct store *s);

struct store_status {
	uint64_t seq; /* last record */
	uint64_t durable; /* last record that is durable and witnessed */
	uint8_t head[STORE_HASH_SIZE]; /* of the durable one */
	enum freshness_kind freshness;
	unsigned witnesses, witnesses_answering;
	/* Of the commit that is being retried; 0: healthy; -ESTALE: final,
	 * another CAS is in charge. */
	int error;
	char error_text[512]; /* as in struct err */
	uint64_t rows, bytes; /* of the map */
	uint64_t commits; /* groups */
};

void store_status(struct store *s, struct store_status *out);

/* ---- the log ---- */
struct store_event {
	const char *what, *object; /* object NULL: none */
	const uint8_t *actor, *before, *after; /* 32 bytes, or NULL */
	const uint8_t *detail; /* sealed, see cas/audit.h; NULL: none */
	size_t detail_size;
	bool denied;
};

struct store_record {
	uint64_t seq; /* 1 on */
	uint64_t term; /* of who held freshness; 0: nobody did */
	uint64_t time; /* s since 1970, as CAS's clock had it */
	uint64_t rows; /* of the map, after this record */
	uint8_t prev[STORE_HASH_SIZE]; /* hash of the one before; 1: zeros */
	uint8_t map[STORE_HASH_SIZE]; /* keyed digest of the map */
	uint8_t hash[STORE_HASH_SIZE]; /* SHA-256 of its canonical CBOR */
	const struct store_event *events;
	size_t event_count;
};

/*
 * Durable records from..until (0: the last), in order, each verified to be
 * CAS's own and to follow the one before. Stops when each() gives nonzero, and
 * returns that. What r points to lives until each() returns. -EINVAL: no such
 * range; -EBADMSG: altered or missing. Engine's thread; waits for at most one
 * commit.
 */
typedef int store_log_fn(void *arg, const struct store_record *r);
must_check int store_log(struct store *s, uint64_t from, uint64_t until,
	store_log_fn *each, void *arg, struct err *e);
/*
 * A copy of the store, as sealed as the store is, to a file that takes the
 * place of what is there. It has what was durable when this was called, and
 * perhaps later groups. Engine's thread; commits wait meanwhile.
 */
must_check int store_copy(struct store *s, const char *path, struct err *e);
/* The private X25519 key for details of events without audit_key. A secret. */
void store_audit_key(const struct store *s, uint8_t key[static 32]);

/* ---- what is below ---- */
enum { STORE_ROW_NAME_SIZE = 32 };

struct store_write {
	uint8_t name[STORE_ROW_NAME_SIZE];
	const void *data;
	size_t size; /* 0: the row is deleted */
};

/* Changes of one commit: a record of the log, and rows. */
struct store_group {
	uint64_t seq;
	const void *record;
	size_t record_size;
	const struct store_write *writes;
	size_t count;
};

typedef int store_row_fn(void *arg, const uint8_t *name, size_t name_size,
	const void *data, size_t size);
typedef int store_blob_fn(
	void *arg, uint64_t seq, const void *data, size_t size);

/*
 * Where sealed rows and records are kept; nothing it says is believed. open()
 * and close() are called once. write() comes from the committer's thread,
 * records() from the engine's, perhaps at the same time.
 */
struct store_backend {
	/* create: -EEXIST if there is one, that has anything in it; else
	 * -ENOENT if there is none. */
	int (*open)(void *arg, const char *path, bool create, void **out,
		struct err *e);
	void (*close)(void *b);
	/* All rows, in any order. Ends with what each() gives, if not 0. */
	int (*rows)(void *b, store_row_fn *each, void *arg, struct err *e);
	/* Records from..until in order; those that are missing are left out. */
	int (*records)(void *b, uint64_t from, uint64_t until,
		store_blob_fn *each, void *arg, struct err *e);
	/* The highest number of a record, 0 if there is none. */
	int (*last)(void *b, uint64_t *seq, struct err *e);
	/* All of it or nothing, durable when it returns. The same group again
	 * after a failure must be harmless. */
	int (*write)(void *b, const struct store_group *g, struct err *e);
	/* All of it, as after the last write(), to a new file. May be NULL. */
	int (*copy)(void *b, const char *path, struct err *e);
};

extern const struct store_backend store_sqlite;

/* ---- opening ---- */
struct store_options {
	const char *path; /* of the SQLite database */
	uint8_t key[STORE_KEY_SIZE]; /* cluster key: seals rows and records */
	/* Who holds the head; NULL: nobody. Borrowed; the store calls stop()
	 * when it closes or could not be opened. */
	struct freshness *freshness;
	/* For witnesses that know nothing of a store that was witnessed: its
	 * owner vouches that this is its newest record. 0: he does not. */
	uint64_t accept_seq;
	/* Other kinds of back end and of threads, for simulation. */
	const struct store_backend *backend; /* NULL: store_sqlite */
	void *backend_arg;
	int64_t (*now)(void *arg); /* s since 1970; NULL: the clock */
	void *now_arg;
	/* Called from the committer's thread when completions wait: the engine
	 * then calls store_complete(). May be NULL. */
	void (*wakeup)(void *arg);
	void *wakeup_arg;
	bool no_thread; /* simulation: store_step() commits one group */
};

/*
 * Opens or makes (if `create`, -EEXIST if there is one). -ENOENT: none, or one
 * that CAS was killed while making, before it had anything in it; -EBADMSG:
 * altered; -ESTALE: rolled back, or forked: e names the record found and the
 * one that the witnesses have; -EKEYREJECTED: another key; -EBUSY: another
 * process has it; what freshness->open() gives; -EIO, ...
 *
 * Freshness may come later, for those who learn from the store who holds it. A
 * store whose last record was witnessed commits nothing before it is there.
 */
must_check int store_open(const struct store_options *o, bool create,
	struct store **out, struct err *e);
/*
 * For a store without: asks f whether this is the newest state, then goes on
 * under it. Waits for what was submitted. Errors as store_open(); the store is
 * as it was then. accept_seq as in the options.
 */
must_check int store_set_freshness(struct store *s, struct freshness *f,
	uint64_t accept_seq, struct err *e);
/* Waits for what was submitted, once, calls the last done(), stops freshness.
 * What cannot be committed now ends with -ESHUTDOWN. NULL is fine. */
void store_close(struct store *s);
/* Calls the done() of everything that became durable. Engine's thread. */
void store_complete(struct store *s);
/* no_thread: commits one group; 0, -errno (it will be tried again; -ESTALE:
 * never), 1: there was nothing. */
int store_step(struct store *s);
