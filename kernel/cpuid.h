/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPUID inside the enclave: answered from a table. Leaves are fetched from
 * the host once, on first use, and masked to what the enclave may use. They
 * are the host's word (S-22): nothing in the kernel decides by them except
 * the XSAVE layout, which is checked.
 */
#pragma once

#include <stdint.h>

struct trapframe;

/* One leaf. May sleep. */
void cpuid_query(uint32_t leaf, uint32_t subleaf, uint32_t out[static 4]);
/* The instruction: eax, ecx in; eax, ebx, ecx, edx out. */
void cpuid_emulate(struct trapframe *f);
