/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/secret_key.h"

#include <errno.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include "lib/string.h"

enum { SCALAR_MAX = 48, POINT_MAX = 97 };

/* What stands in front of the numbers of a curve's keys in DER. */
struct key_layout {
	const char *name; /* in policies */
	const char *algorithm, *group; /* libcrypto's */
	unsigned bits; /* RSA */
	size_t scalar, point;
	const char *spki, *pkcs8, *middle; /* middle: between the two */
	size_t spki_size, pkcs8_size, middle_size;
};

#define DER_TEXT(field, text) .field = (text), .field##_size = sizeof(text) - 1
#define ID_P256                                        \
	"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01" \
	"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"
#define ID_P384                                        \
	"\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01" \
	"\x06\x05\x2b\x81\x04\x00\x22"
#define ID_ED25519 "\x30\x05\x06\x03\x2b\x65\x70"

/* RFC 5480, 5915, 5958, 8410. */
static const struct key_layout layouts[KEY_TYPES] = {
	[KEY_P256] = {.name = "P-256",
		.algorithm = "EC",
		.group = "prime256v1",
		.scalar = 32,
		.point = 65,
		DER_TEXT(spki, "\x30\x59" ID_P256 "\x03\x42\x00"),
		DER_TEXT(pkcs8,
			"\x30\x81\x87\x02\x01\x00" ID_P256
			"\x04\x6d\x30\x6b\x02\x01\x01\x04\x20"),
		DER_TEXT(middle, "\xa1\x44\x03\x42\x00")},
	[KEY_P384] = {.name = "P-384",
		.algorithm = "EC",
		.group = "secp384r1",
		.scalar = 48,
		.point = 97,
		DER_TEXT(spki, "\x30\x76" ID_P384 "\x03\x62\x00"),
		DER_TEXT(pkcs8,
			"\x30\x81\xb6\x02\x01\x00" ID_P384
			"\x04\x81\x9e\x30\x81\x9b\x02\x01\x01\x04\x30"),
		DER_TEXT(middle, "\xa1\x64\x03\x62\x00")},
	[KEY_ED25519] = {.name = "Ed25519",
		.algorithm = "ED25519",
		.scalar = 32,
		.point = 32,
		DER_TEXT(spki, "\x30\x2a" ID_ED25519 "\x03\x21\x00"),
		DER_TEXT(pkcs8,
			"\x30\x2e\x02\x01\x00" ID_ED25519 "\x04\x22\x04\x20")},
	[KEY_RSA_2048] = {.name = "RSA-2048", .algorithm = "RSA", .bits = 2048},
	[KEY_RSA_3072] = {.name = "RSA-3072", .algorithm = "RSA", .bits = 3072},
};

static _Thread_local EVP_PKEY_CTX *makers[KEY_TYPES];

const char *secret_key_name(uint64_t type)
{
	return type < KEY_TYPES ? layouts[type].name : "unknown";
}

const EVP_MD *secret_key_digest(uint64_t type)
{
	return type == KEY_ED25519 ? NULL
		: type == KEY_P384 ? EVP_sha384()
				   : EVP_sha256();
}

void secret_key_thread_end(void)
{
	for (size_t i = 0; i < KEY_TYPES; i++) {
		EVP_PKEY_CTX_free(makers[i]);
		makers[i] = NULL;
	}
}

static EVP_PKEY_CTX *maker_new(const struct key_layout *l)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, l->algorithm, NULL);

	if (c && EVP_PKEY_keygen_init(c) == 1 &&
		(!l->group || EVP_PKEY_CTX_set_group_name(c, l->group) == 1) &&
		(!l->bits ||
			EVP_PKEY_CTX_set_rsa_keygen_bits(c, (int)l->bits) == 1))
		return c;
	EVP_PKEY_CTX_free(c);
	return NULL;
}

