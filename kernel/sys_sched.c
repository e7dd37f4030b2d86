/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls about scheduling. There is one policy, SCHED_OTHER, and no
 * priority: what asks for more is refused, niceness is only remembered. The
 * processors an application sees are the enclave threads.
 */
#include <linux/errno.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/sched/types.h>

#include "kernel/cpu.h"
#include "kernel/process.h"
#include "kernel/sys.h"
#include "kernel/thread.h"
#include "kernel/uaccess.h"
#include "lib/string.h"
#include "lib/types.h"

enum { SLICE_NS = 10000000, NICE_MIN = -20, NICE_MAX = 19 };

static struct thread *target(uint64_t u_tid)
{
	int32_t tid = (int32_t)u_tid;

	return tid ? thread_find(tid) : current;
}

static uint64_t all_cpus(void)
{
	return cpu_count >= 64 ? ~0ul : (1ul << cpu_count) - 1;
}

int64_t sys_sched_yield(const uint64_t *a)
{
	sched_yield();
	return 0;
}

int64_t sys_sched_getaffinity(const uint64_t *a)
{
	const struct thread *t = target(a[0]);
	uint64_t mask;

	if ((uint32_t)a[1] < sizeof(mask) || a[1] & 7)
		return -EINVAL;
	if (!t)
		return -ESRCH;
	mask = t->affinity ? t->affinity : all_cpus();
	return user_write(a[2], &mask, sizeof(mask)) ? -EFAULT
						     : (int)sizeof(mask);
}

int64_t sys_sched_setaffinity(const uint64_t *a)
{
	uint64_t mask = 0;
	struct thread *t;

	if (user_read(&mask, a[2], u64_min((uint32_t)a[1], sizeof(mask))))
		return -EFAULT;
	t = target(a[0]);
	if (!t)
		return -ESRCH;
	mask &= all_cpus();
	if (!mask)
		return -EINVAL;
	t->affinity = mask;
	return 0;
}

int64_t sys_getcpu(const uint64_t *a)
{
	const uint32_t cpu = (uint32_t)current->cpu, node = 0;

	if (a[0] && user_write(a[0], &cpu, sizeof(cpu)))
		return -EFAULT;
	return a[1] ? user_write(a[1], &node, sizeof(node)) : 0;
}

static int policy_check(int policy, int priority)
{
	switch (policy) {
	case SCHED_NORMAL:
	case SCHED_BATCH:
	case SCHED_IDLE:
		return priority ? -EINVAL : 0;
	case SCHED_FIFO:
	case SCHED_RR:
		return priority < 1 || priority > 99 ? -EINVAL : -EPERM;
	case SCHED_DEADLINE:
		return -EPERM;
	default:
		return -EINVAL;
	}
}

int64_t sys_sched_setscheduler(const uint64_t *a)
{
	int32_t priority;

	if (user_read(&priority, a[2], sizeof(priority)))
		return -EFAULT;
	if (!target(a[0]))
		return -ESRCH;
	return policy_check((int)a[1] & ~SCHED_RESET_ON_FORK, priority);
}

int64_t sys_sched_getscheduler(const uint64_t *a)
{
	return target(a[0]) ? SCHED_NORMAL : -ESRCH;
}

int64_t sys_sched_setparam(const uint64_t *a)
{
	int32_t priority;

	if (user_read(&priority, a[1], sizeof(priority)))
		return -EFAULT;
	if (!target(a[0]))
		return -ESRCH;
	return policy_check(SCHED_NORMAL, priority);
}

int64_t sys_sched_getparam(const uint64_t *a)
{
	const int32_t priority = 0;

	if (!target(a[0]))
		return -ESRCH;
	return user_write(a[1], &priority, sizeof(priority));
}

int64_t sys_sched_getattr(const uint64_t *a)
{
	struct sched_attr attr;
	uint32_t size = (uint32_t)a[2];
	const struct thread *t = target(a[0]);

	if (!t)
		return -ESRCH;
	if (size < SCHED_ATTR_SIZE_VER0 || a[3])
		return -EINVAL;
	memset(&attr, 0, sizeof(attr));
	attr.size = (uint32_t)u64_min(size, sizeof(attr));
	attr.sched_nice = t->proc->nice;
	return user_write(a[1], &attr, attr.size);
}

int64_t sys_sched_setattr(const uint64_t *a)
{
	struct sched_attr attr;
	struct thread *t;
	int err;

	memset(&attr, 0, sizeof(attr));
	if (user_read(&attr, a[1], SCHED_ATTR_SIZE_VER0))
		return -EFAULT;
	t = target(a[0]);
	if (!t)
		return -ESRCH;
	err = policy_check((int)attr.sched_policy, (int)attr.sched_priority);
	if (!err)
		t->proc->nice = attr.sched_nice < NICE_MIN ? NICE_MIN
			: attr.sched_nice > NICE_MAX       ? NICE_MAX
							   : attr.sched_nice;
	return err;
}

static int64_t priority_bound(int policy, int real_time)
{
	switch (policy) {
	case SCHED_FIFO:
	case SCHED_RR:
		return real_time;
	case SCHED_NORMAL:
	case SCHED_BATCH:
	case SCHED_IDLE:
	case SCHED_DEADLINE:
		return 0;
	default:
		return -EINVAL;
	}
}

int64_t sys_sched_get_priority_max(const uint64_t *a)
{
	return priority_bound((int)a[0], 99);
}

int64_t sys_sched_get_priority_min(const uint64_t *a)
{
	return priority_bound((int)a[0], 1);
}

int64_t sys_sched_rr_get_interval(const uint64_t *a)
{
	const int64_t ts[2] = {0, SLICE_NS};

	if (!target(a[0]))
		return -ESRCH;
	return user_write(a[1], ts, sizeof(ts));
}

/* ---- niceness ---- */

static bool concerned(const struct process *p, int which, int32_t who,
	const struct process *me)
{
	switch (which) {
	case PRIO_PROCESS:
		return p->pid == (who ? who : me->pid);
	case PRIO_PGRP:
		return p->pgid == (who ? who : me->pgid);
	default:
		return p->uid == (who ? (uint32_t)who : me->uid);
	}
}

/* Threads have their process's niceness. */
static int32_t as_process(int which, int32_t who)
{
	const struct thread *t = which == PRIO_PROCESS && who ? thread_find(who)
							      : NULL;

	return t ? t->proc->pid : who;
}

int64_t sys_getpriority(const uint64_t *a)
{
	int which = (int)a[0], best = NICE_MAX + 1;
	int32_t who = as_process(which, (int32_t)a[1]);
	struct process *me = curproc;

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	for (struct process *p = process_next(0); p; p = process_next(p->pid))
		if (concerned(p, which, who, me) && p->nice < best)
			best = p->nice;
	return best > NICE_MAX ? -ESRCH : 20 - best;
}

int64_t sys_setpriority(const uint64_t *a)
{
	int which = (int)a[0], nice = (int)a[2];
	int32_t who = as_process(which, (int32_t)a[1]);
	struct process *me = curproc;
	int64_t result = -ESRCH;

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	nice = nice < NICE_MIN ? NICE_MIN : nice > NICE_MAX ? NICE_MAX : nice;
	for (struct process *p = process_next(0); p; p = process_next(p->pid)) {
		if (!concerned(p, which, who, me))
			continue;
		if (nice < p->nice && me->euid) {
			result = -EACCES;
			continue;
		}
		p->nice = nice;
		if (result == -ESRCH)
			result = 0;
	}
	return result;
}
