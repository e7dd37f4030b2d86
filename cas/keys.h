/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CAS's own keys (doc/cas-keys.md):
 *
 *	cluster key	32 bytes: seals what CAS stores. In a file, sealed to
 *			this release of CAS on this machine; in recovery shares;
 *			given to an attested successor.
 *	identity key	P-256: what CAS is for its users. A row of the store, so
 *			it is where the cluster key is, and outlives both.
 */
#pragma once

#include <openssl/types.h>

#include "attest/ratls.h"
#include "cas/store.h"
#include "lib/schema.h"

/* ---- sealing of the cluster key ---- */
/* Turns data into what may lie on an untrusted disk, and back. */
struct key_sealer {
	const char *name; /* "mrenclave", "file" */
	/* What everybody must know who starts CAS with it; NULL: nothing. */
	const char *warning;
	int (*seal)(const struct key_sealer *s, const void *data, size_t size,
		struct buf *out, struct err *e);
	/* Errors as of seal_open() (attest/seal.h); -EINVAL: made by another
	 * kind of sealer. */
	int (*open)(const struct key_sealer *s, const void *blob, size_t size,
		struct buf *out, struct err *e);
	const char *device; /* folder of the device's files */
};

/* By /dev/attestation: in an enclave. device NULL: there. */
void keys_sealer_enclave(struct key_sealer *s, const char *device);
/* Not at all: the file's mode alone protects. For runs in development. */
void keys_sealer_plain(struct key_sealer *s);
/* Enclave if the device is there; else plain if allowed; else -ENOENT, with the
 * cure in e. */
must_check int keys_sealer_find(
	struct key_sealer *s, bool allow_plain, struct err *e);

/* ---- the cluster key ---- */
/* A new one, in a file that must not exist (-EEXIST). */
must_check int keys_cluster_make(const struct key_sealer *s, const char *path,
	uint8_t key[static STORE_KEY_SIZE], struct err *e);
/* -ENOENT: no file: a first start, a recovery or a hand-over. Else errors of
 * the sealer, -EBADMSG (what was sealed is no cluster key), -EPERM (a plain
 * file that others may read). */
must_check int keys_cluster_open(const struct key_sealer *s, const char *path,
	uint8_t key[static STORE_KEY_SIZE], struct err *e);
/* The same; *given: it was saved, not made here, so others may know it. */
must_check int keys_cluster_load(const struct key_sealer *s, const char *path,
	uint8_t key[static STORE_KEY_SIZE], bool *given, struct err *e);
/* Puts a key that came otherwise into the file, whatever is in it, in one
 * step, durably. */
must_check int keys_cluster_save(const struct key_sealer *s, const char *path,
	const uint8_t key[static STORE_KEY_SIZE], struct err *e);
/* A public name of the cluster, made of its key: for witnesses and shares. */
void keys_cluster_id(const uint8_t key[static STORE_KEY_SIZE],
	uint8_t id[static STORE_HASH_SIZE]);

/* ---- the identity ---- */
/* Its key in STORE_META. */
#define KEYS_IDENTITY_ROW "identity"

must_check int keys_identity_make(EVP_PKEY **key, struct err *e);
/* The row's value, which is secret; the store seals it. */
must_check int keys_identity_encode(
	EVP_PKEY *key, struct buf *out, struct err *e);
must_check int keys_identity_decode(
	const void *data, size_t size, EVP_PKEY **key, struct err *e);
/* SHA-256 of its DER SubjectPublicKeyInfo: `cas.key` of manifests. */
must_check int keys_identity_hash(
	EVP_PKEY *key, uint8_t hash[static STORE_HASH_SIZE], struct err *e);

struct keys_cert_spec {
	const char *common_name; /* NULL: "sconce-cas" */
	/* "dns:...", "ip:..."; a certificate with evidence has none: its key is
	 * what is verified */
	struct text_list names;
	int64_t now; /* s since 1970 */
	uint64_t valid_for; /* s */
	/* Evidence for the key (RA-TLS); NULL: a certificate without. */
	ratls_quote_fn *quote;
	void *quote_arg;
	struct span nonce; /* with evidence; or absent */
};

/* A TLS certificate signed by the identity key itself. */
must_check int keys_certificate(EVP_PKEY *identity,
	const struct keys_cert_spec *spec, X509 **out, struct err *e);
/* A ratls_quote_fn: asks /dev/attestation. arg: its folder, NULL: there. */
must_check int keys_quote(void *arg,
	const uint8_t report_data[static RATLS_REPORT_DATA], void **evidence,
	size_t *size, struct err *e);
