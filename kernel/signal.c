/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals: the queues, who gets one, what it does by default.
 *
 * A signal waits in a set (one bit each) of a thread or of a process, and if
 * there was room also in a queue with its siginfo. Sending never sleeps,
 * since timers send: queue entries come from a pool that callers who may
 * sleep fill up (signal_reserve). A signal without entry arrives without
 * siginfo, except that a real-time signal with a value is refused (EAGAIN).
 *
 * Everything else happens when a thread is on its way to the application:
 * signal_exit_work() takes what is pending and not blocked, and ends the
 * process, stops it, or pushes the handler's frame (signal_frame.c).
 */
#include "kernel/signal.h"

#include <linux/signal.h>
#include <linux/errno.h>
#include <linux/poll.h>

#include "kernel/aspace.h"
#include "kernel/hostfs.h"
#include "kernel/kalloc.h"
#include "kernel/process.h"
#include "kernel/ptimer.h"
#include "kernel/thread.h"
#include "lib/string.h"

enum { POOL_START = 128, POOL_LOW = 64, POOL_MAX = 8192, HANDLER_IGNORE = 1 };

#define MASK_STOP                                                 \
	(SIG_BIT(SIGSTOP) | SIG_BIT(SIGTSTP) | SIG_BIT(SIGTTIN) | \
		SIG_BIT(SIGTTOU))
#define MASK_IGNORE                                                \
	(SIG_BIT(SIGCONT) | SIG_BIT(SIGCHLD) | SIG_BIT(SIGWINCH) | \
		SIG_BIT(SIGURG))
/* Caused by the thread itself: taken before all others. */
#define MASK_SYNC                                               \
	(SIG_BIT(SIGSEGV) | SIG_BIT(SIGBUS) | SIG_BIT(SIGILL) | \
		SIG_BIT(SIGTRAP) | SIG_BIT(SIGFPE) | SIG_BIT(SIGSYS))

struct queued {
	struct list node;
	struct ksiginfo info;
};

static struct list pool = LIST_INIT(pool);
static int pool_free, pool_total;

/* ---- the pool ---- */

static bool pool_grow(void)
{
	struct queued *q = kmalloc(sizeof(*q));

	if (!q)
		return false;
	list_add(&pool, &q->node);
	pool_free++;
	pool_total++;
	return true;
}

int signal_init(void)
{
	while (pool_free < POOL_START)
		if (!pool_grow())
			return -ENOMEM;
	return 0;
}

void signal_reserve(void)
{
	while (pool_free < POOL_LOW && pool_total < POOL_MAX)
		if (!pool_grow())
			return;
}

static struct queued *queued_alloc(void)
{
	struct queued *q = list_first(&pool, struct queued, node);

	if (!q)
		return NULL;
	list_del(&q->node);
	pool_free--;
	return q;
}

static void queued_free(struct queued *q)
{
	list_del(&q->node);
	list_add(&pool, &q->node);
	pool_free++;
}

void signal_drop_queue(struct list *queue)
{
	struct queued *q, *tmp;

	list_for_each_entry_safe (q, tmp, queue, node)
		queued_free(q);
}

/* Removes all signals of set. */
static void flush(uint64_t *pending, struct list *queue, uint64_t set)
{
	struct queued *q, *tmp;

	if (!(*pending & set))
		return;
	*pending &= ~set;
	list_for_each_entry_safe (q, tmp, queue, node)
		if (set & SIG_BIT(q->info.signo))
			queued_free(q);
}

static void flush_process(struct process *p, uint64_t set)
{
	struct thread *t;

	flush(&p->sig_pending, &p->sig_queue, set);
	list_for_each_entry (t, &p->threads, proc_node)
		flush(&t->sig.pending, &t->sig.queue, set);
}

/* ---- siginfo ---- */

static void put32(struct ksiginfo *info, size_t at, uint32_t v)
{
	memcpy((uint8_t *)info + at, &v, sizeof(v));
}

