/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls about who a process is: numbers, family, groups, sessions,
 * credentials, end and waiting for the end.
 */
#include <linux/errno.h>
#include <linux/signal.h>
#include <linux/wait.h>

#include "kernel/pidfd.h"
#include "kernel/process.h"
#include "kernel/sys.h"
#include "kernel/thread.h"
#include "kernel/uaccess.h"
#include "kernel/usertime.h"
#include "lib/string.h"

/* ---- numbers ---- */

SYS_VALUE(getpid, curproc->pid)
SYS_VALUE(gettid, current->tid)
SYS_VALUE(getppid, curproc->ppid)
SYS_VALUE(getpgrp, curproc->pgid)

int64_t sys_getpgid(const uint64_t *a)
{
	const struct process *p = (int32_t)a[0] ? process_find((int32_t)a[0])
						: curproc;

	return p ? p->pgid : -ESRCH;
}

int64_t sys_getsid(const uint64_t *a)
{
	const struct process *p = (int32_t)a[0] ? process_find((int32_t)a[0])
						: curproc;

	return p ? p->sid : -ESRCH;
}

int64_t sys_setpgid(const uint64_t *a)
{
	struct process *self = curproc;
	int32_t pid = (int32_t)a[0], pgid = (int32_t)a[1];
	struct process *p = pid ? process_find(pid) : self;

	if (!p)
		return -ESRCH;
	if (!pgid)
		pgid = p->pid;
	if (pgid < 0)
		return -EINVAL;
	if (p != self) {
		if (p->parent != self)
			return -ESRCH;
		if (p->sid != self->sid)
			return -EPERM;
		if (p->execed)
			return -EACCES;
	}
	if (p->sid == p->pid) /* a session leader */
		return -EPERM;
	if (pgid != p->pid && !process_group_exists(pgid, self->sid))
		return -EPERM;
	p->pgid = pgid;
	return 0;
}

int64_t sys_setsid(const uint64_t *a)
{
	struct process *p = curproc;

	if (process_group_exists(p->pid, 0))
		return -EPERM;
	p->sid = p->pgid = p->pid;
	return p->sid;
}

/* ---- the end ---- */

int64_t sys_exit(const uint64_t *a)
{
	process_exit_thread((int)a[0]);
}

int64_t sys_exit_group(const uint64_t *a)
{
	process_exit_group(((int)a[0] & 0xff) << 8);
}

/* ---- waiting ---- */

struct wait_for {
	int which; /* P_ALL, P_PID, P_PGID */
	int32_t id;
	unsigned options;
	/* what was found */
	int32_t pid;
	uint32_t uid;
	int code, status; /* CLD_* and exit code or signal */
	int wait_status;
	uint64_t cpu_ns;
};

static bool eligible(const struct process *c, const struct wait_for *w)
{
	bool clone = c->exit_signal != SIGCHLD;

	if (w->which == P_PID && c->pid != w->id)
		return false;
	if (w->which == P_PGID && c->pgid != w->id)
		return false;
	return (w->options & __WALL) || clone == !!(w->options & __WCLONE);
}

/* Has c something to tell? Takes it (unless WNOWAIT). */
static bool report(struct process *c, struct wait_for *w)
{
	bool keep = w->options & WNOWAIT;
	int s = c->exit_status;

	w->pid = c->pid;
	w->uid = c->uid;
	w->cpu_ns = process_cpu_ns(c) + c->child_cpu_ns;
	if (c->state == PROC_ZOMBIE && (w->options & WEXITED)) {
		w->wait_status = s;
		w->code = !(s & 0x7f) ? CLD_EXITED
			: s & 0x80    ? CLD_DUMPED
				      : CLD_KILLED;
		w->status = s & 0x7f ? s & 0x7f : s >> 8 & 0xff;
		if (!keep)
			process_reap(c);
		return true;
	}
	if (c->wait_event == WAIT_EVENT_STOPPED && (w->options & WSTOPPED)) {
		w->code = CLD_STOPPED;
		w->status = c->stop_signal;
		w->wait_status = c->stop_signal << 8 | 0x7f;
	} else if (c->wait_event == WAIT_EVENT_CONTINUED &&
		(w->options & WCONTINUED)) {
		w->code = CLD_CONTINUED;
		w->status = SIGCONT;
		w->wait_status = 0xffff;
	} else {
		return false;
	}
	if (!keep)
		c->wait_event = WAIT_EVENT_NONE;
	return true;
}

