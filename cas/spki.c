/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/spki.h"

#include <errno.h>
#include <string.h>

static int hash_der(uint8_t *der, int size, uint8_t hash[static 32])
{
	int ret = -EIO;

	if (size > 0 &&
		EVP_Digest(der, (size_t)size, hash, NULL, EVP_sha256(), NULL))
		ret = 0;
	OPENSSL_free(der);
	return ret;
}

int spki_hash(const EVP_PKEY *key, uint8_t hash[static 32])
{
	uint8_t *der = NULL;
	int size = key ? i2d_PUBKEY(key, &der) : -1;

	return hash_der(der, size, hash);
}

int spki_hash_of(const X509 *cert, uint8_t hash[static 32])
{
	X509_PUBKEY *key = cert ? X509_get_X509_PUBKEY(cert) : NULL;
	uint8_t *der = NULL;
	int size = key ? i2d_X509_PUBKEY(key, &der) : -1;

	return hash_der(der, size, hash);
}

bool spki_digest(const EVP_PKEY *key, const EVP_MD **md)
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
