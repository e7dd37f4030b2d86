/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/signature.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *base64(const void *data, size_t size)
{
	char *text = malloc(size / 3 * 4 + 8);
	json_t *j = NULL;

	if (text) {
		EVP_EncodeBlock((uint8_t *)text, data, (int)size);
		j = json_string(text);
	}
	free(text);
	return j;
}

/* The digest that goes with a key: as access_verify() wants it. */
static bool digest_of(const EVP_PKEY *key, const EVP_MD **md)
{
	char group[32] = "";
	size_t len;

	*md = NULL;
	if (EVP_PKEY_is_a(key, "ED25519"))
		return true;
	if (!EVP_PKEY_is_a(key, "EC") ||
		EVP_PKEY_get_group_name(key, group, sizeof(group), &len) != 1)
		return false;
	if (strcmp(group, "prime256v1") == 0)
		*md = EVP_sha256();
	else if (strcmp(group, "secp384r1") == 0)
		*md = EVP_sha384();
	return *md != NULL;
}

EVP_PKEY *signature_key(const char *path, struct err *e)
{
	FILE *f = fopen(path, "re");
	EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
	const EVP_MD *md;

	if (f)
		fclose(f);
	if (key && digest_of(key, &md))
		return key;
	EVP_PKEY_free(key);
	err_setf(e, -EINVAL,
		"--key %s: wanted PEM with a private key of Ed25519, P-256 or "
		"P-384",
		path);
	ERR_clear_error();
	return NULL;
}

json_t *signature_make(EVP_PKEY *key, const char *text, struct err *e)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t value[512], *spki = NULL;
	size_t size = sizeof(value);
	int spki_size = i2d_PUBKEY(key, &spki);
	const EVP_MD *md;
	json_t *j = NULL;

	if (ctx && spki_size > 0 && digest_of(key, &md) &&
		EVP_DigestSignInit(ctx, NULL, md, NULL, key) == 1 &&
		EVP_DigestSign(ctx, value, &size, (const uint8_t *)text,
			strlen(text)) == 1)
		j = json_pack("{s:o, s:o}", "key",
			base64(spki, (size_t)spki_size), "value",
			base64(value, size));
	if (!j)
		err_setf(e, -EINVAL, "--key: this key does not sign");
	ERR_clear_error();
	OPENSSL_free(spki);
	EVP_MD_CTX_free(ctx);
	return j;
}
