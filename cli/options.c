/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "lib/fmt.h"
#include "lib/string.h"

void options_help(
	const struct command *c, const struct option_row *rows, size_t count)
{
	printf("usage: sconce %s %s\n\n%s\n\n", c->name, c->synopsis, c->help);
	for (size_t i = 0; i < count; i++) {
		char letter[8] = "    ", name[48];

		if (!(c->options & OPTION_BIT(i)))
			continue;
		if (rows[i].letter)
			fmt_print(letter, sizeof(letter), "-%c, ",
				rows[i].letter);
		fmt_print(name, sizeof(name), "%s%s%s", rows[i].name,
			rows[i].value != NULL ? " " : "",
			rows[i].value != NULL ? rows[i].value : "");
		printf("  %s--%-22s %s\n", letter, name, rows[i].help);
	}
	if (c->more != NULL)
		printf("\n%s\n", c->more);
}

void options_help_all(
	const char *group, const struct command *commands, size_t count)
{
	size_t len = strlen(group);

	printf("usage: sconce %s COMMAND [OPTIONS] ...\n\n", group);
	for (size_t i = 0; i < count; i++) {
		const struct command *c = &commands[i];

		if (strncmp(c->name, group, len) == 0 && c->name[len] == ' ')
			printf("  %-10s %.*s\n", c->name + len + 1,
				(int)strcspn(c->help, ".:;\n"), c->help);
	}
	printf("\n`sconce %s COMMAND --help` explains one.\n", group);
}

bool options_asks_help(const char *word)
{
	return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 ||
		strcmp(word, "-h") == 0;
}

static int take(const struct command *c, const struct option_row *row,
	size_t index, struct options *o, const char *value, struct err *e)
{
	if (row->repeated) {
		if (o->repeated_count == OPTIONS_REPEATED)
			return err_setf(e, -EINVAL,
				"%s: --%s more than %d times", c->name,
				row->name, OPTIONS_REPEATED);
		o->repeated[o->repeated_count++] = value;
	} else if (o->value[index] != NULL) {
		return err_setf(e, -EINVAL, "%s: --%s is there twice", c->name,
			row->name);
	}
	o->value[index] = row->value != NULL ? value : "";
	return 0;
}

/* The option of one of getopt's results; count: none. */
static size_t find(const struct command *c, const struct option_row *rows,
	size_t count, int result)
{
	for (size_t i = 0; i < count; i++)
		if (result == 256 + (int)i ||
			(result < 256 && result == rows[i].letter &&
				(c->options & OPTION_BIT(i))))
			return i;
	return count;
}

int options_parse(const struct command *c, const struct option_row *rows,
	size_t count, int argc, char **argv, struct options *o, struct err *e)
{
	struct option longs[OPTIONS_MAX + 2] = {0};
	char shorts[2 * OPTIONS_MAX + 3] = ":h", *s = shorts + 2;
	size_t n = 0;
	int result, ret = 0;

	*o = (struct options){0};
	for (size_t i = 0; i < count && i < OPTIONS_MAX; i++) {
		if (!(c->options & OPTION_BIT(i)))
			continue;
		longs[n++] = (struct option){rows[i].name,
			rows[i].value != NULL ? required_argument : no_argument,
			NULL, 256 + (int)i};
		if (!rows[i].letter)
			continue;
		*s++ = rows[i].letter;
		if (rows[i].value != NULL)
			*s++ = ':';
	}
	longs[n] = (struct option){"help", no_argument, NULL, 'h'};
	while (ret == 0 &&
		(result = getopt_long(argc, argv, shorts, longs, NULL)) >= 0) {
		size_t i = find(c, rows, count, result);

		if (result == 'h' && i == count) {
			options_help(c, rows, count);
			return 1;
		}
		if (result == '?' || result == ':' || i == count)
			return err_setf(e, -EINVAL,
				"%s: %s%s; `sconce %s --help` lists the "
				"options",
				c->name, argv[optind - 1],
				result == ':' ? " needs a value"
					      : " is not known",
				c->name);
		ret = take(c, &rows[i], i, o, optarg, e);
	}
	o->path = argv + optind;
	o->paths = argc - optind;
	if (ret == 0 && (o->paths < c->paths_min || o->paths > c->paths_max))
		return err_setf(e, -EINVAL, "usage: sconce %s %s", c->name,
			c->synopsis);
	return ret;
}
