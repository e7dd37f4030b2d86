/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals inside the enclave: generation, queues, delivery with the exact
 * frame of Linux on x86-64, return.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/signal_types.h"

struct process;
struct thread;
struct trapframe;
struct sigactions;
struct sigaction_entry;

/* Kernel-internal results of interrupted system calls, as in Linux: the
 * exit path turns them into a restart or -EINTR. */
#define ERESTARTSYS 512 /* restart if SA_RESTART */
#define ERESTARTNOINTR 513 /* always restart */
#define ERESTARTNOHAND 514 /* restart if no handler ran */
#define ERESTART_RESTARTBLOCK 516 /* -EINTR here (nanosleep writes rest) */

/* Masks of signals: bit n - 1 is signal n. */
#define SIG_BIT(n) (1ul << ((n)-1))
#define SIG_UNBLOCKABLE (SIG_BIT(9) | SIG_BIT(19)) /* SIGKILL, SIGSTOP */

int signal_init(void); /* boot; 0 or -ENOMEM */

/* ---- making a siginfo ---- */
/* As kill(2) by p does: SI_USER. */
void signal_info_user(
	struct ksiginfo *info, int signo, const struct process *p);
void signal_info_kernel(struct ksiginfo *info, int signo); /* SI_KERNEL */
void signal_info_child(struct ksiginfo *info, int signo, int code, int status,
	const struct process *child);

/* ---- sending ---- */
/* Queue a signal. Never sleep; wake whom it concerns. 0, or -EAGAIN: a
 * real-time signal with a value found the queue full. */
int signal_send_thread(struct thread *t, const struct ksiginfo *info);
int signal_send_process(struct process *p, const struct ksiginfo *info);
/* SI_KERNEL shorthand. */
void signal_raise(struct thread *t, int signo);
/* More room for queued signals, for callers that may sleep. */
void signal_reserve(void);
/* A fault of the current thread: delivered even if blocked (then fatal). */
void signal_force_fault(
	int signo, int code, uint64_t address, uint8_t vector, uint32_t error);
/* The current thread gets signo now, whatever it blocks or ignores. */
void signal_force(int signo);
/* Which signals the host may send: bit n-1 for signal n, none so far. */
void signal_admit_from_host(uint64_t signals);
/* From the host: only signals that were admitted; others are dropped (S-20).
 * Goes to the process group of the application, process 2. */
void signal_from_host(int signo);

/* ---- receiving ---- */
bool signal_pending(const struct thread *t); /* deliverable now */
/* Makes t look at its signals soon: wakes it if it sleeps interruptibly (or
 * anyhow, if fatal), kicks it if it runs elsewhere. */
void thread_interrupt(struct thread *t, bool fatal);
/* Removes and returns one pending signal of the set; false: none. */
bool signal_dequeue(struct thread *t, uint64_t set, struct ksiginfo *info);
/* Pending for t or its process (blocked or not). */
uint64_t signal_pending_set(const struct thread *t);
/* Changes the mask of the current thread. */
void signal_set_blocked(uint64_t mask);
/* For ppoll, pselect, epoll_pwait, sigsuspend: sets a mask until the return
 * to the application; if a handler runs, it sees the new mask and its return
 * restores the old one. */
void signal_set_temporary(uint64_t mask);
/* The same with the mask in the application's memory (u_mask 0: no-op).
 * 0, -EINVAL, -EFAULT. */
int signal_set_temporary_user(uint64_t u_mask, uint64_t u_size)
	__attribute__((warn_unused_result));

/* Called on every way back to the application with the frame that will be
 * loaded while t->work or signal_pending(t): handles the restart of a
 * system call, delivers signals, stops or ends the process. If it sets
 * t->redo_syscall, the caller dispatches frame->orig_rax again and comes
 * back. */
void signal_exit_work(struct thread *t, struct trapframe *f);
/* Pushes the frame of one signal and points f at the handler; -EFAULT. */
int signal_push_frame(struct thread *t, struct trapframe *f,
	const struct ksiginfo *info, const struct sigaction_entry *sa,
	uint64_t saved_mask) __attribute__((warn_unused_result));

/* ---- end of threads and processes ---- */
void signal_exit_queue(struct thread *t); /* t ends: drops its own, hands
					     the process's to the others */
void signal_drop_queue(struct list *queue);
/* Does p ignore SIGCHLD (or SA_NOCLDWAIT), so that children vanish? */
bool signal_ignores_children(const struct process *p);
bool signal_no_stop_notice(const struct process *p); /* SA_NOCLDSTOP */

/* ---- actions ---- */
/* As rt_sigaction(2) of x86-64 passes it. */
struct sigaction_entry {
	uint64_t handler, flags, restorer, mask;
};

struct sigactions {
	uint32_t refs;
	struct sigaction_entry entry[NSIG_KERNEL]; /* [n - 1] */
};

/* After a change: what is ignored now does not stay pending. */
void signal_action_changed(struct process *p, int signo);

struct sigactions *sigactions_new(void);
struct sigactions *sigactions_get(struct sigactions *a);
void sigactions_put(struct sigactions *a); /* NULL is fine */
int sigactions_copy(const struct sigactions *a, struct sigactions **out);
/* exec: p gets actions of its own, handlers become default. -ENOMEM. */
int sigactions_exec(struct process *p);
