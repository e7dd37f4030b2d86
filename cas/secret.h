/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values of a session's secrets: made, kept, migrated, renewed, formatted.
 *
 * Values are made inside CAS and leave it in two ways only: to attested
 * services, and to sessions that import them. secret_set_public() gives what a
 * policy declares public.
 */
#pragma once

#include "cas/session.h"

struct secret_set;

/* The value of an exported secret of another session, as by secret_export().
 * 0, -EPERM (not exported to this session), -ENOENT, with the reason in e. */
typedef int secret_import_fn(void *arg, const struct session_ref *from,
	struct buf *out, struct err *e);

/* RSA keys take long: who has some ready gives one, or NULL. */
typedef struct evp_pkey_st *secret_key_fn(void *arg, enum key_type type);

struct secret_env {
	int64_t now; /* s since 1970 */
	secret_import_fn *import;
	secret_key_fn *ready_key; /* may be NULL */
	void *arg;
};

/*
 * Makes all values of s in the order of their dependencies. Values of old_set
 * migrate: ascii and binary with the same name, kind and size (or written by a
 * service), private keys with `migrate` in both. old, old_set: NULL for a new
 * session. -EINVAL: cycles, kinds that do not fit; what import gives.
 */
must_check int secret_set_make(const struct session *s,
	const struct session *old, const struct secret_set *old_set,
	const struct secret_env *env, struct secret_set **out, struct err *e);
void secret_set_free(struct secret_set *set); /* wipes; NULL is fine */

/* Canonical CBOR, for the store. */
must_check int secret_set_encode(const struct secret_set *set, struct buf *out);
must_check int secret_set_decode(
	const void *data, size_t size, struct secret_set **out, struct err *e);

/*
 * Renews what is due (certificates, tokens, rotation, imports of what was
 * renewed there) and what is made of it; forgets previous values after their
 * grace. 1: something changed; 0. What cannot be renewed stays as it is and is
 * tried again a minute later: then e, if it has no error before, says what. s:
 * the session that the set was made for. -ENOMEM, -EINVAL (another session):
 * the set is as it was.
 */
must_check int secret_set_renew(struct secret_set *set, const struct session *s,
	const struct secret_env *env, struct err *e);
/* When something is next due; INT64_MAX: never. */
int64_t secret_set_due(const struct secret_set *set);

/*
 * Appends the value in a format: the text behind "name" in a variable, such as
 * "", "hex", "crt:pem", "privatekey", "pkcs8:der", "chain" (doc/secrets.md).
 * "previous" or "previous:FORMAT" is the value before the last rotation, while
 * its grace lasts; else the present one. -ENOENT: no such secret; -EINVAL: a
 * format that its kind does not have (e lists those it has).
 */
must_check int secret_format(const struct secret_set *set, const char *name,
	const char *format, struct buf *out, struct err *e);
/* The same of what is public: certificates, chains and public keys of secrets
 * with export_public, and values given in the policy with it. -EPERM else. */
must_check int secret_public(const struct secret_set *set,
	const struct session *s, const char *name, const char *format,
	struct buf *out, struct err *e);
/* The value with what belongs to it, for importers. */
must_check int secret_export(const struct secret_set *set, const char *name,
	struct buf *out, struct err *e);
/* An attested service puts a value: ascii, binary of 1 byte to 64 KiB. Whether
 * it may was decided by the caller. -EPERM: given in the policy, or imported.
 */
must_check int secret_write(struct secret_set *set, const struct session *s,
	const char *name, const void *value, size_t size, int64_t now,
	struct err *e);
/* "ascii", "x509-ca", ...; of enum secret_kind. */
const char *secret_kind_name(uint64_t kind);
