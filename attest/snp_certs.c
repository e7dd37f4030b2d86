/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AMD's certificates: read from files, put in order, signatures checked once.
 * Nothing here is refused for what it says; snp_verify.c tells what is wrong.
 */
#include "attest/snp_int.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include "lib/string.h"

enum { FILE_MAX = 1 << 20, RSA_BITS = 4096 };

/* SHA-256 of the roots' SubjectPublicKeyInfo, from AMD's KDS. */
static const struct {
	enum snp_product product;
	uint8_t hash[SHA256_DIGEST_LENGTH];
} pins[] = {
	{SNP_MILAN,
		{0x9f, 0x05, 0x6b, 0xee, 0x44, 0x37, 0x7e, 0x29, 0x30, 0x8c,
			0xb5, 0xff, 0xa8, 0x95, 0xbd, 0xfb, 0x62, 0xd1, 0x88,
			0x81, 0xfa, 0x6b, 0xed, 0x8d, 0x6f, 0x07, 0x5b, 0x02,
			0x04, 0x08, 0x9c, 0xb9}},
	{SNP_GENOA,
		{0x42, 0x9a, 0x69, 0xc9, 0x42, 0x2a, 0xa2, 0x58, 0xee, 0x4d,
			0x8d, 0xb5, 0xfc, 0xda, 0x9c, 0x64, 0x70, 0xef, 0x15,
			0xf8, 0xcd, 0x5a, 0x9c, 0xeb, 0xd6, 0xcb, 0xc7, 0xd9,
			0x0b, 0x86, 0x38, 0x31}},
	{SNP_TURIN,
		{0x4f, 0x12, 0x54, 0x10, 0x56, 0x3a, 0x2a, 0xb9, 0xa5, 0x03,
			0x56, 0xf9, 0x24, 0x3f, 0x6f, 0xe0, 0xb6, 0xf7, 0x3d,
			0xe9, 0x86, 0x03, 0xf5, 0x3f, 0x90, 0x33, 0x9c, 0x70,
			0xe9, 0xd7, 0xad, 0x08}},
};

bool snp_name_is(const X509_NAME *name, const char *prefix, const char *rest)
{
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	const ASN1_STRING *text;
	size_t size, len = strlen(prefix);

	if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0)
		return false;
	text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
	size = (size_t)ASN1_STRING_length(text);
	return size == len + strlen(rest) &&
		!memcmp(ASN1_STRING_get0_data(text), prefix, len) &&
		!memcmp(ASN1_STRING_get0_data(text) + len, rest, size - len);
}

/* RSASSA-PSS with SHA-384, MGF1-SHA-384 and a salt of 48 bytes: OpenSSL gives
 * the flag TLS to just the parameters where all three agree. */
static bool is_amd_signature(X509 *cert)
{
	int md, pk;
	uint32_t flags;

	return X509_get_signature_info(cert, &md, &pk, NULL, &flags) == 1 &&
		md == NID_sha384 && pk == NID_rsassaPss &&
		flags & X509_SIG_INFO_TLS;
}

static EVP_PKEY *rsa_key(X509 *cert)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);

	return key && EVP_PKEY_is_a(key, "RSA") &&
			EVP_PKEY_get_bits(key) == RSA_BITS
		? key
		: NULL;
}

/* Has issuer signed cert, and may it? */
static bool is_signed_by(X509 *cert, X509 *issuer)
{
	EVP_PKEY *key = rsa_key(issuer);
	uint32_t flags = X509_get_extension_flags(issuer);

	return key && is_amd_signature(cert) && flags & EXFLAG_CA &&
		!(flags & (EXFLAG_INVALID | EXFLAG_CRITICAL)) &&
		X509_get_key_usage(issuer) & KU_KEY_CERT_SIGN &&
		X509_verify(cert, key) == 1;
}

/* The one that signed cert; failing that, one that should have; or NULL. */
static X509 *find_issuer(X509 *cert, X509 *const *from, size_t count)
{
	X509 *named = NULL;

	for (size_t i = 0; i < count; i++) {
		if (X509_NAME_cmp(X509_get_issuer_name(cert),
			    X509_get_subject_name(from[i])))
			continue;
		if (is_signed_by(cert, from[i]))
			return from[i];
		if (!named)
			named = from[i];
	}
	return named;
}

