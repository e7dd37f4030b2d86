/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/ratls_int.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "attest/snp.h"
#include "crypto/sha256.h"
#include "lib/cbor_put.h"
#include "lib/string.h"

enum {
	CLAIMS_MAX = 160, /* of a hash and a nonce; asserted by the writer */
	EVIDENCE_MAX = 64 << 10,
	SERIAL_SIZE = 16,
	NAME_MAX_SIZE = 64, /* RFC 5280, ub-common-name */
};

struct making {
	const struct ratls_spec *spec;
	ratls_quote_fn *quote;
	void *arg;
	X509 *cert;
	uint8_t *spki;
	size_t spki_size;
	struct err *e;
};

static must_check int fail_crypto(struct making *m)
{
	return err_setf(m->e, -EIO, "RA-TLS certificate: libcrypto failed");
}

/* NULL: not a key that we sign with. */
static const EVP_MD *key_digest(EVP_PKEY *key)
{
	char group[32];
	size_t len;

	if (!EVP_PKEY_is_a(key, "EC") ||
		EVP_PKEY_get_group_name(key, group, sizeof(group), &len) != 1)
		return NULL;
	return !strcmp(group, SN_X9_62_prime256v1) ? EVP_sha256()
		: !strcmp(group, SN_secp384r1)     ? EVP_sha384()
						   : NULL;
}

static must_check int check_spec(const struct ratls_spec *spec, struct err *e)
{
	size_t len = spec->common_name
		? strnlen(spec->common_name, NAME_MAX_SIZE + 1)
		: 0;

	if (!spec->key || !key_digest(spec->key))
		return err_setf(e, -EINVAL,
			"RA-TLS certificate: the key is of another kind; "
			"wanted one on P-256 or P-384");
	if (len < 1 || len > NAME_MAX_SIZE)
		return err_setf(e, -EINVAL,
			"RA-TLS certificate: common name is absent or too "
			"long; wanted 1 to %d bytes",
			NAME_MAX_SIZE);
	if (spec->forms & RATLS_FORM_LEGACY && spec->forms & RATLS_FORM_GRAMINE)
		return err_setf(e, -EINVAL,
			"RA-TLS certificate: one number in two spellings; "
			"wanted one of them");
	if (spec->until < spec->from)
		return err_setf(e, -EINVAL,
			"RA-TLS certificate: it would end before it begins");
	if (spec->nonce.size > RATLS_NONCE_MAX)
		return err_setf(e, -EINVAL,
			"RA-TLS certificate: nonce of %zu bytes; wanted at "
			"most %d",
			spec->nonce.size, RATLS_NONCE_MAX);
	return 0;
}

static must_check int set_basics(struct making *m)
{
	const struct ratls_spec *spec = m->spec;
	X509 *x = m->cert;
	uint8_t serial[SERIAL_SIZE];
	X509_NAME *name = X509_get_subject_name(x);
	BIGNUM *number = NULL;
	bool ok;
	int size;

	if (RAND_bytes(serial, sizeof(serial)) != 1)
		return fail_crypto(m);
	/* Positive, and never zero (RFC 5280, 4.1.2.2). */
	serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40);
	number = BN_bin2bn(serial, sizeof(serial), NULL);
	ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x)) &&
		X509_set_version(x, X509_VERSION_3) == 1 &&
		ASN1_TIME_set(X509_getm_notBefore(x), spec->from) &&
		ASN1_TIME_set(X509_getm_notAfter(x), spec->until) &&
		X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
			(const uint8_t *)spec->common_name, -1, -1, 0) == 1 &&
		X509_set_issuer_name(x, name) == 1 &&
		X509_set_pubkey(x, spec->key) == 1;
	BN_free(number);
	if (!ok)
		return fail_crypto(m);
	size = ratls_spki(X509_get_X509_PUBKEY(x), &m->spki);
	if (size < 0)
		return fail_crypto(m);
	m->spki_size = (size_t)size;
	return 0;
}

static must_check int add_constraints(struct making *m)
{
	BASIC_CONSTRAINTS *b = BASIC_CONSTRAINTS_new();
	int rc = b ? X509_add1_ext_i2d(m->cert, NID_basic_constraints, b, 1, 0)
		   : 0;

	BASIC_CONSTRAINTS_free(b);
	return rc == 1 ? 0 : fail_crypto(m);
}

/* An extension whose identifier has these content bytes: by way of DER, since
 * Gramine's has no dotted form that OpenSSL would accept. */
static ASN1_OBJECT *make_oid(const uint8_t *content, size_t size)
{
	uint8_t der[2 + RATLS_TLV_SIZE] = {V_ASN1_OBJECT, (uint8_t)size};
	const uint8_t *at = der;

	memcpy(der + 2, content, size);
	return d2i_ASN1_OBJECT(NULL, &at, (long)(2 + size));
}

static must_check int add_extension(struct making *m, const uint8_t *oid,
	size_t oid_size, const void *value, size_t size)
{
	ASN1_OBJECT *object = make_oid(oid, oid_size);
	ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
	X509_EXTENSION *ext = NULL;
	int rc;

	if (object && octets &&
		ASN1_OCTET_STRING_set(octets, value, (int)size) == 1)
		ext = X509_EXTENSION_create_by_OBJ(NULL, object, 0, octets);
	rc = ext && X509_add_ext(m->cert, ext, -1) == 1 ? 0 : fail_crypto(m);
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(octets);
	ASN1_OBJECT_free(object);
	return rc;
}

