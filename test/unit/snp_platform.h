/* SPDX-License-Identifier: Apache-2.0 */
/* A platform with SEV-SNP, of a hierarchy made here: evidence of everything,
 * with whatever report data, and the files to verify it. */
#pragma once

#include "test/unit/snp_pki.h"

enum {
	SNP_PLATFORM_FROM = 1700000000,
	SNP_PLATFORM_AT = 1760000000,
	SNP_PLATFORM_UNTIL = 1800000000,
};

struct snp_platform {
	struct snp_pki pki;
	struct span root; /* DER of the ARK */
	struct collateral_files files; /* vcek and cert_chain */
};

void snp_platform_init(struct snp_platform *p);
void snp_platform_fini(struct snp_platform *p);

/* A signed report; its measurement is 48 times 0x5c. */
void snp_platform_report(struct snp_platform *p, const uint8_t report_data[64],
	struct snp_report *out);
