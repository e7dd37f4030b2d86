/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of the kinds that policies know, made and in DER. Elliptic curves are
 * written and read here: libcrypto's general encoders and decoders take five
 * and thirty times as long as making the key.
 */
#pragma once

#include <openssl/types.h>

#include "cas/secret_int.h"

/* "P-256", "RSA-3072", ... */
const char *secret_key_name(uint64_t type);
/* The caller's key. Contexts are kept for each thread. -EIO: libcrypto. */
must_check int secret_key_make(uint64_t type, EVP_PKEY **out);
/* Before a thread ends that made keys or certificates. */
void secret_key_thread_end(void);
/* False: a kind that policies do not know. */
must_check bool secret_key_type(EVP_PKEY *key, uint64_t *type);
/* How such keys sign: SHA-256, SHA-384; NULL: Ed25519. */
const EVP_MD *secret_key_digest(uint64_t type);

must_check int secret_key_pkcs8(EVP_PKEY *key, struct blob *out);
must_check int secret_key_spki(EVP_PKEY *key, struct blob *out);
/* PKCS #8. -EBADMSG: not one, or of no known kind. */
must_check int secret_key_load(const struct blob *pkcs8, EVP_PKEY **out);
/* SubjectPublicKeyInfo. */
must_check int secret_key_load_public(const struct blob *spki, EVP_PKEY **out);
