/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On top of kernel_env.h: kernel threads as coroutines, with the kernel's own
 * wait queues and timers. When all of them sleep, events are fetched from the
 * host (if a test wants that) or time jumps to the next deadline.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "test/unit/kernel_env.h"

struct thread;

extern uint64_t wait_env_pending; /* signals that signalfd sees */
extern unsigned wait_env_sigpipes;
extern bool wait_env_host; /* idle means: ask the host, in real time */
extern bool wait_env_stuck; /* all threads slept for ever */

void wait_env_init(void);
/* Runs fn(arg) as a thread of its own when the current one sleeps. */
struct thread *wait_env_thread(void (*fn)(void *), void *arg);
/* Interrupts the sleep of t as a signal does. */
void wait_env_interrupt(struct thread *t);
/* Lets the others run until they sleep. */
void wait_env_yield(void);
/* Ends the threads that are left; true if all had ended by themselves. */
bool wait_env_fini(void);
