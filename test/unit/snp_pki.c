/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/snp_pki.h"

#include "test/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

void snp_pki_init(struct snp_pki *pki)
{
	pki->ark_key = EVP_RSA_gen(4096);
	pki->ask_key = EVP_RSA_gen(4096);
	pki->vek_key = EVP_EC_gen("P-384");
	assert_non_null(pki->ark_key);
	assert_non_null(pki->ask_key);
	assert_non_null(pki->vek_key);
}

void snp_pki_fini(struct snp_pki *pki)
{
	EVP_PKEY_free(pki->ark_key);
	EVP_PKEY_free(pki->ask_key);
	EVP_PKEY_free(pki->vek_key);
}

/* A context that signs as AMD does, or PKCS #1 with SHA-384. */
static EVP_MD_CTX *signer(EVP_PKEY *key, bool pkcs1)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx;

	assert_non_null(md);
	assert_int_equal(
		EVP_DigestSignInit(md, &ctx, EVP_sha384(), NULL, key), 1);
	if (!pkcs1 && EVP_PKEY_is_a(key, "RSA")) {
		assert_true(EVP_PKEY_CTX_set_rsa_padding(
				    ctx, RSA_PKCS1_PSS_PADDING) > 0);
		assert_true(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, 48) > 0);
		assert_true(
			EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha384()) > 0);
	}
	return md;
}

static X509 *new_cert(const char *subject, const char *issuer, EVP_PKEY *key,
	long from, long until, long serial)
{
	X509 *x = X509_new();

	assert_non_null(x);
	assert_int_equal(X509_set_version(x, X509_VERSION_3), 1);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
	ASN1_TIME_set(X509_getm_notBefore(x), from);
	ASN1_TIME_set(X509_getm_notAfter(x), until);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
		(const unsigned char *)subject, -1, -1, 0);
	X509_NAME_add_entry_by_txt(X509_get_issuer_name(x), "CN", MBSTRING_ASC,
		(const unsigned char *)issuer, -1, -1, 0);
	assert_int_equal(X509_set_pubkey(x, key), 1);
	return x;
}

static void add_ext(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(ext);
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
}

static void sign_cert(X509 *x, EVP_PKEY *key, bool pkcs1)
{
	EVP_MD_CTX *md = signer(key, pkcs1);

	assert_true(X509_sign_ctx(x, md) > 0);
	EVP_MD_CTX_free(md);
}

X509 *snp_pki_ca(const struct snp_pki_ca *ca)
{
	X509 *x = new_cert(ca->subject, ca->issuer, ca->key, ca->from,
		ca->until, ca->serial ? ca->serial : 1);

	add_ext(x, NID_basic_constraints,
		ca->not_ca ? "critical,CA:FALSE" : "critical,CA:TRUE");
	add_ext(x, NID_key_usage, "critical,keyCertSign,cRLSign");
	sign_cert(x, ca->signer, ca->pkcs1);
	return x;
}

static void add_amd(X509 *x, const char *rest, const uint8_t *der, size_t size)
{
	char oid[64];
	ASN1_OBJECT *obj;
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	X509_EXTENSION *ext;

	snprintf(oid, sizeof(oid), "1.3.6.1.4.1.3704.1.%s", rest);
	obj = OBJ_txt2obj(oid, 1);
	ASN1_OCTET_STRING_set(value, der, (int)size);
	ext = X509_EXTENSION_create_by_OBJ(NULL, obj, 0, value);
	assert_non_null(ext);
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(value);
	ASN1_OBJECT_free(obj);
}

static void add_byte(X509 *x, const char *rest, int value)
{
	uint8_t small[] = {2, 1, (uint8_t)value};
	uint8_t large[] = {2, 2, 0, (uint8_t)value};

	if (value < 128)
		add_amd(x, rest, small, sizeof(small));
	else
		add_amd(x, rest, large, sizeof(large));
}

static void add_text(X509 *x, const char *rest, const char *text)
{
	uint8_t der[64] = {22, (uint8_t)strlen(text)};

	memcpy(der + 2, text, strlen(text));
	add_amd(x, rest, der, 2 + strlen(text));
}

