/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/snp_platform.h"

#include <string.h>

#include <openssl/x509.h>

void snp_platform_init(struct snp_platform *p)
{
	X509 *certs[2], *vek;

	snp_pki_init(&p->pki);
	certs[0] = snp_pki_ca(&(struct snp_pki_ca){.subject = "ARK-Genoa",
		.issuer = "ARK-Genoa",
		.key = p->pki.ark_key,
		.signer = p->pki.ark_key,
		.from = SNP_PLATFORM_FROM,
		.until = SNP_PLATFORM_UNTIL});
	certs[1] = snp_pki_ca(&(struct snp_pki_ca){.subject = "SEV-Genoa",
		.issuer = "ARK-Genoa",
		.key = p->pki.ask_key,
		.signer = p->pki.ark_key,
		.from = SNP_PLATFORM_FROM,
		.until = SNP_PLATFORM_UNTIL});
	vek = snp_pki_vek(&(struct snp_pki_vek){.issuer = "SEV-Genoa",
		.key = p->pki.vek_key,
		.signer = p->pki.ask_key,
		.product = "Genoa",
		.spl = {[9] = -1},
		.hwid_size = 64,
		.from = SNP_PLATFORM_FROM,
		.until = SNP_PLATFORM_UNTIL});
	p->root = snp_pki_der(certs[0]);
	p->files = (struct collateral_files){
		.vcek = snp_pki_der(vek), .cert_chain = snp_pki_pem(certs, 2)};
	X509_free(vek);
	X509_free(certs[1]);
	X509_free(certs[0]);
}

void snp_platform_fini(struct snp_platform *p)
{
	snp_pki_free(p->root);
	snp_pki_free(p->files.vcek);
	snp_pki_free(p->files.cert_chain);
	snp_pki_fini(&p->pki);
}

void snp_platform_report(struct snp_platform *p, const uint8_t report_data[64],
	struct snp_report *out)
{
	memset(out, 0, sizeof(*out));
	out->version = 3;
	out->policy = SNP_POLICY_ONE;
	out->signature_algo = 1;
	out->cpuid_family = 0x19;
	out->cpuid_model = 0x11;
	memset(out->measurement, 0x5c, sizeof(out->measurement));
	memcpy(out->report_data, report_data, sizeof(out->report_data));
	snp_pki_sign(out, p->pki.vek_key);
}
