/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may: the rules of access_policy, judged. Pure: no store, no clock.
 *
 * Keys come in two ways. A person is there with a TLS client key (CREATOR and
 * key rules want that), and a signature over the very change was verified
 * (signer rules want that). Neither stands for the other: a TLS key says who is
 * asking, a signature says what its owner agreed to.
 *
 * A rule that wants N of its parts wants N different keys: parts are given to
 * keys one to one, so that a key that stands in several of them counts once.
 * Keys of one organisation are one key.
 */
#pragma once

#include "cas/engine.h"
#include "cas/session.h"

enum {
	ACCESS_KEYS_MAX = 63,
	ACCESS_DEPTH_MAX = 16,
	ACCESS_CHILDREN_MAX = 64,
};

struct access_keys {
	const uint8_t (*key)[32]; /* SHA-256 of SubjectPublicKeyInfo */
	size_t count;
};

/* The rules that a rule with a variable stands for, the same at each call; they
 * live until the decision is made. Variables in them are refused. */
typedef int access_variable_fn(void *arg, const struct access_rule *rule,
	const struct item_list **rules, struct err *e);

struct access_request {
	const struct item_list *rules; /* of struct access_rule */
	struct bytes creator; /* none: nobody is */
	struct access_keys present; /* with their TLS keys */
	struct access_keys signed_by; /* verified */
	access_variable_fn *variable; /* NULL: variables are refused */
	void *arg;
};

/*
 * The rules of a right: several stand for any of them. What the policy does
 * not say: read and update CREATOR, create_sessions as update, list_sessions as
 * read, delete as update (before 1.0: nobody).
 */
const struct item_list *access_rules(
	const struct session *s, enum access_right right);

/* 0; -EACCES: not by these keys, e says how many are missing; -EPERM: by
 * nobody; -EINVAL: rules that make no sense (nobody may then); -ENOMEM; what
 * variable() gives. */
must_check int access_decide(const struct access_request *r, struct err *e);

/* How a rule names a key. */
enum access_way {
	ACCESS_BY_TLS = 1, /* CREATOR, key, ANY */
	ACCESS_BY_SIGNATURE = 2, /* signer */
	ACCESS_BY_ANY = 3,
};

/* True if one of the rules names the key in one of these ways. Rules behind
 * variables are not looked at. */
bool access_names(const struct item_list *rules, struct bytes creator,
	enum access_way way, const uint8_t key[static 32]);

/* Verifies a signature over message: Ed25519, or ECDSA on P-256 with SHA-256 or
 * P-384 with SHA-384. key: SHA-256 of its SPKI. -EBADMSG; -EINVAL: not such a
 * key; -ENOMEM. */
must_check int access_verify(const struct signature *s, const void *message,
	size_t size, uint8_t key[static 32], struct err *e);
