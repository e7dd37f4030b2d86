/* SPDX-License-Identifier: Apache-2.0 */
#include "proc_env.h"

#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "abi/layout.h"
#include "kernel/aspace.h"
#include "kernel/file.h"
#include "kernel/hostfs.h"
#include "kernel/hostready.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/service.h"
#include "kernel/uaccess.h"
#include "kernel/vfs.h"

struct coroutine {
	struct thread t; /* first */
	ucontext_t context;
	void (*fn)(void *);
	void *arg;
	uint8_t xsave[4096] __attribute__((aligned(64)));
	uint8_t stack[65536];
};

uint64_t env_user;
int env_shutdown;
uint32_t xsave_size = 832;
uint64_t xsave_mask = 7;
int cpu_count = 2;

static struct thread *running;
static ucontext_t scheduler;
static struct list queue;
static uint64_t now_ns;

/* ---- memory ---- */

void *kmalloc(size_t size)
{
	return malloc(size);
}

void *kzalloc(size_t size)
{
	return calloc(1, size);
}

void *krealloc(void *p, size_t size)
{
	return realloc(p, size);
}

void kfree(void *p)
{
	free(p);
}

char *kstrdup(const char *s)
{
	return strdup(s);
}

int user_check(uint64_t a, uint64_t size)
{
	return a >= env_user && size <= ENV_USER_SIZE &&
			a - env_user <= ENV_USER_SIZE - size
		? 0
		: -EFAULT;
}

int user_read(void *dst, uint64_t src, size_t size)
{
	if (user_check(src, size))
		return -EFAULT;
	memcpy(dst, (void *)(uintptr_t)src, size);
	return 0;
}

int user_write(uint64_t dst, const void *src, size_t size)
{
	if (user_check(dst, size))
		return -EFAULT;
	memcpy((void *)(uintptr_t)dst, src, size);
	return 0;
}

int64_t user_read_str(char *dst, uint64_t src, size_t cap)
{
	if (user_check(src, cap))
		return -EFAULT;
	strncpy(dst, (char *)(uintptr_t)src, cap);
	return (int64_t)strnlen(dst, cap);
}

int user_load32(uint64_t a, uint32_t *val)
{
	return user_read(val, a, 4);
}