static void put64(struct ksiginfo *info, size_t at, uint64_t v)
{
	memcpy((uint8_t *)info + at, &v, sizeof(v));
}

void signal_info_user(struct ksiginfo *info, int signo, const struct process *p)
{
	memset(info, 0, sizeof(*info));
	info->signo = signo;
	info->code = SI_USER;
	put32(info, 16, (uint32_t)p->pid);
	put32(info, 20, p->uid);
}

void signal_info_kernel(struct ksiginfo *info, int signo)
{
	memset(info, 0, sizeof(*info));
	info->signo = signo;
	info->code = SI_KERNEL;
}

void signal_info_child(struct ksiginfo *info, int signo, int code, int status,
	const struct process *child)
{
	memset(info, 0, sizeof(*info));
	info->signo = signo;
	info->code = code;
	put32(info, 16, (uint32_t)child->pid);
	put32(info, 20, child->uid);
	put32(info, 24, (uint32_t)status);
	/* clock ticks of 10 ms; all time counts as user time */
	put64(info, 32, process_cpu_ns(child) / 10000000);
}

/* ---- who gets it ---- */

static const struct sigaction_entry *action(const struct process *p, int signo)
{
	return &p->actions->entry[signo - 1];
}

static bool ignored(const struct process *p, int signo)
{
	uint64_t h = action(p, signo)->handler;

	return h == HANDLER_IGNORE || (!h && (MASK_IGNORE & SIG_BIT(signo)));
}

bool signal_ignores_children(const struct process *p)
{
	const struct sigaction_entry *sa;

	if (!p->actions)
		return true;
	sa = action(p, SIGCHLD);
	return sa->handler == HANDLER_IGNORE || (sa->flags & SA_NOCLDWAIT);
}

bool signal_no_stop_notice(const struct process *p)
{
	return !p->actions || action(p, SIGCHLD)->flags & SA_NOCLDSTOP;
}

bool signal_pending(const struct thread *t)
{
	const struct process *p = t->proc;

	if (!p || t->ending)
		return false;
	return ((t->sig.pending | p->sig_pending) & ~t->sig.blocked) ||
		p->stopped || thread_doomed(t);
}

uint64_t signal_pending_set(const struct thread *t)
{
	return t->sig.pending | t->proc->sig_pending;
}

void thread_interrupt(struct thread *t, bool fatal)
{
	t->work = true;
	if (t->state == THREAD_SLEEPING) {
		if (t->interruptible || fatal) {
			t->wake_result = -ERESTARTSYS;
			sched_wake(t);
		}
	} else if (t->state == THREAD_RUNNING) {
		sched_kick(t);
	}
}

static bool takes(const struct thread *t, uint64_t bit)
{
	return !t->ending && !(t->sig.blocked & ~t->sig.wait_set & bit);
}

/* One thread that can take a signal of the process: rather one that sleeps
 * or runs right here than one that must be interrupted. */
static struct thread *choose(struct process *p, uint64_t bit)
{
	struct thread *t, *found = NULL;

	list_for_each_entry (t, &p->threads, proc_node) {
		if (!takes(t, bit))
			continue;
		if (t->tid == p->pid || t == current ||
			(t->state == THREAD_SLEEPING && t->interruptible))
			return t;
		if (!found)
			found = t;
	}
	return found;
}

static bool blocked_somewhere(const struct process *p, uint64_t bit)
{
	const struct thread *t;

	list_for_each_entry (t, &p->threads, proc_node)
		if (t->sig.blocked & bit)
			return true;
	return false;
}

static void resume(struct process *p)
{
	flush_process(p, MASK_STOP);
	if (!p->stopped)
		return;
	p->stopped = false;
	p->wait_event = WAIT_EVENT_CONTINUED;
	waitq_wake_all(&p->cont, 0);
	process_notify_parent(p, CLD_CONTINUED, SIGCONT);
}

