/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times of the system-call interface: struct timespec counts nanoseconds
 * below the second, struct timeval microseconds. The unit is what one of them
 * is in nanoseconds.
 */
#pragma once

#include <linux/errno.h>

#include "kernel/time.h"
#include "kernel/uaccess.h"
#include "lib/types.h"

enum { TIMESPEC = 1, TIMEVAL = 1000 };

struct usertime {
	int64_t sec, frac;
};

/* -EINVAL: not a time. One that is too long becomes 146 years. */
static inline int usertime_ns(struct usertime t, uint64_t unit, uint64_t *ns)
{
	if (t.sec < 0 || t.frac < 0 || (uint64_t)t.frac >= NSEC_PER_SEC / unit)
		return -EINVAL;
	if (mul_overflows((uint64_t)t.sec, NSEC_PER_SEC, ns) ||
		add_overflows(*ns, (uint64_t)t.frac * unit, ns))
		*ns = UINT64_MAX / 4;
	*ns = u64_min(*ns, UINT64_MAX / 4);
	return 0;
}

static inline struct usertime usertime_from(uint64_t ns, uint64_t unit)
{
	return (struct usertime){(int64_t)(ns / NSEC_PER_SEC),
		(int64_t)(ns % NSEC_PER_SEC / unit)};
}

/* A struct timespec of the application. */
static inline int usertime_read(uint64_t u_from, uint64_t *ns)
{
	struct usertime t;

	return user_read(&t, u_from, sizeof(t)) ? -EFAULT
						: usertime_ns(t, TIMESPEC, ns);
}
