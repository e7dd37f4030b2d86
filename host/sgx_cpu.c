/* SPDX-License-Identifier: Apache-2.0 */
/* See sgx_cpu.h. */
#include "host/sgx_cpu.h"

#include "abi/sgx.h"

enum { EAX, EBX, ECX, EDX };
enum { FEATURES = 7, SGX = 0x12, EPC_FIRST = 2, EPC_LAST = 64 };

/* ECREATE takes only what XCR0 could be: AVX-512 whole, and with AVX. */
static uint64_t whole_xfrm(uint64_t xfrm)
{
	if ((xfrm & SGX_XFRM_AVX512) != SGX_XFRM_AVX512 ||
		!(xfrm & SGX_XFRM_AVX))
		xfrm &= ~SGX_XFRM_AVX512;
	return xfrm;
}

/* Sub-leaves from 2 on: sections of the enclave page cache. */
static uint64_t epc_size(const struct sgx_os *os)
{
	uint64_t size = 0;
	uint32_t r[4];

	for (uint32_t i = EPC_FIRST; i < EPC_LAST; i++) {
		os->cpuid(SGX, i, r);
		if ((r[EAX] & 0xf) != 1)
			break;
		size += (r[ECX] & 0xfffff000u) |
			(uint64_t)(r[EDX] & 0xfffffu) << 32;
	}
	return size;
}

void sgx_cpu_read(const struct sgx_os *os, struct sgx_cpu *cpu)
{
	uint32_t r[4], log_size;

	*cpu = (struct sgx_cpu){0};
	os->cpuid(FEATURES, 0, r);
	cpu->known = r[EBX] >> 2 & 1;
	cpu->flc = r[ECX] >> 30 & 1;
	if (!cpu->known)
		return;
	os->cpuid(SGX, 0, r);
	cpu->sgx1 = r[EAX] & 1;
	cpu->sgx2 = r[EAX] >> 1 & 1;
	if (!cpu->sgx1)
		return;
	cpu->miscselect = r[EBX];
	log_size = r[EDX] >> 8 & 0xff;
	cpu->size_max = log_size < 64 ? UINT64_C(1) << log_size : 0;
	os->cpuid(SGX, 1, r);
	cpu->attributes = r[EAX] | (uint64_t)r[EBX] << 32;
	cpu->xfrm = whole_xfrm((r[ECX] | (uint64_t)r[EDX] << 32) & os->xcr0());
	cpu->epc = epc_size(os);
}
