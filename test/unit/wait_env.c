/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/wait_env.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <ucontext.h>

#include "kernel/file.h"
#include "kernel/hostready.h"
#include "kernel/process.h"
#include "kernel/signal.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/types.h"

enum { STACK_SIZE = 256 * 1024, STEPS_MAX = 1000000 };

struct coroutine {
	struct thread t; /* first */
	ucontext_t context;
	void (*fn)(void *);
	void *arg;
	void *stack;
	struct list all;
};

uint64_t wait_env_pending;
unsigned wait_env_sigpipes;
bool wait_env_host, wait_env_stuck;

static struct coroutine main_thread;
static struct thread *running;
static struct list ready = LIST_INIT(ready), all = LIST_INIT(all);
static struct list dead = LIST_INIT(dead); /* until the test ends */

struct thread *current_thread(void)
{
	return running;
}

uint64_t time_mono_ns(void)
{
	struct timespec ts;

	if (!wait_env_host)
		return env_now;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* ---- signals ---- */

void signal_raise(struct thread *t, int signo)
{
	wait_env_sigpipes += signo == 13;
}

bool signal_dequeue(struct thread *t, uint64_t set, struct ksiginfo *info)
{
	uint64_t have = wait_env_pending & set;

	if (!have)
		return false;
	*info = (struct ksiginfo){.signo = __builtin_ctzl(have) + 1};
	wait_env_pending &= ~SIG_BIT(info->signo);
	return true;
}

uint64_t signal_pending_set(const struct thread *t)
{
	return wait_env_pending;
}

int signal_set_temporary_user(uint64_t u_mask, uint64_t u_size)
{
	return u_mask && u_size != 8 ? -EINVAL : 0;
}

void signal_from_host(int signo)
{
	wait_env_pending |= SIG_BIT(signo);
	waitq_wake_all(&env_process.sig_queued, 1);
}

/* ---- threads ---- */

void sched_wake(struct thread *t)
{
	if (t->state != THREAD_SLEEPING)
		return;
	t->state = THREAD_RUNNABLE;
	list_add_tail(&ready, &t->run_node);
}

static void idle(void)
{
	uint64_t next = timers_run(time_mono_ns());

	if (!list_is_empty(&ready))
		return;
	if (wait_env_host) {
		uint64_t now = time_mono_ns();
		uint64_t limit = now + 5 * NSEC_PER_SEC;

		hostready_fetch(u64_min(next, limit) - now);
		wait_env_stuck |= time_mono_ns() >= limit;
	} else if (next != NO_DEADLINE) {
		env_now = next;
	} else {
		wait_env_stuck = true;
	}
	/* A test that hangs fails: its sleepers see a signal. */
	if (wait_env_stuck) {
		struct coroutine *c;

		list_for_each_entry (c, &all, all)
			wait_env_interrupt(&c->t);
	}
}

/* Runs whoever is ready next; comes back when running is again. */
static void switch_away(void)
{
	struct thread *prev = running, *next;

	while (!(next = list_first(&ready, struct thread, run_node)))
		idle();
	list_del(&next->run_node);
	next->state = THREAD_RUNNING;
	running = next;
	if (next != prev)
		swapcontext(&((struct coroutine *)prev)->context,
			&((struct coroutine *)next)->context);
}

void sched_yield(void)
{
	running->state = THREAD_RUNNABLE;
	list_add_tail(&ready, &running->run_node);
	switch_away();
}

void wait_env_yield(void)
{
	for (size_t n = list_count(&all) + 1; n > 0; n--)
		sched_yield();
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

	if (deadline != NO_DEADLINE) {
		if (deadline <= time_mono_ns())
			return -ETIMEDOUT;
		t->sleep_timer.fn = timeout;
		timer_set(&t->sleep_timer, deadline);
	}
	t->state = THREAD_SLEEPING;
	t->interruptible = interruptible;
	t->wake_result = 0;
	switch_away();
	timer_cancel(&t->sleep_timer);
	return t->wake_result;
}

void wait_env_interrupt(struct thread *t)
{
	if (t->state != THREAD_SLEEPING)
		return;
	t->wake_result = -ERESTARTSYS;
	sched_wake(t);
}

static void begin(void)
{
	struct coroutine *c = (struct coroutine *)running;

	c->fn(c->arg);
	list_del(&c->all);
	list_add(&dead, &c->all);
	c->t.state = THREAD_DEAD;
	switch_away();
	abort();
}

struct thread *wait_env_thread(void (*fn)(void *), void *arg)
{
	struct coroutine *c = calloc(1, sizeof(*c));

	c->t.proc = &env_process;
	c->t.state = THREAD_SLEEPING;
	c->fn = fn;
	c->arg = arg;
	c->stack = malloc(STACK_SIZE);
	list_init(&c->t.run_node);
	list_add(&all, &c->all);
	getcontext(&c->context);
	c->context.uc_stack.ss_sp = c->stack;
	c->context.uc_stack.ss_size = STACK_SIZE;
	makecontext(&c->context, begin, 0);
	sched_wake(&c->t);
	return &c->t;
}

void wait_env_init(void)
{
	static bool done;

	if (!done) {
		env_init();
		waitq_init(&env_process.sig_queued);
		list_init(&main_thread.t.run_node);
		list_add(&all, &main_thread.all);
	}
	done = true;
	main_thread.t.proc = &env_process;
	main_thread.t.state = THREAD_RUNNING;
	running = &main_thread.t;
	wait_env_stuck = false;
	wait_env_pending = 0;
	wait_env_sigpipes = 0;
}

bool wait_env_fini(void)
{
	struct coroutine *c, *tmp;

	wait_env_yield();
	list_for_each_entry_safe (c, tmp, &dead, all) {
		list_del(&c->all);
		free(c->stack);
		free(c);
	}
	return !wait_env_stuck && list_count(&all) == 1;
}