static bool same_key(X509 *a, X509 *b)
{
	EVP_PKEY *x = X509_get0_pubkey(a), *y = X509_get0_pubkey(b);

	return x && y && EVP_PKEY_eq(x, y) == 1;
}

/* By its public key; *product is by the pin, or else by the root's name. */
static bool is_trusted(
	const struct snp_collateral *c, X509 *ark, enum snp_product *product)
{
	X509_PUBKEY *spki = X509_get_X509_PUBKEY(ark);
	uint8_t hash[SHA256_DIGEST_LENGTH];
	uint8_t *der = NULL;
	int size = i2d_X509_PUBKEY(spki, &der);

	*product = SNP_UNKNOWN;
	if (size < 0)
		return false;
	SHA256(der, (size_t)size, hash);
	OPENSSL_free(der);
	for (size_t i = 0; !c->root_count && i < ARRAY_SIZE(pins); i++)
		if (!memcmp(hash, pins[i].hash, sizeof(hash))) {
			*product = pins[i].product;
			return true;
		}
	for (size_t i = 0; i < c->root_count; i++) {
		if (!same_key(ark, c->roots[i]))
			continue;
		for (enum snp_product p = SNP_MILAN; p <= SNP_TURIN; p++)
			if (snp_name_is(X509_get_subject_name(ark), "ARK-",
				    snp_product_name(p)))
				*product = p;
		return true;
	}
	return false;
}

static bool is_revoked(X509_CRL *crl, X509 *cert)
{
	X509_REVOKED *entry;

	/* 1: in the list; 2: taken off it, by a list of changes. */
	return X509_CRL_get0_by_cert(crl, &entry, cert) == 1;
}

static bool is_crl_of(X509_CRL *crl, X509 *ark)
{
	EVP_PKEY *key = rsa_key(ark);

	return key &&
		!X509_NAME_cmp(
			X509_CRL_get_issuer(crl), X509_get_subject_name(ark)) &&
		X509_CRL_get_signature_nid(crl) == NID_rsassaPss &&
		X509_CRL_verify(crl, key) == 1;
}

static EVP_PKEY *p384_key(X509 *cert)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	char group[32];
	size_t len;

	return key && EVP_PKEY_is_a(key, "EC") &&
			EVP_PKEY_get_group_name(
				key, group, sizeof(group), &len) == 1 &&
			!strcmp(group, SN_secp384r1)
		? key
		: NULL;
}

static void check_path(const struct snp_collateral *c, struct snp_path *p)
{
	if (!p->vek)
		return;
	p->key = p384_key(p->vek);
	snp_claims_read(p->vek, &p->claims);
	p->ask = find_issuer(p->vek, c->chain, c->chain_count);
	if (!p->ask)
		return;
	p->vek_signed = is_signed_by(p->vek, p->ask);
	p->ark = find_issuer(p->ask, c->chain, c->chain_count);
	if (!p->ark)
		p->ark = find_issuer(p->ask, c->roots, c->root_count);
	if (!p->ark)
		return;
	p->ask_signed = is_signed_by(p->ask, p->ark);
	p->ark_signed = is_signed_by(p->ark, p->ark);
	p->ark_trusted = is_trusted(c, p->ark, &p->product);
	if (c->crl && is_crl_of(c->crl, p->ark)) {
		p->crl_signed = true;
		p->ask_revoked = is_revoked(c->crl, p->ask);
	}
}

static must_check int check_size(
	const char *name, const struct span *s, struct err *e)
{
	if (s->size <= FILE_MAX)
		return 0;
	return err_setf(e, -EINVAL, "%s: %zu bytes; wanted at most %d", name,
		s->size, FILE_MAX);
}

/* DER begins with a SEQUENCE; no text does. */
static bool is_der(const struct span *s)
{
	return s->size && *(const uint8_t *)s->data == 0x30;
}

