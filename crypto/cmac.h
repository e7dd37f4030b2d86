/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-128-CMAC (NIST SP 800-38B), for the MACs of reports. The block cipher
 * is OpenSSL's for SSSE3, without tables, from the static libcrypto; nothing
 * else of that library is linked. Inside of the kernel's bracket.
 */
#pragma once

#include "lib/types.h"

enum { CMAC_SIZE = 16 };

void cmac_aes128(const uint8_t key[static CMAC_SIZE], const void *data,
	size_t size, uint8_t mac[static CMAC_SIZE]);
