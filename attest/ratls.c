/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence in certificates: where it stands and what form it has. */
#include "attest/ratls_int.h"

#include <errno.h>

#include "lib/cbor.h"
#include "lib/string.h"

int ratls_spki(X509_PUBKEY *key, uint8_t **der)
{
	*der = NULL;
	return i2d_X509_PUBKEY(key, der);
}

static bool is_tag(uint64_t tag)
{
	return tag == RATLS_TAG_QUOTE || tag == RATLS_TAG_TDREPORT ||
		tag == RATLS_TAG_REPORT || tag == RATLS_TAG_SNP;
}

static must_check int get_span(struct cbor_reader *r, struct span *out)
{
	const uint8_t *data;
	int rc = cbor_get_bytes(r, &data, &out->size);

	if (!rc)
		out->data = data;
	return rc;
}

static size_t hash_size(uint64_t algorithm)
{
	switch (algorithm) {
	case RATLS_SHA256:
		return 32;
	case RATLS_SHA384:
		return 48;
	case RATLS_SHA512:
		return 64;
	}
	return 0;
}

/* [algorithm, hash] */
static must_check int read_key_hash(
	struct span s, struct ratls_evidence *out, struct err *e)
{
	struct cbor_reader r;
	uint64_t count, algorithm;

	cbor_reader_init(&r, s.data, s.size);
	if (cbor_get_array(&r, &count) || count != 2 ||
		cbor_get_uint(&r, &algorithm) || get_span(&r, &out->key_hash) ||
		!cbor_reader_at_end(&r))
		return err_setf(e, -EINVAL,
			"RA-TLS claim \"pubkey-hash\" is malformed; wanted the "
			"CBOR array of an algorithm and a hash");
	if (!hash_size(algorithm))
		return err_setf(e, -EINVAL,
			"RA-TLS claim \"pubkey-hash\": algorithm %llu; wanted "
			"1 (SHA-256), 7 (SHA-384) or 8 (SHA-512)",
			(unsigned long long)algorithm);
	if (out->key_hash.size != hash_size(algorithm))
		return err_setf(e, -EINVAL,
			"RA-TLS claim \"pubkey-hash\": %zu bytes for algorithm "
			"%u; wanted %zu",
			out->key_hash.size, (unsigned)algorithm,
			hash_size(algorithm));
	out->hash = (enum ratls_hash)algorithm;
	return 0;
}

static bool key_is(const char *key, size_t size, const char *name)
{
	return size == strlen(name) && !memcmp(key, name, size);
}

/* One claim into where it belongs; what is not known is stepped over. */
static must_check int read_claim(
	struct cbor_reader *r, struct span *key_hash, struct span *nonce)
{
	struct span *where;
	const char *key;
	size_t size;

	if (cbor_get_text(r, &key, &size))
		return -EINVAL;
	where = key_is(key, size, RATLS_KEY_HASH) ? key_hash
		: key_is(key, size, RATLS_NONCE)  ? nonce
						  : NULL;
	if (!where)
		return cbor_skip(r);
	return where->data ? -EINVAL : get_span(r, where);
}

static must_check int read_claims(struct ratls_evidence *out, struct err *e)
{
	struct span key_hash = {0};
	struct cbor_reader r;
	uint64_t count;
	int rc;

	cbor_reader_init(&r, out->claims.data, out->claims.size);
	rc = cbor_get_map(&r, &count);
	for (; !rc && count > 0; count--)
		rc = read_claim(&r, &key_hash, &out->nonce);
	if (rc || !cbor_reader_at_end(&r))
		return err_setf(e, -EINVAL,
			"RA-TLS claims are malformed; wanted a CBOR map with "
			"text keys, each once, and definite lengths");
	if (!key_hash.data)
		return err_setf(
			e, -EINVAL, "RA-TLS claims have no \"pubkey-hash\"");
	return read_key_hash(key_hash, out, e);
}

int ratls_parse(const void *value, size_t size, struct ratls_evidence *out,
	struct err *e)
{
	struct cbor_reader r;
	uint64_t tag, count;

	memset(out, 0, sizeof(*out));
	cbor_reader_init(&r, value, size);
	if (cbor_get_tag(&r, &tag))
		return err_setf(e, -EINVAL,
			"RA-TLS evidence is not a CBOR tag in its shortest "
			"form");
	if (!is_tag(tag))
		return err_setf(e, -EINVAL,
			"RA-TLS evidence has the CBOR tag %llu; wanted 60000 "
			"(quote), 60001, 60002 (reports) or %u (SNP)",
			(unsigned long long)tag, RATLS_TAG_SNP);
	out->tag = (enum ratls_tag)tag;
	if (cbor_get_array(&r, &count) || count != 2 ||
		get_span(&r, &out->evidence) || get_span(&r, &out->claims) ||
		!cbor_reader_at_end(&r))
		return err_setf(e, -EINVAL,
			"RA-TLS evidence is malformed; wanted a CBOR array of "
			"two byte strings of definite length, and nothing "
			"behind it");
	return read_claims(out, e);
}

struct found {
	const ASN1_STRING *dice, *legacy;
	unsigned dice_count, legacy_count;
};

static bool oid_is(const ASN1_OBJECT *oid, const uint8_t *want, size_t size)
{
	return OBJ_length(oid) == size &&
		!memcmp(OBJ_get0_data(oid), want, size);
}

static void look_at(X509_EXTENSION *ext, struct found *f)
{
	const ASN1_OBJECT *oid = X509_EXTENSION_get_object(ext);

	if (oid_is(oid, RATLS_DICE_OID, RATLS_DICE_OID_SIZE)) {
		f->dice = X509_EXTENSION_get_data(ext);
		f->dice_count++;
	} else if (oid_is(oid, RATLS_OID, RATLS_OID_SIZE) ||
		oid_is(oid, RATLS_TLV, RATLS_TLV_SIZE)) {
		f->legacy = X509_EXTENSION_get_data(ext);
		f->legacy_count++;
	}
}

int ratls_find(const X509 *cert, struct ratls_evidence *out, struct err *e)
{
	struct found f = {0};

	for (int i = 0; i < X509_get_ext_count(cert); i++)
		look_at(X509_get_ext(cert, i), &f);
	if (f.dice_count > 1 || (!f.dice_count && f.legacy_count > 1))
		return err_setf(e, -EINVAL,
			"certificate has %u extensions with evidence; wanted "
			"one",
			f.dice_count + f.legacy_count);
	if (f.dice)
		return ratls_parse(ASN1_STRING_get0_data(f.dice),
			(size_t)ASN1_STRING_length(f.dice), out, e);
	if (!f.legacy)
		return err_setf(e, -ENOENT,
			"certificate has no evidence (extension 2.23.133.5.4.9 "
			"or 1.2.840.113741.1337.6); wanted one of RA-TLS");
	memset(out, 0, sizeof(*out));
	out->evidence.data = ASN1_STRING_get0_data(f.legacy);
	out->evidence.size = (size_t)ASN1_STRING_length(f.legacy);
	return 0;
}
