/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See tsc.h. The kernel's own rate is in the user page of a perf event
 * (perf_event_open(2): time_mult, time_shift), if events are allowed here.
 * CPUID 15H (SDM vol. 2A) may leave a virtual machine, which takes longer.
 * What remains is to measure.
 */
#include "host/tsc.h"

#include <cpuid.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MEASURE_NS = 1000000 };

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t t0, c0;

/* From tsc_start() to now. */
static uint64_t measure(void)
{
	uint64_t t1, c1;

	do {
		t1 = now_ns();
		c1 = __builtin_ia32_rdtsc();
	} while (t1 - t0 < MEASURE_NS);
	return (c1 - c0) * 1000000u / (t1 - t0);
}

void tsc_start(void)
{
	t0 = now_ns();
	c0 = __builtin_ia32_rdtsc();
}

/* 0: not to be had. */
static uint64_t from_perf(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};
	int fd = (int)syscall(
		SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	struct perf_event_mmap_page *page;
	uint64_t khz = 0;

	if (fd < 0)
		return 0;
	page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED,
		fd, 0);
	close(fd);
	if (page == MAP_FAILED)
		return 0;
	if (page->cap_user_time && page->time_mult)
		khz = ((unsigned __int128)1000000 << page->time_shift) /
			page->time_mult;
	munmap(page, (size_t)sysconf(_SC_PAGESIZE));
	return khz;
}

uint64_t tsc_khz(void)
{
	unsigned int a, b, c, d;
	uint64_t khz;

	khz = from_perf();
	if (khz)
		return khz;
	if (__get_cpuid(0x15, &a, &b, &c, &d) && a && b && c)
		return (uint64_t)c * b / a / 1000;
	return measure();
}
