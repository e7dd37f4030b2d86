/* SPDX-License-Identifier: Apache-2.0 */
/* See sha256.h; padding as in FIPS 180-4, 5.1.1. */
#include "crypto/sha256.h"

#include "lib/string.h"
#include "lib/types.h"

enum { BLOCK = 64 };

/* OpenSSL's assembly; selects by OPENSSL_ia32cap_P, which crypto/cpucaps.c
 * defines. */
void sha256_block_data_order(uint32_t state[8], const void *in, size_t blocks);

static void put_be32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

void sha256(const void *data, size_t size, uint8_t digest[static SHA256_SIZE])
{
	uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
	uint8_t tail[2 * BLOCK] = {0};
	size_t whole = size / BLOCK, rest = size % BLOCK;
	size_t tail_size = rest + 9 <= BLOCK ? BLOCK : 2 * BLOCK;
	uint64_t bits = (uint64_t)size * 8;

	if (whole)
		sha256_block_data_order(state, data, whole);
	memcpy(tail, (const uint8_t *)data + whole * BLOCK, rest);
	tail[rest] = 0x80;
	put_be32(tail + tail_size - 8, (uint32_t)(bits >> 32));
	put_be32(tail + tail_size - 4, (uint32_t)bits);
	sha256_block_data_order(state, tail, tail_size / BLOCK);
	for (int i = 0; i < 8; i++)
		put_be32(digest + 4 * i, state[i]);
}
