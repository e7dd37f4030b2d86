/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timerfd_create(2) on the kernel's timers. An absolute time of
 * CLOCK_REALTIME is turned into a monotonic deadline when it is set: time
 * does not jump in the enclave, so TFD_TIMER_CANCEL_ON_SET never cancels.
 */
#include <asm/poll.h>
#include <linux/errno.h>
#include <linux/time.h>
#include <linux/timerfd.h>

#include "kernel/file.h"
#include "kernel/kalloc.h"
#include "kernel/poll.h"
#include "kernel/sys.h"
#include "kernel/time.h"
#include "kernel/uaccess.h"
#include "kernel/uio.h"
#include "kernel/usertime.h"
#include "lib/types.h"

struct timerfd {
	struct timer timer;
	bool realtime;
	uint64_t next; /* deadline that counts as the next expiration */
	uint64_t interval; /* ns, 0: one shot */
	uint64_t expired; /* not yet read */
	struct waitq queue;
};

struct itimerspec64 {
	struct usertime interval, value;
};

static void advance(struct timerfd *t, uint64_t now)
{
	uint64_t n;

	if (t->next == NO_DEADLINE || now < t->next)
		return;
	n = t->interval ? (now - t->next) / t->interval + 1 : 1;
	t->expired += n;
	t->next = t->interval ? t->next + n * t->interval : NO_DEADLINE;
}

static void fire(struct timer *timer)
{
	struct timerfd *t = container_of(timer, struct timerfd, timer);

	advance(t, time_mono_ns());
	/* A periodic timer rests until somebody has read: expirations are
	 * then counted by advance(), and nobody is woken for nothing. */
	if (t->expired > 0)
		waitq_wake_all(&t->queue, POLLIN | POLLRDNORM);
	else if (t->next != NO_DEADLINE)
		(void)timer_set(&t->timer, t->next);
}

static int arm(struct timerfd *t)
{
	if (t->next == NO_DEADLINE)
		return 0;
	return timer_set(&t->timer, t->next);
}

static int64_t timerfd_read(struct file *f, struct uio *u, uint64_t *pos)
{
	struct timerfd *t = f->priv;
	uint64_t n;
	int err;

	if (u->resid < sizeof(n))
		return -EINVAL;
	advance(t, time_mono_ns());
	while (t->expired == 0) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = waitq_wait(&t->queue, NO_DEADLINE);
		if (err)
			return err;
		advance(t, time_mono_ns());
	}
	n = t->expired;
	t->expired = 0;
	err = arm(t);
	if (err == 0)
		err = uio_copy_to(u, &n, sizeof(n));
	return err ? err : (int64_t)sizeof(n);
}

static uint32_t timerfd_poll(struct file *f, struct poll_ctx *pc)
{
	struct timerfd *t = f->priv;

	poll_add(pc, &t->queue);
	advance(t, time_mono_ns());
	return t->expired ? POLLIN | POLLRDNORM : 0;
}

static void timerfd_release(struct file *f)
{
	struct timerfd *t = f->priv;

	timer_cancel(&t->timer);
	kfree(t);
}

static const struct file_ops timerfd_ops = {
	.name = "[timerfd]",
	.read = timerfd_read,
	.poll = timerfd_poll,
	.release = timerfd_release,
};

int64_t sys_timerfd_create(const uint64_t *a)
{
	uint32_t u_clock = (uint32_t)a[0], u_flags = (uint32_t)a[1];
	struct timerfd *t;
	struct file *f;

	if (u_flags & ~(uint32_t)(TFD_CLOEXEC | TFD_NONBLOCK))
		return -EINVAL;
	if (u_clock != CLOCK_REALTIME && u_clock != CLOCK_MONOTONIC &&
		u_clock != CLOCK_BOOTTIME)
		return -EINVAL;
	f = file_new_state(
		&timerfd_ops, O_RDWR | (u_flags & TFD_NONBLOCK), sizeof(*t));
	if (f == NULL)
		return -ENOMEM;
	t = f->priv;
	t->realtime = u_clock == CLOCK_REALTIME;
	t->next = NO_DEADLINE;
	t->timer.fn = fire;
	waitq_init(&t->queue);
	return fd_install_new(f, u_flags & TFD_CLOEXEC);
}

static void get(struct timerfd *t, struct itimerspec64 *out)
{
	uint64_t now = time_mono_ns();

	advance(t, now);
	out->interval = usertime_from(t->interval, TIMESPEC);
	out->value = usertime_from(
		t->next == NO_DEADLINE ? 0 : t->next - now, TIMESPEC);
}

static int set(
	struct timerfd *t, bool absolute, uint64_t value, uint64_t interval)
{
	uint64_t now = time_mono_ns(), real;

	timer_cancel(&t->timer);
	t->expired = 0;
	t->interval = interval;
	t->next = NO_DEADLINE;
	if (value == 0)
		return 0;
	if (absolute && t->realtime) {
		real = time_real_ns();
		value = value > real ? value - real + now : now;
	} else if (!absolute) {
		value += now;
	}
	t->next = value;
	return arm(t);
}

int64_t sys_timerfd_settime(struct file *f, const uint64_t *a)
{
	uint32_t u_flags = (uint32_t)a[1];
	struct itimerspec64 new, old;
	uint64_t value, interval;
	struct timerfd *t = f->priv;
	int err;

	if (f->ops != &timerfd_ops)
		return -EINVAL;
	if (u_flags & ~(uint32_t)(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
		return -EINVAL;
	err = user_read(&new, a[2], sizeof(new));
	if (err)
		return err;
	if (usertime_ns(new.value, TIMESPEC, &value) ||
		usertime_ns(new.interval, TIMESPEC, &interval))
		return -EINVAL;
	get(t, &old);
	err = set(t, u_flags & TFD_TIMER_ABSTIME, value, interval);
	return err || !a[3] ? err : user_write(a[3], &old, sizeof(old));
}

int64_t sys_timerfd_gettime(struct file *f, const uint64_t *a)
{
	struct itimerspec64 now;

	if (f->ops != &timerfd_ops)
		return -EINVAL;
	get(f->priv, &now);
	return user_write(a[1], &now, sizeof(now));
}
