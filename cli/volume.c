/* SPDX-License-Identifier: Apache-2.0 */
/* `sconce volume` and `sconce image`: start sconce-volume (volume_main.c),
 * which is beside us. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
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

/* As `sconce volume image`. */
int cmd_image(int argc, char **argv)
{
	char **args = calloc((size_t)argc + 2, sizeof(*args));
	struct err e;

	if (args == NULL) {
		err_setf(&e, -ENOMEM, "no memory");
		return cmd_fail(&e, CMD_FAILED);
	}
	args[0] = argv[0];
	for (int i = 0; i < argc; i++)
		args[i + 1] = argv[i];
	return cmd_volume(argc + 1, args);
}
