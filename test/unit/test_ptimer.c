/* SPDX-License-Identifier: Apache-2.0 */
/* Interval and POSIX timers on a clock that the test moves. */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "kernel/ptimer.h"
#include "kernel/sys.h"
#include "proc_env.h"

enum { MS = 1000000, ALARM_BIT = 1 << (SIGALRM - 1), USR1_BIT = 1 << 9 };

static struct thread *t;

static int setup(void **state)
{
	(void)state;
	env_reset();
	t = env_thread(init_process, NULL, NULL);
	env_become(t);
	for (int i = 0; i < NSIG_KERNEL; i++)
		init_process->actions->entry[i].handler = 0x1000;
	signal_set_blocked(~0ul);
	return 0;
}

static int64_t *user(int i)
{
	return (int64_t *)(uintptr_t)env_user + i;
}

static bool take(int signo, struct ksiginfo *info)
{
	return signal_dequeue(t, SIG_BIT(signo), info);
}

static int64_t set_itimer(int64_t interval_us, int64_t value_us)
{
	const uint64_t a[3] = {0, env_user, env_user + 64};

	user(0)[0] = interval_us / 1000000;
	user(0)[1] = interval_us % 1000000;
	user(0)[2] = value_us / 1000000;
	user(0)[3] = value_us % 1000000;
	return sys_setitimer(a);
}

static void test_itimer(void **state)
{
	struct ksiginfo info;

	(void)state;
	assert_int_equal(set_itimer(-1, 0), -EINVAL);
	assert_int_equal(set_itimer(2000, 10000), 0);
	assert_int_equal(ptimer_armed, 1);
	env_advance(9 * MS);
	assert_false(take(SIGALRM, &info));
	env_advance(1 * MS);
	assert_true(take(SIGALRM, &info));
	assert_int_equal(info.code, SI_KERNEL);
	env_advance(2 * MS);
	assert_true(take(SIGALRM, &info));
	env_advance(20 * MS); /* many at once are one */
	assert_true(take(SIGALRM, &info));
	assert_false(take(SIGALRM, &info));
	assert_int_equal(set_itimer(0, 0), 0);
	assert_int_equal(user(8)[1], 2000);
	assert_int_equal(ptimer_armed, 0);
	env_advance(100 * MS);
	assert_false(take(SIGALRM, &info));
}

static void test_alarm(void **state)
{
	const uint64_t three = 3, none = 0;
	struct ksiginfo info;

	(void)state;
	assert_int_equal(sys_alarm(&three), 0);
	env_advance(1000 * MS);
	assert_int_equal(sys_alarm(&three), 2);
	env_advance(3000 * (uint64_t)MS);
	assert_true(take(SIGALRM, &info));
	assert_int_equal(sys_alarm(&none), 0);
}

static uint64_t create(int clock, int notify, int signo, int32_t tid)
{
	const uint64_t a[3] = {(uint64_t)clock, env_user, env_user + 128};
	struct {
		uint64_t value;
		int32_t signo, notify, tid, pad;
	} ev = {0xabcd, signo, notify, tid, 0};

	memcpy(user(0), &ev, sizeof(ev));
	assert_int_equal(sys_timer_create(a), 0);
	return *(uint32_t *)user(16);
}

static void arm(uint64_t id, int64_t interval_ns, int64_t value_ns)
{
	const uint64_t a[4] = {id, 0, env_user, 0};

	user(0)[0] = 0;
	user(0)[1] = interval_ns;
	user(0)[2] = 0;
	user(0)[3] = value_ns;
	assert_int_equal(sys_timer_settime(a), 0);
}

static void test_overrun(void **state)
{
	uint64_t id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
	struct ksiginfo info;
	int32_t overrun;

	(void)state;
	arm(id, 1 * MS, 5 * MS);
	for (int i = 0; i < 9; i++)
		env_advance(1 * MS);
	/* fired at 5, 6, 7, 8, 9 ms: one signal and four overruns */
	assert_true(take(SIGUSR1, &info));
	assert_int_equal(info.code, SI_TIMER);
	memcpy(&overrun, info.rest + 4, 4);
	assert_int_equal(overrun, 4);
	assert_int_equal(sys_timer_getoverrun(&id), 4);
	assert_false(take(SIGUSR1, &info));
	env_advance(1 * MS);
	assert_true(take(SIGUSR1, &info));
	assert_int_equal(sys_timer_getoverrun(&id), 0);
	assert_int_equal(sys_timer_delete(&id), 0);
	assert_int_equal(sys_timer_delete(&id), -EINVAL);
	env_advance(10 * MS);
	assert_false(take(SIGUSR1, &info));
}

/* An absurd interval must not occupy the enclave. */
static void test_tiny_interval(void **state)
{
	uint64_t id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
	struct ksiginfo info;

	(void)state;
	arm(id, 1, 1);
	env_advance(1 * MS);
	assert_true(take(SIGUSR1, &info));
	assert_in_range(sys_timer_getoverrun(&id), 999990, 1100000);
	ptimer_exec(init_process);
	assert_int_equal(ptimer_armed, 0);
}

static void test_thread_id(void **state)
{
	struct thread *other = env_thread(init_process, NULL, NULL);
	uint64_t id = create(CLOCK_REALTIME, 4, SIGUSR1, other->tid);
	const uint64_t bad[3] = {CLOCK_MONOTONIC, env_user, env_user + 128};

	(void)state;
	arm(id, 0, 1 * MS);
	env_advance(1 * MS);
	assert_int_equal(other->sig.pending, USR1_BIT);
	assert_int_equal(t->sig.pending | init_process->sig_pending, 0);
	((int32_t *)user(0))[4] = 999;
	((int32_t *)user(0))[3] = 4;
	((int32_t *)user(0))[2] = SIGUSR1;
	assert_int_equal(sys_timer_create(bad), -EINVAL);
	ptimer_exit(init_process);
}

static void test_limit(void **state)
{
	const uint64_t a[3] = {CLOCK_MONOTONIC, 0, env_user};
	int64_t r = 0;
	int count = 0;

	(void)state;
	while (count < 100000 && !(r = sys_timer_create(a)))
		count++;
	assert_int_equal(r, -EAGAIN);
	ptimer_exit(init_process);
	assert_null(init_process->timers);
}

#define TEST(name) cmocka_unit_test_setup(test_##name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(itimer),
		TEST(alarm),
		TEST(overrun),
		TEST(tiny_interval),
		TEST(thread_id),
		TEST(limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
