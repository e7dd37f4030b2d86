/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The witness's server: connections, TLS, and the order of things: decide all
 * that came (witness_core.h), make it durable with one sync (witness_disk.h),
 * answer.
 */
#pragma once

#include <openssl/evp.h>

#include "cas/witness.h"

struct witness_serve_options {
	const char *listen; /* ADDR:PORT, [V6]:PORT; port 0: any */
	const char *state; /* directory */
	EVP_PKEY *key;
	uint32_t clusters; /* at most */
	unsigned connections; /* at most */
	/* Let these clusters in only; count 0: any. */
	const uint8_t (*only)[WITNESS_HASH_SIZE];
	size_t only_count;
	bool repair; /* see witness_disk_open() */
	/* Called once it listens. */
	void (*ready)(void *arg, const char *address);
	void *arg;
};

/* Serves until SIGTERM or SIGINT, which it blocks: 0; -errno. */
must_check int witness_serve(
	const struct witness_serve_options *o, struct err *e);
