/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4). The compression function is OpenSSL's, from the
 * static libcrypto; nothing else of that library is linked. It uses vector
 * registers: the kernel brackets it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { SHA256_SIZE = 32, SHA256_BLOCK_SIZE = 64 };

/* digest: SHA256_SIZE bytes. */
void sha256(const void *data, size_t size, uint8_t digest[static SHA256_SIZE]);

/* The same piece by piece. _final clears the context. */
struct sha256 {
	uint32_t state[8];
	uint64_t size; /* so far */
	uint8_t rest[SHA256_BLOCK_SIZE]; /* size % SHA256_BLOCK_SIZE bytes */
};

void sha256_init(struct sha256 *s);
void sha256_update(struct sha256 *s, const void *data, size_t size);
void sha256_final(struct sha256 *s, uint8_t digest[static SHA256_SIZE]);
