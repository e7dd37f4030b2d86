/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/crl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "attest/x509_int.h"
#include "lib/fmt.h"

struct crl {
	X509_CRL *list;
	int64_t this_update, next_update;
	bool unknown_critical;
	/* The outcome of verifying with the key of that hash. */
	bool verified;
	int verify_rc;
	uint8_t verified_by[32];
	char issuer_cn[X509_CN_TEXT];
	size_t size;
	uint8_t der[];
};

/*
 * Critical extensions say that the list is not complete (deltas, parts of an
 * issuer's certificates), or what nobody here knows.
 */
static int decode(struct crl *c)
{
	const uint8_t *at = c->der;

	c->list = d2i_X509_CRL(NULL, &at, (long)c->size);
	if (!c->list || at != c->der + c->size)
		return -EINVAL;
	for (int i = 0; i < X509_CRL_get_ext_count(c->list); i++)
		if (X509_EXTENSION_get_critical(X509_CRL_get_ext(c->list, i)))
			c->unknown_critical = true;
	x509_name_cn(X509_CRL_get_issuer(c->list), c->issuer_cn);
	return x509_time(X509_CRL_get0_lastUpdate(c->list), &c->this_update) &&
			x509_time(X509_CRL_get0_nextUpdate(c->list),
				&c->next_update)
		? 0
		: -EINVAL;
}

static int new_der(
	const void *der, size_t size, struct crl **out, struct err *e)
{
	struct crl *c = calloc(1, sizeof(*c) + size);
	int rc;

	if (!c)
		return err_setf(e, -ENOMEM, "out of memory");
	c->size = size;
	memcpy(c->der, der, size);
	ERR_set_mark();
	rc = decode(c);
	ERR_pop_to_mark();
	if (rc) {
		crl_free(c);
		return err_setf(
			e, -EINVAL, "not a revocation list in DER, hex or PEM");
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
	return rc == -EINVAL
		? err_setf(e, rc, "not a revocation list in DER, hex or PEM")
		: rc;
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
		rc = err_setf(
			e, -EINVAL, "not a revocation list in DER, hex or PEM");
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
	if (!c)
		return;
	X509_CRL_free(c->list);
	free(c);
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
	if (X509_NAME_cmp(X509_CRL_get_issuer(c->list), issuer->subject) ||
		!issuer->ca || !issuer->signs_crls) {
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
	const uint8_t *serial = ASN1_STRING_get0_data(cert->serial);

	for (int i = 0;
		i < ASN1_STRING_length(cert->serial) && len < sizeof(seen); i++)
		len += fmt_print(
			seen + len, sizeof(seen) - len, "%02x", serial[i]);
	verdict_fail(v, rule, seen, "not on its issuer's revocation list");
}

bool crl_check(struct crl *c, struct x509_cert *issuer,
	const struct x509_cert *cert, int64_t at, const struct crl_rules *rules,
	struct verdict *v)
{
	X509_REVOKED *entry;

	if (!c) {
		verdict_fail(v, rules->missing, "none", issuer->subject_cn);
		return false;
	}
	if (!is_issuers(c, issuer, rules, v))
		return false;
	verdict_window(v, rules->date, c->this_update, c->next_update, at);
	if (X509_CRL_get0_by_serial(c->list, &entry, cert->serial) == 0)
		return true;
	fail_revoked(cert, rules->revoked, v);
	return false;
}
