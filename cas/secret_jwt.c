/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed tokens (RFC 7519, compact form of RFC 7515): ES256, ES384, EdDSA. The
 * claims are texts; iat, nbf and exp are CAS's own.
 */
#include "cas/secret_int.h"

#include <errno.h>

#include <jansson.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "cas/secret_key.h"
#include "lib/string.h"

enum { RAW_MAX = 96, DER_SIGNATURE_MAX = 128 };

static const char *algorithm_of(uint64_t type)
{
	return type == KEY_P256       ? "ES256"
		: type == KEY_P384    ? "ES384"
		: type == KEY_ED25519 ? "EdDSA"
				      : NULL;
}

static int check(const struct jwt_spec *s, uint64_t *type, struct err *e)
{
	static const char *const own[] = {"iat", "nbf", "exp"};
	const char *fits = NULL;

	if (secret_key_type(s->key, type))
		fits = algorithm_of(*type);
	if (!fits)
		return err_setf(e, -EINVAL,
			"a token cannot be signed with a key of type %s; "
			"wanted P-256, P-384 or Ed25519",
			secret_key_name(*type));
	if (s->algorithm && strcmp(s->algorithm, fits))
		return err_setf(e, -EINVAL,
			"algorithm %s; a key of type %s signs with %s",
			s->algorithm, secret_key_name(*type), fits);
	for (size_t i = 0; i < s->payload->count; i++)
		for (size_t j = 0; j < ARRAY_SIZE(own); j++)
			if (!strcmp(s->payload->item[i].key, own[j]))
				return err_setf(e, -EINVAL,
					"payload: %s is made by CAS; use "
					"valid_for",
					own[j]);
	return 0;
}

static int add_claim(const struct jwt_spec *s, json_t *claims,
	const struct text_pair *p, struct err *e)
{
	struct buf text = {.secret = true};
	int rc = 0;

	if (!strstr(p->value, "$$SCONE::"))
		buf_text(&text, p->value);
	else if (!subst_is_variable(p->value))
		rc = err_setf(e, -EINVAL,
			"payload %s: text around a variable; a claim is one "
			"variable or none",
			p->key);
	else
		rc = subst(p->value, s->lookup, s->arg, NULL, &text, e);
	if (!rc && buf_check(&text))
		rc = err_setf(e, -ENOMEM, "out of memory");
	if (!rc &&
		json_object_set_new(claims, p->key,
			json_stringn(
				text.data ? (char *)text.data : "", text.size)))
		rc = err_setf(e, -EINVAL, "payload %s: not UTF-8", p->key);
	buf_fini(&text);
	return rc;
}

static int make_claims(const struct jwt_spec *s, char **text, struct err *e)
{
	json_t *claims = json_object();
	int rc = claims ? 0 : err_setf(e, -ENOMEM, "out of memory");

	for (size_t i = 0; !rc && i < s->payload->count; i++)
		rc = add_claim(s, claims, &s->payload->item[i], e);
	if (!rc &&
		(json_object_set_new(claims, "iat", json_integer(s->now)) ||
			json_object_set_new(claims, "nbf",
				json_integer(s->now - SECRET_BACKDATE)) ||
			json_object_set_new(
				claims, "exp", json_integer(s->until))))
		rc = err_setf(e, -ENOMEM, "out of memory");
	*text = rc ? NULL : json_dumps(claims, JSON_COMPACT | JSON_SORT_KEYS);
	if (!rc && !*text)
		rc = err_setf(e, -ENOMEM, "out of memory");
	json_decref(claims);
	return rc;
}

/* r and s, each as long as the curve's order. */
static bool raw_signature(
	const uint8_t *der, size_t size, uint8_t *raw, size_t half)
{
	const unsigned char *p = der;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)size);
	bool ok = sig &&
		BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, (int)half) ==
			(int)half &&
		BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + half, (int)half) ==
			(int)half;

	ECDSA_SIG_free(sig);
	return ok;
}

static int sign(const struct jwt_spec *s, uint64_t type, const struct buf *text,
	uint8_t raw[static RAW_MAX], size_t *size)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	const EVP_MD *md = secret_key_digest(type);
	uint8_t der[DER_SIGNATURE_MAX];
	size_t der_size = sizeof(der), half = type == KEY_P384 ? 48 : 32;
	bool ok = c && EVP_DigestSignInit(c, NULL, md, NULL, s->key) == 1 &&
		EVP_DigestSign(c, der, &der_size, text->data, text->size) == 1;

	EVP_MD_CTX_free(c);
	*size = 2 * half;
	if (ok && type == KEY_ED25519)
		memcpy(raw, der, *size);
	else if (ok)
		ok = raw_signature(der, der_size, raw, half);
	return ok ? 0 : -EIO;
}

int secret_jwt_make(
	const struct jwt_spec *spec, struct blob *out, struct err *e)
{
	struct buf text = {.secret = true};
	uint8_t signature[RAW_MAX];
	char *claims = NULL, header[64];
	uint64_t type;
	size_t size;
	int rc = check(spec, &type, e);

	if (!rc)
		rc = make_claims(spec, &claims, e);
	if (rc)
		return rc;
	snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"typ\":\"JWT\"}",
		algorithm_of(type));
	secret_encode_text("base64url", 9, header, strlen(header), &text);
	buf_text(&text, ".");
	secret_encode_text("base64url", 9, claims, strlen(claims), &text);
	rc = buf_check(&text);
	if (!rc)
		rc = sign(spec, type, &text, signature, &size);
	if (!rc) {
		buf_text(&text, ".");
		secret_encode_text("base64url", 9, signature, size, &text);
		rc = buf_check(&text);
	}
	if (!rc)
		rc = blob_set(out, text.data, text.size);
	if (rc)
		err_setf(e, rc, "token: %s",
			rc == -EIO ? "libcrypto failed" : "out of memory");
	string_wipe(claims, strlen(claims));
	free(claims);
	buf_fini(&text);
	return rc;
}
