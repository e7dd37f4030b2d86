/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pushes of tags: threads that commit queue them and sleep, process 1 reads
 * them and writes what CAS answered. A reply wakes the one who waits for it.
 */
#include <linux/poll.h>

#include "abi/service.h"
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/poll.h"
#include "kernel/process.h"
#include "kernel/service.h"
#include "kernel/thread.h"
#include "kernel/uio.h"
#include "lib/string.h"

struct push {
	struct list node;
	struct service_tag_request request;
	struct waitq answered;
	bool read, done;
	int status;
};

static struct list pushes = LIST_INIT(pushes); /* in the order of ids */
static struct waitq readers = {LIST_INIT(readers.waiters)};
static uint64_t last_id;

int service_tag_push(const char *volume, const uint8_t from[static 32],
	const uint8_t to[static 32], bool durable)
{
	struct push p = {.request.id = ++last_id, .request.durable = durable};

	memcpy(p.request.from, from, sizeof(p.request.from));
	memcpy(p.request.to, to, sizeof(p.request.to));
	if (string_copy(p.request.volume, sizeof(p.request.volume), volume))
		return -ENAMETOOLONG;
	waitq_init(&p.answered);
	list_add_tail(&pushes, &p.node);
	waitq_wake_all(&readers, POLLIN);
	while (!p.done && !init_process->exiting)
		waitq_wait_always(&p.answered);
	list_del(&p.node);
	return p.done ? p.status : -EIO;
}

void service_tags_end(void)
{
	struct push *p;

	list_for_each_entry (p, &pushes, node)
		waitq_wake_all(&p->answered, 0);
	service_secrets_end();
}

static struct push *first_unread(void)
{
	struct push *p;

	list_for_each_entry (p, &pushes, node)
		if (!p->read)
			return p;
	return NULL;
}

/* A push may be gone after each sleep, so it is looked for again. */
static int64_t tags_read(struct file *f, struct uio *u, uint64_t *pos)
{
	struct service_tag_request r;
	struct push *p;
	int64_t done = 0;
	int err;

	if (curproc != init_process)
		return -EACCES;
	if (u->resid < sizeof(r))
		return -EINVAL;
	while (!(p = first_unread())) {
		err = f->flags & O_NONBLOCK ? -EAGAIN
					    : waitq_wait(&readers, NO_DEADLINE);
		if (err)
			return err;
	}
	while (p && u->resid >= sizeof(r)) {
		r = p->request;
		p->read = true;
		err = uio_copy_to(u, &r, sizeof(r));
		if (err)
			return done ? done : err;
		done += (int64_t)sizeof(r);
		p = first_unread();
	}
	return done;
}

static int answer(const struct service_tag_reply *r)
{
	struct push *p;

	if (r->status > 0 || r->status < -4095)
		return -EINVAL;
	list_for_each_entry (p, &pushes, node) {
		if (p->request.id != r->id || !p->read || p->done)
			continue;
		p->done = true;
		p->status = (int)r->status;
		waitq_wake_all(&p->answered, 0);
		return 0;
	}
	return -ENOENT;
}

static int64_t tags_write(struct file *f, struct uio *u, uint64_t *pos)
{
	struct service_tag_reply r;
	int64_t done = 0;
	int err = 0;

	if (curproc != init_process)
		return -EACCES;
	if (u->resid % sizeof(r))
		return -EINVAL;
	while (!err && u->resid) {
		err = uio_copy_from(u, &r, sizeof(r));
		if (!err)
			err = answer(&r);
		if (!err)
			done += (int64_t)sizeof(r);
	}
	return done ? done : err;
}

static uint32_t tags_poll(struct file *f, struct poll_ctx *pc)
{
	poll_add(pc, &readers);
	return first_unread() ? POLLIN | POLLOUT : POLLOUT;
}

const struct file_ops service_tags_ops = {
	.name = "tags",
	.read = tags_read,
	.write = tags_write,
	.poll = tags_poll,
};
