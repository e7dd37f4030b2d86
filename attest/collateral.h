/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collateral as it is kept between verifications; for collateral.c and dcap.c.
 * What is in it was decoded; whether it is signed, by whom, and for when is
 * asked by each verification, and signatures found good are remembered.
 */
#pragma once

#include "attest/crl.h"
#include "attest/evidence.h"
#include "attest/pck.h"
#include "attest/qe_identity.h"
#include "attest/quote.h"
#include "attest/roots.h"
#include "attest/snp.h"
#include "attest/tcb.h"

enum { PCK_CACHE = 64, COLLATERAL_FILE_MAX = 1 << 20 };

/* A signed JSON document and the certificates of who signed it. */
struct collateral_json {
	char *text; /* NULL: absent */
	struct signed_json json;
	char problem[VERDICT_TEXT]; /* why its content is no good; "": good */
	struct x509_list chain; /* empty: absent */
	/* The outcome of verifying with the key of that hash. */
	bool verified;
	int verify_rc;
	uint8_t verified_by[32];
};

/*
 * A PCK chain that leads to a trusted root and is right in all but what
 * depends on the date. Certificates are references.
 */
struct pck_chain {
	uint8_t hash[32]; /* of the certification data */
	struct x509_cert *certs[3]; /* PCK, its CA, root; [0] NULL: free */
	bool emulated;
	struct pck pck;
	/* A QE report and its signature that this PCK is known to have made. */
	bool has_qe;
	uint8_t qe[QUOTE_QE_REPORT_SIZE + 64];
};

struct collateral {
	struct roots roots; /* of SGX and TDX */
	struct x509_list root_certs; /* that the caller gave */
	struct x509_list known; /* certificates of the files, CAs of quotes */
	struct collateral_json tcb_json, qe_json;
	struct tcb_info *tcb_info; /* NULL: see tcb_json.problem */
	struct qe_identity *qe_identity;
	struct crl *root_crl, *pck_crl; /* NULL: absent */
	struct x509_list pck_certs; /* pck_cert and pck_issuer_chain */
	struct snp_collateral *snp;
	struct pck_chain cache[PCK_CACHE];
	size_t cache_next; /* whose turn it is to be replaced */
};
