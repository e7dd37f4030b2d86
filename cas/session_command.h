/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of a command that is one text. Quotes and backslashes as in sh(1);
 * variables, patterns, redirections and pipes are just text.
 */
#pragma once

#include "lib/err.h"

/*
 * The next word from *at on, into word, which has room for as many bytes as
 * the text has left and a NUL. *found false: there is none. -EINVAL.
 */
must_check int session_command_next(
	const char **at, char *word, bool *found, struct err *e);
