/* SPDX-License-Identifier: Apache-2.0 */
/* The user's key towards CAS: P-256, in one PEM file with a certificate that
 * says nothing but the key. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cas/spki.h"
#include "cli/cas_client.h"
#include "lib/string.h"

enum { YEARS = 10, YEAR = 365 * 86400 };

static X509 *certificate(EVP_PKEY *key)
{
	X509 *cert = X509_new();
	X509_NAME *name = cert ? X509_get_subject_name(cert) : NULL;
	bool ok = name && X509_set_version(cert, X509_VERSION_3) &&
		ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) &&
		X509_gmtime_adj(X509_getm_notBefore(cert), -3600) &&
		X509_gmtime_adj(X509_getm_notAfter(cert), (long)YEARS * YEAR) &&
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
			(const uint8_t *)"sconce user", -1, -1, 0) &&
		X509_set_issuer_name(cert, name) &&
		X509_set_pubkey(cert, key) &&
		X509_sign(cert, key, EVP_sha256());

	if (ok)
		return cert;
	X509_free(cert);
	return NULL;
}

/* A file that nobody else may read, complete or not there. */
static int write_identity(
	const char *path, EVP_PKEY *key, X509 *cert, struct err *e)
{
	char temp[CAS_PATH_MAX + 8];
	int fd, ret = 0;
	FILE *f;

	snprintf(temp, sizeof(temp), "%s.XXXXXX", path);
	fd = mkstemp(temp); /* mode 0600 */
	f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!f)
		return err_setf(e, -errno, "%s: %s", temp, strerror(errno));
	if (!PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) ||
		!PEM_write_X509(f, cert) || fflush(f) || fsync(fd))
		ret = -EIO;
	if (fclose(f))
		ret = -EIO;
	/* Two first uses at once: the first one's key stays. */
	if (!ret && link(temp, path) && errno != EEXIST)
		ret = -errno;
	unlink(temp);
	return ret ? err_setf(e, ret, "%s: cannot be written", path) : 0;
}

static int make(const char *path, struct err *e)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = key ? certificate(key) : NULL;
	int ret = cert ? write_identity(path, key, cert, e)
		       : err_setf(e, -EIO, "libcrypto makes no key");

	ERR_clear_error();
	X509_free(cert);
	EVP_PKEY_free(key);
	return ret;
}

int cas_identity_path(
	const char *given, char path[static CAS_PATH_MAX], struct err *e)
{
	struct stat st;
	int ret;

	if (given) {
		if (stat(given, &st))
			return err_setf(e, -errno, "--identity %s: %s", given,
				strerror(errno));
		ret = string_copy(path, CAS_PATH_MAX, given);
		return ret ? err_setf(e, ret, "--identity: too long") : 0;
	}
	ret = cas_known_file("client.pem", path, e);
	if (ret || access(path, F_OK) == 0)
		return ret;
	ret = make(path, e);
	if (!ret)
		fprintf(stderr, "sconce: made a key for you: %s\n", path);
	return ret;
}

int cas_identity_hash(const char *path, uint8_t hash[static 32], struct err *e)
{
	FILE *f = fopen(path, "re");
	X509 *cert = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
	int ret = 0;

	if (f)
		fclose(f);
	if (spki_hash_of(cert, hash))
		ret = err_setf(e, -EINVAL,
			"%s: wanted PEM with a key and its certificate", path);
	X509_free(cert);
	ERR_clear_error();
	return ret;
}
