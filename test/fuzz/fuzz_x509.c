/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as certificates, as a revocation list, and as the extension of a
 * PCK certificate.
 */
#include <stdlib.h>

#include "attest/chain.c"
#include "attest/crl.c"
#include "attest/der.c"
#include "attest/pck.c"
#include "attest/x509.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct chain_rules chain_rules = {"path", "root", "date"};
static const struct crl_rules crl_rules = {
	"missing", "issuer", "signature", "crl-date", "revoked"};

static void use_certs(const uint8_t *data, size_t size, struct crl *crl)
{
	struct x509_list list = {0};
	const struct x509_list *const lists[] = {&list};
	struct roots roots;
	struct chain chain;
	struct verdict v;
	struct pck pck;
	struct err e = {0};

	if (x509_list_parse(&list, NULL, data, size, &e)) {
		if (e.code == 0 || !e.text[0] || list.count)
			abort();
		return;
	}
	roots_intel(&roots);
	for (size_t i = 0; i < list.count; i++) {
		struct x509_cert *cert = list.certs[i];

		verdict_init(&v, EVIDENCE_SGX_V3);
		if (!chain_build(
			    &chain, cert, lists, 1, &roots, &chain_rules, &v) &&
			v.failure_count == 0)
			abort();
		chain_dates(&chain, 0, &chain_rules, &v);
		crl_check(crl, cert, list.certs[0], 0, &crl_rules, &v);
		(void)!pck_of_cert(cert, &pck, NULL);
	}
	x509_list_fini(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct crl *crl = NULL;
	struct pck pck;
	struct err e = {0};

	if (!crl_new(data, size, &crl, NULL))
		(void)crl_count(crl);
	use_certs(data, size, crl);
	crl_free(crl);
	if (pck_parse(data, size, &pck, &e) && !e.text[0])
		abort();
	return 0;
}