/* 1: found, 0: none and WNOHANG, or -errno. */
static int wait_for_child(struct wait_for *w)
{
	struct process *p = curproc, *c, *tmp;

	for (;;) {
		bool any = false;
		int err;

		list_for_each_entry_safe (c, tmp, &p->children, child_node) {
			if (!eligible(c, w))
				continue;
			any = true;
			if (report(c, w))
				return 1;
		}
		if (!any)
			return -ECHILD;
		if (w->options & WNOHANG)
			return 0;
		err = waitq_wait(&p->child_exit, NO_DEADLINE);
		if (err)
			return err;
	}
}

/* struct rusage: of a child only the time is known. */
static int write_rusage(uint64_t u_to, uint64_t cpu_ns)
{
	struct usertime ru[9] = {usertime_from(cpu_ns, TIMEVAL)};

	return user_write(u_to, ru, sizeof(ru));
}

int64_t sys_wait4(const uint64_t *a)
{
	int32_t pid = (int32_t)a[0];
	struct wait_for w = {.options = (unsigned)a[2] | WEXITED};
	int err;

	if ((unsigned)a[2] &
		~(unsigned)(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD |
			__WCLONE | __WALL))
		return -EINVAL;
	if (pid == INT32_MIN)
		return -ESRCH;
	w.which = pid == -1 ? P_ALL : pid > 0 ? P_PID : P_PGID;
	w.id = pid > 0 ? pid : pid < -1 ? -pid : curproc->pgid;
	err = wait_for_child(&w);
	if (err <= 0)
		return err;
	if (a[1] && user_write(a[1], &w.wait_status, sizeof(w.wait_status)))
		return -EFAULT;
	if (a[3] && write_rusage(a[3], w.cpu_ns))
		return -EFAULT;
	return w.pid;
}

int64_t sys_waitid(const uint64_t *a)
{
	struct wait_for w = {.which = (int)a[0],
		.id = (int32_t)a[1],
		.options = (unsigned)a[3]};
	struct ksiginfo info;
	int err;

	if ((w.options &
		    ~(unsigned)(WNOHANG | WNOWAIT | WEXITED | WSTOPPED |
			    WCONTINUED | __WNOTHREAD | __WCLONE | __WALL)) ||
		!(w.options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	if (w.which != P_ALL && w.which != P_PID && w.which != P_PGID &&
		w.which != P_PIDFD)
		return -EINVAL;
	if (w.which == P_PGID && !w.id)
		w.id = curproc->pgid;
	if (w.which == P_PIDFD) {
		struct process *p = pidfd_process(w.id);

		if (!p)
			return -EBADF;
		w.which = P_PID;
		w.id = p->pid;
		process_put(p);
	}
	if (w.which != P_ALL && w.id <= 0)
		return -EINVAL;
	err = wait_for_child(&w);
	if (err < 0)
		return err;
	memset(&info, 0, sizeof(info));
	if (err) {
		info.signo = SIGCHLD;
		info.code = w.code;
		memcpy(info.rest, &w.pid, 4);
		memcpy(info.rest + 4, &w.uid, 4);
		memcpy(info.rest + 8, &w.status, 4);
	}
	/* waitid(2) leaves what is behind si_status alone */
	if (a[2] && user_write(a[2], &info, 28))
		return -EFAULT;
	if (err && a[4] && write_rusage(a[4], w.cpu_ns))
		return -EFAULT;
	return 0;
}
