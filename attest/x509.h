/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates (RFC 5280) of Intel's and AMD's hierarchies: decoded by OpenSSL,
 * checked here. Keys are P-256, P-384 or RSA; signatures ECDSA with SHA-256 or
 * SHA-384, or RSASSA-PSS with SHA-384 throughout.
 *
 * Input is hostile: sizes, counts and times are bounded. A certificate is
 * shared by counting references; a signature found good is remembered in it.
 */
#pragma once

#include "attest/ecdsa.h"
#include "lib/err.h"

enum {
	X509_CERT_MAX = 16 << 10, /* bytes of DER */
	X509_LIST_MAX = 16, /* certificates */
	X509_LIST_SIZE = 256 << 10, /* bytes of PEM */
	X509_CN_TEXT = 65,
};

struct x509_cert; /* opaque */

/* DER or PEM. 0; -EINVAL; -ENOMEM. */
must_check int x509_cert_new(
	const void *data, size_t size, struct x509_cert **out, struct err *e);
struct x509_cert *x509_cert_ref(struct x509_cert *cert);
void x509_cert_unref(struct x509_cert *cert);

/* SHA-256 of the SubjectPublicKeyInfo. */
const uint8_t *x509_cert_spki_hash(const struct x509_cert *cert);
/* s since 1970; valid at both ends. */
int64_t x509_cert_not_before(const struct x509_cert *cert);
int64_t x509_cert_not_after(const struct x509_cert *cert);
/* The common name, "" if there is none or more than one; control bytes '?'. */
const char *x509_cert_subject(const struct x509_cert *cert);
const char *x509_cert_issuer(const struct x509_cert *cert);
/* The subject's common name ends with text. */
bool x509_cert_named(const struct x509_cert *cert, const char *text);
/* The key, if it is of P-256 or P-384; else NULL. Lives as long as cert. */
const struct ecdsa_key *x509_cert_key(const struct x509_cert *cert);
/*
 * The value of an extension, what its OCTET STRING holds; oid in dotted form.
 * False: none, or more than one.
 */
bool x509_cert_extension(const struct x509_cert *cert, const char *oid,
	const uint8_t **data, size_t *size);

/* Issuer and subject are one name. */
bool x509_cert_self_issued(const struct x509_cert *cert);
/*
 * Whether issuer signed cert: names, CA flags, path length (below: how many
 * CA certificates stand between cert and the leaf), unknown critical
 * extensions, signature. The outcome for one issuer key is remembered.
 * 0; -ENOENT: another name; -EACCES: issuer may not sign certificates, or
 * cert has a critical extension nobody knows; -EBADMSG: signature; -ENOMEM.
 */
must_check int x509_cert_verify(
	struct x509_cert *cert, struct x509_cert *issuer, unsigned below);

struct x509_list {
	struct x509_cert *certs[X509_LIST_MAX]; /* references */
	size_t count;
};

/*
 * Appends the certificates of a PEM text, in any order, NULs at its end
 * allowed, or one in DER. Those that are in known (may be NULL) are not decoded
 * again. 0; -EINVAL: something else in it, or too many; -ENOMEM. On failure
 * the list is as before.
 */
must_check int x509_list_parse(struct x509_list *list,
	const struct x509_list *known, const void *data, size_t size,
	struct err *e);
/* Adds a reference unless it is there or there is no room. */
void x509_list_add(struct x509_list *list, struct x509_cert *cert);
/* The first whose subject's common name ends with text; else NULL. */
struct x509_cert *x509_list_find(
	const struct x509_list *list, const char *text);
void x509_list_fini(struct x509_list *list);
