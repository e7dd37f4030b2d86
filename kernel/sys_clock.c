/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls about time: clocks and sleeping. The time is the host's word,
 * see time.h; nothing sets it.
 */
#include <linux/errno.h>
#include <linux/time.h>

#include "kernel/cputime.h"
#include "kernel/futex.h"
#include "kernel/process.h"
#include "kernel/signal.h"
#include "kernel/sys.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/uaccess.h"
#include "kernel/usertime.h"
#include "lib/types.h"

enum { CPU_CLOCK_THREAD = 4, CPU_CLOCK_KIND = 3, COARSE_NS = 4000000 };

/* Negative numbers name the processor-time clock of a process or thread
 * (clock_getcpuclockid(3)). */
static int32_t cpu_clock_id(int clock)
{
	return ~clock >> 3;
}

static struct thread *clock_thread(int clock)
{
	int32_t tid = cpu_clock_id(clock);
	struct thread *t = tid ? thread_find(tid) : current;

	return t && t->proc == curproc ? t : NULL;
}

static struct process *clock_process(int clock)
{
	int32_t pid = cpu_clock_id(clock);

	return pid ? process_find(pid) : curproc;
}

bool clock_is_valid(int clock)
{
	if (clock >= 0)
		return clock <= CLOCK_TAI && clock != CLOCK_SGI_CYCLE;
	if ((clock & CPU_CLOCK_KIND) == CPU_CLOCK_KIND)
		return false;
	return clock & CPU_CLOCK_THREAD ? clock_thread(clock) != NULL
					: clock_process(clock) != NULL;
}

uint64_t clock_read(int clock)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_TAI:
		return time_real_ns();
	case CLOCK_PROCESS_CPUTIME_ID:
		return process_cpu_ns(curproc);
	case CLOCK_THREAD_CPUTIME_ID:
		return thread_cpu_ns(current);
	default:
		if (clock >= 0)
			return time_mono_ns();
		return clock & CPU_CLOCK_THREAD
			? thread_cpu_ns(clock_thread(clock))
			: process_cpu_ns(clock_process(clock));
	}
}

static int write_timespec(uint64_t u_to, uint64_t ns)
{
	const struct usertime ts = usertime_from(ns, TIMESPEC);

	return user_write(u_to, &ts, sizeof(ts));
}

int64_t sys_clock_gettime(const uint64_t *a)
{
	int clock = (int)a[0];

	return clock_is_valid(clock) ? write_timespec(a[1], clock_read(clock))
				     : -EINVAL;
}

int64_t sys_clock_getres(const uint64_t *a)
{
	int clock = (int)a[0];

	if (!clock_is_valid(clock))
		return -EINVAL;
	if (!a[1])
		return 0;
	return write_timespec(a[1],
		clock == CLOCK_REALTIME_COARSE ||
				clock == CLOCK_MONOTONIC_COARSE
			? COARSE_NS
			: 1);
}

int64_t sys_gettimeofday(const uint64_t *a)
{
	const struct usertime tv = usertime_from(time_real_ns(), TIMEVAL);
	const int32_t tz[2] = {0, 0};

	if (a[0] && user_write(a[0], &tv, sizeof(tv)))
		return -EFAULT;
	return a[1] ? user_write(a[1], tz, sizeof(tz)) : 0;
}

int64_t sys_time(const uint64_t *a)
{
	const int64_t now = (int64_t)(time_real_ns() / NSEC_PER_SEC);

	if (a[0] && user_write(a[0], &now, sizeof(now)))
		return -EFAULT;
	return now;
}

int64_t sys_clock_settime(const uint64_t *a)
{
	return clock_is_valid((int)a[0]) ? -EPERM : -EINVAL;
}

int64_t sys_settimeofday(const uint64_t *a)
{
	return -EPERM;
}

/* ---- sleeping ---- */

/* A sleep that ends for no signal goes on after SIGCONT (restart_syscall),
 * one that a handler interrupts tells what is left. */
static int64_t sleep_until(uint64_t deadline, bool relative, uint64_t u_rem)
{
	struct thread *t = current;
	uint64_t now;
	int err;

	do
		err = sched_sleep(deadline, SLEEP_INTERRUPTIBLE);
	while (!err);
	if (err == -ETIMEDOUT)
		return 0;
	if (err != -ERESTARTSYS)
		return err;
	if (!relative)
		return -ERESTARTNOHAND;
	now = time_mono_ns();
	if (u_rem && write_timespec(u_rem, deadline > now ? deadline - now : 0))
		return -EFAULT;
	t->restart.deadline = deadline;
	t->restart.u_rem = u_rem;
	t->restart.u_futex = 0;
	return -ERESTART_RESTARTBLOCK;
}

int64_t sys_restart_syscall(const uint64_t *a)
{
	struct thread *t = current;
	uint64_t deadline = t->restart.deadline;

	t->restart.deadline = 0;
	if (!deadline)
		return -EINTR;
	if (t->restart.u_futex)
		return futex_restart(
			t->restart.u_futex, t->restart.futex_val, deadline);
	return sleep_until(deadline, true, t->restart.u_rem);
}

int64_t sys_nanosleep(const uint64_t *a)
{
	uint64_t ns;
	int err = usertime_read(a[0], &ns);

	return err ? err : sleep_until(time_mono_ns() + ns, true, a[1]);
}

int64_t sys_clock_nanosleep(const uint64_t *a)
{
	int clock = (int)a[0];
	uint64_t ns, now, own;
	int err;

	if (!clock_is_valid(clock) || clock == CLOCK_THREAD_CPUTIME_ID)
		return -EINVAL;
	if (clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID)
		return -EOPNOTSUPP;
	err = usertime_read(a[2], &ns);
	if (err)
		return err;
	now = time_mono_ns();
	if (!(a[1] & TIMER_ABSTIME))
		return sleep_until(now + ns, true, a[3]);
	own = clock_read(clock);
	if (ns <= own)
		return 0;
	return sleep_until(now + (ns - own), false, 0);
}
