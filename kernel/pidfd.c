/* SPDX-License-Identifier: Apache-2.0 */
/* See pidfd.h; pidfd_open(2), pidfd_send_signal(2). */
#include "kernel/pidfd.h"

#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/poll.h>

#include "kernel/file.h"
#include "kernel/poll.h"
#include "kernel/process.h"
#include "kernel/sys.h"
#include "kernel/thread.h"

static uint32_t pidfd_poll(struct file *f, struct poll_ctx *pc)
{
	struct process *p = f->priv;

	poll_add(pc, &p->ended);
	return p->state == PROC_LIVE ? 0 : POLLIN | POLLRDNORM;
}

static void pidfd_release(struct file *f)
{
	process_put(f->priv);
}

static const struct file_ops pidfd_ops = {
	.name = "[pidfd]",
	.poll = pidfd_poll,
	.release = pidfd_release,
};

int pidfd_new(struct process *p, uint32_t flags)
{
	struct file *f = file_new(&pidfd_ops, O_RDWR | (flags & O_NONBLOCK));

	if (!f)
		return -ENOMEM;
	f->priv = process_get(p);
	return fd_install_new(f, true);
}

struct process *pidfd_process(int fd)
{
	struct file *f = fd_get(fd);
	struct process *p = NULL;

	if (f && f->ops == &pidfd_ops)
		p = process_get(f->priv);
	file_put(f);
	return p;
}

int64_t sys_pidfd_open(const uint64_t *a)
{
	struct process *p = process_find((int32_t)a[0]);

	if (a[1] & ~(uint64_t)O_NONBLOCK || (int32_t)a[0] <= 0)
		return -EINVAL;
	if (!p) /* a thread that is no process, or nobody */
		return thread_find((int32_t)a[0]) ? -EINVAL : -ESRCH;
	return pidfd_new(p, (uint32_t)a[1]);
}

int64_t sys_pidfd_send_signal(const uint64_t *a)
{
	struct process *p = pidfd_process((int)a[0]);
	uint64_t args[3];
	int64_t r;

	if (!p)
		return -EBADF;
	args[0] = (uint64_t)p->pid;
	args[1] = a[1];
	args[2] = a[2];
	if (a[3])
		r = -EINVAL;
	else if (p->state == PROC_REAPED)
		r = -ESRCH;
	else
		r = a[2] ? sys_rt_sigqueueinfo(args) : sys_kill(args);
	process_put(p);
	return r;
}
