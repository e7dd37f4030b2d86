/* SPDX-License-Identifier: Apache-2.0 */
#include "host/worker.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "host/serve.h"

enum {
	WINDOW_NS = 50000, /* polls that long after the last request */
	BUSY_NS = 20000, /* exits closer than that wake a sleeper */
	CHECK_CLOCK = 64, /* looks between two glances at the clock */
};

struct worker {
	struct serve *serve;
	int rings;
	pthread_t thread;
	uint32_t sleeping; /* futex */
	bool stop, end;
	uint64_t last_exit;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static bool flag(const bool *b)
{
	return __atomic_load_n(b, __ATOMIC_ACQUIRE);
}

static bool serve_all(struct worker *w)
{
	bool any = false;

	for (int i = 0; i < w->rings; i++)
		while (serve_ring_waits(w->serve, i) &&
			serve_ring_once(w->serve, i))
			any = true;
	return any;
}

static void poll_rings(struct worker *w)
{
	uint64_t last = now_ns();

	while (!flag(&w->stop)) {
		bool any = false;

		for (int i = 0; i < CHECK_CLOCK; i++) {
			if (serve_all(w))
				any = true;
			else
				__builtin_ia32_pause();
		}
		if (any)
			last = now_ns();
		else if (now_ns() - last > WINDOW_NS)
			return;
	}
}

static void sleep_until_woken(struct worker *w)
{
	__atomic_store_n(&w->sleeping, 1, __ATOMIC_SEQ_CST);
	serve_set_polling(w->serve, false);
	/* A request that saw POLLING just before: serve it now. Later ones
	 * come by exits. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	serve_all(w);
	while (__atomic_load_n(&w->sleeping, __ATOMIC_SEQ_CST) &&
		!flag(&w->end))
		syscall(SYS_futex, &w->sleeping, FUTEX_WAIT_PRIVATE, 1, NULL,
			NULL, 0);
}

/* The waker clears the word before it wakes: a sleeper that has not yet
 * called FUTEX_WAIT then does not sleep. */
static void wake(struct worker *w)
{
	if (__atomic_exchange_n(&w->sleeping, 0, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &w->sleeping, FUTEX_WAKE_PRIVATE, 1, NULL,
			NULL, 0);
}

static void *run(void *arg)
{
	struct worker *w = arg;

	while (!flag(&w->end)) {
		if (!flag(&w->stop)) {
			serve_set_polling(w->serve, true);
			poll_rings(w);
		}
		sleep_until_woken(w);
	}
	return NULL;
}

struct worker *worker_new(struct serve *s, int rings)
{
	struct worker *w = calloc(1, sizeof(*w));
	sigset_t all, old;
	int err;

	if (!w)
		return NULL;
	w->serve = s;
	w->rings = rings;
	serve_set_polling(s, true);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err)
		return w;
	serve_set_polling(s, false);
	free(w);
	return NULL;
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	__atomic_store_n(&w->stop, true, __ATOMIC_SEQ_CST);
	__atomic_store_n(&w->end, true, __ATOMIC_SEQ_CST);
	wake(w);
	pthread_join(w->thread, NULL);
	free(w);
}

void worker_stop(struct worker *w)
{
	if (w)
		__atomic_store_n(&w->stop, true, __ATOMIC_SEQ_CST);
}

void worker_start(struct worker *w)
{
	__atomic_store_n(&w->stop, false, __ATOMIC_SEQ_CST);
	wake(w);
}

void worker_hint(struct worker *w)
{
	uint64_t now, last;

	if (flag(&w->stop) || !__atomic_load_n(&w->sleeping, __ATOMIC_RELAXED))
		return;
	now = now_ns();
	last = __atomic_exchange_n(&w->last_exit, now, __ATOMIC_RELAXED);
	if (now - last < BUSY_NS)
		wake(w);
}
