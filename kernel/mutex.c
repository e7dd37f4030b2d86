/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/mutex.h"

#include "kernel/thread.h"

void mutex_lock_slow(struct mutex *m)
{
	/* A killed thread is not put to sleep: let the holder run. */
	while (m->held)
		if (waitq_wait_nointr(&m->queue, NO_DEADLINE))
			sched_yield();
}
