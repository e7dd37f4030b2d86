/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates of the emulated platform: of keys that are always the same, so
 * that making them anew (the file was lost, two programs start at once) changes
 * nothing that a verifier looks at but the signatures.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "emu/qe_int.h"

#define ORGANIZATION "Sconce Emulated Platform"
#define PKI_FILE "emulated-platform.pem"

enum { DAY = 86400, PATH_LENGTH_ROOT = 1, FILE_MODE = 0644 };

static const int64_t until = INT64_C(2524607999); /* 2049-12-31T23:59:59Z */

static const struct row {
	const char *name;
	enum qe_cert issuer;
	int path_length;
} rows[QE_CERTS] = {
	[QE_ROOT] = {ORGANIZATION " Root CA", QE_ROOT, PATH_LENGTH_ROOT},
	[QE_PCK_CA] = {ORGANIZATION " PCK Platform CA", QE_ROOT, 0},
	[QE_PCK] = {ORGANIZATION " PCK Certificate", QE_PCK_CA, -1},
	[QE_TCB_SIGNING] = {ORGANIZATION " TCB Signing", QE_ROOT, -1},
};

/* In order: issuers come before what they issue. */
static int make_all(struct emu_qe *qe)
{
	int64_t now = (int64_t)time(NULL);

	for (unsigned i = 0; i < QE_CERTS; i++) {
		enum qe_cert issuer = rows[i].issuer;
		const struct pki_certificate spec = {
			.common_name = rows[i].name,
			.organization = ORGANIZATION,
			.key = qe->key[i],
			.issuer = issuer == i ? NULL : qe->cert[issuer],
			.issuer_key = qe->key[issuer],
			/* Clocks of machines differ. */
			.from = now - DAY,
			.until = until,
			.path_length = rows[i].path_length,
			.platform = i == QE_PCK ? &qe->described : NULL};
		int ret = pki_certificate_make(&spec, &qe->cert[i]);

		if (ret < 0)
			return ret;
	}
	return 0;
}

static void drop_all(struct emu_qe *qe)
{
	for (unsigned i = 0; i < QE_CERTS; i++) {
		X509_free(qe->cert[i]);
		qe->cert[i] = NULL;
	}
}

/* Made when the clock stood wrong, it might not be for years. */
static bool is_valid_now(const X509 *cert)
{
	return X509_cmp_timeframe(NULL, X509_get0_notBefore(cert),
		       X509_get0_notAfter(cert)) == 0;
}

/* 0, -errno of the file, or -EBADMSG: no certificates of these keys that are
 * valid. */
static int read_all(struct emu_qe *qe, const char *path)
{
	BIO *bio;
	int ret;

	errno = 0;
	bio = BIO_new_file(path, "r");
	ret = bio ? 0 : errno ? -errno : -ENOMEM;
	for (unsigned i = 0; i < QE_CERTS && ret == 0; i++) {
		EVP_PKEY *issuer = qe->key[rows[i].issuer];

		qe->cert[i] = PEM_read_bio_X509(bio, NULL, NULL, NULL);
		if (!qe->cert[i] ||
			EVP_PKEY_eq(X509_get0_pubkey(qe->cert[i]),
				qe->key[i]) != 1 ||
			X509_verify(qe->cert[i], issuer) != 1 ||
			!is_valid_now(qe->cert[i]))
			ret = -EBADMSG;
	}
	BIO_free(bio);
	if (ret < 0)
		drop_all(qe);
	return ret;
}

int qe_pki_load(struct emu_qe *qe, struct err *e)
{
	char dir[PATH_MAX - 64], path[PATH_MAX], *pem = NULL;
	size_t size;
	int ret = emu_data_dir(dir, sizeof(dir)), found;

	if (ret < 0)
		return err_setf(e, ret, "data directory: %s", strerror(-ret));
	snprintf(path, sizeof(path), "%s/%s", dir, PKI_FILE);
	found = read_all(qe, path);
	if (found == 0)
		return 0;
	ret = found == -ENOENT || found == -EBADMSG ? make_all(qe) : found;
	if (ret == 0)
		ret = pki_pem(qe->cert, QE_CERTS, &pem, &size);
	if (ret == 0)
		/* What belongs to other keys is of no use to anybody. */
		ret = qe_file_write(
			dir, PKI_FILE, pem, size, FILE_MODE, found == -EBADMSG);
	free(pem);
	if (ret == -EEXIST) {
		/* Somebody was faster: the same for everybody. */
		drop_all(qe);
		ret = read_all(qe, path);
	}
	if (ret < 0)
		return err_setf(e, ret,
			"%s: certificates of the emulated platform: %s", path,
			strerror(-ret));
	return 0;
}

int emu_root_pem(char **pem, size_t *size, struct err *e)
{
	struct emu_qe *qe;
	size_t len;
	int ret = emu_qe_new(&qe, e);

	*pem = NULL;
	if (ret < 0)
		return ret;
	ret = pki_pem(&qe->cert[QE_ROOT], 1, pem, size ? size : &len);
	emu_qe_free(qe);
	return ret < 0 ? err_setf(e, ret, "no memory") : 0;
}
