/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often each client may ask: token buckets by address. A table of fixed
 * size; of clients that come when it is full, the one that was away longest
 * gives its place.
 */
#pragma once

#include "lib/types.h"

enum { LIMITS_CLIENTS = 4096, LIMITS_NAME = 48 };

struct limits {
	uint64_t rate, burst; /* requests a second, and at once; rate 0: any */
	struct limits_client {
		char name[LIMITS_NAME];
		uint64_t tokens; /* thousandths */
		uint64_t at_ms;
	} client[LIMITS_CLIENTS];
};

/* False: too often; *retry_ms: when it may ask again. */
bool limits_allow(struct limits *l, const char *client, uint64_t now_ms,
	uint64_t *retry_ms);
