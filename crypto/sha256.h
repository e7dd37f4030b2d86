/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4). The compression function is OpenSSL's, from the
 * static libcrypto; nothing else of that library is linked. It uses vector
 * registers: the kernel brackets it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { SHA256_SIZE = 32 };

/* digest: SHA256_SIZE bytes. */
void sha256(const void *data, size_t size, uint8_t digest[static SHA256_SIZE]);
