/* SPDX-License-Identifier: Apache-2.0 */
/* Quotes, from the node's quoting service (`sconce las`, or Intel's AESM). */
#include <errno.h>
#include <stdio.h>

#include "host/aesm.h"
#include "host/serve.h"

static const char *service; /* NULL: where host/aesm.h looks */

void serve_quote_from(const char *path)
{
	service = path;
}

/* To the operator, who can mend it; the program gets the number only. */
static int64_t explain(int err, const struct err *e)
{
	if (err && err != -EAGAIN)
		fprintf(stderr, "sconce: no quote: %s\n", e->text);
	/* For the program a file of that name is there. */
	return err == -ENOENT ? -ECONNREFUSED : err;
}

int64_t serve_quote_target(struct serve *s, const uint64_t *a)
{
	struct err e = {0};

	return explain(
		aesm_target(service, (struct sgx_targetinfo *)a[0], &e), &e);
}

int64_t serve_quote(struct serve *s, const uint64_t *a)
{
	struct err e = {0};
	size_t size = 0;
	int err = aesm_quote(service, (const struct sgx_report *)a[0],
		(void *)a[1], a[2], &size, &e);

	return err ? explain(err, &e) : (int64_t)size;
}
