/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vDSO: clock calls that never enter the kernel. Runs as application
 * code; uses the page described in kernel/vvar.h, which lies right below the
 * image, and struct cpu for the processor's number.
 *
 * What it cannot answer goes to the kernel through the entry that rewritten
 * system calls use, so that it costs no trap.
 */
#include <stddef.h>
#include <stdint.h>

#include "kernel/cpu.h"
#include "kernel/vvar.h"

enum {
	CLOCK_REALTIME = 0,
	CLOCK_MONOTONIC = 1,
	CLOCK_MONOTONIC_RAW = 4,
	CLOCK_REALTIME_COARSE = 5,
	CLOCK_MONOTONIC_COARSE = 6,
	CLOCK_BOOTTIME = 7,
	CLOCK_TAI = 11,

	SYS_gettimeofday = 96,
	SYS_time = 201,
	SYS_clock_gettime = 228,
	SYS_clock_getres = 229,
	SYS_getcpu = 309,
};

struct timespec {
	int64_t sec, nsec;
};

struct timeval {
	int64_t sec, usec;
};

struct timezone {
	int32_t minuteswest, dsttime;
};

#define NS 1000000000ull
#define EXPORT __attribute__((visibility("default")))

/* What libc looks up, and the same under the names of libc. */
#define ALIAS(name) \
	__attribute__((weak, alias("__vdso_" #name), visibility("default")))

int __vdso_clock_gettime(int clock, struct timespec *ts);
int __vdso_clock_getres(int clock, struct timespec *res);
int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz);
int64_t __vdso_time(int64_t *t);
long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);
int clock_gettime(int clock, struct timespec *ts) ALIAS(clock_gettime);
int clock_getres(int clock, struct timespec *res) ALIAS(clock_getres);
int gettimeofday(struct timeval *tv, struct timezone *tz) ALIAS(gettimeofday);
int64_t time(int64_t *t) ALIAS(time);
long getcpu(unsigned *cpu, unsigned *node, void *unused) ALIAS(getcpu);

extern const volatile struct vvar vvar_page
	__attribute__((visibility("hidden")));

static long kernel_call(long nr, long a, long b)
{
	long r;

	__asm__ volatile(
		"lea 1f(%%rip), %%rcx\n\t"
		"jmp *%%gs:%c[entry]\n"
		"1:"
		: "=a"(r)
		: "a"(nr), "D"(a), "S"(b), [entry] "i"(CPU_SYSCALL_ENTRY)
		: "rcx", "r11", "memory", "cc");
	return r;
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	/* The fence keeps the read behind earlier loads. */
	__asm__ volatile("lfence\n\trdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

/* CLOCK_MONOTONIC and the way to CLOCK_REALTIME. 0: ask the kernel. */
static inline int read_clock(uint64_t *mono, uint64_t *real_offset)
{
	const volatile struct vvar *v = &vvar_page;
	uint64_t tsc, base, mult, ns, offset;
	uint32_t seq;

	do {
		seq = __atomic_load_n(&v->seq, __ATOMIC_ACQUIRE);
		if (!v->valid)
			return 0;
		tsc = v->tsc_base;
		mult = v->mult;
		base = v->base_ns;
		offset = v->real_offset;
		ns = rdtsc();
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (
		(seq & 1) || seq != __atomic_load_n(&v->seq, __ATOMIC_RELAXED));
	ns = ns > tsc ? ns - tsc : 0;
	*mono = base + (uint64_t)(((unsigned __int128)ns * mult) >> 32);
	*real_offset = offset;
	return 1;
}

static inline void put(struct timespec *ts, uint64_t ns)
{
	ts->sec = (int64_t)(ns / NS);
	ts->nsec = (int64_t)(ns % NS);
}

EXPORT int __vdso_clock_gettime(int clock, struct timespec *ts)
{
	uint64_t mono, offset;

	switch (clock) {
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		if (!read_clock(&mono, &offset))
			break;
		put(ts, mono);
		return 0;
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_TAI:
		if (!read_clock(&mono, &offset))
			break;
		put(ts, mono + offset);
		return 0;
	default:
		break;
	}
	return (int)kernel_call(SYS_clock_gettime, clock, (long)ts);
}

EXPORT int __vdso_clock_getres(int clock, struct timespec *res)
{
	return (int)kernel_call(SYS_clock_getres, clock, (long)res);
}

EXPORT int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz)
{
	uint64_t mono, offset, us;

	if (!read_clock(&mono, &offset))
		return (int)kernel_call(SYS_gettimeofday, (long)tv, (long)tz);
	us = (mono + offset) / 1000;
	if (tv) {
		tv->sec = (int64_t)(us / 1000000);
		tv->usec = (int64_t)(us % 1000000);
	}
	if (tz)
		tz->minuteswest = tz->dsttime = 0;
	return 0;
}

EXPORT int64_t __vdso_time(int64_t *t)
{
	uint64_t mono, offset;
	int64_t now;

	if (!read_clock(&mono, &offset))
		return kernel_call(SYS_time, (long)t, 0);
	now = (int64_t)((mono + offset) / NS);
	if (t)
		*t = now;
	return now;
}

EXPORT long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
	unsigned index;

	__asm__ volatile("mov %%gs:%c1, %0"
			 : "=r"(index)
			 : "i"(offsetof(struct cpu, index)));
	if (cpu)
		*cpu = index;
	if (node)
		*node = 0;
	return 0;
}
