/* SPDX-License-Identifier: Apache-2.0 */
/* Threads and their locks: prints the same inside an enclave as outside. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn, sum;
static __thread int own = 7;

static void *add(void *arg)
{
	for (int i = 0; i < 1000; i++) {
		pthread_mutex_lock(&lock);
		sum += (int)(long)arg;
		pthread_mutex_unlock(&lock);
	}
	own += (int)(long)arg;
	return (void *)(long)own;
}

static void create_and_join(void)
{
	pthread_t t[20];
	long total = 0;

	for (long i = 0; i < 20; i++)
		if (pthread_create(&t[i], NULL, add, (void *)i))
			puts("pthread_create failed");
	for (int i = 0; i < 20; i++) {
		void *r;

		pthread_join(t[i], &r);
		total += (long)r;
	}
	printf("create and join: sum %d, results %ld, own %d\n", sum, total,
		own);
}

static void *ping(void *arg)
{
	int me = (int)(long)arg;

	for (int i = 0; i < 2000; i++) {
		pthread_mutex_lock(&lock);
		while (turn % 2 != me)
			pthread_cond_wait(&changed, &lock);
		turn++;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void ping_pong(void)
{
	pthread_t t[2];

	for (long i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, ping, (void *)i);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	printf("ping-pong: %d turns\n", turn);
}

static void timed_waits(void)
{
	struct timespec ts;
	int r;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += 20000000;
	if (ts.tv_nsec >= 1000000000)
		ts.tv_sec++, ts.tv_nsec -= 1000000000;
	pthread_mutex_lock(&lock);
	r = pthread_cond_timedwait(&changed, &lock, &ts);
	pthread_mutex_unlock(&lock);
	printf("timed wait: %s\n", strerror(r));
}

static pthread_mutex_t robust, pi;

static void *die_with_locks(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&robust);
	return NULL;
}

static void *hold_pi(void *arg)
{
	pthread_mutex_lock(&pi);
	sem_post(arg);
	usleep(20000);
	turn = -1;
	pthread_mutex_unlock(&pi);
	return NULL;
}

static void special_mutexes(void)
{
	pthread_mutexattr_t a;
	pthread_t t;
	sem_t ready;
	int r;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &a);
	pthread_create(&t, NULL, die_with_locks, NULL);
	pthread_join(t, NULL);
	r = pthread_mutex_lock(&robust);
	printf("robust: %s\n", r == EOWNERDEAD ? "owner dead" : strerror(r));
	pthread_mutex_consistent(&robust);
	pthread_mutex_unlock(&robust);

	pthread_mutexattr_init(&a);
	r = pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
	printf("PI: %s\n", strerror(r));
	r = pthread_mutex_init(&pi, &a);
	sem_init(&ready, 0, 0);
	pthread_create(&t, NULL, hold_pi, &ready);
	sem_wait(&ready);
	pthread_mutex_lock(&pi);
	printf("PI: turn %d\n", turn);
	pthread_mutex_unlock(&pi);
	pthread_join(t, NULL);
}

static void cleanup(void *arg)
{
	puts(arg);
}

static void *wait_for_cancel(void *arg)
{
	pthread_cleanup_push(cleanup, (void *)"cancelled in a system call");
	sem_post(arg);
	for (;;)
		pause();
	pthread_cleanup_pop(0);
	return NULL;
}

static void cancel(void)
{
	pthread_t t;
	sem_t ready;
	void *r;

	sem_init(&ready, 0, 0);
	pthread_create(&t, NULL, wait_for_cancel, &ready);
	sem_wait(&ready);
	usleep(10000);
	pthread_cancel(t);
	pthread_join(t, &r);
	printf("cancel: %s\n", r == PTHREAD_CANCELED ? "yes" : "no");
}

static void *at_barrier(void *arg)
{
	return (void *)(long)(pthread_barrier_wait(arg) ==
		PTHREAD_BARRIER_SERIAL_THREAD);
}

static void barrier(void)
{
	pthread_barrier_t b;
	pthread_t t[4];
	long serial = 0;

	pthread_barrier_init(&b, NULL, 4);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, at_barrier, &b);
	for (int i = 0; i < 4; i++) {
		void *r;

		pthread_join(t[i], &r);
		serial += (long)r;
	}
	printf("barrier: %ld serial\n", serial);
}

static void *spin(void *arg)
{
	while (!__atomic_load_n((int *)arg, __ATOMIC_RELAXED))
		;
	return NULL;
}

/* Needs preemption: more spinning threads than processors. */
static void preemption(void)
{
	pthread_t t[8];
	int stop = 0;

	for (int i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, spin, &stop);
	usleep(50000);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	puts("preemption: ended");
}

static void identity(void)
{
	char name[16];
	cpu_set_t set;

	pthread_setname_np(pthread_self(), "a name");
	pthread_getname_np(pthread_self(), name, sizeof(name));
	printf("name: %s\n", name);
	printf("main thread: %d\n", syscall(SYS_gettid) == getpid());
	printf("affinity: %d\n",
		sched_getaffinity(0, sizeof(set), &set) == 0 &&
			CPU_COUNT(&set) > 0);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	create_and_join();
	ping_pong();
	timed_waits();
	special_mutexes();
	cancel();
	barrier();
	preemption();
	identity();
	return 0;
}
