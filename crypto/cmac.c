/* SPDX-License-Identifier: Apache-2.0 */
/* See cmac.h. */
#include "crypto/cmac.h"

#include "lib/string.h"

enum { BLOCK = CMAC_SIZE, R128 = 0x87 };

/* OpenSSL's AES_KEY. */
struct schedule {
	uint32_t word[60];
	int rounds;
};
int vpaes_set_encrypt_key(const uint8_t *key, int bits, struct schedule *s);
void vpaes_encrypt(const uint8_t *in, uint8_t *out, const struct schedule *s);

/* Twice a number of GF(2^128), big-endian. */
static void twice(uint8_t x[BLOCK])
{
	uint8_t carry = (uint8_t) - (x[0] >> 7);

	for (int i = 0; i < BLOCK - 1; i++)
		x[i] = (uint8_t)(x[i] << 1 | x[i + 1] >> 7);
	x[BLOCK - 1] = (uint8_t)(x[BLOCK - 1] << 1 ^ (carry & R128));
}

void cmac_aes128(const uint8_t key[static CMAC_SIZE], const void *data,
	size_t size, uint8_t mac[static CMAC_SIZE])
{
	uint8_t subkey[BLOCK] = {0}, x[BLOCK] = {0};
	const uint8_t *p = data;
	struct schedule s;

	vpaes_set_encrypt_key(key, 8 * BLOCK, &s);
	vpaes_encrypt(subkey, subkey, &s);
	twice(subkey);
	for (;; size -= BLOCK, p += BLOCK) {
		size_t n = u64_min(size, BLOCK);

		for (size_t i = 0; i < n; i++)
			x[i] ^= p[i];
		if (size <= BLOCK)
			break;
		vpaes_encrypt(x, x, &s);
	}
	if (size < BLOCK) {
		twice(subkey);
		x[size] ^= 0x80;
	}
	for (int i = 0; i < BLOCK; i++)
		x[i] ^= subkey[i];
	vpaes_encrypt(x, mac, &s);
	string_wipe(&s, sizeof(s));
	string_wipe(subkey, sizeof(subkey));
}
