/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of secret*.c share.
 *
 * A secret has a present value and perhaps the one before. What belongs to a
 * value lies with it: a certificate with its private key and its issuers, so
 * that it can be given and exported while others are renewed.
 */
#pragma once

#include <openssl/types.h>

#include "cas/secret.h"
#include "cas/subst.h"

enum {
	SECRET_KINDS = SECRET_CONFIG_FRAGMENT + 1,
	KEY_TYPES = KEY_RSA_3072 + 1,
	SECRET_BYTES_MAX = 64 << 10, /* ascii and binary */
	SECRET_VALUE_MAX = 1 << 20, /* anything */
	SECRET_COUNT_MAX = 16 << 10, /* of a session */
	SECRET_CHAIN_MAX = 10, /* issuers of a certificate */
	SECRET_DEPTH_MAX = 16, /* of what is made of what */
	SECRET_BACKDATE = 300, /* s: clocks of those who verify are behind */
	SECRET_RETRY = 60, /* s until an import is tried again */
};
#define SECRET_VALID_FOR (10 * 365 * 86400ULL) /* s, by default */

/* Owned memory; wiped when it is given up. */
struct blob {
	uint8_t *data; /* followed by a NUL that does not count */
	size_t size;
};

must_check int blob_set(struct blob *b, const void *data, size_t size);
void blob_fini(struct blob *b);

/* Where a value comes from. */
enum secret_origin {
	ORIGIN_GENERATED,
	ORIGIN_GIVEN, /* stands in the policy: who may read that knows it */
	ORIGIN_IMPORTED,
	ORIGIN_WRITTEN, /* by an attested service */
};

/*
 * value, by kind: ascii, jwt, config-fragment: the text; binary: the bytes;
 * private-key: PKCS #8; public-key: SubjectPublicKeyInfo; x509, x509-ca: the
 * certificate; all DER.
 */
struct secret_version {
	struct blob value;
	struct blob key; /* x509*: PKCS #8 of its private key; or empty */
	struct blob chain[SECRET_CHAIN_MAX]; /* x509*: issuers, nearest first */
	uint64_t chain_count;
	int64_t made; /* s since 1970 */
	int64_t until; /* end of validity; 0: none */
};

struct secret {
	char *name;
	uint64_t kind, key_type, origin;
	int64_t due; /* to be renewed then; 0: never */
	struct secret_version now, before;
	int64_t before_until; /* the value before is told until; 0: none */
	EVP_PKEY *pkey; /* of now's private key, once it was needed */
};

struct secret_set {
	struct secret *item; /* in the order of the policy */
	size_t count;
	struct secret **order; /* by name */
};

/* ---- secret.c ---- */
must_check int secret_set_new(size_t count, struct secret_set **out);
/* Names are there: makes the order. -EEXIST: two of one name. */
must_check int secret_set_index(struct secret_set *set);
struct secret *secret_find(const struct secret_set *set, const char *name);
must_check int version_copy(
	struct secret_version *to, const struct secret_version *from);
void version_fini(struct secret_version *v);
void secret_fini(struct secret *x);
/* The private key behind a private-key, x509 or x509-ca. Borrowed. -ENOKEY: it
 * has none; -EBADMSG: it is none; -ENOMEM. */
must_check int secret_pkey(struct secret *x, EVP_PKEY **out);

/* Without overflow, for times of this era. */
int64_t secret_after(int64_t now, uint64_t seconds);

/* ---- secret_code.c ---- */
must_check int secret_put_imported(const struct secret *x, struct buf *out);
/* What secret_export() made, without a name. */
must_check int secret_get_imported(
	const void *data, size_t size, struct secret *x, struct err *e);

/* ---- secret_random.c ---- */
must_check int secret_random_ascii(
	uint64_t size, const char *charset, struct blob *out, struct err *e);
must_check int secret_random_binary(
	uint64_t size, struct blob *out, struct err *e);
/* NULL: the default. -EINVAL: fewer than two, doubled, not printable. */
must_check int secret_charset_check(const char *charset, struct err *e);
bool secret_fits_charset(const struct blob *value, const char *charset);

/* ---- secret_given.c: values that stand in the policy ---- */
/* key: of what private_key names, or NULL. */
must_check int secret_give(struct secret *x, const struct secret_spec *spec,
	EVP_PKEY *key, struct err *e);

/* ---- secret_cert.c ---- */
struct cert_spec {
	const char *common_name;
	EVP_PKEY *key; /* of the subject; its private part is not needed */
	const struct text_list *san; /* or NULL */
	enum x509_endpoint endpoint;
	bool ca;
	int path_length; /* of a CA; -1: any */
	int64_t from, until; /* s since 1970 */
	/* NULL: signs itself */
	const struct blob *issuer;
	EVP_PKEY *issuer_key; /* key itself without issuer */
};

/* -EINVAL: names that no certificate can have; -EIO: libcrypto. */
must_check int secret_cert_make(
	const struct cert_spec *spec, struct blob *out, struct err *e);

struct cert_facts {
	bool ca;
	int path_length; /* -1: no limit */
	int64_t from, until;
};

must_check int secret_cert_facts(
	const struct blob *der, struct cert_facts *out, struct err *e);

/* ---- secret_jwt.c ---- */
struct jwt_spec {
	EVP_PKEY *key;
	const char *algorithm; /* NULL: the one of the key */
	const struct text_map *payload; /* a text may be one variable */
	subst_fn *lookup;
	void *arg;
	int64_t now, until; /* s since 1970 */
};

/* -EINVAL: an algorithm that is not the key's, claims that CAS makes itself,
 * texts that are not UTF-8; what lookup gives. */
must_check int secret_jwt_make(
	const struct jwt_spec *spec, struct blob *out, struct err *e);

/* ---- secret_text.c: bytes as text ---- */
/* False: no such encoding. bin, hex, base64, base64url, base32, base32nopad. */
bool secret_encoding_known(const char *name, size_t len);
void secret_encode_text(const char *name, size_t len, const void *data,
	size_t size, struct buf *out);
must_check int secret_base64_decode(
	const char *text, size_t len, struct blob *out);
/* With its BEGIN and END lines. */
void secret_pem(const char *label, const struct blob *der, struct buf *out);
