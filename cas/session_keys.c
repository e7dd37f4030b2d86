/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of people and given keys, as texts in policies. */
#include <errno.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "cas/base64.h"
#include "cas/session_read.h"
#include "cas/spki.h"
#include "lib/string.h"

/* Nobody is asked for the passphrase of an encrypted key. */
static int no_passphrase(char *buf, int size, int write, void *arg)
{
	(void)buf;
	(void)size;
	(void)write;
	(void)arg;
	return -1;
}

static BIO *bio_of(const char *text)
{
	return BIO_new_mem_buf(text, (int)strlen(text));
}

/* One block and nothing else: what stands around it would mean nothing. */
static bool is_one_pem(const char *text)
{
	const char *end = strstr(text, "-----END ");

	if (strncmp(text, "-----BEGIN ", 11) != 0 || !end)
		return false;
	end = strstr(end + 9, "-----");
	return end && end[5 + strspn(end + 5, " \t\r\n")] == '\0';
}

static EVP_PKEY *public_of_pem(const char *text)
{
	BIO *bio = bio_of(text);
	EVP_PKEY *key = bio
		? PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL)
		: NULL;

	BIO_free(bio);
	return key;
}

static X509 *certificate_of_pem(const char *text)
{
	BIO *bio = bio_of(text);
	X509 *x = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)
		      : NULL;

	BIO_free(bio);
	return x;
}

/* ---- hashes of keys ---- */

static int hash_of_certificate(const char *text, uint8_t hash[static 32])
{
	X509 *x = certificate_of_pem(text);
	int ret = spki_hash_of(x, hash);

	X509_free(x);
	return ret ? -EINVAL : 0;
}

static int hash_of_public(const char *text, uint8_t hash[static 32])
{
	EVP_PKEY *key = public_of_pem(text);
	int ret = spki_hash(key, hash);

	EVP_PKEY_free(key);
	return ret ? -EINVAL : 0;
}

/* Exactly 32 bytes; at most 44 digits make them. */
static int hash_of_base58(const char *text, uint8_t hash[static 32])
{
	static const char digits[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
				     "abcdefghijkmnopqrstuvwxyz";
	size_t len = strlen(text), ones = strspn(text, "1"), zeros = 0;

	memset(hash, 0, 32);
	if (len < 32 || len > 44)
		return -EINVAL;
	for (; *text != '\0'; text++) {
		const char *digit = strchr(digits, *text);
		unsigned carry;

		if (!digit)
			return -EINVAL;
		carry = (unsigned)(digit - digits);
		for (size_t i = 32; i > 0; i--) {
			carry += 58u * hash[i - 1];
			hash[i - 1] = (uint8_t)carry;
			carry >>= 8;
		}
		if (carry)
			return -EINVAL;
	}
	while (zeros < 32 && hash[zeros] == 0)
		zeros++;
	/* Each zero byte in front is a '1', so there is one spelling. */
	return zeros == ones ? 0 : -EINVAL;
}

int session_key_hash(const char *text, uint8_t hash[static 32])
{
	if (string_has_prefix(text, "-----BEGIN CERTIFICATE-----"))
		return is_one_pem(text) ? hash_of_certificate(text, hash)
					: -EINVAL;
	if (string_has_prefix(text, "-----BEGIN PUBLIC KEY-----"))
		return is_one_pem(text) ? hash_of_public(text, hash) : -EINVAL;
	if (string_from_hex(text, hash, 32))
		return 0;
	return hash_of_base58(text, hash);
}

/* ---- keys that sign ---- */

static EVP_PKEY *public_of_base64(const char *text)
{
	uint8_t der[SPKI_MAX + 8];
	const uint8_t *at = der;
	size_t size;
	EVP_PKEY *key;

	if (strlen(text) > (SPKI_MAX + 2) / 3 * 4 ||
		base64_decode(text, der, &size) < 0)
		return NULL;
	key = d2i_PUBKEY(NULL, &at, (long)size);
	if (key && at != der + size) {
		EVP_PKEY_free(key);
		return NULL;
	}
	return key;
}

/* The sizes also say that points are not compressed and curves are named: one
 * encoding for a key. */
static bool signs(const EVP_PKEY *key, size_t size)
{
	char group[32] = "";
	size_t len;

	if (EVP_PKEY_is_a(key, "ED25519"))
		return size == 44;
	if (!EVP_PKEY_is_a(key, "EC") ||
		EVP_PKEY_get_group_name(key, group, sizeof(group), &len) != 1)
		return false;
	return (strcmp(group, "prime256v1") == 0 && size == 91) ||
		(strcmp(group, "secp384r1") == 0 && size == 120);
}

int session_key_spki(
	const char *text, uint8_t spki[static SPKI_MAX], size_t *size)
{
	EVP_PKEY *key = is_one_pem(text) ? public_of_pem(text)
					 : public_of_base64(text);
	uint8_t *der = NULL;
	int len = key ? i2d_PUBKEY(key, &der) : -1;
	int ret = -EINVAL;

	if (len > 0 && len <= SPKI_MAX && signs(key, (size_t)len)) {
		memcpy(spki, der, (size_t)len);
		*size = (size_t)len;
		ret = 0;
	}
	OPENSSL_free(der);
	EVP_PKEY_free(key);
	return ret;
}

int session_key_x25519(const char *text, uint8_t out[static 32])
{
	EVP_PKEY *key = is_one_pem(text) ? public_of_pem(text) : NULL;
	size_t size = 32;
	int ret = -EINVAL;

	if (key && EVP_PKEY_is_a(key, "X25519") &&
		EVP_PKEY_get_raw_public_key(key, out, &size) == 1 && size == 32)
		ret = 0;
	EVP_PKEY_free(key);
	return ret;
}

/* ---- values of secrets ---- */

static int type_of(const EVP_PKEY *key, uint64_t *type)
{
	char group[32] = "";
	size_t len;

	if (EVP_PKEY_is_a(key, "ED25519"))
		*type = KEY_ED25519;
	else if (EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) == 2048)
		*type = KEY_RSA_2048;
	else if (EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) == 3072)
		*type = KEY_RSA_3072;
	else if (!EVP_PKEY_is_a(key, "EC") ||
		EVP_PKEY_get_group_name(key, group, sizeof(group), &len) != 1)
		return -EINVAL;
	else if (strcmp(group, "prime256v1") == 0)
		*type = KEY_P256;
	else if (strcmp(group, "secp384r1") == 0)
		*type = KEY_P384;
	else
		return -EINVAL;
	return 0;
}

static int check_private(const char *text, uint64_t *type)
{
	BIO *bio = bio_of(text);
	EVP_PKEY *key = bio
		? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL)
		: NULL;
	int ret = key ? type_of(key, type) : -EINVAL;

	EVP_PKEY_free(key);
	BIO_free(bio);
	return ret;
}

int session_key_pem(const char *text, enum secret_kind kind, uint64_t *type)
{
	EVP_PKEY *key;
	X509 *x;
	int ret;

	switch (kind) {
	case SECRET_PRIVATE_KEY:
		return check_private(text, type);
	case SECRET_PUBLIC_KEY:
		key = public_of_pem(text);
		ret = key ? type_of(key, type) : -EINVAL;
		EVP_PKEY_free(key);
		return ret;
	case SECRET_X509:
	case SECRET_X509_CA:
		x = certificate_of_pem(text);
		ret = x ? 0 : -EINVAL;
		X509_free(x);
		return ret;
	default:
		return -EINVAL;
	}
}
