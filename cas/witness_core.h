/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a witness decides: promises of terms and appends, for many clusters. No
 * sockets, no files, no time: servers and simulations drive it.
 *
 *	open(t)		promised if t is higher than any promise so far
 *	append(t, ...)	refused unless t is what is promised. The first one of
 *			a term replaces whatever is there (its holder has asked
 *			a quorum); later ones only go forward, and from the very
 *			head that is there if they go from its number. What was
 *			missed may be left out: nobody else can append then.
 *
 * As acceptors of Paxos with the term as ballot; test/spin/witness.pml.
 */
#pragma once

#include "cas/witness_msg.h"

struct witness_core;

enum { WITNESS_CLUSTERS_MAX = 65536, WITNESS_NO_SLOT = UINT32_MAX };

/* clusters: as many at most, up to WITNESS_CLUSTERS_MAX. -ENOMEM. */
must_check int witness_core_new(uint32_t clusters, struct witness_core **out);
void witness_core_free(struct witness_core *w);

/* One that is remembered, in the order of slots. -EEXIST, -ENOSPC. */
must_check int witness_core_load(struct witness_core *w,
	const uint8_t cluster[static WITNESS_HASH_SIZE],
	const struct witness_view *view);
uint32_t witness_core_count(const struct witness_core *w);

/*
 * Answers. *slot: of this cluster, WITNESS_NO_SLOT as long as it has none.
 * True: the slot changed, and must be durable before the reply is sent.
 */
must_check bool witness_core_answer(struct witness_core *w,
	const uint8_t cluster[static WITNESS_HASH_SIZE],
	const struct witness_request *r, struct witness_reply *reply,
	uint32_t *slot);
