/* SPDX-License-Identifier: Apache-2.0 */
/* One value: imported, given in the policy, or made. */
#include "cas/secret_make.h"

#include <errno.h>

#include <openssl/evp.h>

#include "cas/secret_key.h"
#include "lib/string.h"

/* CAs below a root, one within the other. */
enum { ROOT_PATH_LENGTH = 4 };

int64_t secret_rotation(const struct secret_spec *spec, int64_t made)
{
	return spec->rotate_every ? secret_after(made, spec->rotate_every) : 0;
}

/* After two thirds of its time, or when it is to be rotated. */
static int64_t renewal(
	const struct secret_spec *spec, int64_t made, int64_t until)
{
	int64_t due = made + (until - made) / 3 * 2;
	int64_t rotation = secret_rotation(spec, made);

	return rotation && rotation < due ? rotation : due;
}

static int fail(struct making *m, int rc)
{
	if (rc == -ENOMEM)
		return err_setf(m->e, rc, "out of memory");
	return err_setf(m->e, rc, "libcrypto failed");
}

/* ---- keys ---- */

static int new_key(struct making *m, uint64_t type, EVP_PKEY **key)
{
	const struct secret_env *env = m->env;
	uint64_t got;

	*key = env->ready_key ? env->ready_key(env->arg, (enum key_type)type)
			      : NULL;
	if (*key && secret_key_type(*key, &got) && got == type)
		return 0;
	EVP_PKEY_free(*key);
	*key = NULL;
	return secret_key_make(type, key);
}

static int create_private_key(
	struct making *m, struct secret *x, const struct secret_spec *spec)
{
	int rc = new_key(m, spec->key_type, &x->pkey);

	if (!rc)
		rc = secret_key_pkcs8(x->pkey, &x->now.value);
	return rc ? fail(m, rc) : 0;
}

/* The key of another secret of the session; borrowed. */
static int use_key(struct making *m, const char *name, EVP_PKEY **key)
{
	struct secret *x = secret_find(m->set, name);

	if (!x || x->kind != SECRET_PRIVATE_KEY)
		return err_setf(m->e, -EINVAL,
			"private_key \"%s\" is of kind %s; wanted private-key",
			name, x ? secret_kind_name(x->kind) : "none");
	if (secret_pkey(x, key))
		return err_setf(m->e, -EINVAL,
			"private_key \"%s\": its value is no private key",
			name);
	return 0;
}

static int create_public_key(
	struct making *m, struct secret *x, const struct secret_spec *spec)
{
	EVP_PKEY *key = NULL;
	int rc;

	if (!spec->private_key)
		return err_setf(m->e, -EINVAL,
			"a public key needs private_key, or a value");
	rc = use_key(m, spec->private_key, &key);
	if (rc)
		return rc;
	rc = secret_key_type(key, &x->key_type)
		? secret_key_spki(key, &x->now.value)
		: -EIO;
	return rc ? fail(m, rc) : 0;
}

/* ---- certificates ---- */

struct issuer {
	struct secret *secret; /* NULL: the certificate signs itself */
	EVP_PKEY *key;
	struct cert_facts facts;
};

static int use_issuer(
	struct making *m, const struct secret_spec *spec, struct issuer *out)
{
	struct secret *x = secret_find(m->set, spec->issuer);

	if (!x || x->kind != SECRET_X509_CA)
		return err_setf(m->e, -EINVAL,
			"issuer \"%s\" is of kind %s; wanted x509-ca",
			spec->issuer, x ? secret_kind_name(x->kind) : "none");
	if (secret_pkey(x, &out->key))
		return err_setf(m->e, -EINVAL,
			"issuer \"%s\" has no private key here, so it cannot "
			"sign",
			spec->issuer);
	if (secret_cert_facts(&x->now.value, &out->facts, m->e))
		return -EINVAL;
	if (out->facts.until <= m->env->now)
		return err_setf(m->e, -EINVAL, "issuer \"%s\" has expired",
			spec->issuer);
	if (x->now.chain_count == SECRET_CHAIN_MAX)
		return err_setf(m->e, -EINVAL,
			"issuer \"%s\": its chain has %d certificates already",
			spec->issuer, SECRET_CHAIN_MAX);
	if (spec->kind == SECRET_X509_CA && !out->facts.path_length)
		return err_setf(m->e, -EINVAL,
			"issuer \"%s\" may not issue certificates of CAs (path "
			"length 0)",
			spec->issuer);
	out->secret = x;
	return 0;
}

