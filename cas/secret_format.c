/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A value in a format: [previous:]FORM[:ENCODING]. FORM, by kind, says what of
 * it and how; ENCODING is hex, base64 and so on, for any of them. What may be
 * told to everybody is a column of the same table.
 */
#include "cas/secret_int.h"

#include <errno.h>

#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include "cas/secret_key.h"
#include "lib/string.h"

enum part {
	PART_VALUE, /* as it is */
	PART_PEM,
	PART_KEY, /* of a certificate */
	PART_KEY_PEM,
	PART_CHAIN, /* PEM: issuers, nearest first */
	PART_PKCS12,
};

struct form {
	const char *name;
	enum part part;
	bool is_public; /* for all to know */
};

#define KEY_FORMS(prefix, value, pem)                             \
	{prefix "pem", pem, false}, {prefix "der", value, false}, \
		{prefix "pkcs8:pem", pem, false},                 \
	{                                                         \
		prefix "pkcs8:der", value, false                  \
	}

static const struct form plain_forms[] = {{"", PART_VALUE, false}, {0}};
static const struct form private_forms[] = {
	{"", PART_PEM, false}, KEY_FORMS("", PART_VALUE, PART_PEM), {0}};
static const struct form public_forms[] = {{"", PART_PEM, true},
	{"pem", PART_PEM, true}, {"der", PART_VALUE, true},
	{"spki:pem", PART_PEM, true}, {"spki:der", PART_VALUE, true}, {0}};
static const struct form cert_forms[] = {{"", PART_PEM, true},
	{"crt", PART_PEM, true}, {"crt:pem", PART_PEM, true},
	{"crt:der", PART_VALUE, true}, {"chain", PART_CHAIN, true},
	{"chain:pem", PART_CHAIN, true}, {"privatekey", PART_KEY_PEM, false},
	KEY_FORMS("privatekey:", PART_KEY, PART_KEY_PEM),
	{"pkcs12-with-private-key", PART_PKCS12, false}, {0}};

static const struct {
	const struct form *forms;
	const char *label; /* of PEM */
	const char *list; /* for people */
} kinds[SECRET_KINDS] = {
	[SECRET_ASCII] = {plain_forms, NULL, "no format"},
	[SECRET_BINARY] = {plain_forms, NULL, "no format"},
	[SECRET_PRIVATE_KEY] = {private_forms, "PRIVATE KEY",
		"pem, der, pkcs8:pem, pkcs8:der"},
	[SECRET_PUBLIC_KEY] = {public_forms, "PUBLIC KEY",
		"pem, der, spki:pem, spki:der"},
	[SECRET_X509] = {cert_forms, "CERTIFICATE",
		"crt[:pem|:der], chain, privatekey[:[pkcs8:]pem|:[pkcs8:]der], "
		"pkcs12-with-private-key"},
	[SECRET_X509_CA] = {cert_forms, "CERTIFICATE",
		"crt[:pem|:der], chain, privatekey[:[pkcs8:]pem|:[pkcs8:]der], "
		"pkcs12-with-private-key"},
	[SECRET_JWT] = {plain_forms, NULL, "no format"},
	[SECRET_CONFIG_FRAGMENT] = {plain_forms, NULL, "no format"},
};

/* A format, taken apart. */
struct request {
	const struct secret *secret;
	const struct secret_version *version;
	const struct form *form;
	const char *encoding; /* NULL: none */
	bool previous;
};

static const struct form *find_form(uint64_t kind, const char *name, size_t len)
{
	const struct form *f = kinds[kind].forms;

	for (; f->name; f++)
		if (strlen(f->name) == len && !memcmp(f->name, name, len))
			return f;
	return NULL;
}

static void fail_format(
	const struct secret *x, const char *format, struct err *e)
{
	err_setf(e, -EINVAL,
		"secret %s of kind %s: no format \"%s\"; there is %s, each "
		"with :hex, :base64, :base64url, :base32 or :base32nopad",
		x->name, secret_kind_name(x->kind), format,
		kinds[x->kind].list);
}

static int parse(const struct secret_set *set, const char *name,
	const char *format, struct request *r, struct err *e)
{
	const char *rest = format, *last;
	size_t len;

	*r = (struct request){.secret = secret_find(set, name)};
	if (!r->secret) {
		err_setf(e, -ENOENT, "%s: no such secret", name);
		return -ENOENT;
	}
	r->version = &r->secret->now;
	if (string_has_prefix(rest, "previous") &&
		(!rest[8] || rest[8] == ':')) {
		r->previous = true;
		rest += rest[8] ? 9 : 8;
		if (r->secret->before_until)
			r->version = &r->secret->before;
	}
	len = strlen(rest);
	last = strrchr(rest, ':');
	last = last ? last + 1 : rest;
	/* Not ":hex". */
	if (last - rest != 1 && secret_encoding_known(last, strlen(last))) {
		r->encoding = last;
		len = last == rest ? 0 : (size_t)(last - rest) - 1;
	}
	r->form = find_form(r->secret->kind, rest, len);
	if (r->form)
		return 0;
	fail_format(r->secret, format, e);
	return -EINVAL;
}

static X509 *cert_of(const struct blob *b)
{
	const unsigned char *p = b->data;

	return d2i_X509(NULL, &p, (long)b->size);
}

