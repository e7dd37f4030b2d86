/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGSTRUCT: the signed description of an enclave that EINIT checks.
 *
 * Format: SDM vol. 3D, "Enclave Signature Structure". The signature is
 * RSASSA-PKCS1-v1_5 with SHA-256, 3072 bits, exponent 3, over bytes [0,128)
 * and [900,1028). q1 and q2 are the quotients that spare the CPU a division:
 * q1 = S*S div N, q2 = (S*S*S - q1*S*N) div N.
 * All functions are pure: they read no file and keep no state.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

#include "abi/sgx.h"

/*
 * Parses untrusted bytes. 0; -EINVAL: not 1808 bytes or not a SIGSTRUCT (a
 * fixed field, the exponent, or a reserved byte is wrong). No signature check.
 */
int sigstruct_parse(struct sgx_sigstruct *out, const void *data, size_t size);
/* The format rules alone: 0 or -EINVAL. */
int sigstruct_check(const struct sgx_sigstruct *sig);
/*
 * 0: well formed, q1 and q2 consistent, signature valid under its own modulus.
 * -EINVAL as above; -EBADMSG: signature, q1 or q2 wrong; -EIO: libcrypto.
 */
int sigstruct_verify(const struct sgx_sigstruct *sig);
/* SHA-256 of the modulus as it stands in the structure. */
void sigstruct_mrsigner(
	const struct sgx_sigstruct *sig, uint8_t mrsigner[SGX_HASH_SIZE]);

/*
 * Zeroes *sig and sets the fixed fields: headers, exponent, and masks that
 * pin everything except DEBUG and the optional XFRM bits.
 */
void sigstruct_init(struct sgx_sigstruct *sig);
/*
 * Signs what the caller filled in; sets modulus, signature, q1, q2.
 * 0; -EINVAL: the key is not RSA-3072 with exponent 3; -EIO: libcrypto.
 */
int sigstruct_sign(struct sgx_sigstruct *sig, EVP_PKEY *key);
/*
 * For signers elsewhere: the bytes that they sign with RSASSA-PKCS1-v1_5 and
 * SHA-256, and what makes a SIGSTRUCT of their signature (big-endian, as
 * usual). key: the public half. 0; -EINVAL as sigstruct_sign; -EBADMSG: not
 * a signature of this message by that key; -ENOMEM.
 */
enum { SIGSTRUCT_MESSAGE = 256 };
void sigstruct_message(
	const struct sgx_sigstruct *sig, uint8_t message[SIGSTRUCT_MESSAGE]);
int sigstruct_complete(struct sgx_sigstruct *sig, EVP_PKEY *key,
	const uint8_t signature[SGX_RSA_SIZE]);
/* A fresh key that fits. NULL: libcrypto failed. Free: EVP_PKEY_free. */
EVP_PKEY *sigstruct_key_new(void);
