/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interval timers and POSIX timers.
 *
 * Both are one kind of object: a clock, a deadline, an interval, and how to
 * tell. Timers of wall clocks lie on the kernel's heap of deadlines. Timers
 * of processor-time clocks do too: they look when the process could have used
 * up the rest at the earliest, and again if it has not.
 *
 * An interval timer goes on while its signal waits to be delivered; what
 * expires meanwhile counts as overrun.
 */
#include "kernel/ptimer.h"

#include <linux/errno.h>
#include <linux/signal.h>
#include <linux/time.h>

#include "kernel/cputime.h"
#include "kernel/kalloc.h"
#include "kernel/process.h"
#include "kernel/signal.h"
#include "kernel/sys.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/uaccess.h"
#include "kernel/usertime.h"
#include "lib/string.h"
#include "lib/types.h"

#ifndef SIGEV_THREAD_ID
#define SIGEV_THREAD_ID 4
#endif

enum {
	ITIMERS = 3,
	TIMERS_MAX = 1024,
	INTERVAL_MIN_NS = 50000, /* a shorter interval becomes overruns */
	CPU_LOOK_NS = 1000000,
	OVERRUN_MAX = INT32_MAX,
};

struct ptimer {
	struct list node;
	struct timer timer;
	struct process *proc;
	int id; /* -1: an itimer */
	int clock;
	int notify; /* SIGEV_* */
	int signo;
	int32_t tid;
	uint64_t value; /* sigev_value */
	uint64_t next; /* expiry on its own clock, 0: disarmed */
	uint64_t interval;
	bool queued; /* its signal waits */
	uint64_t overrun; /* since the signal was queued */
	int last_overrun;
};

struct ptimers {
	struct ptimer itimer[ITIMERS];
	struct list posix;
	int count, next_id;
};

int ptimer_armed;

static bool is_cpu_clock(int clock)
{
	return clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID ||
		clock == CLOCK_THREAD_CPUTIME_ID;
}

/* Processor time, or the monotonic clock for all others. */
static uint64_t own_now(const struct ptimer *pt)
{
	uint64_t ns = 0;

	if (!is_cpu_clock(pt->clock))
		return time_mono_ns();
	if (pt->clock < 0 || pt->clock == CLOCK_THREAD_CPUTIME_ID) {
		const struct thread *t = thread_find(pt->tid);

		return t ? thread_cpu_ns(t) : ns;
	}
	return process_cpu_ns(pt->proc);
}

static int arm(struct ptimer *pt)
{
	uint64_t now = time_mono_ns(), own = own_now(pt), wait;
	int err;

	wait = pt->next > own ? pt->next - own : 0;
	if (is_cpu_clock(pt->clock) && wait < CPU_LOOK_NS)
		wait = CPU_LOOK_NS;
	if (add_overflows(now, wait, &wait))
		wait = UINT64_MAX - 1;
	ptimer_armed -= timer_armed(&pt->timer);
	err = timer_set(&pt->timer, wait);
	ptimer_armed += timer_armed(&pt->timer);
	return err;
}

static void notify(struct ptimer *pt)
{
	struct process *p = pt->proc;
	struct thread *t = NULL;
	uint64_t bit = SIG_BIT(pt->signo);
	struct ksiginfo info;

	if (pt->notify == SIGEV_NONE)
		return;
	if (pt->notify == SIGEV_THREAD_ID) {
		t = thread_find(pt->tid);
		if (!t || t->proc != p)
			return;
	}
	signal_info_kernel(&info, pt->signo);
	if (pt->id >= 0) {
		const uint64_t value = pt->value;
		const int32_t id = pt->id;

		info.code = SI_TIMER;
		memcpy(info.rest, &id, sizeof(id));
		memcpy(info.rest + 8, &value, sizeof(value));
		/* one that somebody else sent is in the way: an overrun */
		if (pt->signo < SIGRTMIN &&
			((t ? t->sig.pending : p->sig_pending) & bit)) {
			pt->overrun++;
			return;
		}
	}
	if (t)
		(void)signal_send_thread(t, &info);
	else
		(void)signal_send_process(p, &info);
	if (pt->id >= 0)
		pt->queued = (t ? t->sig.pending : p->sig_pending) & bit;
}

static void expired(struct timer *timer)
{
	struct ptimer *pt = container_of(timer, struct ptimer, timer);
	uint64_t own = own_now(pt), missed;

	ptimer_armed--;
	if (!pt->next)
		return;
	if (own < pt->next) { /* processor time not used up yet */
		(void)arm(pt);
		return;
	}
	missed = 0;
	if (pt->interval) {
		missed = (own - pt->next) / pt->interval;
		pt->next += (missed + 1) * pt->interval;
		if (pt->next < own + INTERVAL_MIN_NS) {
			uint64_t skip = (own + INTERVAL_MIN_NS - pt->next) /
					pt->interval +
				1;

			missed += skip;
			pt->next += skip * pt->interval;
		}
		(void)arm(pt);
	} else {
		pt->next = 0;
	}
	if (pt->queued) {
		pt->overrun += missed + 1;
	} else {
		pt->overrun = missed;
		notify(pt);
	}
}

