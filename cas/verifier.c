/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/verifier.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "attest/folder.h"
#include "lib/string.h"

enum { SETS_MAX = 64, PATH_SIZE = 1024 };

struct set {
	char path[PATH_SIZE];
	struct timespec changed; /* newest of its files when it was read */
	struct collateral *collateral;
	int64_t valid_until; /* as of the last evidence that fitted */
};

struct verifier {
	char path[PATH_SIZE];
	bool emulated;
	struct set *set[SETS_MAX];
	size_t count, last;
	struct verdict scratch;
};

static bool newer(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec
				    : a.tv_nsec > b.tv_nsec;
}

static bool path_join(char *out, const char *dir, const char *name)
{
	int n = snprintf(out, PATH_SIZE, "%s/%s", dir, name);

	return n >= 0 && n < PATH_SIZE;
}

/* When the newest of a folder's files changed; 0 s: it has none. */
static struct timespec folder_changed(const char *dir)
{
	struct timespec last = {0};
	char path[PATH_SIZE];

	for (size_t i = 0; collateral_names[i]; i++) {
		struct stat st;

		if (path_join(path, dir, collateral_names[i]) &&
			stat(path, &st) == 0 && newer(st.st_mtim, last))
			last = st.st_mtim;
	}
	return last;
}

static int load(const struct verifier *v, const char *path,
	struct collateral **out, struct err *e)
{
	struct trust trust = {0};
	struct attest_file root = {0};
	struct attest_folder folder;
	struct span root_span;
	struct stat st;
	char name[PATH_SIZE];
	int ret = attest_folder_read(&folder, path, e);

	if (ret)
		return ret;
	if (v->emulated && path_join(name, path, "root_ca.pem") &&
		stat(name, &st) == 0) {
		ret = attest_file_read(&root, "root certificate", name, e);
		root_span = (struct span){root.data, root.size};
		trust = (struct trust){
			.roots = &root_span, .root_count = 1, .emulated = true};
	}
	if (!ret)
		ret = collateral_new(&folder.files, &trust, out, e);
	free(root.data);
	attest_folder_free(&folder);
	return ret;
}

static struct set *set_find(const struct verifier *v, const char *path)
{
	for (size_t i = 0; i < v->count; i++)
		if (strcmp(v->set[i]->path, path) == 0)
			return v->set[i];
	return NULL;
}

static struct set *set_add(struct verifier *v, const char *path)
{
	struct set *s = v->count < SETS_MAX ? calloc(1, sizeof(*s)) : NULL;

	if (!s)
		return NULL;
	if (string_copy(s->path, sizeof(s->path), path)) {
		free(s);
		return NULL;
	}
	s->valid_until = INT64_MAX;
	v->set[v->count++] = s;
	return s;
}

/* Reads a folder if it has collateral, and other than before. */
static int refresh_set(struct verifier *v, const char *path, struct err *e)
{
	struct timespec changed = folder_changed(path);
	struct set *s = set_find(v, path);
	struct collateral *c;
	int ret;

	if (!changed.tv_sec || (s && !newer(changed, s->changed)))
		return 0;
	ret = load(v, path, &c, e);
	if (ret)
		return ret;
	if (!s)
		s = set_add(v, path);
	if (!s) {
		collateral_free(c);
		return err_setf(e, -ENOSPC,
			"collateral %s: more than %d sets, or no memory", path,
			SETS_MAX);
	}
	collateral_free(s->collateral);
	s->collateral = c;
	s->changed = changed;
	s->valid_until = INT64_MAX;
	return 0;
}

static int refresh(struct verifier *v, struct err *e)
{
	int ret = refresh_set(v, v->path, e);
	DIR *d = opendir(v->path);
	struct dirent *entry;
	char path[PATH_SIZE];

	if (!d)
		return err_setf(e, -errno, "collateral %s: %s", v->path,
			strerror(errno));
	while ((entry = readdir(d))) {
		struct stat st;
		int err;

		if (entry->d_name[0] == '.' ||
			!path_join(path, v->path, entry->d_name) ||
			stat(path, &st) || !S_ISDIR(st.st_mode))
			continue;
		err = refresh_set(v, path, ret ? NULL : e);
		if (!ret)
			ret = err;
	}
	closedir(d);
	return ret;
}

int verifier_new(
	const char *path, bool emulated, struct verifier **out, struct err *e)
{
	struct verifier *v = calloc(1, sizeof(*v));
	int ret;

	if (!v)
		return err_setf(e, -ENOMEM, "collateral: no memory");
	v->emulated = emulated;
	ret = string_copy(v->path, sizeof(v->path), path);
	if (ret)
		err_setf(e, ret, "collateral %.60s...: too long", path);
	else
		ret = refresh(v, e);
	if (ret) {
		verifier_free(v);
		return ret;
	}
	*out = v;
	return 0;
}

void verifier_free(struct verifier *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->count; i++) {
		collateral_free(v->set[i]->collateral);
		free(v->set[i]);
	}
	free(v);
}

/* Judged by set i; a set of another platform has failures. */
static int check_by(struct verifier *v, size_t i, const struct span *evidence,
	int64_t at, struct verdict *out, struct err *e)
{
	struct evidence_options options = {.at = at};
	int ret = evidence_verify(evidence->data, evidence->size,
		v->set[i]->collateral, &options, out, e);

	if (!ret && !out->failure_count) {
		v->last = i;
		v->set[i]->valid_until = out->valid_until;
	}
	return ret;
}

int verifier_check(void *arg, const void *evidence, size_t size, int64_t at,
	struct verdict *verdict, struct err *e)
{
	struct span span = {evidence, size};
	struct verifier *v = arg;
	size_t first = v->last;
	int ret;

	if (!v->count)
		return err_setf(e, -ENODATA,
			"collateral %s: nothing there to judge evidence with; "
			"`sconce collateral fetch` gets it",
			v->path);
	ret = check_by(v, first, &span, at, verdict, e);
	/* The verdict that is told is the one with the fewest objections: of
	 * the set of this platform, if there is one. */
	for (size_t i = 0; i < v->count && !ret && verdict->failure_count;
		i++) {
		if (i == first)
			continue;
		ret = check_by(v, i, &span, at, &v->scratch, e);
		if (!ret && v->scratch.failure_count < verdict->failure_count)
			*verdict = v->scratch;
	}
	return ret;
}

void verifier_refresh(struct verifier *v, void (*say)(const char *text))
{
	struct err e = {0};

	if (refresh(v, &e) && say)
		say(e.text);
}

int64_t verifier_valid_until(const struct verifier *v)
{
	int64_t until = INT64_MAX;

	for (size_t i = 0; i < v->count; i++)
		if (v->set[i]->valid_until < until)
			until = v->set[i]->valid_until;
	return until;
}