int secret_key_make(uint64_t type, EVP_PKEY **out)
{
	if (type >= KEY_TYPES)
		return -EINVAL;
	if (!makers[type])
		makers[type] = maker_new(&layouts[type]);
	*out = NULL;
	if (!makers[type] || EVP_PKEY_keygen(makers[type], out) != 1)
		return -EIO;
	return 0;
}

bool secret_key_type(EVP_PKEY *key, uint64_t *type)
{
	char group[32];
	size_t len;
	bool ec = EVP_PKEY_is_a(key, "EC");

	if (ec && EVP_PKEY_get_group_name(key, group, sizeof(group), &len) != 1)
		group[0] = 0;
	for (size_t i = 0; i < KEY_TYPES; i++) {
		const struct key_layout *l = &layouts[i];

		*type = i;
		if (!EVP_PKEY_is_a(key, l->algorithm))
			continue;
		if (ec ? !strcmp(group, l->group)
		       : !l->bits || EVP_PKEY_get_bits(key) == (int)l->bits)
			return true;
	}
	*type = KEY_TYPES;
	return false;
}

/* The public number as certificates have it: uncompressed. */
static int get_point(const struct key_layout *l, EVP_PKEY *key, uint8_t *point)
{
	size_t size = l->point;

	if (!l->group)
		return EVP_PKEY_get_raw_public_key(key, point, &size) == 1
			? 0
			: -EIO;
	if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point,
		    l->point, &size) == 1 &&
		size == l->point)
		return 0;
	if (EVP_PKEY_set_utf8_string_param(key,
		    OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
		    "uncompressed") != 1 ||
		EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY,
			point, l->point, &size) != 1 ||
		size != l->point)
		return -EIO;
	return 0;
}

static int get_scalar(
	const struct key_layout *l, EVP_PKEY *key, uint8_t *scalar)
{
	size_t size = l->scalar;
	BIGNUM *n = NULL;
	int rc = -ENOKEY;

	if (!l->group)
		return EVP_PKEY_get_raw_private_key(key, scalar, &size) == 1
			? 0
			: -ENOKEY;
	if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &n) == 1 &&
		BN_bn2binpad(n, scalar, (int)l->scalar) == (int)l->scalar)
		rc = 0;
	BN_clear_free(n);
	return rc;
}

static int rsa_pkcs8(EVP_PKEY *key, struct blob *out)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	unsigned char *der = NULL;
	int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : 0, rc = -ENOKEY;

	if (size > 0)
		rc = blob_set(out, der, (size_t)size);
	if (der)
		OPENSSL_clear_free(der, (size_t)size);
	PKCS8_PRIV_KEY_INFO_free(info);
	return rc;
}

int secret_key_pkcs8(EVP_PKEY *key, struct blob *out)
{
	uint8_t der[192], *p = der;
	const struct key_layout *l;
	uint64_t type;
	int rc;

	if (!secret_key_type(key, &type))
		return -EBADMSG;
	l = &layouts[type];
	if (l->bits)
		return rsa_pkcs8(key, out);
	memcpy(p, l->pkcs8, l->pkcs8_size);
	p += l->pkcs8_size;
	rc = get_scalar(l, key, p);
	p += l->scalar;
	if (!rc && l->middle) {
		memcpy(p, l->middle, l->middle_size);
		p += l->middle_size;
		rc = get_point(l, key, p);
		p += l->point;
	}
	if (!rc)
		rc = blob_set(out, der, (size_t)(p - der));
	string_wipe(der, sizeof(der));
	return rc;
}

int secret_key_spki(EVP_PKEY *key, struct blob *out)
{
	uint8_t der[32 + POINT_MAX];
	unsigned char *rsa = NULL;
	const struct key_layout *l;
	uint64_t type;
	int rc, size;

	if (!secret_key_type(key, &type))
		return -EBADMSG;
	l = &layouts[type];
	if (l->bits) {
		size = i2d_PUBKEY(key, &rsa);
		rc = size > 0 ? blob_set(out, rsa, (size_t)size) : -EIO;
		OPENSSL_free(rsa);
		return rc;
	}
	memcpy(der, l->spki, l->spki_size);
	rc = get_point(l, key, der + l->spki_size);
	if (!rc)
		rc = blob_set(out, der, l->spki_size + l->point);
	return rc;
}

