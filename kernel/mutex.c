/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/mutex.h"

void mutex_lock_slow(struct mutex *m)
{
	/* A killed thread waits too: the holder may be in a host call, and
	 * needs the big lock to come back from it. */
	while (m->held)
		waitq_wait_always(&m->queue);
}
