/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* Before other work of at least a millisecond, if there is such. */
void tsc_start(void);
/* Rate of the time stamp counter in kHz: from CPUID or the kernel, else
 * measured since tsc_start(), which was a millisecond ago or will have been. */
uint64_t tsc_khz(void);
