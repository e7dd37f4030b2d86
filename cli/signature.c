/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/signature.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cas/base64_json.h"
#include "cas/spki.h"

EVP_PKEY *signature_key(const char *path, struct err *e)
{
	FILE *f = fopen(path, "re");
	EVP_PKEY *key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
	const EVP_MD *md;

	if (f)
		fclose(f);
	if (key && spki_digest(key, &md))
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

	if (ctx && spki_size > 0 && spki_digest(key, &md) &&
		EVP_DigestSignInit(ctx, NULL, md, NULL, key) == 1 &&
		EVP_DigestSign(ctx, value, &size, (const uint8_t *)text,
			strlen(text)) == 1)
		j = json_pack("{s:o, s:o}", "key",
			base64_json(spki, (size_t)spki_size), "value",
			base64_json(value, size));
	if (!j)
		err_setf(e, -EINVAL, "--key: this key does not sign");
	ERR_clear_error();
	OPENSSL_free(spki);
	EVP_MD_CTX_free(ctx);
	return j;
}
