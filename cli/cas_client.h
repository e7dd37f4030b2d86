/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to a CAS: TLS 1.3 by libcurl, the server known by its key's hash,
 * the user by a key of his own, made at first use.
 */
#pragma once

#include "cli/cas_known.h"
#include "lib/buf.h"

struct cas_client;

struct cas_client_options {
	const char *address; /* HOST:PORT; NULL: the default CAS */
	const char *key; /* hash of CAS's key; NULL: the one that is known */
	const char *identity; /* PEM of the user's key and certificate; NULL:
				 client.pem of the user's folder */
	bool any_key; /* whoever answers: only for `sconce cas attest` */
};

struct cas_answer {
	long status; /* of HTTP */
	struct buf body;
};

must_check int cas_client_new(const struct cas_client_options *o,
	struct cas_client **out, struct err *e);
void cas_client_free(struct cas_client *c); /* NULL is fine */
/* HOST:PORT that it speaks to. */
const char *cas_client_address(const struct cas_client *c);
/* From now on only with this key. */
void cas_client_pin(struct cas_client *c, const uint8_t key[static 32]);

/*
 * One request. path begins with '/' and holds the query. 0 for a status of 200;
 * otherwise -errno as CAS named it, with its text in e; -ECONNREFUSED, ... of
 * the network. The answer is freed with buf_fini(&answer->body).
 */
must_check int cas_client_request(struct cas_client *c, const char *method,
	const char *path, const char *type, const void *body, size_t size,
	struct cas_answer *answer, struct err *e);

/* "/v1/sessions/" and name with what must be escaped; appended. name may hold
 * slashes. */
void cas_client_escape(struct buf *path, const char *name);

/* The user's key: PEM with private key and certificate, made (mode 0600) if it
 * is not there. NULL: client.pem. */
must_check int cas_identity_path(
	const char *given, char path[static CAS_PATH_MAX], struct err *e);
/* SHA-256 of its DER SubjectPublicKeyInfo: what policies call the user. */
must_check int cas_identity_hash(
	const char *path, uint8_t hash[static 32], struct err *e);
