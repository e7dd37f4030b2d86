/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"

int cmd_help_of(const struct cmd *c)
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
	static char help[] = "--help";
	struct err e;

	for (const struct cmd *c = cmd_table; name != NULL; c++) {
		if (c->name == NULL) {
			err_setf(&e, 0,
				"'%s' is not a command; `sconce help` lists "
				"the "
				"commands",
				name);
			return cmd_fail(&e, CMD_FAILED);
		}
		if (strcmp(c->name, name) != 0)
			continue;
		if (argc == 2 || !c->own_program)
			return cmd_help_of(c);
		return c->run(3, (char *[]){argv[1], argv[2], help, NULL});
	}
	printf("usage: sconce COMMAND [...]\n\n"
	       "Runs unmodified Linux programs inside SGX enclaves.\n\n");
	for (const struct cmd *c = cmd_table; c->name != NULL; c++)
		printf("  %-10s %s\n", c->name, c->help);
	printf("\n`sconce COMMAND --help` explains one.\n");
	return CMD_OK;
}
