/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks and timers inside the enclave.
 *
 * Time comes from the TSC, scaled by factors the host supplied and clamped
 * so that it never runs backwards (S-31). It is the host's word.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define NSEC_PER_SEC 1000000000ull

uint64_t time_mono_ns(void); /* CLOCK_MONOTONIC */
/* The same, late by a tick at most: for ages of seconds. */
uint64_t time_coarse_ns(void);
uint64_t time_real_ns(void); /* CLOCK_REALTIME, since 1970 */

/*
 * A one-shot timer on the kernel's heap of deadlines. fn runs under the big
 * kernel lock on whatever enclave thread notices, must not sleep, and may set
 * the timer again. A zeroed struct timer with fn set is ready for use.
 */
struct timer {
	uint64_t deadline; /* time_mono_ns() */
	void (*fn)(struct timer *t);
	uint32_t index; /* place in the heap + 1; 0: not armed */
};

/* Arms or re-arms. -ENOMEM when the heap cannot grow. */
int timer_set(struct timer *t, uint64_t deadline);
void timer_cancel(struct timer *t);
static inline bool timer_armed(const struct timer *t)
{
	return t->index != 0;
}

/* For the scheduler: runs what is due; returns the next deadline. */
uint64_t timers_run(uint64_t now);
uint64_t timers_next(void); /* the next deadline, NO_DEADLINE if none */
