/* SPDX-License-Identifier: Apache-2.0 */
/*
 * M:N scheduler: application threads on a few enclave threads.
 *
 * One queue of runnable threads, first in first out, under the big kernel
 * lock like all kernel state. The lock is held whenever kernel C code runs,
 * except in the few system calls marked lock-free, and is dropped around
 * every exit from the enclave. With one enclave thread it costs nothing.
 *
 * A thread gives up its enclave thread when it sleeps, when it yields, and
 * at a tick if others are runnable. An enclave thread with nothing to run
 * sits in its idle context: one of them waits in the host for events, the
 * others are parked until kicked.
 */
#include "kernel/sched.h"

#include <errno.h>

#include "abi/entry.h"
#include "abi/ring.h"
#include "kernel/clock.h"
#include "kernel/cpu.h"
#include "kernel/hostcall.h"
#include "kernel/hostready.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/process.h"
#include "kernel/ptimer.h"
#include "kernel/shared.h"
#include "kernel/signal.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "lib/string.h"

enum {
	LOCK_SPINS = 400, /* about 10 us, then let the host run
			      whoever holds the lock */
	POLL_INTERVAL_NS = 200000, /* look for host events at least this often
				      while threads are runnable */
	KICK_AFTER_NS = 1000000, /* a runnable thread waits this long before
				   another enclave thread is woken */
};

static uint32_t lock_word;
static bool smp; /* a second enclave thread has been started */
static struct list run_queue = LIST_INIT(run_queue);
static int run_count;
static uint64_t last_poll;
static uint64_t queue_since; /* when the head of the queue got there */
static int cpus_started = 1;
static bool starting;

void context_switch(uint64_t *save_sp, uint64_t load_sp);
void thread_start(void);
void thread_started(struct trapframe *f);

void bkl_lock(void)
{
	int spins = 0;

	if (!smp)
		return;
	while (__atomic_exchange_n(&lock_word, 1, __ATOMIC_ACQUIRE)) {
		while (__atomic_load_n(&lock_word, __ATOMIC_RELAXED)) {
			__builtin_ia32_pause();
			if (++spins == LOCK_SPINS) {
				spins = 0;
				cpu_leave(EXIT_YIELD, 0);
			}
		}
	}
}

void bkl_unlock(void)
{
	if (!smp)
		return;
	__atomic_store_n(&lock_word, 0, __ATOMIC_RELEASE);
}

struct thread *current_thread(void)
{
	struct thread *t;

	__asm__ volatile("mov %%gs:%c1, %0" : "=r"(t) : "i"(CPU_CURRENT));
	return t;
}

int sched_runnable(void)
{
	return run_count;
}

bool cpu_is_started(int index)
{
	return index < cpus_started;
}

static void enqueue(struct thread *t)
{
	t->state = THREAD_RUNNABLE;
	if (list_is_empty(&run_queue))
		queue_since = time_coarse_ns();
	list_add_tail(&run_queue, &t->run_node);
	run_count++;
}

static struct thread *dequeue(void)
{
	struct thread *t = list_first(&run_queue, struct thread, run_node);

	if (!t)
		return NULL;
	list_del(&t->run_node);
	run_count--;
	return t;
}

/*
 * Kicks are host calls, hence sleep points, but are wanted in places that
 * must not sleep (signals, timers). They wait until the next way to the
 * application or to idleness.
 */
static uint64_t kicks; /* bit: enclave thread */
static uint64_t poll_deadline = NO_DEADLINE; /* of the one that polls */

static void kick(int cpu)
{
	kicks |= 1ul << cpu;
}

static void flush_kicks(void)
{
	while (kicks) {
		int cpu = __builtin_ctzl(kicks);

		kicks &= kicks - 1;
		if (host_kick((uint64_t)cpu))
			continue; /* it is a hint */
	}
}

/* Sends what waits for a moment without locks; false: nothing did. */
static bool flush_pending(void)
{
	if (kicks)
		flush_kicks();
	else if (klog_pending())
		klog_flush();
	else
		return false;
	return true;
}

/*
 * A thread has waited for a while: another enclave thread should help. Wakes
 * one that idles in the host, else starts one more if there may be more.
 */
