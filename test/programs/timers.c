/* SPDX-License-Identifier: Apache-2.0 */
/* Sleeping and timers: prints the same inside an enclave as outside. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t hits, value, code;

static void note(int signo, siginfo_t *info, void *uc)
{
	(void)signo;
	(void)uc;
	hits++;
	value = info->si_value.sival_int;
	code = info->si_code;
}

static double now(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts))
		perror("clock_gettime");
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void sleeps(void)
{
	struct timespec ts = {0, 30000000}, rem = {0, 0};
	struct itimerval it = {{0, 0}, {0, 20000}};
	double t = now(CLOCK_MONOTONIC);
	int r;

	r = nanosleep(&ts, NULL);
	t = now(CLOCK_MONOTONIC) - t;
	printf("nanosleep: %d, long enough %d\n", r, t >= 0.03);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += 20000000;
	if (ts.tv_nsec >= 1000000000)
		ts.tv_sec++, ts.tv_nsec -= 1000000000;
	r = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	printf("absolute: %d\n", r);
	ts = (struct timespec){5, 0};
	setitimer(ITIMER_REAL, &it, NULL);
	r = nanosleep(&ts, &rem);
	printf("interrupted: %d %s, rest %d\n", r, strerror(errno),
		rem.tv_sec == 4);
	ts = (struct timespec){0, -1};
	r = nanosleep(&ts, NULL);
	printf("bad: %d %s\n", r, strerror(errno));
}

static void wait_hits(int n)
{
	for (int i = 0; i < 200 && hits < n; i++)
		usleep(5000);
}

static void itimers(void)
{
	struct itimerval it = {{0, 5000}, {0, 5000}}, old;

	hits = 0;
	setitimer(ITIMER_REAL, &it, NULL);
	wait_hits(5);
	memset(&it, 0, sizeof(it));
	setitimer(ITIMER_REAL, &it, &old);
	printf("itimer: %d, interval %d\n", hits >= 5,
		(int)old.it_interval.tv_usec);
	it.it_value.tv_usec = 20000;
	hits = 0;
	setitimer(ITIMER_PROF, &it, NULL);
	for (double t = now(CLOCK_MONOTONIC);
		!hits && now(CLOCK_MONOTONIC) < t + 5;)
		;
	printf("profile timer: %d\n", hits);
	printf("alarm: %u", alarm(100));
	printf(" %u\n", alarm(0));
}

static void posix_timers(void)
{
	struct sigevent ev;
	struct itimerspec it = {{0, 0}, {0, 10000000}}, left;
	timer_t id;
	int r;

	memset(&ev, 0, sizeof(ev));
	ev.sigev_notify = SIGEV_SIGNAL;
	ev.sigev_signo = SIGRTMIN;
	ev.sigev_value.sival_int = 1234;
	hits = 0;
	if (timer_create(CLOCK_MONOTONIC, &ev, &id))
		perror("timer_create");
	timer_settime(id, 0, &it, NULL);
	timer_gettime(id, &left);
	printf("armed: %d\n", left.it_value.tv_nsec > 0);
	wait_hits(1);
	printf("timer: %d value %d code %d overrun %d\n", hits, value, code,
		timer_getoverrun(id));
	timer_delete(id);
	r = timer_gettime(id, &left);
	printf("deleted: %d %s\n", r, strerror(errno));
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int calls;

static void in_thread(union sigval v)
{
	pthread_mutex_lock(&lock);
	calls += v.sival_int;
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&lock);
}

static void thread_timer(void)
{
	struct itimerspec it = {{0, 0}, {0, 10000000}};
	struct sigevent ev;
	timer_t id;

	memset(&ev, 0, sizeof(ev));
	ev.sigev_notify = SIGEV_THREAD;
	ev.sigev_notify_function = in_thread;
	ev.sigev_value.sival_int = 5;
	if (timer_create(CLOCK_REALTIME, &ev, &id))
		perror("timer_create");
	timer_settime(id, 0, &it, NULL);
	pthread_mutex_lock(&lock);
	while (!calls)
		pthread_cond_wait(&cond, &lock);
	pthread_mutex_unlock(&lock);
	printf("thread timer: %d\n", calls);
	timer_delete(id);
}

static void processor_time(void)
{
	struct rusage ru;
	double t = now(CLOCK_PROCESS_CPUTIME_ID), self, u;
	struct tms tms;

	while (now(CLOCK_PROCESS_CPUTIME_ID) < t + 0.05)
		;
	self = now(CLOCK_THREAD_CPUTIME_ID);
	getrusage(RUSAGE_SELF, &ru);
	u = (double)ru.ru_utime.tv_sec + (double)ru.ru_stime.tv_sec +
		(double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
	printf("processor time: thread %d, rusage %d, times %d\n", self >= 0.05,
		u >= 0.05,
		times(&tms) != (clock_t)-1 &&
			tms.tms_utime + tms.tms_stime >= 4);
}

int main(void)
{
	struct sigaction sa;

	setvbuf(stdout, NULL, _IOLBF, 0);
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = note;
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGPROF, &sa, NULL);
	sigaction(SIGRTMIN, &sa, NULL);
	sleeps();
	itimers();
	posix_timers();
	thread_timer();
	processor_time();
	return 0;
}