/* The name of who has no common_name: the first host, else the secret's. */
static const char *name_of(
	const struct secret_spec *spec, char *text, size_t size)
{
	const char *name = spec->name;

	if (spec->common_name)
		return spec->common_name;
	for (size_t i = spec->san.count; i--;)
		if (string_has_prefix(spec->san.item[i], "dns:"))
			name = spec->san.item[i] + 4;
	if (string_copy(text, size, name))
		text[size - 1] = 0;
	return text;
}

static int copy_chain(struct secret_version *v, const struct secret *issuer)
{
	int rc = blob_set(
		&v->chain[0], issuer->now.value.data, issuer->now.value.size);

	v->chain_count = 1;
	for (size_t i = 0; !rc && i < issuer->now.chain_count; i++) {
		rc = blob_set(&v->chain[i + 1], issuer->now.chain[i].data,
			issuer->now.chain[i].size);
		v->chain_count = i + 2;
	}
	return rc;
}

static int issue(struct making *m, struct secret *x,
	const struct secret_spec *spec, EVP_PKEY *key,
	const struct issuer *issuer)
{
	char name[65];
	int64_t now = m->env->now;
	struct cert_spec cert = {
		.common_name = name_of(spec, name, sizeof(name)),
		.key = key,
		.san = &spec->san,
		.endpoint = (enum x509_endpoint)spec->endpoint,
		.ca = spec->kind == SECRET_X509_CA,
		.path_length = ROOT_PATH_LENGTH,
		.from = now - SECRET_BACKDATE,
		.until = secret_after(now,
			spec->valid_for ? spec->valid_for : SECRET_VALID_FOR),
		.issuer_key = key};
	int rc;

	if (issuer->secret) {
		cert.issuer = &issuer->secret->now.value;
		cert.issuer_key = issuer->key;
		if (issuer->facts.path_length >= 0)
			cert.path_length = issuer->facts.path_length - 1;
		if (cert.until > issuer->facts.until)
			cert.until = issuer->facts.until;
	}
	rc = secret_cert_make(&cert, &x->now.value, m->e);
	if (rc)
		return rc;
	x->now.until = cert.until;
	x->due = renewal(spec, now, cert.until);
	rc = issuer->secret ? copy_chain(&x->now, issuer->secret) : 0;
	return rc ? fail(m, rc) : 0;
}

static int create_cert(
	struct making *m, struct secret *x, const struct secret_spec *spec)
{
	struct issuer issuer = {0};
	EVP_PKEY *key = NULL;
	int rc;

	if (spec->private_key) {
		rc = use_key(m, spec->private_key, &key);
		if (!rc && !EVP_PKEY_up_ref(key))
			rc = fail(m, -EIO);
		if (rc)
			return rc;
	} else {
		rc = new_key(m, spec->key_type, &key);
		if (rc)
			return fail(m, rc);
	}
	x->pkey = key;
	if (!secret_key_type(key, &x->key_type))
		return fail(m, -EIO);
	rc = secret_key_pkcs8(key, &x->now.key);
	if (rc)
		return fail(m, rc);
	rc = spec->issuer ? use_issuer(m, spec, &issuer) : 0;
	return rc ? rc : issue(m, x, spec, key, &issuer);
}

/* ---- tokens ---- */

