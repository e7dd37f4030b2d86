/* SPDX-License-Identifier: Apache-2.0 */
/* `sconce las`: starts sconce-las (las_main.c), which is beside us. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "host/files.h"

int cmd_las(int argc, char **argv)
{
	struct err e;
	int fd = files_open("sconce-las", &e);

	(void)argc;
	if (fd < 0)
		return cmd_fail(&e, CMD_FAILED);
	fexecve(fd, argv, environ);
	err_setf(&e, -errno, "sconce-las: %s", strerror(errno));
	close(fd);
	return cmd_fail(&e, CMD_FAILED);
}
