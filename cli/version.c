/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"

void cmd_version_print_options(void)
{
	printf("\n      --json                   for programs\n");
}

int cmd_version(int argc, char **argv)
{
	struct err e;

	if (argc > 2 || (argc == 2 && strcmp(argv[1], "--json") != 0)) {
		err_setf(&e, 0, "version: unknown argument %s; wanted --json",
			argv[argc - 1]);
		return cmd_fail(&e, CMD_FAILED);
	}
	if (argc == 2)
		printf("{\"version\": \"%s\"}\n", SCONCE_VERSION);
	else
		printf("sconce %s\n", SCONCE_VERSION);
	return CMD_OK;
}