int user_cmpxchg32(
	uint64_t a, uint32_t expect, uint32_t desired, uint32_t *seen)
{
	if (user_check(a, 4))
		return -EFAULT;
	*seen = expect;
	__atomic_compare_exchange_n((uint32_t *)(uintptr_t)a, seen, desired,
		false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return 0;
}

/* ---- what processes hold ---- */

struct aspace *aspace_get(struct aspace *as)
{
	return as;
}

void aspace_put(struct aspace *as)
{
	(void)as;
}

void aspace_end(void)
{
}

uint64_t aspace_canonical_rip(struct aspace *as, uint64_t rip)
{
	(void)as;
	return rip;
}

uint64_t aspace_resume_rip(struct aspace *as, uint64_t rip)
{
	(void)as;
	return rip;
}

struct fdtable *fdtable_get(struct fdtable *t)
{
	return t;
}

void fdtable_put(struct fdtable *t)
{
	(void)t;
}

int fdtable_copy(const struct fdtable *t, struct fdtable **out)
{
	*out = (struct fdtable *)(uintptr_t)t;
	return 0;
}

void fdtable_close_exec(struct fdtable *t)
{
	(void)t;
}

/* no descriptors here */
struct file *file_new(const struct file_ops *ops, uint32_t flags)
{
	(void)ops;
	(void)flags;
	return NULL;
}

void file_put(struct file *f)
{
	(void)f;
}

struct file *fd_get(int fd)
{
	(void)fd;
	return NULL;
}

int fd_install_new(struct file *f, bool cloexec)
{
	(void)f;
	(void)cloexec;
	return -EMFILE;
}

struct fs_ctx *fs_ctx_get(struct fs_ctx *c)
{
	return c;
}

void fs_ctx_put(struct fs_ctx *c)
{
	(void)c;
}

int fs_ctx_copy(const struct fs_ctx *c, struct fs_ctx **out)
{
	*out = (struct fs_ctx *)(uintptr_t)c;
	return 0;
}

/* ---- messages ---- */

void klog(const char *fmt, ...)
{
	(void)fmt;
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	abort();
}

void hostready_finish(void)
{
}

void service_tags_end(void)
{
}

int service_begin_child(const struct process *from, struct process *p)
{
	return fs_ctx_copy(from->fs, &p->fs);
}

void volfs_shutdown(void);
void volfs_shutdown(void)
{
}

void kernel_shutdown(int status) __attribute__((noreturn));
void kernel_shutdown(int status)
{
	env_shutdown = status;
	sched_exit();
}

/* ---- time and scheduling ---- */

void hostfs_distrust(void)
{
}

uint64_t time_mono_ns(void)
{
	return now_ns;
}

uint64_t time_real_ns(void)
{
	return now_ns + 1000000 * NSEC_PER_SEC;
}

struct thread *current_thread(void)
{
	return running;
}

void thread_save_xstate(struct thread *t)
{
	(void)t;
}

static void begin(void)
{
	struct coroutine *c = (struct coroutine *)running;

	if (c->fn)
		c->fn(c->arg);
	process_exit_thread(0);
}

struct thread *thread_new(struct process *proc, const struct trapframe *frame)
{
	struct coroutine *c = aligned_alloc(
		_Alignof(struct coroutine), sizeof(*c));

	memset(c, 0, sizeof(*c));
	c->t.proc = proc;
	c->t.state = THREAD_SLEEPING;
	c->t.xsave = c->xsave;
	c->t.frame = malloc(sizeof(*frame));
	*c->t.frame = *frame;
	list_init(&c->t.run_node);
	getcontext(&c->context);
	c->context.uc_stack.ss_sp = c->stack;
	c->context.uc_stack.ss_size = sizeof(c->stack);
	makecontext(&c->context, begin, 0);
	return &c->t;
}

void thread_free(struct thread *t)
{
	free(t->frame);
	free(t);
}

void sched_wake(struct thread *t)
{
	if (t->state != THREAD_SLEEPING)
		return;
	t->state = THREAD_RUNNABLE;
	list_add_tail(&queue, &t->run_node);
}

static void leave(void)
{
	swapcontext(&((struct coroutine *)running)->context, &scheduler);
}

static void timeout(struct timer *timer)
{
	struct thread *t = container_of(timer, struct thread, sleep_timer);

	t->wake_result = -ETIMEDOUT;
	sched_wake(t);
}

int sched_sleep(uint64_t deadline, enum sched_sleep_kind kind)
{
	bool interruptible = kind == SLEEP_INTERRUPTIBLE;
	struct thread *t = running;

	if (kind != SLEEP_ALWAYS &&
		(interruptible ? signal_pending(t) : thread_doomed(t)))
		return -ERESTARTSYS;
	if (deadline != NO_DEADLINE) {
		if (deadline <= now_ns)
			return -ETIMEDOUT;
		t->sleep_timer.fn = timeout;
		timer_set(&t->sleep_timer, deadline);
	}
	t->state = THREAD_SLEEPING;
	t->interruptible = interruptible;
	t->wake_result = 0;
	leave();
	timer_cancel(&t->sleep_timer);
	return t->wake_result;
}

void sched_yield(void)
{
	running->state = THREAD_RUNNABLE;
	list_add_tail(&queue, &running->run_node);
	leave();
}

void sched_kick(struct thread *t)
{
	(void)t;
}

void sched_exit(void)
{
	running->state = THREAD_DEAD;
	leave();
	abort();
}

void env_run(void)
{
	struct thread *t;

	while ((t = list_first(&queue, struct thread, run_node))) {
		list_del(&t->run_node);
		t->state = THREAD_RUNNING;
		running = t;
		swapcontext(&scheduler, &((struct coroutine *)t)->context);
		running = NULL;
		if (t->state == THREAD_DEAD)
			thread_free(t);
	}
}

void env_advance(uint64_t ns)
{
	now_ns += ns;
	timers_run(now_ns);
}

void env_become(struct thread *t)
{
	running = t;
}

void env_return_to_user(void)
{
	struct thread *t = running;

	while (t->work || signal_pending(t)) {
		signal_exit_work(t, t->frame);
		if (t->redo_syscall)
			return;
	}
}

/* ---- the world ---- */

void env_reset(void)
{
	if (!env_user) {
		void *m = mmap((void *)0x100000000, ENV_USER_SIZE,
			PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
			0);

		assert(m != MAP_FAILED);
		env_user = (uint64_t)(uintptr_t)m;
	}
	memset((void *)(uintptr_t)env_user, 0, ENV_USER_SIZE);
	list_init(&queue);
	running = NULL;
	now_ns = NSEC_PER_SEC;
	env_shutdown = -1;
	init_process = NULL;
	process_new_init();
	init_process->as = (struct aspace *)&env_shutdown;
}

struct thread *env_thread(struct process *p, void (*fn)(void *), void *arg)
{
	struct trapframe f = {
		.orig_rax = UINT64_MAX, .rsp = env_user + ENV_USER_SIZE / 2};
	struct thread *t;

	if (process_new_thread(p, &f, &t))
		abort();
	((struct coroutine *)t)->fn = fn;
	((struct coroutine *)t)->arg = arg;
	if (fn)
		sched_wake(t);
	return t;
}

struct process *env_process(struct process *parent)
{
	struct process *p;

	if (process_new(parent, &p))
		abort();
	p->as = parent->as;
	p->actions = sigactions_new();
	return p;
}
