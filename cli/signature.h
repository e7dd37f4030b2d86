/* SPDX-License-Identifier: Apache-2.0 */
/* Detached signatures over changes of policies (cas/message.c). */
#pragma once

#include <jansson.h>
#include <openssl/types.h>

#include "lib/err.h"

/* A private key in PEM: Ed25519, P-256 or P-384. NULL with the reason in e;
 * EVP_PKEY_free(). */
EVP_PKEY *signature_key(const char *path, struct err *e);
/* {"key": base64 of the SubjectPublicKeyInfo, "value": base64}; NULL with the
 * reason in e. */
json_t *signature_make(EVP_PKEY *key, const char *text, struct err *e);
