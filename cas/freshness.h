/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who remembers the head of CAS's chain, so that an old copy of its store
 * cannot be passed for the present one: a quorum of witnesses
 * (cas/witness.h), or a TPM (cas/tpm.h). The store asks through this.
 *
 * A holder of freshness is in charge for one term, from open() to stop().
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

enum { FRESHNESS_HASH_SIZE = 32 };

enum freshness_kind {
	FRESH_NONE, /* a rolled-back store is not noticed */
	FRESH_TPM, /* noticed when CAS starts after a clean stop */
	FRESH_QUORUM, /* noticed always */
};

/* The newest record that is known to be acknowledged. */
struct freshness_state {
	uint64_t term; /* of the present holder */
	uint64_t seq;
	uint8_t head[FRESHNESS_HASH_SIZE];
};

struct freshness;

struct freshness_ops {
	enum freshness_kind kind;
	/*
	 * Takes charge: whoever was before can append no more. state: what was
	 * acknowledged at last; the chain must contain it, what comes after it
	 * in the chain may be kept (and appended) or dropped. *exists false:
	 * nothing was ever remembered, so a store that has records is refused.
	 * -ETIMEDOUT: not reachable, try again. -ESTALE: a TPM that was not
	 * stopped cleanly wants an owner's permit.
	 */
	int (*open)(struct freshness *f, unsigned timeout_ms,
		struct freshness_state *state, bool *exists, struct err *e);
	/*
	 * The chain went on, from one record to another (any number later).
	 * 0: it can be acknowledged. -ESTALE: somebody else took charge, this
	 * CAS must stop. -ETIMEDOUT: try again, the same call is harmless.
	 * Blocks.
	 */
	int (*append)(struct freshness *f, uint64_t from_seq,
		const uint8_t *from, uint64_t to_seq, const uint8_t *to,
		unsigned timeout_ms, struct err *e);
	/* No more appends will come; the last one, or what open() gave, is what
	 * the next open() gives. Whoever called open() calls it, also if the
	 * store turned out to be unfit. Any thread, after the last append. */
	int (*stop)(struct freshness *f, struct err *e);
	/* How many are there, of how many. Any thread. */
	void (*status)(
		struct freshness *f, unsigned *answering, unsigned *count);
};

/* First member of those that implement it. */
struct freshness {
	const struct freshness_ops *ops;
};
