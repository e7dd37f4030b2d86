/* SPDX-License-Identifier: Apache-2.0 */
/* System calls about signals: actions, masks, sending, waiting. */
#include <linux/errno.h>
#include <linux/signal.h>
#include <linux/time.h>

#include "kernel/process.h"
#include "kernel/signal.h"
#include "kernel/sys.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/uaccess.h"
#include "kernel/usertime.h"
#include "lib/string.h"

enum { MINSIGSTKSZ_KERNEL = 2048, SIGSET_SIZE = 8 };

static bool valid(int signo)
{
	return signo >= 1 && signo <= NSIG_KERNEL;
}

/* ---- actions ---- */

int64_t sys_rt_sigaction(const uint64_t *a)
{
	struct process *p = curproc;
	int signo = (int)a[0];
	struct sigaction_entry new = {0}, old;

	if (a[3] != SIGSET_SIZE || !valid(signo))
		return -EINVAL;
	if (a[1]) {
		if (signo == SIGKILL || signo == SIGSTOP)
			return -EINVAL;
		if (user_read(&new, a[1], sizeof(new)))
			return -EFAULT;
	}
	old = p->actions->entry[signo - 1];
	if (a[1]) {
		new.mask &= ~SIG_UNBLOCKABLE;
		p->actions->entry[signo - 1] = new;
		signal_action_changed(p, signo);
	}
	return a[2] ? user_write(a[2], &old, sizeof(old)) : 0;
}

/* ---- masks ---- */

