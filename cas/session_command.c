/* SPDX-License-Identifier: Apache-2.0 */
/* A command as one text: split as a shell does, and nothing else of a shell. */
#include "cas/session_command.h"

#include <errno.h>

#include "lib/string.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Behind a backslash between double quotes, only these are special. */
static bool is_escapable(char c)
{
	return c == '"' || c == '\\' || c == '$' || c == '`';
}

/* One word from *at on, to out, which has room for it. */
static int take_word(const char **at, char *out, struct err *e)
{
	const char *p = *at;
	char quote = 0;

	for (; *p != '\0' && (quote || !is_space(*p)); p++) {
		if (quote && *p == quote) {
			quote = 0;
		} else if (!quote && (*p == '\'' || *p == '"')) {
			quote = *p;
		} else if (*p == '\\' && quote != '\'' &&
			(quote == 0 || is_escapable(p[1]))) {
			if (*++p == '\0')
				return err_setf(
					e, -EINVAL, "a backslash at the end");
			*out++ = *p;
		} else {
			*out++ = *p;
		}
	}
	if (quote)
		return err_setf(
			e, -EINVAL, "a quote %c that does not end", quote);
	*out = '\0';
	*at = p;
	return 0;
}

int session_command_next(
	const char **at, char *word, bool *found, struct err *e)
{
	while (is_space(**at))
		++*at;
	*found = **at != '\0';
	return *found ? take_word(at, word, e) : 0;
}
