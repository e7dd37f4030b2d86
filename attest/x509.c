/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding of certificates. Their parts are decoded by OpenSSL; the structure
 * around is walked here, since d2i_X509() of OpenSSL 3 searches a decoder for
 * the public key among all providers, which takes longer than verifying two
 * signatures.
 */
#include "attest/x509_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "attest/date.h"
#include "crypto/sha256.h"

enum { EXTENSIONS_MAX = 48 };

bool x509_enter(struct x509_reader *r, int want_tag, int want_class,
	struct x509_reader *inner)
{
	const uint8_t *at = r->at;
	long size;
	int tag, class, kind;

	if (r->at >= r->end)
		return false;
	kind = ASN1_get_object(&at, &size, &tag, &class, r->end - r->at);
	/* Bit 7: malformed; bit 0: of indefinite length. */
	if ((kind & 0x81) || tag != want_tag || class != want_class ||
		size < 0 || size > r->end - at)
		return false;
	inner->at = at;
	inner->end = at + size;
	r->at = inner->end;
	return true;
}

int x509_signed_parse(struct x509_signed *s, const void *der, size_t size)
{
	struct x509_reader r = {der, (const uint8_t *)der + size}, outer;

	memset(s, 0, sizeof(*s));
	if (size > INT32_MAX ||
		!x509_enter(&r, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, &outer) ||
		r.at != r.end)
		return -EINVAL;
	s->tbs = outer.at;
	if (!x509_enter(&outer, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, &s->inner))
		return -EINVAL;
	s->tbs_size = (size_t)(outer.at - s->tbs);
	s->algorithm = d2i_X509_ALGOR(NULL, &outer.at, outer.end - outer.at);
	if (!s->algorithm)
		return -EINVAL;
	s->signature = d2i_ASN1_BIT_STRING(
		NULL, &outer.at, outer.end - outer.at);
	/* A signature is bytes: no bits are left over at its end. */
	return s->signature && outer.at == outer.end &&
			!(s->signature->flags & 7)
		? 0
		: -EINVAL;
}

void x509_signed_fini(struct x509_signed *s)
{
	X509_ALGOR_free(s->algorithm);
	ASN1_BIT_STRING_free(s->signature);
}

bool x509_time(const ASN1_TIME *t, int64_t *out)
{
	struct tm tm;

	return t && ASN1_TIME_to_tm(t, &tm) == 1 && tm.tm_year >= -1900 &&
		date_from_civil((unsigned)(tm.tm_year + 1900),
			(unsigned)tm.tm_mon + 1, (unsigned)tm.tm_mday,
			(unsigned)tm.tm_hour, (unsigned)tm.tm_min,
			(unsigned)tm.tm_sec, out) == 0;
}

static bool read_time(struct x509_reader *r, int64_t *out)
{
	ASN1_TIME *t = d2i_ASN1_TIME(NULL, &r->at, r->end - r->at);
	bool ok = x509_time(t, out);

	ASN1_TIME_free(t);
	return ok;
}

void x509_name_cn(const X509_NAME *name, char text[static X509_CN_TEXT])
{
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1), len;
	const ASN1_STRING *s;
	const uint8_t *p;

	text[0] = '\0';
	if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0)
		return;
	s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
	len = ASN1_STRING_length(s);
	if ((ASN1_STRING_type(s) != V_ASN1_PRINTABLESTRING &&
		    ASN1_STRING_type(s) != V_ASN1_UTF8STRING &&
		    ASN1_STRING_type(s) != V_ASN1_IA5STRING) ||
		len >= X509_CN_TEXT)
		return;
	p = ASN1_STRING_get0_data(s);
	for (int i = 0; i < len; i++)
		text[i] = (char)(p[i] < ' ' || p[i] == 0x7f ? '?' : p[i]);
	text[len] = '\0';
}

