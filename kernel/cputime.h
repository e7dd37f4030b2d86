/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks by their Linux number, processor-time clocks included. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Is there a clock of this number for the current process? */
bool clock_is_valid(int clock);
/* ns on a valid clock. */
uint64_t clock_read(int clock);
