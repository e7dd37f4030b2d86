/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System call dispatch: a const table made from syscall.def, indexed by
 * number. A call that is not in the table returns -ENOSYS and is named once
 * in the log, so that nothing is silently faked.
 */
#include "kernel/syscall.h"

#include <errno.h>

#include "kernel/cpu.h"
#include "kernel/klog.h"
#include "kernel/sched.h"
#include "kernel/signal.h"
#include "kernel/strace.h"
#include "lib/types.h"

enum { SYSCALL_COUNT = 512 };

#define SYSCALL(nr, name, args) int64_t sys_##name(const uint64_t *a);
#include "kernel/syscall.def"
#undef SYSCALL

static const struct syscall table[SYSCALL_COUNT] = {
#define SYSCALL(nr, name, args) [nr] = {sys_##name, #name, args},
#include "kernel/syscall.def"
#undef SYSCALL
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
