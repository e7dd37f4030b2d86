/* SPDX-License-Identifier: Apache-2.0 */
/* HMAC-SHA-256 (RFC 2104) and HKDF over it (RFC 5869). Like sha256.h, inside
 * of the kernel's bracket. */
#pragma once

#include "crypto/sha256.h"
#include "lib/types.h"

struct hmac_sha256 {
	struct sha256 inner;
	uint8_t pad[SHA256_BLOCK_SIZE];
};

void hmac_sha256_init(struct hmac_sha256 *h, const void *key, size_t key_size);
void hmac_sha256_update(struct hmac_sha256 *h, const void *data, size_t size);
/* Clears the context. */
void hmac_sha256_final(struct hmac_sha256 *h, uint8_t mac[static SHA256_SIZE]);

enum { HKDF_MAX = 255 * SHA256_SIZE };

/* Extract and expand; @size <= HKDF_MAX. */
void hkdf_sha256(const void *salt, size_t salt_size, const void *secret,
	size_t secret_size, const void *info, size_t info_size, void *out,
	size_t size);
