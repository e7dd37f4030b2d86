/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* Rate of the time stamp counter in kHz: from CPUID or the kernel, else
 * measured (1 ms). */
uint64_t tsc_khz(void);
