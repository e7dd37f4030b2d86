/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Witnesses: small programs elsewhere that remember the head of CAS's chain, so
 * that an old copy of its store cannot be passed for the present one.
 *
 * A witness keeps, for each cluster (32 bytes), {term, seq, head} and only goes
 * forward: append(term, from seq+head, to seq+head) succeeds if it has `from`
 * (or `to` already) and the term is not older. Answers are signed with the
 * witness's key, over the request's nonce. f+1 of 2f+1 make a quorum.
 * Acknowledged is what a quorum has. A new term (a CAS that starts, or takes
 * over) is granted by a quorum, after which older terms are refused by it.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

enum { WITNESS_MAX = 9, WITNESS_HASH_SIZE = 32 };

struct witness_state {
	uint64_t term, seq;
	uint8_t head[WITNESS_HASH_SIZE];
};

struct witness_set; /* the client: several witnesses */

/* host:port and the SHA-256 of the witness's DER SubjectPublicKeyInfo. */
struct witness_address {
	char address[256];
	uint8_t key[WITNESS_HASH_SIZE];
};

must_check int witness_set_new(const struct witness_address *list,
	unsigned count, const uint8_t cluster[WITNESS_HASH_SIZE],
	struct witness_set **out, struct err *e);
void witness_set_free(struct witness_set *w);

/*
 * Asks all for a new term, and for the newest state that a quorum answers for.
 * *exists false: no witness of the quorum has this cluster. -ETIMEDOUT: no
 * quorum answered within timeout_ms, e names those that did not.
 */
must_check int witness_open(struct witness_set *w, unsigned timeout_ms,
	struct witness_state *state, bool *exists, struct err *e);
/*
 * The chain went on. 0: a quorum has it. -ESTALE: another term is in charge or
 * another head was appended: this CAS must stop. -ETIMEDOUT: try again, the
 * same call is harmless. Blocks, in the committer's thread.
 */
must_check int witness_append(struct witness_set *w, uint64_t from_seq,
	const uint8_t from[WITNESS_HASH_SIZE], uint64_t to_seq,
	const uint8_t to[WITNESS_HASH_SIZE], unsigned timeout_ms,
	struct err *e);
/* How many answered the last call, of how many. */
void witness_status(
	const struct witness_set *w, unsigned *answering, unsigned *count);