static int lookup(void *arg, const char *name, const char *format,
	struct buf *out, struct err *e)
{
	return secret_format(arg, name, format, out, e);
}

static int create_jwt(
	struct making *m, struct secret *x, const struct secret_spec *spec)
{
	int64_t now = m->env->now;
	struct jwt_spec jwt = {.algorithm = spec->algorithm,
		.payload = &spec->payload,
		.lookup = lookup,
		.arg = m->set,
		.now = now,
		.until = secret_after(now,
			spec->valid_for ? spec->valid_for : SECRET_VALID_FOR)};
	int rc;

	if (!spec->private_key)
		return err_setf(m->e, -EINVAL, "a token needs a signer");
	rc = use_key(m, spec->private_key, &jwt.key);
	if (!rc)
		rc = secret_jwt_make(&jwt, &x->now.value, m->e);
	if (rc)
		return rc;
	x->now.until = jwt.until;
	x->due = renewal(spec, now, jwt.until);
	return 0;
}

/* ---- all of them ---- */

static int generate(
	struct making *m, struct secret *x, const struct secret_spec *spec)
{
	x->due = secret_rotation(spec, m->env->now);
	switch (spec->kind) {
	case SECRET_ASCII:
		return secret_random_ascii(
			spec->size, spec->charset, &x->now.value, m->e);
	case SECRET_BINARY:
		return secret_random_binary(spec->size, &x->now.value, m->e);
	case SECRET_PRIVATE_KEY:
		return create_private_key(m, x, spec);
	case SECRET_PUBLIC_KEY:
		/* It follows its private key. */
		x->due = 0;
		return create_public_key(m, x, spec);
	case SECRET_X509:
	case SECRET_X509_CA:
		return create_cert(m, x, spec);
	case SECRET_JWT:
		return create_jwt(m, x, spec);
	}
	return err_setf(m->e, -EINVAL,
		"a secret of kind %s needs a value, or import",
		secret_kind_name(spec->kind));
}

static int give(
	struct making *m, struct secret *x, const struct secret_spec *spec)
{
	EVP_PKEY *key = NULL;
	int rc = 0;

	x->origin = ORIGIN_GIVEN;
	if (spec->private_key)
		rc = use_key(m, spec->private_key, &key);
	return rc ? rc : secret_give(x, spec, key, m->e);
}

static int import(
	struct making *m, struct secret *x, const struct secret_spec *spec)
{
	const struct session_ref *ref = spec->import.item;
	struct secret got = {0};
	struct buf text = {.secret = true};
	int rc = m->env->import
		? m->env->import(m->env->arg, ref, &text, m->e)
		: err_setf(m->e, -EPERM, "nothing can be imported here");

	if (!rc && buf_check(&text))
		rc = fail(m, -ENOMEM);
	if (!rc)
		rc = secret_get_imported(text.data, text.size, &got, m->e);
	buf_fini(&text);
	if (rc)
		return rc;
	if (spec->kind != SECRET_IMPORTED && spec->kind != got.kind) {
		rc = err_setf(m->e, -EINVAL,
			"%s of session %s is of kind %s; wanted %s",
			ref->secret ? ref->secret : "it",
			ref->session ? ref->session : "?",
			secret_kind_name(got.kind),
			secret_kind_name(spec->kind));
		secret_fini(&got);
		return rc;
	}
	free(got.name);
	got.name = x->name;
	got.origin = ORIGIN_IMPORTED;
	*x = got;
	return 0;
}

int secret_create(
	struct making *m, struct secret *x, const struct secret_spec *spec)
{
	int rc;

	x->kind = spec->kind;
	x->key_type = spec->key_type;
	x->origin = ORIGIN_GENERATED;
	x->now.made = m->env->now;
	if (spec->import.count)
		rc = import(m, x, spec);
	else if (spec->value)
		rc = give(m, x, spec);
	else
		rc = generate(m, x, spec);
	return rc;
}
