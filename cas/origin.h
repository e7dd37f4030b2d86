/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the cluster key comes from: its file; or, at a first start, it is
 * made; or from recovery shares; or from a CAS that hands over.
 *
 * Shares and a CAS that hands over are brought by the operator, who could have
 * made them, and then knows the key. So one that was not made in here is said
 * to be so in evidence ("origin": "given"), for ever: who attests such a CAS
 * must know its identity already (`sconce cas attest`).
 */
#pragma once

#include "cas/keys.h"
#include "cas/server.h"

struct origin {
	uint8_t key[STORE_KEY_SIZE];
	const char *what; /* of the log's event, if it came just now; or NULL */
	char how[128];
};

must_check int origin_find(struct server *s, const struct server_options *o,
	struct origin *out, struct err *e);
