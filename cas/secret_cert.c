/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X.509 certificates (RFC 5280), version 3. A leaf says what it is good for by
 * extended key usage, a CA how deep it may issue. Key identifiers are those of
 * RFC 7093, method 1, but an issuer's is taken from its certificate.
 */
#include "cas/secret_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "cas/der_put.h"
#include "cas/secret_key.h"
#include "crypto/sha256.h"
#include "lib/string.h"

enum {
	CERT_MAX = 16 << 10,
	SERIAL_SIZE = 20, /* its first bit is zero: 159 random ones */
	KEY_ID_SIZE = 20,
	COMMON_NAME_MAX = 64, /* RFC 5280, ub-common-name */
	DNS_MAX = 253,
	DNS_LABEL_MAX = 63,
	SIGNATURE_MAX = 512,
};

/* Object identifiers, with tag and length. */
#define OID_COMMON_NAME "\x06\x03\x55\x04\x03"
#define OID_KEY_ID "\x06\x03\x55\x1d\x0e"
#define OID_KEY_USAGE "\x06\x03\x55\x1d\x0f"
#define OID_ALT_NAME "\x06\x03\x55\x1d\x11"
#define OID_CONSTRAINTS "\x06\x03\x55\x1d\x13"
#define OID_ISSUER_KEY_ID "\x06\x03\x55\x1d\x23"
#define OID_EXT_USAGE "\x06\x03\x55\x1d\x25"
#define OID_SERVER "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01"
#define OID_CLIENT "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02"

static const struct {
	const char *der;
	size_t size;
} algorithms[KEY_TYPES] = {
	[KEY_P256] = {"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02", 12},
	[KEY_P384] = {"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03", 12},
	[KEY_ED25519] = {"\x30\x05\x06\x03\x2b\x65\x70", 7},
	[KEY_RSA_2048] = {"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01"
			  "\x0b\x05\x00",
		15},
	[KEY_RSA_3072] = {"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01"
			  "\x0b\x05\x00",
		15},
};

/* ---- reading what we, or others, made ---- */

struct cert_view {
	struct der subject, spki; /* whole elements */
	int64_t from, until;
	struct der key_id; /* subject key identifier; or empty */
	bool ca;
	int path_length;
};

/* One extension that matters to issuing. */
static bool read_extension(struct cert_view *v, struct der ext)
{
	struct der oid, value, inner, flag, number;
	uint32_t n;

	if (!der_take_whole(&ext, DER_OID, &oid))
		return false;
	if (der_take(&ext, DER_BOOLEAN, &flag) && flag.left != 1)
		return false;
	if (!der_take(&ext, DER_OCTET_STRING, &value) || ext.left)
		return false;
	if (der_is(&oid, OID_KEY_ID, sizeof(OID_KEY_ID) - 1))
		return der_take(&value, DER_OCTET_STRING, &v->key_id);
	if (!der_is(&oid, OID_CONSTRAINTS, sizeof(OID_CONSTRAINTS) - 1))
		return true;
	if (!der_take(&value, DER_SEQUENCE, &inner))
		return false;
	if (der_take(&inner, DER_BOOLEAN, &flag))
		v->ca = flag.left == 1 && flag.at[0];
	if (der_take(&inner, DER_INTEGER, &number)) {
		if (!der_number(&number, &n))
			return false;
		v->path_length = (int)u64_min(n, 1000);
	}
	return !inner.left;
}

static bool read_extensions(struct cert_view *v, struct der *tbs)
{
	struct der all, list, ext;

	if (!der_take(tbs, DER_CONTEXT + 3, &all))
		return !tbs->left;
	if (!der_take(&all, DER_SEQUENCE, &list) || tbs->left)
		return false;
	while (list.left)
		if (!der_take(&list, DER_SEQUENCE, &ext) ||
			!read_extension(v, ext))
			return false;
	return true;
}

