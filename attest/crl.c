/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/crl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "attest/x509_int.h"
#include "lib/fmt.h"

static const char malformed[] = "not a revocation list in DER, hex or PEM";

struct crl {
	struct der issuer; /* Name, whole */
	char issuer_cn[X509_CN_TEXT];
	int64_t this_update, next_update;
	struct der revoked; /* content of the SEQUENCE */
	bool unknown_critical;
	/* The outcome of verifying with the key of that hash. */
	bool verified;
	int verify_rc;
	uint8_t verified_by[32];
	size_t size;
	uint8_t der[];
};

/* An entry: serial number, time, perhaps extensions. */
static bool take_entry(struct der *d, struct der *serial)
{
	struct der entry, extensions;
	int64_t at;

	return der_take(d, DER_SEQUENCE, &entry) &&
		der_take(&entry, DER_INTEGER, serial) && serial->left > 0 &&
		der_take_time(&entry, &at) &&
		(entry.left == 0 ||
			(der_take(&entry, DER_SEQUENCE, &extensions) &&
				entry.left == 0));
}

/*
 * Critical extensions say that the list is not complete (deltas, parts of an
 * issuer's certificates), or what nobody here knows.
 */
static bool read_crl_extensions(struct crl *c, struct der *tbs)
{
	struct der tagged, all, oid, value;
	bool critical;

	if (tbs->left == 0)
		return true;
	if (!der_take(tbs, DER_CONTEXT, &tagged) || tbs->left != 0 ||
		!der_take(&tagged, DER_SEQUENCE, &all) || tagged.left != 0)
		return false;
	while (all.left > 0) {
		if (!x509_take_extension(&all, &oid, &critical, &value))
			return false;
		c->unknown_critical |= critical;
	}
	return true;
}

/* TBSCertList, RFC 5280, 5.1. All entries are looked at once, here. */
static bool decode(struct crl *c)
{
	struct x509_signed s;
	struct der tbs, version, algorithm, entries, serial;

	if (!x509_signed_parse(&s, c->der, c->size) ||
		!der_take(&s.tbs, DER_SEQUENCE, &tbs))
		return false;
	if (tbs.left > 0 && tbs.at[0] == DER_INTEGER &&
		!der_take(&tbs, DER_INTEGER, &version))
		return false;
	if (!der_take_whole(&tbs, DER_SEQUENCE, &algorithm) ||
		!der_is(&algorithm, s.algorithm.at, s.algorithm.left) ||
		!x509_take_name(&tbs, &c->issuer, c->issuer_cn) ||
		!der_take_time(&tbs, &c->this_update) ||
		!der_take_time(&tbs, &c->next_update))
		return false;
	if (tbs.left > 0 && tbs.at[0] == DER_SEQUENCE &&
		!der_take(&tbs, DER_SEQUENCE, &c->revoked))
		return false;
	for (entries = c->revoked; entries.left > 0;)
		if (!take_entry(&entries, &serial))
			return false;
	return read_crl_extensions(c, &tbs);
}

/* Numbers are compared: a zero in front is no reason to miss one. */
static bool same_serial(const struct der *a, const struct der *b)
{
	struct der x = *a, y = *b;

	for (; x.left > 1 && x.at[0] == 0; x.left--)
		x.at++;
	for (; y.left > 1 && y.at[0] == 0; y.left--)
		y.at++;
	return der_is(&x, y.at, y.left);
}

static bool is_revoked(const struct crl *c, const struct x509_cert *cert)
{
	struct der entries = c->revoked, serial;

	while (entries.left > 0 && take_entry(&entries, &serial))
		if (same_serial(&serial, &cert->serial))
			return true;
	return false;
}

