/* SPDX-License-Identifier: Apache-2.0 */
/* See tsc.h. CPUID 15H: SDM vol. 2A; leaf 0x40000010 is the hypervisors'
 * convention for the TSC rate in kHz. */
#include "host/tsc.h"

#include <cpuid.h>
#include <time.h>

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t measure(void)
{
	uint64_t t0 = now_ns(), c0 = __builtin_ia32_rdtsc(), t1, c1;

	do {
		t1 = now_ns();
		c1 = __builtin_ia32_rdtsc();
	} while (t1 - t0 < 2000000);
	return (c1 - c0) * 1000000u / (t1 - t0);
}

uint64_t tsc_khz(void)
{
	unsigned int a, b, c, d;

	if (__get_cpuid(0x15, &a, &b, &c, &d) && a && b && c)
		return (uint64_t)c * b / a / 1000;
	__cpuid(1, a, b, c, d);
	if (c >> 31 & 1) {
		__cpuid(0x40000000, a, b, c, d);
		if (a >= 0x40000010) {
			__cpuid(0x40000010, a, b, c, d);
			if (a)
				return a;
		}
	}
	return measure();
}