/* Elliptic keys are decoded at once; RSA keys by those who need them. */
static int read_key(struct x509_cert *c, struct x509_reader *r)
{
	struct x509_reader spki;
	X509_ALGOR *algorithm;
	ASN1_BIT_STRING *bits = NULL;
	const ASN1_OBJECT *oid;
	const void *curve;
	int type, rc = -EINVAL;

	c->spki = r->at;
	if (!x509_enter(r, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, &spki))
		return -EINVAL;
	c->spki_size = (size_t)(r->at - c->spki);
	sha256(c->spki, c->spki_size, c->spki_hash);
	algorithm = d2i_X509_ALGOR(NULL, &spki.at, spki.end - spki.at);
	if (!algorithm)
		return -EINVAL;
	X509_ALGOR_get0(&oid, &type, &curve, algorithm);
	bits = d2i_ASN1_BIT_STRING(NULL, &spki.at, spki.end - spki.at);
	if (!bits || spki.at != spki.end)
		goto out;
	rc = 0;
	if (OBJ_obj2nid(oid) == NID_X9_62_id_ecPublicKey &&
		type == V_ASN1_OBJECT) {
		int nid = OBJ_obj2nid(curve);
		enum ecdsa_curve which = nid == NID_secp384r1 ? ECDSA_P384
							      : ECDSA_P256;
		const uint8_t *point = ASN1_STRING_get0_data(bits);

		if ((nid == NID_X9_62_prime256v1 || nid == NID_secp384r1) &&
			(size_t)ASN1_STRING_length(bits) ==
				1 + 2 * ecdsa_size(which) &&
			point[0] == 4)
			rc = ecdsa_key_new(which, point + 1, &c->key);
	}
out:
	X509_ALGOR_free(algorithm);
	ASN1_BIT_STRING_free(bits);
	return rc;
}

static int read_constraints(struct x509_cert *c, X509_EXTENSION *ext)
{
	BASIC_CONSTRAINTS *b = X509V3_EXT_d2i(ext);

	if (!b)
		return -EINVAL;
	c->ca = b->ca != 0;
	if (b->pathlen) {
		c->path_len = ASN1_INTEGER_get(b->pathlen);
		/* Not a number that anyone counts to: no path at all. */
		if (c->path_len < 0)
			c->ca = false;
	}
	BASIC_CONSTRAINTS_free(b);
	return 0;
}

static int read_usage(struct x509_cert *c, X509_EXTENSION *ext)
{
	ASN1_BIT_STRING *bits = X509V3_EXT_d2i(ext);

	if (!bits)
		return -EINVAL;
	c->signs_certs = ASN1_BIT_STRING_get_bit(bits, 5) == 1;
	c->signs_crls = ASN1_BIT_STRING_get_bit(bits, 6) == 1;
	ASN1_BIT_STRING_free(bits);
	return 0;
}

static int read_extension(struct x509_cert *c, int at)
{
	X509_EXTENSION *ext = sk_X509_EXTENSION_value(c->extensions, at);
	const ASN1_OBJECT *oid = X509_EXTENSION_get_object(ext);

	for (int i = 0; i < at; i++)
		if (!OBJ_cmp(oid,
			    X509_EXTENSION_get_object(
				    sk_X509_EXTENSION_value(c->extensions, i))))
			return -EINVAL; /* twice: RFC 5280, 4.2 */
	switch (OBJ_obj2nid(oid)) {
	case NID_basic_constraints:
		return read_constraints(c, ext);
	case NID_key_usage:
		return read_usage(c, ext);
	default:
		if (X509_EXTENSION_get_critical(ext))
			c->unknown_critical = true;
		return 0;
	}
}

static int read_extensions(struct x509_cert *c, struct x509_reader *r)
{
	struct x509_reader tagged;
	int count;

	c->path_len = -1;
	c->signs_certs = c->signs_crls = true; /* unless key usage says so */
	/* issuerUniqueID and subjectUniqueID: nobody uses them. */
	if (r->at == r->end)
		return 0;
	if (!x509_enter(r, 3, V_ASN1_CONTEXT_SPECIFIC, &tagged) ||
		r->at != r->end)
		return -EINVAL;
	c->extensions = d2i_X509_EXTENSIONS(
		NULL, &tagged.at, tagged.end - tagged.at);
	if (!c->extensions || tagged.at != tagged.end)
		return -EINVAL;
	count = sk_X509_EXTENSION_num(c->extensions);
	if (count > EXTENSIONS_MAX)
		return -EINVAL;
	for (int i = 0; i < count; i++) {
		int rc = read_extension(c, i);

		if (rc)
			return rc;
	}
	return 0;
}