static int new_der(
	const void *der, size_t size, struct crl **out, struct err *e)
{
	struct crl *c = calloc(1, sizeof(*c) + size);

	if (!c)
		return err_setf(e, -ENOMEM, "out of memory");
	c->size = size;
	memcpy(c->der, der, size);
	if (!decode(c)) {
		crl_free(c);
		return err_setf(e, -EINVAL, malformed);
	}
	*out = c;
	return 0;
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int new_hex(
	const uint8_t *text, size_t size, struct crl **out, struct err *e)
{
	uint8_t *der = malloc(size / 2 + 1);
	int rc = -EINVAL;

	if (!der)
		return err_setf(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < size / 2; i++) {
		int high = hex_digit(text[2 * i]);
		int low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			goto out;
		der[i] = (uint8_t)(high << 4 | low);
	}
	if (size % 2 == 0)
		rc = new_der(der, size / 2, out, e);
out:
	free(der);
	return rc == -EINVAL ? err_setf(e, rc, malformed) : rc;
}

static int new_pem(
	const void *text, size_t size, struct crl **out, struct err *e)
{
	char *name = NULL, *header = NULL;
	uint8_t *der = NULL;
	long der_size;
	BIO *bio = BIO_new_mem_buf(text, (int)size);
	int rc;

	if (!bio)
		return err_setf(e, -ENOMEM, "out of memory");
	ERR_set_mark();
	if (PEM_read_bio(bio, &name, &header, &der, &der_size) == 1 &&
		!strcmp(name, PEM_STRING_X509_CRL) && header[0] == '\0')
		rc = new_der(der, (size_t)der_size, out, e);
	else
		rc = err_setf(e, -EINVAL, malformed);
	ERR_pop_to_mark();
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
	BIO_free(bio);
	return rc;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\0';
}

int crl_new(const void *data, size_t size, struct crl **out, struct err *e)
{
	const uint8_t *text = data;

	if (size < 2 || size > CRL_SIZE_MAX)
		return err_setf(e, -EINVAL,
			"a revocation list of %zu bytes; wanted at most %d",
			size, CRL_SIZE_MAX);
	/* In DER the second byte, of the length, is no hex digit: anything that
	 * short holds no list. */
	if (text[0] == 0x30 && hex_digit(text[1]) < 0)
		return new_der(data, size, out, e);
	while (size > 0 && is_space(text[size - 1]))
		size--;
	if (size > 0 && hex_digit(text[0]) >= 0)
		return new_hex(text, size, out, e);
	return new_pem(text, size, out, e);
}

void crl_free(struct crl *c)
{
	free(c);
}

const char *crl_issuer(const struct crl *c)
{
	return c->issuer_cn;
}

int64_t crl_this_update(const struct crl *c)
{
	return c->this_update;
}

int64_t crl_next_update(const struct crl *c)
{
	return c->next_update;
}

size_t crl_count(const struct crl *c)
{
	struct der entries = c->revoked, serial;
	size_t count = 0;

	while (entries.left > 0 && take_entry(&entries, &serial))
		count++;
	return count;
}

const uint8_t *crl_der(const struct crl *c, size_t *size)
{
	*size = c->size;
	return c->der;
}

static int verify(struct crl *c, const struct x509_cert *issuer)
{
	if (!c->verified || memcmp(c->verified_by, issuer->spki_hash, 32)) {
		int rc = x509_verify_der(issuer, c->der, c->size);

		if (rc && rc != -EBADMSG)
			return rc;
		c->verified = true;
		c->verify_rc = rc;
		memcpy(c->verified_by, issuer->spki_hash, 32);
	}
	return c->verify_rc;
}

static bool is_issuers(struct crl *c, const struct x509_cert *issuer,
	const struct crl_rules *rules, struct verdict *v)
{
	if (!x509_names_equal(&c->issuer, &issuer->subject) || !issuer->ca ||
		!issuer->signs_crls) {
		verdict_fail(
			v, rules->issuer, c->issuer_cn, issuer->subject_cn);
		return false;
	}
	if (c->unknown_critical) {
		verdict_fail(v, rules->issuer,
			"a list with critical extensions", "a complete list");
		return false;
	}
	if (verify(c, issuer)) {
		verdict_fail(v, rules->signature, "signature is wrong",
			issuer->subject_cn);
		return false;
	}
	return true;
}

static void fail_revoked(
	const struct x509_cert *cert, const char *rule, struct verdict *v)
{
	char seen[VERDICT_TEXT];
	size_t len = fmt_print(
		seen, sizeof(seen), "\"%s\", serial ", cert->subject_cn);
	const uint8_t *serial = cert->serial.at;

	for (size_t i = 0; i < cert->serial.left && len < sizeof(seen); i++)
		len += fmt_print(
			seen + len, sizeof(seen) - len, "%02x", serial[i]);
	verdict_fail(v, rule, seen, "not on its issuer's revocation list");
}

bool crl_check(struct crl *c, struct x509_cert *issuer,
	const struct x509_cert *cert, int64_t at, const struct crl_rules *rules,
	struct verdict *v)
{
	if (!c) {
		verdict_fail(v, rules->missing, "none", issuer->subject_cn);
		return false;
	}
	if (!is_issuers(c, issuer, rules, v))
		return false;
	verdict_window(v, rules->date, c->this_update, c->next_update, at);
	if (!is_revoked(c, cert))
		return true;
	fail_revoked(cert, rules->revoked, v);
	return false;
}
