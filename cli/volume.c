/* SPDX-License-Identifier: Apache-2.0 */
/* `sconce volume`: starts sconce-volume (volume_main.c), which is beside us. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "host/files.h"

int cmd_volume(int argc, char **argv)
{
	struct err e;
	int fd = files_open("sconce-volume", &e);

	(void)argc;
	if (fd < 0)
		return cmd_fail(&e, CMD_FAILED);
	fexecve(fd, argv, environ);
	err_setf(&e, -errno, "sconce-volume: %s", strerror(errno));
	close(fd);
	return cmd_fail(&e, CMD_FAILED);
}
