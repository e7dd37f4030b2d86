/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of collateral are called, wherever there are any. */
#include "attest/evidence.h"

#define SPAN(field) offsetof(struct collateral_files, field)

static const size_t offsets[] = {SPAN(tcb_info), SPAN(tcb_info_chain),
	SPAN(qe_identity), SPAN(qe_identity_chain), SPAN(root_ca_crl),
	SPAN(pck_crl), SPAN(pck_cert), SPAN(pck_issuer_chain), SPAN(vcek),
	SPAN(vlek), SPAN(cert_chain), SPAN(snp_crl)};

const char *const collateral_names[] = {"tcb_info.json", "tcb_info_chain.pem",
	"qe_identity.json", "qe_identity_chain.pem", "root_ca_crl.der",
	"pck_crl.der", "pck_cert.pem", "pck_issuer_chain.pem", "vcek.der",
	"vlek.der", "cert_chain.pem", "crl.der", NULL};
_Static_assert(ARRAY_SIZE(collateral_names) == ARRAY_SIZE(offsets) + 1,
	"a name for each file");

struct span *collateral_file(struct collateral_files *files, size_t i)
{
	return (struct span *)(void *)((char *)files + offsets[i]);
}
