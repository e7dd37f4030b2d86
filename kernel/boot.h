/* SPDX-License-Identifier: Apache-2.0 */
/* What was decided at boot. */
#pragma once

#include <stdint.h>

struct config;

const struct config *boot_config(void);
uint64_t boot_flags(void); /* BOOT_* */
