/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Witnesses: small programs elsewhere that remember the head of CAS's chain
 * (cas/freshness.h). This is the client: a set of 2f+1 witnesses, of which f+1
 * make a quorum. Acknowledged is what a quorum has.
 *
 * Connections are TLS 1.3. The witness is known by the hash of its key. The
 * client shows a key derived from the cluster's key, and the hash of that is
 * the cluster's name at the witness: so nobody else can append to it.
 *
 * A new term (a CAS that starts, or takes over) is granted by a quorum, after
 * which that quorum refuses the older ones. See doc/witness.md.
 */
#pragma once

#include "cas/freshness.h"

enum {
	WITNESS_MAX = 9,
	WITNESS_HASH_SIZE = 32,
	WITNESS_KEY_SIZE = 32,
	WITNESS_PORT = 18766,
};

struct witness_set;

/* host:port and the SHA-256 of the witness's DER SubjectPublicKeyInfo. */
struct witness_address {
	char address[256];
	uint8_t key[WITNESS_HASH_SIZE];
};

/*
 * key: secret, the same for all who may be in charge of this store; derive it
 * from the cluster key for this use alone. count: odd, up to WITNESS_MAX.
 * -EINVAL: an address is malformed, or a witness is there twice. The process
 * ignores SIGPIPE.
 */
must_check int witness_set_new(const struct witness_address *list,
	unsigned count, const uint8_t key[static WITNESS_KEY_SIZE],
	struct witness_set **out, struct err *e);
/* NULL is fine. */
void witness_set_free(struct witness_set *w);

/* For struct store_options. */
struct freshness *witness_freshness(struct witness_set *w);

/* The cluster's name at witnesses, which `sconce witness --only` takes. */
must_check int witness_cluster(const uint8_t key[static WITNESS_KEY_SIZE],
	uint8_t cluster[static WITNESS_HASH_SIZE]);
