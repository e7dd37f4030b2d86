/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* Rate of the time stamp counter in kHz: from CPUID, else measured (2 ms). */
uint64_t tsc_khz(void);
