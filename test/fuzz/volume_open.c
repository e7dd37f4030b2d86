/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In place of crypto/ for the fuzzers of volumes: everything is authentic and
 * nothing is encrypted, so whatever the fuzzer puts into a slot, the code
 * behind sees it. That is what the owner of a key may do, and anybody with the
 * public key of zeros.
 */
#include <string.h>

#include "crypto/aead.h"
#include "crypto/hkdf.h"
#include "crypto/sha256.h"

void aead_select(bool vaes512)
{
	(void)vaes512;
}

void aead_key_init(struct aead_key *k, const uint8_t key[AEAD_KEY_SIZE])
{
	memcpy(k->data, key, AEAD_KEY_SIZE);
}

void aead_key_fini(struct aead_key *k)
{
	memset(k, 0, sizeof(*k));
}

void aead_seal(const struct aead_key *k, const uint8_t nonce[AEAD_NONCE_SIZE],
	const void *aad, size_t aad_size, const void *in, void *out,
	size_t size, uint8_t tag[AEAD_TAG_SIZE])
{
	(void)k, (void)nonce, (void)aad, (void)aad_size;
	if (size > 0)
		memmove(out, in, size);
	memset(tag, 7, AEAD_TAG_SIZE);
}

int aead_open(const struct aead_key *k, const uint8_t nonce[AEAD_NONCE_SIZE],
	const void *aad, size_t aad_size, const void *in, void *out,
	size_t size, const uint8_t tag[AEAD_TAG_SIZE])
{
	(void)k, (void)nonce, (void)aad, (void)aad_size, (void)tag;
	if (size > 0)
		memmove(out, in, size);
	return 0;
}

/* Tags of commits must differ, no more. */
void sha256_init(struct sha256 *s)
{
	memset(s, 0, sizeof(*s));
	s->size = UINT64_C(0xcbf29ce484222325);
}

void sha256_update(struct sha256 *s, const void *data, size_t size)
{
	const uint8_t *p = data;

	while (size-- > 0)
		s->size = (s->size ^ *p++) * UINT64_C(0x100000001b3);
}

void sha256_final(struct sha256 *s, uint8_t digest[static SHA256_SIZE])
{
	memset(digest, 0, SHA256_SIZE);
	memcpy(digest, &s->size, sizeof(s->size));
}

void sha256(const void *data, size_t size, uint8_t digest[static SHA256_SIZE])
{
	struct sha256 s;

	sha256_init(&s);
	sha256_update(&s, data, size);
	sha256_final(&s, digest);
}

void hmac_sha256_init(struct hmac_sha256 *h, const void *key, size_t key_size)
{
	sha256_init(&h->inner);
	sha256_update(&h->inner, key, key_size);
}

void hmac_sha256_update(struct hmac_sha256 *h, const void *data, size_t size)
{
	sha256_update(&h->inner, data, size);
}

void hmac_sha256_final(struct hmac_sha256 *h, uint8_t mac[static SHA256_SIZE])
{
	sha256_final(&h->inner, mac);
}

void hkdf_sha256(const void *salt, size_t salt_size, const void *secret,
	size_t secret_size, const void *info, size_t info_size, void *out,
	size_t size)
{
	(void)salt, (void)salt_size, (void)secret, (void)secret_size;
	(void)info, (void)info_size;
	memset(out, 0, size);
}
