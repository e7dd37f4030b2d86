/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the certificates and signed documents that stand behind quotes: for
 * the emulated platform, and for tests of the verifier. Layouts are those of
 * Intel's SGX PKI: X.509 on P-256 with SHA-256, the PCK extension
 * 1.2.840.113741.1.13.1, CRLs, and JSON documents whose signature is over the
 * exact bytes of the inner object.
 *
 * Objects that are given out are the caller's: EVP_PKEY_free, X509_free; bytes
 * are malloc'ed. Functions give 0, -ENOMEM, or -EIO if libcrypto failed.
 */
#pragma once

#include <openssl/types.h>

#include "lib/types.h"

enum {
	PKI_RAW_SIZE = 64, /* X, Y of a key; r, s of a signature: big-endian */
	PKI_SECRET_SIZE = 40,
	PKI_TCB_COMPONENTS = 16,
};

/* The P-256 key with private number (secret mod (n - 1)) + 1, secret being
 * big-endian (as Intel's quoting enclave derives its own). */
must_check int pki_key_derive(
	const uint8_t secret[PKI_SECRET_SIZE], EVP_PKEY **key);
must_check int pki_public(EVP_PKEY *key, uint8_t raw[PKI_RAW_SIZE]);
/* ECDSA with SHA-256 over data[size]. */
must_check int pki_sign(EVP_PKEY *key, const void *data, size_t size,
	uint8_t signature[PKI_RAW_SIZE]);

/* What the PCK extension says of a platform. */
struct pki_platform {
	uint8_t ppid[16];
	uint8_t components[PKI_TCB_COMPONENTS]; /* also as CPUSVN */
	uint16_t pcesvn;
	uint8_t pceid[2];
	uint8_t fmspc[6];
	uint8_t sgx_type; /* 0 standard, 1 scalable, 2 with integrity */
	uint8_t instance_id[16];
	bool dynamic_platform, cached_keys, smt;
};

struct pki_certificate {
	const char *common_name;
	const char *organization;
	EVP_PKEY *key; /* of the subject */
	X509 *issuer; /* NULL: it signs itself */
	EVP_PKEY *issuer_key;
	int64_t from, until; /* s since 1970 */
	int path_length; /* of a CA; -1: not a CA */
	const struct pki_platform *platform; /* NULL: no PCK extension */
};

/* The serial number is made of the key, the same each time. */
must_check int pki_certificate_make(
	const struct pki_certificate *spec, X509 **out);

/* certs[count] as one PEM text, without a NUL in *size. */
must_check int pki_pem(
	X509 *const *certs, size_t count, char **pem, size_t *size);

/* A CRL in DER. @number is its CRL number; revoked[count] are certificates. */
must_check int pki_crl(X509 *issuer, EVP_PKEY *key, int64_t from, int64_t until,
	uint64_t number, X509 *const *revoked, size_t count, uint8_t **der,
	size_t *size);

/* {"NAME":BODY,"signature":"..."}, body being a JSON object as it is served. */
must_check int pki_json(EVP_PKEY *key, const char *name, const char *body,
	char **text, size_t *size);
