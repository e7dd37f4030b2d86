/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `sconce volume`: tables of commands and options. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/volume_cmd.h"
#include "lib/fmt.h"

enum {
	OPT_KEY = 1,
	OPT_NEW_KEY = 2,
	OPT_PUBLIC = 4,
	OPT_AUTHENTICATED = 8,
	OPT_RECURSIVE = 16,
	OPT_DETAILS = 32,
	OPT_JSON = 64,
	OPT_ANY = 128,
	OPT_RESCUE = 256,
	OPT_RENEW = 512,
	OPT_TRUST = 1024,

	OPEN = OPT_KEY | OPT_PUBLIC | OPT_ANY,
	OPEN_READ = OPEN | OPT_RESCUE,
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): read as rows */
static const struct option_row {
	unsigned bit;
	const char *name;
	char letter;
	bool value;
	const char *help;
} options[] = {
	{OPT_KEY, "key-file", 'k', true,
		"FILE: the volume key, 32 bytes or 64 hexadecimal digits"},
	{OPT_NEW_KEY, "new-key", 0, true,
		"FILE: make a new key and keep it there (mode 0600)"},
	{OPT_PUBLIC, "public", 0, false,
		"the key of zeros, for volumes without secrets"},
	{OPT_AUTHENTICATED, "authenticated", 0, false,
		"contents are authenticated, not encrypted"},
	{OPT_RECURSIVE, "recursive", 'r', false, "directories with contents"},
	{OPT_DETAILS, "long", 'l', false, "modes, owners, sizes and times"},
	{OPT_JSON, "json", 0, false, "for programs"},
	{OPT_ANY, "no-rollback-protection", 0, false,
		"take the volume in whatever state it is; if it is changed, "
		"that is its state from then on"},
	{OPT_RESCUE, "rescue", 0, false,
		"pass by what is damaged (exit status 1); rollback is not "
		"looked for"},
	{OPT_RENEW, "renew", 0, false,
		"encrypt anew what older data keys have encrypted"},
	{OPT_TRUST, "trust", 0, false,
		"keep the tag: this state is the right one"},
};

static const struct command {
	const char *name, *synopsis, *help;
	unsigned options;
	int paths_min, paths_max; /* with the volume's directory */
	int (*run)(struct volume_args *a, struct err *e);
} commands[] = {
	{"create", "(--new-key FILE | --key-file FILE | --public) VOLUME",
		"make an empty volume in a directory",
		OPT_KEY | OPT_NEW_KEY | OPT_PUBLIC | OPT_AUTHENTICATED, 1, 1,
		volume_cmd_create},
	{"ls", "[-lr] [--json] VOLUME [PATH]", "list a directory",
		OPEN_READ | OPT_RECURSIVE | OPT_DETAILS | OPT_JSON, 1, 2,
		volume_cmd_ls},
	{"cat", "VOLUME PATH...", "write files to standard output", OPEN_READ,
		2, 0, volume_cmd_cat},
	{"put", "[-r] VOLUME FILE PATH", "copy a file into the volume",
		OPEN | OPT_RECURSIVE, 3, 3, volume_cmd_put},
	{"get", "[-r] VOLUME PATH FILE", "copy a file out of the volume",
		OPEN_READ | OPT_RECURSIVE, 3, 3, volume_cmd_get},
	{"rm", "[-r] VOLUME PATH...", "remove files", OPEN | OPT_RECURSIVE, 2,
		0, volume_cmd_rm},
	{"stat", "[--json] VOLUME [PATH]",
		"say what is known of a file, or of the volume",
		OPEN_READ | OPT_JSON, 1, 2, volume_cmd_stat},
	{"tag", "[--trust] [--json] VOLUME",
		"print the tag of the volume's state",
		OPEN | OPT_TRUST | OPT_JSON, 1, 1, volume_cmd_tag},
	{"verify", "[--json] VOLUME",
		"check every block; print what is damaged",
		OPEN_READ | OPT_JSON, 1, 1, volume_cmd_verify},
	{"rekey", "--new-key FILE VOLUME", "change the volume key",
		OPEN | OPT_NEW_KEY, 1, 1, volume_cmd_rekey},
	{"compact", "[--renew] VOLUME", "give unused space back to the host",
		OPEN | OPT_RENEW, 1, 1, volume_cmd_compact},
	{"export", "VOLUME [PATH] >TAR", "write a tar archive of the contents",
		OPEN_READ, 1, 2, volume_cmd_export},
	{"image", "[--new-key FILE | --key-file FILE] DIRECTORY IMAGE",
		"make a sealed image of a directory; print its hash",
		OPT_KEY | OPT_NEW_KEY | OPT_PUBLIC | OPT_JSON, 2, 2,
		volume_cmd_image},
	{"import", "VOLUME [PATH] <TAR", "unpack a tar archive into the volume",
		OPEN, 1, 2, volume_cmd_import},
};

