/* SPDX-License-Identifier: Apache-2.0 */
/* See hkdf.h. */
#include "crypto/hkdf.h"

#include "lib/string.h"

void hmac_sha256_init(struct hmac_sha256 *h, const void *key, size_t key_size)
{
	memset(h->pad, 0, sizeof(h->pad));
	if (key_size > sizeof(h->pad))
		sha256(key, key_size, h->pad);
	else if (key_size)
		memcpy(h->pad, key, key_size);
	for (size_t i = 0; i < sizeof(h->pad); i++)
		h->pad[i] ^= 0x36;
	sha256_init(&h->inner);
	sha256_update(&h->inner, h->pad, sizeof(h->pad));
}

void hmac_sha256_update(struct hmac_sha256 *h, const void *data, size_t size)
{
	sha256_update(&h->inner, data, size);
}

void hmac_sha256_final(struct hmac_sha256 *h, uint8_t mac[static SHA256_SIZE])
{
	uint8_t digest[SHA256_SIZE];

	sha256_final(&h->inner, digest);
	for (size_t i = 0; i < sizeof(h->pad); i++)
		h->pad[i] ^= 0x36 ^ 0x5c;
	sha256_init(&h->inner);
	sha256_update(&h->inner, h->pad, sizeof(h->pad));
	sha256_update(&h->inner, digest, sizeof(digest));
	sha256_final(&h->inner, mac);
	string_wipe(h, sizeof(*h));
}

void hkdf_sha256(const void *salt, size_t salt_size, const void *secret,
	size_t secret_size, const void *info, size_t info_size, void *out,
	size_t size)
{
	uint8_t prk[SHA256_SIZE], t[SHA256_SIZE];
	struct hmac_sha256 h;
	uint8_t *p = out;

	if (size > HKDF_MAX)
		__builtin_trap();
	/* An absent salt is one of zeros, to which HMAC pads. */
	hmac_sha256_init(&h, salt, salt_size);
	hmac_sha256_update(&h, secret, secret_size);
	hmac_sha256_final(&h, prk);
	for (uint8_t i = 1; size > 0; i++) {
		size_t n = u64_min(size, sizeof(t));

		hmac_sha256_init(&h, prk, sizeof(prk));
		if (i > 1)
			hmac_sha256_update(&h, t, sizeof(t));
		hmac_sha256_update(&h, info, info_size);
		hmac_sha256_update(&h, &i, sizeof(i));
		hmac_sha256_final(&h, t);
		memcpy(p, t, n);
		p += n;
		size -= n;
	}
	string_wipe(prk, sizeof(prk));
	string_wipe(t, sizeof(t));
}