/* Evidence with SHA-256 of bound[size] in its report data; malloc'ed. */
static must_check int get_evidence(
	struct making *m, const void *bound, size_t size, struct span *out)
{
	uint8_t wanted[RATLS_REPORT_DATA] = {0};
	const struct verdict_field *f;
	struct verdict *v;
	void *evidence = NULL;
	int rc;

	sha256(bound, size, wanted);
	rc = m->quote(m->arg, wanted, &evidence, &out->size, m->e);
	if (rc)
		return rc;
	out->data = evidence;
	v = malloc(sizeof(*v));
	if (!v)
		return err_setf(m->e, -ENOMEM, "out of memory");
	rc = out->size > EVIDENCE_MAX
		? err_setf(m->e, -EINVAL,
			  "evidence of %zu bytes; wanted at most %d", out->size,
			  EVIDENCE_MAX)
		: evidence_show(evidence, out->size, v, m->e);
	f = rc ? NULL : verdict_field(v, "report_data");
	if (!rc && (!f || memcmp(f->bytes, wanted, sizeof(wanted))))
		rc = err_setf(m->e, -EPROTO,
			"evidence has other report data than it was asked for");
	free(v);
	return rc;
}

static void free_span(struct span s)
{
	free((void *)(uintptr_t)s.data);
}

/* Returns the size. Keys in canonical order: the shorter first. */
static size_t write_claims(struct making *m, uint8_t claims[static CLAIMS_MAX])
{
	const struct span *nonce = &m->spec->nonce;
	uint8_t hash[32], entry[40];
	struct cbor_writer w;
	size_t entry_size;

	sha256(m->spki, m->spki_size, hash);
	cbor_writer_init(&w, entry, sizeof(entry));
	cbor_put_array(&w, 2);
	cbor_put_uint(&w, RATLS_SHA256);
	cbor_put_bytes(&w, hash, sizeof(hash));
	entry_size = w.len;
	cbor_writer_init(&w, claims, CLAIMS_MAX);
	cbor_put_map(&w, nonce->data ? 2 : 1);
	if (nonce->data) {
		cbor_put_text(&w, RATLS_NONCE, strlen(RATLS_NONCE));
		cbor_put_bytes(&w, nonce->data, nonce->size);
	}
	cbor_put_text(&w, RATLS_KEY_HASH, strlen(RATLS_KEY_HASH));
	cbor_put_bytes(&w, entry, entry_size);
	return cbor_writer_check(&w) ? 0 : w.len;
}

static must_check int add_dice(struct making *m)
{
	uint8_t claims[CLAIMS_MAX], *value;
	size_t claims_size = write_claims(m, claims);
	struct span evidence = {0};
	struct cbor_writer w;
	int rc;

	if (!claims_size)
		return err_setf(m->e, -EINVAL, "RA-TLS claims are too long");
	rc = get_evidence(m, claims, claims_size, &evidence);
	if (rc)
		goto out;
	value = malloc(evidence.size + CLAIMS_MAX + 32);
	if (!value) {
		rc = err_setf(m->e, -ENOMEM, "out of memory");
		goto out;
	}
	cbor_writer_init(&w, value, evidence.size + CLAIMS_MAX + 32);
	cbor_put_tag(&w,
		snp_is_report(evidence.data, evidence.size) ? RATLS_TAG_SNP
							    : RATLS_TAG_QUOTE);
	cbor_put_array(&w, 2);
	cbor_put_bytes(&w, evidence.data, evidence.size);
	cbor_put_bytes(&w, claims, claims_size);
	rc = cbor_writer_check(&w) ? fail_crypto(m)
				   : add_extension(m, RATLS_DICE_OID,
					     RATLS_DICE_OID_SIZE, value, w.len);
	free(value);
out:
	free_span(evidence);
	return rc;
}

static must_check int add_legacy(
	struct making *m, const uint8_t *oid, size_t oid_size)
{
	struct span evidence = {0};
	int rc = get_evidence(m, m->spki, m->spki_size, &evidence);

	if (!rc)
		rc = add_extension(
			m, oid, oid_size, evidence.data, evidence.size);
	free_span(evidence);
	return rc;
}

static must_check int make(struct making *m)
{
	unsigned forms = m->spec->forms ? m->spec->forms : RATLS_FORM_DICE;
	int rc = set_basics(m);

	if (!rc)
		rc = add_constraints(m);
	if (!rc && forms & RATLS_FORM_LEGACY)
		rc = add_legacy(m, RATLS_OID, RATLS_OID_SIZE);
	if (!rc && forms & RATLS_FORM_GRAMINE)
		rc = add_legacy(m, RATLS_TLV, RATLS_TLV_SIZE);
	if (!rc && forms & RATLS_FORM_DICE)
		rc = add_dice(m);
	if (!rc &&
		X509_sign(m->cert, m->spec->key, key_digest(m->spec->key)) <= 0)
		rc = fail_crypto(m);
	return rc;
}

int ratls_make(const struct ratls_spec *spec, ratls_quote_fn *quote, void *arg,
	X509 **out, struct err *e)
{
	struct making m = {.spec = spec, .quote = quote, .arg = arg, .e = e};
	int rc = check_spec(spec, e);

	if (rc)
		return rc;
	m.cert = X509_new();
	if (!m.cert)
		return err_setf(e, -ENOMEM, "out of memory");
	rc = make(&m);
	OPENSSL_free(m.spki);
	if (rc) {
		X509_free(m.cert);
		return rc;
	}
	*out = m.cert;
	return 0;
}
