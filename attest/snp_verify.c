/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One report against AMD's certificates. Rules, as verdicts name them:
 *
 * snp-signing-key	the report is signed by a VCEK or VLEK
 * snp-certificate	that certificate is there and is one
 * snp-chain, snp-root	it leads through ASK or ASVK to a root believed
 * snp-date		all of them are valid
 * snp-name		they are of one product and of the kind that signs
 * snp-crl, snp-crl-signature, snp-crl-date, snp-revoked
 * snp-signature-algorithm, snp-signature
 * snp-policy		what firmware never lets a guest have
 * snp-product, snp-tcb, snp-chip-id	report and leaf are of one platform
 */
#include "attest/snp_int.h"

#include <errno.h>

#include "attest/chain.h"
#include "lib/fmt.h"
#include "lib/string.h"

enum { ALGO_ECDSA_P384_SHA384 = 1, NUMBER_SIZE = 48 };

struct check {
	const struct snp_report *report;
	const struct snp_collateral *c;
	const struct evidence_options *options;
	const struct snp_leaf *leaf;
	bool vlek;
	struct verdict *v;
};

/* The product is part of the names of ASK, ASVK and ARK: a leaf of one kind
 * must not stand under the intermediate of the other. */
static void check_name(
	struct check *k, const struct x509_cert *cert, const char *prefix)
{
	char wanted[VERDICT_TEXT];

	fmt_print(wanted, sizeof(wanted), "%s%s", prefix,
		snp_product_name(k->leaf->claims.product));
	if (strcmp(x509_cert_subject(cert), wanted))
		verdict_fail(k->v, "snp-name", x509_cert_subject(cert), wanted);
}

static void check_leaf(struct check *k)
{
	const struct snp_claims *claims = &k->leaf->claims;
	const char *name = x509_cert_subject(k->leaf->cert);
	const char *wanted = k->vlek ? "SEV-VLEK" : "SEV-VCEK";

	if (strcmp(name, wanted))
		verdict_fail(k->v, "snp-name", name, wanted);
	if (claims->wrong)
		verdict_fail(k->v, "snp-certificate", claims->wrong,
			"the extensions that AMD defines");
	else if (k->vlek != claims->csp || k->vlek != !claims->hwid_size)
		verdict_fail(k->v, "snp-certificate",
			claims->csp && claims->hwid_size ? "hwID and cspID"
				: claims->csp            ? "cspID"
				: claims->hwid_size      ? "hwID"
						    : "neither hwID nor cspID",
			k->vlek ? "cspID, in a VLEK" : "hwID, in a VCEK");
}

static void check_crl(struct check *k, const struct chain *chain)
{
	static const struct crl_rules rules = {
		.missing = "snp-crl",
		.issuer = "snp-crl",
		.signature = "snp-crl-signature",
		.date = "snp-crl-date",
		.revoked = "snp-revoked",
	};

	if (!k->c->crl || k->options->no_crl)
		return;
	/* What is wrong stands in the verdict. */
	(void)crl_check(k->c->crl, chain->certs[2], chain->certs[1],
		k->options->at, &rules, k->v);
}

static void check_chain(struct check *k)
{
	static const struct chain_rules rules = {
		.path = "snp-chain", .root = "snp-root", .date = "snp-date"};
	const struct x509_list *const lists[] = {&k->c->chain};
	size_t failures = k->v->failure_count;
	struct chain chain;
	bool built;

	check_leaf(k);
	built = chain_build(
		&chain, k->leaf->cert, lists, 1, &k->c->roots, &rules, k->v);
	if (built && chain.count != 3) {
		verdict_fail(k->v, "snp-chain", "another number",
			"three certificates: leaf, ASK or ASVK, ARK");
		built = false;
	}
	chain_dates(&chain, k->options->at, &rules, k->v);
	if (built) {
		check_name(k, chain.certs[1], k->vlek ? "SEV-VLEK-" : "SEV-");
		check_name(k, chain.certs[2], "ARK-");
		check_crl(k, &chain);
	}
	k->v->chain = k->v->failure_count == failures;
}

/* Reports have numbers with the least significant byte first. */
static void swap_number(uint8_t *to, const uint8_t *from)
{
	for (size_t i = 0; i < NUMBER_SIZE; i++)
		to[i] = from[NUMBER_SIZE - 1 - i];
}

static must_check int check_signature(struct check *k)
{
	const struct ecdsa_key *key = x509_cert_key(k->leaf->cert);
	const struct snp_report *r = k->report;
	uint8_t signature[2 * NUMBER_SIZE];
	char seen[VERDICT_TEXT];
	int rc;

	if (r->signature_algo != ALGO_ECDSA_P384_SHA384) {
		fmt_print(seen, sizeof(seen), "%u", r->signature_algo);
		verdict_fail(k->v, "snp-signature-algorithm", seen,
			"1 (ECDSA P-384 with SHA-384)");
		return 0;
	}
	if (!key || ecdsa_key_curve(key) != ECDSA_P384) {
		verdict_fail(k->v, "snp-certificate", "another key",
			"a key on P-384");
		return 0;
	}
	swap_number(signature, r->signature_r);
	swap_number(signature + NUMBER_SIZE, r->signature_s);
	rc = ecdsa_verify(key, r, SNP_SIGNED_SIZE, signature);
	if (rc == -ENOMEM)
		return rc;
	k->v->signature = rc == 0;
	if (rc)
		verdict_fail(k->v, "snp-signature", "signature is wrong",
			k->vlek ? "one by the key of the VLEK"
				: "one by the key of the VCEK");
	return 0;
}

