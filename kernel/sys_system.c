/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls about the system and about settings of a process: prctl and
 * arch_prctl, limits, usage, uname, sysinfo, and calls that are refused as
 * they are for an ordinary user.
 */
#include <asm/prctl.h>
#include <linux/capability.h>
#include <linux/errno.h>
#include <linux/kcmp.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>

#include "abi/layout.h"
#include "kernel/aspace.h"
#include "kernel/boot.h"
#include "kernel/process.h"
#include "kernel/sys.h"
#include "kernel/system.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/uaccess.h"
#include "kernel/usertime.h"
#include "lib/config.h"
#include "lib/string.h"
#include "lib/types.h"

enum { TICKS_PER_SEC = 100, NOFILE_MAX = 1048576, SLACK_DEFAULT = 50000 };

/* ---- prctl ---- */

static int64_t set_name(uint64_t u_name)
{
	struct thread *t = current;
	char name[sizeof(t->comm)];
	int64_t len = user_read_str(name, u_name, sizeof(name));

	if (len == -ENAMETOOLONG && user_read(name, u_name, sizeof(name)))
		return -EFAULT;
	if (len == -EFAULT)
		return len;
	name[sizeof(name) - 1] = 0;
	memset(t->comm, 0, sizeof(t->comm));
	memcpy(t->comm, name, strlen(name));
	return 0;
}

static int64_t write_int(uint64_t u_to, int value)
{
	return user_write(u_to, &value, sizeof(value));
}

int64_t sys_prctl(const uint64_t *a)
{
	struct thread *t = current;
	struct process *p = t->proc;

	switch ((int)a[0]) {
	case PR_SET_NAME:
		return set_name(a[1]);
	case PR_GET_NAME:
		return user_write(a[1], t->comm, sizeof(t->comm));
	case PR_SET_PDEATHSIG:
		if (a[1] > NSIG_KERNEL)
			return -EINVAL;
		p->pdeathsig = (int)a[1];
		return 0;
	case PR_GET_PDEATHSIG:
		return write_int(a[1], p->pdeathsig);
	case PR_SET_DUMPABLE:
		if (a[1] > 1)
			return -EINVAL;
		p->dumpable = a[1];
		return 0;
	case PR_GET_DUMPABLE:
		return p->dumpable;
	case PR_SET_NO_NEW_PRIVS:
		if (a[1] != 1 || a[2] || a[3] || a[4])
			return -EINVAL;
		p->no_new_privs = true;
		return 0;
	case PR_GET_NO_NEW_PRIVS:
		return p->no_new_privs;
	case PR_SET_TIMERSLACK:
		t->timer_slack = (int64_t)a[1] > 0 ? a[1] : SLACK_DEFAULT;
		return 0;
	case PR_GET_TIMERSLACK:
		return (int64_t)t->timer_slack;
	case PR_SET_CHILD_SUBREAPER:
		p->subreaper = a[1];
		return 0;
	case PR_GET_CHILD_SUBREAPER:
		return write_int(a[1], p->subreaper);
	case PR_SET_KEEPCAPS:
		if (a[1] > 1)
			return -EINVAL;
		p->keep_caps = a[1];
		return 0;
	case PR_GET_KEEPCAPS:
		return p->keep_caps;
	case PR_CAPBSET_READ:
		return a[1] > CAP_LAST_CAP ? -EINVAL : 1;
	case PR_CAP_AMBIENT:
		return a[1] == PR_CAP_AMBIENT_IS_SET ||
				a[1] == PR_CAP_AMBIENT_CLEAR_ALL
			? 0
			: -EPERM;
	case PR_GET_SECUREBITS:
	case PR_GET_SECCOMP:
	case PR_GET_THP_DISABLE:
		return 0;
	case PR_GET_TID_ADDRESS:
		return user_write(a[1], &t->clear_child_tid, sizeof(uint64_t));
	case PR_SET_THP_DISABLE: /* there are no huge pages */
		return 0;
	case PR_SET_MM:
	case PR_CAPBSET_DROP:
	case PR_SET_SECUREBITS:
		return -EPERM;
	default: /* PR_SET_SECCOMP, PR_SET_VMA, PR_SET_PTRACER, ... */
		return -EINVAL;
	}
}

int64_t sys_arch_prctl(const uint64_t *a)
{
	struct thread *t = current;

	switch ((int)a[0]) {
	case ARCH_SET_FS:
		if (a[1] >= USER_END)
			return -EPERM;
		thread_save_xstate(t);
		t->fs_base = a[1];
		return 0;
	case ARCH_GET_FS:
		thread_save_xstate(t);
		return user_write(a[1], &t->fs_base, sizeof(t->fs_base));
	default: /* GS is the enclave's own */
		return -EINVAL;
	}
}

int64_t sys_personality(const uint64_t *a)
{
	struct process *p = curproc;
	uint32_t old = p->personality;

	if ((uint32_t)a[0] == UINT32_MAX)
		return old;
	if ((uint32_t)a[0] & 0xff) /* another kernel's */
		return -EINVAL;
	p->personality = (uint32_t)a[0];
	return old;
}

/* ---- limits and usage ---- */

/* Does the manifest bound it? Then nobody raises it. */
static bool owner_bounds(uint64_t which)
{
	return (which == RLIMIT_NPROC && boot_config()->threads) ||
		(which == RLIMIT_NOFILE && boot_config()->files);
}

