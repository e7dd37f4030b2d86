/* SPDX-License-Identifier: Apache-2.0 */
/* What reading and making RA-TLS certificates share. */
#pragma once

#include <openssl/x509.h>

#include "attest/ratls.h"

/* Content bytes of the extensions' object identifiers. */
enum { RATLS_DICE_OID_SIZE = 6, RATLS_OID_SIZE = 9, RATLS_TLV_SIZE = 11 };

/* 2.23.133.5.4.9 */
#define RATLS_DICE_OID ((const uint8_t *)"\x67\x81\x05\x05\x04\x09")
/* 1.2.840.113741.1337.6 with tag and length; those apart, the right one. */
#define RATLS_TLV \
	((const uint8_t *)"\x06\x09\x2a\x86\x48\x86\xf8\x4d\x8a\x39\x06")
#define RATLS_OID (RATLS_TLV + 2)

#define RATLS_KEY_HASH "pubkey-hash"
#define RATLS_NONCE "nonce"

/* The DER SubjectPublicKeyInfo, to be freed with OPENSSL_free; size < 0: no
 * memory, or no key that can be encoded. */
int ratls_spki(X509_PUBKEY *key, uint8_t **der);
