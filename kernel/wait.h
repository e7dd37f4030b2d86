/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wait queues: how a thread sleeps until something inside the enclave
 * happens. All under the big kernel lock, so the pattern
 *
 *	while (!condition) {
 *		err = waitq_wait(&q, deadline);
 *		if (err)
 *			return err;
 *	}
 *
 * loses no wake-up: nothing changes between the test and the sleep. A wake
 * is a hint; the condition is always tested again (S-30).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/list.h"

struct thread;

#define NO_DEADLINE UINT64_MAX

struct waitq {
	struct list waiters;
};

/*
 * One entry on one queue. wake() is called with the entry still queued;
 * it may dequeue it. The default (waitq_wait) wakes the sleeping thread.
 * poll and epoll install their own.
 */
struct waiter {
	struct list node;
	struct thread *thread;
	void (*wake)(struct waiter *w, uint32_t events);
};

void waitq_init(struct waitq *q);
void waitq_add(struct waitq *q, struct waiter *w); /* at the tail */
void waitq_remove(struct waiter *w); /* idempotent */

/* Sleeps once. deadline: absolute time_mono_ns(). Returns 0 (woken),
 * -ETIMEDOUT, or -ERESTARTSYS (a signal is pending; the caller gives it
 * back, or converts it as wait_intr() of signal.h says). */
int waitq_wait(struct waitq *q, uint64_t deadline)
	__attribute__((warn_unused_result));
/* The same, but signals do not end it (except SIGKILL of the process). */
int waitq_wait_nointr(struct waitq *q, uint64_t deadline)
	__attribute__((warn_unused_result));

/* The same, and not even the end of the process ends it, though it may wake:
 * for what is over soon in any case. */
void waitq_wait_always(struct waitq *q);

/* Wakes up to count waiters (INT32_MAX: all) and passes events (POLLIN...)
 * to their wake functions; 0 means "unspecified, look". Never sleeps. */
void waitq_wake(struct waitq *q, int count, uint32_t events);
static inline void waitq_wake_all(struct waitq *q, uint32_t events)
{
	waitq_wake(q, INT32_MAX, events);
}
