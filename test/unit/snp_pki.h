/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AMD's hierarchy as a test wants it: roots, intermediates, VCEKs, VLEKs and
 * CRLs of RSA-4096 and P-384 keys made on the spot, and reports signed by
 * them.
 */
#pragma once

#include <openssl/types.h>

#include "attest/snp.h"

/* Made once: the RSA keys take a second or two each. */
struct snp_pki {
	EVP_PKEY *ark_key, *ask_key, *vek_key;
};

void snp_pki_init(struct snp_pki *pki);
void snp_pki_fini(struct snp_pki *pki);

struct snp_pki_ca {
	const char *subject, *issuer; /* common names */
	EVP_PKEY *key, *signer;
	long from, until; /* s since 1970 */
	long serial;
	bool not_ca, pkcs1; /* wrong on purpose */
};

X509 *snp_pki_ca(const struct snp_pki_ca *ca);

struct snp_pki_vek {
	const char *issuer;
	EVP_PKEY *key, *signer;
	const char *subject; /* NULL: by kind */
	const char *product; /* "Milan-B0" */
	bool vlek;
	bool csp; /* cspID in a VCEK too */
	int spl[10]; /* index: N of ...3704.1.3.N; -1: not there */
	uint8_t hwid[64];
	size_t hwid_size;
	bool hwid_wrapped; /* in an OCTET STRING */
	bool twice; /* one extension stands twice */
	long from, until;
};

X509 *snp_pki_vek(const struct snp_pki_vek *vek);

/* DER, to be freed with OPENSSL_free. */
struct span snp_pki_der(X509 *cert);
/* PEM of certs[count], likewise. */
struct span snp_pki_pem(X509 *const *certs, size_t count);
/* revoked may be NULL. */
struct span snp_pki_crl(
	X509 *issuer, EVP_PKEY *key, long from, long until, X509 *revoked);
void snp_pki_free(struct span s);

/* Signs what the caller filled in. */
void snp_pki_sign(struct snp_report *r, EVP_PKEY *key);