/* The leaf's product and, since version 3, the processor's own word. */
static void check_product(struct check *k)
{
	const struct snp_claims *claims = &k->leaf->claims;
	enum snp_product cpu = snp_report_product(k->report);
	char seen[VERDICT_TEXT];

	if (claims->product == SNP_UNKNOWN)
		verdict_fail(k->v, "snp-product", claims->product_name,
			"Milan, Genoa or Turin");
	if (k->report->version < SNP_VERSION_CPUID || cpu == claims->product)
		return;
	fmt_print(seen, sizeof(seen), "CPUID family 0x%x, model 0x%x",
		k->report->cpuid_family, k->report->cpuid_model);
	verdict_fail(k->v, "snp-product", seen, claims->product_name);
}

/* Which patch level stands in which byte of a TCB. */
static const enum snp_spl tcb_order[SNP_TCB_SIZE] = {SNP_SPL_BL, SNP_SPL_TEE,
	SNP_SPL_4, SNP_SPL_5, SNP_SPL_6, SNP_SPL_7, SNP_SPL_SNP, SNP_SPL_UCODE};
static const enum snp_spl tcb_order_turin[SNP_TCB_SIZE] = {SNP_SPL_FMC,
	SNP_SPL_BL, SNP_SPL_TEE, SNP_SPL_SNP, SNP_SPL_5, SNP_SPL_6, SNP_SPL_7,
	SNP_SPL_UCODE};

static void check_tcb(struct check *k)
{
	const struct snp_claims *claims = &k->leaf->claims;
	const enum snp_spl *order =
		claims->product == SNP_TURIN ? tcb_order_turin : tcb_order;
	uint8_t tcb[SNP_TCB_SIZE];

	for (size_t i = 0; i < SNP_TCB_SIZE; i++)
		tcb[i] = claims->spl[order[i]];
	if (memcmp(tcb, k->report->reported_tcb, sizeof(tcb))) {
		verdict_fail_hex(k->v, "snp-tcb", k->report->reported_tcb, tcb,
			sizeof(tcb));
		return;
	}
	k->v->platform_status = TCB_UP_TO_DATE;
	k->v->tcb_status = TCB_UP_TO_DATE;
}

/* A chip's number may be masked in the report; a VLEK is of no one chip. */
static void check_chip(struct check *k)
{
	static const uint8_t masked[SNP_CHIP_ID_SIZE];
	const struct snp_claims *claims = &k->leaf->claims;
	const uint8_t *chip = k->report->chip_id;
	size_t size = claims->hwid_size;

	if (k->vlek || !memcmp(chip, masked, sizeof(masked)))
		return;
	if (size == SNP_TURIN_HWID_SIZE && claims->product != SNP_TURIN)
		verdict_fail(k->v, "snp-chip-id", "hwID of 8 bytes",
			"64 bytes, for this product");
	else if (memcmp(chip, claims->hwid, size))
		verdict_fail_hex(k->v, "snp-chip-id", chip, claims->hwid, size);
}

/* Finds the leaf that signs; false: there is none. */
static bool choose_leaf(struct check *k)
{
	enum snp_signing_key key = snp_signing_key(k->report);
	char seen[VERDICT_TEXT];

	if (key != SNP_KEY_VCEK && key != SNP_KEY_VLEK) {
		fmt_print(seen, sizeof(seen),
			key == SNP_KEY_NONE ? "%d (not signed)" : "%d",
			(int)key);
		verdict_fail(
			k->v, "snp-signing-key", seen, "0 (VCEK) or 1 (VLEK)");
		return false;
	}
	k->vlek = key == SNP_KEY_VLEK;
	k->leaf = k->vlek ? &k->c->vlek : &k->c->vcek;
	if (k->leaf->cert)
		return true;
	verdict_fail(k->v, "snp-certificate", "absent",
		k->vlek ? "vlek.der" : "vcek.der");
	return false;
}

int snp_verify(const struct snp_report *report, struct snp_collateral *c,
	const struct evidence_options *options, struct verdict *v)
{
	struct check k = {.report = report, .c = c, .options = options, .v = v};
	int rc;

	snp_show(report, v);
	if (!(report->policy & SNP_POLICY_ONE))
		verdict_fail(v, "snp-policy", "bit 17 is 0", "1");
	if (!choose_leaf(&k))
		return 0;
	check_chain(&k);
	rc = check_signature(&k);
	if (rc || k.leaf->claims.wrong)
		return rc;
	check_product(&k);
	check_tcb(&k);
	check_chip(&k);
	return 0;
}
