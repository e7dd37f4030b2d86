/* SPDX-License-Identifier: Apache-2.0 */
/* What a program believes and accepts. */
#include "attest/api_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/string.h"

static void free_span(struct span *s)
{
	free((void *)(uintptr_t)s->data);
	*s = (struct span){0};
}

int api_error(struct sconce_error *to, const struct err *from)
{
	if (to) {
		to->code = from->code;
		_Static_assert(sizeof(to->text) == sizeof(from->text), "texts");
		memcpy(to->text, from->text, sizeof(to->text));
	}
	return from->code;
}

api_public struct sconce_verifier *sconce_verifier_new(void)
{
	struct sconce_verifier *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	if (pthread_mutex_init(&v->lock, NULL)) {
		free(v);
		return NULL;
	}
	v->refs = 1;
	return v;
}

struct sconce_verifier *api_verifier_ref(struct sconce_verifier *v)
{
	pthread_mutex_lock(&v->lock);
	v->refs++;
	pthread_mutex_unlock(&v->lock);
	return v;
}

api_public void sconce_verifier_free(struct sconce_verifier *v)
{
	unsigned left;

	if (!v)
		return;
	pthread_mutex_lock(&v->lock);
	left = --v->refs;
	pthread_mutex_unlock(&v->lock);
	if (left)
		return;
	collateral_free(v->collateral);
	for (size_t i = 0; collateral_names[i]; i++)
		free_span(collateral_file(&v->files, i));
	for (size_t i = 0; i < v->root_count; i++)
		free_span(&v->roots[i]);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

/* What was made of the former files and roots is no longer right. */
static void forget(struct sconce_verifier *v)
{
	pthread_mutex_lock(&v->lock);
	collateral_free(v->collateral);
	v->collateral = NULL;
	pthread_mutex_unlock(&v->lock);
}

static must_check int copy_span(struct span *to, const char *name,
	const void *data, size_t size, struct err *e)
{
	void *copy;

	if (size > API_FILE_MAX)
		return err_setf(e, -EINVAL, "%s: %zu bytes; wanted at most %d",
			name, size, API_FILE_MAX);
	/* One byte more: an empty file is there too. */
	copy = malloc(size + 1);
	if (!copy)
		return err_setf(e, -ENOMEM, "%s: out of memory", name);
	if (size)
		memcpy(copy, data, size);
	free_span(to);
	to->data = copy;
	to->size = size;
	return 0;
}

static must_check int set_file(struct sconce_verifier *v, const char *name,
	const void *data, size_t size, struct err *e)
{
	for (size_t i = 0; collateral_names[i]; i++)
		if (!strcmp(collateral_names[i], name))
			return copy_span(collateral_file(&v->files, i), name,
				data, size, e);
	return err_set(e, -EINVAL, name, "not a name of collateral",
		"tcb_info.json, pck_crl.der, vcek.der, ...",
		"see sconce-attest(3)");
}

api_public int sconce_verifier_set_file(struct sconce_verifier *v,
	const char *name, const void *data, size_t size, struct sconce_error *e)
{
	struct err err = {0};

	forget(v);
	(void)!set_file(v, name, data, size, &err);
	return api_error(e, &err);
}

/* All of a file, up to a byte more than is allowed; malloc'ed. */
static must_check int read_all(int fd, char **data, size_t *size)
{
	ssize_t n;

	*size = 0;
	*data = malloc(API_FILE_MAX + 1);
	if (!*data)
		return -ENOMEM;
	do {
		n = read(fd, *data + *size, API_FILE_MAX + 1 - *size);
		if (n > 0)
			*size += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

/* 0, also if there is no such file. */
static must_check int load_file(struct sconce_verifier *v, int directory,
	const char *name, struct err *e)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC), rc;
	char *data;
	size_t size;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_setf(e, -errno, "%s: %s", name, strerror(errno));
	rc = read_all(fd, &data, &size);
	if (rc)
		rc = err_setf(e, rc, "%s: %s", name, strerror(-rc));
	else
		rc = set_file(v, name, data, size, e);
	free(data);
	close(fd);
	return rc;
}

api_public int sconce_verifier_load(struct sconce_verifier *v,
	const char *directory, struct sconce_error *e)
{
	struct err err = {0};
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;

	if (fd < 0) {
		err_setf(&err, -errno, "%s: %s", directory, strerror(errno));
		return api_error(e, &err);
	}
	forget(v);
	for (size_t i = 0; !rc && collateral_names[i]; i++)
		rc = load_file(v, fd, collateral_names[i], &err);
	if (rc)
		err_prefix(&err, "%s", directory);
	close(fd);
	return api_error(e, &err);
}

api_public int sconce_verifier_add_root(struct sconce_verifier *v,
	const void *data, size_t size, int emulated, struct sconce_error *e)
{
	struct err err = {0};

	forget(v);
	if (v->root_count == API_ROOTS_MAX)
		err_setf(&err, -EINVAL, "more than %d roots", API_ROOTS_MAX);
	else if (v->root_count && v->emulated != !!emulated)
		err_setf(&err, -EINVAL,
			"roots of emulated platforms and of others; wanted "
			"one verifier for each");
	else if (!copy_span(
			 &v->roots[v->root_count], "root", data, size, &err)) {
		v->root_count++;
		v->emulated = emulated;
	}
	return api_error(e, &err);
}

api_public int sconce_verifier_set_policy(struct sconce_verifier *v,
	const char *text, size_t size, struct sconce_error *e)
{
	struct err err = {0};

	v->has_policy = !appraise_parse(&v->policy, "policy", text, size, &err);
	return api_error(e, &err);
}

api_public void sconce_verifier_accept_any_program(struct sconce_verifier *v)
{
	v->any_program = true;
}

api_public void sconce_verifier_set_time(struct sconce_verifier *v, int64_t at)
{
	v->has_time = true;
	v->options.at = at;
}

api_public void sconce_verifier_ignore_crls(struct sconce_verifier *v)
{
	v->options.no_crl = true;
}

api_public int sconce_verifier_set_nonce(struct sconce_verifier *v,
	const void *nonce, size_t size, struct sconce_error *e)
{
	struct err err = {0};

	if (size < 1 || size > RATLS_NONCE_MAX) {
		err_setf(&err, -EINVAL, "nonce of %zu bytes; wanted 1 to %d",
			size, RATLS_NONCE_MAX);
	} else {
		memcpy(v->nonce, nonce, size);
		v->nonce_size = size;
	}
	return api_error(e, &err);
}
