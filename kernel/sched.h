/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the scheduler offers to the trap and boot code only; everybody else
 * uses kernel/thread.h and kernel/wait.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct thread;
struct trapframe;

/* The idle context of an enclave thread; needs the big kernel lock. */
void sched_idle_loop(void) __attribute__((noreturn));

/* Everything that stands between the current thread and the application:
 * rescheduling, signals, redone system calls, extended state. Lock held. */
void user_return(struct thread *t, struct trapframe *f);

/* Is there anything for user_return to do? For the usual case of none. */
bool user_return_needed(const struct thread *t);

/* Dispatches one system call by f->orig_rax into f->rax. Lock held. */
void syscall_dispatch(struct trapframe *f);

/* After a switch: frees the thread that ended before it. */
void sched_finish_switch(void);
