/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One report against AMD's certificates. Rules, as verdicts name them:
 *
 * signing-key, vek-certificate	which leaf is wanted, and what it says
 * vek-issuer, ask-issuer	ASK or ASVK, and ARK, are there
 * vek-signature, ask-signature, ark-signature
 * ark-trust			the root's key is one of those believed
 * vek-date, ask-date, ark-date, crl-date
 * vek-name, ask-name, ark-name	names are those of this kind of leaf
 * crl-signature, ask-revoked	when there is a CRL
 * report-signature, signature-algorithm, policy-reserved
 * product, tcb, chip-id	report and leaf are of one platform
 */
#include "attest/snp_int.h"

#include <errno.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "attest/date.h"
#include "lib/fmt.h"
#include "lib/string.h"

enum { ALGO_ECDSA_P384_SHA384 = 1, NUMBER_SIZE = 48 };

struct check {
	const struct snp_report *report;
	const struct snp_collateral *c;
	const struct evidence_options *options;
	const struct snp_path *path;
	bool vlek;
	struct verdict *v;
};

static void get_name(const X509_NAME *name, char text[static VERDICT_TEXT])
{
	text[0] = '\0';
	X509_NAME_get_text_by_NID(name, NID_commonName, text, VERDICT_TEXT);
	ERR_clear_error();
}

static bool get_time(const ASN1_TIME *time, int64_t *out)
{
	struct tm tm;

	return time && ASN1_TIME_to_tm(time, &tm) == 1 && tm.tm_year >= -1900 &&
		!date_from_civil((unsigned)(tm.tm_year + 1900),
			(unsigned)tm.tm_mon + 1, (unsigned)tm.tm_mday,
			(unsigned)tm.tm_hour, (unsigned)tm.tm_min,
			(unsigned)tm.tm_sec, out);
}

/* Also narrows the time in which everything is valid. */
static bool check_dates(struct check *k, const char *rule,
	const ASN1_TIME *first, const ASN1_TIME *last)
{
	struct verdict *v = k->v;
	int64_t at = k->options->at, from, until;

	if (!get_time(first, &from) || !get_time(last, &until)) {
		verdict_fail(v, rule, "no date", "a date");
		return false;
	}
	if (from > v->valid_from)
		v->valid_from = from;
	if (until < v->valid_until)
		v->valid_until = until;
	if (at < from)
		verdict_fail_date(v, rule, at, from);
	else if (at > until)
		verdict_fail_date(v, rule, at, until);
	return at >= from && at <= until;
}

static bool check_cert_dates(struct check *k, const char *rule, X509 *cert)
{
	return check_dates(
		k, rule, X509_get0_notBefore(cert), X509_get0_notAfter(cert));
}

static bool check_that(
	struct check *k, bool ok, const char *rule, const char *wanted)
{
	if (!ok)
		verdict_fail(k->v, rule, "something else", wanted);
	return ok;
}

/* The product's name is part of those of ASK, ASVK and ARK: a leaf of one kind
 * must not stand under the intermediate of the other. */
static bool check_name(struct check *k, const char *rule, X509 *cert,
	const char *prefix, const char *rest)
{
	char seen[VERDICT_TEXT], wanted[VERDICT_TEXT];

	if (snp_name_is(X509_get_subject_name(cert), prefix, rest))
		return true;
	get_name(X509_get_subject_name(cert), seen);
	fmt_print(wanted, sizeof(wanted), "%s%s", prefix, rest);
	verdict_fail(k->v, rule, seen, wanted);
	return false;
}

static bool check_leaf(struct check *k)
{
	const struct snp_path *p = k->path;
	const char *kind = k->vlek ? "SEV-VLEK" : "SEV-VCEK";
	bool ok = check_name(k, "vek-name", p->vek, kind, "");

	if (!p->key) {
		verdict_fail(k->v, "vek-certificate", "another key",
			"a key on P-384");
		ok = false;
	}
	if (p->claims.wrong) {
		verdict_fail(k->v, "vek-certificate", p->claims.wrong,
			"the extensions that AMD defines");
		ok = false;
	} else if (k->vlek ? !p->claims.csp : !p->claims.hwid_size) {
		verdict_fail(k->v, "vek-certificate", "none",
			k->vlek ? "cspID" : "hwID");
		ok = false;
	}
	return check_cert_dates(k, "vek-date", p->vek) && ok;
}

