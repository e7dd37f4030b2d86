/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the readers of policies share (session_parse.c and its neighbours): maps
 * by tables of keys, values, places for messages, and references that are
 * looked at when everything is read.
 *
 * A reader builds a session in memory of its own (struct pool), in the order of
 * the text; session_settle() sorts and checks it. What it becomes at last is
 * made by session_encode() and session_decode(), so that nothing passes which
 * they would not take.
 */
#pragma once

#include "attest/yaml_events.h"
#include "cas/session_schema.h"

enum {
	KEYS_MAX = 40,
	RULE_DEPTH = 8,
	FRAGMENT_DEPTH = 16,
};

/* ---- memory (session_read.c) ---- */

struct chunk;

struct pool {
	struct chunk *chunks;
};

/* Zeroed; NULL: no memory. */
must_check void *pool_alloc(struct pool *p, size_t size);
must_check char *pool_text(struct pool *p, const char *text, size_t size);
/* Frees and wipes all of it. */
void pool_fini(struct pool *p);

/* A list whose length is not known before. */
struct grown {
	uint8_t *data;
	size_t count, room;
};

/* One more element, zeroed. */
must_check void *pool_grow(struct pool *p, struct grown *g, size_t size);

/* ---- the reader ---- */

/* Counted from 0. */
struct place {
	uint32_t line, column;
};

enum ref_kind {
	REF_VARIABLE, /* a secret in a text */
	REF_SECRET, /* a secret by name */
	REF_KEY, /* ... that is a private key */
	REF_ISSUER, /* ... that is an authority */
	REF_IMAGE,
	REF_VOLUME,
	REF_SERVICE,
};

struct ref {
	enum ref_kind kind;
	struct place at;
	const char *key; /* that names it */
	const char *name;
};

enum def_kind {
	DEF_SERVICE,
	DEF_SECRET,
	DEF_VOLUME,
	DEF_IMAGE,
	DEF_KINDS,
};

struct def {
	const char *name;
	struct place at;
};

struct reader {
	struct yaml_events y;
	struct pool pool;
	struct session *s;
	bool v1; /* version 1.0 */
	bool fragment; /* the value of a variable: refers to nothing */
	struct grown refs; /* of struct ref */
	struct grown defs[DEF_KINDS]; /* of struct def */
};

enum key_flags {
	KEY_NEEDED = 1,
	KEY_NEW = 2, /* of 1.0 */
	KEY_OLD = 4, /* not of 1.0 */
	KEY_ABSENT = 8, /* not there; hint says so */
};

struct key {
	const char *name;
	/* The current event is the value's first; at its end it is the last. */
	int (*read)(struct reader *r, const char *key, void *at);
	size_t offset; /* of `at` within the object */
	unsigned flags;
	const char *hint; /* behind "; " in messages about the flags */
};

/* What was in a map. */
struct seen {
	uint64_t mask; /* bit i: keys[i] */
	struct place start;
	struct place at[KEYS_MAX];
};

struct place reader_place(const struct reader *r);
int reader_fail_at(struct reader *r, struct place at, const char *format, ...)
	printf_like(3, 4);
int reader_no_memory(struct reader *r);
/* The current event begins a value, a list or a map. */
bool reader_is(const struct reader *r, yaml_event_type_t type);
/* Of a scalar: it is nothing (empty, ~, null). */
bool reader_is_null(const struct reader *r);

must_check int read_map(struct reader *r, const char *where,
	const struct key *keys, size_t count, void *object, struct seen *seen);
/* The same behind the start of the map. */
must_check int read_map_inside(struct reader *r, const char *where,
	const struct key *keys, size_t count, void *object, struct seen *seen);
/* Whether a key was there, and where (at may be NULL). */
bool seen_has(const struct seen *seen, const struct key *keys, size_t count,
	const char *name, struct place *at);

typedef int read_fn(struct reader *r, const char *key, void *at);

/* A list into an item_list, or any structure that begins as one. */
must_check int read_list(struct reader *r, const char *key, size_t max,
	size_t size, read_fn *read, void *list);
/* The same, or one element without the brackets. */
must_check int read_one_or_list(struct reader *r, const char *key, size_t max,
	size_t size, read_fn *read, void *list);

/* A map of texts; sorted, each key once. */
typedef int read_pair_fn(struct reader *r, struct text_pair *pair);
must_check int session_read_pairs(struct reader *r, const char *key,
	read_pair_fn *read, struct text_map *map);

/* ---- values; out of a scalar ---- */

must_check int read_text(struct reader *r, const char *key, size_t min,
	size_t max, const char **text);
/* A text whose variables become references. */
must_check int read_template(struct reader *r, const char *key, size_t min,
	size_t max, const char **text);
must_check int read_number(struct reader *r, const char *key, uint64_t min,
	uint64_t max, uint64_t *v);
must_check int read_choice(struct reader *r, const char *key,
	const char *const *names, size_t count, uint64_t *v);
