/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stub -> shared region -> server -> validator, all in one process. The exit
 * is a function call; a hook between serving and returning plays the hostile
 * host. The process's %gs points at a struct cpu as in the enclave.
 */
#include "kernel/hostcall.h"

#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi/ring.h"
#include "host/serve.h"
#include "kernel/bounce.h"
#include "kernel/cpu.h"
#include "kernel/klog.h"
#include "kernel/shared.h"
#include "kernel/uaccess.h"
#include "kernel/uio.h"
#include "test/unit/unit.h"

enum { REGION_SIZE = 8 << 20 };

static struct cpu cpu;
static char *region;
static struct serve *server;
static jmp_buf stopped;
static bool may_stop;
static char stop_text[256];
static void (*lie)(uint64_t *slot_done);
static int file;

/* ---- what the kernel's parts expect around them ---- */

uint64_t enclave_exit_call(uint64_t arg)
{
	serve_exit_call(server, cpu.index);
	if (lie)
		lie((uint64_t *)(region + RING_CPUS + RING_SLOT_DONE));
	return 0;
}

void bkl_lock(void)
{
}

void bkl_unlock(void)
{
}

int sched_runnable(void)
{
	return 0;
}

void sched_yield(void)
{
}

static void stop(const char *fmt, va_list ap)
{
	vsnprintf(stop_text, sizeof(stop_text), fmt, ap);
	if (!may_stop) {
		fprintf(stderr, "stopped: %s\n", stop_text);
		abort();
	}
	longjmp(stopped, 1);
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	may_stop = false;
	stop(fmt, ap);
	abort();
}

void panic_host(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	stop(fmt, ap);
	abort();
}

int user_write(uint64_t dst, const void *src, size_t size)
{
	if (!dst)
		return -EFAULT;
	memcpy((void *)dst, src, size);
	return 0;
}

int user_read(void *dst, uint64_t src, size_t size)
{
	if (!src)
		return -EFAULT;
	memcpy(dst, (const void *)src, size);
	return 0;
}

int user_write_words(uint64_t dst, uint64_t src, size_t words)
{
	assert_int_equal(src & 7, 0);
	return user_write(dst, (const void *)src, words * 8);
}

int user_read_words(uint64_t dst, uint64_t src, size_t words)
{
	assert_int_equal(dst & 7, 0);
	return user_read((void *)dst, src, words * 8);
}

void uio_skip(struct uio *u, size_t n)
{
	assert_true(n <= u->resid);
	u->resid -= n;
	while (n) {
		size_t m = u->seg->size - u->seg_done;

		if (m > n)
			m = n;
		u->seg_done += m;
		n -= m;
		if (u->seg_done == u->seg->size) {
			u->seg++;
			u->seg_count--;
			u->seg_done = 0;
		}
	}
}

static struct uio make_uio(struct uio_seg *seg, size_t count, bool kernel)
{
	struct uio u = {.seg = seg, .seg_count = count, .kernel = kernel};

	for (size_t i = 0; i < count; i++)
		u.resid += seg[i].size;
	return u;
}

/* True if the enclave stops with -EPROTO in fn; ends the lie. */
static bool stops(void (*fn)(void))
{
	stop_text[0] = '\0';
	may_stop = true;
	if (!setjmp(stopped))
		fn();
	may_stop = false;
	lie = NULL;
	return stop_text[0] != '\0';
}

/* ---- tests ---- */

static void test_scalars(void **state)
{
	assert_int_equal(host_null(7), 0);
	assert_int_equal(host_thread_start(0), -ENOSYS);
	assert_int_equal(host_kick(99), -EINVAL);
	assert_int_equal(serve_count(server, HC_null), 1);
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
			u = make_uio(seg, 3, a & 1);
			assert_int_equal(host_pwrite(file, &u, 300, 5), 300);
			assert_int_equal(u.resid, 0);
			memset(out, 0, sizeof(out));
			assert_int_equal(pread(file, out, 300, 5), 300);
			assert_memory_equal(in, out, 300);
			memset(out, 0, sizeof(out));
			seg[0] = (struct uio_seg){(uint64_t)out, b};
			seg[1] = (struct uio_seg){(uint64_t)out + b, a};
			seg[2] = (struct uio_seg){
				(uint64_t)out + a + b, 290 - a - b};
			u = make_uio(seg, 3, b & 1);
			assert_int_equal(host_pread(file, &u, 300, 5), 290);
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
	struct uio u = make_uio(&seg, 1, false);

	assert_int_equal(ftruncate(file, 10), 0);
	assert_int_equal(host_pread(file, &u, 64, 0), 10);
	assert_int_equal(u.resid, 54); /* advanced by the result */
	assert_int_equal(host_pread(file, &u, 54, 10), 0);
	seg.addr = 0;
	u = make_uio(&seg, 1, false);
	assert_int_equal(host_pwrite(file, &u, 64, 0), -EFAULT);
	assert_int_equal(u.resid, 64);
	assert_int_equal(host_pread(1000, &u, 64, 0), -EBADF);
	assert_int_equal(bounce_used(), 0);
}

