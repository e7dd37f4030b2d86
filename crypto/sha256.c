/* SPDX-License-Identifier: Apache-2.0 */
/* See sha256.h; padding as in FIPS 180-4, 5.1.1. */
#include "crypto/sha256.h"

#include "lib/string.h"
#include "lib/types.h"

enum { BLOCK = SHA256_BLOCK_SIZE };

/* OpenSSL's assembly; selects by OPENSSL_ia32cap_P, which crypto/cpucaps.c
 * defines. */
void sha256_block_data_order(uint32_t state[8], const void *in, size_t blocks);

static void put_be32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

void sha256_init(struct sha256 *s)
{
	static const struct sha256 initial = {
		.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
			0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};

	memcpy(s, &initial, sizeof(*s));
}

void sha256_update(struct sha256 *s, const void *data, size_t size)
{
	const uint8_t *p = data;
	size_t have = s->size % BLOCK;

	if (!size)
		return; /* data may be NULL */
	s->size += size;
	if (have) {
		size_t n = u64_min(size, BLOCK - have);

		memcpy(s->rest + have, p, n);
		p += n;
		size -= n;
		if (have + n < BLOCK)
			return;
		sha256_block_data_order(s->state, s->rest, 1);
	}
	if (size / BLOCK)
		sha256_block_data_order(s->state, p, size / BLOCK);
	if (size % BLOCK)
		memcpy(s->rest, p + size / BLOCK * BLOCK, size % BLOCK);
}

void sha256_final(struct sha256 *s, uint8_t digest[static SHA256_SIZE])
{
	uint8_t tail[2 * BLOCK] = {0};
	size_t have = s->size % BLOCK;
	size_t size = have + 9 <= BLOCK ? BLOCK : 2 * BLOCK;
	uint64_t bits = s->size * 8;

	memcpy(tail, s->rest, have);
	tail[have] = 0x80;
	put_be32(tail + size - 8, (uint32_t)(bits >> 32));
	put_be32(tail + size - 4, (uint32_t)bits);
	sha256_block_data_order(s->state, tail, size / BLOCK);
	for (int i = 0; i < 8; i++)
		put_be32(digest + 4 * i, s->state[i]);
	string_wipe(tail, sizeof(tail));
	string_wipe(s, sizeof(*s));
}

void sha256(const void *data, size_t size, uint8_t digest[static SHA256_SIZE])
{
	struct sha256 s;

	sha256_init(&s);
	sha256_update(&s, data, size);
	sha256_final(&s, digest);
}
