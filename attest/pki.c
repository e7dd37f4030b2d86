/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/pki.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include "attest/pki_der.h"
#include "lib/bytes.h"

enum { NUMBER_SIZE = 32, POINT_SIZE = 65, SERIAL_SIZE = 20 };

/* ---- keys and signatures ---- */

/* d = secret mod (n - 1) + 1 and Q = d G. */
static bool key_numbers(const uint8_t *secret, const EC_GROUP *group, BIGNUM *d,
	uint8_t point[POINT_SIZE])
{
	BN_CTX *ctx = BN_CTX_new();
	EC_POINT *q = EC_POINT_new(group);
	BIGNUM *order = BN_dup(EC_GROUP_get0_order(group));
	bool good = ctx && q && order && BN_sub_word(order, 1) &&
		BN_bin2bn(secret, PKI_SECRET_SIZE, d) &&
		BN_mod(d, d, order, ctx) && BN_add_word(d, 1) &&
		EC_POINT_mul(group, q, d, NULL, NULL, ctx) &&
		EC_POINT_point2oct(group, q, POINT_CONVERSION_UNCOMPRESSED,
			point, POINT_SIZE, ctx) == POINT_SIZE;

	BN_free(order);
	EC_POINT_free(q);
	BN_CTX_free(ctx);
	return good;
}

static EVP_PKEY *key_from_numbers(BIGNUM *d, uint8_t point[POINT_SIZE])
{
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;

	if (build && ctx &&
		OSSL_PARAM_BLD_push_utf8_string(
			build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) &&
		OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, d) &&
		OSSL_PARAM_BLD_push_octet_string(
			build, OSSL_PKEY_PARAM_PUB_KEY, point, POINT_SIZE))
		params = OSSL_PARAM_BLD_to_param(build);
	if (params &&
		(EVP_PKEY_fromdata_init(ctx) <= 0 ||
			EVP_PKEY_fromdata(
				ctx, &key, EVP_PKEY_KEYPAIR, params) <= 0))
		key = NULL;
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_BLD_free(build);
	return key;
}

int pki_key_derive(const uint8_t secret[PKI_SECRET_SIZE], EVP_PKEY **key)
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	BIGNUM *d = BN_secure_new();
	uint8_t point[POINT_SIZE];

	*key = NULL;
	if (group && d && key_numbers(secret, group, d, point))
		*key = key_from_numbers(d, point);
	BN_clear_free(d);
	EC_GROUP_free(group);
	return *key ? 0 : -EIO;
}

int pki_public(EVP_PKEY *key, uint8_t raw[PKI_RAW_SIZE])
{
	uint8_t point[POINT_SIZE];
	size_t size;

	if (!EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY,
		    point, sizeof(point), &size) ||
		size != sizeof(point) ||
		point[0] != POINT_CONVERSION_UNCOMPRESSED)
		return -EIO;
	memcpy(raw, point + 1, PKI_RAW_SIZE);
	return 0;
}

int pki_sign(EVP_PKEY *key, const void *data, size_t size,
	uint8_t signature[PKI_RAW_SIZE])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[128];
	const uint8_t *p = der;
	size_t len = sizeof(der);
	ECDSA_SIG *s = NULL;
	int ret = -EIO;

	if (ctx &&
		EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestSign(ctx, der, &len, data, size) == 1)
		s = d2i_ECDSA_SIG(NULL, &p, (long)len);
	if (s &&
		BN_bn2binpad(ECDSA_SIG_get0_r(s), signature, NUMBER_SIZE) ==
			NUMBER_SIZE &&
		BN_bn2binpad(ECDSA_SIG_get0_s(s), signature + NUMBER_SIZE,
			NUMBER_SIZE) == NUMBER_SIZE)
		ret = 0;
	ECDSA_SIG_free(s);
	EVP_MD_CTX_free(ctx);
	return ret;
}

/* ---- certificates ---- */