static void get_help(void)
{
	struct cpu *me = this_cpu();

	for (int i = 0; i < cpus_started; i++) {
		struct cpu *c = cpu_get(i);

		if (c != me && (c->polling || c->parked)) {
			c->polling = c->parked = false;
			kick(i);
			return;
		}
	}
	if (cpus_started == cpu_count || starting)
		return;
	starting = true;
	if (!smp) {
		lock_word = 1; /* this thread holds it */
		smp = true;
	}
	if (!cpu_prepare(cpus_started)) {
		int i = cpus_started++;

		if (host_thread_start((uint64_t)i))
			panic_host("enclave thread %d does not start", i);
	}
	starting = false;
}

void sched_wake(struct thread *t)
{
	if (t->state != THREAD_SLEEPING)
		return;
	enqueue(t);
}

void sched_kick(struct thread *t)
{
	if (t->state != THREAD_RUNNING || t == current)
		return;
	cpu_get(t->cpu)->need_resched = 1;
	kick(t->cpu);
}

void sched_finish_switch(void)
{
	struct cpu *c = this_cpu();
	struct thread *dead = c->dead;

	c->dead = NULL;
	if (dead)
		thread_free(dead);
}

/* Tells the host when a busy thread should get its next tick. */
static void publish_deadline(uint64_t deadline)
{
	static uint64_t published;

	if (deadline == published)
		return;
	published = deadline;
	shared_store(RING_DEADLINE, deadline);
}

static void switch_to(struct thread *next)
{
	struct cpu *c = this_cpu();
	struct thread *prev = c->thread;
	uint64_t now = time_mono_ns();

	if (prev == next) {
		if (next)
			next->state = THREAD_RUNNING;
		return;
	}
	c->stats.switches++;
	if (prev) {
		prev->run_total += now - prev->run_since;
		if (prev->state == THREAD_DEAD)
			c->dead = prev;
		else
			thread_save_xstate(prev);
	}
	c->thread = next;
	if (next)
		publish_deadline(timers_next());
	if (next) {
		next->state = THREAD_RUNNING;
		next->cpu = c->index;
		next->run_since = now;
		c->kstack = (uint64_t)(uintptr_t)next->frame +
			sizeof(struct trapframe);
	}
	context_switch(
		prev ? &prev->ksp : &c->idle_sp, next ? next->ksp : c->idle_sp);
	sched_finish_switch();
}

static void schedule(void)
{
	switch_to(dequeue());
}

static void sleep_timeout(struct timer *timer)
{
	struct thread *t = container_of(timer, struct thread, sleep_timer);

	if (t->state == THREAD_SLEEPING) {
		t->wake_result = -ETIMEDOUT;
		sched_wake(t);
	}
}

int sched_sleep(uint64_t deadline, enum sched_sleep_kind kind)
{
	bool interruptible = kind == SLEEP_INTERRUPTIBLE;
	struct thread *t = current;

	if (kind != SLEEP_ALWAYS &&
		(interruptible ? signal_pending(t) : thread_doomed(t)))
		return -ERESTARTSYS;
	if (deadline != NO_DEADLINE) {
		int err;

		if (deadline <= time_mono_ns())
			return -ETIMEDOUT;
		t->sleep_timer.fn = sleep_timeout;
		err = timer_set(&t->sleep_timer, deadline);
		if (err)
			return err;
	}
	t->state = THREAD_SLEEPING;
	t->interruptible = interruptible;
	t->wake_result = 0;
	schedule();
	if (deadline != NO_DEADLINE)
		timer_cancel(&t->sleep_timer);
	return t->wake_result;
}

/* Events of the host are looked at from time to time even if no enclave
 * thread is ever idle. */
static void poll_host(uint64_t now)
{
	if (now - last_poll < POLL_INTERVAL_NS)
		return;
	last_poll = now;
	clock_sync(now);
	hostready_errands();
	hostready_fetch(0);
}

void sched_yield(void)
{
	uint64_t now = time_mono_ns();

	timers_run(now);
	poll_host(now);
	if (!run_count)
		return;
	enqueue(current);
	schedule();
}

void sched_exit(void)
{
	current->state = THREAD_DEAD;
	schedule();
	panic("a dead thread runs");
}

/* A tick, or another cpu asked for it: what a thread does on its way to the
 * application. */
