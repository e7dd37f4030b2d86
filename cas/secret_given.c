/* SPDX-License-Identifier: Apache-2.0 */
/* Values that stand in the policy: read, checked, brought into one form. */
#include "cas/secret_int.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "cas/secret_key.h"
#include "lib/string.h"

/* Instead of libcrypto's, which would ask at a terminal. */
static int no_password(char *buf, int size, int writing, void *arg)
{
	return -1;
}

static int give_binary(struct blob *out, const char *text, struct err *e)
{
	static const char prefix[] = "base64:";
	size_t len = strlen(text);
	uint8_t *p;
	int rc;

	if (string_has_prefix(text, prefix)) {
		rc = secret_base64_decode(text + sizeof(prefix) - 1,
			len - (sizeof(prefix) - 1), out);
	} else {
		p = malloc(len / 2 + 1);
		if (!p)
			return err_setf(e, -ENOMEM, "out of memory");
		rc = len % 2 || !string_from_hex(text, p, len / 2)
			? -EINVAL
			: blob_set(out, p, len / 2);
		string_wipe(p, len / 2);
		free(p);
	}
	if (rc == -EINVAL)
		err_setf(e, rc,
			"value: wanted hexadecimal digits, two for a byte, or "
			"\"base64:\" and base64");
	else if (rc)
		err_setf(e, rc, "out of memory");
	return rc;
}

static int give_private(struct secret *x, BIO *in, struct err *e)
{
	EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, no_password, NULL);
	EVP_PKEY_CTX *c = key ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL)
			      : NULL;
	int rc = -EINVAL;

	if (!key)
		err_setf(e, rc,
			"value: wanted a private key in PEM, not encrypted");
	else if (!secret_key_type(key, &x->key_type))
		err_setf(e, rc,
			"value: a private key of another type; wanted P-256, "
			"P-384, Ed25519, RSA-2048 or RSA-3072");
	else if (!c || EVP_PKEY_pairwise_check(c) != 1)
		err_setf(e, rc,
			"value: the private key and its public key do not "
			"belong together");
	else if ((rc = secret_key_pkcs8(key, &x->now.value)))
		err_setf(e, rc, "private key: libcrypto failed");
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return rc;
}

static int give_public(struct secret *x, BIO *in, struct err *e)
{
	EVP_PKEY *key = PEM_read_bio_PUBKEY(in, NULL, no_password, NULL);
	int rc = -EINVAL;

	if (!key || !secret_key_type(key, &x->key_type))
		err_setf(e, rc,
			"value: wanted a public key in PEM of type P-256, "
			"P-384, Ed25519, RSA-2048 or RSA-3072");
	else if ((rc = secret_key_spki(key, &x->now.value)))
		err_setf(e, rc, "public key: libcrypto failed");
	EVP_PKEY_free(key);
	ERR_clear_error();
	return rc;
}

static int take_cert(X509 *cert, struct blob *out)
{
	unsigned char *der = NULL;
	int size = i2d_X509(cert, &der);
	int rc = size > 0 ? blob_set(out, der, (size_t)size) : -ENOMEM;

	OPENSSL_free(der);
	return rc;
}

static int check_key(struct secret *x, X509 *cert, EVP_PKEY *key, struct err *e)
{
	if (!key)
		return 0;
	if (X509_check_private_key(cert, key) != 1)
		return err_setf(e, -EINVAL,
			"value: the certificate is not of private_key");
	return secret_key_pkcs8(key, &x->now.key)
		? err_setf(e, -EIO, "private key: libcrypto failed")
		: 0;
}

/* The certificate, and its issuers behind it. */
static int give_certs(struct secret *x, BIO *in, EVP_PKEY *key, struct err *e)
{
	struct secret_version *v = &x->now;
	struct cert_facts facts = {0};
	X509 *cert;
	size_t n = 0;
	int rc = 0;

	for (; !rc && (cert = PEM_read_bio_X509(in, NULL, no_password, NULL));
		n++) {
		if (n > SECRET_CHAIN_MAX)
			rc = err_setf(e, -EINVAL,
				"value: more than %d certificates",
				SECRET_CHAIN_MAX + 1);
		else if (n)
			rc = take_cert(cert, &v->chain[n - 1]);
		else if (!(rc = take_cert(cert, &v->value)))
			rc = check_key(x, cert, key, e);
		if (!rc && n)
			v->chain_count = n;
		X509_free(cert);
	}
	ERR_clear_error();
	if (!rc && !n)
		rc = err_setf(e, -EINVAL, "value: wanted a certificate in PEM");
	if (!rc)
		rc = secret_cert_facts(&v->value, &facts, e);
	if (!rc && x->kind == SECRET_X509_CA && !facts.ca)
		rc = err_setf(e, -EINVAL,
			"value: not the certificate of a CA; wanted one, or "
			"kind x509");
	if (!rc)
		v->until = facts.until > 0 ? facts.until : 0;
	return rc;
}

static int give_pem(struct secret *x, const struct secret_spec *spec,
	EVP_PKEY *key, struct err *e)
{
	size_t size = strlen(spec->value);
	BIO *in = size <= SECRET_VALUE_MAX
		? BIO_new_mem_buf(spec->value, (int)size)
		: NULL;
	int rc;

	if (!in)
		return err_setf(e, -ENOMEM, "out of memory");
	if (x->kind == SECRET_PRIVATE_KEY)
		rc = give_private(x, in, e);
	else if (x->kind == SECRET_PUBLIC_KEY)
		rc = give_public(x, in, e);
	else
		rc = give_certs(x, in, key, e);
	BIO_free(in);
	return rc;
}

int secret_give(struct secret *x, const struct secret_spec *spec, EVP_PKEY *key,
	struct err *e)
{
	switch (x->kind) {
	case SECRET_PRIVATE_KEY:
	case SECRET_PUBLIC_KEY:
	case SECRET_X509:
	case SECRET_X509_CA:
		return give_pem(x, spec, key, e);
	case SECRET_BINARY:
		return give_binary(&x->now.value, spec->value, e);
	}
	if (blob_set(&x->now.value, spec->value, strlen(spec->value)))
		return err_setf(e, -ENOMEM, "out of memory");
	return 0;
}
