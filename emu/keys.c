/* SPDX-License-Identifier: Apache-2.0 */
/* CMAC: NIST SP 800-38B, over AES itself and not EVP (see attest/measure.c). */
#include "emu/keys.h"

#include <errno.h>
#include <string.h>

#include <openssl/aes.h>

enum { BLOCK = AES_BLOCK_SIZE, R128 = 0x87 };

/* Twice a number of GF(2^128), big-endian. */
static void twice(uint8_t x[BLOCK])
{
	uint8_t carry = x[0] >> 7;

	for (int i = 0; i < BLOCK - 1; i++)
		x[i] = (uint8_t)(x[i] << 1 | x[i + 1] >> 7);
	x[BLOCK - 1] = (uint8_t)(x[BLOCK - 1] << 1 ^ (carry ? R128 : 0));
}

static void mix(uint8_t x[BLOCK], const uint8_t *y, size_t size)
{
	for (size_t i = 0; i < size; i++)
		x[i] ^= y[i];
}

int keys_cmac(const uint8_t key[SGX_KEY_SIZE], const void *data, size_t size,
	uint8_t mac[SGX_MAC_SIZE])
{
	static const uint8_t zero[BLOCK], padding = 0x80;
	uint8_t subkey[BLOCK], x[BLOCK] = {0};
	const uint8_t *p = data;
	AES_KEY aes;

	if (AES_set_encrypt_key(key, 8 * SGX_KEY_SIZE, &aes))
		return -EIO;
	AES_encrypt(zero, subkey, &aes);
	twice(subkey);
	for (; size > BLOCK; size -= BLOCK, p += BLOCK) {
		mix(x, p, BLOCK);
		AES_encrypt(x, x, &aes);
	}
	mix(x, p, size);
	if (size < BLOCK) {
		twice(subkey);
		mix(x + size, &padding, 1);
	}
	mix(x, subkey, BLOCK);
	AES_encrypt(x, mac, &aes);
	memset(&aes, 0, sizeof(aes));
	return 0;
}

int keys_derive(const struct emu_platform *platform,
	const struct key_inputs *inputs, uint8_t key[SGX_KEY_SIZE])
{
	return keys_cmac(platform->root_key, inputs, sizeof(*inputs), key);
}

int keys_report(const struct emu_platform *platform,
	const struct sgx_targetinfo *target, const uint8_t keyid[32],
	uint8_t key[SGX_KEY_SIZE])
{
	struct key_inputs in = {.keyname = SGX_KEY_REPORT};

	memcpy(in.owner_epoch, platform->owner_epoch, sizeof(in.owner_epoch));
	memcpy(in.seal_fuses, platform->seal_fuses, sizeof(in.seal_fuses));
	memcpy(in.cpusvn, platform->cpusvn, sizeof(in.cpusvn));
	memcpy(in.keyid, keyid, sizeof(in.keyid));
	in.attributes = target->attributes;
	in.miscselect = target->miscselect;
	memcpy(in.mrenclave, target->mrenclave, SGX_HASH_SIZE);
	memcpy(in.configid, target->configid, sizeof(in.configid));
	in.configsvn = target->configsvn;
	return keys_derive(platform, &in, key);
}
