/* SPDX-License-Identifier: Apache-2.0 */
/* The clock's side towards boot and scheduler; all others: kernel/time.h. */
#pragma once

#include <stdint.h>

/* Reads the host's clock once. tsc_khz is the host's word for the rate.
 * 0, -EINVAL: impossible rate, or the error of the host call. */
int clock_init(uint64_t tsc_khz);
/* Fills the vDSO's page for the first time. */
void clock_publish(void);
/* Compares with the host if that has not been done for a second; then it is
 * a sleep point. */
void clock_sync(uint64_t now);
