/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store's files share.
 *
 * The map (rows in trees) belongs to the engine's thread alone. A submitted
 * transaction joins the last group of the queue, if the committer has not
 * taken it; the committer seals a group, writes it, has it witnessed, and moves
 * it to the list of those that are done, where the engine's thread finds and
 * frees it. So values and rows are counted and freed by one thread only, and
 * the lock is held for moments.
 */
#pragma once

#include <pthread.h>

#include "cas/store.h"
#include "crypto/aead.h"
#include "crypto/hkdf.h"

enum {
	STORE_EPOCH_SIZE = 16,
	STORE_KEY_ID_SIZE = 8,
	STORE_GROUP_MAX = 4096, /* transactions */
	STORE_WAITING_MAX = 256 << 20, /* bytes that wait for their commit */
	STORE_WITNESS_MS = 5000,
};

static inline void store_put_be64(uint8_t p[static 8], uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (56 - 8 * i));
}

static inline uint64_t store_get_be64(const uint8_t p[static 8])
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

/* ---- store_sum.c: the digest of the map ---- */
/* A multiset of rows: the sum of their elements mod 2^256. */
struct store_sum {
	uint64_t limb[4]; /* lowest first */
};

void store_sum_add(struct store_sum *s, const struct store_sum *element);
void store_sum_subtract(struct store_sum *s, const struct store_sum *element);

/* ---- store_seal.c ---- */
/* Keys of one cluster, derived from its key. */
struct store_keys {
	struct hmac_sha256 name, element, map; /* keyed, nothing hashed yet */
	uint8_t seal[32]; /* of each epoch's key */
	uint8_t audit[32]; /* private, X25519 */
	uint8_t id[STORE_KEY_ID_SIZE]; /* tells another key from damage */
	/* Keys of epochs that were used of late. */
	struct store_epoch {
		bool used;
		uint8_t id[STORE_EPOCH_SIZE];
		struct aead_key key;
	} cache[16];
};

enum store_kind { STORE_ROW = 1, STORE_RECORD = 2 };

/*
 * A sealed blob: the key's id, the epoch and the counter, which together are
 * used once, then ciphertext, then the tag. An epoch is one run of CAS: 16
 * random bytes, so that a record that was sealed and lost is never followed by
 * another under its nonce.
 */
struct store_blob_head {
	uint8_t key_id[STORE_KEY_ID_SIZE];
	uint8_t epoch[STORE_EPOCH_SIZE];
	uint8_t counter[8]; /* big-endian */
};
static_assert_size(struct store_blob_head, 32);

enum { STORE_BLOB_OVERHEAD = sizeof(struct store_blob_head) + AEAD_TAG_SIZE };

/* What is not secret of a sealed blob, but authentic. */
struct store_place {
	enum store_kind kind;
	const uint8_t *name; /* STORE_ROW */
	uint64_t seq; /* of the record that made it */
};

void store_keys_init(
	struct store_keys *k, const uint8_t key[static STORE_KEY_SIZE]);
void store_keys_fini(struct store_keys *k);
void store_row_name(const struct store_keys *k, unsigned table, const char *key,
	size_t key_size, uint8_t name[static STORE_ROW_NAME_SIZE]);
/* What a row adds to the sum. Nonces are used once, so they stand for its
 * content. */
void store_element(const struct store_keys *k,
	const uint8_t name[static STORE_ROW_NAME_SIZE], uint64_t seq,
	const uint8_t epoch[static STORE_EPOCH_SIZE], uint64_t counter,
	struct store_sum *out);
/* What a record says of the map: hides the sum, see doc/cas-store.md. */
void store_map_digest(const struct store_keys *k, const struct store_sum *sum,
	uint64_t rows, uint64_t seq, uint8_t out[static STORE_HASH_SIZE]);

/* Padded size of a plaintext: about an eighth more at most. */
size_t store_padded(size_t size);
/* Appends the blob of plain[size], which has its padding. */
void store_seal(struct store_keys *k, const struct store_place *at,
	const uint8_t epoch[static STORE_EPOCH_SIZE], uint64_t counter,
	const void *plain, size_t size, struct buf *out);
/* The plaintext of a blob to out (size - STORE_BLOB_OVERHEAD bytes). 0;
 * -EKEYREJECTED: another cluster's key; -EBADMSG. */
must_check int store_unseal(struct store_keys *k, const struct store_place *at,
	const void *blob, size_t size, void *out);

/* ---- store_tree.c: rows in order of their keys ---- */
struct store_value {
	size_t refs, size;
	uint8_t data[];
};

struct store_op;

struct store_row {
	struct store_row *left, *right;
	struct store_value *value; /* NULL: deleted, and not yet durable */
	struct store_op *op; /* the last change, while it is not durable */
	uint64_t seq; /* of the record that made the value */
	struct store_sum element;
	uint8_t name[STORE_ROW_NAME_SIZE]; /* also its priority in the treap */
	uint8_t table;
	uint16_t key_size;
	char key[];
};