static bool read_cert(struct cert_view *v, const struct blob *b)
{
	struct der in = {b->data, b->size}, cert, tbs, skip, dates;

	*v = (struct cert_view){.path_length = -1};
	return der_take(&in, DER_SEQUENCE, &cert) && !in.left &&
		der_take(&cert, DER_SEQUENCE, &tbs) &&
		der_take(&tbs, DER_CONTEXT, &skip) &&
		der_take(&tbs, DER_INTEGER, &skip) &&
		der_take(&tbs, DER_SEQUENCE, &skip) &&
		der_take(&tbs, DER_SEQUENCE, &skip) &&
		der_take(&tbs, DER_SEQUENCE, &dates) &&
		der_take_time(&dates, &v->from) &&
		der_take_time(&dates, &v->until) &&
		der_take_whole(&tbs, DER_SEQUENCE, &v->subject) &&
		der_take_whole(&tbs, DER_SEQUENCE, &v->spki) &&
		read_extensions(v, &tbs);
}

int secret_cert_facts(
	const struct blob *der, struct cert_facts *out, struct err *e)
{
	struct cert_view v;

	if (!read_cert(&v, der))
		return err_setf(
			e, -EINVAL, "not an X.509 certificate of version 3");
	*out = (struct cert_facts){v.ca, v.path_length, v.from, v.until};
	return 0;
}

/* ---- names ---- */

static bool dns_fine(const char *name)
{
	size_t len = strlen(name), label = 0;
	const char *p = name[0] == '*' && name[1] == '.' ? name + 2 : name;

	if (!len || len > DNS_MAX)
		return false;
	for (; *p; p++) {
		bool dot = *p == '.';

		if (!dot && !(*p >= 'a' && *p <= 'z') &&
			!(*p >= 'A' && *p <= 'Z') &&
			!(*p >= '0' && *p <= '9') && *p != '-' && *p != '_')
			return false;
		if (dot && !label)
			return false;
		label = dot ? 0 : label + 1;
		if (label > DNS_LABEL_MAX)
			return false;
	}
	return label > 0;
}

static int put_alt_name(struct der_writer *w, const char *name, struct err *e)
{
	enum { DNS = 0x82, IP = 0x87 };
	uint8_t address[16];

	if (string_has_prefix(name, "dns:") && dns_fine(name + 4)) {
		der_put(w, DNS, name + 4, strlen(name + 4));
		return 0;
	}
	if (string_has_prefix(name, "ip:") &&
		inet_pton(AF_INET, name + 3, address) == 1) {
		der_put(w, IP, address, 4);
		return 0;
	}
	if (string_has_prefix(name, "ip:") &&
		inet_pton(AF_INET6, name + 3, address) == 1) {
		der_put(w, IP, address, 16);
		return 0;
	}
	return err_set(e, -EINVAL, "san", name, "dns:HOST or ip:ADDRESS", NULL);
}

static int put_name(struct der_writer *w, const char *name, struct err *e)
{
	size_t size = strlen(name), mark = der_mark(w);

	if (!size || size > COMMON_NAME_MAX)
		return err_setf(e, -EINVAL,
			"common_name of %zu bytes; wanted 1 to %d", size,
			COMMON_NAME_MAX);
	for (size_t i = 0; i < size; i++)
		if ((uint8_t)name[i] < 0x20 || name[i] == 0x7f)
			return err_setf(
				e, -EINVAL, "common_name: a control character");
	der_put(w, DER_UTF8_STRING, name, size);
	der_put_raw(w, OID_COMMON_NAME, sizeof(OID_COMMON_NAME) - 1);
	der_put_head(w, DER_SEQUENCE, mark);
	der_put_head(w, DER_SET, mark);
	der_put_head(w, DER_SEQUENCE, mark);
	return 0;
}

/* ---- extensions: each is written when its value is there ---- */

static void put_extension(
	struct der_writer *w, const char *oid, bool critical, size_t mark)
{
	der_put_head(w, DER_OCTET_STRING, mark);
	if (critical)
		der_put(w, DER_BOOLEAN, "\xff", 1);
	der_put_raw(w, oid, 5);
	der_put_head(w, DER_SEQUENCE, mark);
}

static void put_constraints(struct der_writer *w, const struct cert_spec *s)
{
	const uint8_t path_length = (uint8_t)s->path_length;
	size_t mark = der_mark(w);

	if (s->ca && s->path_length >= 0)
		der_put(w, DER_INTEGER, &path_length, 1);
	if (s->ca)
		der_put(w, DER_BOOLEAN, "\xff", 1);
	der_put_head(w, DER_SEQUENCE, mark);
	put_extension(w, OID_CONSTRAINTS, true, mark);
}

