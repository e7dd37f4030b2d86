/* SPDX-License-Identifier: Apache-2.0 */
/* For `sconce cas attest` without --collateral: fetched for this evidence, by
 * the program that fetches for all. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/child.h"
#include "cli/client.h"
#include "cli/write_file.h"

enum { OUTPUT_MAX = 1 << 16 };

static int fetch(const char *const *argv, bool emulated, struct err *e)
{
	struct child child;
	int ret = child_run("sconce", argv, OUTPUT_MAX, false, &child, e);

	if (ret)
		return ret;
	free(child.text);
	if (!child.status)
		return 0;
	return err_setf(e, -EIO,
		"there is nothing to judge its platform with%s: %s (or give "
		"--collateral DIR, a folder of `sconce collateral fetch`)",
		emulated ? "" : "; --emulated if it is an emulated one",
		child.why);
}

int client_collateral_get(struct client_collateral *c, const void *evidence,
	size_t size, bool emulated, struct err *e)
{
	const char *real[] = {
		"sconce", "collateral", "fetch", "--quote", NULL, c->dir, NULL};
	const char *own[] = {
		"sconce", "collateral", "fetch", "--emulated", c->dir, NULL};
	char quote[80];
	int ret;

	snprintf(c->top, sizeof(c->top), "/tmp/sconce-attest-XXXXXX");
	if (!mkdtemp(c->top)) {
		ret = err_setf(e, -errno, "/tmp: no folder can be made there");
		c->top[0] = '\0';
		return ret;
	}
	snprintf(c->dir, sizeof(c->dir), "%s/collateral", c->top);
	snprintf(quote, sizeof(quote), "%s/quote", c->top);
	real[4] = quote;
	ret = emulated ? 0 : write_file(quote, evidence, size, e);
	return ret ? ret : fetch(emulated ? own : real, emulated, e);
}

void client_collateral_drop(struct client_collateral *c)
{
	const char *remove[] = {"rm", "-rf", c->top, NULL};
	struct child child;

	if (c->top[0] &&
		!child_run("/bin/rm", remove, OUTPUT_MAX, true, &child, NULL))
		free(child.text);
}