static void test_big(void **state)
{
	size_t size = HOSTCALL_BUF_MAX + 4096;
	char *buf = calloc(1, size);
	struct uio_seg seg = {(uint64_t)buf, size};
	struct uio u = make_uio(&seg, 1, false);

	assert_int_equal(host_pwrite(file, &u, size, 0), HOSTCALL_BUF_MAX);
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
	hostcall_set_policy(HOSTCALL_RINGS);
	/* On a busy machine the worker may take its time to come. */
	while (st->rings < 200 && rounds++ < 10000000) {
		assert_int_equal(host_null(0), 0);
		if (rounds % 4096 == 0)
			usleep(1000);
	}
	for (int i = 0; i < 100; i++) {
		u = make_uio(&seg[0], 1, false);
		assert_int_equal(host_pwrite(file, &u, 100, 0), 100);
		memset(out, 0, sizeof(out));
		u = make_uio(&seg[1], 1, false);
		assert_int_equal(host_pread(file, &u, 100, 0), 100);
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
	uint64_t *polling = (uint64_t *)(region + RING_CPUS + RING_POLLING);
	uint64_t served = serve_count(server, HC_null), waits;

	hostcall_set_policy(HOSTCALL_RINGS);
	assert_int_equal(host_ring_poll(0), 0);
	while (__atomic_load_n(polling, __ATOMIC_ACQUIRE))
		usleep(100);
	*polling = 1;
	waits = serve_count(server, HC_ring_wait);
	served = serve_count(server, HC_null);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(host_null(0), 0);
	assert_int_equal(serve_count(server, HC_null) - served, 1000);
	/* After some it does without the ring. */
	waits = serve_count(server, HC_ring_wait) - waits;
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
	struct uio u = make_uio(&seg, 1, false);

	host_pread(file, &u, 64, 0);
}

static void test_bad_results(void **state)
{
	static const int64_t zero_lies[] = {1, INT64_MAX, INT64_MIN, -4095,
		-4096, -EINTR, -EFAULT, -512, -ENOENT, 0x100000000};
	static const int64_t size_lies[] = {
		65, INT64_MAX, INT64_MIN, -ENOENT, -ECONNREFUSED, -134};
	char buf[64];
	struct uio_seg seg = {(uint64_t)buf, 64};
	struct uio u = make_uio(&seg, 1, false);

	for (size_t i = 0; i < sizeof(zero_lies) / 8; i++) {
		lie_value = zero_lies[i];
		lie = lie_result;
		assert_true(stops(call_kick));
		assert_non_null(strstr(stop_text, "kick"));
	}
	for (size_t i = 0; i < sizeof(size_lies) / 8; i++) {
		lie_value = size_lies[i];
		lie = lie_result;
		assert_true(stops(call_pread));
	}
	lie_value = -EIO;
	lie = lie_result;
	assert_int_equal(host_pread(file, &u, 64, 0), -EIO);
	lie = NULL;
}

static void test_bad_ids(void **state)
{
	for (lie_value = -70; lie_value < 70; lie_value++) {
		if (!lie_value)
			continue;
		lie = lie_id;
		assert_true(stops(call_null));
	}
}

static int setup(void **state)
{
	char name[] = "/tmp/unit-hostcall-XXXXXX";

	region = mmap(NULL, REGION_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (region == MAP_FAILED)
		return -1;
	cpu.self = &cpu;
	if (syscall(SYS_arch_prctl, ARCH_SET_GS, &cpu))
		return -1;
	server = serve_new(region, REGION_SIZE, 1, NULL, NULL);
	hostcall_init((uint64_t)region, REGION_SIZE);
	/* Descriptor 0 is the enclave's from the start. */
	file = 0;
	int fd = mkstemp(name);

	if (fd < 0 || dup2(fd, 0) < 0)
		return -1;
	close(fd);
	return unlink(name);
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

	return cmocka_run_group_tests(tests, setup, NULL);
}
