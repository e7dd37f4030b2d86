/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readiness. A file's poll() returns its ready events (POLLIN, POLLOUT,
 * POLLERR, POLLHUP, POLLRDHUP, POLLPRI as in poll(2)) and, if pc is not
 * NULL, registers a waiter on each queue that may change them. Whoever
 * changes readiness calls waitq_wake(queue, n, events).
 */
#pragma once

#include <stdint.h>

struct waitq;

struct poll_ctx {
	/* Called by file->ops->poll for each wait queue it depends on. */
	void (*add)(struct poll_ctx *pc, struct waitq *q);
};

static inline void poll_add(struct poll_ctx *pc, struct waitq *q)
{
	if (pc)
		pc->add(pc, q);
}
