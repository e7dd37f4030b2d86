/* SPDX-License-Identifier: Apache-2.0 */
/* `sconce audit fetch`: the log, for verification without CAS. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/client.h"
#include "lib/string.h"

bool client_checkpoint(const char *line, size_t size, uint64_t *seq)
{
	json_t *j = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
	const json_t *number = json_object_get(
		json_object_get(j, "checkpoint"), "seq");
	bool found = json_is_integer(number);

	*seq = (uint64_t)json_integer_value(number);
	json_decref(j);
	return found;
}

/* Of the last record: a page ends with its checkpoint. */
static uint64_t last_number(const struct buf *page)
{
	size_t at = page->size;
	uint64_t seq;

	if (at && page->data[at - 1] == '\n')
		at--;
	while (at && page->data[at - 1] != '\n')
		at--;
	return client_checkpoint(
		       (const char *)page->data + at, page->size - at, &seq)
		? seq
		: 0;
}

static int fetch(
	struct cas_client *c, uint64_t from, struct buf *out, struct err *e)
{
	bool told = isatty(STDERR_FILENO), any = false;
	struct cas_answer a;
	char path[64];
	int ret;

	for (;;) {
		uint64_t last;

		snprintf(path, sizeof(path), "/v1/audit/log?from=%" PRIu64,
			from);
		ret = cas_client_request(c, "GET", path, NULL, NULL, 0, &a, e);
		if (ret || !a.body.size)
			break;
		last = last_number(&a.body);
		if (last < from) {
			ret = err_setf(e, -EPROTO,
				"CAS's answer is not the log from record "
				"%" PRIu64,
				from);
			break;
		}
		buf_add(out, a.body.data, a.body.size);
		buf_fini(&a.body);
		from = last + 1;
		any = true;
		if (told)
			fprintf(stderr, "\rrecord %" PRIu64, last);
	}
	if (told && any)
		fputc('\n', stderr);
	buf_fini(&a.body);
	return ret;
}

int client_audit_fetch(struct options *o, struct err *e)
{
	const char *text = o->value[CLIENT_FROM];
	struct cas_client *c;
	struct buf out = {0};
	uint64_t from = 1;
	char *end = NULL;
	int ret;

	errno = 0;
	if (text)
		from = strtoull(text, &end, 10);
	if (!from || errno || (text && (*text == '-' || *end)))
		return err_setf(e, -EINVAL,
			"--from '%.40s': wanted a number, 1 for all of the log",
			text);
	ret = client_open(o, &c, e);
	if (ret)
		return ret;
	ret = fetch(c, from, &out, e);
	if (!ret)
		ret = buf_check(&out);
	if (!ret)
		ret = client_write(o, &out, e);
	buf_fini(&out);
	cas_client_free(c);
	return ret;
}