static void put_usage(
	struct der_writer *w, const struct cert_spec *s, uint64_t type)
{
	/* Unused bits and bits: certificate and CRL signing; signatures, with
	 * RSA also the transport of keys. */
	const char *bits = s->ca       ? "\x01\x06"
		: type >= KEY_RSA_2048 ? "\x05\xa0"
				       : "\x07\x80";
	size_t mark = der_mark(w);

	der_put(w, DER_BIT_STRING, bits, 2);
	put_extension(w, OID_KEY_USAGE, true, mark);
	if (s->ca)
		return;
	mark = der_mark(w);
	if (s->endpoint != ENDPOINT_SERVER)
		der_put_raw(w, OID_CLIENT, sizeof(OID_CLIENT) - 1);
	if (s->endpoint != ENDPOINT_CLIENT)
		der_put_raw(w, OID_SERVER, sizeof(OID_SERVER) - 1);
	der_put_head(w, DER_SEQUENCE, mark);
	put_extension(w, OID_EXT_USAGE, false, mark);
}

static int put_alt_names(
	struct der_writer *w, const struct cert_spec *s, struct err *e)
{
	size_t mark = der_mark(w), i = s->san ? s->san->count : 0;
	int rc = 0;

	if (!i)
		return 0;
	while (!rc && i--)
		rc = put_alt_name(w, s->san->item[i], e);
	if (rc)
		return rc;
	der_put_head(w, DER_SEQUENCE, mark);
	put_extension(w, OID_ALT_NAME, false, mark);
	return 0;
}

static bool key_id(struct der spki, uint8_t id[static KEY_ID_SIZE])
{
	uint8_t digest[SHA256_SIZE];
	struct der in, skip, bits;

	if (!der_take(&spki, DER_SEQUENCE, &in) ||
		!der_take(&in, DER_SEQUENCE, &skip) ||
		!der_take_bytes(&in, &bits))
		return false;
	sha256(bits.at, bits.left, digest);
	memcpy(id, digest, KEY_ID_SIZE);
	return true;
}

static void put_key_ids(struct der_writer *w, const uint8_t *own,
	const void *issuer, size_t issuer_size)
{
	enum { KEY_IDENTIFIER = 0x80 };
	size_t mark = der_mark(w);

	der_put(w, KEY_IDENTIFIER, issuer, issuer_size);
	der_put_head(w, DER_SEQUENCE, mark);
	put_extension(w, OID_ISSUER_KEY_ID, false, mark);
	mark = der_mark(w);
	der_put(w, DER_OCTET_STRING, own, KEY_ID_SIZE);
	put_extension(w, OID_KEY_ID, false, mark);
}

/* ---- the whole ---- */

struct making {
	const struct cert_spec *spec;
	uint64_t type, signer_type;
	struct blob spki;
	struct cert_view issuer;
	uint8_t own_id[KEY_ID_SIZE], issuer_id[KEY_ID_SIZE];
	struct err *e;
};

static int fail_crypto(struct err *e)
{
	return err_setf(e, -EIO, "certificate: libcrypto failed");
}

static int put_serial(struct der_writer *w)
{
	uint8_t serial[SERIAL_SIZE];
	size_t skip = 0;

	if (RAND_bytes(serial, sizeof(serial)) != 1)
		return -EIO;
	serial[0] &= 0x7f;
	/* The shortest form; positive, as RFC 5280 wants it. */
	while (skip < SERIAL_SIZE - 1 && !serial[skip] &&
		serial[skip + 1] < 0x80)
		skip++;
	if (skip == SERIAL_SIZE - 1)
		return -EIO;
	der_put(w, DER_INTEGER, serial + skip, SERIAL_SIZE - skip);
	return 0;
}

static int put_extensions(struct der_writer *w, const struct making *m)
{
	const struct cert_spec *s = m->spec;
	size_t mark = der_mark(w);
	int rc = put_alt_names(w, s, m->e);

	if (rc)
		return rc;
	if (!s->issuer)
		put_key_ids(w, m->own_id, m->own_id, KEY_ID_SIZE);
	else if (m->issuer.key_id.left)
		put_key_ids(w, m->own_id, m->issuer.key_id.at,
			m->issuer.key_id.left);
	else
		put_key_ids(w, m->own_id, m->issuer_id, KEY_ID_SIZE);
	put_usage(w, s, m->type);
	put_constraints(w, s);
	der_put_head(w, DER_SEQUENCE, mark);
	der_put_head(w, DER_CONTEXT + 3, mark);
	return 0;
}

