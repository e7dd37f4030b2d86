/* SPDX-License-Identifier: Apache-2.0 */
/* See wait.h. */
#include "kernel/wait.h"

#include "kernel/thread.h"

void waitq_init(struct waitq *q)
{
	list_init(&q->waiters);
}

void waitq_add(struct waitq *q, struct waiter *w)
{
	list_add_tail(&q->waiters, &w->node);
}

void waitq_remove(struct waiter *w)
{
	list_del(&w->node);
}

static void wake_thread(struct waiter *w, uint32_t events)
{
	waitq_remove(w);
	sched_wake(w->thread);
}

static int wait(struct waitq *q, uint64_t deadline, enum sched_sleep_kind kind)
{
	struct waiter w = {.thread = current, .wake = wake_thread};
	int err;

	waitq_add(q, &w);
	err = sched_sleep(deadline, kind);
	/* Woken by the queue and by something else at once: the queue wins,
	 * so that a wake-up meant for one waiter is not lost with it. */
	if (!list_is_linked(&w.node))
		return 0;
	waitq_remove(&w);
	return err;
}

int waitq_wait(struct waitq *q, uint64_t deadline)
{
	return wait(q, deadline, SLEEP_INTERRUPTIBLE);
}

int waitq_wait_nointr(struct waitq *q, uint64_t deadline)
{
	return wait(q, deadline, SLEEP_KILLABLE);
}

void waitq_wait_always(struct waitq *q)
{
	(void)wait(q, NO_DEADLINE, SLEEP_ALWAYS);
}

void waitq_wake(struct waitq *q, int count, uint32_t events)
{
	struct list *l = q->waiters.next;

	while (l != &q->waiters && count-- > 0) {
		struct waiter *w = list_entry(l, struct waiter, node);

		l = l->next;
		w->wake(w, events);
	}
}
