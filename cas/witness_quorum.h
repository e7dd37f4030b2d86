/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client of several witnesses decides: which request goes to whom, and
 * when a quorum has answered. No sockets and no time: connections and
 * simulations drive it.
 *
 * Taking charge:
 *  1. Ask for the highest promise. f+1 answers are enough.
 *  2. Ask all to promise a higher term. Who refuses tells of a higher promise
 *     yet, and it starts again from there. f+1 promises are enough, but all
 *     that answer soon are waited for: each one more is one more witness that
 *     may have been restored from an old copy (doc/witness.md).
 *  3. Of what those have, the last (by term, then number) is the state: every
 *     acknowledged append is in it or before it, since any two quorums share a
 *     witness. It is appended again in this term, so that whatever else a
 *     witness has from older terms can never come back.
 *
 * An append is sent to all. A witness that comes back is asked for its promise
 * first, and gets the newest append; what it missed is left out.
 */
#pragma once

#include "cas/witness_msg.h"

enum witness_quorum_phase {
	WITNESS_IDLE,
	WITNESS_READING,
	WITNESS_OPENING,
	WITNESS_CONFIRMING,
	WITNESS_APPENDING,
};

struct witness_quorum {
	unsigned count;
	enum witness_quorum_phase phase;
	int result; /* 1: goes on; 0, -errno */
	unsigned rounds; /* of taking charge */
	uint64_t epoch; /* counts the phases */
	uint64_t next_id;
	uint64_t term; /* that we have, or ask for */
	uint64_t highest; /* promise that was seen */
	bool exists;
	/* What all shall have. */
	uint64_t from_seq, to_seq;
	uint8_t from[WITNESS_HASH_SIZE], to[WITNESS_HASH_SIZE];
	struct witness_quorum_peer {
		uint64_t busy; /* id of the request that is out; 0: none */
		enum witness_op asked;
		uint64_t epoch; /* when it was asked */
		bool answered; /* in this phase */
		bool refused; /* in this phase; answered, too */
		bool full;
		bool granted; /* our term, on this connection */
		struct witness_view view;
	} peer[WITNESS_MAX];
};

/* count: odd, up to WITNESS_MAX. */
void witness_quorum_init(struct witness_quorum *q, unsigned count);

/* Begins to take charge, or an append in the term that we have. Whatever was
 * begun before is over. */
void witness_quorum_open(struct witness_quorum *q);
void witness_quorum_append(struct witness_quorum *q, uint64_t from_seq,
	const uint8_t *from, uint64_t to_seq, const uint8_t *to);

/* Is there anything to ask witness i now? It is then out. */
must_check bool witness_quorum_next(
	struct witness_quorum *q, unsigned i, struct witness_request *r);
void witness_quorum_answer(struct witness_quorum *q, unsigned i,
	const struct witness_reply *reply);
/* Its connection is gone, and what was out with it. */
void witness_quorum_lost(struct witness_quorum *q, unsigned i);
/* A quorum has promised, who is late is waited for: */
bool witness_quorum_lingers(const struct witness_quorum *q);
/* ... and now no longer. */
void witness_quorum_hurry(struct witness_quorum *q);

/*
 * 1: not decided. 0: done. -ESTALE: somebody else is in charge. -EDQUOT: too
 * many witnesses have no room for this cluster. -EAGAIN: others want to take
 * charge at the same time; begin again a random time later.
 */
int witness_quorum_result(const struct witness_quorum *q);
/* How many answered, since the last begin. */
unsigned witness_quorum_answering(const struct witness_quorum *q);