static int put_tbs(struct der_writer *w, const struct making *m)
{
	const struct cert_spec *s = m->spec;
	size_t mark = der_mark(w), part;
	int rc = put_extensions(w, m);

	if (rc)
		return rc;
	der_put_raw(w, m->spki.data, m->spki.size);
	rc = put_name(w, s->common_name, m->e);
	if (rc)
		return rc;
	part = der_mark(w);
	der_put_time(w, s->until);
	der_put_time(w, s->from);
	der_put_head(w, DER_SEQUENCE, part);
	if (s->issuer)
		der_put_raw(w, m->issuer.subject.at, m->issuer.subject.left);
	else
		rc = put_name(w, s->common_name, m->e);
	der_put_raw(w, algorithms[m->signer_type].der,
		algorithms[m->signer_type].size);
	if (rc)
		return rc;
	if (put_serial(w))
		return fail_crypto(m->e);
	part = der_mark(w);
	der_put(w, DER_INTEGER, "\x02", 1);
	der_put_head(w, DER_CONTEXT, part);
	der_put_head(w, DER_SEQUENCE, mark);
	return 0;
}

static int sign(const struct making *m, const uint8_t *data, size_t size,
	uint8_t *signature, size_t *signature_size)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	const EVP_MD *md = secret_key_digest(m->signer_type);
	int ok = c &&
		EVP_DigestSignInit_ex(c, NULL, md ? EVP_MD_get0_name(md) : NULL,
			NULL, NULL, m->spec->issuer_key, NULL) == 1 &&
		EVP_DigestSign(c, signature, signature_size, data, size) == 1;

	EVP_MD_CTX_free(c);
	return ok ? 0 : fail_crypto(m->e);
}

static int make(const struct making *m, uint8_t *memory, struct blob *out)
{
	const struct cert_spec *s = m->spec;
	uint8_t signature[SIGNATURE_MAX];
	size_t size, signature_size = sizeof(signature);
	struct der_writer tbs, w;
	const uint8_t *der;
	int rc;

	der_writer_init(&tbs, memory, CERT_MAX);
	rc = put_tbs(&tbs, m);
	if (rc)
		return rc;
	rc = der_writer_check(&tbs, &der, &size);
	if (rc)
		return err_setf(m->e, -EINVAL,
			"%s: more names or later dates than a certificate can "
			"have",
			s->common_name);
	rc = sign(m, der, size, signature, &signature_size);
	if (rc)
		return rc;
	der_writer_init(&w, memory + CERT_MAX, CERT_MAX + 2048);
	der_put_raw(&w, signature, signature_size);
	der_put_byte(&w, 0);
	der_put_head(&w, DER_BIT_STRING, CERT_MAX + 2048);
	der_put_raw(&w, algorithms[m->signer_type].der,
		algorithms[m->signer_type].size);
	der_put_raw(&w, der, size);
	der_put_head(&w, DER_SEQUENCE, CERT_MAX + 2048);
	rc = der_writer_check(&w, &der, &size);
	if (!rc)
		rc = blob_set(out, der, size);
	return rc ? err_setf(m->e, rc, "certificate: out of memory") : 0;
}

int secret_cert_make(
	const struct cert_spec *spec, struct blob *out, struct err *e)
{
	struct making m = {.spec = spec, .e = e};
	uint8_t *memory;
	struct der own;
	int rc;

	if (!secret_key_type(spec->key, &m.type) ||
		!secret_key_type(spec->issuer_key, &m.signer_type) ||
		secret_key_spki(spec->key, &m.spki))
		return fail_crypto(e);
	own = (struct der){m.spki.data, m.spki.size};
	memory = malloc(2 * CERT_MAX + 2048);
	if (!memory)
		rc = err_setf(e, -ENOMEM, "out of memory");
	else if (!key_id(own, m.own_id) ||
		(spec->issuer &&
			(!read_cert(&m.issuer, spec->issuer) ||
				!key_id(m.issuer.spki, m.issuer_id))))
		rc = err_setf(e, -EINVAL, "the issuer is no X.509 certificate");
	else
		rc = make(&m, memory, out);
	free(memory);
	blob_fini(&m.spki);
	return rc;
}
