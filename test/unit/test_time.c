/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock on a host that lies about the time and about the TSC. RDTSC is
 * made to trap, so that the test can say what it reads.
 */
#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <ucontext.h>

#include "kernel/clock.h"
#include "kernel/hostcall.h"
#include "kernel/klog.h"
#include "kernel/time.h"
#include "kernel/vvar.h"

enum { GHZ = 1000000000, SECOND = 1000000000 };

static uint64_t tsc;
static struct host_clock answer;
static bool true_tsc; /* the host tells the TSC as it is */
static jmp_buf stopped;
static struct vvar page;
struct vvar *vvar = &page;

void panic_host(const char *fmt, ...)
{
	(void)fmt;
	longjmp(stopped, 1);
}

int64_t hostcall_run(unsigned nr, const uint64_t *args)
{
	assert_int_equal(nr, HC_clock_read);
	tsc += 1000;
	if (true_tsc)
		answer.tsc = tsc;
	memcpy((void *)(uintptr_t)args[0], &answer, sizeof(answer));
	tsc += 1000;
	return 0;
}

static void trapped(int signo, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	const uint8_t *code = (const uint8_t *)(uintptr_t)r[REG_RIP];

	(void)signo, (void)info;
	if (code[0] != 0x0f || code[1] != 0x31)
		abort();
	r[REG_RAX] = (greg_t)(tsc & UINT32_MAX);
	r[REG_RDX] = (greg_t)(tsc >> 32);
	r[REG_RIP] += 2;
}

/* Only while the clock runs: the test program itself reads the time. */
static void trap_tsc(void)
{
	struct sigaction sa = {
		.sa_sigaction = trapped, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigaction(SIGSEGV, &sa, NULL);
	prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0);
}

static int teardown(void **state)
{
	(void)state;
	return prctl(PR_SET_TSC, PR_TSC_ENABLE, 0, 0, 0);
}

static void begin(void)
{
	trap_tsc();
	tsc = 100ul * GHZ + time_mono_ns(); /* 1 GHz */
	answer = (struct host_clock){
		.realtime_ns = 1700000000ul * SECOND,
		.monotonic_ns = time_mono_ns() + SECOND,
	};
	true_tsc = true;
	assert_int_equal(clock_init(1000000), 0);
}

static void test_honest(void **state)
{
	uint64_t start;

	(void)state;
	begin();
	start = time_mono_ns();
	tsc += GHZ / 2;
	assert_in_range(time_mono_ns() - start, SECOND / 2, SECOND / 2);
	tsc += GHZ;
	answer.monotonic_ns += 3ul * SECOND / 2;
	answer.realtime_ns += 3ul * SECOND / 2;
	clock_sync(time_mono_ns());
	assert_in_range(time_mono_ns() - start, 3ul * SECOND / 2 - 10000,
		3ul * SECOND / 2 + 10000);
	teardown(NULL);
}

static void test_tsc_set_back(void **state)
{
	uint64_t last;

	(void)state;
	begin();
	tsc += GHZ / 2;
	last = time_mono_ns();
	tsc -= GHZ / 4;
	assert_true(time_mono_ns() >= last);
	tsc = 0;
	assert_true(time_mono_ns() >= last);
	/* ... and at a bend */
	tsc = last + 200ul * GHZ;
	last = time_mono_ns();
	tsc = 5;
	clock_sync(last + 10ul * SECOND);
	assert_true(time_mono_ns() >= last);
	tsc += GHZ;
	assert_true(time_mono_ns() >= last);
	teardown(NULL);
}

/* 10,000 steps of a host that says anything. */
static void test_lies(void **state)
{
	static uint64_t seed = 1, last, now; /* longjmp leaves them */

	(void)state;
	begin();
	true_tsc = false;
	for (int i = 0; i < 10000; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		switch (seed >> 60) {
		case 0:
			tsc = seed << 8;
			break;
		case 1:
			tsc -= seed % GHZ;
			break;
		case 2:
			answer.tsc = seed;
			break;
		case 3:
			answer.monotonic_ns = seed >> (seed % 64);
			break;
		case 4:
			answer.realtime_ns = seed >> 1;
			break;
		case 5:
			answer.monotonic_ns = last + seed % SECOND;
			break;
		default:
			tsc += seed % GHZ;
		}
		now = time_mono_ns();
		assert_true(now >= last);
		assert_true(now <= (uint64_t)1 << 62);
		last = now;
		if (!setjmp(stopped))
			clock_sync(now + 10ul * SECOND);
	}
	teardown(NULL);
}

static void test_far_future(void **state)
{
	static const struct host_clock wild[] = {
		{.monotonic_ns = UINT64_MAX},
		{.monotonic_ns = (uint64_t)1 << 62},
		{.realtime_ns = UINT64_MAX},
	};

	(void)state;
	trap_tsc();
	for (int i = 0; i < 3; i++) {
		answer = wild[i];
		if (setjmp(stopped))
			continue;
		(void)!clock_init(1000000);
		fail_msg("believed");
	}
	teardown(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, NULL, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(honest),
		TEST(tsc_set_back),
		TEST(far_future),
		TEST(lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
