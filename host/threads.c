/* SPDX-License-Identifier: Apache-2.0 */
/* See threads.h. */
#include "host/threads.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "abi/ring.h"
#include "abi/sgx.h"
#include "host/serve_net.h"

enum { TICK_NS = 10000000, TICK_MIN_NS = 200000 };

static void stop(struct launcher *l, int error, int wait_status)
{
	pthread_mutex_lock(&l->lock);
	if (!l->stopped) {
		l->stopped = true;
		l->error = error;
		l->wait_status = wait_status;
		pthread_cond_signal(&l->ended);
	}
	pthread_mutex_unlock(&l->lock);
}

static void stop_panic(struct launcher *l, uint64_t code)
{
	char text[RING_PANIC_SIZE + 1];
	static const struct {
		int error;
		const char *what;
	} kinds[] = {
		[PANIC_BUG] = {-EIO, "the enclave's kernel stopped: "},
		[PANIC_HOST] = {-EPROTO,
			"the enclave stopped, the host broke the protocol: "},
		[PANIC_REFUSED] = {-EPERM, ""},
	};

	if (code > PANIC_REFUSED)
		code = PANIC_BUG;
	serve_panic_text(l->serve, text, sizeof(text));
	pthread_mutex_lock(&l->lock);
	if (!l->stopped)
		err_setf(&l->err, kinds[code].error, "%s%s", kinds[code].what,
			text[0] ? text : "no reason given");
	pthread_mutex_unlock(&l->lock);
	stop(l, kinds[code].error, 0);
}

static void stop_error(struct launcher *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void stop_error(struct launcher *l, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&l->lock);
	if (!l->stopped) {
		va_start(ap, fmt);
		vsnprintf(l->err.text, sizeof(l->err.text), fmt, ap);
		va_end(ap);
		l->err.code = -EIO;
	}
	pthread_mutex_unlock(&l->lock);
	stop(l, -EIO, 0);
}

/* What the enclave left for; false: this thread is done. */
static bool exited(struct host_thread *t, const struct enclave_run *run)
{
	struct launcher *l = t->launcher;

	switch (run->exit_rdi) {
	case EXIT_CALL:
		serve_exit_call(l->serve, t->cpu);
		return true;
	case EXIT_YIELD:
		sched_yield();
		return true;
	case EXIT_SHUTDOWN:
		stop(l, 0, (int)run->exit_rsi);
		return false;
	case EXIT_PANIC:
		stop_panic(l, run->exit_rsi);
		return false;
	default:
		stop_panic(l, PANIC_BUG);
		return false;
	}
}

/* EENTER of a TCS that is no enclave page any more. */
static bool memory_lost(const struct launcher *l, const struct enclave_run *run)
{
	return !l->backend->emulated &&
		run->exception_vector == SGX_VECTOR_PF &&
		(run->exception_error_code & SGX_PFEC_SGX);
}

static void enter_loop(struct host_thread *t, uint64_t cmd, uint64_t arg)
{
	struct launcher *l = t->launcher;
	struct enclave_run run = {
		.tcs = TCS_BASE + (uint64_t)t->cpu * TCS_SLOT_SIZE + SLOT_TCS,
	};
	unsigned int leaf = SGX_EENTER;
	bool nested = false; /* entered for an exception: CSSA is 1 */
	int err;

	for (;;) {
		__atomic_store_n(&t->inside, 1, __ATOMIC_RELAXED);
		err = l->backend->enter(cmd, arg, 0, leaf, 0, 0, &run);
		__atomic_store_n(&t->inside, 0, __ATOMIC_RELAXED);
		if (!err && run.function == SGX_EENTER &&
			memory_lost(l, &run)) {
			stop_error(l,
				"the enclave is gone: the machine was "
				"suspended or hibernated, and SGX then loses "
				"its memory; start the program again");
			return;
		}
		if (err || run.function == SGX_EENTER) {
			stop_error(l,
				"cannot enter the enclave (error %d, exception "
				"%u)",
				err, run.exception_vector);
			return;
		}
		if (run.function == SGX_ERESUME) {
			t->aex++;
			if (!nested) {
				nested = true;
				leaf = SGX_EENTER;
				cmd = ENTRY_EXCEPTION;
				arg = 0;
				continue;
			}
			/* A tick met the exception handler itself: there is no
			 * third SSA frame, nor a need for one. */
			if (run.exception_vector == ENCLAVE_VECTOR_INTERRUPT) {
				leaf = SGX_ERESUME;
				continue;
			}
			stop_error(l,
				"the enclave faults while it handles an "
				"exception (vector %u)",
				run.exception_vector);
			return;
		}
		if (run.exit_rdi == EXIT_RESUME) {
			nested = false;
			leaf = SGX_ERESUME;
			continue;
		}
		if (!exited(t, &run))
			return;
		leaf = SGX_EENTER;
		cmd = ENTRY_RETURN;
		arg = 0;
	}
}