static void disarm(struct ptimer *pt)
{
	pt->next = 0;
	ptimer_armed -= timer_armed(&pt->timer);
	timer_cancel(&pt->timer);
}

static struct ptimers *timers_of(struct process *p)
{
	struct ptimers *ts = p->timers;
	static const int clocks[ITIMERS] = {CLOCK_MONOTONIC,
		CLOCK_PROCESS_CPUTIME_ID, CLOCK_PROCESS_CPUTIME_ID};
	static const int signals[ITIMERS] = {SIGALRM, SIGVTALRM, SIGPROF};

	if (ts)
		return ts;
	ts = kzalloc(sizeof(*ts));
	if (!ts)
		return NULL;
	list_init(&ts->posix);
	for (int i = 0; i < ITIMERS; i++) {
		ts->itimer[i].proc = p;
		ts->itimer[i].id = -1;
		ts->itimer[i].clock = clocks[i];
		ts->itimer[i].signo = signals[i];
		ts->itimer[i].timer.fn = expired;
		list_init(&ts->itimer[i].node);
	}
	p->timers = ts;
	return ts;
}

static void ptimer_free(struct ptimers *ts, struct ptimer *pt)
{
	disarm(pt);
	list_del(&pt->node);
	ts->count--;
	kfree(pt);
}

void ptimer_exec(struct process *p)
{
	struct ptimers *ts = p->timers;
	struct ptimer *pt, *tmp;

	if (!ts)
		return;
	list_for_each_entry_safe (pt, tmp, &ts->posix, node)
		ptimer_free(ts, pt);
}

void ptimer_exit(struct process *p)
{
	struct ptimers *ts = p->timers;

	if (!ts)
		return;
	ptimer_exec(p);
	for (int i = 0; i < ITIMERS; i++)
		disarm(&ts->itimer[i]);
	p->timers = NULL;
	kfree(ts);
}

static struct ptimer *find(struct process *p, uint64_t u_id)
{
	struct ptimers *ts = p->timers;
	struct ptimer *pt;

	if (ts)
		list_for_each_entry (pt, &ts->posix, node)
			if ((uint64_t)pt->id == u_id)
				return pt;
	return NULL;
}

void ptimer_delivered(struct process *p, int id, struct ksiginfo *info)
{
	struct ptimer *pt = find(p, (uint64_t)id);
	int32_t overrun;

	if (!pt)
		return;
	pt->queued = false;
	overrun = (int32_t)u64_min(pt->overrun, OVERRUN_MAX);
	pt->last_overrun = overrun;
	pt->overrun = 0;
	memcpy(info->rest + 4, &overrun, sizeof(overrun));
}

/* ---- values ---- */

static uint64_t rest(const struct ptimer *pt)
{
	uint64_t own = own_now(pt);

	if (!pt->next)
		return 0;
	return pt->next > own ? pt->next - own : 1;
}

static void set_value(struct ptimer *pt, uint64_t next, uint64_t interval)
{
	disarm(pt);
	pt->interval = interval;
	pt->overrun = 0;
	pt->next = next;
	if (next)
		(void)arm(pt);
}

/* ---- itimers ---- */

static void get_itimer(const struct ptimer *pt, struct usertime v[2])
{
	v[0] = usertime_from(pt->interval, TIMEVAL);
	v[1] = usertime_from(rest(pt), TIMEVAL);
	/* armed must not read as disarmed */
	if (pt->next && !v[1].sec && !v[1].frac)
		v[1].frac = 1;
}

int64_t sys_getitimer(const uint64_t *a)
{
	struct ptimers *ts = timers_of(curproc);
	struct usertime v[2];

	if (a[0] >= ITIMERS)
		return -EINVAL;
	if (!ts)
		return -ENOMEM;
	get_itimer(&ts->itimer[a[0]], v);
	return user_write(a[1], v, sizeof(v));
}

int64_t sys_setitimer(const uint64_t *a)
{
	struct ptimers *ts = timers_of(curproc);
	struct usertime new[2] = {{0}}, old[2];
	uint64_t interval, value;
	struct ptimer *pt;

	if (a[0] >= ITIMERS)
		return -EINVAL;
	if (!ts)
		return -ENOMEM;
	if (a[1] && user_read(new, a[1], sizeof(new)))
		return -EFAULT;
	if (usertime_ns(new[0], TIMEVAL, &interval) ||
		usertime_ns(new[1], TIMEVAL, &value))
		return -EINVAL;
	pt = &ts->itimer[a[0]];
	get_itimer(pt, old);
	set_value(pt, value ? own_now(pt) + value : 0, interval);
	return a[2] ? user_write(a[2], old, sizeof(old)) : 0;
}

