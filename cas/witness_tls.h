/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS 1.3 between CAS and witnesses: both sides show a key, in a certificate
 * that says nothing else, and know each other by its hash. There are no names,
 * authorities, dates or tickets.
 */
#pragma once

#include <openssl/evp.h>
#include <openssl/ssl.h>

#include "cas/witness.h"

/* The Ed25519 key that has seed as its private key; NULL: libcrypto failed. */
EVP_PKEY *witness_tls_key(const uint8_t seed[static WITNESS_KEY_SIZE]);
/* key: Ed25519 or P-256. NULL, with e. */
SSL_CTX *witness_tls_context(EVP_PKEY *key, bool server, struct err *e);
/* Who is at the other end, after the handshake. -EIO. */
must_check int witness_tls_peer(
	const SSL *tls, uint8_t hash[static WITNESS_HASH_SIZE]);

/*
 * Without waiting. > 0: bytes; 0: not now, *want_write says what to wait for;
 * -ECONNRESET: the connection is over, for whatever reason.
 */
must_check int witness_tls_read(
	SSL *tls, void *data, size_t size, bool *want_write);
must_check int witness_tls_write(
	SSL *tls, const void *data, size_t size, bool *want_write);
/* 1: done; 0 and -ECONNRESET as above. */
must_check int witness_tls_handshake(SSL *tls, bool *want_write);
