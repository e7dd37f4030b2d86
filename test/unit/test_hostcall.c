/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stub -> shared region -> server -> validator, all in one process.
 */
#include "kernel/hostcall.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/ring.h"
#include "host/serve.h"
#include "kernel/bounce.h"
#include "kernel/uio.h"
#include "test/unit/hostcall_env.h"
#include "test/unit/unit.h"

/* ---- tests ---- */

static void test_scalars(void **state)
{
	assert_int_equal(host_null(7), 0);
	assert_int_equal(host_thread_start(0), -ENOSYS);
	assert_int_equal(host_kick(99), -EINVAL);
	assert_int_equal(serve_count(env_server, HC_null), 1);
}

static void test_structs(void **state)
{
	struct host_clock c = {0};

	assert_int_equal(host_clock_read(&c), 0);
	assert_true(c.realtime_ns > 1600000000ull * 1000000000);
	assert_true(c.monotonic_ns && c.tsc);
	assert_int_equal(bounce_used(), 0);
}

static void test_files(void **state)
{
	char in[300], out[300];
	struct uio_seg seg[4];
	struct uio u;

	for (int i = 0; i < 300; i++)
		in[i] = (char)(i * 13 + 1);
	/* Every combination of ragged segments gives the same bytes. */
	for (size_t a = 0; a < 20; a++) {
		for (size_t b = 0; b < 20; b += 3) {
			seg[0] = (struct uio_seg){(uint64_t)in, a};
			seg[1] = (struct uio_seg){(uint64_t)in + a, b};
			seg[2] = (struct uio_seg){
				(uint64_t)in + a + b, 300 - a - b};
			u = env_uio(seg, 3, a & 1);
			assert_int_equal(
				host_pwrite(env_file, &u, 300, 5), 300);
			assert_int_equal(u.resid, 0);
			memset(out, 0, sizeof(out));
			assert_int_equal(pread(env_file, out, 300, 5), 300);
			assert_memory_equal(in, out, 300);
			memset(out, 0, sizeof(out));
			seg[0] = (struct uio_seg){(uint64_t)out, b};
			seg[1] = (struct uio_seg){(uint64_t)out + b, a};
			seg[2] = (struct uio_seg){
				(uint64_t)out + a + b, 290 - a - b};
			u = env_uio(seg, 3, b & 1);
			assert_int_equal(host_pread(env_file, &u, 300, 5), 290);
			assert_memory_equal(in, out, 290);
			assert_int_equal(out[290], 0);
		}
	}
	assert_int_equal(bounce_used(), 0);
}

static void test_short_and_fault(void **state)
{
	char buf[64];
	struct uio_seg seg = {(uint64_t)buf, 64};
	struct uio u = env_uio(&seg, 1, false);

	assert_int_equal(ftruncate(env_file, 10), 0);
	assert_int_equal(host_pread(env_file, &u, 64, 0), 10);
	assert_int_equal(u.resid, 54); /* advanced by the result */
	assert_int_equal(host_pread(env_file, &u, 54, 10), 0);
	seg.addr = 0;
	u = env_uio(&seg, 1, false);
	assert_int_equal(host_pwrite(env_file, &u, 64, 0), -EFAULT);
	assert_int_equal(u.resid, 64);
	assert_int_equal(host_pread(1000, &u, 64, 0), -EBADF);
	assert_int_equal(bounce_used(), 0);
}

static void test_big(void **state)
{
	size_t size = HOSTCALL_BUF_MAX + 4096;
	char *buf = calloc(1, size);
	struct uio_seg seg = {(uint64_t)buf, size};
	struct uio u = env_uio(&seg, 1, false);

	assert_int_equal(host_pwrite(env_file, &u, size, 0), HOSTCALL_BUF_MAX);
	assert_int_equal(u.resid, 4096);
	assert_int_equal(host_log(buf, size), -E2BIG);
	assert_int_equal(host_log(buf, UINT64_MAX), -E2BIG);
	free(buf);
}

