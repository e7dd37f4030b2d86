/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enough of the kernel's surroundings to run process, futex and signal code
 * as an ordinary program: kernel threads are coroutines, time stands still
 * until it is advanced, user memory is one buffer below 62 GiB.
 */
#pragma once

#include "kernel/process.h"
#include "kernel/signal.h"
#include "kernel/thread.h"

enum { ENV_USER_SIZE = 1 << 20 };

extern uint64_t env_user; /* address of the user memory */
extern int env_shutdown; /* status of kernel_shutdown, -1: not yet */
extern struct trapframe env_frame;

void env_reset(void); /* a new world with process 1 and its thread */
/* A thread of p that runs fn. */
struct thread *env_thread(struct process *p, void (*fn)(void *), void *arg);
/* A child of parent with actions and address space. */
struct process *env_process(struct process *parent);
void env_run(void); /* until nothing is runnable */
void env_advance(uint64_t ns);
/* Makes t the current thread without running it. */
void env_become(struct thread *t);
/* The thread's way back to the application, as the entry code does it. */
void env_return_to_user(void);
