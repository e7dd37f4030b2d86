/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System call dispatch: a const table made from syscall.def, indexed by
 * number. A call that is not in the table returns -ENOSYS and is named once
 * in the log, so that nothing is silently faked.
 */
#include "kernel/syscall.h"

#include <errno.h>

#include "kernel/cpu.h"
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/klog.h"
#include "kernel/sched.h"
#include "kernel/signal.h"
#include "kernel/socket.h"
#include "kernel/strace.h"
#include "kernel/sys.h"
#include "lib/string.h"
#include "lib/types.h"

enum { SYSCALL_COUNT = 512 };

/* ---- what comes between the table and handlers of other shapes ---- */

static int64_t with_file(struct file *f, const uint64_t *a,
	int64_t (*handler)(struct file *f, const uint64_t *a))
{
	int64_t n = f ? handler(f, a) : -EBADF;

	file_put(f);
	return n;
}

static int64_t with_socket(const uint64_t *a,
	int64_t (*handler)(struct socket *s, const uint64_t *a))
{
	struct file *f = fd_get((int)a[0]);
	struct socket *s = f ? socket_of(f) : NULL;
	int64_t n = !f ? -EBADF : s ? handler(s, a) : -ENOTSOCK;

	file_put(f);
	return n;
}

#define SYSCALL(nr, name, args)
#define SYSCALL_FILE(nr, name, args)                                \
	static int64_t call_##name(const uint64_t *a)               \
	{                                                           \
		return with_file(fd_get((int)a[0]), a, sys_##name); \
	}
#define SYSCALL_PATH(nr, name, args)                                     \
	static int64_t call_##name(const uint64_t *a)                    \
	{                                                                \
		return with_file(fd_get_path((int)a[0]), a, sys_##name); \
	}
#define SYSCALL_SOCKET(nr, name, args)                \
	static int64_t call_##name(const uint64_t *a) \
	{                                             \
		return with_socket(a, sys_##name);    \
	}
#define SYSCALL_AT(nr, name, args, other, flags)                             \
	static int64_t call_##name(const uint64_t *a)                        \
	{                                                                    \
		uint64_t at[6] = {                                           \
			[0] = (uint64_t)AT_FDCWD, [sizeof(args)] = (flags)}; \
                                                                             \
		memcpy(at + 1, a, (sizeof(args) - 1) * sizeof(at[0]));       \
		return sys_##other(at);                                      \
	}
#define SYSCALL_AS(nr, name, args, other)                          \
	static int64_t call_##name(const uint64_t *a)              \
	{                                                          \
		uint64_t as[6] = {0};                              \
                                                                   \
		memcpy(as, a, (sizeof(args) - 1) * sizeof(as[0])); \
		return sys_##other(as);                            \
	}
#include "kernel/syscall.def"
#undef SYSCALL
#undef SYSCALL_FILE
#undef SYSCALL_PATH
#undef SYSCALL_SOCKET
#undef SYSCALL_AT
#undef SYSCALL_AS

static const struct syscall table[SYSCALL_COUNT] = {
#define SYSCALL(nr, name, args) [nr] = {sys_##name, #name, args},
#define SYSCALL_FILE(nr, name, args) [nr] = {call_##name, #name, args},
#define SYSCALL_PATH SYSCALL_FILE
#define SYSCALL_SOCKET SYSCALL_FILE
#define SYSCALL_AT(nr, name, args, other, flags) SYSCALL_FILE(nr, name, args)
#define SYSCALL_AS(nr, name, args, other) SYSCALL_FILE(nr, name, args)
#include "kernel/syscall.def"
};

/* Names of what is not implemented. */
static const char *const names[SYSCALL_COUNT] = {
#define SYSCALL_NAME(nr, name) [nr] = #name,
#include "kernel/syscall_names.def"
#undef SYSCALL_NAME
};

static uint64_t missing_logged[SYSCALL_COUNT / 64];
bool syscall_trace;

/*
 * Calls that read a word of the current thread or process and do nothing
 * else: they neither need the lock nor change what user_return looks at.
 */
static const bool lock_free[SYSCALL_COUNT] = {
	[39] = true, /* getpid */
	[102] = true, /* getuid */
	[104] = true, /* getgid */
	[107] = true, /* geteuid */
	[108] = true, /* getegid */
	[110] = true, /* getppid */
	[186] = true, /* gettid */
};

const char *syscall_name(uint64_t nr)
{
	if (nr >= SYSCALL_COUNT)
		return "unknown";
	if (table[nr].name)
		return table[nr].name;
	return names[nr] ? names[nr] : "unknown";
}

static int64_t not_implemented(uint64_t nr)
{
	if (nr < SYSCALL_COUNT && !(missing_logged[nr / 64] & 1ul << nr % 64)) {
		missing_logged[nr / 64] |= 1ul << nr % 64;
		klog("system call %s (%lu) is not available inside the "
		     "enclave: ENOSYS",
			syscall_name(nr), (unsigned long)nr);
	}
	return -ENOSYS;
}

static inline void dispatch(struct trapframe *f)
{
	uint64_t nr = f->orig_rax;
	const struct syscall *s = &table[nr < SYSCALL_COUNT ? nr : 0];

	f->rax = (uint64_t)-ENOSYS;
	if (unlikely(nr >= SYSCALL_COUNT || !s->handler)) {
		f->rax = (uint64_t)not_implemented(nr);
		if (unlikely(syscall_trace))
			strace_exit(nr, NULL, f);
		return;
	}
	if (unlikely(syscall_trace))
		strace_enter(nr, s, f);
	f->rax = (uint64_t)s->handler(&f->rdi);
	if (unlikely(syscall_trace))
		strace_exit(nr, s, f);
}

void syscall_dispatch(struct trapframe *f)
{
	dispatch(f);
}

void syscall_enter(struct trapframe *f)
{
	struct cpu *c = this_cpu();
	struct thread *t = c->thread;
	uint64_t nr = f->orig_rax;

	c->stats.syscalls++;
	if (nr < SYSCALL_COUNT && lock_free[nr] && !syscall_trace &&
		!c->need_resched) {
		f->rax = (uint64_t)table[nr].handler(&f->rdi);
		return;
	}
	bkl_lock();
	dispatch(f);
	if (user_return_needed(t))
		user_return(t, f);
	bkl_unlock();
}
