/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd(2): a 64-bit counter to wait for. */
#include <asm/poll.h>
#include <linux/errno.h>
#include <asm/fcntl.h>

#include "kernel/file.h"
#include "kernel/kalloc.h"
#include "kernel/poll.h"
#include "kernel/sys.h"
#include "kernel/uio.h"

enum {
	EFD_SEMAPHORE = 1,
	EFD_CLOEXEC = O_CLOEXEC,
	EFD_NONBLOCK = O_NONBLOCK,
};

struct eventfd {
	uint64_t count; /* at most UINT64_MAX - 1 */
	bool semaphore;
	struct waitq queue;
};

static int await(struct file *f)
{
	struct eventfd *e = f->priv;

	return f->flags & O_NONBLOCK ? -EAGAIN
				     : waitq_wait(&e->queue, NO_DEADLINE);
}

static int64_t eventfd_read(struct file *f, struct uio *u, uint64_t *pos)
{
	struct eventfd *e = f->priv;
	uint64_t taken;
	int err;

	if (u->resid < sizeof(taken))
		return -EINVAL;
	while (e->count == 0) {
		err = await(f);
		if (err)
			return err;
	}
	taken = e->semaphore ? 1 : e->count;
	e->count -= taken;
	waitq_wake_all(&e->queue, POLLOUT | POLLWRNORM);
	err = uio_copy_to(u, &taken, sizeof(taken));
	return err ? err : (int64_t)sizeof(taken);
}

static int64_t eventfd_write(struct file *f, struct uio *u, uint64_t *pos)
{
	struct eventfd *e = f->priv;
	uint64_t add;
	int err;

	if (u->resid < sizeof(add))
		return -EINVAL;
	err = uio_copy_from(u, &add, sizeof(add));
	if (err)
		return err;
	if (add == UINT64_MAX)
		return -EINVAL;
	while (UINT64_MAX - 1 - e->count < add) {
		err = await(f);
		if (err)
			return err;
	}
	e->count += add;
	waitq_wake_all(&e->queue, POLLIN | POLLRDNORM);
	return sizeof(add);
}

static uint32_t eventfd_poll(struct file *f, struct poll_ctx *pc)
{
	struct eventfd *e = f->priv;
	uint32_t events = 0;

	poll_add(pc, &e->queue);
	if (e->count > 0)
		events |= POLLIN | POLLRDNORM;
	if (e->count < UINT64_MAX - 1)
		events |= POLLOUT | POLLWRNORM;
	return events;
}

static const struct file_ops eventfd_ops = {
	.name = "[eventfd]",
	.read = eventfd_read,
	.write = eventfd_write,
	.poll = eventfd_poll,
	.release = file_free_state,
};

int64_t sys_eventfd2(const uint64_t *a)
{
	uint32_t u_flags = (uint32_t)a[1];
	struct eventfd *e;
	struct file *f;

	if (u_flags & ~(uint32_t)(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK))
		return -EINVAL;
	f = file_new_state(
		&eventfd_ops, O_RDWR | (u_flags & EFD_NONBLOCK), sizeof(*e));
	if (f == NULL)
		return -ENOMEM;
	e = f->priv;
	e->count = (uint32_t)a[0];
	e->semaphore = u_flags & EFD_SEMAPHORE;
	waitq_init(&e->queue);
	return fd_install_new(f, u_flags & EFD_CLOEXEC);
}
