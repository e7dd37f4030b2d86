/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/evidence.h"

#include <errno.h>

#include "attest/dcap.h"
#include "attest/snp.h"

int evidence_verify(const void *evidence, size_t size, struct collateral *c,
	const struct evidence_options *options, struct verdict *v,
	struct err *e)
{
	struct snp_report report;
	struct quote quote;
	int rc;

	if (snp_is_report(evidence, size)) {
		rc = snp_parse(evidence, size, &report, e);
		if (!rc)
			rc = snp_verify(&report, c->snp, options, v);
	} else {
		rc = quote_parse(evidence, size, &quote, e);
		if (!rc)
			rc = dcap_verify(&quote, c, options, v);
	}
	return rc == -ENOMEM ? err_setf(e, rc, "out of memory") : rc;
}

int evidence_show(
	const void *evidence, size_t size, struct verdict *v, struct err *e)
{
	struct snp_report report;
	struct quote quote;
	int rc;

	if (snp_is_report(evidence, size)) {
		rc = snp_parse(evidence, size, &report, e);
		if (!rc)
			snp_show(&report, v);
	} else {
		rc = quote_parse(evidence, size, &quote, e);
		if (!rc)
			quote_show(&quote, v);
	}
	return rc;
}
