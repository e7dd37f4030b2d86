/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Variables in texts of a policy: $$SCONE::NAME[:FORMAT][|escape(json)]$$, and
 * @@N in arguments: what the host gave as its argument N, from 1 on.
 *
 * NAME has letters, digits and "_-.~"; FORMAT also ':'. The one name with
 * colons is "self::software_identity". "$$" in front of anything else, and "@@"
 * that no digit follows, are just text.
 */
#pragma once

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/schema.h"

/* Appends the value of a variable; format "" if there is none. */
typedef int subst_fn(void *arg, const char *name, const char *format,
	struct buf *out, struct err *e);

/*
 * Appends text with its variables replaced. lookup NULL: every variable is an
 * error. host: arguments 1.. of the host; NULL: "@@" is just text. -EINVAL:
 * malformed, argument missing; what lookup gives. A value is never looked at
 * for further variables.
 */
must_check int subst(const char *text, subst_fn *lookup, void *arg,
	const struct text_list *host, struct buf *out, struct err *e);

/* True if the text is one variable and nothing else. */
bool subst_is_variable(const char *text);
/* The N of each @@N once: -EINVAL if one is there twice or is none. */
must_check int subst_check_host(const struct text_list *texts, struct err *e);

/* Calls found() for each variable without replacing anything; its result, if
 * not 0, ends the search and is returned. -EINVAL: malformed. */
typedef int subst_found_fn(void *arg, const char *name, const char *format);
must_check int subst_each(
	const char *text, subst_found_fn *found, void *arg, struct err *e);
