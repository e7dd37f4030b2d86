/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RA-TLS: certificates whose key is bound to evidence.
 *
 * Interoperable form (CCC Attestation SIG, "Interoperable RA-TLS"): extension
 * 2.23.133.5.4.9 holds CBOR, a tag of [evidence, claims], both byte strings.
 * claims is a map that has "pubkey-hash" => bytes of [algorithm, hash of the
 * DER SubjectPublicKeyInfo] and may have "nonce"; what else is in it is
 * ignored. The first 32 bytes of the evidence's report data are SHA-256 of
 * claims.
 *
 * Older form: an extension with the bare quote, whose report data begins with
 * SHA-256 of the DER SubjectPublicKeyInfo. Its number is 1.2.840.113741.1337.6
 * as rats-tls writes it; Gramine puts the encoding of that number, with its
 * tag and length, where the encoding should stand. A certificate that has the
 * interoperable extension is never judged by the older one.
 *
 * Who presents such a certificate has the private key: TLS proves that, not
 * this.
 */
#pragma once

#include <openssl/types.h>

#include "attest/evidence.h"

enum ratls_tag {
	RATLS_NO_TAG = 0, /* the older form */
	RATLS_TAG_QUOTE = 60000, /* of SGX or TDX */
	RATLS_TAG_TDREPORT = 60001, /* or SGX report type 2: local only */
	RATLS_TAG_REPORT = 60002, /* SGX report: local only */
	/* SEV-SNP report. No number is registered for it: this one, "SNP1" in
	 * ASCII, is Sconce's own. */
	RATLS_TAG_SNP = 0x534e5031,
};

/* Named Information Hash Algorithm Registry (RFC 6920) */
enum ratls_hash {
	RATLS_SHA256 = 1,
	RATLS_SHA384 = 7,
	RATLS_SHA512 = 8,
};

enum { RATLS_REPORT_DATA = 64, RATLS_NONCE_MAX = 64 };

/* What a certificate holds; spans point into it. */
struct ratls_evidence {
	enum ratls_tag tag;
	struct span evidence;
	struct span claims; /* absent in the older form, as what follows */
	enum ratls_hash hash;
	struct span key_hash;
	struct span nonce;
};

/*
 * The value of the interoperable extension. Deterministic CBOR of definite
 * lengths only. 0, or -EINVAL with the reason in e. Allocates nothing.
 */
must_check int ratls_parse(const void *value, size_t size,
	struct ratls_evidence *out, struct err *e);
/* The evidence of a certificate, which must outlive *out. -ENOENT: it has
 * none; -EINVAL: what it has is malformed, or there is more than one. */
must_check int ratls_find(
	const X509 *cert, struct ratls_evidence *out, struct err *e);

struct ratls_options {
	struct evidence_options evidence;
	struct span nonce; /* that the claims must have; absent: any or none */
};

/*
 * Verifies a certificate's evidence and what it is bound to. Rules, beside
 * those of evidence_verify(): ratls-signature (the certificate is signed by
 * its own key, so that what else it says is the key owner's word), ratls-date,
 * ratls-tag, ratls-key, ratls-binding, ratls-nonce. Policy is the caller's to
 * apply.
 *
 * 0: *v is filled, with failures or without. -ENOENT, -EINVAL: there is no
 * evidence that could be judged; e says why. -ENOMEM.
 */
must_check int ratls_verify(X509 *cert, struct collateral *c,
	const struct ratls_options *options, struct verdict *v, struct err *e);

/*
 * Gives evidence whose report data is report_data: *evidence is malloc'ed, the
 * caller frees it. 0, or -errno with the reason in e, and then there is
 * nothing to be freed.
 */
typedef int ratls_quote_fn(void *arg,
	const uint8_t report_data[static RATLS_REPORT_DATA], void **evidence,
	size_t *size, struct err *e);

/* Which extensions a certificate gets; each takes one piece of evidence. */
enum ratls_form {
	RATLS_FORM_DICE = 1, /* interoperable */
	RATLS_FORM_LEGACY = 2, /* 1.2.840.113741.1337.6 */
	RATLS_FORM_GRAMINE = 4, /* as Gramine misspells that */
};

struct ratls_spec {
	EVP_PKEY *key; /* P-256 or P-384, with its private part; borrowed */
	int64_t from, until; /* s since 1970 */
	const char *common_name; /* 1 to 64 bytes */
	struct span nonce; /* of the verifier, up to 64 bytes; or absent */
	unsigned forms; /* enum ratls_form; 0: RATLS_FORM_DICE */
};

/*
 * Makes a certificate, signed by its own key. 0: *out is freed with X509_free.
 * -EINVAL: spec, or evidence of an unknown kind; -EPROTO: the evidence has
 * other report data than it was asked for; what quote() gives; -ENOMEM or -EIO
 * (libcrypto).
 */
must_check int ratls_make(const struct ratls_spec *spec, ratls_quote_fn *quote,
	void *arg, X509 **out, struct err *e);
