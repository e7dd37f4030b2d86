/* SPDX-License-Identifier: Apache-2.0 */
/* The table of system calls, for dispatch, traces and statistics. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct syscall {
	int64_t (*handler)(const uint64_t *a);
	const char *name;
	const char *args; /* letters as explained in syscall.def */
};

struct trapframe;

extern bool syscall_trace; /* --trace */

const char *syscall_name(uint64_t nr);
void syscall_enter(struct trapframe *f);
