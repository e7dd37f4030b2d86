/* SPDX-License-Identifier: Apache-2.0 */
/* What verifying and signing a SIGSTRUCT have in common. */
#pragma once

#include "attest/sigstruct.h"

enum { RSA_EXPONENT = 3 };

/* Hash of the two signed parts. 0 or -EIO. */
int sigstruct_hash(const struct sgx_sigstruct *sig, uint8_t hash[32]);
