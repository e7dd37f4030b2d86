/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes and their threads: the tables, the family tree, exit, orphans.
 *
 * References: the table holds one on a process until it is reaped, every
 * thread one until it ends; whoever keeps a pointer across a sleep point
 * takes his own. Threads are found by number only (thread_find) and are
 * gone as soon as they end, so a struct thread must not be kept across a
 * sleep point except by itself.
 *
 * How a process ends: exit_group, a fatal signal or the end of the last
 * thread. The first two mark the process (exiting) and wake all its threads;
 * each ends on its way back to the application, or at once. The last one
 * gives up descriptors, directory context and address space, hands children
 * to the next subreaper or process 1, and tells the parent. What then is left
 * is a zombie: a number and a status.
 */
#include "kernel/process.h"

#include <linux/errno.h>
#include <linux/poll.h>

#include <linux/signal.h>
#include <linux/resource.h>

#include "kernel/aspace.h"
#include "kernel/cpu.h"
#include "kernel/file.h"
#include "kernel/futex.h"
#include "kernel/hostready.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/ptimer.h"
#include "kernel/service.h"
#include "kernel/signal.h"
#include "kernel/vfs.h"
#include "kernel/volfs.h"
#include "lib/string.h"

enum { HASH_SIZE = 1024, ID_MAX = 4194304, COMM_SIZE = 16 };

struct process *init_process;

static struct list process_hash[HASH_SIZE];
static struct list thread_hash[HASH_SIZE];
static int32_t next_id = 1;
static bool ids_wrapped;
static int processes, threads, threads_peak;

static struct list *bucket(struct list *table, int32_t id)
{
	return &table[(uint32_t)id % HASH_SIZE];
}

struct process *process_find(int32_t pid)
{
	struct list *head = bucket(process_hash, pid);
	struct process *p;

	list_for_each_entry (p, head, hash_node)
		if (p->pid == pid)
			return p;
	return NULL;
}

struct thread *thread_find(int32_t tid)
{
	struct list *head = bucket(thread_hash, tid);
	struct thread *t;

	list_for_each_entry (t, head, hash_node)
		if (t->tid == tid)
			return t;
	return NULL;
}

struct process *process_next(int32_t after)
{
	struct process *best = NULL, *p;

	for (size_t i = 0; i < HASH_SIZE; i++)
		list_for_each_entry (p, &process_hash[i], hash_node)
			if (p->pid > after && (!best || p->pid < best->pid))
				best = p;
	return best;
}

struct thread *thread_next(struct process *p, int32_t after)
{
	struct thread *best = NULL, *t;

	list_for_each_entry (t, &p->threads, proc_node)
		if (t->tid > after && (!best || t->tid < best->tid))
			best = t;
	return best;
}

bool process_group_exists(int32_t pgid, int32_t sid)
{
	struct process *p;

	for (size_t i = 0; i < HASH_SIZE; i++)
		list_for_each_entry (p, &process_hash[i], hash_node)
			if (p->pgid == pgid && (!sid || p->sid == sid))
				return true;
	return false;
}

int process_count(void)
{
	return processes;
}

int thread_count_all(void)
{
	return threads;
}

int thread_count_peak(void)
{
	return threads_peak;
}

static bool session_exists(int32_t sid)
{
	struct process *p;

	for (size_t i = 0; i < HASH_SIZE; i++)
		list_for_each_entry (p, &process_hash[i], hash_node)
			if (p->sid == sid)
				return true;
	return false;
}

/* A number that is no thread, process, group or session. Groups and sessions
 * carry the number of a process that was there before, so they matter only
 * once numbers repeat. */
static int32_t id_alloc(void)
{
	for (;;) {
		int32_t id = next_id++;

		if (next_id == ID_MAX) {
			next_id = 300; /* as Linux: not the early ones */
			ids_wrapped = true;
		}
		if (!ids_wrapped)
			return id;
		if (!thread_find(id) && !process_find(id) &&
			!process_group_exists(id, 0) && !session_exists(id))
			return id;
	}
}

static struct process *process_alloc(void)
{
	struct process *p = kzalloc(sizeof(*p));

