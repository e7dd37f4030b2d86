/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands for the fuses of a processor, and what it can do.
 */
#include <cpuid.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "emu/machine.h"

enum { XSAVE_LEAF = 0x0d, XSAVE_LEGACY = 576 };

/* Recognisable in every report: no real platform has this CPUSVN. */
static const uint8_t emulated_cpusvn[16] = "SCONCE-EMULATED";

/* Features whose state the signal frame of Linux carries. */
#define XFRM_HANDLED \
	(SGX_XFRM_LEGACY | SGX_XFRM_AVX | SGX_XFRM_AVX512 | SGX_XFRM_PKRU)

uint64_t emu_xfrm_supported(void)
{
	uint32_t low, high;

	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return ((uint64_t)high << 32 | low) & XFRM_HANDLED;
}

uint32_t emu_xsave_size(uint64_t xfrm)
{
	uint32_t size = XSAVE_LEGACY;

	for (unsigned int i = 2; i < 63; i++) {
		uint32_t a, b, c, d;

		if (!(xfrm >> i & 1))
			continue;
		__cpuid_count(XSAVE_LEAF, i, a, b, c, d);
		if (a + b > size)
			size = a + b;
	}
	return size;
}

int emu_platform_load(struct emu_platform *platform)
{
	memset(platform, 0, sizeof(*platform));
	memcpy(platform->cpusvn, emulated_cpusvn, sizeof(platform->cpusvn));
	if (getrandom(platform->report_keyid, sizeof(platform->report_keyid),
		    0) != (ssize_t)sizeof(platform->report_keyid))
		return -EIO;
	return 0;
}
