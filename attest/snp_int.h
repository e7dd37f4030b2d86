/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between snp_certs.c, which reads AMD's files, snp_claims.c, which reads what
 * a leaf says, and snp_verify.c, which judges one report by them.
 */
#pragma once

#include "attest/crl.h"
#include "attest/roots.h"
#include "attest/snp.h"
#include "attest/x509.h"

/* Numbers of the extensions 1.3.6.1.4.1.3704.1.3.N. */
enum snp_spl {
	SNP_SPL_BL = 1,
	SNP_SPL_TEE,
	SNP_SPL_SNP,
	SNP_SPL_4,
	SNP_SPL_5,
	SNP_SPL_6,
	SNP_SPL_7,
	SNP_SPL_UCODE,
	SNP_SPL_FMC,
	SNP_SPL_COUNT,
};

/* What the extensions of a VCEK or VLEK say. */
struct snp_claims {
	const char *wrong; /* what is missing or malformed; NULL: nothing */
	enum snp_product product;
	char product_name[24];
	uint8_t spl[SNP_SPL_COUNT]; /* those that are absent: 0 */
	uint8_t hwid[SNP_CHIP_ID_SIZE];
	size_t hwid_size; /* 0: none, as in a VLEK */
	bool csp; /* names a cloud provider, as a VLEK does */
};

struct snp_leaf {
	struct x509_cert *cert; /* NULL: none */
	struct snp_claims claims;
};

struct snp_collateral {
	struct snp_leaf vcek, vlek;
	struct x509_list chain;
	struct roots roots;
	struct crl *crl; /* NULL: none */
};

void snp_claims_read(const struct x509_cert *leaf, struct snp_claims *claims);
