/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lock that may be held across sleep points.
 *
 * The big kernel lock is enough for whatever does not sleep. A mutex is for
 * objects whose operations copy from or to the application, or call the host,
 * in the middle of a change. Not recursive; taken in the order object, then
 * objects it points at.
 */
#pragma once

#include <stdbool.h>

#include "kernel/wait.h"

struct mutex {
	bool held;
	struct waitq queue;
};

static inline void mutex_init(struct mutex *m)
{
	m->held = false;
	waitq_init(&m->queue);
}

void mutex_lock_slow(struct mutex *m);

/* May sleep; signals do not end it. */
static inline void mutex_lock(struct mutex *m)
{
	if (__builtin_expect(m->held, 0))
		mutex_lock_slow(m);
	m->held = true;
}

static inline void mutex_unlock(struct mutex *m)
{
	m->held = false;
	if (__builtin_expect(!list_is_empty(&m->queue.waiters), 0))
		waitq_wake(&m->queue, 1, 0);
}
