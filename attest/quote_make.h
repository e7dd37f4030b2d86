/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes SGX quotes of version 3, as Intel's quoting enclave does (Intel SGX
 * ECDSA QuoteLibReference DCAP API, appendix A.4): ECDSA on P-256, with the
 * chain of PCK certificates in the quote.
 */
#pragma once

#include <openssl/types.h>

#include "abi/sgx.h"
#include "lib/types.h"

enum {
	QUOTE_MAKE_SIGNED = 48 + 384, /* header and body */
	QUOTE_MAKE_AUTH = 32, /* authentication data: 00..1f, as Intel's */
};

/* What is the same in all quotes of a quoting enclave. */
struct quote_maker {
	EVP_PKEY *attestation; /* borrowed */
	uint8_t attestation_public[64];
	uint16_t qe_svn, pce_svn;
	uint8_t qe_id[16];
	/* REPORTDATA of this is SHA-256(attestation key, auth data), zeros. */
	struct sgx_report_body qe_report;
	uint8_t qe_signature[64]; /* over qe_report, by the PCK key */
	const char *chain; /* borrowed: PEM, leaf first */
	size_t chain_size;
};

/*
 * Fills in what is derived: the public key, REPORTDATA of qe_report (of which
 * the rest is there already) and its signature by @pck. 0 or -EIO.
 */
must_check int quote_maker_finish(struct quote_maker *m, EVP_PKEY *pck);
size_t quote_make_size(const struct quote_maker *m);
/* Into quote_make_size() bytes. Whether the body is true is the caller's to
 * know. 0 or -EIO. */
must_check int quote_make(const struct quote_maker *m,
	const struct sgx_report_body *body, void *quote);
