/* SPDX-License-Identifier: Apache-2.0 */
/* What was decided at boot. */
#pragma once

#include <stdint.h>

#include "lib/types.h"

struct config;
struct err;

const struct config *boot_config(void);
uint64_t boot_flags(void); /* BOOT_* */
uint64_t boot_memory(void); /* bytes the programs may use */
/*
 * Makes c what boot_config() gives, and does what it says: which signals the
 * host may send, network, bounds of process 1, mounts, volumes. The file tree
 * is a new one; processes that are there stay in theirs. What c points to
 * stays where it is. 0, or -errno with the reason in e. Sleeps.
 */
must_check int boot_apply(const struct config *c, struct err *e);
/* Ends the enclave: what was asked for is not going to be run. */
void boot_refuse(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));
