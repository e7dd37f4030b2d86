/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/volume_cmd.h"

enum { LINKS_MAX = 40, PATH_SIZE = 4096 };

static mode_t mode_of(const struct volume_node *n)
{
	struct volume_attr a;

	volume_getattr(n, &a);
	return a.mode;
}

/* @n is replaced by its child (reference and all). */
static int step(struct volume_node **n, const char *name, size_t len)
{
	struct volume_node *next;
	int ret;

	if (!S_ISDIR(mode_of(*n)))
		return -ENOTDIR;
	if (len == 0 || (len == 1 && name[0] == '.'))
		return 0;
	if (len == 2 && name[0] == '.' && name[1] == '.')
		ret = volume_get(volume_of(*n), volume_parent(*n), &next);
	else if (len > VOL_NAME_MAX)
		ret = -ENAMETOOLONG;
	else
		ret = volume_lookup(*n, name, len, &next);
	if (ret < 0)
		return ret;
	volume_put(*n);
	*n = next;
	return 0;
}

/* From @n (which is replaced) along @path. */
static int walk(
	struct volume_node **n, const char *path, bool follow, unsigned *links)
{
	int ret = 0;

	if (path[0] == '/') {
		struct volume_node *root;

		ret = volume_get(volume_of(*n), VOL_OBJECT_ROOT, &root);
		if (ret < 0)
			return ret;
		volume_put(*n);
		*n = root;
	}
	while (ret == 0 && *path != '\0') {
		size_t len = strcspn(path, "/");
		const char *rest = path + len + strspn(path + len, "/");
		struct volume_node *dir = volume_hold(*n);
		char *target;

		ret = step(n, path, len);
		path = rest;
		if (ret == 0 && S_ISLNK(mode_of(*n)) &&
			(*path != '\0' || follow)) {
			ret = ++*links > LINKS_MAX
				? -ELOOP
				: volume_target_read(*n, &target);
			if (ret == 0) {
				volume_put(*n);
				*n = volume_hold(dir);
				ret = walk(n, target, true, links);
				free(target);
			}
		}
		volume_put(dir);
	}
	return ret;
}

int volume_path_get(struct volume *v, const char *path, bool follow,
	struct volume_node **out, struct err *e)
{
	unsigned links = 0;
	int ret = volume_get(v, VOL_OBJECT_ROOT, out);

	if (ret == 0) {
		ret = walk(out, path, follow, &links);
		if (ret < 0)
			volume_put(*out);
	}
	if (ret < 0)
		return err_setf(e, ret, "%s: %s", path, strerror(-ret));
	return 0;
}

int volume_path_parent(struct volume *v, const char *path,
	struct volume_node **dir, const char **name, size_t *len, struct err *e)
{
	size_t end = strlen(path), start;
	char *parent;
	int ret;

	while (end > 0 && path[end - 1] == '/')
		end--;
	for (start = end; start > 0 && path[start - 1] != '/';)
		start--;
	*name = path + start;
	*len = end - start;
	if (*len == 0 || *len > VOL_NAME_MAX ||
		(*len <= 2 && memcmp(*name, "..", *len) == 0))
		return err_setf(e, -EINVAL, "%s: not a name of a file", path);
	parent = strndup(path, start);
	if (parent == NULL)
		return err_setf(e, -ENOMEM, "no memory");
	ret = volume_path_get(v, parent, true, dir, e);
	free(parent);
	if (ret == 0 && !S_ISDIR(mode_of(*dir))) {
		volume_put(*dir);
		ret = err_setf(
			e, -ENOTDIR, "%s: its parent is not a directory", path);
	}
	return ret;
}

/* ---- directories ---- */

static int add_name(void *arg, const char *name, size_t len, uint64_t ino,
	uint32_t type, uint64_t next)
{
	struct volume_names *names = arg;
	struct volume_name *n;

	(void)type;
	(void)next;
	/* The library checks them; a name is also a path of the host here. */
	if (memchr(name, '/', len) != NULL || memchr(name, 0, len) != NULL)
		return -EBADMSG;
	if (names->count == names->room) {
		size_t room = names->room > 0 ? names->room * 2 : 64;
		void *list = realloc(names->list, room * sizeof(*names->list));

		if (list == NULL)
			return -ENOMEM;
		names->list = list;
		names->room = room;
	}
	n = &names->list[names->count];
	n->name = strndup(name, len);
	if (n->name == NULL)
		return -ENOMEM;
	n->len = len;
	n->ino = ino;
	names->count++;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct volume_name *)a)->name,
		((const struct volume_name *)b)->name);
}

int volume_names_read(struct volume_node *dir, struct volume_names *out)
{
	int ret;

	memset(out, 0, sizeof(*out));
	ret = volume_readdir(dir, 0, add_name, out);
	if (out->count > 1)
		qsort(out->list, out->count, sizeof(*out->list), compare_names);
	return ret;
}

void volume_names_free(struct volume_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->list[i].name);
	free(names->list);
	memset(names, 0, sizeof(*names));
}

int volume_target_read(struct volume_node *n, char **target)
{
	int64_t size;

	*target = malloc(PATH_SIZE);
	if (*target == NULL)
		return -ENOMEM;
	size = volume_readlink(n, *target, PATH_SIZE - 1);
	if (size >= 0 && size < PATH_SIZE) {
		(*target)[size] = '\0';
		return 0;
	}
	free(*target);
	return size < 0 ? (int)size : -ENAMETOOLONG;
}

char *volume_path_join(const char *dir, const char *name)
{
	size_t len = strlen(dir);
	char *path;

	if (asprintf(&path, "%s%s%s", dir,
		    len > 0 && dir[len - 1] != '/' ? "/" : "", name) < 0)
		return NULL;
	return path;
}
