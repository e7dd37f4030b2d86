/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsconce-attest: evidence of SGX, TDX and SEV-SNP, and TLS that is bound to
 * it. sconce-attest(3) describes it with an example.
 *
 * Functions that can fail give 0 or a negative errno value; where they take a
 * struct sconce_error it may be NULL. -EKEYREJECTED: evidence was judged and is
 * not accepted. Nothing here reads a clock but verification, and that only if
 * no time was set.
 */
#ifndef SCONCE_ATTEST_H
#define SCONCE_ATTEST_H

#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SCONCE_REPORT_DATA_SIZE 64

struct sconce_error {
	int code; /* 0 or what the function returned */
	char text[512]; /* one line for people */
};

/* ---- what to believe and what to accept ---- */

/*
 * Collateral, roots and policy. Set up by one thread, then usable by many at
 * once. New ones believe the vendors' roots, want revocation lists, go by the
 * clock, and have no policy: they accept nothing.
 */
struct sconce_verifier;

/* NULL: no memory. */
struct sconce_verifier *sconce_verifier_new(void);
/* Frees it when nobody uses it any more: contexts of TLS do. */
void sconce_verifier_free(struct sconce_verifier *v);

/*
 * One file of collateral: tcb_info.json, tcb_info_chain.pem, qe_identity.json,
 * qe_identity_chain.pem, root_ca_crl.der, pck_crl.der, pck_cert.pem,
 * pck_issuer_chain.pem; for SEV-SNP vcek.der, vlek.der, cert_chain.pem,
 * crl.der. Copied. -EINVAL: no such name, or more than 1 MiB.
 */
int sconce_verifier_set_file(struct sconce_verifier *v, const char *name,
	const void *data, size_t size, struct sconce_error *e);
/* Those of these files that are in a directory. -errno: it cannot be read. */
int sconce_verifier_load(struct sconce_verifier *v, const char *directory,
	struct sconce_error *e);
/*
 * A root certificate, DER or PEM, that is believed instead of the vendors';
 * may be called more than once. emulated: it is that of an emulated platform,
 * whose evidence proves nothing; the policy has to allow that too.
 */
int sconce_verifier_add_root(struct sconce_verifier *v, const void *data,
	size_t size, int emulated, struct sconce_error *e);
/*
 * The policy, YAML or JSON as `sconce quote verify --policy` takes it. It has
 * to name a program (mrenclave, mrsigner, mrtd, measurement, ...) unless
 * sconce_verifier_accept_any_program() was called: a platform in good order
 * runs the programs of attackers as well. For enclaves with KSS, Sconce's among
 * them, it has to have config_id too: their program is what that stands for.
 */
int sconce_verifier_set_policy(struct sconce_verifier *v, const char *text,
	size_t size, struct sconce_error *e);
void sconce_verifier_accept_any_program(struct sconce_verifier *v);
/* Seconds since 1970 that dates are checked against, instead of the clock. */
void sconce_verifier_set_time(struct sconce_verifier *v, int64_t at);
/* Revocation lists are neither wanted nor looked at. */
void sconce_verifier_ignore_crls(struct sconce_verifier *v);
/* Certificates must have this nonce, of 1 to 64 bytes. */
int sconce_verifier_set_nonce(struct sconce_verifier *v, const void *nonce,
	size_t size, struct sconce_error *e);

/* ---- verification ---- */

struct sconce_verdict;

/*
 * Evidence by itself. report_data: 64 bytes that it must have, or NULL if the
 * caller compares the field "report_data" in another way. 0: accepted.
 * -EKEYREJECTED: not; -EINVAL: not evidence, or the verifier is not set up;
 * -ENOMEM. *out (may be NULL) is a verdict for 0 and -EKEYREJECTED, else NULL;
 * freed with sconce_verdict_free().
 */
int sconce_verify_evidence(struct sconce_verifier *v, const void *evidence,
	size_t size, const unsigned char *report_data,
	struct sconce_verdict **out, struct sconce_error *e);
