/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers of all system calls, declared from the one list. */
#pragma once

#include <stdint.h>

#define SYSCALL(nr, name, args) int64_t sys_##name(const uint64_t *a);
#include "kernel/syscall.def"
#undef SYSCALL