/* Certificates of a file, DER or PEM, into out[max]. */
static must_check int read_certs(const char *name, const struct span *s,
	X509 **out, size_t max, size_t *count, struct err *e)
{
	const uint8_t *der = s->data;
	X509 *cert = NULL;
	BIO *bio;

	*count = 0;
	if (check_size(name, s, e))
		return e->code;
	if (is_der(s)) {
		cert = d2i_X509(NULL, &der, (long)s->size);
		if (!cert || der != (const uint8_t *)s->data + s->size) {
			X509_free(cert);
			ERR_clear_error();
			return err_set(e, -EINVAL, name, "not a certificate",
				"DER or PEM", NULL);
		}
		out[(*count)++] = cert;
		return 0;
	}
	bio = BIO_new_mem_buf(s->data, (int)s->size);
	if (!bio)
		return err_setf(e, -ENOMEM, "%s: no memory", name);
	while (*count < max &&
		(cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		out[(*count)++] = cert;
	BIO_free(bio);
	ERR_clear_error();
	if (*count)
		return 0;
	return err_set(e, -EINVAL, name, "no certificate in it", "PEM", NULL);
}

static must_check int read_crl(
	const struct span *s, X509_CRL **out, struct err *e)
{
	const uint8_t *der = s->data;
	BIO *bio;

	if (check_size("crl.der", s, e))
		return e->code;
	if (!is_der(s)) {
		bio = BIO_new_mem_buf(s->data, (int)s->size);
		if (!bio)
			return err_setf(e, -ENOMEM, "crl.der: no memory");
		*out = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
		BIO_free(bio);
	} else {
		*out = d2i_X509_CRL(NULL, &der, (long)s->size);
	}
	ERR_clear_error();
	if (*out)
		return 0;
	return err_set(e, -EINVAL, "crl.der", "not a revocation list",
		"DER or PEM", NULL);
}

/* The leaf is the first of its file; whatever else is there is of the chain. */
static must_check int read_leaf(struct snp_collateral *c, const char *name,
	const struct span *s, struct snp_path *p, struct err *e)
{
	X509 *certs[SNP_CHAIN_MAX];
	size_t count;

	if (!s->data)
		return 0;
	if (read_certs(name, s, certs, SNP_CHAIN_MAX, &count, e))
		return e->code;
	p->vek = certs[0];
	for (size_t i = 1; i < count; i++) {
		if (c->chain_count < SNP_CHAIN_MAX)
			c->chain[c->chain_count++] = certs[i];
		else
			X509_free(certs[i]);
	}
	return 0;
}

static must_check int read_roots(
	struct snp_collateral *c, const struct trust *trust, struct err *e)
{
	size_t count;

	c->emulated = trust->emulated;
	for (size_t i = 0; i < trust->root_count; i++) {
		if (c->root_count == SNP_ROOTS_MAX)
			return err_setf(e, -EINVAL,
				"%zu files of root certificates; wanted at "
				"most %d",
				trust->root_count, SNP_ROOTS_MAX);
		if (read_certs("root certificate", &trust->roots[i],
			    c->roots + c->root_count,
			    SNP_ROOTS_MAX - c->root_count, &count, e))
			return e->code;
		c->root_count += count;
	}
	return 0;
}

int snp_collateral_new(const struct collateral_files *files,
	const struct trust *trust, struct snp_collateral **out, struct err *e)
{
	static const struct trust pinned;
	struct snp_collateral *c = calloc(1, sizeof(*c));
	struct err unused;
	int rc;

	if (!e)
		e = &unused;
	if (!c)
		return err_setf(e, -ENOMEM, "AMD's certificates: no memory");
	rc = read_roots(c, trust ? trust : &pinned, e);
	if (!rc && files->cert_chain.data)
		rc = read_certs("cert_chain.pem", &files->cert_chain, c->chain,
			SNP_CHAIN_MAX, &c->chain_count, e);
	if (!rc)
		rc = read_leaf(c, "vcek.der", &files->vcek, &c->vcek, e);
	if (!rc)
		rc = read_leaf(c, "vlek.der", &files->vlek, &c->vlek, e);
	if (!rc && files->snp_crl.data)
		rc = read_crl(&files->snp_crl, &c->crl, e);
	if (rc) {
		snp_collateral_free(c);
		return rc;
	}
	check_path(c, &c->vcek);
	check_path(c, &c->vlek);
	ERR_clear_error();
	*out = c;
	return 0;
}

void snp_collateral_free(struct snp_collateral *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->chain_count; i++)
		X509_free(c->chain[i]);
	for (size_t i = 0; i < c->root_count; i++)
		X509_free(c->roots[i]);
	X509_CRL_free(c->crl);
	X509_free(c->vcek.vek);
	X509_free(c->vlek.vek);
	free(c);
}
