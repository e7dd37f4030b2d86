/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of bench-casload share. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/types.h"

uint64_t load_now_ns(void);
/* Ends the program with what is wrong. */
_Noreturn void load_die(const char *format, ...) printf_like(1, 2);

/* How long each took, and how many failed. */
struct load_times {
	uint32_t *us;
	size_t count, room;
	uint64_t failed;
};

void load_took(struct load_times *t, uint64_t ns);
/* One line of JSON for the driver: per second, percentiles in ms. */
void load_print(struct load_times *t, uint64_t began_ns);

/* casload_enclave.c: ADDR:PORT KEY MRENCLAVE ... */
int load_attest(int argc, char **argv);
int load_tags(int argc, char **argv);
/* casload_rest.c: ADDR:PORT IDENTITY ... */
int load_get(int argc, char **argv);
int load_create(int argc, char **argv);
