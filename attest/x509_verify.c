/* SPDX-License-Identifier: Apache-2.0 */
/* Who may sign what, and whether they did. */
#include "attest/x509_int.h"

#include <errno.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "lib/string.h"

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 4096, PSS_SALT = 48 };

static const uint8_t oid_sha256[] = {
	0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
static const uint8_t oid_sha384[] = {
	0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03};

/*
 * RFC 4055, 3.1: everything SHA-384, as AMD has it; nothing else is known to
 * be used. The defaults of that structure mean SHA-1.
 */
static bool pss_sha384(const struct der *der)
{
	const uint8_t *at = der->at;
	X509_ALGOR *algorithm = d2i_X509_ALGOR(NULL, &at, (long)der->left);
	const ASN1_OBJECT *oid, *hash, *mask;
	const void *value;
	RSA_PSS_PARAMS *p = NULL;
	X509_ALGOR *mask_hash = NULL;
	int type;
	bool ok = false;

	if (!algorithm)
		return false;
	X509_ALGOR_get0(&oid, &type, &value, algorithm);
	if (OBJ_obj2nid(oid) != NID_rsassaPss || type != V_ASN1_SEQUENCE)
		goto out;
	at = ASN1_STRING_get0_data(value);
	p = d2i_RSA_PSS_PARAMS(NULL, &at, ASN1_STRING_length(value));
	if (!p || !p->hashAlgorithm || !p->maskGenAlgorithm || !p->saltLength ||
		ASN1_INTEGER_get(p->saltLength) != PSS_SALT ||
		(p->trailerField && ASN1_INTEGER_get(p->trailerField) != 1))
		goto out;
	X509_ALGOR_get0(&hash, NULL, NULL, p->hashAlgorithm);
	X509_ALGOR_get0(&mask, &type, &value, p->maskGenAlgorithm);
	if (OBJ_obj2nid(hash) != NID_sha384 || OBJ_obj2nid(mask) != NID_mgf1 ||
		type != V_ASN1_SEQUENCE)
		goto out;
	at = ASN1_STRING_get0_data(value);
	mask_hash = d2i_X509_ALGOR(NULL, &at, ASN1_STRING_length(value));
	if (!mask_hash)
		goto out;
	X509_ALGOR_get0(&hash, NULL, NULL, mask_hash);
	ok = OBJ_obj2nid(hash) == NID_sha384;
out:
	X509_ALGOR_free(algorithm);
	X509_ALGOR_free(mask_hash);
	RSA_PSS_PARAMS_free(p);
	return ok;
}

/* NULL: not an RSA key of a size that is used. */
static EVP_PKEY *rsa_key(const struct x509_cert *cert)
{
	const uint8_t *at = cert->spki.at;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)cert->spki.left);

	if (key && EVP_PKEY_is_a(key, "RSA") &&
		EVP_PKEY_get_bits(key) >= RSA_BITS_MIN &&
		EVP_PKEY_get_bits(key) <= RSA_BITS_MAX)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

static int verify_pss(
	const struct x509_cert *issuer, const struct x509_signed *s)
{
	EVP_PKEY *key = rsa_key(issuer);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	int rc = -EBADMSG;

	if (!ctx)
		rc = -ENOMEM;
	else if (key &&
		EVP_DigestVerifyInit(ctx, &pctx, EVP_sha384(), NULL, key) ==
			1 &&
		EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) ==
			1 &&
		EVP_PKEY_CTX_set_rsa_mgf1_md(pctx, EVP_sha384()) == 1 &&
		EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, PSS_SALT) == 1 &&
		EVP_DigestVerify(ctx, s->signature.at, s->signature.left,
			s->tbs.at, s->tbs.left) == 1)
		rc = 0;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return rc;
}

/* AlgorithmIdentifier with this OID: without parameters (RFC 5758, 3.2) or
 * with NULL, which some encoders write. */
static bool algorithm_is(const struct der *whole, const uint8_t oid[8])
{
	struct der d = *whole, inner, seen;

	return der_take(&d, DER_SEQUENCE, &inner) &&
		der_take(&inner, DER_OID, &seen) &&
		der_is(&seen, oid, sizeof(oid_sha256)) &&
		(inner.left == 0 || der_is(&inner, "\x05\x00", 2));
}

static int verify_rsa(
	const struct x509_cert *issuer, const struct x509_signed *s)
{
	int rc;

	ERR_set_mark();
	rc = pss_sha384(&s->algorithm) ? verify_pss(issuer, s) : -EBADMSG;
	ERR_pop_to_mark();
	return rc;
}

int x509_verify_der(
	const struct x509_cert *issuer, const void *der, size_t size)
{
	struct x509_signed s;
	const uint8_t *oid;

	if (!x509_signed_parse(&s, der, size))
		return -EBADMSG;
	if (!issuer->key)
		return verify_rsa(issuer, &s);
	oid = ecdsa_key_curve(issuer->key) == ECDSA_P256 ? oid_sha256
							 : oid_sha384;
	if (!algorithm_is(&s.algorithm, oid))
		return -EBADMSG;
	return ecdsa_verify_der(issuer->key, s.tbs.at, s.tbs.left,
		s.signature.at, s.signature.left);
}

int x509_cert_verify(
	struct x509_cert *cert, struct x509_cert *issuer, unsigned below)
{
	if (!x509_names_equal(&cert->issuer, &issuer->subject))
		return -ENOENT;
	if (!issuer->ca || !issuer->signs_certs || cert->unknown_critical ||
		issuer->unknown_critical || below > issuer->path_len)
		return -EACCES;
	if (!cert->verified ||
		memcmp(cert->verified_by, issuer->spki_hash, 32) != 0) {
		int rc = x509_known(cert, issuer)
			? 0
			: x509_verify_der(issuer, cert->der, cert->size);

		if (rc && rc != -EBADMSG)
			return rc;
		cert->verified = true;
		cert->verify_rc = rc;
		memcpy(cert->verified_by, issuer->spki_hash, 32);
	}
	return cert->verify_rc;
}