static void test_exitless(void **state)
{
	const struct hostcall_stats *st = hostcall_stats(HC_null);
	char in[100], out[100];
	struct uio_seg seg[2] = {{(uint64_t)in, 100}, {(uint64_t)out, 100}};
	struct uio u;
	int rounds = 0;

	memset(in, 'x', sizeof(in));
	/* The worker inherits its processor; on the same one it cannot help. */
	env_pin(1);
	hostcall_set_policy(HOSTCALL_RINGS);
	env_pin(0);
	/* On a busy machine the worker may take its time to come. */
	while (st->rings < 200 && rounds++ < 10000000) {
		assert_int_equal(host_null(0), 0);
		if (rounds % 4096 == 0)
			usleep(1000);
	}
	for (int i = 0; i < 100; i++) {
		u = env_uio(&seg[0], 1, false);
		assert_int_equal(host_pwrite(env_file, &u, 100, 0), 100);
		memset(out, 0, sizeof(out));
		u = env_uio(&seg[1], 1, false);
		assert_int_equal(host_pread(env_file, &u, 100, 0), 100);
		assert_memory_equal(in, out, 100);
	}
	print_message("%lu by ring, %lu by exit; best %ld and %ld ticks\n",
		st->rings, st->exits, (long)hostcall_costs()->ring,
		(long)hostcall_costs()->exit);
	assert_true(st->rings >= 200);
	hostcall_set_policy(HOSTCALL_EXITS);
}

/* A worker that says it polls and never answers: exits serve the ring. */
static void test_worker_stands_still(void **state)
{
	uint64_t *polling = (uint64_t *)(env_region + RING_CPUS + RING_POLLING);
	uint64_t served = serve_count(env_server, HC_null), waits;

	hostcall_set_policy(HOSTCALL_RINGS);
	assert_int_equal(host_ring_poll(0), 0);
	while (__atomic_load_n(polling, __ATOMIC_ACQUIRE))
		usleep(100);
	waits = serve_count(env_server, HC_ring_wait);
	served = serve_count(env_server, HC_null);
	for (int i = 0; i < 1000; i++) {
		*polling = 1; /* the worker may still say that it stops */
		assert_int_equal(host_null(0), 0);
	}
	assert_int_equal(serve_count(env_server, HC_null) - served, 1000);
	/* After some it does without the ring. */
	waits = serve_count(env_server, HC_ring_wait) - waits;
	assert_true(waits >= 8 && waits < 32);
	*polling = 0;
	hostcall_set_policy(HOSTCALL_EXITS);
}

/* ---- lies ---- */

static int64_t lie_value;

static void lie_result(uint64_t *done)
{
	done[RING_DONE_RESULT] = (uint64_t)lie_value;
}

static void lie_id(uint64_t *done)
{
	done[RING_DONE_ID] += (uint64_t)lie_value;
}

static void call_kick(void)
{
	host_kick(0);
}

static void call_null(void)
{
	host_null(0);
}

static void call_pread(void)
{
	char buf[64];
	struct uio_seg seg = {(uint64_t)buf, 64};
	struct uio u = env_uio(&seg, 1, false);

	host_pread(env_file, &u, 64, 0);
}

static void test_bad_results(void **state)
{
	static const int64_t zero_lies[] = {1, INT64_MAX, INT64_MIN, -4095,
		-4096, -EINTR, -EFAULT, -512, -ENOENT, 0x100000000};
	static const int64_t size_lies[] = {
		65, INT64_MAX, INT64_MIN, -ENOENT, -ECONNREFUSED, -134};
	char buf[64];
	struct uio_seg seg = {(uint64_t)buf, 64};
	struct uio u = env_uio(&seg, 1, false);

	for (size_t i = 0; i < sizeof(zero_lies) / 8; i++) {
		lie_value = zero_lies[i];
		env_lie = lie_result;
		assert_true(env_stops(call_kick));
		assert_non_null(strstr(env_stop_text, "kick"));
	}
	for (size_t i = 0; i < sizeof(size_lies) / 8; i++) {
		lie_value = size_lies[i];
		env_lie = lie_result;
		assert_true(env_stops(call_pread));
	}
	lie_value = -EIO;
	env_lie = lie_result;
	assert_int_equal(host_pread(env_file, &u, 64, 0), -EIO);
	env_lie = NULL;
}

static void test_bad_ids(void **state)
{
	for (lie_value = -70; lie_value < 70; lie_value++) {
		if (!lie_value)
			continue;
		env_lie = lie_id;
		assert_true(env_stops(call_null));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_structs),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_short_and_fault),
		cmocka_unit_test(test_big),
		cmocka_unit_test(test_exitless),
		cmocka_unit_test(test_worker_stands_still),
		cmocka_unit_test(test_bad_results),
		cmocka_unit_test(test_bad_ids),
	};

	return cmocka_run_group_tests(tests, env_setup, NULL);
}
