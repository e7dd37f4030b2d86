/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ECDSA as attestation formats have it: raw big-endian numbers, on P-256 with
 * SHA-256 or on P-384 with SHA-384 (FIPS 186-4, SEC 1). OpenSSL's low-level
 * functions do the work: what EVP adds takes a tenth of a verification.
 */
#pragma once

#include "lib/types.h"

enum ecdsa_curve { ECDSA_P256, ECDSA_P384 };

struct ecdsa_key; /* opaque, a public key */

/* Bytes of one coordinate and of one half of a signature: 32 or 48. */
size_t ecdsa_size(enum ecdsa_curve curve);

/*
 * point: X||Y, 2 * ecdsa_size() bytes. 0; -EINVAL: not a point of the curve;
 * -ENOMEM. *out is freed with ecdsa_key_free.
 */
must_check int ecdsa_key_new(
	enum ecdsa_curve curve, const uint8_t *point, struct ecdsa_key **out);
void ecdsa_key_free(struct ecdsa_key *key);
enum ecdsa_curve ecdsa_key_curve(const struct ecdsa_key *key);

/*
 * Verifies signature, r||s of 2 * ecdsa_size() bytes, over the curve's hash of
 * message[size]. 0; -EBADMSG; -ENOMEM.
 */
must_check int ecdsa_verify(const struct ecdsa_key *key, const void *message,
	size_t size, const uint8_t *signature);
/* The same of a signature in DER. */
must_check int ecdsa_verify_der(const struct ecdsa_key *key,
	const void *message, size_t size, const void *der, size_t der_size);
