/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sconce volume export` and `import`: tar archives (pax) on standard output
 * and input, with links, special files, holes, times to the nanosecond and
 * extended attributes. Whatever an archive says, it is unpacked inside of the
 * volume only, and never through a symbolic link.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "cli/volume_cmd.h"

enum {
	BUFFER_SIZE = 1 << 20,
	XATTR_NAMES_SIZE = 65536,
	XATTR_SIZE = 65536,
	DEPTH_MAX = 2000,
	SPARSE_MAX = 100000,
};

static uint8_t buffer[BUFFER_SIZE];

struct tar {
	const struct volume_args *args;
	struct volume *v;
	struct err *e;
	struct archive *archive;
	int status; /* 1: something was passed by */
	/* First names of files with several. */
	struct {
		uint64_t ino;
		char *path;
	} * links;
	size_t link_count, link_room;
	/* Directories whose times are set at the end. */
	struct {
		struct volume_node *node;
		struct volume_attr attr;
	} * dirs;
	size_t dir_count, dir_room;
};

static int fail(struct tar *t, const char *path, int ret)
{
	return err_setf(t->e, ret, "%s: %s", path, strerror(-ret));
}

static int fail_archive(struct tar *t, const char *path)
{
	const char *text = archive_error_string(t->archive);

	return err_setf(t->e, -EIO, "%s: %s", path,
		text != NULL ? text : "the archive cannot be read or written");
}

static int pass_by(struct tar *t, const char *path, int ret)
{
	if (!t->args->rescue || (ret != -EBADMSG && ret != -EIO))
		return fail(t, path, ret);
	volume_progress_end();
	fprintf(stderr, "sconce: %s: %s\n", path, strerror(-ret));
	t->status = 1;
	return 0;
}

/* One more element; the array may move. */
static int grow(void **list, size_t *room, size_t count, size_t size)
{
	void *more;

	if (count < *room)
		return 0;
	more = realloc(*list, (*room * 2 + 64) * size);
	if (more == NULL)
		return -ENOMEM;
	*list = more;
	*room = *room * 2 + 64;
	return 0;
}

/* ---- export ---- */

static const char *link_find(struct tar *t, uint64_t ino)
{
	for (size_t i = 0; i < t->link_count; i++)
		if (t->links[i].ino == ino)
			return t->links[i].path;
	return NULL;
}

static int link_add(struct tar *t, uint64_t ino, const char *path)
{
	void *list = t->links;
	int ret = grow(&list, &t->link_room, t->link_count, sizeof(*t->links));

	t->links = list;
	if (ret < 0)
		return ret;
	t->links[t->link_count].ino = ino;
	t->links[t->link_count].path = strdup(path);
	if (t->links[t->link_count].path == NULL)
		return -ENOMEM;
	t->link_count++;
	return 0;
}

static int export_xattrs(struct volume_node *n, struct archive_entry *entry)
{
	static char names[XATTR_NAMES_SIZE];
	static uint8_t value[XATTR_SIZE];
	int64_t size = volume_xattr_list(n, names, sizeof(names)), len;

	for (int64_t at = 0; at < size; at += (int64_t)strlen(names + at) + 1) {
		len = volume_xattr_get(n, names + at, value, sizeof(value));
		if (len < 0)
			return (int)len;
		archive_entry_xattr_add_entry(
			entry, names + at, value, (size_t)len);
	}
	return size < 0 ? (int)size : 0;
}

/* Where the data is, if not everywhere. */
static void export_holes(
	struct volume_node *n, struct archive_entry *entry, uint64_t size)
{
	uint64_t at = 0;

	for (unsigned i = 0; at < size && i < SPARSE_MAX; i++) {
		int64_t data = volume_seek(n, at, false), hole;

		hole = data >= 0 ? volume_seek(n, (uint64_t)data, true) : data;
		if (hole < 0 || (data == 0 && (uint64_t)hole >= size))
			break;
		archive_entry_sparse_add_entry(entry, data, hole - data);
		at = (uint64_t)hole;
	}
	if (at == 0 && size > 0 && volume_seek(n, 0, false) == -ENXIO)
		archive_entry_sparse_add_entry(entry, (int64_t)size, 0);
}

static int export_contents(
	struct tar *t, struct volume_node *n, const char *path, uint64_t size)
{
	uint64_t at = 0;

	while (at < size) {
		size_t want = u64_min(size - at, BUFFER_SIZE);
		int64_t got = volume_read(n, at, buffer, want);

		if (got < 0) {
			/* The archive's entry has its length already. */
			want = u64_min(size - at,
				VOL_BLOCK_SIZE - at % VOL_BLOCK_SIZE);
			got = volume_read(n, at, buffer, want);
		}
		if (got < 0) {
			int ret = pass_by(t, path, (int)got);

			if (ret < 0)
				return ret;
			memset(buffer, 0, want);
			got = (int64_t)want;
		}
		if (got == 0)
			return fail(t, path, -EIO);
		if (archive_write_data(t->archive, buffer, (size_t)got) < 0)
			return fail_archive(t, path);
		volume_progress_add((uint64_t)got, 0);
		at += (uint64_t)got;
	}
	return 0;
}

/* Everything of the entry but the contents. 1: left out. */
static int export_describe(struct tar *t, struct volume_node *n,
	const char *path, struct archive_entry *entry,
	const struct volume_attr *a)
{
	const char *first = NULL;
	char *target;
	int ret;

	archive_entry_set_pathname(entry, path);
	archive_entry_set_mode(entry, (mode_t)a->mode);
	archive_entry_set_uid(entry, a->uid);
	archive_entry_set_gid(entry, a->gid);
	archive_entry_set_mtime(
		entry, a->sec[VOL_MTIME], (long)a->nsec[VOL_MTIME]);
	archive_entry_set_size(entry, 0);
	if (S_ISSOCK(a->mode)) {
		volume_progress_end();
		fprintf(stderr, "sconce: %s: a socket, left out\n", path);
		return 1;
	}
	if (S_ISCHR(a->mode) || S_ISBLK(a->mode))
		archive_entry_set_rdev(entry, a->rdev);
	if (S_ISLNK(a->mode)) {
		ret = volume_target_read(n, &target);
		if (ret < 0)
			return ret;
		archive_entry_set_symlink(entry, target);
		free(target);
	}
	if (!S_ISDIR(a->mode) && a->nlink > 1) {
		first = link_find(t, a->ino);
		if (first == NULL) {
			ret = link_add(t, a->ino, path);
			if (ret < 0)
				return ret;
		}
	}
	if (first != NULL) {
		archive_entry_set_hardlink(entry, first);
	} else if (S_ISREG(a->mode)) {
		archive_entry_set_size(entry, (int64_t)a->size);
		export_holes(n, entry, a->size);
	}
	return first != NULL ? 0 : export_xattrs(n, entry);
}

static int export_node(
	struct tar *t, struct volume_node *n, const char *path, unsigned depth);

static int export_directory(
	struct tar *t, struct volume_node *n, const char *path, unsigned depth)
{
	struct volume_names names;
	int ret = depth < DEPTH_MAX ? volume_names_read(n, &names) : -ELOOP;

	if (ret < 0)
		ret = pass_by(t, path, ret);
	for (size_t i = 0; i < names.count && ret == 0; i++) {
		const struct volume_name *name = &names.list[i];
		char *full = volume_path_join(path, name->name);
		struct volume_node *child;

		ret = full == NULL
			? -ENOMEM
			: volume_lookup(n, name->name, name->len, &child);
		if (ret == 0) {
			ret = export_node(t, child, full, depth + 1);
			volume_put(child);
		} else {
			ret = pass_by(t, full != NULL ? full : path, ret);
		}
		free(full);
	}
	volume_names_free(&names);
	return ret;
}

static int export_node(
	struct tar *t, struct volume_node *n, const char *path, unsigned depth)
{
	struct archive_entry *entry = archive_entry_new();
	struct volume_attr a;
	bool linked;
	int ret;

	if (entry == NULL)
		return fail(t, path, -ENOMEM);
	volume_getattr(n, &a);
	ret = export_describe(t, n, path[0] != '\0' ? path : ".", entry, &a);
	linked = archive_entry_hardlink(entry) != NULL;
	if (ret == 0 && archive_write_header(t->archive, entry) < ARCHIVE_WARN)
		ret = fail_archive(t, path);
	else if (ret < 0)
		ret = pass_by(t, path, ret);
	else if (ret == 0 && S_ISREG(a.mode) && !linked)
		ret = export_contents(t, n, path, a.size);
	archive_entry_free(entry);
	volume_progress_add(0, 1);
	if (ret == 0 && S_ISDIR(a.mode))
		ret = export_directory(t, n, path, depth);
	return ret == 1 ? 0 : ret;
}

int volume_cmd_export(struct volume_args *a, struct err *e)
{
	struct tar t = {.args = a, .e = e, .archive = archive_write_new()};
	struct volume_session s = {0};
	struct volume_node *n = NULL;
	int ret = isatty(STDOUT_FILENO)
		? err_setf(e, -EINVAL,
			  "export: the archive goes to standard output, which "
			  "is a terminal")
		: volume_session_open(&s, a, false, e);

	if (ret < 0) {
		archive_write_free(t.archive);
		return ret;
	}
	t.v = s.v;
	if (archive_write_set_format_pax(t.archive) != ARCHIVE_OK ||
		archive_write_open_fd(t.archive, STDOUT_FILENO) != ARCHIVE_OK)
		ret = fail_archive(&t, "standard output");
	if (ret == 0)
		ret = volume_path_get(
			s.v, a->paths > 1 ? a->path[1] : "", true, &n, e);
	if (ret == 0) {
		const char *path = a->paths > 1 ? a->path[1] : "";

		while (*path == '/')
			path++;
		ret = export_node(&t, n, path, 0);
		volume_put(n);
	}
	if (ret == 0 && archive_write_close(t.archive) != ARCHIVE_OK)
		ret = fail_archive(&t, "standard output");
	archive_write_free(t.archive);
	for (size_t i = 0; i < t.link_count; i++)
		free(t.links[i].path);
	free(t.links);
	return volume_session_close(&s, ret == 0 ? t.status : ret, e);
}

/* ---- import ---- */

/*
 * The directory that @path's last name is in, made if need be, and that name.
 * Links are not followed, ".." is refused. 1: the path is the top itself.
 */
static int find_parent(struct tar *t, struct volume_node *top, const char *path,
	struct volume_node **dir, const char **name, size_t *len)
{
	const struct volume_attr a = {.mode = S_IFDIR | 0755};
	struct volume_node *n = volume_hold(top), *next;
	struct volume_attr seen;
	int ret = 0;

	(void)t;
	*len = 0;
	while (ret == 0) {
		size_t size;

		path += strspn(path, "/");
		size = strcspn(path, "/");
		if (size == 1 && path[0] == '.') {
			path++;
			continue;
		}
		if (*len > 0 && size > 0) {
			/* What was found before is a directory on the way. */
			ret = volume_lookup(n, *name, *len, &next);
			if (ret == -ENOENT)
				ret = volume_make(
					n, *name, *len, &a, NULL, &next);
			if (ret < 0)
				break;
			volume_getattr(next, &seen);
			volume_put(n);
			n = next;
			if (!S_ISDIR(seen.mode))
				ret = -ENOTDIR;
		}
		if (size == 0)
			break;
		if (size > VOL_NAME_MAX)
			ret = -ENAMETOOLONG;
		if (size == 2 && memcmp(path, "..", 2) == 0)
			ret = -EINVAL;
		*name = path;
		*len = size;
		path += size;
	}
	if (ret == 0 && *len > 0) {
		*dir = n;
		return 0;
	}
	volume_put(n);
	return ret < 0 ? ret : 1;
}

static int import_attributes(
	struct tar *t, struct volume_node *n, struct archive_entry *entry)
{
	const unsigned owner = VOLUME_SET_MODE | VOLUME_SET_UID |
		VOLUME_SET_GID;
	struct volume_attr a = {.mode = archive_entry_mode(entry),
		.uid = (uint32_t)archive_entry_uid(entry),
		.gid = (uint32_t)archive_entry_gid(entry)};
	const char *name;
	const void *value;
	size_t size;
	void *list = t->dirs;
	int ret;

	archive_entry_xattr_reset(entry);
	while (archive_entry_xattr_next(entry, &name, &value, &size) ==
		ARCHIVE_OK) {
		ret = volume_xattr_set(n, name, value, size, 0);
		if (ret < 0)
			return ret;
	}
	a.sec[VOL_MTIME] = archive_entry_mtime(entry);
	a.nsec[VOL_MTIME] = (uint32_t)archive_entry_mtime_nsec(entry);
	if (!S_ISDIR(a.mode))
		return volume_setattr(n, owner | VOLUME_SET_MTIME, &a);
	/* What comes into it would change its time. */
	ret = grow(&list, &t->dir_room, t->dir_count, sizeof(*t->dirs));
	t->dirs = list;
	if (ret < 0)
		return ret;
	t->dirs[t->dir_count].node = volume_hold(n);
	t->dirs[t->dir_count++].attr = a;
	return volume_setattr(n, owner, &a);
}

static int import_contents(struct tar *t, struct volume_node *n,
	struct archive_entry *entry, const char *path)
{
	struct volume_attr a = {.size = (uint64_t)archive_entry_size(entry)};
	const void *data;
	size_t size;
	int64_t at;

	for (;;) {
		int ret = archive_read_data_block(
			t->archive, &data, &size, &at);
		int64_t done;

		if (ret == ARCHIVE_EOF)
			break;
		if (ret < ARCHIVE_WARN)
			return fail_archive(t, path);
		if (size == 0)
			continue;
		done = at < 0 ? -EINVAL
			      : volume_write(n, (uint64_t)at, data, size);
		if (done >= 0 && (size_t)done < size)
			done = -ENOSPC;
		if (done < 0)
			return fail(t, path, (int)done);
		volume_progress_add(size, 0);
	}
	return volume_setattr(n, VOLUME_SET_SIZE, &a);
}

static int import_link(struct tar *t, struct volume_node *top,
	struct volume_node *dir, const char *name, size_t len,
	const char *target)
{
	struct volume_node *parent, *n;
	const char *target_name;
	size_t target_len;
	int ret = find_parent(
		t, top, target, &parent, &target_name, &target_len);

	if (ret != 0)
		return ret < 0 ? ret : -EINVAL;
	ret = volume_lookup(parent, target_name, target_len, &n);
	volume_put(parent);
	if (ret < 0)
		return ret;
	ret = volume_link(n, dir, name, len);
	volume_put(n);
	return ret;
}

/* A directory that is there stays; anything else makes room. */
static int make_room(struct volume_node *dir, const char *name, size_t len,
	bool want_dir, struct volume_node **out)
{
	struct volume_attr a;
	int ret = volume_lookup(dir, name, len, out);

	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	volume_getattr(*out, &a);
	if (want_dir && S_ISDIR(a.mode))
		return 1;
	volume_put(*out);
	return volume_unlink(dir, name, len, S_ISDIR(a.mode));
}

static int import_entry(
	struct tar *t, struct volume_node *top, struct archive_entry *entry)
{
	const char *path = archive_entry_pathname(entry), *name;
	const char *hard = archive_entry_hardlink(entry);
	const char *soft = archive_entry_symlink(entry);
	struct volume_attr a = {.mode = archive_entry_mode(entry),
		.rdev = archive_entry_rdev(entry)};
	struct volume_node *dir = NULL, *n = NULL;
	size_t len;
	int ret;

	if (path == NULL)
		return fail(t, "an entry without a name", -EINVAL);
	ret = find_parent(t, top, path, &dir, &name, &len);
	if (ret == 1 && S_ISDIR(a.mode)) {
		ret = import_attributes(t, top, entry);
		return ret < 0 ? fail(t, path, ret) : 0;
	}
	if (ret != 0)
		return fail(t, path, ret < 0 ? ret : -EINVAL);
	ret = make_room(dir, name, len, S_ISDIR(a.mode), &n);
	if (ret == 0 && hard != NULL) {
		ret = import_link(t, top, dir, name, len, hard);
	} else if (ret == 0) {
		ret = volume_make(
			dir, name, len, &a, S_ISLNK(a.mode) ? soft : NULL, &n);
	}
	if (ret >= 0 && hard == NULL) {
		ret = S_ISREG(a.mode) ? import_contents(t, n, entry, path) : 0;
		if (ret == 0)
			ret = import_attributes(t, n, entry);
	}
	volume_put(n);
	volume_put(dir);
	volume_progress_add(0, 1);
	if (ret < 0 && t->e->code != ret)
		return fail(t, path, ret);
	return ret < 0 ? ret : 0;
}

int volume_cmd_import(struct volume_args *a, struct err *e)
{
	struct tar t = {.args = a, .e = e, .archive = archive_read_new()};
	struct archive_entry *entry;
	struct volume_session s;
	struct volume_node *top;
	int ret = volume_session_open(&s, a, true, e), got;

	if (ret < 0) {
		archive_read_free(t.archive);
		return ret;
	}
	t.v = s.v;
	e->code = 0;
	archive_read_support_format_tar(t.archive);
	archive_read_support_format_empty(t.archive);
	archive_read_support_filter_all(t.archive);
	if (archive_read_open_fd(t.archive, STDIN_FILENO, BUFFER_SIZE) !=
		ARCHIVE_OK)
		ret = fail_archive(&t, "standard input");
	if (ret == 0)
		ret = volume_path_get(
			s.v, a->paths > 1 ? a->path[1] : "", true, &top, e);
	if (ret == 0) {
		while (ret == 0) {
			got = archive_read_next_header(t.archive, &entry);
			if (got == ARCHIVE_EOF)
				break;
			ret = got < ARCHIVE_WARN
				? fail_archive(&t, "standard input")
				: import_entry(&t, top, entry);
		}
		volume_put(top);
	}
	while (t.dir_count > 0) {
		t.dir_count--;
		if (ret == 0)
			ret = volume_setattr(t.dirs[t.dir_count].node,
				VOLUME_SET_MTIME, &t.dirs[t.dir_count].attr);
		volume_put(t.dirs[t.dir_count].node);
	}
	free(t.dirs);
	archive_read_free(t.archive);
	return volume_session_close(&s, ret == 0 ? t.status : ret, e);
}
