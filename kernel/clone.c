/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New threads and processes.
 *
 * CLONE_THREAD makes a thread. CLONE_VM without it makes a process on the
 * parent's address space: vfork(2) and posix_spawn(3), whose parent thread
 * sleeps until the child has a program of its own or ended. A child with a
 * copy of the address space (fork) does not exist yet: ENOSYS, named once.
 */
#include <linux/errno.h>
#include <linux/sched.h>
#include <linux/signal.h>

#include "abi/layout.h"
#include "kernel/aspace.h"
#include "kernel/file.h"
#include "kernel/klog.h"
#include "kernel/pidfd.h"
#include "kernel/process.h"
#include "kernel/service.h"
#include "kernel/signal.h"
#include "kernel/sys.h"
#include "kernel/thread.h"
#include "kernel/uaccess.h"
#include "kernel/vfs.h"
#include "lib/string.h"
#include "lib/types.h"

#define FLAGS_NAMESPACE                                                \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | \
		CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME)
/* CLONE_PTRACE, CLONE_DETACHED and CLONE_UNTRACED mean nothing here;
 * CLONE_SYSVSEM and CLONE_IO share what no process has. */
#define FLAGS_KNOWN                                                         \
	(CSIGNAL | CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |      \
		CLONE_VFORK | CLONE_PARENT | CLONE_THREAD | CLONE_SYSVSEM | \
		CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | \
		CLONE_CHILD_SETTID | CLONE_CLEAR_SIGHAND | CLONE_IO |       \
		CLONE_PTRACE | CLONE_DETACHED | CLONE_UNTRACED | CLONE_PIDFD)

struct request {
	uint64_t flags; /* without the signal in the low byte */
	int exit_signal;
	uint64_t u_parent_tid, u_child_tid;
	uint64_t u_pidfd;
	uint64_t stack; /* 0: the caller's */
	uint64_t tls;
};

static int64_t no_fork(void)
{
	static bool logged;

	if (!logged)
		klog("fork is not available inside the enclave yet: ENOSYS "
		     "(vfork, posix_spawn and threads are)");
	logged = true;
	return -ENOSYS;
}

static int request_check(const struct request *r)
{
	uint64_t f = r->flags;

	if (f & FLAGS_NAMESPACE)
		return -EPERM;
	if (f & ~(uint64_t)FLAGS_KNOWN)
		return -EINVAL;
	if ((f & CLONE_THREAD) && !(f & CLONE_SIGHAND))
		return -EINVAL;
	if ((f & CLONE_SIGHAND) &&
		(!(f & CLONE_VM) || (f & CLONE_CLEAR_SIGHAND)))
		return -EINVAL;
	if ((f & CLONE_PIDFD) && (f & (CLONE_THREAD | CLONE_DETACHED)))
		return -EINVAL;
	if ((f & CLONE_PIDFD) && (f & CLONE_PARENT_SETTID) &&
		r->u_pidfd == r->u_parent_tid)
		return -EINVAL;
	if ((f & CLONE_SETTLS) && r->tls >= USER_END)
		return -EPERM;
	if (r->exit_signal < 0 || r->exit_signal > NSIG_KERNEL)
		return -EINVAL;
	return 0;
}

/* Everything of the new thread that is a copy of, or differs from, ours. */
static void thread_prepare(struct thread *t, const struct request *r)
{
	struct thread *me = current;

	thread_save_xstate(me);
	memcpy(t->xsave, me->xsave, xsave_size);
	t->fs_base = r->flags & CLONE_SETTLS ? r->tls : me->fs_base;
	t->sig.blocked = me->sig.restore_mask ? me->sig.saved_mask
					      : me->sig.blocked;
	t->sig.altstack_flags = SS_DISABLE;
	if (r->flags & CLONE_VFORK) {
		t->sig.altstack_sp = me->sig.altstack_sp;
		t->sig.altstack_size = me->sig.altstack_size;
		t->sig.altstack_flags = me->sig.altstack_flags;
	}
	if (r->flags & CLONE_CHILD_CLEARTID)
		t->clear_child_tid = r->u_child_tid;
	t->timer_slack = me->timer_slack;
	t->affinity = me->affinity;
	memcpy(t->comm, me->comm, sizeof(t->comm));
}

/* Writes the ids where they are wanted and lets the thread run. The writes
 * may sleep, and the thread may be killed meanwhile. */
static void thread_begin(int32_t tid, const struct request *r)
{
	struct thread *t;

	if (r->flags & CLONE_PARENT_SETTID)
		(void)!user_write(r->u_parent_tid, &tid, sizeof(tid));
	if (r->flags & CLONE_CHILD_SETTID)
		(void)!user_write(r->u_child_tid, &tid, sizeof(tid));
	t = thread_find(tid);
	if (t)
		sched_wake(t);
}

static void child_frame(struct trapframe *f, const struct request *r)
{
	*f = *current->frame;
	f->rax = 0;
	f->orig_rax = UINT64_MAX; /* nothing to restart in the child */
	if (r->stack)
		f->rsp = r->stack;
}