/* TBSCertificate, RFC 5280, 4.1. */
static int read_tbs(struct x509_cert *c, const struct x509_signed *s)
{
	struct x509_reader r = s->inner, part;
	X509_ALGOR *algorithm;
	bool same;
	int rc;

	/* The version; without one there are no extensions either. */
	if (r.at < r.end && *r.at == 0xa0 &&
		!x509_enter(&r, 0, V_ASN1_CONTEXT_SPECIFIC, &part))
		return -EINVAL;
	c->serial = d2i_ASN1_INTEGER(NULL, &r.at, r.end - r.at);
	if (!c->serial)
		return -EINVAL;
	algorithm = d2i_X509_ALGOR(NULL, &r.at, r.end - r.at);
	same = algorithm && !X509_ALGOR_cmp(algorithm, s->algorithm);
	X509_ALGOR_free(algorithm);
	if (!same)
		return -EINVAL;
	c->issuer = d2i_X509_NAME(NULL, &r.at, r.end - r.at);
	if (!c->issuer ||
		!x509_enter(&r, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, &part) ||
		!read_time(&part, &c->not_before) ||
		!read_time(&part, &c->not_after) || part.at != part.end)
		return -EINVAL;
	c->subject = d2i_X509_NAME(NULL, &r.at, r.end - r.at);
	if (!c->subject)
		return -EINVAL;
	x509_name_cn(c->issuer, c->issuer_cn);
	x509_name_cn(c->subject, c->subject_cn);
	rc = read_key(c, &r);
	return rc ? rc : read_extensions(c, &r);
}

static void cert_free(struct x509_cert *c)
{
	X509_NAME_free(c->subject);
	X509_NAME_free(c->issuer);
	ASN1_INTEGER_free(c->serial);
	sk_X509_EXTENSION_pop_free(c->extensions, X509_EXTENSION_free);
	ecdsa_key_free(c->key);
	free(c);
}

int x509_cert_new_der(const void *der, size_t size, struct x509_cert **out)
{
	struct x509_signed s;
	struct x509_cert *c;
	int rc;

	if (size > X509_CERT_MAX)
		return -EINVAL;
	c = calloc(1, sizeof(*c) + size);
	if (!c)
		return -ENOMEM;
	c->refs = 1;
	c->size = size;
	memcpy(c->der, der, size);
	sha256(c->der, size, c->hash);
	ERR_set_mark();
	rc = x509_signed_parse(&s, c->der, size);
	if (!rc)
		rc = read_tbs(c, &s);
	x509_signed_fini(&s);
	ERR_pop_to_mark();
	if (rc) {
		cert_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

struct x509_cert *x509_cert_ref(struct x509_cert *c)
{
	c->refs++;
	return c;
}

void x509_cert_unref(struct x509_cert *c)
{
	if (c && --c->refs == 0)
		cert_free(c);
}

const uint8_t *x509_cert_hash(const struct x509_cert *c)
{
	return c->hash;
}

const uint8_t *x509_cert_spki_hash(const struct x509_cert *c)
{
	return c->spki_hash;
}

int64_t x509_cert_not_before(const struct x509_cert *c)
{
	return c->not_before;
}

int64_t x509_cert_not_after(const struct x509_cert *c)
{
	return c->not_after;
}

const char *x509_cert_subject(const struct x509_cert *c)
{
	return c->subject_cn;
}

const char *x509_cert_issuer(const struct x509_cert *c)
{
	return c->issuer_cn;
}

bool x509_cert_named(const struct x509_cert *c, const char *text)
{
	size_t have = strlen(c->subject_cn), want = strlen(text);

	return have >= want && !strcmp(c->subject_cn + have - want, text);
}

const struct ecdsa_key *x509_cert_key(const struct x509_cert *c)
{
	return c->key;
}

bool x509_cert_extension(const struct x509_cert *c, const char *oid,
	const uint8_t **data, size_t *size)
{
	ASN1_OBJECT *want = OBJ_txt2obj(oid, 1);
	bool found = false;

	for (int i = 0; want && i < sk_X509_EXTENSION_num(c->extensions); i++) {
		X509_EXTENSION *ext = sk_X509_EXTENSION_value(c->extensions, i);
		const ASN1_OCTET_STRING *value;

		if (OBJ_cmp(X509_EXTENSION_get_object(ext), want))
			continue;
		value = X509_EXTENSION_get_data(ext);
		*data = ASN1_STRING_get0_data(value);
		*size = (size_t)ASN1_STRING_length(value);
		found = true;
		break; /* none is there twice */
	}
	ASN1_OBJECT_free(want);
	return found;
}

void x509_cert_serial(
	const struct x509_cert *c, const uint8_t **data, size_t *size)
{
	*data = ASN1_STRING_get0_data(c->serial);
	*size = (size_t)ASN1_STRING_length(c->serial);
}

bool x509_cert_self_issued(const struct x509_cert *c)
{
	return !X509_NAME_cmp(c->subject, c->issuer);
}
