/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/dcap.h"

#include <errno.h>

#include "abi/sgx.h"
#include "crypto/sha256.h"
#include "lib/fmt.h"
#include "lib/string.h"

enum { SEAM_ATTRIBUTES_SIZE = 8, SEAM_SIGNER_SIZE = 48 };

static const uint8_t *report_data(const uint8_t *report)
{
	return report + offsetof(struct sgx_report_body, reportdata);
}

/* The PCK signed the report of the quoting enclave. */
static bool check_qe_signature(
	struct dcap *d, struct pck_chain *p, const struct x509_cert *leaf)
{
	const struct quote *q = d->quote;
	const struct ecdsa_key *key = leaf ? x509_cert_key(leaf) : NULL;
	int rc;

	/* The signature is behind the report. */
	if (p && p->has_qe && !memcmp(p->qe, q->qe_report, sizeof(p->qe)))
		return true;
	if (!key || ecdsa_key_curve(key) != ECDSA_P256) {
		verdict_fail(d->v, "qe-report-signature",
			leaf ? "the PCK is no key of P-256"
			     : "no PCK to verify it with",
			"signed by the PCK");
		return false;
	}
	rc = ecdsa_verify(
		key, q->qe_report, QUOTE_QE_REPORT_SIZE, q->qe_signature);
	if (rc == -ENOMEM) {
		d->no_memory = true;
		return false;
	}
	if (rc) {
		verdict_fail(d->v, "qe-report-signature", "signature is wrong",
			"signed by the PCK");
		return false;
	}
	if (p) {
		memcpy(p->qe, q->qe_report, sizeof(p->qe));
		p->has_qe = true;
	}
	return true;
}

/* That report names the attestation key. */
static bool check_binding(struct dcap *d)
{
	const struct quote *q = d->quote;
	uint8_t wanted[64] = {0};
	struct sha256 hash;

	sha256_init(&hash);
	sha256_update(&hash, q->attestation_key, 64);
	sha256_update(&hash, q->auth, q->auth_size);
	sha256_final(&hash, wanted);
	if (!memcmp(report_data(q->qe_report), wanted, sizeof(wanted)))
		return true;
	verdict_fail_hex(d->v, "qe-report-data", report_data(q->qe_report),
		wanted, sizeof(wanted));
	return false;
}

/* The attestation key signed the quote. */
static bool check_quote_signature(struct dcap *d)
{
	const struct quote *q = d->quote;
	struct ecdsa_key *key;
	int rc = ecdsa_key_new(ECDSA_P256, q->attestation_key, &key);

	if (rc == -EINVAL) {
		verdict_fail(d->v, "quote-signature",
			"the attestation key is no point of P-256",
			"signed by the attestation key");
		return false;
	}
	if (!rc) {
		rc = ecdsa_verify(key, q->data, q->signed_size, q->signature);
		ecdsa_key_free(key);
	}
	if (rc == -ENOMEM)
		d->no_memory = true;
	else if (rc)
		verdict_fail(d->v, "quote-signature", "signature is wrong",
			"signed by the attestation key");
	return rc == 0;
}

static void check_signatures(
	struct dcap *d, struct pck_chain *p, const struct x509_cert *leaf)
{
	bool qe = check_qe_signature(d, p, leaf);
	bool binding = check_binding(d);
	bool quote = check_quote_signature(d);

	d->v->signature = qe && binding && quote;
}

/* The TCB information is that of this kind of platform. */
static bool check_platform(struct dcap *d, const struct pck *pck)
{
	const struct tcb_info *info = d->c->tcb_info;
	bool ok = true;

	if ((info->tee == TCB_TDX) != d->quote->tdx) {
		verdict_fail(d->v, "tcb-info-tee",
			info->tee == TCB_TDX ? "TDX" : "SGX",
			d->quote->tdx ? "TDX" : "SGX");
		ok = false;
	}
	if (memcmp(info->fmspc, pck->fmspc, sizeof(pck->fmspc))) {
		verdict_fail_hex(d->v, "tcb-info-fmspc", info->fmspc,
			pck->fmspc, sizeof(pck->fmspc));
		ok = false;
	}
	if (memcmp(info->pce_id, pck->pceid, sizeof(pck->pceid))) {
		verdict_fail_hex(d->v, "tcb-info-pceid", info->pce_id,
			pck->pceid, sizeof(pck->pceid));
		ok = false;
	}
	return ok;
}

static void fail_module(struct dcap *d, unsigned version)
{
	char seen[16];

	fmt_print(seen, sizeof(seen), "TDX_%02X", version);
	verdict_fail(d->v, "tdx-module", seen,
		"a module that the TCB information has");
}

