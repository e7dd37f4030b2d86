/* SPDX-License-Identifier: Apache-2.0 */
/* What the processor says of SGX: CPUID leaves 7 and 0x12 (SDM vol. 3A,
 * CPUID; vol. 3D, "Discovering Support for Intel SGX"). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/sgx_os.h"

struct sgx_cpu {
	bool known; /* the processor can SGX, whatever the firmware chose */
	bool sgx1, sgx2, flc;
	/* What an enclave may have: FLAGS, and XFRM as far as Linux uses it,
	 * with AVX-512 whole or not at all. */
	uint64_t attributes, xfrm;
	uint32_t miscselect;
	uint64_t size_max; /* of a 64-bit enclave, bytes */
	uint64_t epc; /* bytes of protected memory, all processors */
};

void sgx_cpu_read(const struct sgx_os *os, struct sgx_cpu *cpu);
