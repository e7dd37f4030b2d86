/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of x509.h and crl.h share. Everything that points does so into
 * the DER of its certificate or list. */
#pragma once

#include "attest/der.h"
#include "attest/x509.h"

struct x509_cert {
	unsigned refs;
	uint8_t hash[32], spki_hash[32];
	int64_t not_before, not_after;
	struct der subject, issuer; /* Name, whole */
	char subject_cn[X509_CN_TEXT], issuer_cn[X509_CN_TEXT];
	struct der serial; /* content of the INTEGER */
	struct der extensions; /* content of the SEQUENCE */
	bool ca, signs_certs, signs_crls;
	bool unknown_critical;
	uint32_t path_len; /* X509_NO_LIMIT: none */
	struct der spki; /* whole */
	struct ecdsa_key *key; /* of P-256 and P-384; else NULL */
	/* The outcome of verifying with the key of that hash. */
	bool verified;
	int verify_rc;
	uint8_t verified_by[32];
	size_t size;
	uint8_t der[];
};

#define X509_NO_LIMIT UINT32_MAX

/* A certificate in DER. 0, -EINVAL or -ENOMEM. */
must_check int x509_cert_new_der(
	const void *der, size_t size, struct x509_cert **out);

/* Certificates and lists alike: what is signed, how, and the signature. */
struct x509_signed {
	struct der tbs; /* whole */
	struct der algorithm; /* whole */
	struct der signature; /* bytes */
};

must_check bool x509_signed_parse(
	struct x509_signed *s, const void *der, size_t size);
/* The outer SEQUENCE of der[size] is signed by the key of issuer. 0, -EBADMSG
 * or -ENOMEM. */
must_check int x509_verify_der(
	const struct x509_cert *issuer, const void *der, size_t size);

/* One name, perhaps in different string types or cases (RFC 5280, 7.1). */
bool x509_names_equal(const struct der *a, const struct der *b);
/*
 * Takes a Name and its common name, which is "" unless there is exactly one, in
 * a plain string type, of at most 64 bytes. False: malformed.
 */
must_check bool x509_take_name(
	struct der *d, struct der *whole, char cn[static X509_CN_TEXT]);
/* Takes an Extension. False: malformed. */
must_check bool x509_take_extension(
	struct der *d, struct der *oid, bool *critical, struct der *value);

/* SHA-256 of the SubjectPublicKeyInfo of Intel's root, "Intel SGX Root CA", of
 * which there are two certificates: until 2033 and until 2049. */
extern const uint8_t x509_intel_root[32];
/* That issuer signed cert was verified when this was written. */
bool x509_known(const struct x509_cert *cert, const struct x509_cert *issuer);
size_t x509_known_count(void);
