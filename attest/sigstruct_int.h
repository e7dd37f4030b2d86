/* SPDX-License-Identifier: Apache-2.0 */
/* What verifying and signing a SIGSTRUCT have in common. */
#pragma once

#include <openssl/bn.h>

#include "attest/sigstruct.h"

enum { RSA_EXPONENT = 3 };

/* Hash of the two signed parts. 0 or -EIO. */
int sigstruct_hash(const struct sgx_sigstruct *sig, uint8_t hash[32]);

/*
 * With x = S mod N of the caller: q1 = x*x div N, r = x*x mod N,
 * q2 = r*x div N, message = r*x mod N. False: out of memory.
 */
int sigstruct_cube(const BIGNUM *s, const BIGNUM *n, BIGNUM *q1, BIGNUM *q2,
	BIGNUM *message, BN_CTX *ctx);