int64_t sys_rt_sigprocmask(const uint64_t *a)
{
	uint64_t old = current->sig.blocked, set;

	if (a[3] != SIGSET_SIZE)
		return -EINVAL;
	if (a[1]) {
		if (user_read(&set, a[1], sizeof(set)))
			return -EFAULT;
		switch ((int)a[0]) {
		case SIG_BLOCK:
			set |= old;
			break;
		case SIG_UNBLOCK:
			set = old & ~set;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		signal_set_blocked(set);
	}
	return a[2] ? user_write(a[2], &old, sizeof(old)) : 0;
}

int64_t sys_rt_sigpending(const uint64_t *a)
{
	uint64_t set = signal_pending_set(current) & current->sig.blocked;

	if (a[1] > SIGSET_SIZE)
		return -EINVAL;
	return user_write(a[0], &set, a[1]);
}

int signal_set_temporary_user(uint64_t u_mask, uint64_t u_size)
{
	uint64_t mask;

	if (!u_mask)
		return 0;
	if (u_size != SIGSET_SIZE)
		return -EINVAL;
	if (user_read(&mask, u_mask, sizeof(mask)))
		return -EFAULT;
	signal_set_temporary(mask);
	return 0;
}

static int64_t sleep_for_signal(void)
{
	int err;

	do
		err = sched_sleep(NO_DEADLINE, SLEEP_INTERRUPTIBLE);
	while (!err);
	return err == -ERESTARTSYS ? -ERESTARTNOHAND : err;
}

int64_t sys_rt_sigsuspend(const uint64_t *a)
{
	int err = a[0] ? signal_set_temporary_user(a[0], a[1]) : -EFAULT;

	return err ? err : sleep_for_signal();
}

int64_t sys_pause(const uint64_t *a)
{
	return sleep_for_signal();
}

int64_t sys_sigaltstack(const uint64_t *a)
{
	struct thread *t = current;
	struct thread_signals *s = &t->sig;
	struct {
		uint64_t sp;
		uint32_t flags, pad;
		uint64_t size;
	} new, old;
	uint64_t rsp = t->frame->rsp;
	bool on = s->altstack_size && !(s->altstack_flags & SS_AUTODISARM) &&
		rsp > s->altstack_sp &&
		rsp - s->altstack_sp <= s->altstack_size;

	if (a[0] && user_read(&new, a[0], sizeof(new)))
		return -EFAULT;
	memset(&old, 0, sizeof(old));
	old.sp = s->altstack_sp;
	old.size = s->altstack_size;
	old.flags = (!s->altstack_size   ? SS_DISABLE
				    : on ? SS_ONSTACK
					 : 0) |
		(s->altstack_flags & SS_AUTODISARM);
	if (a[0]) {
		uint32_t mode = new.flags & ~SS_AUTODISARM;

		if (on)
			return -EPERM;
		if (mode != SS_DISABLE && mode != SS_ONSTACK && mode)
			return -EINVAL;
		if (mode == SS_DISABLE) {
			new.sp = new.size = 0;
		} else if (new.size < MINSIGSTKSZ_KERNEL) {
			return -ENOMEM;
		}
		s->altstack_sp = new.sp;
		s->altstack_size = new.size;
		s->altstack_flags = new.flags &SS_AUTODISARM;
	}
	return a[1] ? user_write(a[1], &old, sizeof(old)) : 0;
}

/* ---- sending ---- */

static int may_signal(const struct process *p, int signo)
{
	const struct process *me = curproc;

	if (!me->euid || me->euid == p->suid || me->euid == p->uid ||
		me->uid == p->suid || me->uid == p->uid)
		return 0;
	return signo == SIGCONT && me->sid == p->sid ? 0 : -EPERM;
}

/* 0, or the error of the last one refused if none was allowed. */
static int kill_many(int32_t pgid, int signo, const struct ksiginfo *info)
{
	struct process *me = curproc;
	int sent = 0, err = -ESRCH;

	for (struct process *p = process_next(0); p; p = process_next(p->pid)) {
		int e;

		if (pgid ? p->pgid != pgid : p == init_process || p == me)
			continue;
		e = may_signal(p, signo);
		if (e) {
			err = e;
			continue;
		}
		sent++;
		if (signo)
			(void)signal_send_process(p, info);
	}
	return sent ? 0 : err;
}

/* p NULL: nobody of that number. Signal 0 only asks. */
static int64_t send_to(struct process *p, const struct ksiginfo *info)
{
	int err = p ? may_signal(p, info->signo) : -ESRCH;

	return err || !info->signo ? err : signal_send_process(p, info);
}

int64_t sys_kill(const uint64_t *a)
{
	int32_t pid = (int32_t)a[0];
	int signo = (int)a[1];
	struct ksiginfo info;
	struct process *p;

	if (signo && !valid(signo))
		return -EINVAL;
	if (pid == INT32_MIN)
		return -ESRCH;
	signal_reserve();
	signal_info_user(&info, signo, curproc);
	if (pid == -1)
		return kill_many(0, signo, &info);
	if (pid <= 0)
		return kill_many(pid ? -pid : curproc->pgid, signo, &info);
	p = process_find(pid);
	if (!p) { /* any thread's number will do, as in Linux */
		struct thread *t = thread_find(pid);

		p = t ? t->proc : NULL;
	}
	return send_to(p, &info);
}

/* pid <= 0: whatever process tid is in. */
static int64_t send_thread(
	int32_t pid, int32_t tid, int signo, const struct ksiginfo *info)
{
	struct thread *t;
	int err;

	if (tid <= 0 || (signo && !valid(signo)))
		return -EINVAL;
	t = thread_find(tid);
	if (!t || (pid > 0 && t->proc->pid != pid))
		return -ESRCH;
	err = may_signal(t->proc, signo);
	return err || !signo ? err : signal_send_thread(t, info);
}

static void info_tkill(struct ksiginfo *info, int signo)
{
	signal_reserve();
	signal_info_user(info, signo, curproc);
	info->code = SI_TKILL;
}

int64_t sys_tgkill(const uint64_t *a)
{
	struct ksiginfo info;

	if ((int32_t)a[0] <= 0)
		return -EINVAL;
	info_tkill(&info, (int)a[2]);
	return send_thread((int32_t)a[0], (int32_t)a[1], (int)a[2], &info);
}

int64_t sys_tkill(const uint64_t *a)
{
	struct ksiginfo info;

	info_tkill(&info, (int)a[1]);
	return send_thread(0, (int32_t)a[0], (int)a[1], &info);
}

/* A siginfo that the application made: it may not pretend to come from the
 * kernel or from kill(2), except to itself. */
static int read_info(
	uint64_t u_info, int signo, int32_t pid, struct ksiginfo *info)
{
	if (user_read(info, u_info, sizeof(*info)))
		return -EFAULT;
	info->signo = signo;
	if ((info->code >= 0 || info->code == SI_TKILL) && pid != curproc->pid)
		return -EPERM;
	return 0;
}

int64_t sys_rt_sigqueueinfo(const uint64_t *a)
{
	int32_t pid = (int32_t)a[0];
	int signo = (int)a[1], err;
	struct ksiginfo info;

	if (signo && !valid(signo))
		return -EINVAL;
	err = read_info(a[2], signo, pid, &info);
	if (err)
		return err;
	signal_reserve();
	return send_to(process_find(pid), &info);
}

int64_t sys_rt_tgsigqueueinfo(const uint64_t *a)
{
	struct ksiginfo info;
	int err = read_info(a[3], (int)a[2], (int32_t)a[0], &info);

	if (err)
		return err;
	if ((int32_t)a[0] <= 0)
		return -EINVAL;
	signal_reserve();
	return send_thread((int32_t)a[0], (int32_t)a[1], (int)a[2], &info);
}

/* ---- waiting ---- */

int64_t sys_rt_sigtimedwait(const uint64_t *a)
{
	struct thread *t = current;
	uint64_t set, deadline = NO_DEADLINE;
	struct ksiginfo info;
	bool got;
	int err = 0;

	if (a[3] != SIGSET_SIZE)
		return -EINVAL;
	if (user_read(&set, a[0], sizeof(set)))
		return -EFAULT;
	set &= ~SIG_UNBLOCKABLE;
	if (a[2]) {
		err = usertime_read(a[2], &deadline);
		if (err)
			return err;
		deadline += time_mono_ns();
	}
	t->sig.wait_set = set;
	for (;;) {
		got = signal_dequeue(t, set, &info);
		if (got || err)
			break;
		err = sched_sleep(deadline, SLEEP_INTERRUPTIBLE);
	}
	t->sig.wait_set = 0;
	if (!got)
		return err == -ETIMEDOUT      ? -EAGAIN
			: err == -ERESTARTSYS ? -EINTR
					      : err;
	if (a[1] && user_write(a[1], &info, sizeof(info)))
		return -EFAULT;
	return info.signo;
}
