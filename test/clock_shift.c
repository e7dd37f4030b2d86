/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock-shift.so, for LD_PRELOAD: clocks of a program that tests set. The file
 * that CLOCK_SHIFT names has two numbers of 64 bits: seconds by which
 * wall-clock time is off, and seconds to add to CLOCK_MONOTONIC, which must
 * only grow.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift(void)
{
	static const int64_t none[2];
	static const volatile int64_t *found;
	const char *path;
	void *p = MAP_FAILED;
	int fd = -1;

	if (found)
		return found;
	path = getenv("CLOCK_SHIFT");
	if (path)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		p = mmap(NULL, sizeof(none), PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
	}
	found = p == MAP_FAILED ? none : p;
	return found;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	int ret = (int)syscall(SYS_clock_gettime, id, t);

	if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
		t->tv_sec += shift()[0];
	else if (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE ||
		id == CLOCK_BOOTTIME)
		t->tv_sec += shift()[1];
	return ret;
}

time_t time(time_t *out)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	if (out)
		*out = t.tv_sec;
	return t.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	*out = (struct timeval){t.tv_sec, t.tv_nsec / 1000};
	return 0;
}