static void *thread_main(void *arg)
{
	struct host_thread *t = arg;
	struct launcher *l = t->launcher;
	int err = l->backend->thread_init(l->enclave);

	/* It may park or be kicked before pthread_create has returned. */
	t->pthread = pthread_self();
	__atomic_store_n(&t->started, true, __ATOMIC_RELEASE);

	if (err) {
		stop_error(l,
			"this machine cannot run enclave threads (error %d); "
			"see `sconce doctor`",
			err);
		return NULL;
	}
	if (t->cpu == 0)
		enter_loop(t, ENTRY_BOOT, (uint64_t)(uintptr_t)l->shared);
	else
		enter_loop(t, ENTRY_THREAD, 0);
	l->backend->thread_fini(l->enclave);
	return NULL;
}

static int thread_start(void *ctx, uint64_t cpu)
{
	struct launcher *l = ctx;
	struct host_thread *t;
	int err;

	if (cpu >= l->cpus)
		return -EINVAL;
	t = &l->thread[cpu];
	if (t->started)
		return -EINVAL;
	t->launcher = l;
	t->cpu = (int)cpu;
	err = pthread_create(&t->pthread, NULL, thread_main, t);
	if (err)
		return -err;
	t->started = true;
	return 0;
}

static long futex(uint32_t *word, int op, uint32_t value)
{
	return syscall(
		SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static int kick(void *ctx, uint64_t cpu)
{
	struct launcher *l = ctx;
	struct host_thread *t;

	if (cpu >= l->cpus || !l->thread[cpu].started)
		return -EINVAL;
	t = &l->thread[cpu];
	__atomic_store_n(&t->kicked, 1, __ATOMIC_RELEASE);
	futex(&t->kicked, FUTEX_WAKE, 1);
	serve_net_kick();
	if (__atomic_load_n(&t->inside, __ATOMIC_RELAXED))
		pthread_kill(t->pthread, THREADS_TICK_SIGNAL);
	return 0;
}

static int park(void *ctx, uint64_t cpu)
{
	struct launcher *l = ctx;
	struct host_thread *t;

	if (cpu >= l->cpus || !l->thread[cpu].started)
		return -EINVAL;
	t = &l->thread[cpu];
	while (!__atomic_exchange_n(&t->kicked, 0, __ATOMIC_ACQUIRE))
		futex(&t->kicked, FUTEX_WAIT, 0);
	return 0;
}

static int augment(void *ctx, uint64_t addr, uint64_t size, bool hidden)
{
	struct launcher *l = ctx;

	return l->backend->augment(l->enclave, addr, size, hidden);
}

static int restrict_perm(void *ctx, uint64_t addr, uint64_t size, uint64_t perm)
{
	struct launcher *l = ctx;

	return l->backend->restrict_permissions(l->enclave, addr, size, perm);
}

static int modify_type(void *ctx, uint64_t addr, uint64_t size, uint64_t type)
{
	struct launcher *l = ctx;

	return l->backend->modify_type(
		l->enclave, addr, size, (unsigned int)type);
}

static int remove_pages(void *ctx, uint64_t addr, uint64_t size)
{
	struct launcher *l = ctx;

	return l->backend->remove_pages(l->enclave, addr, size);
}

static int protect(void *ctx, uint64_t addr, uint64_t size, uint64_t perm)
{
	struct launcher *l = ctx;

	return l->backend->protect(l->enclave, addr, size, (int)perm);
}

static int64_t stats(void *ctx, const char *text, uint64_t size)
{
	const struct launcher *l = ctx;
	ssize_t n = write(l->stats_fd, text, size);

	return n < 0 ? -errno : n;
}

const struct serve_enclave_ops threads_enclave_ops = {
	.stats = stats,
	.augment = augment,
	.restrict_perm = restrict_perm,
	.modify_type = modify_type,
	.remove = remove_pages,
	.protect = protect,
	.thread_start = thread_start,
	.kick = kick,
	.park = park,
};

static void tick_all(struct launcher *l)
{
	for (uint64_t i = 0; i < l->cpus; i++) {
		struct host_thread *t = &l->thread[i];

		if (__atomic_load_n(&t->started, __ATOMIC_ACQUIRE) &&
			__atomic_load_n(&t->inside, __ATOMIC_RELAXED))
			pthread_kill(t->pthread, THREADS_TICK_SIGNAL);
	}
}

/*
 * When the threads inside get their next tick: after TICK_NS, or earlier if a
 * timer of the enclave is due before, but never in less than TICK_MIN_NS.
 */
static uint64_t next_tick(const struct launcher *l, uint64_t now)
{
	uint64_t due = __atomic_load_n(
		(const uint64_t *)(const void *)(l->shared + RING_DEADLINE),
		__ATOMIC_RELAXED);

	return u64_max(u64_min(due ? due : UINT64_MAX, now + TICK_NS),
		now + TICK_MIN_NS);
}

/* Waits for the end, ticking meanwhile. Must hold l->lock. */
static void wait_for_end(struct launcher *l)
{
	struct timespec at;

	while (!l->stopped) {
		uint64_t tick;

		clock_gettime(CLOCK_MONOTONIC, &at);
		tick = next_tick(l,
			(uint64_t)at.tv_sec * 1000000000u +
				(uint64_t)at.tv_nsec);
		at.tv_sec = (time_t)(tick / 1000000000u);
		at.tv_nsec = (long)(tick % 1000000000u);
		if (pthread_cond_timedwait(&l->ended, &l->lock, &at) ==
			ETIMEDOUT)
			tick_all(l);
	}
}

int threads_run(struct launcher *l, unsigned int cpus, struct err *e)
{
	static const int forwarded[] = {
		SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGWINCH, SIGUSR1, SIGUSR2};
	static const struct sigaction caught = {
		.sa_handler = serve_net_signal, .sa_flags = SA_RESTART};
	pthread_condattr_t attr;
	sigset_t forward, block, before;
	int err;

	sigemptyset(&forward);

	l->cpus = cpus;
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->ended, &attr);
	pthread_condattr_destroy(&attr);

	/* Signals for the program are caught in this thread only; a closed
	 * pipe is an error of the call that met it. Faults and the tick are
	 * the enclave's, stopping and continuing are the host's. (A signalfd
	 * would be woken by every fault of the enclave.) */
	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		sigaddset(&forward, forwarded[i]);
	block = forward;
	sigaddset(&block, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &block, &before);
	err = serve_net_init();
	if (err) {
		err_setf(
			e, err, "cannot watch descriptors: %s", strerror(-err));
		goto restore;
	}

	pthread_mutex_lock(&l->lock);
	err = thread_start(l, 0);
	if (!err) {
		for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
			sigaction(forwarded[i], &caught, NULL);
		pthread_sigmask(SIG_UNBLOCK, &forward, NULL);
		wait_for_end(l);
		err = l->error;
		*e = l->err;
	} else {
		err_setf(e, err, "cannot start a thread: %s", strerror(-err));
	}
	pthread_mutex_unlock(&l->lock);
restore:
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

bool threads_gone(struct launcher *l)
{
	for (unsigned int i = 1; i < l->cpus; i++)
		if (l->thread[i].started)
			return false;
	if (l->thread[0].started)
		pthread_join(l->thread[0].pthread, NULL);
	return true;
}