static int send(
	struct process *p, struct thread *t, const struct ksiginfo *info)
{
	int signo = info->signo;
	uint64_t bit = SIG_BIT(signo);
	uint64_t *pending = t ? &t->sig.pending : &p->sig_pending;
	struct list *queue = t ? &t->sig.queue : &p->sig_queue;
	struct queued *q;

	if (p->state != PROC_LIVE || p->exiting || (t && t->ending))
		return 0;
	/* Others cannot do to process 1 what it did not ask for. */
	if (p == init_process && !action(p, signo)->handler &&
		(!current || curproc != p))
		return 0;
	if (signo == SIGKILL) {
		process_kill(p, SIGKILL);
		return 0;
	}
	if (signo == SIGCONT)
		resume(p);
	else if (MASK_STOP & bit)
		flush_process(p, SIG_BIT(SIGCONT));
	if (ignored(p, signo) &&
		!(t ? (t->sig.blocked & bit) : blocked_somewhere(p, bit)))
		return 0;
	if (signo < SIGRTMIN && (*pending & bit))
		return 0;
	q = queued_alloc();
	if (q) {
		q->info = *info;
		list_add_tail(queue, &q->node);
	} else if (signo >= SIGRTMIN && info->code != SI_USER &&
		info->code != SI_KERNEL) {
		return -EAGAIN;
	}
	*pending |= bit;
	waitq_wake_all(&p->sig_queued, POLLIN);
	if (!t)
		t = choose(p, bit);
	if (t && takes(t, bit))
		thread_interrupt(t, false);
	return 0;
}

int signal_send_thread(struct thread *t, const struct ksiginfo *info)
{
	return send(t->proc, t, info);
}

int signal_send_process(struct process *p, const struct ksiginfo *info)
{
	return send(p, NULL, info);
}

void signal_raise(struct thread *t, int signo)
{
	struct ksiginfo info;

	signal_info_kernel(&info, signo);
	(void)send(t->proc, t, &info);
}

static uint64_t admitted; /* bit n-1: the host may send signal n */

void signal_admit_from_host(uint64_t signals)
{
	admitted = signals & ~(SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP));
}

void signal_from_host(int signo)
{
	struct process *app = process_next(1);
	struct ksiginfo info;

	if (signo < 1 || signo > NSIG_KERNEL || !init_process ||
		!(admitted & SIG_BIT(signo)))
		return;
	hostfs_distrust();
	signal_info_kernel(&info, signo);
	if (app && app->state == PROC_LIVE) {
		for (struct process *p = process_next(1); p;
			p = process_next(p->pid))
			if (p->pgid == app->pgid)
				(void)send(p, NULL, &info);
	} else if (!(MASK_IGNORE & SIG_BIT(signo))) {
		process_kill(init_process, signo);
	}
}

/* Queues info for the current thread so that it will certainly act on it. */
static void force(const struct ksiginfo *info)
{
	struct thread *t = current;
	struct sigaction_entry *sa = &t->proc->actions->entry[info->signo - 1];
	uint64_t bit = SIG_BIT(info->signo);

	if (sa->handler == HANDLER_IGNORE || (t->sig.blocked & bit))
		sa->handler = 0;
	t->sig.blocked &= ~bit;
	t->work = true;
	(void)send(t->proc, t, info);
}

void signal_force(int signo)
{
	struct ksiginfo info;

	signal_info_kernel(&info, signo);
	if (signo == SIGKILL)
		process_kill(curproc, SIGKILL);
	else
		force(&info);
}

void signal_force_fault(
	int signo, int code, uint64_t address, uint8_t vector, uint32_t error)
{
	struct thread_signals *s = &current->sig;
	struct ksiginfo info;

	s->trap_no = vector;
	s->trap_error = error;
	if (vector == 14)
		s->trap_address = address;
	signal_reserve();
	memset(&info, 0, sizeof(info));
	info.signo = signo;
	info.code = code;
	if (code != SI_KERNEL)
		put64(&info, 16, address);
	force(&info);
}