	if (!p)
		return NULL;
	p->refs = 1;
	p->exit_signal = SIGCHLD;
	list_init(&p->children);
	list_init(&p->child_node);
	list_init(&p->hash_node);
	list_init(&p->threads);
	list_init(&p->sig_queue);
	waitq_init(&p->child_exit);
	waitq_init(&p->vfork_done);
	waitq_init(&p->thread_exit);
	waitq_init(&p->ended);
	waitq_init(&p->cont);
	waitq_init(&p->sig_queued);
	p->dumpable = true;
	p->start_time = time_mono_ns();
	return p;
}

static void process_enter(struct process *p)
{
	p->pid = id_alloc();
	list_add(bucket(process_hash, p->pid), &p->hash_node);
	processes++;
}

/* getrlimit(2): what a process of a server usually starts with. */
static void default_limits(struct process *p)
{
	static const struct {
		int which;
		uint64_t soft, hard;
	} limits[] = {
		{RLIMIT_STACK, 8ul << 20, RLIM_INFINITY},
		{RLIMIT_CORE, 0, RLIM_INFINITY},
		{RLIMIT_NPROC, 65536, 65536},
		{RLIMIT_NOFILE, 1024, 1048576},
		{RLIMIT_MEMLOCK, 8ul << 20, 8ul << 20},
		{RLIMIT_SIGPENDING, 4096, 4096},
		{RLIMIT_MSGQUEUE, 819200, 819200},
		{RLIMIT_NICE, 0, 0},
		{RLIMIT_RTPRIO, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(p->rlimit); i++)
		p->rlimit[i][0] = p->rlimit[i][1] = RLIM_INFINITY;
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		p->rlimit[limits[i].which][0] = limits[i].soft;
		p->rlimit[limits[i].which][1] = limits[i].hard;
	}
}

struct process *process_new_init(void)
{
	struct process *p;

	for (size_t i = 0; i < HASH_SIZE; i++) {
		list_init(&process_hash[i]);
		list_init(&thread_hash[i]);
	}
	next_id = 1;
	processes = threads = 0;
	if (signal_init())
		return NULL;
	p = process_alloc();
	if (!p)
		return NULL;
	p->actions = sigactions_new();
	if (!p->actions) {
		kfree(p);
		return NULL;
	}
	default_limits(p);
	process_enter(p);
	p->pgid = p->sid = p->pid;
	p->vfork_released = true;
	init_process = p;
	return p;
}

int process_new(struct process *parent, struct process **out)
{
	struct process *p;

	if (parent->exiting)
		return -EAGAIN;
	if ((uint64_t)threads >= parent->rlimit[RLIMIT_NPROC][0])
		return -EAGAIN;
	p = process_alloc();
	if (!p)
		return -ENOMEM;
	if (parent->exe) {
		p->exe = kstrdup(parent->exe);
		if (!p->exe) {
			kfree(p);
			return -ENOMEM;
		}
	}
	process_enter(p);
	p->pgid = parent->pgid;
	p->sid = parent->sid;
	p->parent = parent;
	p->ppid = parent->pid;
	list_add_tail(&parent->children, &p->child_node);
	p->uid = parent->uid;
	p->euid = parent->euid;
	p->suid = parent->suid;
	p->gid = parent->gid;
	p->egid = parent->egid;
	p->sgid = parent->sgid;
	memcpy(p->groups, parent->groups, sizeof(p->groups));
	p->group_count = parent->group_count;
	p->caps = parent->caps;
	p->no_new_privs = parent->no_new_privs;
	p->nice = parent->nice;
	p->personality = parent->personality;
	memcpy(p->rlimit, parent->rlimit, sizeof(p->rlimit));
	memcpy(p->auxv, parent->auxv, sizeof(p->auxv));
	p->arg_start = parent->arg_start;
	p->arg_end = parent->arg_end;
	p->env_start = parent->env_start;
	p->env_end = parent->env_end;
	*out = p;
	return 0;
}

struct process *process_get(struct process *p)
{
	p->refs++;
	return p;
}

void process_put(struct process *p)
{
	if (!p || --p->refs)
		return;
	ASSERT(!p->as && !p->files && !p->fs && !p->actions);
	kfree(p->exe);
	kfree(p->attest);
	kfree(p);
}

/* Out of the tables and the tree; drops the table's reference. */
static void process_leave(struct process *p)
{
	p->state = PROC_REAPED;
	list_del(&p->hash_node);
	list_del(&p->child_node);
	p->parent = NULL;
	processes--;
	process_put(p);
}