/* Version xx of the TDX module, in TEE_TCB_SVN[1]; levels are of SVN[0]. */
static bool check_module(struct dcap *d)
{
	static const uint8_t zeroes[SEAM_ATTRIBUTES_SIZE];
	const uint8_t *td = d->quote->body;
	const uint8_t *attributes = td + TD_SEAM_ATTRIBUTES;
	const struct tcb_module *m = tcb_module_find(
		d->c->tcb_info, td[TD_TEE_TCB_SVN + 1]);
	bool ok = true;

	if (!m) {
		fail_module(d, td[TD_TEE_TCB_SVN + 1]);
		return false;
	}
	if (memcmp(td + TD_MRSIGNERSEAM, m->mrsigner, SEAM_SIGNER_SIZE)) {
		verdict_fail_hex(d->v, "tdx-module-signer",
			td + TD_MRSIGNERSEAM, m->mrsigner, SEAM_SIGNER_SIZE);
		ok = false;
	}
	for (size_t i = 0; i < SEAM_ATTRIBUTES_SIZE; i++)
		if ((attributes[i] & m->attributes_mask[i]) !=
			m->attributes[i]) {
			verdict_fail_hex(d->v, "tdx-module-attributes",
				attributes, m->attributes,
				SEAM_ATTRIBUTES_SIZE);
			return false;
		}
	if (memcmp(attributes, zeroes, sizeof(zeroes))) {
		verdict_fail_hex(d->v, "tdx-module-attributes", attributes,
			zeroes, sizeof(zeroes));
		ok = false;
	}
	return ok;
}

static void rate(struct dcap *d, const struct pck *pck, bool qe_known,
	const struct isv_level *qe)
{
	struct tcb_platform platform = {.pcesvn = pck->pcesvn};
	struct verdict *v = d->v;
	struct tcb_result result;

	memcpy(platform.sgx, pck->components, sizeof(platform.sgx));
	if (d->quote->tdx) {
		memcpy(platform.tee_tcb_svn, d->quote->body + TD_TEE_TCB_SVN,
			sizeof(platform.tee_tcb_svn));
		platform.has_svn2 = d->quote->body_size == QUOTE_TD15_SIZE;
		if (platform.has_svn2)
			memcpy(platform.tee_tcb_svn2,
				d->quote->body + TD_TEE_TCB_SVN2,
				sizeof(platform.tee_tcb_svn2));
	}
	tcb_evaluate(d->c->tcb_info, &platform, v->qe_status, &result);
	v->platform_status = result.platform_status;
	v->module_status = result.module_status;
	v->tcb_evaluation = d->c->tcb_info->evaluation;
	/* An old document must not hide behind a new one. */
	if (qe_known && d->c->qe_identity->evaluation < v->tcb_evaluation)
		v->tcb_evaluation = d->c->qe_identity->evaluation;
	if (result.module_unknown) /* of TEE_TCB_SVN2 */
		fail_module(d, result.module_version);
	/* Without the quoting enclave this would sound better than it is. */
	if (qe_known)
		v->tcb_status = result.status;
	if (result.level) {
		v->tcb_date = result.level->rating.date;
		tcb_advisories_add(&result.level->rating.advisories, v);
	}
	if (result.module_level)
		tcb_advisories_add(&result.module_level->rating.advisories, v);
	if (qe)
		tcb_advisories_add(&qe->rating.advisories, v);
}

/* The identity of the quoting enclave, if it is authentic. */
static bool check_qe(struct dcap *d, const struct isv_level **level)
{
	const struct qe_identity *identity = d->c->qe_identity;
	enum qe_identity_id wanted = d->quote->tdx ? QE_IDENTITY_TD_QE
						   : QE_IDENTITY_QE;

	*level = NULL;
	if (!dcap_qe_identity(d))
		return false;
	if (identity->id != wanted) {
		verdict_fail(d->v, "qe-identity-id",
			qe_identity_name(identity->id),
			qe_identity_name(wanted));
		return false;
	}
	if (!qe_identity_check(identity, d->quote->qe_report, d->v))
		return false;
	*level = qe_identity_level(identity, d->quote->qe_report);
	d->v->qe_status = isv_level_status(*level);
	return true;
}

static void show_pck(struct verdict *v, const struct pck *pck)
{
	verdict_add_bytes(v, "fmspc", pck->fmspc, sizeof(pck->fmspc));
	verdict_add_bytes(v, "pceid", pck->pceid, sizeof(pck->pceid));
	verdict_add_bytes(v, "ppid", pck->ppid, sizeof(pck->ppid));
	verdict_add_number(v, "sgx_type", pck->sgx_type);
	if (pck->has_instance)
		verdict_add_bytes(v, "platform_instance_id", pck->instance_id,
			sizeof(pck->instance_id));
	if (pck->has_configuration) {
		verdict_add_number(
			v, "dynamic_platform", pck->dynamic_platform);
		verdict_add_number(v, "cached_keys", pck->cached_keys);
		verdict_add_number(v, "smt_enabled", pck->smt);
	}
}

int dcap_verify(const struct quote *quote, struct collateral *c,
	const struct evidence_options *options, struct verdict *v)
{
	struct dcap d = {.quote = quote, .c = c, .options = options, .v = v};
	const struct isv_level *qe_level;
	struct x509_cert *leaf;
	struct pck_chain *p;
	bool tcb, qe;

	quote_show(quote, v);
	p = dcap_pck(&d, &leaf);
	check_signatures(&d, p, leaf);
	tcb = dcap_tcb_info(&d);
	qe = check_qe(&d, &qe_level);
	if (p)
		show_pck(v, &p->pck);
	/* Ratings of another platform, or by nobody in particular, are none. */
	if (p && tcb && check_platform(&d, &p->pck) &&
		(!quote->tdx || check_module(&d)))
		rate(&d, &p->pck, qe, qe_level);
	x509_cert_unref(leaf);
	return d.no_memory ? -ENOMEM : 0;
}
