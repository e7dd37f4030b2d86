/* SPDX-License-Identifier: Apache-2.0 */
/* The documents that Intel signs: certificates, signature, dates. */
#include "attest/dcap.h"

#include <errno.h>

#include "attest/chain.h"
#include "lib/fmt.h"
#include "lib/string.h"

struct rules {
	const char *missing, *content, *name, *signature, *date;
	struct chain_rules chain;
	struct crl_rules crl;
};

static const struct rules tcb_rules = {
	.missing = "tcb-info-missing",
	.content = "tcb-info-content",
	.name = "tcb-info-name",
	.signature = "tcb-info-signature",
	.date = "tcb-info-date",
	.chain = {.path = "tcb-info-chain",
		.root = "tcb-info-root",
		.date = "tcb-info-chain-date"},
	.crl = {.missing = "root-crl-missing",
		.issuer = "root-crl-issuer",
		.signature = "root-crl-signature",
		.date = "root-crl-date",
		.revoked = "tcb-info-revoked"},
};
static const struct rules qe_rules = {
	.missing = "qe-identity-missing",
	.content = "qe-identity-content",
	.name = "qe-identity-name",
	.signature = "qe-identity-signature",
	.date = "qe-identity-date",
	.chain = {.path = "qe-identity-chain",
		.root = "qe-identity-root",
		.date = "qe-identity-chain-date"},
	.crl = {.missing = "root-crl-missing",
		.issuer = "root-crl-issuer",
		.signature = "root-crl-signature",
		.date = "root-crl-date",
		.revoked = "qe-identity-revoked"},
};

static bool check_names(
	struct dcap *d, const struct rules *rules, const struct chain *chain)
{
	char seen[VERDICT_TEXT];

	if (chain->count != 2) {
		fmt_print(seen, sizeof(seen), "%zu certificates", chain->count);
		verdict_fail(d->v, rules->chain.path, seen,
			"TCB signing certificate and root");
		return false;
	}
	if (x509_cert_named(chain->certs[1], "Root CA"))
		return true;
	verdict_fail(d->v, rules->name, x509_cert_subject(chain->certs[1]),
		"a name that ends with \"Root CA\"");
	return false;
}

static bool check_signature(struct dcap *d, struct collateral_json *j,
	const struct rules *rules, const struct x509_cert *signer)
{
	const uint8_t *by = x509_cert_spki_hash(signer);

	if (!j->verified || memcmp(j->verified_by, by, 32) != 0) {
		int rc = signed_json_verify(&j->json, x509_cert_key(signer));

		if (rc == -ENOMEM) {
			d->no_memory = true;
			return false;
		}
		j->verified = true;
		j->verify_rc = rc;
		memcpy(j->verified_by, by, 32);
	}
	if (j->verify_rc)
		verdict_fail(d->v, rules->signature, "signature is wrong",
			x509_cert_subject(signer));
	return j->verify_rc == 0;
}

/* Everything but the dates of the document, which the content has. */
static bool check_document(
	struct dcap *d, struct collateral_json *j, const struct rules *rules)
{
	struct collateral *c = d->c;
	const struct x509_list *const lists[] = {
		&j->chain, &c->root_certs, &c->known};
	struct x509_cert *signer;
	struct chain chain;
	bool ok;

	if (!j->text || j->chain.count == 0) {
		verdict_fail(d->v, rules->missing,
			j->text ? "no certificates of its signer" : "none",
			"a document and the certificates of its signer");
		return false;
	}
	signer = x509_list_find(&j->chain, "TCB Signing");
	if (!signer) {
		verdict_fail(d->v, rules->name,
			x509_cert_subject(j->chain.certs[0]),
			"a name that ends with \"TCB Signing\"");
		return false;
	}
	ok = chain_build(&chain, signer, lists, ARRAY_SIZE(lists), &c->roots,
		&rules->chain, d->v);
	ok = ok && check_names(d, rules, &chain);
	chain_dates(&chain, d->options->at, &rules->chain, d->v);
	if (ok && !d->options->no_crl)
		ok = crl_check(c->root_crl, chain.certs[1], signer,
			d->options->at, &rules->crl, d->v);
	ok = check_signature(d, j, rules, signer) && ok;
	if (j->problem[0] != '\0') {
		verdict_fail(d->v, rules->content, j->problem,
			"a document of Intel's format");
		ok = false;
	}
	return ok;
}

bool dcap_tcb_info(struct dcap *d)
{
	const struct tcb_info *info = d->c->tcb_info;
	bool ok = check_document(d, &d->c->tcb_json, &tcb_rules);

	if (info)
		verdict_window(d->v, tcb_rules.date, info->issue_date,
			info->next_update, d->options->at);
	return ok && info;
}

bool dcap_qe_identity(struct dcap *d)
{
	const struct qe_identity *identity = d->c->qe_identity;
	bool ok = check_document(d, &d->c->qe_json, &qe_rules);

	if (identity)
		verdict_window(d->v, qe_rules.date, identity->issue_date,
			identity->next_update, d->options->at);
	return ok && identity;
}