/* A certificate of RA-TLS: its evidence, and that it is bound to the key. Who
 * has the key is for TLS to prove. The same results. */
int sconce_verify_certificate(struct sconce_verifier *v, X509 *cert,
	struct sconce_verdict **out, struct sconce_error *e);

void sconce_verdict_free(struct sconce_verdict *verdict);
int sconce_verdict_accepted(const struct sconce_verdict *verdict);
/* "sgx-v3", "tdx-v4", "tdx-v5", "snp", ... */
const char *sconce_verdict_kind(const struct sconce_verdict *verdict);
/* "UpToDate", "OutOfDate", ...; "" if it is not known. */
const char *sconce_verdict_tcb_status(const struct sconce_verdict *verdict);
int sconce_verdict_is_debug(const struct sconce_verdict *verdict);
int sconce_verdict_is_emulated(const struct sconce_verdict *verdict);
/* The index-th advisory, NULL behind the last. */
const char *sconce_verdict_advisory(
	const struct sconce_verdict *verdict, size_t index);
/* The index-th thing that is wrong: the rule, what was seen and what was
 * wanted. -ENOENT: there are no more. */
int sconce_verdict_failure(const struct sconce_verdict *verdict, size_t index,
	const char **rule, const char **seen, const char **wanted);
/*
 * A measured value: "mrenclave", "isv_svn", "rtmr0", "measurement", ... Bytes
 * (*size > 0, they live as long as the verdict) or a number (*size 0). -ENOENT:
 * this evidence has none of that name.
 */
int sconce_verdict_field(const struct sconce_verdict *verdict, const char *name,
	const unsigned char **bytes, size_t *size, uint64_t *number);

/* ---- TLS ---- */

/*
 * Peers of connections of ctx must present a certificate that the verifier
 * accepts, in place of OpenSSL's own verification, in client and in server;
 * from TLS 1.3 on, and never by resuming a session. ctx keeps the verifier.
 */
int sconce_tls_require(
	SSL_CTX *ctx, struct sconce_verifier *v, struct sconce_error *e);
/* The verdict on the peer, accepted or not; lives as long as ssl. NULL: there
 * was no evidence that could be judged (see sconce_tls_error()). */
const struct sconce_verdict *sconce_tls_verdict(const SSL *ssl);
/* Why the peer was refused; "" if it was not. Lives as long as ssl. */
const char *sconce_tls_error(const SSL *ssl);

/* ---- certificates ---- */

/*
 * Gives evidence with this report data, from the platform that the caller runs
 * on: *evidence is malloc()ed, and free()d by the library. 0, or -errno and
 * nothing to be freed.
 */
typedef int sconce_quote_fn(void *arg,
	const unsigned char report_data[SCONCE_REPORT_DATA_SIZE],
	unsigned char **evidence, size_t *size);

/* Extensions; each takes one piece of evidence. */
#define SCONCE_FORM_INTEROPERABLE 1 /* 2.23.133.5.4.9, CBOR */
#define SCONCE_FORM_LEGACY 2 /* 1.2.840.113741.1337.6, bare quote */
#define SCONCE_FORM_GRAMINE 4 /* the same as Gramine misspells it */

/* Fill with zeros first; members may come later, so size tells which ones the
 * caller knows. */
struct sconce_certificate_spec {
	size_t size; /* sizeof(struct sconce_certificate_spec) */
	EVP_PKEY *key; /* P-256 or P-384, with its private part */
	const char *common_name; /* 1 to 64 bytes */
	int64_t not_before, not_after; /* seconds since 1970 */
	const void *nonce; /* of the verifier; NULL: none */
	size_t nonce_size; /* up to 64 */
	unsigned forms; /* SCONCE_FORM_*; 0: INTEROPERABLE */
};

/* *out, signed by its own key, is freed with X509_free(). -EPROTO: quote gave
 * evidence with other report data. */
int sconce_certificate_new(const struct sconce_certificate_spec *spec,
	sconce_quote_fn *quote, void *arg, X509 **out, struct sconce_error *e);

#ifdef __cplusplus
}
#endif

#endif
