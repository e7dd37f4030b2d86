/* SPDX-License-Identifier: Apache-2.0 */
/* What was decided at boot. */
#pragma once

#include <stdint.h>

struct config;

const struct config *boot_config(void);
uint64_t boot_flags(void); /* BOOT_* */
uint64_t boot_memory(void); /* bytes the programs may use */
/* Ends the enclave: what was asked for is not going to be run. */
void boot_refuse(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));