must_check struct store_value *store_value_new(const void *data, size_t size);
void store_value_put(struct store_value *v); /* one reference less */
must_check struct store_row *store_row_new(
	enum store_table t, const char *key, size_t key_size);
void store_row_free(struct store_row *r);

struct store_row *store_tree_find(
	struct store_row *root, const char *key, size_t key_size);
/* The first row behind key (or at it, if `equal`), NULL: none. */
struct store_row *store_tree_next(
	struct store_row *root, const char *key, size_t key_size, bool equal);
/* There must be no such row. */
void store_tree_insert(struct store_row **root, struct store_row *r);
/* Takes it out; it must be there. */
void store_tree_remove(struct store_row **root, struct store_row *r);
void store_tree_free(struct store_row **root);

/* ---- store_record.c ---- */
/* An event that waits to be part of a record. */
struct store_event_copy {
	struct store_event_copy *next;
	struct store_event event; /* texts and hashes lie behind this */
	const char *secret; /* detail before it is sealed, or NULL */
	bool has_key;
	uint8_t key[32]; /* whom the detail is for */
};

/* NULL: no memory; an event too large: *invalid. */
must_check struct store_event_copy *store_event_new(
	const struct audit_event *event, bool *invalid);
void store_event_free(struct store_event_copy *e);
/* Canonical CBOR of r, appended; sets r->hash. */
must_check int store_record_encode(struct store_record *r, struct buf *out);
/* Allocates r->events, which points into data. 0, -EBADMSG, -ENOMEM. */
must_check int store_record_decode(
	const void *data, size_t size, struct store_record *r);
void store_record_fini(struct store_record *r);

/* ---- store_txn.c ---- */
struct store_op {
	struct store_op *next;
	struct store_row *row;
	struct store_value *value; /* NULL: deleted */
	uint64_t counter;
};

struct store_wait {
	struct store_wait *next;
	store_done_fn *done;
	void *arg;
};

struct store_commit {
	struct store_commit *next;
	uint64_t seq;
	uint64_t time;
	struct store_op *ops;
	struct store_event_copy *events, **events_end;
	struct store_wait *waits, **waits_end;
	size_t op_count, event_count, txn_count, bytes;
	/* Of the map after it. */
	struct store_sum sum;
	uint64_t rows;
	int status;
};

struct store_commit *store_commit_new(void);
void store_commit_free(struct store_commit *c);

/* ---- store_commit.c ---- */
/* A group that was taken: sealed once, then tried until it succeeds. */
struct store_flight {
	struct store_commit *commit; /* NULL: none */
	struct store_group group;
	struct store_write *writes;
	struct buf sealed; /* what group and writes point into */
	uint8_t head[STORE_HASH_SIZE];
	bool written;
};

struct store {
	/* Fixed while it is open. */
	const struct store_backend *backend;
	void *below;
	uint8_t epoch[STORE_EPOCH_SIZE];
	int64_t (*now)(void *arg);
	void *now_arg;
	void (*wakeup)(void *arg);
	void *wakeup_arg;
	bool threaded;
	pthread_t thread;

	/* The engine's thread. */
	struct store_keys keys;
	struct store_row *root[STORE_TABLES];
	struct store_sum sum;
	uint64_t rows, bytes;
	uint64_t counter; /* of row nonces */
	bool completing;

	/* The committer's. */
	struct store_keys seal_keys;
	uint8_t audit_public[32];
	struct store_flight flight;
	uint64_t record_counter; /* of record nonces */
	uint64_t head_seq; /* what the next record follows */
	uint8_t head[STORE_HASH_SIZE];

	pthread_mutex_t lock;
	/* Under the lock. */
	pthread_cond_t work, idle, retry;
	struct store_commit *queue, **queue_end; /* not taken */
	struct store_commit *done, **done_end;
	uint64_t seq; /* of the newest group; the engine's thread sets it */
	uint64_t durable;
	uint8_t durable_head[STORE_HASH_SIZE];
	struct freshness *freshness; /* read by the committer while busy */
	uint64_t term;
	bool needs_freshness; /* the last record was witnessed */
	bool busy; /* a group is in flight */
	bool closing, paused;
	uint64_t commits;
	size_t waiting; /* bytes */
	int error;
	char error_text[512];
};

/* Puts the next group in flight if there is none; false: nothing waits. */
bool store_take(struct store *s);
/* One attempt at what is in flight. 0, or -errno with store's error set. */
must_check int store_try(struct store *s);
void *store_committer(void *arg);
/* Everything that waits ends with this status. Committer's or, when there is
 * none any more, the engine's thread. */
void store_fail(struct store *s, int status);

/* ---- store_load.c ---- */
/* The newest record, the end of the chain, all rows. */
must_check int store_load(struct store *s, struct err *e);
/* store_log() of records that must hash to head at `until`; NULL: any. */
must_check int store_walk(struct store *s, uint64_t from, uint64_t until,
	const uint8_t *head, store_log_fn *each, void *arg, struct err *e);
/* Takes charge of f, decides whether the store is the newest state. */
must_check int store_take_charge(struct store *s, struct freshness *f,
	uint64_t accept_seq, struct err *e);
