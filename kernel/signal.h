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

/* Kernel-internal results of interrupted system calls, as in Linux: the
 * exit path turns them into a restart or -EINTR. */
#define ERESTARTSYS 512            /* restart if SA_RESTART */
#define ERESTARTNOINTR 513         /* always restart */
#define ERESTARTNOHAND 514         /* restart if no handler ran */
#define ERESTART_RESTARTBLOCK 516  /* -EINTR here (nanosleep writes rest) */

/* Queue a signal. info NULL: SI_KERNEL. Wakes whom it concerns. 0/-EAGAIN. */
int signal_send_thread(struct thread *t, const struct ksiginfo *info);
int signal_send_process(struct process *p, const struct ksiginfo *info);
/* A fault of the current thread: delivered even if blocked (then fatal). */
void signal_force_fault(int signo, int code, uint64_t address,
	uint8_t vector, uint32_t error);
/* From the host: only signals that the manifest admits; others dropped. */
void signal_from_host(int signo);

bool signal_pending(const struct thread *t); /* deliverable now */

/* Called on every way back to the application with the frame that will be
 * loaded: handles restart of a system call, delivers at most one signal
 * frame per call until none is left, ends or stops the process. */
void signal_exit_work(struct thread *t, struct trapframe *f);

struct sigactions *sigactions_new(void);
struct sigactions *sigactions_get(struct sigactions *a);
void sigactions_put(struct sigactions *a);
int sigactions_copy(const struct sigactions *a, struct sigactions **out);
void sigactions_exec(struct sigactions *a); /* handlers -> default */
