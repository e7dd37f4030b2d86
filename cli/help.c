/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"

static int explain(const struct cmd *c)
{
	if (!c->own_program)
		printf("usage: sconce %s %s\n\n%s\n", c->name, c->synopsis,
			c->help);
	if (c->print_options != NULL)
		c->print_options();
	return CMD_OK;
}

int cmd_help(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;
	struct err e;

	for (const struct cmd *c = cmd_table; name != NULL; c++) {
		if (c->name == NULL) {
			err_setf(&e, 0, "'%s' is not a command", name);
			return cmd_fail(&e, CMD_FAILED);
		}
		if (strcmp(c->name, name) == 0)
			return explain(c);
	}
	printf("usage: sconce COMMAND [...]\n\n"
	       "Runs unmodified Linux programs inside SGX enclaves.\n\n");
	for (const struct cmd *c = cmd_table; c->name != NULL; c++)
		printf("  %-10s %s\n", c->name, c->help);
	return CMD_OK;
}
