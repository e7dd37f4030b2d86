/* SPDX-License-Identifier: Apache-2.0 */
/* A binary heap of deadlines; see time.h. */
#include <errno.h>

#include "kernel/kalloc.h"
#include "kernel/time.h"
#include "kernel/wait.h"

static struct timer **heap; /* heap[0] is the earliest */
static uint32_t count, capacity;

static void place(struct timer *t, uint32_t i)
{
	heap[i] = t;
	t->index = i + 1;
}

static void sift_up(struct timer *t, uint32_t i)
{
	while (i > 0) {
		uint32_t parent = (i - 1) / 2;

		if (heap[parent]->deadline <= t->deadline)
			break;
		place(heap[parent], i);
		i = parent;
	}
	place(t, i);
}

static void sift_down(struct timer *t, uint32_t i)
{
	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= count)
			break;
		if (child + 1 < count &&
			heap[child + 1]->deadline < heap[child]->deadline)
			child++;
		if (t->deadline <= heap[child]->deadline)
			break;
		place(heap[child], i);
		i = child;
	}
	place(t, i);
}

int timer_set(struct timer *t, uint64_t deadline)
{
	timer_cancel(t);
	if (count == capacity) {
		uint32_t more = capacity ? 2 * capacity : 64;
		struct timer **h = krealloc(heap, more * sizeof(*h));

		if (!h)
			return -ENOMEM;
		heap = h;
		capacity = more;
	}
	t->deadline = deadline;
	sift_up(t, count++);
	return 0;
}

void timer_cancel(struct timer *t)
{
	uint32_t i = t->index;
	struct timer *last;

	if (!i)
		return;
	t->index = 0;
	last = heap[--count];
	if (last == t)
		return;
	i--;
	if (i > 0 && heap[(i - 1) / 2]->deadline > last->deadline)
		sift_up(last, i);
	else
		sift_down(last, i);
}

uint64_t timers_next(void)
{
	return count ? heap[0]->deadline : NO_DEADLINE;
}

uint64_t timers_run(uint64_t now)
{
	while (count && heap[0]->deadline <= now) {
		struct timer *t = heap[0];

		timer_cancel(t);
		t->fn(t);
	}
	return timers_next();
}