int cmd_fail(const struct err *e, int status)
{
	fprintf(stderr, "sconce: %s\n", e->text);
	return status;
}

static int help_all(void)
{
	printf("usage: sconce volume COMMAND [OPTIONS] VOLUME [...]\n\n"
	       "Encrypted volumes in directories of the host. A key is needed "
	       "for all of it:\n--key-file FILE, or --public for the key of "
	       "zeros.\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].help);
	printf("\n`sconce volume COMMAND --help` explains one.\n");
	return CMD_OK;
}

static int help_one(const struct command *c)
{
	printf("usage: sconce volume %s %s\n\n%s\n\n", c->name, c->synopsis,
		c->help);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		char letter[8] = "    ";

		if (!(c->options & options[i].bit))
			continue;
		if (options[i].letter)
			fmt_print(letter, sizeof(letter), "-%c, ",
				options[i].letter);
		printf("  %s--%-24s %s\n", letter, options[i].name,
			options[i].help);
	}
	return CMD_OK;
}

static void set(struct volume_args *a, unsigned bit, const char *value)
{
	switch (bit) {
	case OPT_KEY:
		a->key_file = value;
		break;
	case OPT_NEW_KEY:
		a->new_key = value;
		break;
	case OPT_PUBLIC:
		a->public = true;
		break;
	case OPT_AUTHENTICATED:
		a->authenticated = true;
		break;
	case OPT_RECURSIVE:
		a->recursive = true;
		break;
	case OPT_DETAILS:
		a->details = true;
		break;
	case OPT_JSON:
		a->json = true;
		break;
	case OPT_ANY:
		a->any = true;
		break;
	case OPT_RESCUE:
		a->rescue = true;
		break;
	case OPT_RENEW:
		a->renew = true;
		break;
	case OPT_TRUST:
		a->trust = true;
		break;
	default:
		break;
	}
}

/* 1: help was asked for. */
static int parse(const struct command *c, int argc, char **argv,
	struct volume_args *a, struct err *e)
{
	struct option longs[ARRAY_SIZE(options) + 2] = {0};
	char shorts[2 * ARRAY_SIZE(options) + 3] = ":h", *s = shorts + 2;
	size_t count = 0;
	int option;

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (!(c->options & options[i].bit))
			continue;
		longs[count++] = (struct option){options[i].name,
			options[i].value ? required_argument : no_argument,
			NULL, 256 + (int)i};
		if (!options[i].letter)
			continue;
		*s++ = options[i].letter;
		if (options[i].value)
			*s++ = ':';
	}
	longs[count] = (struct option){"help", no_argument, NULL, 'h'};
	while ((option = getopt_long(argc, argv, shorts, longs, NULL)) >= 0) {
		if (option == 'h')
			return 1;
		if (option == '?' || option == ':')
			return err_setf(e, -EINVAL,
				"volume %s: %s%s; `sconce volume %s --help` "
				"lists the options",
				c->name, argv[optind - 1],
				option == ':' ? " needs a value"
					      : " is not known",
				c->name);
		for (size_t i = 0; i < ARRAY_SIZE(options); i++)
			if (option == 256 + (int)i ||
				(option < 256 && option == options[i].letter))
				set(a, options[i].bit, optarg);
	}
	a->path = argv + optind;
	a->paths = argc - optind;
	if (a->paths < c->paths_min ||
		(c->paths_max > 0 && a->paths > c->paths_max))
		return err_setf(e, -EINVAL, "usage: sconce volume %s %s",
			c->name, c->synopsis);
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "help";
	struct volume_args a = {0};
	struct err e = {0};
	int ret;

	if (!strcmp(name, "help") || !strcmp(name, "--help") ||
		!strcmp(name, "-h"))
		return help_all();
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		ret = parse(&commands[i], argc - 1, argv + 1, &a, &e);
		if (ret == 1)
			return help_one(&commands[i]);
		if (ret == 0)
			ret = commands[i].run(&a, &e);
		volume_progress_end();
		if (ret < 0)
			return cmd_fail(&e, CMD_FAILED);
		if (fflush(stdout) != 0 || ferror(stdout)) {
			err_setf(&e, -EIO, "standard output: %s",
				strerror(errno));
			return cmd_fail(&e, CMD_FAILED);
		}
		return ret;
	}
	err_setf(&e, 0,
		"'%s' is not a command of volumes; `sconce volume help` lists "
		"them",
		name);
	return cmd_fail(&e, CMD_FAILED);
}