/* Hexadecimal digits of so many bytes, made lower case. */
must_check int read_hex(
	struct reader *r, const char *key, size_t size, const char **text);
must_check int read_hex_or_variable(
	struct reader *r, const char *key, size_t size, const char **text);
must_check int read_bytes(
	struct reader *r, const char *key, size_t size, struct bytes *b);
/* "30d": s, m, h, d, w, y */
must_check int read_duration(
	struct reader *r, const char *key, uint64_t min, uint64_t *v);
/* Absolute, without "." and ".."; a final '/' is left out. */
must_check int read_path(struct reader *r, const char *key, const char **text);
/* A name of something in the policy: SESSION_ITEM_NAME_MAX. */
must_check int read_item_name(
	struct reader *r, const char *key, size_t max, const char **text);
/* Name of a session or name space: absolute in the end. */
must_check int read_session_name(
	struct reader *r, const char *key, const char **text);
/* The whole text is one variable; false: it is none. */
bool reader_is_variable(const struct reader *r);
must_check int read_variable(
	struct reader *r, const char *key, const char **text);

/* For tables. */
int read_bool(struct reader *r, const char *key, void *at);

/* The current scalar names something that must be there. */
must_check int reader_refer(struct reader *r, enum ref_kind kind,
	const char *key, const char *name);
must_check int reader_define(struct reader *r, enum def_kind kind,
	const char *name, struct place at);
must_check int reader_unknown(struct reader *r, struct place at,
	const char *what, const char *best, const char *all);

/* ---- parts, each in a file of its name; for tables ---- */

int session_read_services(struct reader *r, const char *key, void *at);
int session_read_secrets(struct reader *r, const char *key, void *at);
int session_read_volumes(struct reader *r, const char *key, void *at);
int session_read_images(struct reader *r, const char *key, void *at);
int session_read_access(struct reader *r, const char *key, void *at);
int session_read_veto(struct reader *r, const char *key, void *at);
/* security.attestation; at is the struct session_security */
int session_read_rules(struct reader *r, const char *key, void *at);
int session_read_security(struct reader *r, const char *key, void *at);
/* What access_policy does not say. */
must_check int session_access_defaults(struct reader *r);
/* of a service: at is its list */
int session_read_attestation(struct reader *r, const char *key, void *at);
int session_read_mrenclaves(struct reader *r, const char *key, void *at);
int session_read_otp(struct reader *r, const char *key, void *at);
int session_read_secret_import(struct reader *r, const char *key, void *at);
/* Bytes, with suffixes. */
int session_read_size(struct reader *r, const char *key, void *at);
int session_read_update_policy(struct reader *r, const char *key, void *at);
/* The key of a volume, or the tag that names its state. */
int session_read_fspf_key(struct reader *r, const char *key, void *at);
int session_read_fspf_tag(struct reader *r, const char *key, void *at);
int session_read_exports(struct reader *r, const char *key, void *at);
/* Any value, as YAML in one spelling; text is in the pool. */
must_check int session_read_node(struct reader *r, const char **text);

/* ---- session_keys.c: keys of people, as texts ---- */

/* A certificate or public key as PEM, base58 or 64 hexadecimal digits of the
 * SHA-256 of its SubjectPublicKeyInfo. -EINVAL. */
must_check int session_key_hash(const char *text, uint8_t hash[static 32]);
/* A public key as PEM, or base64 of its DER SubjectPublicKeyInfo: P-256, P-384,
 * Ed25519. -EINVAL. */
enum { SPKI_MAX = 128 };
must_check int session_key_spki(
	const char *text, uint8_t spki[static SPKI_MAX], size_t *size);
/* An X25519 public key as PEM. -EINVAL. */
must_check int session_key_x25519(const char *text, uint8_t key[static 32]);
/* Whether a PEM text is of that kind; of private keys its enum key_type. */
must_check int session_key_pem(
	const char *text, enum secret_kind kind, uint64_t *type);

/* ---- names of choices, also for session_yaml() and session_diff() ---- */

extern const char *const session_secret_kinds[SECRET_IMPORTED];
extern const char *const session_key_types[KEY_RSA_3072 + 1];
extern const char *const session_endpoints[ENDPOINT_CLIENT + 1];
extern const char *const session_update_policies[3];
extern const char *const session_modes[MODE_NONE + 1];
extern const char *const session_tolerances[8];
extern const char *const session_rollbacks[3];
extern const char *const session_expiries[EXPIRY_STOP + 1];
extern const char *const session_rights[ACCESS_RIGHTS];

/* ---- session_settle.c ---- */

/* Sorts what has no order, and looks at what the session as a whole says. */
must_check int session_settle(struct reader *r);
/* In order of bytes, each once. */
void session_sort_texts(struct text_list *list);
/* By the canonical encoding, each once. */
must_check int session_sort_items(
	struct reader *r, struct item_list *list, const struct schema *s);
