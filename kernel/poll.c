/* SPDX-License-Identifier: Apache-2.0 */
#include <asm/poll.h>
#include <linux/errno.h>

#include "kernel/file.h"
#include "kernel/kalloc.h"
#include "kernel/poll_table.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/usertime.h"
#include "lib/types.h"

uint32_t file_poll(struct file *f, struct poll_ctx *pc)
{
	if (f->ops->poll == NULL)
		return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
	return f->ops->poll(f, pc);
}

uint64_t poll_deadline(uint64_t ns)
{
	uint64_t deadline;

	if (ns == 0)
		return 0;
	if (add_overflows(time_mono_ns(), ns, &deadline))
		return NO_DEADLINE;
	return deadline;
}

static void entry_wake(struct waiter *w, uint32_t events)
{
	struct poll_entry *e = container_of(w, struct poll_entry, waiter);

	e->table->woken = true;
	sched_wake(w->thread);
}

static struct poll_entry *entry_new(struct poll_table *t)
{
	struct poll_chunk *c = t->chunks;

	if (c == NULL && t->count < POLL_TABLE_INLINE)
		return &t->entries[t->count++];
	if (c == NULL || t->count == POLL_TABLE_CHUNK) {
		c = kmalloc(sizeof(*c));
		if (c == NULL)
			return NULL;
		c->next = t->chunks;
		t->chunks = c;
		t->count = 0;
	}
	return &c->entries[t->count++];
}

static void table_add(struct poll_ctx *ctx, struct waitq *q)
{
	struct poll_table *t = container_of(ctx, struct poll_table, ctx);
	struct poll_entry *e = entry_new(t);

	if (e == NULL) {
		t->error = -ENOMEM;
		return;
	}
	e->waiter.thread = t->thread;
	e->waiter.wake = entry_wake;
	e->table = t;
	e->file = file_get(t->file);
	waitq_add(q, &e->waiter);
}

void poll_table_init(struct poll_table *t)
{
	t->ctx.add = table_add;
	t->thread = current;
	t->file = NULL;
	t->registered = false;
	t->woken = false;
	t->error = 0;
	t->count = 0;
	t->chunks = NULL;
}

uint32_t poll_table_poll(struct poll_table *t, struct file *f, uint32_t wanted)
{
	t->file = f;
	return file_poll(f, t->registered ? NULL : &t->ctx) &
		(wanted | POLLERR | POLLHUP | POLLNVAL);
}

int poll_table_sleep(struct poll_table *t, uint64_t deadline)
{
	int err = t->error;

	t->registered = true;
	while (!err && !t->woken)
		err = sched_sleep(deadline, SLEEP_INTERRUPTIBLE);
	t->woken = false;
	return err;
}

static void entries_drop(struct poll_entry *e, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		waitq_remove(&e[i].waiter);
		file_put(e[i].file);
	}
}

void poll_table_fini(struct poll_table *t)
{
	unsigned count = t->count;
	struct poll_chunk *c;

	while ((c = t->chunks) != NULL) {
		entries_drop(c->entries, count);
		t->chunks = c->next;
		count = c->next ? POLL_TABLE_CHUNK : POLL_TABLE_INLINE;
		kfree(c);
	}
	entries_drop(t->entries, count);
}

int poll_deadline_read(uint64_t u_time, uint64_t unit, uint64_t *deadline)
{
	struct usertime t;
	uint64_t ns;

	*deadline = NO_DEADLINE;
	if (u_time == 0)
		return 0;
	if (user_read(&t, u_time, sizeof(t)))
		return -EFAULT;
	if (unit == TIMEVAL && t.frac >= 1000000) { /* select(2) takes it */
		if (add_overflows(t.sec, t.frac / 1000000, &t.sec))
			return 0;
		t.frac %= 1000000;
	}
	if (usertime_ns(t, unit, &ns))
		return -EINVAL;
	*deadline = poll_deadline(ns);
	return 0;
}