static bool check_ask(struct check *k)
{
	const struct snp_path *p = k->path;
	char issuer[VERDICT_TEXT];
	bool ok;

	if (!p->ask) {
		get_name(X509_get_issuer_name(p->vek), issuer);
		verdict_fail(k->v, "vek-issuer", "absent from cert_chain.pem",
			issuer);
		return false;
	}
	ok = check_that(k, p->vek_signed, "vek-signature",
		"one by its issuer, RSA-4096 PSS with SHA-384");
	ok = check_name(k, "ask-name", p->ask, k->vlek ? "SEV-VLEK-" : "SEV-",
		     snp_product_name(p->claims.product)) &&
		ok;
	return check_cert_dates(k, "ask-date", p->ask) && ok;
}

static bool check_ark(struct check *k)
{
	const struct snp_path *p = k->path;
	char name[VERDICT_TEXT];
	bool ok;

	if (!p->ark) {
		get_name(X509_get_issuer_name(p->ask), name);
		verdict_fail(
			k->v, "ask-issuer", "absent from cert_chain.pem", name);
		return false;
	}
	ok = check_that(k, p->ask_signed, "ask-signature",
		"one by its issuer, RSA-4096 PSS with SHA-384");
	ok = check_that(k, p->ark_signed, "ark-signature", "one by itself") &&
		ok;
	if (!p->ark_trusted) {
		get_name(X509_get_subject_name(p->ark), name);
		verdict_fail(k->v, "ark-trust", name,
			k->c->root_count ? "one of the roots given"
					 : "AMD's root of Milan, Genoa or "
					   "Turin");
		ok = false;
	}
	ok = check_name(k, "ark-name", p->ark, "ARK-",
		     snp_product_name(p->claims.product)) &&
		ok;
	return check_cert_dates(k, "ark-date", p->ark) && ok;
}

static bool check_crl(struct check *k)
{
	const struct snp_path *p = k->path;
	X509_CRL *crl = k->c->crl;
	char name[VERDICT_TEXT];
	bool ok = true;

	if (!crl || k->options->no_crl || !p->ark)
		return true;
	if (!p->crl_signed) {
		get_name(X509_CRL_get_issuer(crl), name);
		verdict_fail(k->v, "crl-signature", name,
			"a list that the root has signed");
		return false;
	}
	if (p->ask_revoked) {
		get_name(X509_get_subject_name(p->ask), name);
		verdict_fail(k->v, "ask-revoked", name, "not revoked");
		ok = false;
	}
	return check_dates(k, "crl-date", X509_CRL_get0_lastUpdate(crl),
		       X509_CRL_get0_nextUpdate(crl)) &&
		ok;
}

static void check_chain(struct check *k)
{
	bool ok = check_leaf(k);

	ok = check_ask(k) && ok;
	if (k->path->ask)
		ok = check_ark(k) && ok;
	ok = check_crl(k) && ok;
	k->v->chain = ok;
	k->v->emulated = k->c->emulated && k->path->ark_trusted;
}

/* r or s: 48 bytes, the least significant first. */
static BIGNUM *read_number(const uint8_t *le)
{
	return BN_lebin2bn(le, NUMBER_SIZE, NULL);
}

/* 1: it holds; 0: it does not; -ENOMEM. */
static int verify_bytes(const struct snp_report *r, EVP_PKEY *key)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *a = read_number(r->signature_r);
	BIGNUM *b = read_number(r->signature_s);
	uint8_t der[2 * NUMBER_SIZE + 16], *p = der;
	int rc = -ENOMEM;
	int size;

	if (!md || !sig || !a || !b || ECDSA_SIG_set0(sig, a, b) != 1) {
		BN_free(a);
		BN_free(b);
		goto out;
	}
	size = i2d_ECDSA_SIG(sig, &p);
	if (size <= 0 ||
		EVP_DigestVerifyInit(md, NULL, EVP_sha384(), NULL, key) != 1)
		goto out;
	rc = EVP_DigestVerify(md, der, (size_t)size, (const uint8_t *)r,
		     SNP_SIGNED_SIZE) == 1;
out:
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(md);
	ERR_clear_error();
	return rc;
}

static must_check int check_signature(struct check *k)
{
	const struct snp_report *r = k->report;
	char seen[VERDICT_TEXT];
	int rc;

	if (r->signature_algo != ALGO_ECDSA_P384_SHA384) {
		fmt_print(seen, sizeof(seen), "%u", r->signature_algo);
		verdict_fail(k->v, "signature-algorithm", seen,
			"1 (ECDSA P-384 with SHA-384)");
		return 0;
	}
	if (!k->path->key)
		return 0;
	rc = verify_bytes(r, k->path->key);
	if (rc < 0)
		return rc;
	k->v->signature = rc == 1;
	if (!rc)
		verdict_fail(k->v, "report-signature", "something else",
			k->vlek ? "one by the key of the VLEK"
				: "one by the key of the VCEK");
	return 0;
}

