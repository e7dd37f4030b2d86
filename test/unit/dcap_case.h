/* SPDX-License-Identifier: Apache-2.0 */
/* A quote with its collateral, as files of one folder of the vectors. */
#pragma once

#include "attest/evidence.h"

struct dcap_case {
	struct span quote;
	struct collateral_files files;
	struct span
		root; /* to be trusted instead of Intel's; data NULL: none */
};

/* quote may be NULL: quote.bin of the folder. Missing files are absent. */
void dcap_case_read(struct dcap_case *c, const char *folder, const char *quote);
void dcap_case_free(struct dcap_case *c);
/* Its collateral, with the root it needs. Freed by collateral_free. */
struct collateral *dcap_case_collateral(const struct dcap_case *c);

/* Verifies the quote: 0 or -EINVAL. */
int dcap_case_verify(const struct dcap_case *c, struct collateral *collateral,
	int64_t at, bool no_crl, struct verdict *v);

bool verdict_has(const struct verdict *v, const char *rule);
/* Fails the test, showing all failures, unless there are none. */
void assert_no_failures(const struct verdict *v);
/* ... unless this is one of them. */
void assert_failure(const struct verdict *v, const char *rule);