static int64_t limit(
	struct process *p, uint64_t u_which, uint64_t u_new, uint64_t u_old)
{
	uint64_t new[2], old[2];

	if (u_which >= RLIM_NLIMITS)
		return -EINVAL;
	if (u_new && user_read(new, u_new, sizeof(new)))
		return -EFAULT;
	memcpy(old, p->rlimit[u_which], sizeof(old));
	if (u_new) {
		if (new[0] > new[1])
			return -EINVAL;
		if (new[1] > old[1] && (curproc->euid || owner_bounds(u_which)))
			return -EPERM;
		if (u_which == RLIMIT_NOFILE && new[1] > NOFILE_MAX)
			return -EPERM;
		memcpy(p->rlimit[u_which], new, sizeof(new));
	}
	return u_old ? user_write(u_old, old, sizeof(old)) : 0;
}

int64_t sys_prlimit64(const uint64_t *a)
{
	struct process *p = (int32_t)a[0] ? process_find((int32_t)a[0])
					  : curproc;

	if (!p)
		return -ESRCH;
	if (p != curproc && curproc->euid && curproc->euid != p->uid)
		return -EPERM;
	return limit(p, (uint32_t)a[1], a[2], a[3]);
}

int64_t sys_getrlimit(const uint64_t *a)
{
	return a[1] ? limit(curproc, (uint32_t)a[0], 0, a[1]) : -EFAULT;
}

int64_t sys_setrlimit(const uint64_t *a)
{
	return a[1] ? limit(curproc, (uint32_t)a[0], a[1], 0) : -EFAULT;
}

int64_t sys_getrusage(const uint64_t *a)
{
	const struct process *p = curproc;
	struct {
		struct usertime user, system;
		uint64_t max_resident; /* KiB */
		uint64_t unknown[13];
	} ru = {0};
	uint64_t ns;

	switch ((int)a[0]) {
	case RUSAGE_SELF:
		ns = process_cpu_ns(p);
		break;
	case RUSAGE_CHILDREN:
		ns = p->child_cpu_ns;
		break;
	case RUSAGE_THREAD:
		ns = thread_cpu_ns(current);
		break;
	default:
		return -EINVAL;
	}
	ru.user = usertime_from(ns, TIMEVAL);
	if ((int)a[0] != RUSAGE_CHILDREN)
		ru.max_resident = aspace_committed(p->as) / 1024;
	return user_write(a[1], &ru, sizeof(ru));
}

int64_t sys_times(const uint64_t *a)
{
	const struct process *p = curproc;
	const uint64_t tick = NSEC_PER_SEC / TICKS_PER_SEC;
	const int64_t t[4] = {(int64_t)(process_cpu_ns(p) / tick), 0,
		(int64_t)(p->child_cpu_ns / tick), 0};

	if (a[0] && user_write(a[0], t, sizeof(t)))
		return -EFAULT;
	return (int64_t)(time_mono_ns() / tick);
}

/* ---- the system ---- */

const char *system_hostname(void)
{
	return boot_config()->hostname;
}

int64_t sys_uname(const uint64_t *a)
{
	struct new_utsname u;

	memset(&u, 0, sizeof(u));
	(void)!string_copy(u.sysname, sizeof(u.sysname), "Linux");
	(void)!string_copy(u.nodename, sizeof(u.nodename), system_hostname());
	(void)!string_copy(u.release, sizeof(u.release), SYSTEM_RELEASE);
	(void)!string_copy(u.version, sizeof(u.version), SYSTEM_VERSION);
	(void)!string_copy(u.machine, sizeof(u.machine), "x86_64");
	(void)!string_copy(u.domainname, sizeof(u.domainname), "(none)");
	return user_write(a[0], &u, sizeof(u));
}

int64_t sys_sysinfo(const uint64_t *a)
{
	struct sysinfo s;
	uint64_t used, total;

	memset(&s, 0, sizeof(s));
	aspace_memory(&used, &total);
	s.uptime = (int64_t)(time_mono_ns() / NSEC_PER_SEC);
	s.totalram = total;
	s.freeram = total > used ? total - used : 0;
	s.procs = (uint16_t)u64_min((uint64_t)thread_count_all(), UINT16_MAX);
	s.mem_unit = 1;
	return user_write(a[0], &s, sizeof(s));
}

int64_t sys_kcmp(const uint64_t *a)
{
	const struct process *p = process_find((int32_t)a[0]);
	const struct process *q = process_find((int32_t)a[1]);
	const void *x, *y;

	if (!p || !q)
		return -ESRCH;
	switch ((int)a[2]) {
	case KCMP_VM:
		x = p->as;
		y = q->as;
		break;
	case KCMP_FILES:
		x = p->files;
		y = q->files;
		break;
	case KCMP_FS:
		x = p->fs;
		y = q->fs;
		break;
	case KCMP_SIGHAND:
		x = p->actions;
		y = q->actions;
		break;
	default:
		return -EOPNOTSUPP;
	}
	return x == y ? 0 : x < y ? 1 : 2;
}

/* ---- refused ---- */

#define REFUSED(name, error)                  \
	int64_t sys_##name(const uint64_t *a) \
	{                                     \
		(void)a;                      \
		return -(error);              \
	}

REFUSED(ptrace, EPERM)
REFUSED(syslog, EPERM)
REFUSED(sethostname, EPERM)
REFUSED(setdomainname, EPERM)
REFUSED(seccomp, EINVAL)
REFUSED(rseq, ENOSYS) /* every glibc program asks; not worth a message */
