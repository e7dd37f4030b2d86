/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What members of a board sign: plain text, so that they see what it is.
 *
 *	sconce-cas-change-1
 *	update
 *	shop/db
 *	PREDECESSOR (64 hexadecimal digits, or "none")
 *	HASH (64 hexadecimal digits)
 *
 * Names of sessions have no line breaks, so no two changes have one text.
 */
#include <errno.h>
#include <string.h>

#include "cas/engine.h"
#include "lib/bytes.h"

int engine_message(const char *action, const char *session,
	const uint8_t *predecessor, const uint8_t hash[static 32],
	struct buf *out)
{
	char before[2 * 32 + 1] = "none", after[2 * 32 + 1];

	if (strchr(session, '\n') || strchr(action, '\n'))
		return -EINVAL;
	if (predecessor)
		bytes_to_hex(predecessor, 32, before);
	bytes_to_hex(hash, 32, after);
	buf_format(out, "sconce-cas-change-1\n%s\n%s\n%s\n%s\n", action,
		session, before, after);
	return buf_check(out);
}
