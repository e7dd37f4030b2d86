/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/tcb_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/unit.h"

char *tcb_envelope(const char *member, const char *body)
{
	char *out;

	assert_true(asprintf(&out, "{\"%s\":%s,\"signature\":\"%0128d\"}",
			    member, body, 0) > 0);
	return out;
}

char *tcb_replace(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	char *out;

	if (!at)
		fail_msg("no %s in %s", from, text);
	assert_true(asprintf(&out, "%.*s%s%s", (int)(at - text), text, to,
			    at + strlen(from)) > 0);
	return out;
}