/* Gives back what a process shares with others; may sleep. */
static void process_drop(struct process *p)
{
	struct fdtable *files = p->files;
	struct fs_ctx *fs = p->fs;
	struct aspace *as = p->as;
	struct sigactions *actions = p->actions;

	ptimer_exit(p);
	/* closing files may look at the process, so they go first */
	if (files)
		fdtable_put(files);
	p->files = NULL;
	p->fs = NULL;
	fs_ctx_put(fs);
	p->as = NULL;
	/* Process 1 ends with its last child. */
	if (processes == 1 || (processes == 2 && p->parent == init_process))
		aspace_end();
	if (as)
		aspace_put(as);
	p->vfork_released = true;
	waitq_wake_all(&p->vfork_done, 0);
	signal_drop_queue(&p->sig_queue);
	p->sig_pending = 0;
	p->actions = NULL;
	sigactions_put(actions);
}

void process_abandon(struct process *p)
{
	process_drop(p);
	process_leave(p);
}

void process_reap(struct process *p)
{
	ASSERT(p->state == PROC_ZOMBIE);
	if (p->parent)
		p->parent->child_cpu_ns += p->cpu_ns + p->child_cpu_ns;
	process_leave(p);
}

/* ---- threads ---- */

int process_new_thread(
	struct process *p, const struct trapframe *frame, struct thread **out)
{
	struct thread *t;

	if ((uint64_t)threads >= p->rlimit[RLIMIT_NPROC][0])
		return -EAGAIN;
	t = thread_new(p, frame);
	if (!t)
		return -ENOMEM;
	t->tid = p->thread_count ? id_alloc() : p->pid;
	t->proc = process_get(p);
	list_init(&t->sig.queue);
	t->timer_slack = 50000;
	list_add_tail(&p->threads, &t->proc_node);
	list_add(bucket(thread_hash, t->tid), &t->hash_node);
	p->thread_count++;
	threads++;
	if (threads > threads_peak)
		threads_peak = threads;
	if (p->exiting || p->stopped)
		t->work = true;
	*out = t;
	return 0;
}

bool thread_doomed(const struct thread *t)
{
	const struct process *p = t->proc;

	return p && !t->ending &&
		(p->exiting || (p->exec_thread && p->exec_thread != t));
}

static void doom(struct process *p, const struct thread *but)
{
	struct thread *t;

	list_for_each_entry (t, &p->threads, proc_node)
		if (t != but)
			thread_interrupt(t, true);
	waitq_wake_all(&p->cont, 0);
}

void process_kill(struct process *p, int wait_status)
{
	if (p->exiting || p->state != PROC_LIVE)
		return;
	p->exiting = true;
	p->exit_status = wait_status;
	doom(p, NULL);
	if (p == init_process)
		service_tags_end();
}

void process_exit_group(int wait_status)
{
	process_kill(curproc, wait_status);
	process_exit_thread(0);
}

/* The nearest living ancestor that asked for orphans, or process 1. */
static struct process *new_parent(struct process *p)
{
	for (struct process *a = p->parent; a; a = a->parent)
		if (a->subreaper && a->state == PROC_LIVE && !a->exiting)
			return a;
	return init_process;
}

static void leave_children(struct process *p)
{
	struct process *heir = new_parent(p), *c, *tmp;
	bool zombies = false;

	list_for_each_entry_safe (c, tmp, &p->children, child_node) {
		list_del(&c->child_node);
		list_add_tail(&heir->children, &c->child_node);
		c->parent = heir;
		c->ppid = heir->pid;
		c->exit_signal = SIGCHLD;
		if (c->pdeathsig) {
			struct ksiginfo info;

			signal_info_user(&info, c->pdeathsig, p);
			signal_send_process(c, &info);
		}
		if (c->state == PROC_ZOMBIE) {
			zombies = true;
			if (signal_ignores_children(heir))
				process_reap(c);
		}
	}
	if (zombies) {
		struct ksiginfo info;

		signal_info_user(&info, SIGCHLD, p);
		signal_send_process(heir, &info);
		waitq_wake_all(&heir->child_exit, 0);
	}
}

