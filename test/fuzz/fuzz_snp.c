/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A report, and behind its 1184 bytes what stands for the files of
 * certificates: the leaf, the chain and the CRL alike.
 */
#include <stdlib.h>

#include "attest/snp.c"
#include "attest/snp_certs.c"
#include "attest/snp_claims.c"
#include "attest/snp_verify.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void verify(const struct snp_report *r, const uint8_t *rest, size_t size,
	struct verdict *v)
{
	const struct span s = {rest, size};
	const struct collateral_files files = {
		.vcek = s, .vlek = s, .cert_chain = s};
	const struct collateral_files list = {.snp_crl = s};
	const struct evidence_options options = {.at = 1759276800};
	struct snp_collateral *c;
	struct err e = {0};

	if (!snp_collateral_new(&list, NULL, &c, &e))
		snp_collateral_free(c);
	if (snp_collateral_new(&files, NULL, &c, &e)) {
		if (e.code != -EINVAL && e.code != -ENOMEM)
			abort();
		return;
	}
	if (!snp_verify(r, c, &options, v) && v->failure_count == 0 &&
		!(v->chain && v->signature))
		abort();
	snp_collateral_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t head = size < SNP_REPORT_SIZE ? size : SNP_REPORT_SIZE;
	struct snp_report r;
	struct verdict v;
	struct err e = {0};

	if (snp_parse(data, head, &r, &e)) {
		if (e.code != -EINVAL || !e.text[0])
			abort();
		return 0;
	}
	if (!snp_is_report(data, head))
		abort();
	snp_show(&r, &v);
	if (!verdict_field(&v, "measurement"))
		abort();
	verify(&r, data + head, size - head, &v);
	return 0;
}
