/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --trace: one line per system call, readable like strace's. It shows
 * arguments and paths to the host and is for development only.
 */
#pragma once

#include <stdint.h>

struct syscall;
struct trapframe;

/* A call that may sleep long shows its start if others run meanwhile. */
void strace_enter(
	uint64_t nr, const struct syscall *s, const struct trapframe *f);
/* s NULL: not implemented. */
void strace_exit(
	uint64_t nr, const struct syscall *s, const struct trapframe *f);
