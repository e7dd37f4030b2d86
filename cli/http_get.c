/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/http_get.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/files.h"
#include "lib/string.h"

enum { ANSWER_MAX = (1 << 20) + (64 << 10) + 64, WHY_MAX = 400 };

/* The child's side: never returns. */
static void become(
	int fd, int out, int err, const char *url, const char *ca_file)
{
	const char *args[] = {"sconce-fetch", "--ca-file", ca_file, url, NULL};
	const char *plain[] = {"sconce-fetch", url, NULL};

	if (dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0)
		fexecve(fd,
			(char *const *)(uintptr_t)(ca_file != NULL ? args
								   : plain),
			environ);
	_exit(127);
}

/* Up to max bytes; the rest, of which there should be none, is not waited
 * for. Returns the number. */
static size_t read_some(int fd, char *data, size_t max)
{
	size_t got = 0;

	while (got < max) {
		ssize_t n = read(fd, data + got, max - got);

		if (n > 0)
			got += (size_t)n;
		else if (n == 0 || errno != EINTR)
			break;
	}
	return got;
}

/* Starts the program; *out and *why: what it writes. */
static pid_t start(
	const char *url, const char *ca_file, int *out, int *why, struct err *e)
{
	int o[2], w[2], fd = files_open("sconce-fetch", e);
	pid_t pid;

	if (fd < 0)
		return -1;
	if (pipe2(o, O_CLOEXEC) != 0) {
		err_setf(e, -errno, "pipe: %s", strerror(errno));
		close(fd);
		return -1;
	}
	if (pipe2(w, O_CLOEXEC) != 0) {
		err_setf(e, -errno, "pipe: %s", strerror(errno));
		close(fd);
		close(o[0]);
		close(o[1]);
		return -1;
	}
	pid = fork();
	if (pid == 0)
		become(fd, o[1], w[1], url, ca_file);
	if (pid < 0)
		err_setf(e, -errno, "fork: %s", strerror(errno));
	close(fd);
	close(o[1]);
	close(w[1]);
	*out = o[0];
	*why = w[0];
	if (pid < 0) {
		close(*out);
		close(*why);
	}
	return pid;
}

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
	return err_setf(e, -EIO, "%s: status %lu%s%.120s", url, status,
		answer->body_size > 0 ? ": " : "", end + 2);
}

int http_get(const char *url, const char *ca_file, struct http_answer *answer,
	struct err *e)
{
	char why[WHY_MAX + 1], *text = malloc(ANSWER_MAX + 1);
	int out, err, status = -1, ret;
	size_t size, len;
	pid_t pid;

	*answer = (struct http_answer){0};
	if (text == NULL)
		return err_setf(e, -ENOMEM, "no memory");
	pid = start(url, ca_file, &out, &err, e);
	if (pid < 0) {
		free(text);
		return e->code;
	}
	/* It writes at most WHY_MAX or so to the one before the other. */
	size = read_some(out, text, ANSWER_MAX);
	close(out);
	len = read_some(err, why, WHY_MAX);
	close(err);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	text[size] = '\0';
	why[len] = '\0';
	why[strcspn(why, "\n")] = '\0';
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		ret = err_setf(e, -EIO, "%s",
			why[0] != '\0' ? why
				       : "sconce-fetch: did not end well");
	else
		ret = split(url, text, size, answer, e);
	if (ret < 0) {
		free(text);
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
