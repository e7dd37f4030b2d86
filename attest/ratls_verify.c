/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/ratls_int.h"

#include <errno.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "attest/date.h"
#include "crypto/sha256.h"
#include "lib/fmt.h"
#include "lib/string.h"

static bool get_time(const ASN1_TIME *t, int64_t *out)
{
	struct tm tm;

	return t && ASN1_TIME_to_tm(t, &tm) == 1 && tm.tm_year >= -1900 &&
		!date_from_civil((unsigned)tm.tm_year + 1900,
			(unsigned)tm.tm_mon + 1, (unsigned)tm.tm_mday,
			(unsigned)tm.tm_hour, (unsigned)tm.tm_min,
			(unsigned)tm.tm_sec, out);
}

static void check_certificate(
	X509 *cert, const struct ratls_options *options, struct verdict *v)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	int64_t from, until;

	if (!key || X509_verify(cert, key) != 1)
		verdict_fail(v, "ratls-signature", "signature is wrong",
			"one by the certificate's own key");
	if (!get_time(X509_get0_notBefore(cert), &from) ||
		!get_time(X509_get0_notAfter(cert), &until))
		verdict_fail(v, "ratls-date", "no date", "a date");
	else
		verdict_window(
			v, "ratls-date", from, until, options->evidence.at);
}

/* The first half of the report data is SHA-256 of what binds the key: the
 * claims or, in the older form, the key. */
static void check_binding(
	const void *bound, size_t size, const char *what, struct verdict *v)
{
	const struct verdict_field *f = verdict_field(v, "report_data");
	uint8_t hash[32];

	sha256(bound, size, hash);
	if (!f || f->size < sizeof(hash))
		verdict_fail(v, "ratls-binding", "no report data", what);
	else if (memcmp(f->bytes, hash, sizeof(hash)))
		verdict_fail_hex(
			v, "ratls-binding", f->bytes, hash, sizeof(hash));
}

static const EVP_MD *digest_of(enum ratls_hash hash)
{
	return hash == RATLS_SHA256    ? EVP_sha256()
		: hash == RATLS_SHA384 ? EVP_sha384()
				       : EVP_sha512();
}

/* The claims name this certificate's key. */
static must_check int check_key(const struct ratls_evidence *r,
	const uint8_t *spki, size_t size, struct verdict *v)
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned hash_size;

	if (EVP_Digest(spki, size, hash, &hash_size, digest_of(r->hash),
		    NULL) != 1)
		return -ENOMEM;
	/* ratls_parse() saw to it that the sizes are equal. */
	if (hash_size != r->key_hash.size ||
		memcmp(hash, r->key_hash.data, hash_size))
		verdict_fail_hex(v, "ratls-key", r->key_hash.data, hash,
			r->key_hash.size);
	return 0;
}

static void check_nonce(const struct ratls_evidence *r,
	const struct ratls_options *options, struct verdict *v)
{
	const struct span *want = &options->nonce;

	if (!want->data)
		return;
	if (!r->nonce.data)
		verdict_fail(v, "ratls-nonce", "none", "the one asked for");
	else if (r->nonce.size != want->size)
		verdict_fail(v, "ratls-nonce", "one of another length",
			"the one asked for");
	else if (memcmp(r->nonce.data, want->data, want->size))
		verdict_fail_hex(v, "ratls-nonce", r->nonce.data, want->data,
			want->size);
}

static void check_tag(const struct ratls_evidence *r, struct verdict *v)
{
	bool snp = v->kind == EVIDENCE_SNP;

	if (r->tag != RATLS_NO_TAG && snp != (r->tag == RATLS_TAG_SNP))
		verdict_fail(v, "ratls-tag", verdict_kind_name(v->kind),
			snp ? "a quote, by its tag"
			    : "an SNP report, by its tag");
}

static must_check int check_bound(X509 *cert, const struct ratls_evidence *r,
	const struct ratls_options *options, struct verdict *v)
{
	uint8_t *spki;
	int size = ratls_spki(X509_get_X509_PUBKEY(cert), &spki), rc = 0;

	if (size < 0)
		return -ENOMEM;
	if (r->tag == RATLS_NO_TAG) {
		check_binding(spki, (size_t)size, "SHA-256 of the key", v);
	} else {
		check_binding(r->claims.data, r->claims.size,
			"SHA-256 of the claims", v);
		rc = check_key(r, spki, (size_t)size, v);
	}
	check_nonce(r, options, v);
	OPENSSL_free(spki);
	return rc;
}

int ratls_verify(X509 *cert, struct collateral *c,
	const struct ratls_options *options, struct verdict *v, struct err *e)
{
	struct ratls_evidence r;
	int rc = ratls_find(cert, &r, e);

	if (rc)
		return rc;
	if (r.tag == RATLS_TAG_TDREPORT || r.tag == RATLS_TAG_REPORT)
		return err_setf(e, -EINVAL,
			"RA-TLS evidence of tag %u is a report for its own "
			"machine; wanted a quote",
			(unsigned)r.tag);
	rc = evidence_verify(
		r.evidence.data, r.evidence.size, c, &options->evidence, v, e);
	if (rc)
		return rc;
	ERR_set_mark();
	check_tag(&r, v);
	check_certificate(cert, options, v);
	rc = check_bound(cert, &r, options, v);
	ERR_pop_to_mark();
	return rc ? err_setf(e, rc, "out of memory") : 0;
}
