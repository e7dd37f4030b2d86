/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The capability word by which OpenSSL's assembly chooses its code paths.
 *
 * Fixed, never from CPUID, which is the host's word inside the enclave
 * (S-22): SSSE3 and the SHA extensions, which every CPU with SGX2 has. A CPU
 * without them stops with #UD instead of computing something else.
 * Layout: OPENSSL_ia32cap(3).
 */
#include <stdint.h>

uint32_t OPENSSL_ia32cap_P[4] = {
	1u << 26 | 1u << 25 | 1u << 24, /* SSE2, SSE, FXSR */
	1u << 9, /* SSSE3 */
	1u << 29, /* SHA */
	0,
};