void process_notify_parent(struct process *p, int code, int status)
{
	struct process *parent = p->parent;
	struct ksiginfo info;
	bool ended = code == CLD_EXITED || code == CLD_KILLED ||
		code == CLD_DUMPED;

	if (!parent)
		return;
	if (p->exit_signal && (ended || !signal_no_stop_notice(parent))) {
		signal_info_child(&info, ended ? p->exit_signal : SIGCHLD, code,
			status, p);
		signal_send_process(parent, &info);
	}
	waitq_wake_all(&parent->child_exit, 0);
}

/* The last thread is gone; it is the caller, and no longer in any list. */
static void process_end(struct process *p)
{
	int status = p->exit_status;
	bool killed = (status & 0x7f) != 0;

	process_drop(p);
	if (p == init_process) {
		hostready_finish();
		volfs_shutdown();
		kernel_shutdown(status);
	}
	leave_children(p);
	p->stopped = false;
	p->wait_event = WAIT_EVENT_NONE;
	p->state = PROC_ZOMBIE;
	waitq_wake_all(&p->ended, POLLIN);
	process_notify_parent(p,
		!killed                 ? CLD_EXITED
			: status & 0x80 ? CLD_DUMPED
					: CLD_KILLED,
		killed ? status & 0x7f : status >> 8 & 0xff);
	if (p->exit_signal == SIGCHLD && signal_ignores_children(p->parent))
		process_reap(p);
}

void process_exit_thread(int code)
{
	struct thread *t = current;
	struct process *p = t->proc;
	bool last = false;

	t->ending = true;
	/* writes to the application's memory, may sleep */
	futex_exit_thread(t);
	if (p->thread_count == 1 && !p->exiting) {
		p->exiting = true; /* no further thread can start */
		p->exit_status = (code & 0xff) << 8;
		last = true;
	}
	p->cpu_ns += thread_cpu_ns(t);
	signal_exit_queue(t);
	list_del(&t->proc_node);
	list_del(&t->hash_node);
	threads--;
	if (--p->thread_count == 0)
		last = true;
	else
		ASSERT(!last);
	waitq_wake_all(&p->thread_exit, 0);
	if (last)
		process_end(p);
	t->proc = NULL;
	process_put(p);
	sched_exit();
}

/* ---- exec ---- */

int process_exec_begin(void)
{
	struct thread *t = current;
	struct process *p = t->proc;

	if (p->exiting || p->exec_thread)
		return -EAGAIN;
	p->exec_thread = t;
	doom(p, t);
	while (p->thread_count > 1) {
		int err = waitq_wait_nointr(&p->thread_exit, NO_DEADLINE);

		if (err && p->exiting) {
			p->exec_thread = NULL;
			return -EAGAIN;
		}
	}
	if (t->tid != p->pid) {
		list_del(&t->hash_node);
		t->tid = p->pid;
		list_add(bucket(thread_hash, t->tid), &t->hash_node);
	}
	return 0;
}

void process_exec_cancel(void)
{
	curproc->exec_thread = NULL;
}

void process_exec_done(void)
{
	struct thread *t = current;
	struct process *p = t->proc;

	if (sigactions_exec(p))
		process_kill(p, SIGKILL);
	t->sig.restore_mask = false;
	ptimer_exec(p);
	fdtable_close_exec(p->files);
	t->sig.altstack_sp = t->sig.altstack_size = 0;
	t->sig.altstack_flags = SS_DISABLE;
	t->clear_child_tid = 0;
	t->robust_list = 0;
	p->exec_thread = NULL;
	p->execed = true;
	p->dumpable = true;
	p->pdeathsig = 0;
	p->vfork_released = true;
	waitq_wake_all(&p->vfork_done, 0);
}

/* ---- processor time ---- */

uint64_t thread_cpu_ns(const struct thread *t)
{
	uint64_t ns = t->run_total;

	if (t->state == THREAD_RUNNING) {
		uint64_t now = time_mono_ns();

		if (now > t->run_since)
			ns += now - t->run_since;
	}
	return ns;
}

uint64_t process_cpu_ns(const struct process *p)
{
	const struct thread *t;
	uint64_t ns = p->cpu_ns;

	list_for_each_entry (t, &p->threads, proc_node)
		ns += thread_cpu_ns(t);
	return ns;
}
