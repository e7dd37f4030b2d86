/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CLOCK_MONOTONIC and CLOCK_REALTIME from the TSC.
 *
 * The host supplies pairs (TSC, time). Between two of them time is a straight
 * line; at each new one the line bends so that the error is worked off within
 * a second, and it never falls (S-31): the clock's value at the bend is the
 * old line's. A host that lies can make the clock too fast or too slow, not
 * run backwards, not even by setting the TSC back. (The vDSO keeps no state:
 * there it can, between two bends.)
 */
#include "kernel/time.h"

#include <errno.h>

#include "kernel/clock.h"
#include "kernel/hostcall.h"
#include "kernel/klog.h"
#include "kernel/vvar.h"
#include "lib/types.h"

#define SYNC_INTERVAL_NS NSEC_PER_SEC
/* 146 years: longer than any machine is up, and no sum of two wraps. */
#define NS_MAX ((uint64_t)1 << 62)
/* Slopes outside of this are refused: a TSC between 100 MHz and 100 GHz. */
#define MULT_MIN ((uint64_t)1 << 32 >> 7)
#define MULT_MAX ((uint64_t)10 << 32)

static struct {
	uint64_t tsc_base, mult, base_ns, real_offset;
} line;
static uint64_t first_tsc, first_ns; /* for the long-term rate */
static uint64_t next_sync;

static uint64_t line_at(uint64_t tsc)
{
	uint64_t ticks = tsc > line.tsc_base ? tsc - line.tsc_base : 0;

	return line.base_ns +
		(uint64_t)((unsigned __int128)ticks * line.mult >> 32);
}

/* What was said last: the host can set the TSC back, or so far ahead that the
 * line wraps. Cpus that race here differ by what their reading takes. */
static uint64_t latest;

static uint64_t not_before_latest(uint64_t ns)
{
	uint64_t last = __atomic_load_n(&latest, __ATOMIC_RELAXED);

	if (unlikely(ns < last || ns > NS_MAX))
		return last;
	__atomic_store_n(&latest, ns, __ATOMIC_RELAXED);
	return ns;
}

uint64_t time_mono_ns(void)
{
	return not_before_latest(line_at(__builtin_ia32_rdtsc()));
}

uint64_t time_coarse_ns(void)
{
	return __atomic_load_n(&latest, __ATOMIC_RELAXED);
}

uint64_t time_real_ns(void)
{
	return time_mono_ns() + line.real_offset;
}

static void publish(void)
{
	struct vvar *v = vvar;
	uint32_t seq;

	if (!v)
		return;
	seq = v->seq | 1;
	__atomic_store_n(&v->seq, seq, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	v->tsc_base = line.tsc_base;
	v->mult = line.mult;
	v->base_ns = line.base_ns;
	v->real_offset = line.real_offset;
	v->coarse_ns = 4000000;
	v->valid = 1;
	__atomic_store_n(&v->seq, seq + 1, __ATOMIC_RELEASE);
}

/* One reading whose TSC lies between two of our own. */
static int read_host(struct host_clock *h)
{
	uint64_t before = __builtin_ia32_rdtsc(), after;
	int err = (int)host_clock_read(h);

	if (err)
		return err;
	if (h->monotonic_ns > NS_MAX / 2 || h->realtime_ns > INT64_MAX)
		panic_host("time of %lu ns", (unsigned long)h->monotonic_ns);
	after = __builtin_ia32_rdtsc();
	if (h->tsc < before || h->tsc > after)
		h->tsc = after;
	return 0;
}

/* a * b / c without intermediate overflow; UINT64_MAX if it does not fit. */
static uint64_t mul_div(uint64_t a, uint64_t b, uint64_t c)
{
	unsigned __int128 p = (unsigned __int128)a * b;
	uint64_t hi = (uint64_t)(p >> 64), lo = (uint64_t)p;

	if (hi >= c)
		return UINT64_MAX;
	__asm__("divq %2" : "+a"(lo), "+d"(hi) : "r"(c) : "cc");
	return lo;
}

static uint64_t slope(uint64_t ns, uint64_t ticks)
{
	return mul_div(ns, (uint64_t)1 << 32, ticks);
}

int clock_init(uint64_t tsc_khz)
{
	struct host_clock h;
	int err = read_host(&h);

	if (err)
		return err;
	first_tsc = h.tsc;
	first_ns = h.monotonic_ns;
	line.tsc_base = h.tsc;
	line.base_ns = h.monotonic_ns;
	line.real_offset = h.realtime_ns - h.monotonic_ns;
	line.mult = tsc_khz ? slope(1000000, tsc_khz) : 0;
	if (line.mult < MULT_MIN || line.mult > MULT_MAX)
		return -EINVAL;
	next_sync = line.base_ns + SYNC_INTERVAL_NS;
	return 0;
}

void clock_publish(void)
{
	publish();
}

void clock_sync(uint64_t now)
{
	struct host_clock h;
	uint64_t rate, mult, ours, ahead;

	if (now < next_sync)
		return;
	next_sync = now + SYNC_INTERVAL_NS;
	if (read_host(&h))
		return;
	ours = not_before_latest(line_at(h.tsc));
	rate = h.monotonic_ns > first_ns && h.tsc > first_tsc
		? slope(h.monotonic_ns - first_ns, h.tsc - first_tsc)
		: line.mult;
	if (rate < MULT_MIN || rate > MULT_MAX)
		return;
	mult = rate;
	if (h.monotonic_ns > ours) {
		/* Behind: hurry, or jump if it is hopeless (the machine
		 * slept). */
		ahead = h.monotonic_ns - ours;
		if (ahead > NSEC_PER_SEC)
			ours = h.monotonic_ns;
		else
			mult = rate +
				mul_div(rate, ahead, 2 * SYNC_INTERVAL_NS);
	} else {
		ahead = ours - h.monotonic_ns;
		if (ahead > NSEC_PER_SEC)
			ahead = NSEC_PER_SEC;
		mult = rate - mul_div(rate, ahead, 2 * SYNC_INTERVAL_NS);
	}
	line.base_ns = ours;
	line.tsc_base = h.tsc;
	line.mult = mult;
	line.real_offset = h.realtime_ns - h.monotonic_ns;
	publish();
}