/* 19 bytes of the key's hash below a nonzero one: 20 bytes, positive. */
static bool set_serial(X509 *x, EVP_PKEY *key)
{
	uint8_t raw[PKI_RAW_SIZE], hash[SHA256_DIGEST_LENGTH];
	ASN1_INTEGER *serial = NULL;
	BIGNUM *bn;
	bool good;

	if (pki_public(key, raw) || !SHA256(raw, sizeof(raw), hash))
		return false;
	hash[0] = 0x40 | (hash[0] & 0x3f);
	bn = BN_bin2bn(hash, SERIAL_SIZE, NULL);
	if (bn)
		serial = BN_to_ASN1_INTEGER(bn, NULL);
	good = serial && X509_set_serialNumber(x, serial);
	ASN1_INTEGER_free(serial);
	BN_free(bn);
	return good;
}

static bool set_names(X509 *x, const struct pki_certificate *spec)
{
	static const char country[] = "ZZ"; /* of nobody (ISO 3166) */
	X509_NAME *name = X509_get_subject_name(x);

	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
		       (const uint8_t *)spec->common_name, -1, -1, 0) &&
		X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
			(const uint8_t *)spec->organization, -1, -1, 0) &&
		X509_NAME_add_entry_by_txt(name, "C", MBSTRING_UTF8,
			(const uint8_t *)country, -1, -1, 0) &&
		X509_set_issuer_name(x,
			spec->issuer ? X509_get_subject_name(spec->issuer)
				     : name);
}

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	bool good;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	good = ext && X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	return good;
}

static bool add_platform(X509 *x, const struct pki_platform *platform)
{
	uint8_t der[PKI_EXTENSION_MAX];
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	ASN1_OBJECT *oid = OBJ_txt2obj("1.2.840.113741.1.13.1", 1);
	X509_EXTENSION *ext = NULL;
	size_t size = pki_der_platform(platform, der);
	bool good;

	if (value && oid && ASN1_OCTET_STRING_set(value, der, (int)size))
		ext = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, value);
	good = ext && X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	ASN1_OBJECT_free(oid);
	ASN1_OCTET_STRING_free(value);
	return good;
}

static bool add_extensions(X509 *x, const struct pki_certificate *spec)
{
	X509 *issuer = spec->issuer ? spec->issuer : x;
	char constraints[64] = "critical,CA:FALSE";

	if (spec->path_length >= 0)
		snprintf(constraints, sizeof(constraints),
			"critical,CA:TRUE,pathlen:%d", spec->path_length);
	return add_extension(x, issuer, NID_subject_key_identifier, "hash") &&
		add_extension(
			x, issuer, NID_authority_key_identifier, "keyid") &&
		add_extension(x, issuer, NID_key_usage,
			spec->path_length >= 0 ? "critical,keyCertSign,cRLSign"
					       : "critical,digitalSignature,"
						 "nonRepudiation") &&
		add_extension(x, issuer, NID_basic_constraints, constraints) &&
		(!spec->platform || add_platform(x, spec->platform));
}

int pki_certificate_make(const struct pki_certificate *spec, X509 **out)
{
	X509 *x = X509_new();

	if (x && X509_set_version(x, X509_VERSION_3) &&
		set_serial(x, spec->key) && set_names(x, spec) &&
		ASN1_TIME_set(X509_getm_notBefore(x), spec->from) &&
		ASN1_TIME_set(X509_getm_notAfter(x), spec->until) &&
		X509_set_pubkey(x, spec->key) && add_extensions(x, spec) &&
		X509_sign(x, spec->issuer_key, EVP_sha256())) {
		*out = x;
		return 0;
	}
	X509_free(x);
	*out = NULL;
	return -EIO;
}

