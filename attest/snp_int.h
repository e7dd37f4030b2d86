/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between snp_certs.c, which finds and checks what does not depend on the
 * date, and snp_verify.c, which judges one report by it.
 */
#pragma once

#include <openssl/x509.h>

#include "attest/snp.h"

enum { SNP_CHAIN_MAX = 8, SNP_ROOTS_MAX = 16 };

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
	const char *wrong; /* what is malformed; NULL: nothing */
	enum snp_product product;
	char product_name[24];
	uint8_t spl[SNP_SPL_COUNT];
	uint8_t hwid[SNP_CHIP_ID_SIZE];
	size_t hwid_size; /* 0: none, as in a VLEK */
	bool csp; /* names a cloud provider, as a VLEK does */
};

/* A leaf and what stands above it; what is not there is NULL. */
struct snp_path {
	X509 *vek, *ask, *ark; /* the latter two: borrowed */
	EVP_PKEY *key; /* borrowed; NULL unless P-384 */
	struct snp_claims claims;
	bool vek_signed, ask_signed, ark_signed;
	bool ark_trusted;
	enum snp_product product; /* of the root */
	bool crl_signed; /* the list is the root's */
	bool ask_revoked; /* by that list */
};

struct snp_collateral {
	X509 *chain[SNP_CHAIN_MAX];
	size_t chain_count;
	X509 *roots[SNP_ROOTS_MAX];
	size_t root_count;
	bool emulated;
	X509_CRL *crl;
	struct snp_path vcek, vlek;
};

/* Does the common name of *name equal "prefix" followed by "rest"? */
bool snp_name_is(const X509_NAME *name, const char *prefix, const char *rest);

void snp_claims_read(const X509 *vek, struct snp_claims *claims);
