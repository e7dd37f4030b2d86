/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines of programs with several commands, as tables: which options
 * there are, which command takes which. Parsing and `--help` follow from them.
 */
#pragma once

#include "lib/err.h"

enum { OPTIONS_MAX = 56, OPTIONS_REPEATED = 8 };

struct option_row {
	const char *name;
	char letter; /* 0: none */
	const char *value; /* what stands behind it; NULL: a flag */
	bool repeated; /* may be given OPTIONS_REPEATED times */
	const char *help;
};

/* Options are numbered by their row. */
#define OPTION_BIT(n) (UINT64_C(1) << (n))

struct options {
	/* NULL: not given; a flag that is given: "". */
	const char *value[OPTIONS_MAX];
	/* All values of the option with `repeated`: a command takes one such
	 * at most. */
	const char *repeated[OPTIONS_REPEATED];
	size_t repeated_count;
	char **path; /* what is no option; NULL at the end */
	int paths;
};

struct command {
	const char *name; /* as typed behind `sconce`, maybe of two words */
	const char *synopsis, *help;
	uint64_t options; /* OPTION_BIT()s */
	int paths_min, paths_max;
	/* Its exit status, or -errno with a text in e. NULL: another program's;
	 * it stands here to be listed. */
	int (*run)(struct options *o, struct err *e);
	const char *more; /* for --help, or NULL */
};

/*
 * 0; 1: help was asked for and printed; -EINVAL. argv[0] is the command's last
 * word.
 */
must_check int options_parse(const struct command *c,
	const struct option_row *rows, size_t count, int argc, char **argv,
	struct options *o, struct err *e);
void options_help(
	const struct command *c, const struct option_row *rows, size_t count);
/* `sconce GROUP help`: the commands of two words whose first one is group, each
 * with the beginning of its help. tools/completion reads this, too. */
void options_help_all(
	const char *group, const struct command *commands, size_t count);
/* Whether a word asks for help: help, --help, -h. */
bool options_asks_help(const char *word);
