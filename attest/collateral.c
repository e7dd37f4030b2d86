/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/collateral.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/fmt.h"
#include "lib/string.h"

static int check_size(const struct span *file, struct err *e)
{
	if (file->size > COLLATERAL_FILE_MAX)
		return err_setf(e, -EINVAL, "%zu bytes; wanted at most %d",
			file->size, COLLATERAL_FILE_MAX);
	return 0;
}

static int load_certs(struct collateral *c, struct x509_list *list,
	const struct span *file, const char *name, struct err *e)
{
	size_t before = list->count;
	int rc;

	if (!file->data)
		return 0;
	rc = x509_list_parse(list, &c->known, file->data, file->size, e);
	if (rc) {
		err_prefix(e, "%s", name);
		return rc;
	}
	for (size_t i = before; i < list->count; i++)
		x509_list_add(&c->known, list->certs[i]);
	return 0;
}

static int load_crl(struct crl **crl, const struct span *file, const char *name,
	struct err *e)
{
	int rc = 0;

	if (file->data)
		rc = crl_new(file->data, file->size, crl, e);
	if (rc)
		err_prefix(e, "%s", name);
	return rc;
}

static int load_json(struct collateral_json *j, const struct span *file,
	const char *member, const char *name, struct err *e)
{
	int rc;

	if (!file->data)
		return 0;
	rc = check_size(file, e);
	if (rc)
		goto fail;
	j->text = malloc(file->size + 1);
	if (!j->text)
		return err_setf(e, -ENOMEM, "out of memory");
	memcpy(j->text, file->data, file->size);
	rc = signed_json_parse(member, j->text, file->size, &j->json, e);
	if (!rc)
		return 0;
	free(j->text);
	j->text = NULL;
fail:
	err_prefix(e, "%s", name);
	return rc;
}

/* JSON that does not say what it should is told when it is needed. */
static int note_problem(struct collateral_json *j, int rc, const struct err *e)
{
	if (rc != -EINVAL)
		return rc;
	fmt_print(j->problem, sizeof(j->problem), "%s", e->text);
	return 0;
}

static int load_documents(struct collateral *c,
	const struct collateral_files *files, struct err *e)
{
	struct err problem = {0};
	int rc = load_json(
		&c->tcb_json, &files->tcb_info, "tcbInfo", "tcb_info.json", e);

	if (!rc)
		rc = load_json(&c->qe_json, &files->qe_identity,
			"enclaveIdentity", "qe_identity.json", e);
	if (!rc && c->tcb_json.text)
		rc = note_problem(&c->tcb_json,
			tcb_info_parse(
				&c->tcb_json.json, &c->tcb_info, &problem),
			&problem);
	if (!rc && c->qe_json.text)
		rc = note_problem(&c->qe_json,
			qe_identity_parse(
				&c->qe_json.json, &c->qe_identity, &problem),
			&problem);
	return rc;
}

static int load_intel(struct collateral *c,
	const struct collateral_files *files, struct err *e)
{
	int rc = load_certs(c, &c->tcb_json.chain, &files->tcb_info_chain,
		"tcb_info_chain.pem", e);

	if (!rc)
		rc = load_certs(c, &c->qe_json.chain, &files->qe_identity_chain,
			"qe_identity_chain.pem", e);
	if (!rc)
		rc = load_certs(
			c, &c->pck_certs, &files->pck_cert, "pck_cert.pem", e);
	if (!rc)
		rc = load_certs(c, &c->pck_certs, &files->pck_issuer_chain,
			"pck_issuer_chain.pem", e);
	if (!rc)
		rc = load_crl(&c->root_crl, &files->root_ca_crl,
			"root_ca_crl.der", e);
	if (!rc)
		rc = load_crl(&c->pck_crl, &files->pck_crl, "pck_crl.der", e);
	return rc ? rc : load_documents(c, files, e);
}

static int load_roots(
	struct collateral *c, const struct trust *trust, struct err *e)
{
	int rc;

	if (!trust || !trust->roots) {
		roots_intel(&c->roots);
		return 0;
	}
	rc = roots_given(&c->roots, trust, e);
	/* Chains may leave the root out, as TLS allows. */
	for (size_t i = 0; !rc && i < trust->root_count; i++)
		rc = load_certs(
			c, &c->root_certs, &trust->roots[i], "trusted root", e);
	return rc;
}

int collateral_new(const struct collateral_files *files,
	const struct trust *trust, struct collateral **out, struct err *e)
{
	static const struct trust pinned;
	struct collateral *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return err_setf(e, -ENOMEM, "out of memory");
	rc = load_roots(c, trust, e);
	if (!rc)
		rc = load_intel(c, files, e);
	if (!rc)
		rc = snp_collateral_new(
			files, trust ? trust : &pinned, &c->snp, e);
	if (rc) {
		collateral_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

static void json_fini(struct collateral_json *j)
{
	if (j->text)
		signed_json_fini(&j->json);
	free(j->text);
	x509_list_fini(&j->chain);
}

void collateral_free(struct collateral *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < PCK_CACHE; i++)
		for (size_t j = 0; j < ARRAY_SIZE(c->cache[i].certs); j++)
			x509_cert_unref(c->cache[i].certs[j]);
	tcb_info_free(c->tcb_info);
	qe_identity_free(c->qe_identity);
	json_fini(&c->tcb_json);
	json_fini(&c->qe_json);
	crl_free(c->root_crl);
	crl_free(c->pck_crl);
	x509_list_fini(&c->pck_certs);
	x509_list_fini(&c->root_certs);
	x509_list_fini(&c->known);
	snp_collateral_free(c->snp);
	free(c);
}
