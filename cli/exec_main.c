/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/exec_cmd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"

/* The one command for people is the other. */
int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "token") == 0)
		return cmd_token(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "exec") == 0)
		return cmd_native(argc - 1, argv + 1);
	fprintf(stderr, "sconce: `sconce exec` starts this program\n");
	return CMD_FAILED;
}

int cmd_fail(const struct err *e, int status)
{
	fprintf(stderr, "sconce: %s\n", e->text);
	return status;
}
