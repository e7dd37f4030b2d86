/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery shares: the cluster key in n pieces, k of which give it back and
 * k - 1 of which say nothing about it (Shamir's scheme over GF(2^8), each byte
 * by itself; polynomial x^8 + x^4 + x^3 + x + 1). No table is indexed and no
 * branch taken by a secret.
 *
 * Each piece is encrypted to one member of the board (X25519). All pieces of
 * one split hold the same list of checksums, so that who brings a wrong one is
 * named. doc/cas-keys.md has the format.
 */
#pragma once

#include "lib/buf.h"
#include "lib/err.h"

enum {
	SHARES_MAX = 32,
	SHARE_SECRET_SIZE = 32,
	SHARE_KEY_SIZE = 32, /* X25519, public or private */
	SHARE_SET_SIZE = 16,
	SHARE_CHECK_SIZE = 16,
};

struct share {
	uint8_t set[SHARE_SET_SIZE]; /* of this split: random */
	uint8_t cluster[32]; /* public name: keys_cluster_id() */
	uint8_t need, count, index; /* index: 1..count */
	uint8_t value[SHARE_SECRET_SIZE];
	uint8_t secret_check[SHARE_CHECK_SIZE]; /* of what comes out */
	uint8_t check[SHARES_MAX][SHARE_CHECK_SIZE]; /* of each share */
};

/* out[count]. 1 <= need <= count <= SHARES_MAX, else -EINVAL; -EIO: no
 * randomness. */
must_check int shares_split(const uint8_t secret[static SHARE_SECRET_SIZE],
	const uint8_t cluster[static 32], unsigned need, unsigned count,
	struct share *out, struct err *e);
/*
 * Any `need` of them, in any order; more are compared too. -EAGAIN: too few, e
 * says how many more; -EINVAL: two of one index, or of different splits;
 * -EBADMSG: a share is wrong, e names it.
 */
must_check int shares_join(const struct share *list, unsigned count,
	uint8_t secret[static SHARE_SECRET_SIZE], struct err *e);

/* Canonical CBOR. */
must_check int share_encode(const struct share *s, struct buf *out);
must_check int share_decode(
	const void *data, size_t size, struct share *out, struct err *e);
/* Encrypted to a member, appended. */
must_check int share_seal(const struct share *s,
	const uint8_t member[static SHARE_KEY_SIZE], struct buf *out,
	struct err *e);
/* By the member's private key. -EKEYREJECTED: encrypted to another member's
 * key; -EBADMSG: altered. */
must_check int share_open(const void *data, size_t size,
	const uint8_t private_key[static SHARE_KEY_SIZE], struct share *out,
	struct err *e);
