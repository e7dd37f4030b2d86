/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lying host against the kernel's host-call modules, in one process. Each
 * seed runs a mix of calls in a child of its own until they are over or the
 * enclave stops. Buffers end at inaccessible pages, and what the host may not
 * change is compared afterwards: a crash, a bug panic, a hang, a result out
 * of contract or a byte written where it should not be fails the seed.
 */
#include "host/hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/layout.h"
#include "kernel/hostcall.h"
#include "kernel/uio.h"
#include "test/unit/hostcall_env.h"
#include "test/unit/unit.h"

enum { SEEDS = 150, CALLS = 400, FENCE = 0x5a };

enum { ENDED = 0, STOPPED = 40, WRONG = 41 };

/* size bytes that end at an inaccessible page; before them FENCE bytes. */
static char *guarded(size_t size)
{
	size_t pages = (size + 2 * PAGE_SIZE - 1) / PAGE_SIZE;
	char *p = mmap(NULL, (pages + 1) * PAGE_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + pages * PAGE_SIZE, PAGE_SIZE, 0))
		exit(WRONG);
	memset(p, FENCE, pages * PAGE_SIZE);
	return p + pages * PAGE_SIZE - size;
}

static void require(bool cond, const char *what)
{
	if (cond)
		return;
	fprintf(stderr, "%s\n", what);
	_exit(WRONG);
}

static bool fence_holds(const char *buf)
{
	for (int i = 1; i <= 64; i++)
		if (buf[-i] != FENCE)
			return false;
	return true;
}

static void one_call(unsigned n)
{
	static char *small, *big;
	static const size_t small_size = 77, big_size = 10000;
	struct uio_seg seg[2];
	struct host_clock *clock;
	struct uio u;
	int64_t r;

	if (!small) {
		small = guarded(small_size);
		big = guarded(big_size);
	}
	switch (n % 6) {
	case 0:
		r = host_null(n);
		require(r == 0, "null");
		break;
	case 1:
		seg[0] = (struct uio_seg){(uint64_t)big, 5001};
		seg[1] = (struct uio_seg){
			(uint64_t)big + 5001, big_size - 5001};
		u = env_uio(seg, 2, n & 1);
		r = host_pread(env_file, &u, big_size, n);
		require(r <= (int64_t)big_size && r > -134, "pread");
		require(u.resid == big_size - (r > 0 ? (size_t)r : 0),
			"pread: uio");
		break;
	case 2:
		seg[0] = (struct uio_seg){(uint64_t)small, small_size};
		u = env_uio(seg, 1, true);
		r = host_pwrite(env_file, &u, small_size, n);
		require(r <= (int64_t)small_size && r > -134, "pwrite");
		require(u.resid == small_size - (r > 0 ? (size_t)r : 0),
			"pwrite: uio");
		break;
	case 3:
		clock = (struct host_clock *)(big + big_size - sizeof(*clock));
		require(host_clock_read(clock) == 0, "clock_read");
		break;
	case 4:
		r = host_kick(5); /* there is no such thread */
		require(r < 0 || r == 0, "kick");
		break;
	default:
		r = host_log("", 0);
		require(r == 0 || (r < 0 && r > -134), "log");
	}
	require(fence_holds(small) && fence_holds(big), "fence");
}

static void many_calls(void)
{
	for (unsigned n = 0; n < CALLS; n++)
		one_call(n);
}

/* The child's exit status. */
static int run_seed(const struct hostile_config *c, enum hostcall_policy policy)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(20);
		hostcall_set_policy(policy);
		hostile_configure(c);
		if (env_stops(many_calls))
			_exit(STOPPED);
		_exit(hostile_count() ? ENDED + 1 : ENDED);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status)
				 : 1000 + WTERMSIG(status);
}

static void run_seeds(
	unsigned kinds, enum hostcall_policy policy, unsigned *stopped)
{
	*stopped = 0;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct hostile_config c = {.seed = seed,
			.rate = seed % 2 ? 40 : 1000,
			.lies = kinds,
			.log_fd = -1};
		int status = run_seed(&c, policy);

		if (status == STOPPED)
			++*stopped;
		else if (status > 1)
			fail_msg("lies %u, policy %u, seed %lu: status %d",
				kinds, policy, seed, status);
	}
}

static void test_strict(void **state)
{
	unsigned stopped;

	run_seeds(HOSTILE_STRICT, HOSTCALL_EXITS, &stopped);
	/* Nearly every lie of this kind is one that must be seen. */
	assert_true(stopped > SEEDS / 2);
	run_seeds(HOSTILE_STRICT, HOSTCALL_RINGS, &stopped);
	assert_true(stopped > SEEDS / 2);
}

static void test_data(void **state)
{
	unsigned stopped;

	/* Rows without errors stop at a plausible errno; others go on. */
	run_seeds(HOSTILE_DATA, HOSTCALL_EXITS, &stopped);
	assert_true(stopped < SEEDS);
}

static void test_flip(void **state)
{
	unsigned stopped;

	run_seeds(HOSTILE_FLIP, HOSTCALL_EXITS, &stopped);
	run_seeds(HOSTILE_FLIP, HOSTCALL_RINGS, &stopped);
}

/* Without lies all is well: the lies are what stops the others. */
static void test_honest(void **state)
{
	struct hostile_config c = {.seed = 1, .log_fd = -1};

	assert_int_equal(run_seed(&c, HOSTCALL_EXITS), ENDED);
	assert_int_equal(run_seed(&c, HOSTCALL_RINGS), ENDED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_honest),
		cmocka_unit_test(test_strict),
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_flip),
	};

	return cmocka_run_group_tests(tests, env_setup, NULL);
}
