/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of x509.h share. */
#pragma once

#include <openssl/x509.h>

#include "attest/x509.h"

struct x509_cert {
	unsigned refs;
	uint8_t hash[32], spki_hash[32];
	int64_t not_before, not_after;
	X509_NAME *subject, *issuer;
	char subject_cn[X509_CN_TEXT], issuer_cn[X509_CN_TEXT];
	ASN1_INTEGER *serial;
	STACK_OF(X509_EXTENSION) * extensions;
	bool ca, signs_certs, signs_crls;
	bool unknown_critical;
	long path_len; /* -1: no limit */
	struct ecdsa_key *key; /* of P-256 and P-384 */
	const uint8_t *spki;
	size_t spki_size;
	/* The outcome of verifying with the key of that hash. */
	bool verified;
	int verify_rc;
	uint8_t verified_by[32];
	size_t size;
	uint8_t der[];
};

/* Where a decoder stands: strict DER, lengths definite. */
struct x509_reader {
	const uint8_t *at, *end;
};

/*
 * Enters an element with this tag and class (universal, or context-specific
 * and constructed): inner gets its content, and r stands behind it. False: it
 * is something else, or does not fit.
 */
must_check bool x509_enter(
	struct x509_reader *r, int tag, int class, struct x509_reader *inner);

/* Takes DER apart: what is signed, by which algorithm, and the signature. */
struct x509_signed {
	const uint8_t *tbs;
	size_t tbs_size;
	struct x509_reader inner; /* of tbs */
	X509_ALGOR *algorithm;
	ASN1_BIT_STRING *signature;
};

/* 0 or -EINVAL; s is cleared by x509_signed_fini in either case. */
must_check int x509_signed_parse(
	struct x509_signed *s, const void *der, size_t size);
void x509_signed_fini(struct x509_signed *s);

/* A certificate in DER. 0, -EINVAL or -ENOMEM. */
must_check int x509_cert_new_der(
	const void *der, size_t size, struct x509_cert **out);

/* The outer SEQUENCE of der[size], a certificate or a CRL, is signed by the key
 * of issuer. 0, -EBADMSG or -ENOMEM. */
must_check int x509_verify_der(
	const struct x509_cert *issuer, const void *der, size_t size);

/* False: not a time that there is. */
must_check bool x509_time(const ASN1_TIME *t, int64_t *out);
/* The common name; "" unless there is exactly one, in a plain string type, of
 * at most 64 bytes. */
void x509_name_cn(const X509_NAME *name, char text[static X509_CN_TEXT]);
