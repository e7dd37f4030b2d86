/* SPDX-License-Identifier: Apache-2.0 */
/* See crypto.h. */
#include "kernel/crypto.h"

#include "abi/sgx.h"
#include "crypto/aead.h"
#include "kernel/cpu.h"
#include "kernel/cpuid.h"
#include "kernel/fpu.h"
#include "kernel/thread.h"

enum { CPUID_EXTENDED = 7, ECX_VAES = 1 << 9, ECX_VPCLMULQDQ = 1 << 10 };
#define AVX512 (SGX_XFRM_LEGACY | SGX_XFRM_AVX | SGX_XFRM_AVX512)

/*
 * That registers of 512 bits may be used is the processor's word; that it has
 * instructions of AES for them is the host's (S-22). If it lies, the code is
 * slower, or stops at the first of these instructions.
 */
void crypto_init(void)
{
	const uint32_t wanted = ECX_VAES | ECX_VPCLMULQDQ;
	uint32_t r[4];

	cpuid_query(CPUID_EXTENDED, 0, r);
	aead_select(
		(xsave_mask & AVX512) == AVX512 && (r[2] & wanted) == wanted);
}

void crypto_begin(void)
{
	kernel_fpu_begin();
	bkl_unlock();
}

void crypto_end(void)
{
	kernel_fpu_end();
	bkl_lock();
}