static void resched(void)
{
	uint64_t now = time_mono_ns();

	publish_deadline(timers_run(now));
	poll_host(now);
	if (!run_count)
		return;
	if (cpu_count > 1 && now - queue_since > KICK_AFTER_NS)
		get_help();
	enqueue(current);
	schedule();
}

bool user_return_needed(const struct thread *t)
{
	uint64_t signals = t->sig.pending | t->proc->sig_pending;

	return t->user_saved || t->work || this_cpu()->need_resched ||
		(signals & ~t->sig.blocked) || kicks || ptimer_armed ||
		klog_pending();
}

void user_return(struct thread *t, struct trapframe *f)
{
	struct cpu *c;

	if (unlikely(ptimer_armed))
		publish_deadline(timers_run(time_mono_ns()));
	for (;;) {
		c = this_cpu();
		if (c->need_resched) {
			c->need_resched = 0;
			resched();
			continue;
		}
		if (t->work || signal_pending(t)) {
			signal_exit_work(t, f);
			if (t->redo_syscall) {
				t->redo_syscall = false;
				syscall_dispatch(f);
			}
			continue;
		}
		if (!flush_pending())
			break;
	}
	cpu_load_user(t);
}

void thread_started(struct trapframe *f)
{
	struct thread *t = current;

	sched_finish_switch();
	if (t->start)
		t->start(f);
	user_return(t, f);
	bkl_unlock();
}

/* Waits in the host until an event, a kick, or the deadline. */
static void idle_wait(struct cpu *c, uint64_t now, uint64_t deadline)
{
	struct cpu *poller = NULL;

	for (int i = 0; i < cpus_started; i++)
		if (i != c->index && cpu_get(i)->polling)
			poller = cpu_get(i);
	if (poller && deadline < poll_deadline) {
		/* it began to wait before this timer was set */
		poller->polling = false;
		kick(poller->index);
		return;
	}
	if (poller) {
		c->parked = true;
		if (host_park((uint64_t)c->index))
			panic_host("park failed");
		c->parked = false;
		return;
	}
	c->polling = true;
	poll_deadline = deadline;
	last_poll = now;
	hostready_fetch(deadline == NO_DEADLINE ? NO_DEADLINE
			: deadline > now        ? deadline - now
						: 0);
	c->polling = false;
}

void sched_idle_loop(void)
{
	for (;;) {
		struct cpu *c = this_cpu();
		uint64_t now, deadline;

		hostready_errands();
		now = time_mono_ns();
		deadline = timers_run(now);
		c->need_resched = 0;
		if (run_count) {
			schedule();
			continue;
		}
		if (flush_pending())
			continue;
		clock_sync(now);
		idle_wait(c, now, deadline);
	}
}

struct thread *thread_new(struct process *proc, const struct trapframe *frame)
{
	struct thread *t = kzalloc(sizeof(*t));
	uint64_t *sp;

	if (!t)
		return NULL;
	t->kstack = kstack_alloc();
	t->xsave = kpages_alloc(1);
	if (!t->kstack || !t->xsave) {
		thread_free(t);
		return NULL;
	}
	/* The frame ends 8 bytes below the top so that C code that gets its
	 * address in rsp finds its stack aligned. */
	t->frame = (struct trapframe *)((uint8_t *)t->kstack + KSTACK_SIZE - 8 -
		sizeof(*t->frame));
	*t->frame = *frame;
	xstate_initial(t->xsave);
	t->user_saved = true;
	t->state = THREAD_SLEEPING;
	t->proc = proc;
	list_init(&t->run_node);
	list_init(&t->proc_node);
	list_init(&t->hash_node);
	list_init(&t->sig.queue);

	/* What context_switch pops: six registers, then thread_start. */
	sp = (uint64_t *)t->frame;
	*--sp = (uint64_t)(uintptr_t)thread_start;
	sp -= 6;
	memset(sp, 0, 6 * sizeof(*sp));
	t->ksp = (uint64_t)(uintptr_t)sp;
	return t;
}

void thread_free(struct thread *t)
{
	if (!t)
		return;
	timer_cancel(&t->sleep_timer);
	kstack_free(t->kstack);
	kpages_free(t->xsave, 1);
	kfree(t);
}
