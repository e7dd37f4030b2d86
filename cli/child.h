/* SPDX-License-Identifier: Apache-2.0 */
/* Programs beside this one that are started and listened to. */
#pragma once

#include "lib/err.h"

enum { CHILD_WHY = 400 };

struct child {
	char *text; /* what it wrote to standard output, NUL-terminated */
	size_t size;
	char why[CHILD_WHY + 1]; /* the beginning of its standard error */
	int status; /* of its exit; -1: it was killed */
};

/*
 * Runs `program` (a path, or a name beside this program), whose arguments are
 * args (argv[0] first, NULL at the end), to its end; out holds at most max
 * bytes, what is more ends it. keep_errors: its standard error is ours. 0
 * however it ended, else -errno. free(child->text).
 */
must_check int child_run(const char *program, const char *const *args,
	size_t max, bool keep_errors, struct child *child, struct err *e);
