/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lying host's launcher says in the log that it came to its end: that
 * tells a program that died of a signal from a launcher that did.
 */
#include "host/hostile.h"
#include "host/launch.h"

int __real_host_run(const struct launch *l, int *wait_status, struct err *e);
int __wrap_host_run(const struct launch *l, int *wait_status, struct err *e);

int __wrap_host_run(const struct launch *l, int *wait_status, struct err *e)
{
	int err = __real_host_run(l, wait_status, e);

	hostile_log_end(err, err ? 0 : *wait_status);
	return err;
}