/* The leaf's, the root's and, since version 3, the processor's own word. */
static void check_product(struct check *k)
{
	const struct snp_path *p = k->path;
	enum snp_product cpu = snp_report_product(k->report);
	char seen[VERDICT_TEXT];

	if (p->claims.product == SNP_UNKNOWN)
		verdict_fail(k->v, "product", p->claims.product_name,
			"Milan, Genoa or Turin");
	else if (p->ark_trusted && p->product != p->claims.product)
		verdict_fail(k->v, "product", p->claims.product_name,
			snp_product_name(p->product));
	if (k->report->version < 3 || cpu == p->claims.product)
		return;
	fmt_print(seen, sizeof(seen), "CPUID family 0x%x, model 0x%x",
		k->report->cpuid_family, k->report->cpuid_model);
	verdict_fail(k->v, "product", seen, p->claims.product_name);
}

/* Which patch level stands in which byte of a TCB. */
static const enum snp_spl tcb_order[SNP_TCB_SIZE] = {SNP_SPL_BL, SNP_SPL_TEE,
	SNP_SPL_4, SNP_SPL_5, SNP_SPL_6, SNP_SPL_7, SNP_SPL_SNP, SNP_SPL_UCODE};
static const enum snp_spl tcb_order_turin[SNP_TCB_SIZE] = {SNP_SPL_FMC,
	SNP_SPL_BL, SNP_SPL_TEE, SNP_SPL_SNP, SNP_SPL_5, SNP_SPL_6, SNP_SPL_7,
	SNP_SPL_UCODE};

static void check_tcb(struct check *k)
{
	const struct snp_claims *claims = &k->path->claims;
	const enum snp_spl *order =
		claims->product == SNP_TURIN ? tcb_order_turin : tcb_order;
	uint8_t tcb[SNP_TCB_SIZE];

	for (size_t i = 0; i < SNP_TCB_SIZE; i++)
		tcb[i] = claims->spl[order[i]];
	if (memcmp(tcb, k->report->reported_tcb, sizeof(tcb))) {
		verdict_fail_hex(
			k->v, "tcb", k->report->reported_tcb, tcb, sizeof(tcb));
		return;
	}
	k->v->platform_status = TCB_UP_TO_DATE;
	k->v->tcb_status = TCB_UP_TO_DATE;
}

/* A chip's number may be masked in the report; a VLEK is of no one chip. */
static void check_chip(struct check *k)
{
	static const uint8_t masked[SNP_CHIP_ID_SIZE];
	const struct snp_claims *claims = &k->path->claims;
	const uint8_t *chip = k->report->chip_id;
	size_t size = claims->hwid_size;

	if (k->vlek || !memcmp(chip, masked, sizeof(masked)))
		return;
	if (size == SNP_TURIN_HWID_SIZE && claims->product != SNP_TURIN) {
		verdict_fail(k->v, "chip-id", "hwID of 8 bytes",
			"64 bytes, for this product");
		return;
	}
	if (memcmp(chip, claims->hwid, size))
		verdict_fail_hex(k->v, "chip-id", chip, claims->hwid, size);
}

/* Finds the leaf that signs; false: there is none. */
static bool choose_path(struct check *k)
{
	enum snp_signing_key key = snp_signing_key(k->report);
	char seen[VERDICT_TEXT];

	if (key != SNP_KEY_VCEK && key != SNP_KEY_VLEK) {
		fmt_print(seen, sizeof(seen),
			key == SNP_KEY_NONE ? "%d (not signed)" : "%d",
			(int)key);
		verdict_fail(k->v, "signing-key", seen, "0 (VCEK) or 1 (VLEK)");
		return false;
	}
	k->vlek = key == SNP_KEY_VLEK;
	k->path = k->vlek ? &k->c->vlek : &k->c->vcek;
	if (k->path->vek)
		return true;
	verdict_fail(k->v, "vek-certificate", "absent",
		k->vlek ? "vlek.der" : "vcek.der");
	return false;
}

int snp_verify(const struct snp_report *report, const struct snp_collateral *c,
	const struct evidence_options *options, struct verdict *v)
{
	struct check k = {.report = report, .c = c, .options = options, .v = v};
	int rc;

	snp_show(report, v);
	if (!(report->policy & SNP_POLICY_ONE))
		verdict_fail(v, "policy-reserved", "bit 17 is 0", "1");
	if (!choose_path(&k))
		return 0;
	v->valid_from = INT64_MIN;
	v->valid_until = INT64_MAX;
	check_chain(&k);
	rc = check_signature(&k);
	if (rc)
		return rc;
	if (k.path->claims.wrong)
		return 0;
	check_product(&k);
	check_tcb(&k);
	check_chip(&k);
	return 0;
}