X509 *snp_pki_vek(const struct snp_pki_vek *vek)
{
	const char *subject = vek->subject ? vek->subject
		: vek->vlek                ? "SEV-VLEK"
					   : "SEV-VCEK";
	X509 *x = new_cert(
		subject, vek->issuer, vek->key, vek->from, vek->until, 0);
	uint8_t octets[2 + 64] = {4, (uint8_t)vek->hwid_size};
	char rest[8];

	add_byte(x, "1", 1);
	add_text(x, "2", vek->product);
	for (int i = 1; i < 10; i++) {
		snprintf(rest, sizeof(rest), "3.%d", i);
		if (vek->spl[i] >= 0)
			add_byte(x, rest, vek->spl[i]);
	}
	if (vek->twice)
		add_byte(x, "3.1", 0);
	memcpy(octets + 2, vek->hwid, 64);
	if (vek->hwid_size && vek->hwid_wrapped)
		add_amd(x, "4", octets, 2 + vek->hwid_size);
	else if (vek->hwid_size)
		add_amd(x, "4", vek->hwid, vek->hwid_size);
	if (vek->vlek || vek->csp)
		add_text(x, "5", "CN=cloud.example");
	sign_cert(x, vek->signer, false);
	return x;
}

struct span snp_pki_der(X509 *cert)
{
	uint8_t *der = NULL;
	int size = i2d_X509(cert, &der);

	assert_true(size > 0);
	return (struct span){der, (size_t)size};
}

static struct span take_bio(BIO *bio)
{
	char *data;
	long size = BIO_get_mem_data(bio, &data);
	void *copy = OPENSSL_memdup(data, (size_t)size);

	assert_non_null(copy);
	BIO_free(bio);
	return (struct span){copy, (size_t)size};
}

struct span snp_pki_pem(X509 *const *certs, size_t count)
{
	BIO *bio = BIO_new(BIO_s_mem());

	for (size_t i = 0; i < count; i++)
		assert_int_equal(PEM_write_bio_X509(bio, certs[i]), 1);
	return take_bio(bio);
}

struct span snp_pki_crl(
	X509 *issuer, EVP_PKEY *key, long from, long until, X509 *revoked)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *time = ASN1_TIME_set(NULL, from);
	X509_REVOKED *entry;
	EVP_MD_CTX *md = signer(key, false);
	uint8_t *der = NULL;
	int size;

	X509_CRL_set_version(crl, 1);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer));
	X509_CRL_set1_lastUpdate(crl, time);
	if (revoked) {
		entry = X509_REVOKED_new();
		X509_REVOKED_set_serialNumber(
			entry, X509_get_serialNumber(revoked));
		X509_REVOKED_set_revocationDate(entry, time);
		X509_CRL_add0_revoked(crl, entry);
	}
	ASN1_TIME_set(time, until);
	X509_CRL_set1_nextUpdate(crl, time);
	assert_true(X509_CRL_sign_ctx(crl, md) > 0);
	size = i2d_X509_CRL(crl, &der);
	assert_true(size > 0);
	EVP_MD_CTX_free(md);
	ASN1_TIME_free(time);
	X509_CRL_free(crl);
	return (struct span){der, (size_t)size};
}

void snp_pki_free(struct span s)
{
	OPENSSL_free((void *)(uintptr_t)s.data);
}

void snp_pki_sign(struct snp_report *r, EVP_PKEY *key)
{
	EVP_MD_CTX *md = signer(key, true);
	uint8_t der[128];
	const uint8_t *p = der;
	size_t size = sizeof(der);
	ECDSA_SIG *sig;

	memset(r->signature_r, 0, sizeof(r->signature_r));
	memset(r->signature_s, 0, sizeof(r->signature_s));
	assert_int_equal(EVP_DigestSign(md, der, &size, (const uint8_t *)r,
				 SNP_SIGNED_SIZE),
		1);
	sig = d2i_ECDSA_SIG(NULL, &p, (long)size);
	assert_non_null(sig);
	assert_int_equal(
		BN_bn2lebinpad(ECDSA_SIG_get0_r(sig), r->signature_r, 72), 72);
	assert_int_equal(
		BN_bn2lebinpad(ECDSA_SIG_get0_s(sig), r->signature_s, 72), 72);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(md);
}