static EVP_PKEY *ec_from(
	const struct key_layout *l, const uint8_t *scalar, const uint8_t *point)
{
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	BIGNUM *n = BN_secure_new();
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;

	if (b && c && n && BN_bin2bn(scalar, (int)l->scalar, n) &&
		OSSL_PARAM_BLD_push_utf8_string(
			b, OSSL_PKEY_PARAM_GROUP_NAME, l->group, 0) == 1 &&
		OSSL_PARAM_BLD_push_octet_string(
			b, OSSL_PKEY_PARAM_PUB_KEY, point, l->point) == 1 &&
		OSSL_PARAM_BLD_push_BN_pad(
			b, OSSL_PKEY_PARAM_PRIV_KEY, n, l->scalar) == 1)
		params = OSSL_PARAM_BLD_to_param(b);
	if (params && EVP_PKEY_fromdata_init(c) == 1 &&
		EVP_PKEY_fromdata(c, &key, EVP_PKEY_KEYPAIR, params) != 1)
		key = NULL;
	/* libcrypto wipes the copy of the private number only if it lies in
	 * its secure heap. */
	for (OSSL_PARAM *p = params; p && p->key; p++)
		if (!strcmp(p->key, OSSL_PKEY_PARAM_PRIV_KEY))
			OPENSSL_cleanse(p->data, p->data_size);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	BN_clear_free(n);
	EVP_PKEY_CTX_free(c);
	return key;
}

/* The layouts above; NULL: something else. */
static EVP_PKEY *load_known(const struct blob *d)
{
	for (size_t i = 0; i < KEY_TYPES; i++) {
		const struct key_layout *l = &layouts[i];
		const uint8_t *scalar = d->data + l->pkcs8_size;

		if (!l->pkcs8 ||
			d->size !=
				l->pkcs8_size + l->scalar + l->middle_size +
					(l->middle ? l->point : 0) ||
			memcmp(d->data, l->pkcs8, l->pkcs8_size) ||
			(l->middle &&
				memcmp(scalar + l->scalar, l->middle,
					l->middle_size)))
			continue;
		if (!l->group)
			return EVP_PKEY_new_raw_private_key_ex(
				NULL, l->algorithm, NULL, scalar, l->scalar);
		return ec_from(l, scalar, scalar + l->scalar + l->middle_size);
	}
	return NULL;
}

static EVP_PKEY *load_any(const struct blob *d)
{
	const unsigned char *p = d->data;
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(
		NULL, &p, (long)d->size);
	EVP_PKEY *key = NULL;

	if (info && p == d->data + d->size)
		key = EVP_PKCS82PKEY(info);
	PKCS8_PRIV_KEY_INFO_free(info);
	return key;
}

int secret_key_load(const struct blob *pkcs8, EVP_PKEY **out)
{
	EVP_PKEY *key;
	uint64_t type;

	if (!pkcs8->size || pkcs8->size > SECRET_BYTES_MAX)
		return -EBADMSG;
	key = load_known(pkcs8);
	if (!key)
		key = load_any(pkcs8);
	if (!key || !secret_key_type(key, &type)) {
		EVP_PKEY_free(key);
		return -EBADMSG;
	}
	*out = key;
	return 0;
}

int secret_key_load_public(const struct blob *spki, EVP_PKEY **out)
{
	const unsigned char *p = spki->data;
	EVP_PKEY *key;
	uint64_t type;

	if (!spki->size || spki->size > SECRET_BYTES_MAX)
		return -EBADMSG;
	key = d2i_PUBKEY(NULL, &p, (long)spki->size);
	if (!key || p != spki->data + spki->size ||
		!secret_key_type(key, &type)) {
		EVP_PKEY_free(key);
		return -EBADMSG;
	}
	*out = key;
	return 0;
}