int pki_pem(X509 *const *certs, size_t count, char **pem, size_t *size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long len = 0;
	int ret = bio ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && ret == 0; i++)
		if (!PEM_write_bio_X509(bio, certs[i]))
			ret = -EIO;
	if (ret == 0) {
		len = BIO_get_mem_data(bio, &text);
		*pem = len > 0 ? malloc((size_t)len + 1) : NULL;
		if (*pem) {
			memcpy(*pem, text, (size_t)len);
			(*pem)[len] = '\0';
			*size = (size_t)len;
		} else {
			ret = -ENOMEM;
		}
	}
	BIO_free(bio);
	return ret;
}

/* ---- revocation lists ---- */

static bool revoke(X509_CRL *crl, X509 *cert, const ASN1_TIME *when)
{
	X509_REVOKED *entry = X509_REVOKED_new();

	if (entry &&
		X509_REVOKED_set_serialNumber(
			entry, X509_get_serialNumber(cert)) &&
		X509_REVOKED_set_revocationDate(
			entry, (ASN1_TIME *)(uintptr_t)when) &&
		X509_CRL_add0_revoked(crl, entry))
		return true;
	X509_REVOKED_free(entry);
	return false;
}

static bool crl_extensions(X509_CRL *crl, X509 *issuer, uint64_t number)
{
	ASN1_INTEGER *n = ASN1_INTEGER_new();
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	bool good;

	X509V3_set_ctx(&ctx, issuer, NULL, NULL, crl, 0);
	ext = X509V3_EXT_conf_nid(
		NULL, &ctx, NID_authority_key_identifier, "keyid");
	good = ext && n && ASN1_INTEGER_set_uint64(n, number) &&
		X509_CRL_add_ext(crl, ext, -1) &&
		X509_CRL_add1_ext_i2d(crl, NID_crl_number, n, 0, 0) == 1;
	X509_EXTENSION_free(ext);
	ASN1_INTEGER_free(n);
	return good;
}

int pki_crl(X509 *issuer, EVP_PKEY *key, int64_t from, int64_t until,
	uint64_t number, X509 *const *revoked, size_t count, uint8_t **der,
	size_t *size)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *first = ASN1_TIME_set(NULL, from);
	ASN1_TIME *last = ASN1_TIME_set(NULL, until);
	uint8_t *bytes = NULL;
	int len = 0;
	bool good = crl && first && last &&
		X509_CRL_set_version(crl, X509_CRL_VERSION_2) &&
		X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer)) &&
		X509_CRL_set1_lastUpdate(crl, first) &&
		X509_CRL_set1_nextUpdate(crl, last);

	for (size_t i = 0; i < count && good; i++)
		good = revoke(crl, revoked[i], first);
	if (good && crl_extensions(crl, issuer, number) && X509_CRL_sort(crl) &&
		X509_CRL_sign(crl, key, EVP_sha256()))
		len = i2d_X509_CRL(crl, &bytes);
	*der = len > 0 ? malloc((size_t)len) : NULL;
	if (*der) {
		memcpy(*der, bytes, (size_t)len);
		*size = (size_t)len;
	}
	OPENSSL_free(bytes);
	ASN1_TIME_free(last);
	ASN1_TIME_free(first);
	X509_CRL_free(crl);
	return *der ? 0 : -EIO;
}

/* ---- signed documents ---- */

int pki_json(EVP_PKEY *key, const char *name, const char *body, char **text,
	size_t *size)
{
	uint8_t signature[PKI_RAW_SIZE];
	char hex[2 * PKI_RAW_SIZE + 1];
	size_t room = strlen(name) + strlen(body) + sizeof(hex) + 32;

	if (pki_sign(key, body, strlen(body), signature))
		return -EIO;
	bytes_to_hex(signature, sizeof(signature), hex);
	*text = malloc(room);
	if (!*text)
		return -ENOMEM;
	*size = (size_t)snprintf(*text, room,
		"{\"%s\":%s,\"signature\":\"%s\"}", name, body, hex);
	return 0;
}