void signal_action_changed(struct process *p, int signo)
{
	if (ignored(p, signo))
		flush_process(p, SIG_BIT(signo));
}

/* ---- taking ---- */

static bool take(uint64_t *pending, struct list *queue, uint64_t set,
	struct ksiginfo *info)
{
	uint64_t ready = *pending & set;
	struct queued *q, *found = NULL;
	bool more = false;
	int signo;

	if (!ready)
		return false;
	if (ready & MASK_SYNC)
		ready &= MASK_SYNC;
	signo = __builtin_ctzl(ready) + 1;
	list_for_each_entry (q, queue, node) {
		if (q->info.signo != signo)
			continue;
		if (found) {
			more = true;
			break;
		}
		found = q;
	}
	if (!more)
		*pending &= ~SIG_BIT(signo);
	if (found) {
		*info = found->info;
		queued_free(found);
	} else {
		memset(info, 0, sizeof(*info));
		info->signo = signo;
		info->code = SI_USER;
	}
	return true;
}

bool signal_dequeue(struct thread *t, uint64_t set, struct ksiginfo *info)
{
	struct process *p = t->proc;

	if (!take(&t->sig.pending, &t->sig.queue, set, info) &&
		!take(&p->sig_pending, &p->sig_queue, set, info))
		return false;
	if (info->code == SI_TIMER) {
		int32_t id;

		memcpy(&id, info->rest, sizeof(id));
		ptimer_delivered(p, id, info);
	}
	return true;
}

void signal_exit_queue(struct thread *t)
{
	struct process *p = t->proc;
	struct thread *other;

	signal_drop_queue(&t->sig.queue);
	t->sig.pending = 0;
	/* it may have been chosen for a signal of the process */
	if (!p->sig_pending)
		return;
	list_for_each_entry (other, &p->threads, proc_node)
		if (other != t && (p->sig_pending & ~other->sig.blocked))
			thread_interrupt(other, false);
}

/* ---- masks ---- */

void signal_set_blocked(uint64_t mask)
{
	struct thread *t = current, *other;
	struct process *p = t->proc;
	uint64_t newly = mask & ~t->sig.blocked & p->sig_pending;

	t->sig.blocked = mask & ~SIG_UNBLOCKABLE;
	if (newly) /* another thread may have to take it now */
		list_for_each_entry (other, &p->threads, proc_node)
			if (other != t && (newly & ~other->sig.blocked))
				thread_interrupt(other, false);
	if (signal_pending(t))
		t->work = true;
}

void signal_set_temporary(uint64_t mask)
{
	struct thread *t = current;

	if (!t->sig.restore_mask)
		t->sig.saved_mask = t->sig.blocked;
	t->sig.restore_mask = true;
	t->work = true;
	signal_set_blocked(mask);
}

/* ---- acting ---- */

static void stop(struct process *p, int signo)
{
	struct thread *t;

	p->stopped = true;
	p->stop_signal = signo;
	p->wait_event = WAIT_EVENT_STOPPED;
	list_for_each_entry (t, &p->threads, proc_node)
		if (t != current)
			thread_interrupt(t, false);
	process_notify_parent(p, CLD_STOPPED, signo);
}

static bool is_restart(int64_t result)
{
	return result == -ERESTARTSYS || result == -ERESTARTNOINTR ||
		result == -ERESTARTNOHAND || result == -ERESTART_RESTARTBLOCK;
}

/* The result the application sees if a handler interrupts the call: either
 * EINTR, or it lies just before the system call instruction again. */
static void settle_call(struct trapframe *f, const struct sigaction_entry *sa)
{
	int64_t result = (int64_t)f->rax;

	if (result == -ERESTARTNOINTR ||
		(result == -ERESTARTSYS && (sa->flags & SA_RESTART))) {
		f->rax = f->orig_rax;
		f->rip -= 2;
	} else {
		f->rax = (uint64_t)-EINTR;
	}
}

