/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for the launcher until host/ has one: refuses, plainly. */
#include <errno.h>

#include "host/launch.h"

int host_run(const struct launch *l, int *wait_status, struct err *e)
{
	(void)wait_status;
	return err_setf(e, -ENOSYS,
		"%s: not run: this build has no launcher yet", l->program);
}
