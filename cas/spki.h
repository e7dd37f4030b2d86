/* SPDX-License-Identifier: Apache-2.0 */
/* What CAS knows everyone by: SHA-256 of the DER SubjectPublicKeyInfo. */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "lib/types.h"

/* -EIO: libcrypto failed, or there is no such key. NULL is none. */
must_check int spki_hash(const EVP_PKEY *key, uint8_t hash[static 32]);
/* Of a certificate's key. */
must_check int spki_hash_of(const X509 *cert, uint8_t hash[static 32]);

/* The hash that goes with a key that signs changes and messages: Ed25519 (*md
 * NULL: it hashes by itself), P-256, P-384. False: another kind. */
must_check bool spki_digest(const EVP_PKEY *key, const EVP_MD **md);
