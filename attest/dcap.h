/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification of SGX and TDX quotes as Intel's quote verification library
 * does it; doc/attestation.md has the order and the names of failures.
 */
#pragma once

#include "attest/collateral.h"

/* Fills *v, as evidence_verify() does. 0 or -ENOMEM. */
must_check int dcap_verify(const struct quote *quote, struct collateral *c,
	const struct evidence_options *options, struct verdict *v);

/* What one verification has at hand. */
struct dcap {
	const struct quote *quote;
	struct collateral *c;
	const struct evidence_options *options;
	struct verdict *v;
	bool no_memory;
};

/* ---- dcap_pck.c ---- */

/*
 * Finds the PCK of the quote and verifies its chain, dates and revocation:
 * v->chain and failures "pck-...". NULL: there is no chain that holds; *key is
 * the key of the PCK, as far as one was found, and lives as long as *owner,
 * which is to be released (NULL is fine).
 */
struct pck_chain *dcap_pck(struct dcap *d, struct x509_cert **owner);

/* ---- dcap_json.c ---- */

/*
 * Whether TCB information, or the identity of the quoting enclave, is there,
 * signed, and valid; each failure is added. True: it is authentic, though
 * perhaps old.
 */
bool dcap_tcb_info(struct dcap *d);
bool dcap_qe_identity(struct dcap *d);
