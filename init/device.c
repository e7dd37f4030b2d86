/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "init/device.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPORT_DATA "/dev/attestation/user_report_data"
#define QUOTE "/dev/attestation/quote"

enum { QUOTE_MAX = 16384 };

static int fail(struct err *e, const char *path)
{
	int code = errno ? -errno : -EIO;

	return err_setf(e, code, "%s: %s", path, strerror(-code));
}

static int write_all(const char *path, const void *data, size_t size, int *keep,
	struct err *e)
{
	int fd = open(path, (keep ? O_RDWR : O_WRONLY) | O_CLOEXEC);
	int ret = 0;
	ssize_t n;

	if (fd < 0)
		return fail(e, path);
	errno = 0;
	n = write(fd, data, size);
	if (n != (ssize_t)size)
		ret = fail(e, path);
	if (keep)
		*keep = fd;
	else
		close(fd);
	return ret;
}

int device_evidence(
	const uint8_t report_data[64], struct buf *out, struct err *e)
{
	uint8_t quote[QUOTE_MAX];
	int ret = write_all(REPORT_DATA, report_data, 64, NULL, e), fd;
	ssize_t n = 1;

	if (ret < 0)
		return ret;
	fd = open(QUOTE, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(e, QUOTE);
	while (n > 0) {
		n = read(fd, quote, sizeof(quote));
		if (n > 0)
			buf_add(out, quote, (size_t)n);
	}
	if (n < 0)
		ret = fail(e, QUOTE);
	close(fd);
	return ret;
}

/* The kernel's answer, whole. */
static int read_answer(int fd, struct buf *answer, struct err *e)
{
	uint8_t chunk[1024];
	ssize_t n;

	do {
		errno = 0;
		n = read(fd, chunk, sizeof(chunk));
		if (n > 0)
			buf_add(answer, chunk, (size_t)n);
	} while (n > 0 && answer->size <= SERVICE_ANSWER_MAX);
	OPENSSL_cleanse(chunk, sizeof(chunk));
	if (n < 0)
		return fail(e, SERVICE_CONFIGURE);
	if (buf_check(answer) < 0 || answer->size > SERVICE_ANSWER_MAX ||
		answer->size <= sizeof(struct service_answer) ||
		answer->data[answer->size - 1] != '\0')
		return err_setf(e, -EPROTO,
			"%s: an answer of %zu bytes; wanted texts",
			SERVICE_CONFIGURE, answer->size);
	return 0;
}

/* The next text, or NULL. */
static char *next_text(char **at, const char *end)
{
	char *text = *at;

	if (text >= end)
		return NULL;
	*at = text + strlen(text) + 1;
	return text;
}

static int split(struct device_program *p, struct err *e)
{
	struct service_answer *a = p->memory;
	char *at = a->text, *end = (char *)p->memory + p->size;
	size_t room = (size_t)(end - at);
	bool good = a->argc < room && a->envc < room;

	if (good) {
		p->argv = calloc(a->argc + 1, sizeof(*p->argv));
		p->envp = calloc(a->envc + 1, sizeof(*p->envp));
		if (!p->argv || !p->envp)
			return err_setf(e, -ENOMEM, "no memory");
		p->path = next_text(&at, end);
	}
	for (size_t i = 0; good && i < a->argc; i++) {
		p->argv[i] = next_text(&at, end);
		good = p->argv[i] != NULL;
	}
	for (size_t i = 0; good && i < a->envc; i++) {
		p->envp[i] = next_text(&at, end);
		good = p->envp[i] != NULL;
	}
	if (!good || !p->path)
		return err_setf(e, -EPROTO, "%s: an answer with too few texts",
			SERVICE_CONFIGURE);
	return 0;
}

int device_configure(
	const struct bytes *config, struct device_program *p, struct err *e)
{
	struct buf answer = {.secret = true};
	struct service_answer *a;
	struct err why = {0};
	int fd = -1, ret, written;

	*p = (struct device_program){0};
	written = write_all(
		SERVICE_CONFIGURE, config->data, config->size, &fd, e);
	if (fd < 0)
		return written;
	ret = read_answer(fd, &answer, &why);
	close(fd);
	if (ret < 0) {
		buf_fini(&answer);
		/* The write knows better, if it failed. */
		if (written == 0)
			*e = why;
		return written < 0 ? written : ret;
	}
	p->memory = answer.data;
	p->size = answer.size;
	a = p->memory;
	if (a->status != 0 || written < 0) {
		if (a->status != 0)
			err_setf(
				e, written < 0 ? written : -EIO, "%s", a->text);
		ret = e->code;
		device_program_fini(p);
		return ret;
	}
	return split(p, e);
}

void device_program_fini(struct device_program *p)
{
	if (p->memory)
		OPENSSL_cleanse(p->memory, p->size);
	free(p->memory);
	free(p->argv);
	free(p->envp);
	*p = (struct device_program){0};
}

int device_tags_open(struct err *e)
{
	int fd = open(SERVICE_TAGS, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? fail(e, SERVICE_TAGS) : fd;
}

int device_tags_read(int fd, struct service_tag_request *r, unsigned max)
{
	ssize_t n = read(fd, r, max * sizeof(*r));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return (int)((size_t)n / sizeof(*r));
}

void device_tags_reply(int fd, uint64_t id, int status)
{
	struct service_tag_reply reply = {.id = id, .status = status};

	/* Never fails for requests that were read, and are answered once. */
	if (write(fd, &reply, sizeof(reply)) != sizeof(reply))
		fprintf(stderr, "sconce: %s: %s\n", SERVICE_TAGS,
			strerror(errno));
}

int device_secrets_open(struct err *e)
{
	int fd = open(SERVICE_SECRETS, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? fail(e, SERVICE_SECRETS) : fd;
}

int device_secret_read(int fd, struct service_secret_request *r)
{
	ssize_t n = read(fd, r, DEVICE_SECRET_SIZE);

	if (n < (ssize_t)sizeof(*r) || (size_t)n != sizeof(*r) + r->size)
		return 0;
	r->name[sizeof(r->name) - 1] = '\0';
	return 1;
}

void device_secret_reply(
	int fd, uint64_t id, int status, const struct bytes *value)
{
	struct service_secret_reply reply = {.id = id, .status = status};
	struct buf b = {.secret = true};

	if (value->size > SERVICE_SECRET_REPLY_MAX)
		reply.status = -EFBIG;
	else if (status == 0)
		reply.size = value->size;
	buf_add(&b, &reply, sizeof(reply));
	buf_add(&b, value->data, reply.size);
	/* Who asked may be gone, which is no matter; without memory here he
	 * gives up after a time. */
	if (buf_check(&b) == 0 && write(fd, b.data, b.size) < 0 &&
		errno != ENOENT)
		fprintf(stderr, "sconce: %s: %s\n", SERVICE_SECRETS,
			strerror(errno));
	buf_fini(&b);
}

int device_finish(struct err *e)
{
	return write_all(SERVICE_FINISH, "1", 1, NULL, e);
}
