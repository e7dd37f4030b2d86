/* SPDX-License-Identifier: Apache-2.0 */
/* signalfd(2): pending signals of the reader, as records to read. */
#include <asm/fcntl.h>
#include <asm/poll.h>
#include <linux/errno.h>

#include "kernel/file.h"
#include "kernel/kalloc.h"
#include "kernel/poll.h"
#include "kernel/process.h"
#include "kernel/signal.h"
#include "kernel/sys.h"
#include "kernel/uaccess.h"
#include "kernel/uio.h"
#include "lib/string.h"
#include "lib/types.h"

enum { SFD_CLOEXEC = O_CLOEXEC, SFD_NONBLOCK = O_NONBLOCK };

/* struct signalfd_siginfo of the system-call interface. */
struct record {
	uint32_t signo;
	int32_t err, code;
	uint32_t pid, uid;
	int32_t fd;
	uint32_t tid, band, overrun, trapno;
	int32_t status, value_int;
	uint64_t value_ptr, utime, stime, addr;
	uint8_t pad[48];
};
static_assert_size(struct record, 128);

struct signalfd {
	uint64_t set;
};

/* siginfo has a union behind its first three words: which of its members
 * count is told by the signal and the code. */
static void record_fill(struct record *r, const struct ksiginfo *info)
{
	uint64_t word[6];

	memcpy(word, info->rest, sizeof(word));
	memset(r, 0, sizeof(*r));
	r->signo = (uint32_t)info->signo;
	r->err = info->err;
	r->code = info->code;
	r->pid = (uint32_t)word[0];
	r->uid = (uint32_t)(word[0] >> 32);
	if (info->code == -2) { /* SI_TIMER */
		r->tid = (uint32_t)word[0];
		r->overrun = (uint32_t)(word[0] >> 32);
		r->pid = r->uid = 0;
	}
	if (info->signo == 17 && info->code > 0) { /* SIGCHLD */
		r->status = (int32_t)word[1];
		r->utime = word[2];
		r->stime = word[3];
		return;
	}
	r->value_int = (int32_t)word[1];
	r->value_ptr = word[1];
}

static int64_t signalfd_read(struct file *f, struct uio *u, uint64_t *pos)
{
	const struct signalfd *s = f->priv;
	struct ksiginfo info;
	struct record r;
	int64_t done = 0;
	int err;

	if (u->resid < sizeof(r))
		return -EINVAL;
	while (u->resid >= sizeof(r)) {
		if (signal_dequeue(current, s->set, &info)) {
			record_fill(&r, &info);
			err = uio_copy_to(u, &r, sizeof(r));
			if (err)
				return done ? done : err;
			done += (int64_t)sizeof(r);
			continue;
		}
		if (done)
			break;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = waitq_wait(&curproc->sig_queued, NO_DEADLINE);
		if (err)
			return err;
	}
	return done;
}

static uint32_t signalfd_poll(struct file *f, struct poll_ctx *pc)
{
	const struct signalfd *s = f->priv;

	poll_add(pc, &curproc->sig_queued);
	return signal_pending_set(current) & s->set ? POLLIN | POLLRDNORM : 0;
}

static const struct file_ops signalfd_ops = {
	.name = "[signalfd]",
	.read = signalfd_read,
	.poll = signalfd_poll,
	.release = file_free_state,
};

static int64_t create(uint64_t set, uint32_t flags)
{
	struct signalfd *s;
	struct file *f = file_new_state(
		&signalfd_ops, O_RDWR | (flags & SFD_NONBLOCK), sizeof(*s));

	if (f == NULL)
		return -ENOMEM;
	s = f->priv;
	s->set = set;
	return fd_install_new(f, flags & SFD_CLOEXEC);
}

int64_t sys_signalfd4(const uint64_t *a)
{
	uint32_t u_flags = (uint32_t)a[3];
	int fd = (int)a[0];
	struct file *f;
	uint64_t set;
	int64_t err;

	if (u_flags & ~(uint32_t)(SFD_CLOEXEC | SFD_NONBLOCK) ||
		a[2] != sizeof(set))
		return -EINVAL;
	err = user_read(&set, a[1], sizeof(set));
	if (err)
		return err;
	set &= ~SIG_UNBLOCKABLE;
	if (fd == -1)
		return create(set, u_flags);
	f = fd_get(fd);
	if (f == NULL)
		return -EBADF;
	if (f->ops == &signalfd_ops)
		((struct signalfd *)f->priv)->set = set;
	else
		fd = -EINVAL;
	file_put(f);
	return fd;
}