/* Without a password: it is a secret as a whole. */
static int put_pkcs12(const struct secret *x, const struct secret_version *v,
	struct buf *out, struct err *e)
{
	STACK_OF(X509) *issuers = sk_X509_new_null();
	X509 *cert = cert_of(&v->value), *issuer;
	EVP_PKEY *key = NULL;
	PKCS12 *p12 = NULL;
	unsigned char *der = NULL;
	int size = 0, rc = secret_key_load(&v->key, &key);

	for (size_t i = 0; !rc && issuers && i < v->chain_count; i++) {
		issuer = cert_of(&v->chain[i]);
		if (!issuer || !sk_X509_push(issuers, issuer)) {
			X509_free(issuer);
			rc = -EIO;
		}
	}
	if (!rc && issuers && cert)
		p12 = PKCS12_create(
			"", x->name, key, cert, issuers, 0, 0, 0, 0, 0);
	if (p12)
		size = i2d_PKCS12(p12, &der);
	if (size > 0)
		buf_add(out, der, (size_t)size);
	OPENSSL_clear_free(der, size > 0 ? (size_t)size : 0);
	PKCS12_free(p12);
	EVP_PKEY_free(key);
	X509_free(cert);
	sk_X509_pop_free(issuers, X509_free);
	return size > 0
		? 0
		: err_setf(e, -EIO, "secret %s: libcrypto failed", x->name);
}

static int put_part(const struct request *r, struct buf *out, struct err *e)
{
	const struct secret_version *v = r->version;
	const char *label = kinds[r->secret->kind].label;

	if ((r->form->part == PART_KEY || r->form->part == PART_KEY_PEM ||
		    r->form->part == PART_PKCS12) &&
		!v->key.size)
		return err_setf(e, -EINVAL,
			"secret %s: a certificate without its private key; "
			"name that with private_key",
			r->secret->name);
	switch (r->form->part) {
	case PART_VALUE:
		buf_add(out, v->value.data, v->value.size);
		return 0;
	case PART_PEM:
		secret_pem(label, &v->value, out);
		return 0;
	case PART_KEY:
		buf_add(out, v->key.data, v->key.size);
		return 0;
	case PART_KEY_PEM:
		secret_pem("PRIVATE KEY", &v->key, out);
		return 0;
	case PART_CHAIN:
		for (size_t i = 0; i < v->chain_count; i++)
			secret_pem(label, &v->chain[i], out);
		return 0;
	case PART_PKCS12:
		break;
	}
	return put_pkcs12(r->secret, v, out, e);
}

static int put(const struct request *r, struct buf *out, struct err *e)
{
	struct buf raw = {.secret = true};
	int rc;

	out->secret |= !r->form->is_public;
	if (!r->encoding) {
		rc = put_part(r, out, e);
	} else {
		rc = put_part(r, &raw, e);
		if (!rc)
			rc = buf_check(&raw);
		if (!rc)
			secret_encode_text(r->encoding, strlen(r->encoding),
				raw.data, raw.size, out);
		buf_fini(&raw);
	}
	if (!rc && buf_check(out))
		rc = -ENOMEM;
	return rc == -ENOMEM ? err_setf(e, rc, "out of memory") : rc;
}

int secret_format(const struct secret_set *set, const char *name,
	const char *format, struct buf *out, struct err *e)
{
	struct request r;
	int rc = parse(set, name, format, &r, e);

	return rc ? rc : put(&r, out, e);
}

/*
 * Certificates and public keys, wherever they come from; else only what stands
 * in the policy as a text, and now, and is no private key.
 */
static bool may_be_public(const struct request *r)
{
	const struct secret *x = r->secret;

	if (r->form->is_public)
		return true;
	return x->origin == ORIGIN_GIVEN && !r->previous &&
		(x->kind == SECRET_ASCII || x->kind == SECRET_BINARY ||
			x->kind == SECRET_CONFIG_FRAGMENT);
}

int secret_public(const struct secret_set *set, const struct session *s,
	const char *name, const char *format, struct buf *out, struct err *e)
{
	const struct secret_spec *spec = NULL;
	struct request r;
	int rc = parse(set, name, format, &r, e);

	if (rc)
		return rc;
	for (size_t i = 0; !spec && i < s->secrets.count; i++) {
		spec = (const struct secret_spec *)s->secrets.item + i;
		if (strcmp(spec->name, name))
			spec = NULL;
	}
	if (!spec || !spec->export_public)
		return err_setf(e, -EPERM,
			"secret %s is not public; its policy says so with "
			"export_public",
			name);
	if (!may_be_public(&r))
		return err_setf(e, -EPERM,
			"secret %s: %s%s is not public; certificates, public "
			"keys and values that stand in the policy are",
			name, secret_kind_name(r.secret->kind),
			r.form->name[0] ? " in this format" : "");
	return put(&r, out, e);
}

int secret_export(const struct secret_set *set, const char *name,
	struct buf *out, struct err *e)
{
	const struct secret *x = secret_find(set, name);

	if (!x)
		return err_setf(e, -ENOENT, "%s: no such secret", name);
	if (secret_put_imported(x, out))
		return err_setf(e, -ENOMEM, "out of memory");
	return 0;
}
