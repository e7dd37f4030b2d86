/* SPDX-License-Identifier: Apache-2.0 */
/* AMD's certificates and revocation list as files. */
#include "attest/snp_int.h"

#include <errno.h>
#include <stdlib.h>

static must_check int read_leaf(struct snp_leaf *leaf, const char *name,
	const struct span *file, struct err *e)
{
	int rc;

	if (!file->data)
		return 0;
	rc = x509_cert_new(file->data, file->size, &leaf->cert, e);
	if (rc) {
		err_prefix(e, "%s", name);
		return rc;
	}
	snp_claims_read(leaf->cert, &leaf->claims);
	return 0;
}

static must_check int read_files(struct snp_collateral *c,
	const struct collateral_files *files, struct err *e)
{
	const struct span *chain = &files->cert_chain;
	const struct span *crl = &files->snp_crl;
	int rc = read_leaf(&c->vcek, "vcek.der", &files->vcek, e);

	if (!rc)
		rc = read_leaf(&c->vlek, "vlek.der", &files->vlek, e);
	if (!rc && chain->data) {
		rc = x509_list_parse(
			&c->chain, NULL, chain->data, chain->size, e);
		if (rc)
			err_prefix(e, "cert_chain.pem");
	}
	if (!rc && crl->data) {
		rc = crl_new(crl->data, crl->size, &c->crl, e);
		if (rc)
			err_prefix(e, "crl.der");
	}
	return rc;
}

int snp_collateral_new(const struct collateral_files *files,
	const struct trust *trust, struct snp_collateral **out, struct err *e)
{
	struct snp_collateral *c = calloc(1, sizeof(*c));
	struct err unused;
	int rc = 0;

	if (!e)
		e = &unused;
	if (!c)
		return err_setf(e, -ENOMEM, "AMD's certificates: no memory");
	if (trust && trust->root_count)
		rc = roots_given(&c->roots, trust, e);
	else
		roots_amd(&c->roots);
	if (!rc)
		rc = read_files(c, files, e);
	if (rc) {
		snp_collateral_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

void snp_collateral_free(struct snp_collateral *c)
{
	if (!c)
		return;
	x509_cert_unref(c->vcek.cert);
	x509_cert_unref(c->vlek.cert);
	x509_list_fini(&c->chain);
	crl_free(c->crl);
	free(c);
}