static int64_t clone_thread(const struct request *r)
{
	struct trapframe f;
	struct thread *t;
	int32_t tid;
	int err;

	child_frame(&f, r);
	err = process_new_thread(curproc, &f, &t);
	if (err)
		return err;
	tid = t->tid;
	thread_prepare(t, r);
	thread_begin(tid, r);
	return tid;
}

/* Gives the child what it shares with or copies from its parent. */
static int share(struct process *p, const struct process *from, uint64_t flags)
{
	int err = 0;

	p->as = aspace_get(from->as);
	if (flags & CLONE_SIGHAND)
		p->actions = sigactions_get(from->actions);
	else
		err = sigactions_copy(from->actions, &p->actions);
	if (!err && (flags & CLONE_CLEAR_SIGHAND))
		err = sigactions_exec(p);
	if (err)
		return err;
	if (flags & CLONE_FS)
		p->fs = fs_ctx_get(from->fs);
	else
		err = service_begin_child(from, p);
	if (err)
		return err;
	if (flags & CLONE_FILES)
		p->files = fdtable_get(from->files);
	else
		err = fdtable_copy(from->files, &p->files);
	return err;
}

static void wait_for_release(struct process *p)
{
	while (!p->vfork_released)
		if (waitq_wait_nointr(&p->vfork_done, NO_DEADLINE))
			return; /* we are being killed */
}

/* Too late for errors: without descriptor the caller sees -1. */
static void write_pidfd(struct process *p, uint64_t u_pidfd)
{
	const int fd = pidfd_new(p, 0);
	const int none = -1;

	(void)!user_write(u_pidfd, fd < 0 ? &none : &fd, sizeof(fd));
}

static int64_t clone_process(const struct request *r)
{
	struct process *me = curproc, *parent = me, *p;
	struct trapframe f;
	struct thread *t;
	int32_t pid;
	int err;

	if (r->flags & CLONE_PARENT) {
		if (me == init_process)
			return -EINVAL;
		parent = me->parent;
	}
	err = process_new(parent, &p);
	if (err)
		return err;
	p->exit_signal = r->flags & CLONE_PARENT ? me->exit_signal
						 : r->exit_signal;
	p->vfork_released = !(r->flags & CLONE_VFORK);
	err = share(p, me, r->flags);
	if (err)
		goto abandon;
	child_frame(&f, r);
	err = process_new_thread(p, &f, &t);
	if (err)
		goto abandon;
	pid = p->pid;
	thread_prepare(t, r);
	process_get(p);
	if (r->flags & CLONE_PIDFD)
		write_pidfd(p, r->u_pidfd);
	thread_begin(pid, r);
	if (r->flags & CLONE_VFORK)
		wait_for_release(p);
	process_put(p);
	return pid;

abandon:
	process_abandon(p);
	return err;
}

static int64_t do_clone(const struct request *r)
{
	int err = request_check(r);

	if (err)
		return err;
	if (!(r->flags & CLONE_VM))
		return no_fork();
	return r->flags & CLONE_THREAD ? clone_thread(r) : clone_process(r);
}

int64_t sys_clone(const uint64_t *a)
{
	const struct request r = {
		.flags = (uint32_t)a[0] & ~(uint64_t)CSIGNAL,
		.exit_signal = (int)(a[0] & CSIGNAL),
		.stack = a[1],
		.u_parent_tid = a[2],
		.u_pidfd = a[2], /* excludes PARENT_SETTID */
		.u_child_tid = a[3],
		.tls = a[4],
	};

	return do_clone(&r);
}

int64_t sys_clone3(const uint64_t *a)
{
	struct clone_args args;
	struct request r;
	uint64_t size = a[1];

	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	memset(&args, 0, sizeof(args));
	if (user_read(&args, a[0], u64_min(size, sizeof(args))))
		return -EFAULT;
	/* a newer caller must not want what is not known here */
	for (uint64_t at = sizeof(args); at < size; at++) {
		uint8_t byte;

		if (user_read(&byte, a[0] + at, 1))
			return -EFAULT;
		if (byte)
			return -E2BIG;
	}
	if (args.set_tid_size || args.set_tid || args.cgroup ||
		(args.flags & CSIGNAL) || !args.stack != !args.stack_size)
		return -EINVAL;
	if ((args.flags & (CLONE_THREAD | CLONE_PARENT)) && args.exit_signal)
		return -EINVAL;
	if (args.exit_signal > NSIG_KERNEL ||
		user_check(args.stack, args.stack_size))
		return -EINVAL;
	r = (struct request){
		.flags = args.flags,
		.exit_signal = (int)args.exit_signal,
		.u_parent_tid = args.parent_tid,
		.u_pidfd = args.pidfd,
		.u_child_tid = args.child_tid,
		.stack = args.stack + args.stack_size,
		.tls = args.tls,
	};
	return do_clone(&r);
}

int64_t sys_vfork(const uint64_t *a)
{
	const struct request r = {
		.flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD};

	return do_clone(&r);
}

int64_t sys_fork(const uint64_t *a)
{
	return no_fork();
}
