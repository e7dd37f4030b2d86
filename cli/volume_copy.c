/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sconce volume cat`, `put`, `get` and `rm`. Holes stay holes. Special files
 * are left out, and said so: archives carry them (export, import).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/volume_cmd.h"

enum { BUFFER_SIZE = 1 << 20, TARGET_SIZE = 4096, DEPTH_MAX = 2000 };

static uint8_t buffer[BUFFER_SIZE];

struct copying {
	const struct volume_args *args;
	struct volume *v;
	struct err *e;
	int status; /* 1: something was passed by */
};

static int fail(struct copying *c, const char *path, int ret)
{
	return err_setf(c->e, ret, "%s: %s", path, strerror(-ret));
}

/* A rescue goes on behind what is damaged. */
static int pass_by(struct copying *c, const char *path, int ret)
{
	if (!c->args->rescue || (ret != -EBADMSG && ret != -EIO))
		return fail(c, path, ret);
	volume_progress_end();
	fprintf(stderr, "sconce: %s: %s\n", path, strerror(-ret));
	c->status = 1;
	return 0;
}

static int write_all(int fd, const uint8_t *data, size_t size, int64_t at)
{
	while (size > 0) {
		ssize_t n = at < 0 ? write(fd, data, size)
				   : pwrite(fd, data, size, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		size -= (size_t)n;
		if (at >= 0)
			at += n;
	}
	return 0;
}

/* ---- out of the volume ---- */

/* Contents to @fd: in place, or (@stream) one after the other. */
static int copy_out(struct copying *c, struct volume_node *n, int fd,
	bool stream, const char *path)
{
	uint64_t at = 0, size;
	struct volume_attr a;
	int ret = 0;

	volume_getattr(n, &a);
	size = a.size;
	while (ret == 0 && at < size) {
		int64_t got = stream ? (int64_t)at : volume_seek(n, at, false);
		uint64_t end;

		if (got == -ENXIO)
			break;
		if (got >= 0) {
			int64_t hole;

			at = (uint64_t)got;
			hole = stream ? -1 : volume_seek(n, at, true);
			end = hole > got ? (uint64_t)hole : size;
			got = volume_read(
				n, at, buffer, u64_min(end - at, BUFFER_SIZE));
		}
		/* A rescue looks block by block for what is left. */
		if (got < 0 && c->args->rescue) {
			uint64_t next = align_down(at, VOL_BLOCK_SIZE) +
				VOL_BLOCK_SIZE;

			got = volume_read(
				n, at, buffer, u64_min(size, next) - at);
			if (got < 0) {
				ret = pass_by(c, path, (int)got);
				got = (int64_t)(u64_min(size, next) - at);
				memset(buffer, 0, (size_t)got);
			}
		}
		if (got < 0)
			return fail(c, path, (int)got);
		if (got == 0)
			break;
		ret = write_all(
			fd, buffer, (size_t)got, stream ? -1 : (int64_t)at);
		if (ret < 0)
			return fail(c, stream ? "standard output" : path, ret);
		volume_progress_add((uint64_t)got, 0);
		at += (uint64_t)got;
	}
	return ret;
}

int volume_cmd_cat(struct volume_args *a, struct err *e)
{
	struct copying c = {.args = a, .e = e};
	struct volume_session s;
	int ret = volume_session_open(&s, a, false, e);

	if (ret < 0)
		return ret;
	for (int i = 1; i < a->paths && ret == 0; i++) {
		struct volume_attr attr;
		struct volume_node *n;

		ret = volume_path_get(s.v, a->path[i], true, &n, e);
		if (ret < 0)
			break;
		volume_getattr(n, &attr);
		ret = S_ISREG(attr.mode)
			? copy_out(&c, n, STDOUT_FILENO, true, a->path[i])
			: fail(&c, a->path[i],
				  S_ISDIR(attr.mode) ? -EISDIR : -EINVAL);
		volume_put(n);
	}
	return volume_session_close(&s, ret == 0 ? c.status : ret, e);
}

static int get_node(struct copying *c, struct volume_node *n, int dir,
	const char *name, const char *path, unsigned depth);

static int get_file(struct copying *c, struct volume_node *n, int dir,
	const char *name, const char *path, const struct volume_attr *a)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
		{a->sec[VOL_MTIME], a->nsec[VOL_MTIME]}};
	int fd = openat(dir, name,
		O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int ret;

	if (fd < 0)
		return fail(c, name, -errno);
	ret = copy_out(c, n, fd, false, path);
	if (ret == 0 &&
		(ftruncate(fd, (off_t)a->size) < 0 ||
			fchmod(fd, a->mode & 0777) < 0 ||
			futimens(fd, times) < 0))
		ret = fail(c, name, -errno);
	if (close(fd) < 0 && ret == 0)
		ret = fail(c, name, -errno);
	return ret;
}

static int get_directory(struct copying *c, struct volume_node *n, int dir,
	const char *name, const char *path, const struct volume_attr *a,
	unsigned depth)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
		{a->sec[VOL_MTIME], a->nsec[VOL_MTIME]}};
	struct volume_names names;
	int fd, ret;

	if (depth > DEPTH_MAX)
		return fail(c, path, -ELOOP);
	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return fail(c, name, -errno);
	fd = openat(dir, name, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail(c, name, -errno);
	ret = volume_names_read(n, &names);
	if (ret < 0)
		ret = pass_by(c, path, ret);
	for (size_t i = 0; i < names.count && ret == 0; i++) {
		char *full = volume_path_join(path, names.list[i].name);
		struct volume_node *child;

		ret = full == NULL ? -ENOMEM
				   : volume_lookup(n, names.list[i].name,
					     names.list[i].len, &child);
		if (ret == 0) {
			ret = get_node(c, child, fd, names.list[i].name, full,
				depth + 1);
			volume_put(child);
		} else {
			ret = pass_by(c, full != NULL ? full : path, ret);
		}
		free(full);
	}
	volume_names_free(&names);
	if (ret == 0 &&
		(fchmod(fd, a->mode & 0777) < 0 || futimens(fd, times) < 0))
		ret = fail(c, name, -errno);
	close(fd);
	return ret;
}

static int get_link(struct copying *c, struct volume_node *n, int dir,
	const char *name, const char *path)
{
	char *target;
	int ret = volume_target_read(n, &target);

	if (ret < 0)
		return pass_by(c, path, ret);
	if (symlinkat(target, dir, name) < 0)
		ret = fail(c, name, -errno);
	free(target);
	return ret;
}

static int get_node(struct copying *c, struct volume_node *n, int dir,
	const char *name, const char *path, unsigned depth)
{
	struct volume_attr a;

	volume_getattr(n, &a);
	volume_progress_add(0, 1);
	if (S_ISREG(a.mode))
		return get_file(c, n, dir, name, path, &a);
	if (S_ISDIR(a.mode) && !c->args->recursive)
		return err_setf(c->e, -EISDIR,
			"%s: is a directory; -r copies it", path);
	if (S_ISDIR(a.mode))
		return get_directory(c, n, dir, name, path, &a, depth);
	if (S_ISLNK(a.mode))
		return get_link(c, n, dir, name, path);
	volume_progress_end();
	fprintf(stderr, "sconce: %s: a special file, left out\n", path);
	c->status = 1;
	return 0;
}

/* The last name of a path; "" of "/". */
static const char *base_name(char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	return strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
}

int volume_cmd_get(struct volume_args *a, struct err *e)
{
	struct copying c = {.args = a, .e = e};
	struct volume_session s;
	struct volume_node *n;
	struct stat st;
	const char *base = base_name(a->path[1]);
	char *to = strdup(a->path[2]);
	int ret;

	if (to == NULL)
		return err_setf(e, -ENOMEM, "no memory");
	/* As cp: into a directory that is there. */
	if (stat(to, &st) == 0 && S_ISDIR(st.st_mode) && base[0] != '\0' &&
		strcmp(base, ".") != 0 && strcmp(base, "..") != 0) {
		free(to);
		to = volume_path_join(a->path[2], base);
		if (to == NULL)
			return err_setf(e, -ENOMEM, "no memory");
	}
	ret = volume_session_open(&s, a, false, e);
	if (ret == 0) {
		ret = volume_path_get(s.v, a->path[1], true, &n, e);
		if (ret == 0) {
			ret = get_node(&c, n, AT_FDCWD, to, a->path[1], 0);
			volume_put(n);
		}
		ret = volume_session_close(&s, ret == 0 ? c.status : ret, e);
	}
	free(to);
	return ret;
}

/* ---- into the volume ---- */

static int copy_in(struct copying *c, struct volume_node *n, int fd, off_t size,
	const char *name)
{
	off_t at = 0;

	while (at < size) {
		off_t data = lseek(fd, at, SEEK_DATA), hole;
		ssize_t got;
		int64_t ret;

		if (data < 0 && errno == ENXIO)
			break;
		if (data > at)
			at = data;
		hole = lseek(fd, at, SEEK_HOLE);
		got = pread(fd, buffer,
			hole > at ? u64_min((uint64_t)(hole - at), BUFFER_SIZE)
				  : BUFFER_SIZE,
			at);
		if (got < 0)
			return fail(c, name, -errno);
		if (got == 0)
			break;
		ret = volume_write(n, (uint64_t)at, buffer, (size_t)got);
		if (ret >= 0 && ret < got)
			ret = -ENOSPC;
		if (ret < 0)
			return fail(c, name, (int)ret);
		volume_progress_add((uint64_t)got, 0);
		at += got;
	}
	return 0;
}

static int put_node(struct copying *c, int dir, const char *file,
	struct volume_node *parent, const char *name, size_t len,
	unsigned depth);

static int put_directory(struct copying *c, struct volume_node *n, int fd,
	const char *file, unsigned depth)
{
	DIR *d = fdopendir(fd);
	struct dirent *entry;
	int ret = 0;

	if (d == NULL) {
		close(fd);
		return fail(c, file, -errno);
	}
	while (ret == 0 && (errno = 0, entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 &&
			strcmp(entry->d_name, "..") != 0)
			ret = put_node(c, dirfd(d), entry->d_name, n,
				entry->d_name, strlen(entry->d_name),
				depth + 1);
	if (ret == 0 && errno != 0)
		ret = fail(c, file, -errno);
	closedir(d);
	return ret;
}

/* The node of that name and type: what is there, or a new one. */
static int put_make(struct copying *c, struct volume_node *parent,
	const char *name, size_t len, const struct stat *st, const char *target,
	struct volume_node **out)
{
	struct volume_attr a = {.mode = st->st_mode,
				   .uid = st->st_uid,
				   .gid = st->st_gid},
			   old;
	int ret = volume_lookup(parent, name, len, out);

	if (ret == 0) {
		volume_getattr(*out, &old);
		if ((old.mode & S_IFMT) == (st->st_mode & S_IFMT) &&
			!S_ISLNK(old.mode)) {
			ret = volume_setattr(*out,
				VOLUME_SET_MODE | VOLUME_SET_UID |
					VOLUME_SET_GID |
					(S_ISREG(old.mode) ? VOLUME_SET_SIZE
							   : 0u),
				&a);
			if (ret < 0)
				volume_put(*out);
			return ret < 0 ? fail(c, name, ret) : 0;
		}
		volume_put(*out);
		ret = S_ISDIR(old.mode)
			? -EISDIR
			: volume_unlink(parent, name, len, false);
		if (ret < 0)
			return fail(c, name, ret);
	} else if (ret != -ENOENT) {
		return fail(c, name, ret);
	}
	ret = volume_make(parent, name, len, &a, target, out);
	return ret < 0 ? fail(c, name, ret) : 0;
}

static int host_target(
	struct copying *c, int dir, const char *file, char **target)
{
	ssize_t size;

	*target = malloc(TARGET_SIZE);
	if (*target == NULL)
		return fail(c, file, -ENOMEM);
	size = readlinkat(dir, file, *target, TARGET_SIZE - 1);
	if (size < 0)
		return fail(c, file, -errno);
	(*target)[size] = '\0';
	return 0;
}

static int put_node(struct copying *c, int dir, const char *file,
	struct volume_node *parent, const char *name, size_t len,
	unsigned depth)
{
	char *target = NULL;
	struct volume_attr a = {0};
	struct volume_node *n = NULL;
	struct stat st;
	int fd = -1, ret = 0;

	if (fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(c, file, -errno);
	if (depth > DEPTH_MAX)
		return fail(c, file, -ELOOP);
	if (S_ISDIR(st.st_mode) && !c->args->recursive)
		return err_setf(c->e, -EISDIR,
			"%s: is a directory; -r copies it", file);
	if (S_ISLNK(st.st_mode)) {
		ret = host_target(c, dir, file, &target);
	} else if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		fd = openat(dir, file,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st) < 0)
			ret = fail(c, file, -errno);
	} else {
		volume_progress_end();
		fprintf(stderr, "sconce: %s: a special file, left out\n", file);
		c->status = 1;
		return 0;
	}
	if (ret == 0)
		ret = put_make(c, parent, name, len, &st, target, &n);
	free(target);
	if (ret < 0) {
		if (fd >= 0)
			close(fd);
		return ret;
	}
	volume_progress_add(0, 1);
	if (S_ISREG(st.st_mode)) {
		ret = copy_in(c, n, fd, st.st_size, file);
		close(fd);
	} else if (S_ISDIR(st.st_mode)) {
		ret = put_directory(c, n, fd, file, depth);
	}
	if (ret == 0) {
		a.size = (uint64_t)st.st_size;
		a.sec[VOL_MTIME] = st.st_mtim.tv_sec;
		a.nsec[VOL_MTIME] = (uint32_t)st.st_mtim.tv_nsec;
		ret = volume_setattr(n,
			VOLUME_SET_MTIME |
				(S_ISREG(st.st_mode) ? VOLUME_SET_SIZE : 0u),
			&a);
		/* Setting the size sets the time as well. */
		if (ret == 0 && S_ISREG(st.st_mode))
			ret = volume_setattr(n, VOLUME_SET_MTIME, &a);
		if (ret < 0)
			ret = fail(c, file, ret);
	}
	volume_put(n);
	return ret;
}

int volume_copy_tree(struct volume *v, const char *dir,
	const struct volume_args *a, struct err *e)
{
	struct copying c = {.args = a, .e = e};
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct volume_attr attr = {0};
	struct volume_node *root;
	struct stat st;
	int ret;

	if (fd < 0 || fstat(fd, &st) < 0) {
		ret = fail(&c, dir, -errno);
		if (fd >= 0)
			close(fd);
		return ret;
	}
	ret = volume_get(v, VOL_OBJECT_ROOT, &root);
	if (ret < 0) {
		close(fd);
		return fail(&c, dir, ret);
	}
	attr.mode = st.st_mode;
	attr.uid = st.st_uid;
	attr.gid = st.st_gid;
	ret = volume_setattr(
		root, VOLUME_SET_MODE | VOLUME_SET_UID | VOLUME_SET_GID, &attr);
	if (ret < 0) {
		close(fd);
		ret = fail(&c, dir, ret);
	} else {
		ret = put_directory(&c, root, fd, dir, 0);
	}
	volume_put(root);
	return ret < 0 ? ret : c.status;
}

/* Is @path a directory of the volume? */
static bool is_directory(struct volume *v, const char *path)
{
	struct volume_attr a = {0};
	struct volume_node *n;
	struct err e;

	if (volume_path_get(v, path, true, &n, &e) < 0)
		return false;
	volume_getattr(n, &a);
	volume_put(n);
	return S_ISDIR(a.mode);
}

int volume_cmd_put(struct volume_args *a, struct err *e)
{
	struct copying c = {.args = a, .e = e};
	struct volume_node *parent = NULL;
	struct volume_session s;
	const char *base = base_name(a->path[1]), *name = NULL;
	char *to = strdup(a->path[2]);
	size_t len = 0;
	int ret = volume_session_open(&s, a, true, e);

	if (ret == 0) {
		if (is_directory(s.v, a->path[2]) && base[0] != '\0' &&
			strcmp(base, ".") != 0 && strcmp(base, "..") != 0) {
			free(to);
			to = volume_path_join(a->path[2], base);
		}
		ret = to == NULL
			? err_setf(e, -ENOMEM, "no memory")
			: volume_path_parent(s.v, to, &parent, &name, &len, e);
		if (ret == 0) {
			ret = put_node(
				&c, AT_FDCWD, a->path[1], parent, name, len, 0);
			volume_put(parent);
		}
		ret = volume_session_close(&s, ret == 0 ? c.status : ret, e);
	}
	free(to);
	return ret;
}

/* ---- rm ---- */

static int remove_node(struct copying *c, struct volume_node *parent,
	const char *name, size_t len, const char *path, unsigned depth)
{
	struct volume_names names;
	struct volume_attr a;
	struct volume_node *n;
	int ret = volume_lookup(parent, name, len, &n);

	if (ret < 0)
		return fail(c, path, ret);
	volume_getattr(n, &a);
	if (S_ISDIR(a.mode) && c->args->recursive) {
		ret = depth < DEPTH_MAX ? volume_names_read(n, &names) : -ELOOP;
		if (ret < 0)
			ret = fail(c, path, ret);
		for (size_t i = 0; i < names.count && ret == 0; i++) {
			char *full = volume_path_join(path, names.list[i].name);

			ret = full == NULL
				? fail(c, path, -ENOMEM)
				: remove_node(c, n, names.list[i].name,
					  names.list[i].len, full, depth + 1);
			free(full);
		}
		volume_names_free(&names);
	} else if (S_ISDIR(a.mode)) {
		ret = err_setf(c->e, -EISDIR,
			"%s: is a directory; -r removes it", path);
	}
	volume_put(n);
	if (ret < 0)
		return ret;
	ret = volume_unlink(parent, name, len, S_ISDIR(a.mode));
	volume_progress_add(0, 1);
	return ret < 0 ? fail(c, path, ret) : 0;
}

int volume_cmd_rm(struct volume_args *a, struct err *e)
{
	struct copying c = {.args = a, .e = e};
	struct volume_session s;
	int ret = volume_session_open(&s, a, true, e);

	if (ret < 0)
		return ret;
	for (int i = 1; i < a->paths && ret == 0; i++) {
		struct volume_node *parent;
		const char *name;
		size_t len;

		ret = volume_path_parent(
			s.v, a->path[i], &parent, &name, &len, e);
		if (ret < 0)
			break;
		ret = remove_node(&c, parent, name, len, a->path[i], 0);
		volume_put(parent);
	}
	return volume_session_close(&s, ret, e);
}
