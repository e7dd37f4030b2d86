/* SPDX-License-Identifier: Apache-2.0 */
#include "emu/keys.h"

#include <errno.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

int keys_cmac(const uint8_t key[SGX_KEY_SIZE], const void *data, size_t size,
	uint8_t mac[SGX_MAC_SIZE])
{
	char cipher[] = "AES-128-CBC";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
			OSSL_MAC_PARAM_CIPHER, cipher, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "CMAC", NULL);
	EVP_MAC_CTX *ctx = algorithm ? EVP_MAC_CTX_new(algorithm) : NULL;
	size_t out;
	int ok = ctx && EVP_MAC_init(ctx, key, SGX_KEY_SIZE, params) == 1 &&
		EVP_MAC_update(ctx, data, size) == 1 &&
		EVP_MAC_final(ctx, mac, &out, SGX_MAC_SIZE) == 1;

	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(algorithm);
	return ok ? 0 : -EIO;
}

int keys_derive(const struct emu_platform *platform,
	const struct key_inputs *inputs, uint8_t key[SGX_KEY_SIZE])
{
	return keys_cmac(platform->root_key, inputs, sizeof(*inputs), key);
}