static void run_handler(struct thread *t, struct trapframe *f,
	const struct ksiginfo *info, bool *in_call)
{
	struct sigaction_entry *entry =
		&t->proc->actions->entry[info->signo - 1];
	struct sigaction_entry sa = *entry;
	uint64_t old = t->sig.restore_mask ? t->sig.saved_mask : t->sig.blocked;
	uint64_t mask = t->sig.blocked | sa.mask;

	if (*in_call) {
		f->rip = aspace_canonical_rip(t->proc->as, f->rip);
		settle_call(f, &sa);
		*in_call = false;
	}
	f->orig_rax = UINT64_MAX;
	if (sa.flags & SA_RESETHAND)
		entry->handler = 0;
	if (signal_push_frame(t, f, info, &sa, old)) {
		if (info->signo == SIGSEGV)
			entry->handler = 0;
		signal_force(SIGSEGV);
		return;
	}
	t->sig.restore_mask = false;
	if (!(sa.flags & SA_NODEFER))
		mask |= SIG_BIT(info->signo);
	signal_set_blocked(mask);
}

static void act(struct thread *t, struct trapframe *f,
	const struct ksiginfo *info, bool *in_call)
{
	struct process *p = t->proc;
	int signo = info->signo;

	if (ignored(p, signo))
		return;
	if (action(p, signo)->handler)
		run_handler(t, f, info, in_call);
	else if (MASK_STOP & SIG_BIT(signo))
		stop(p, signo);
	else
		process_exit_group(signo);
}

void signal_exit_work(struct thread *t, struct trapframe *f)
{
	struct process *p = t->proc;
	bool in_call = f->orig_rax != UINT64_MAX && is_restart((int64_t)f->rax);
	struct ksiginfo info;

	for (;;) {
		t->work = false;
		if (thread_doomed(t))
			process_exit_thread(0);
		if (p->stopped) {
			(void)!waitq_wait_nointr(&p->cont, NO_DEADLINE);
			continue;
		}
		if (!signal_dequeue(t, ~t->sig.blocked, &info))
			break;
		act(t, f, &info, &in_call);
	}
	if (in_call) {
		/* No handler ran: once more, inside the kernel. */
		if ((int64_t)f->rax == -ERESTART_RESTARTBLOCK)
			f->orig_rax = 219; /* restart_syscall */
		t->redo_syscall = true;
		t->work = true;
	}
	if (t->sig.restore_mask) {
		t->sig.restore_mask = false;
		signal_set_blocked(t->sig.saved_mask);
	}
}

/* ---- actions ---- */

struct sigactions *sigactions_new(void)
{
	struct sigactions *a = kzalloc(sizeof(*a));

	if (a)
		a->refs = 1;
	return a;
}

struct sigactions *sigactions_get(struct sigactions *a)
{
	a->refs++;
	return a;
}

void sigactions_put(struct sigactions *a)
{
	if (a && --a->refs == 0)
		kfree(a);
}

int sigactions_copy(const struct sigactions *a, struct sigactions **out)
{
	struct sigactions *copy = sigactions_new();

	if (!copy)
		return -ENOMEM;
	memcpy(copy->entry, a->entry, sizeof(copy->entry));
	*out = copy;
	return 0;
}

int sigactions_exec(struct process *p)
{
	struct sigactions *a;
	int err = sigactions_copy(p->actions, &a);

	if (err)
		return err;
	for (int i = 0; i < NSIG_KERNEL; i++) {
		struct sigaction_entry *sa = &a->entry[i];
		bool ign = sa->handler == HANDLER_IGNORE;

		memset(sa, 0, sizeof(*sa));
		sa->handler = ign ? HANDLER_IGNORE : 0;
	}
	sigactions_put(p->actions);
	p->actions = a;
	return 0;
}
