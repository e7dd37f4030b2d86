/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Application threads, as the scheduler sees them, and the enclave threads
 * (struct cpu) that run them.
 */
#pragma once

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/signal_types.h"
#include "kernel/time.h"
#include "kernel/wait.h"
#include "lib/list.h"

struct fs_ctx;
struct process;

/*
 * The application's general registers at the moment it entered the kernel,
 * at the top of the thread's kernel stack. Arguments of a system call lie in
 * order: &frame->rdi is the a[] of a handler.
 */
struct trapframe {
	uint64_t rdi, rsi, rdx, r10, r8, r9; /* a[0]..a[5] */
	uint64_t rax, rbx, rcx, rbp, r11, r12, r13, r14, r15;
	uint64_t orig_rax; /* system call number; -1 after a trap */
	uint64_t rip, rflags, rsp;
};

enum thread_state {
	THREAD_RUNNABLE, /* on the run queue */
	THREAD_RUNNING, /* on some cpu */
	THREAD_SLEEPING, /* waits to be woken */
	THREAD_DEAD,
};

/* Why stage 1 of an exception sent the thread to trap_entry. */
struct trap_info {
	uint8_t vector; /* as EXITINFO.VECTOR; TRAP_TICK, TRAP_NONE */
	uint32_t error; /* EXINFO.ERRCD, for #PF and #GP */
	uint64_t address; /* EXINFO.MADDR */
};

struct thread {
	/* scheduler */
	uint64_t ksp; /* saved kernel stack pointer */
	void *kstack; /* KSTACK_SIZE bytes */
	struct trapframe *frame; /* at the top of kstack */
	void *xsave; /* extended state while not running, 64-byte
			aligned, standard format */
	uint64_t fs_base;
	enum thread_state state;
	struct list run_node;
	int cpu; /* cpu it runs or last ran on */
	bool user_saved; /* xsave and fs_base, not the registers, are
			    current; loaded on the way out */
	bool redo_syscall; /* dispatch frame->orig_rax once more */
	struct trap_info trap;
	void (*start)(struct trapframe *f); /* boot: runs before the
				      application's first instruction */
	uint64_t run_since; /* time_mono_ns at last switch-in */
	uint64_t run_total; /* ns of enclave thread time */

	/* identity */
	int32_t tid;
	struct process *proc;
	struct fs_ctx *fs; /* where it is, if not where proc is */
	struct list proc_node; /* proc->threads */
	struct list hash_node; /* tid table (process.c) */
	char comm[16];

	/* sleeping */
	int wake_result; /* set by whoever woke it */
	bool interruptible;
	struct timer sleep_timer;

	/* signals: signal.c */
	volatile bool work; /* signal_exit_work() has something to do */
	bool ending; /* in process_exit_thread() */
	struct thread_signals sig;
	/* clone and futex: futex.c, clone.c */
	uint64_t clear_child_tid;
	uint64_t robust_list;
	bool waits_for_pi;
	/* restart_syscall(2): a timed wait that no handler interrupted */
	struct {
		uint64_t deadline; /* time_mono_ns(); 0: nothing to restart */
		uint64_t u_rem; /* where the rest goes, or 0 */
		uint64_t u_futex; /* the word, or 0: a sleep */
		uint32_t futex_val;
	} restart;
	uint64_t timer_slack; /* prctl(2) only remembers it */
	uint64_t affinity; /* as asked for; 0: all. Not obeyed */
};

/* Scheduler. All under the big kernel lock. */

/* A thread of proc that starts in the application with the given frame (copied
 * to its kernel stack) when first woken; refs and lists are process.c's
 * business. NULL on no memory. */
struct thread *thread_new(struct process *proc, const struct trapframe *frame);
/* Frees a THREAD_DEAD thread that runs on no cpu. */
void thread_free(struct thread *t);

void sched_wake(struct thread *t); /* sleeping -> runnable; else no-op */
enum sched_sleep_kind {
	SLEEP_KILLABLE, /* signals do not end it, the end of the process does */
	SLEEP_INTERRUPTIBLE,
	SLEEP_ALWAYS, /* for what is over soon in any case: 0 when woken */
};
/* Sleeps until woken, deadline passes or, as the kind says, a signal arrives.
 * 0, -ETIMEDOUT, -ERESTARTSYS. waitq_wait is built on it. */
int sched_sleep(uint64_t deadline, enum sched_sleep_kind kind);
void sched_yield(void); /* to the tail of the queue */
void sched_exit(void) __attribute__((noreturn)); /* current thread is over; it
					is freed by the scheduler */
/* t runs in the application on another cpu: make it enter the kernel soon
 * (a hint through the host). */
void sched_kick(struct thread *t);
int sched_runnable(void); /* length of the run queue */

struct thread *current_thread(void);
#define current (current_thread())
#define curproc (current_thread()->proc)

/* Must be called before the kernel reads or edits a thread's extended state
 * in t->xsave or its t->fs_base: makes them current. They are loaded again on
 * the way to the application. */
void thread_save_xstate(struct thread *t);
/* Size in bytes of the XSAVE area (CPUID.0D for XFRM), standard format. */
extern uint32_t xsave_size;
extern uint64_t xsave_mask;

#endif
