/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers of all system calls, declared from the one list. */
#pragma once

#include <stdint.h>

struct file;
struct socket;

#define SYSCALL(nr, name, args) int64_t sys_##name(const uint64_t *a);
#define SYSCALL_FILE(nr, name, args) \
	int64_t sys_##name(struct file *f, const uint64_t *a);
#define SYSCALL_PATH SYSCALL_FILE
#define SYSCALL_SOCKET(nr, name, args) \
	int64_t sys_##name(struct socket *s, const uint64_t *a);
#define SYSCALL_AT(nr, name, args, other, flags)
#define SYSCALL_AS(nr, name, args, other)
#include "kernel/syscall.def"
#undef SYSCALL
#undef SYSCALL_FILE
#undef SYSCALL_PATH
#undef SYSCALL_SOCKET
#undef SYSCALL_AT
#undef SYSCALL_AS

/* Defines a handler that only returns what @expression is. */
#define SYS_VALUE(name, expression)           \
	int64_t sys_##name(const uint64_t *a) \
	{                                     \
		return expression;            \
	}