int64_t sys_alarm(const uint64_t *a)
{
	struct ptimers *ts = timers_of(curproc);
	struct ptimer *pt;
	uint64_t left;

	if (!ts)
		return -ENOMEM;
	pt = &ts->itimer[0];
	left = rest(pt);
	set_value(pt,
		(uint32_t)a[0] ? time_mono_ns() + (uint32_t)a[0] * NSEC_PER_SEC
			       : 0,
		0);
	/* rounded, but never to 0 while one was set */
	return (int64_t)u64_max(
		(left + NSEC_PER_SEC / 2) / NSEC_PER_SEC, left ? 1 : 0);
}

/* ---- POSIX timers ---- */

/* struct sigevent up to what the kernel reads */
struct sigevent_head {
	uint64_t value;
	int32_t signo, notify, tid, pad;
};

int64_t sys_timer_create(const uint64_t *a)
{
	struct process *p = curproc;
	struct ptimers *ts = timers_of(p);
	struct sigevent_head ev = {.signo = SIGALRM};
	struct ptimer *pt;
	int clock = (int)a[0];
	struct thread *t;
	int32_t id;

	if (!ts)
		return -ENOMEM;
	if (!clock_is_valid(clock))
		return -EINVAL;
	if (ts->count >= TIMERS_MAX)
		return -EAGAIN;
	if (a[1] && user_read(&ev, a[1], sizeof(ev)))
		return -EFAULT;
	if (ev.notify != SIGEV_NONE && (ev.signo < 1 || ev.signo > NSIG_KERNEL))
		return -EINVAL;
	switch (ev.notify) {
	case SIGEV_SIGNAL:
	case SIGEV_NONE:
		ev.tid = current->tid;
		break;
	case SIGEV_THREAD_ID:
	case SIGEV_SIGNAL | SIGEV_THREAD_ID | SIGEV_THREAD:
		t = thread_find(ev.tid);
		if (!t || t->proc != p)
			return -EINVAL;
		ev.notify = SIGEV_THREAD_ID;
		break;
	default:
		return -EINVAL;
	}
	if (clock == CLOCK_THREAD_CPUTIME_ID)
		ev.tid = ev.notify == SIGEV_THREAD_ID ? ev.tid : current->tid;
	pt = kzalloc(sizeof(*pt));
	if (!pt)
		return -ENOMEM;
	pt->timer.fn = expired;
	pt->proc = p;
	pt->id = id = ts->next_id++;
	pt->clock = clock;
	pt->notify = ev.notify;
	pt->signo = ev.signo;
	pt->tid = ev.tid;
	pt->value = a[1] ? ev.value : (uint64_t)id;
	list_add_tail(&ts->posix, &pt->node);
	ts->count++;
	if (user_write(a[2], &id, sizeof(id))) {
		ptimer_free(ts, pt);
		return -EFAULT;
	}
	return 0;
}

static void get_timer(const struct ptimer *pt, struct usertime v[2])
{
	v[0] = usertime_from(pt->interval, TIMESPEC);
	v[1] = usertime_from(rest(pt), TIMESPEC);
}

int64_t sys_timer_gettime(const uint64_t *a)
{
	struct ptimer *pt = find(curproc, (uint32_t)a[0]);
	struct usertime v[2];

	if (!pt)
		return -EINVAL;
	get_timer(pt, v);
	return user_write(a[1], v, sizeof(v));
}

int64_t sys_timer_settime(const uint64_t *a)
{
	struct usertime new[2], old[2];
	uint64_t interval, value;
	struct ptimer *pt;

	if (user_read(new, a[2], sizeof(new)))
		return -EFAULT;
	if (usertime_ns(new[0], TIMESPEC, &interval) ||
		usertime_ns(new[1], TIMESPEC, &value))
		return -EINVAL;
	pt = find(curproc, (uint32_t)a[0]);
	if (!pt)
		return -EINVAL;
	get_timer(pt, old);
	if (value) {
		uint64_t own = own_now(pt);

		if (!(a[1] & TIMER_ABSTIME)) {
			value += own;
		} else if (!is_cpu_clock(pt->clock)) {
			uint64_t now = clock_read(pt->clock);

			value = value > now ? own + (value - now)
					    : u64_max(own, 1);
		}
	}
	set_value(pt, value, interval);
	return a[3] ? user_write(a[3], old, sizeof(old)) : 0;
}

int64_t sys_timer_getoverrun(const uint64_t *a)
{
	struct ptimer *pt = find(curproc, (uint32_t)a[0]);

	return pt ? pt->last_overrun : -EINVAL;
}

int64_t sys_timer_delete(const uint64_t *a)
{
	struct ptimer *pt = find(curproc, (uint32_t)a[0]);

	if (!pt)
		return -EINVAL;
	ptimer_free(curproc->timers, pt);
	return 0;
}
