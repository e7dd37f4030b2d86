/* SPDX-License-Identifier: Apache-2.0 */
/* CAS's identity: a key, its row in the store, its certificate. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cas/keys.h"
#include "lib/string.h"

#define DEVICE "/dev/attestation"

enum { QUOTE_MAX = 16384, SERIAL_SIZE = 16, PATH_SIZE = 1024 };

static int crypto_error(struct err *e, const char *what)
{
	ERR_clear_error();
	return err_setf(e, -EIO, "identity: %s: libcrypto failed", what);
}

int keys_identity_make(EVP_PKEY **key, struct err *e)
{
	*key = EVP_EC_gen("P-256");
	return *key ? 0 : crypto_error(e, "key");
}

int keys_identity_encode(EVP_PKEY *key, struct buf *out, struct err *e)
{
	uint8_t *der = NULL;
	int size = i2d_PrivateKey(key, &der);

	if (size <= 0)
		return crypto_error(e, "encoding");
	buf_add(out, der, (size_t)size);
	OPENSSL_clear_free(der, (size_t)size);
	return buf_check(out) ? err_setf(e, -ENOMEM, "identity: no memory") : 0;
}

int keys_identity_decode(
	const void *data, size_t size, EVP_PKEY **key, struct err *e)
{
	const uint8_t *at = data;

	*key = size <= INT32_MAX
		? d2i_PrivateKey(EVP_PKEY_EC, NULL, &at, (long)size)
		: NULL;
	if (*key && at == (const uint8_t *)data + size)
		return 0;
	EVP_PKEY_free(*key);
	*key = NULL;
	ERR_clear_error();
	return err_setf(e, -EBADMSG, "identity: the stored key is no key");
}

int keys_identity_hash(
	EVP_PKEY *key, uint8_t hash[static STORE_HASH_SIZE], struct err *e)
{
	uint8_t *der = NULL;
	int size = i2d_PUBKEY(key, &der);
	bool ok = size > 0 &&
		EVP_Digest(der, (size_t)size, hash, NULL, EVP_sha256(), NULL);

	OPENSSL_free(der);
	return ok ? 0 : crypto_error(e, "hash");
}

/* "dns:a", "ip:b" as libcrypto wants them: "DNS:a,IP:b". */
static int names_text(
	const struct text_list *names, struct buf *out, struct err *e)
{
	for (size_t i = 0; i < names->count; i++) {
		const char *name = names->item[i];
		bool dns = string_has_prefix(name, "dns:");

		if ((!dns && !string_has_prefix(name, "ip:")) ||
			strpbrk(name, ",\n"))
			return err_setf(e, -EINVAL,
				"identity: name '%s': wanted dns:NAME or "
				"ip:ADDRESS",
				name);
		buf_format(out, "%s%s%s", i ? "," : "",
			dns ? "DNS:" : "IP:", name + (dns ? 4 : 3));
	}
	return buf_check(out) ? err_setf(e, -ENOMEM, "identity: no memory") : 0;
}

static bool add_names(X509 *cert, const char *text)
{
	X509_EXTENSION *x = X509V3_EXT_conf_nid(
		NULL, NULL, NID_subject_alt_name, text);
	bool ok = x && X509_add_ext(cert, x, -1);

	X509_EXTENSION_free(x);
	return ok;
}

static bool fill(X509 *cert, EVP_PKEY *key, const struct keys_cert_spec *spec,
	const char *names)
{
	const char *cn = spec->common_name ? spec->common_name : "sconce-cas";
	X509_NAME *name = X509_get_subject_name(cert);
	uint8_t serial[SERIAL_SIZE];
	BIGNUM *number = NULL;
	bool ok = RAND_bytes(serial, sizeof(serial)) == 1;

	serial[0] &= 0x7f;
	number = ok ? BN_bin2bn(serial, sizeof(serial), NULL) : NULL;
	ok = number && X509_set_version(cert, X509_VERSION_3) &&
		BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) &&
		ASN1_TIME_set(
			X509_getm_notBefore(cert), (time_t)(spec->now - 300)) &&
		ASN1_TIME_set(X509_getm_notAfter(cert),
			(time_t)(spec->now + (int64_t)spec->valid_for)) &&
		X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
			(const uint8_t *)cn, -1, -1, 0) &&
		X509_set_issuer_name(cert, name) &&
		X509_set_pubkey(cert, key) &&
		(!names || add_names(cert, names)) &&
		X509_sign(cert, key, EVP_sha256()) > 0;
	BN_free(number);
	return ok;
}

static int plain_certificate(EVP_PKEY *key, const struct keys_cert_spec *spec,
	X509 **out, struct err *e)
{
	struct buf names = {0};
	X509 *cert = X509_new();
	int ret = names_text(&spec->names, &names, e);

	if (!ret &&
		(!cert ||
			!fill(cert, key, spec,
				names.size ? (const char *)names.data : NULL)))
		ret = crypto_error(e, "certificate");
	buf_fini(&names);
	if (ret) {
		X509_free(cert);
		return ret;
	}
	*out = cert;
	return 0;
}

int keys_certificate(EVP_PKEY *identity, const struct keys_cert_spec *spec,
	X509 **out, struct err *e)
{
	struct ratls_spec with = {.key = identity,
		.from = spec->now - 300,
		.common_name = spec->common_name ? spec->common_name
						 : "sconce-cas",
		.nonce = spec->nonce};

	if (!spec->quote)
		return plain_certificate(identity, spec, out, e);
	with.until = spec->now + (int64_t)spec->valid_for;
	return ratls_make(&with, spec->quote, spec->quote_arg, out, e);
}

/* ---- evidence ---- */

static int write_file(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int ret;

	if (fd < 0)
		return -errno;
	n = write(fd, data, size);
	ret = n == (ssize_t)size ? 0 : n < 0 ? -errno : -EIO;
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

static int read_file(const char *path, uint8_t *data, size_t room, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	for (*size = 0; *size < room && n > 0; *size += (size_t)n) {
		n = read(fd, data + *size, room - *size);
		if (n < 0) {
			ret = -errno;
			break;
		}
	}
	close(fd);
	return ret;
}

int keys_quote(void *arg, const uint8_t report_data[static RATLS_REPORT_DATA],
	void **evidence, size_t *size, struct err *e)
{
	const char *device = arg ? arg : DEVICE;
	uint8_t *data = malloc(QUOTE_MAX);
	char path[PATH_SIZE];
	int ret = data ? 0 : -ENOMEM;

	snprintf(path, sizeof(path), "%s/user_report_data", device);
	if (!ret)
		ret = write_file(path, report_data, RATLS_REPORT_DATA);
	snprintf(path, sizeof(path), "%s/quote", device);
	if (!ret)
		ret = read_file(path, data, QUOTE_MAX, size);
	if (ret) {
		free(data);
		return err_setf(e, ret, "%s: %s%s", path, strerror(-ret),
			ret == -ECONNREFUSED
				? "; nobody gives quotes: `sconce las` does"
				: "");
	}
	*evidence = data;
	return 0;
}
