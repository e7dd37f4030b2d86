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

/* Calls that read a field of the current thread or process and do nothing
 * else: they neither need the lock nor change what user_return looks at. */
static inline bool is_lock_free(uint64_t nr)
{
	switch (nr) {
	case 39: /* getpid */
	case 102: /* getuid */
	case 104: /* getgid */
	case 107: /* geteuid */
	case 108: /* getegid */
	case 186: /* gettid */
		return true;
	default:
		return false;
	}
}

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

void syscall_dispatch(struct trapframe *f)
{
	uint64_t nr = f->orig_rax;
	const struct syscall *s = nr < SYSCALL_COUNT ? &table[nr] : NULL;

	f->rax = (uint64_t)-ENOSYS;
	if (unlikely(!s || !s->handler)) {
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

void syscall_enter(struct trapframe *f)
{
	struct cpu *c = this_cpu();
	struct thread *t = c->thread;

	c->stats.syscalls++;
	if (is_lock_free(f->orig_rax) && !syscall_trace && !c->need_resched) {
		f->rax = (uint64_t)table[f->orig_rax].handler(&f->rdi);
		return;
	}
	bkl_lock();
	syscall_dispatch(f);
	user_return(t, f);
	bkl_unlock();
}
