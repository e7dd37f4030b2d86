/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/http_get.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "cli/child.h"
#include "lib/string.h"

enum { ANSWER_MAX = (1 << 20) + (64 << 10) + 64 };

/* text: NUL-terminated, of that size. */
static int split(const char *url, char *text, size_t size,
	struct http_answer *answer, struct err *e)
{
	char *line = strchr(text, '\n'), *end = line, *p;
	unsigned long status = strtoul(text, NULL, 10);

	/* Up to the empty line; a header's lines end with "\r\n". */
	while (end != NULL && end[1] != '\n')
		end = strchr(end + 1, '\n');
	if (line == NULL || end == NULL)
		return err_setf(e, -EPROTO, "%s: no answer", url);
	end[1] = '\0';
	answer->text = text;
	answer->header = line + 1;
	answer->body = (const uint8_t *)end + 2;
	answer->body_size = size - (size_t)(end + 2 - text);
	if (status == 200)
		return 0;
	for (p = end + 2; *p != '\0'; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	return err_setf(e, -EIO, "%.200s%s: status %lu%s%.120s", url,
		strnlen(url, 201) > 200 ? "..." : "", status,
		answer->body_size > 0 ? ": " : "", end + 2);
}

int http_get(const char *url, const char *ca_file, struct http_answer *answer,
	struct err *e)
{
	const char *with_ca[] = {
		"sconce-fetch", "--ca-file", ca_file, url, NULL};
	const char *plain[] = {"sconce-fetch", url, NULL};
	struct child child;
	int ret = child_run("sconce-fetch", ca_file != NULL ? with_ca : plain,
		ANSWER_MAX, false, &child, e);

	*answer = (struct http_answer){0};
	if (ret < 0)
		return ret;
	if (child.status != 0)
		ret = err_setf(e, -EIO, "%s",
			child.why[0] != '\0'
				? child.why
				: "sconce-fetch: did not end well");
	else
		ret = split(url, child.text, child.size, answer, e);
	if (ret < 0) {
		free(child.text);
		answer->text = NULL;
	}
	return ret;
}

static int digit(char c)
{
	return c >= '0' && c <= '9'    ? c - '0'
		: c >= 'a' && c <= 'f' ? c - 'a' + 10
		: c >= 'A' && c <= 'F' ? c - 'A' + 10
				       : -1;
}

/* In place; false: a '%' without two digits, or one that is a NUL. */
static bool percent_decode(char *text)
{
	char *out = text;

	for (; *text != '\0'; text++) {
		if (*text != '%') {
			*out++ = *text;
			continue;
		}
		if (digit(text[1]) < 0 || digit(text[2]) < 0)
			return false;
		*out = (char)(digit(text[1]) << 4 | digit(text[2]));
		if (*out++ == '\0')
			return false;
		text += 2;
	}
	*out = '\0';
	return true;
}

char *http_header(const struct http_answer *answer, const char *name)
{
	size_t len = strlen(name);
	const char *line = answer->header;

	while (line != NULL && *line != '\0') {
		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			const char *value = line + len + 1;
			size_t size;
			char *text;

			value += strspn(value, " \t");
			size = strcspn(value, "\r\n");
			text = strndup(value, size);
			if (text != NULL && percent_decode(text))
				return text;
			free(text);
			return NULL;
		}
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	return NULL;
}
