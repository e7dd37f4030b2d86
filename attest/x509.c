/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding of certificates, in place. d2i_X509() of OpenSSL 3 searches a
 * decoder for the public key among all providers and decodes names into some
 * hundred objects: together as long as verifying two signatures, where a whole
 * quote is to be verified in the time of twelve.
 */
#include "attest/x509_int.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/objects.h>

#include "crypto/sha256.h"
#include "lib/string.h"

enum { EXTENSIONS_MAX = 48 };

static const uint8_t oid_cn[] = {0x55, 0x04, 0x03};
static const uint8_t oid_key_usage[] = {0x55, 0x1d, 0x0f};
static const uint8_t oid_constraints[] = {0x55, 0x1d, 0x13};
static const uint8_t oid_ec[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
static const uint8_t oid_p256[] = {
	0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t oid_p384[] = {0x2b, 0x81, 0x04, 0x00, 0x22};

bool x509_signed_parse(struct x509_signed *s, const void *der, size_t size)
{
	struct der d = {der, size}, outer;

	return der_take(&d, DER_SEQUENCE, &outer) && d.left == 0 &&
		der_take_whole(&outer, DER_SEQUENCE, &s->tbs) &&
		der_take_whole(&outer, DER_SEQUENCE, &s->algorithm) &&
		der_take_bytes(&outer, &s->signature) && outer.left == 0;
}

static bool is_text(uint8_t tag)
{
	return tag == DER_PRINTABLE_STRING || tag == DER_UTF8_STRING ||
		tag == DER_IA5_STRING;
}

/* The next character, or -1: spaces at the ends and runs of them do not count,
 * nor does the case of ASCII letters. */
static int next_folded(struct der *text, bool *begun)
{
	bool space = false;

	while (text->left > 0 && text->at[0] == ' ') {
		text->at++;
		text->left--;
		space = true;
	}
	if (text->left == 0)
		return -1;
	if (space && *begun) {
		*begun = false; /* the character behind it comes next */
		return ' ';
	}
	*begun = true;
	text->left--;
	return *text->at >= 'A' && *text->at <= 'Z' ? *text->at++ | 0x20
						    : *text->at++;
}

static bool texts_equal(struct der a, struct der b)
{
	bool begun_a = false, begun_b = false;
	int ca, cb;

	do {
		ca = next_folded(&a, &begun_a);
		cb = next_folded(&b, &begun_b);
	} while (ca == cb && ca != -1);
	return ca == cb;
}

/* An AttributeTypeAndValue, which x509_take_name() has seen. */
static bool take_attribute(
	struct der *set, struct der *oid, uint8_t *tag, struct der *value)
{
	struct der pair;

	return der_take(set, DER_SEQUENCE, &pair) &&
		der_take(&pair, DER_OID, oid) && der_next(&pair, tag, value) &&
		pair.left == 0;
}

static bool sets_equal(struct der a, struct der b)
{
	struct der oid_a, oid_b, value_a, value_b;
	uint8_t tag_a, tag_b;

	while (a.left > 0 && b.left > 0) {
		if (!take_attribute(&a, &oid_a, &tag_a, &value_a) ||
			!take_attribute(&b, &oid_b, &tag_b, &value_b) ||
			!der_is(&oid_a, oid_b.at, oid_b.left))
			return false;
		if (is_text(tag_a) && is_text(tag_b)
				? !texts_equal(value_a, value_b)
				: tag_a != tag_b ||
					!der_is(&value_a, value_b.at,
						value_b.left))
			return false;
	}
	return a.left == 0 && b.left == 0;
}

bool x509_names_equal(const struct der *a, const struct der *b)
{
	struct der all_a = *a, all_b = *b, sets_a, sets_b, set_a, set_b;

	if (der_is(a, b->at, b->left))
		return true;
	if (!der_take(&all_a, DER_SEQUENCE, &sets_a) ||
		!der_take(&all_b, DER_SEQUENCE, &sets_b))
		return false;
	while (sets_a.left > 0 && sets_b.left > 0)
		if (!der_take(&sets_a, DER_SET, &set_a) ||
			!der_take(&sets_b, DER_SET, &set_b) ||
			!sets_equal(set_a, set_b))
			return false;
	return sets_a.left == 0 && sets_b.left == 0;
}

/* Into cn, if it is plain and not too long. */
static void copy_cn(
	uint8_t tag, const struct der *text, char cn[static X509_CN_TEXT])
{
	if (!is_text(tag) || text->left >= X509_CN_TEXT)
		return;
	for (size_t i = 0; i < text->left; i++) {
		uint8_t c = text->at[i];

		cn[i] = (char)(c < ' ' || c == 0x7f ? '?' : c);
	}
	cn[text->left] = '\0';
}

bool x509_take_name(
	struct der *d, struct der *whole, char cn[static X509_CN_TEXT])
{
	struct der all, name, set, oid, text;
	unsigned found = 0;
	uint8_t tag;

	cn[0] = '\0';
	if (!der_take_whole(d, DER_SEQUENCE, whole))
		return false;
	all = *whole;
	if (!der_take(&all, DER_SEQUENCE, &name))
		return false;
	while (name.left > 0) {
		if (!der_take(&name, DER_SET, &set) || set.left == 0)
			return false;
		while (set.left > 0) {
			if (!take_attribute(&set, &oid, &tag, &text))
				return false;
			if (der_is(&oid, oid_cn, sizeof(oid_cn)) &&
				found++ == 0)
				copy_cn(tag, &text, cn);
		}
	}
	if (found > 1)
		cn[0] = '\0';
	return true;
}

/* Elliptic keys are decoded here, RSA keys by those who need them. */
static int read_key(struct x509_cert *c, struct der *tbs)
{
	struct der all, spki, algorithm, oid, curve, point;
	enum ecdsa_curve which;

	if (!der_take_whole(tbs, DER_SEQUENCE, &c->spki))
		return -EINVAL;
	sha256(c->spki.at, c->spki.left, c->spki_hash);
	all = c->spki;
	if (!der_take(&all, DER_SEQUENCE, &spki) ||
		!der_take(&spki, DER_SEQUENCE, &algorithm) ||
		!der_take_bytes(&spki, &point) || spki.left != 0 ||
		!der_take(&algorithm, DER_OID, &oid))
		return -EINVAL;
	if (!der_is(&oid, oid_ec, sizeof(oid_ec)) ||
		!der_take(&algorithm, DER_OID, &curve))
		return 0;
	if (der_is(&curve, oid_p256, sizeof(oid_p256)))
		which = ECDSA_P256;
	else if (der_is(&curve, oid_p384, sizeof(oid_p384)))
		which = ECDSA_P384;
	else
		return 0;
	/* 4: the point is given as X and Y. */
	if (point.left != 1 + 2 * ecdsa_size(which) || point.at[0] != 4)
		return -EINVAL;
	return ecdsa_key_new(which, point.at + 1, &c->key);
}

/* BasicConstraints, RFC 5280, 4.2.1.9. */
static bool read_constraints(struct x509_cert *c, struct der value)
{
	struct der s, flag, limit;

	if (!der_take(&value, DER_SEQUENCE, &s) || value.left != 0)
		return false;
	if (der_take(&s, DER_BOOLEAN, &flag)) {
		if (flag.left != 1)
			return false;
		c->ca = flag.at[0] != 0;
	}
	if (der_take(&s, DER_INTEGER, &limit) &&
		!der_number(&limit, &c->path_len))
		return false;
	return s.left == 0;
}

/* KeyUsage, RFC 5280, 4.2.1.3: bit 0 is the first byte's highest, and one of
 * them is set. */
static bool read_usage(struct x509_cert *c, struct der value)
{
	struct der bits;
	uint8_t any = 0;

	if (!der_take(&value, DER_BIT_STRING, &bits) || value.left != 0 ||
		bits.left < 2)
		return false;
	for (size_t i = 1; i < bits.left; i++)
		any |= bits.at[i];
	if (any == 0)
		return false;
	c->signs_certs = bits.at[1] & 0x80 >> 5;
	c->signs_crls = bits.at[1] & 0x80 >> 6;
	return true;
}

bool x509_take_extension(
	struct der *d, struct der *oid, bool *critical, struct der *value)
{
	struct der all, flag;

	*critical = false;
	if (!der_take(d, DER_SEQUENCE, &all) || !der_take(&all, DER_OID, oid))
		return false;
	if (der_take(&all, DER_BOOLEAN, &flag)) {
		if (flag.left != 1)
			return false;
		*critical = flag.at[0] != 0;
	}
	return der_take(&all, DER_OCTET_STRING, value) && all.left == 0;
}

static int read_extensions(struct x509_cert *c, struct der *tbs)
{
	struct der tagged, d, seen[EXTENSIONS_MAX], oid, value;
	size_t count = 0;
	bool critical;

	c->path_len = X509_NO_LIMIT;
	c->signs_certs = c->signs_crls = true; /* unless key usage says so */
	/* issuerUniqueID and subjectUniqueID: nobody uses them. */
	if (tbs->left == 0)
		return 0;
	if (!der_take(tbs, DER_CONTEXT + 3, &tagged) || tbs->left != 0 ||
		!der_take(&tagged, DER_SEQUENCE, &c->extensions) ||
		tagged.left != 0)
		return -EINVAL;
	for (d = c->extensions; d.left > 0;) {
		if (!x509_take_extension(&d, &oid, &critical, &value) ||
			count == EXTENSIONS_MAX)
			return -EINVAL;
		for (size_t i = 0; i < count; i++)
			if (der_is(&seen[i], oid.at, oid.left))
				return -EINVAL; /* twice: RFC 5280, 4.2 */
		seen[count++] = oid;
		if (der_is(&oid, oid_constraints, sizeof(oid_constraints))) {
			if (!read_constraints(c, value))
				return -EINVAL;
		} else if (der_is(&oid, oid_key_usage, sizeof(oid_key_usage))) {
			if (!read_usage(c, value))
				return -EINVAL;
		} else if (critical) {
			c->unknown_critical = true;
		}
	}
	return 0;
}

/* TBSCertificate, RFC 5280, 4.1. */
static int read_tbs(struct x509_cert *c, const struct x509_signed *s)
{
	struct der all = s->tbs, tbs, part, algorithm;
	int rc;

	if (!der_take(&all, DER_SEQUENCE, &tbs))
		return -EINVAL;
	/* The version; without one there are no extensions either. */
	if (tbs.left > 0 && tbs.at[0] == DER_CONTEXT &&
		!der_take(&tbs, DER_CONTEXT, &part))
		return -EINVAL;
	if (!der_take(&tbs, DER_INTEGER, &c->serial) || c->serial.left == 0 ||
		!der_take_whole(&tbs, DER_SEQUENCE, &algorithm) ||
		!der_is(&algorithm, s->algorithm.at, s->algorithm.left) ||
		!x509_take_name(&tbs, &c->issuer, c->issuer_cn) ||
		!der_take(&tbs, DER_SEQUENCE, &part) ||
		!der_take_time(&part, &c->not_before) ||
		!der_take_time(&part, &c->not_after) || part.left != 0 ||
		!x509_take_name(&tbs, &c->subject, c->subject_cn))
		return -EINVAL;
	rc = read_key(c, &tbs);
	return rc ? rc : read_extensions(c, &tbs);
}

static void cert_free(struct x509_cert *c)
{
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
	rc = x509_signed_parse(&s, c->der, size) ? read_tbs(c, &s) : -EINVAL;
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
	struct der d = c->extensions, seen, value;
	bool found = false, critical;

	while (want && !found && d.left > 0 &&
		x509_take_extension(&d, &seen, &critical, &value))
		found = der_is(&seen, OBJ_get0_data(want), OBJ_length(want));
	if (found) {
		*data = value.at;
		*size = value.left;
	}
	ASN1_OBJECT_free(want);
	return found;
}

bool x509_cert_self_issued(const struct x509_cert *c)
{
	return x509_names_equal(&c->subject, &c->issuer);
}
