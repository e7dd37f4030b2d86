/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same random operations on a volume and on a directory of the native
 * file system (tmpfs where there is one): results and errors must be the same.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/unit/volume_fixture.h"
#include "unit.h"

enum {
	DIRS = 12,
	FILES = 6,
	NAMES = 10,
	STEPS = 30000,
	SPAN = 300000,
	CHUNK = 30000,
};

struct pair {
	int fd;
	struct volume_node *n;
};

struct world {
	struct fixture f;
	uint64_t random;
	struct pair dir[DIRS], file[FILES]; /* dir[0]: the root; fd -1: none */
	unsigned step;
};

static const char *const verbs[] = {"create", "mkdir", "symlink", "link",
	"unlink", "rmdir", "rename", "open directory", "open", "write", "read",
	"truncate", "punch", "seek", "list", "readlink", "unnamed",
	"link unnamed", "chmod"};
static const unsigned weights[] = {
	8, 6, 3, 4, 6, 5, 12, 5, 6, 10, 6, 6, 4, 6, 2, 2, 2, 2, 2};

static uint64_t below(struct world *w, uint64_t n)
{
	return volume_backend_random(&w->random) % n;
}

static const char *name(struct world *w)
{
	static char names[NAMES][256];
	unsigned i = (unsigned)below(w, NAMES);

	if (!names[i][0]) {
		memset(names[i], 'a' + (int)i, i == 9 ? 255 : i + 1);
		names[i][i == 9 ? 255 : i + 1] = 0;
	}
	return names[i];
}

static struct pair *any(struct world *w, struct pair *p, unsigned count)
{
	for (unsigned tries = 0; tries < 20; tries++) {
		unsigned i = (unsigned)below(w, count);

		if (p[i].fd >= 0)
			return &p[i];
	}
	return p[0].fd >= 0 ? &p[0] : NULL;
}

static void drop(struct pair *p)
{
	if (p->fd >= 0)
		close(p->fd);
	volume_put(p->n);
	*p = (struct pair){-1, NULL};
}

static void keep(struct world *w, struct pair *p, unsigned first,
	unsigned count, int fd, struct volume_node *n)
{
	unsigned i = first + (unsigned)below(w, count - first);

	drop(&p[i]);
	p[i] = (struct pair){fd, n};
}

static void same(struct world *w, unsigned verb, int64_t native, int64_t ours)
{
	if (native != ours)
		fail_msg("step %u, %s: %lld, but natively %lld", w->step,
			verbs[verb], (long long)ours, (long long)native);
}

static int64_t result(int64_t r)
{
	return r < 0 ? -errno : r;
}

/* ---- attributes ---- */

static void old_times(int fd, struct volume_node *n)
{
	struct timespec t[2] = {{1000, 0}, {1000, 0}};
	struct volume_attr a = {.sec = {1000, 1000}};

	assert_int_equal(futimens(fd, t), 0);
	assert_int_equal(
		volume_setattr(n, VOLUME_SET_ATIME | VOLUME_SET_MTIME, &a), 0);
}

static void same_stat(struct world *w, unsigned verb, const struct pair *p)
{
	struct volume_attr a;
	struct stat st;

	if (!p || p->fd < 0)
		return;
	assert_int_equal(fstat(p->fd, &st), 0);
	volume_getattr(p->n, &a);
	same(w, verb, st.st_mode, a.mode);
	same(w, verb, (int64_t)st.st_nlink, a.nlink);
	if (!S_ISDIR(st.st_mode)) {
		same(w, verb, st.st_size, (int64_t)a.size);
		same(w, verb, st.st_blocks, (int64_t)a.blocks);
	}
	same(w, verb, st.st_mtim.tv_sec == 1000, a.sec[VOL_MTIME] == 1000);
}

/* ---- operations on names ---- */

static int make(struct volume_node *dir, const char *what, mode_t mode,
	const char *target, struct volume_node **out)
{
	struct volume_attr a = {.mode = mode};

	return volume_make(dir, what, strlen(what), &a, target, out);
}

static void op_make(struct world *w, unsigned verb, struct pair *d)
{
	const char *what = name(w), *target = name(w);
	struct volume_node *n = NULL;
	int fd = -1, ours;
	int64_t r;

	if (verb == 0) {
		fd = openat(d->fd, what, O_CREAT | O_EXCL | O_RDWR, 0644);
		r = result(fd);
		ours = make(d->n, what, S_IFREG | 0644, NULL, &n);
	} else if (verb == 1) {
		r = result(mkdirat(d->fd, what, 0755));
		ours = make(d->n, what, S_IFDIR | 0755, NULL, &n);
	} else {
		r = result(symlinkat(target, d->fd, what));
		ours = make(d->n, what, S_IFLNK | 0777, target, &n);
	}
	same(w, verb, r > 0 ? 0 : r, ours);
	if (fd >= 0)
		keep(w, w->file, 0, FILES, fd, n);
	else
		volume_put(n);
}

/* What has a name, on both sides; only if its type is that. */
static void op_open(struct world *w, unsigned verb, struct pair *d)
{
	bool dir = verb == 7;
	const char *what = name(w);
	struct volume_node *n = NULL;
	int fd, ours = volume_lookup(d->n, what, strlen(what), &n);

	if (!ours && ((n->inode.mode & S_IFMT) == S_IFDIR) != dir) {
		volume_put(n);
		return;
	}
	fd = openat(d->fd, what,
		(dir ? O_RDONLY | O_DIRECTORY : O_RDWR) | O_NOFOLLOW);
	if (fd < 0 && errno == ELOOP) {
		assert_true((n->inode.mode & S_IFMT) == S_IFLNK);
		volume_put(n);
		return;
	}
	same(w, verb, fd < 0 ? -errno : 0, ours);
	if (fd < 0)
		return;
	if (dir)
		keep(w, w->dir, 1, DIRS, fd, n);
	else
		keep(w, w->file, 0, FILES, fd, n);
}

static void op_remove(struct world *w, unsigned verb, struct pair *d)
{
	const char *what = name(w);
	bool dir = verb == 5;
	int64_t r = result(unlinkat(d->fd, what, dir ? AT_REMOVEDIR : 0));

	same(w, verb, r, volume_unlink(d->n, what, strlen(what), dir));
}

static void op_link(struct world *w, unsigned verb, struct pair *d)
{
	struct pair *to = any(w, w->dir, DIRS);
	const char *from_name = name(w), *to_name = name(w);
	struct volume_node *n = NULL;
	int64_t r = result(linkat(d->fd, from_name, to->fd, to_name, 0));
	int ours = volume_lookup(d->n, from_name, strlen(from_name), &n);

	if (!ours) {
		ours = fixture_link(n, to->n, to_name);
		/* A name that exists comes first there, what is linked here. */
		if (r == -EEXIST && ours == -EPERM)
			ours = -EEXIST;
		if (r == -ENOENT && ours == -EPERM && !to->n->inode.nlink)
			ours = -ENOENT;
	}
	same(w, verb, r, ours);
	volume_put(n);
}

static void op_rename(struct world *w, unsigned verb, struct pair *d)
{
	struct pair *to = below(w, 3) ? any(w, w->dir, DIRS) : d;
	const char *from_name = name(w), *to_name = name(w);
	unsigned flags = (unsigned)below(w, 5);
	int64_t r;

	flags = flags > 2 ? 0 : flags;
	r = result(renameat2(d->fd, from_name, to->fd, to_name, flags));
	same(w, verb, r,
		fixture_rename(d->n, from_name, to->n, to_name, flags));
	same_stat(w, verb, to);
}

static void op_readlink(struct world *w, unsigned verb, struct pair *d)
{
	char native[300] = "", ours[300] = "";
	const char *what = name(w);
	struct volume_node *n = NULL;
	int64_t r = result(readlinkat(d->fd, what, native, sizeof(native)));
	int64_t o = volume_lookup(d->n, what, strlen(what), &n);

	if (!o)
		o = volume_readlink(n, ours, sizeof(ours));
	same(w, verb, r, o);
	assert_string_equal(native, ours);
	volume_put(n);
}

struct listing {
	char name[NAMES][256];
	unsigned type[NAMES];
	unsigned count;
};

static int add(void *arg, const char *what, size_t len, uint64_t ino,
	uint32_t type, uint64_t next)
{
	struct listing *l = arg;

	assert_in_range(l->count, 0, NAMES - 1);
	memcpy(l->name[l->count], what, len);
	l->name[l->count][len] = 0;
	l->type[l->count++] = type;
	return 0;
}

static void op_list(struct world *w, unsigned verb, struct pair *d)
{
	struct listing *l = calloc(1, sizeof(*l));
	int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY);
	unsigned count = 0;
	struct dirent *e;
	DIR *stream;

	assert_int_equal(volume_readdir(d->n, 0, add, l), 0);
	if (fd < 0) { /* it was removed */
		assert_int_equal(l->count, 0);
		free(l);
		return;
	}
	stream = fdopendir(fd);
	while ((e = readdir(stream))) {
		bool found = e->d_name[0] == '.';

		for (unsigned i = 0; i < l->count && !found; i++)
			found = !strcmp(e->d_name, l->name[i]) &&
				e->d_type == l->type[i];
		same(w, verb, true, found);
		count += e->d_name[0] != '.';
	}
	same(w, verb, count, l->count);
	closedir(stream);
	free(l);
}

static void op_unnamed(struct world *w, unsigned verb, struct pair *d)
{
	struct volume_attr a = {.mode = S_IFREG | 0644};
	struct volume_node *n;
	int fd = openat(w->dir[0].fd, ".", O_TMPFILE | O_RDWR, 0644);

	assert_true(fd >= 0);
	assert_int_equal(volume_make_unnamed(w->f.v, &a, &n), 0);
	keep(w, w->file, 0, FILES, fd, n);
}

static void op_link_fd(struct world *w, unsigned verb, struct pair *d)
{
	struct pair *p = any(w, w->file, FILES);
	const char *what = name(w);
	char path[64];
	int64_t r;

	if (!p)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", p->fd);
	r = result(linkat(AT_FDCWD, path, d->fd, what, AT_SYMLINK_FOLLOW));
	same(w, verb, r, fixture_link(p->n, d->n, what));
	same_stat(w, verb, p);
}

/* ---- operations on files ---- */

static void op_write(struct world *w, unsigned verb, struct pair *p)
{
	static uint8_t data[CHUNK];
	uint64_t at = below(w, SPAN), size = below(w, CHUNK) + 1;

	if (below(w, 2)) {
		at &= ~(uint64_t)4095;
		size = below(w, 2) ? 4096 : size;
	}
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)volume_backend_random(&w->random);
	same(w, verb, result(pwrite(p->fd, data, size, (off_t)at)),
		volume_write(p->n, at, data, size));
}

static void op_read(struct world *w, unsigned verb, struct pair *p)
{
	static uint8_t native[CHUNK], ours[CHUNK];
	uint64_t at = below(w, SPAN), size = below(w, CHUNK);

	same(w, verb, result(pread(p->fd, native, size, (off_t)at)),
		volume_read(p->n, at, ours, size));
	assert_memory_equal(native, ours, size);
}

static void op_truncate(struct world *w, unsigned verb, struct pair *p)
{
	uint64_t size = below(w, SPAN) &
		(below(w, 2) ? UINT64_MAX : ~UINT64_C(4095));

	same(w, verb, result(ftruncate(p->fd, (off_t)size)),
		fixture_resize(p->n, size));
}

static void op_punch(struct world *w, unsigned verb, struct pair *p)
{
	uint64_t at = below(w, SPAN), size = below(w, 2 * CHUNK) + 1;

	same(w, verb,
		result(fallocate(p->fd,
			FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
			(off_t)size)),
		volume_punch(p->n, at, size));
	old_times(p->fd, p->n); /* tmpfs does not take it for a change */
}

static void op_seek(struct world *w, unsigned verb, struct pair *p)
{
	uint64_t at = below(w, SPAN);
	bool hole = below(w, 2);

	same(w, verb,
		result(lseek(p->fd, (off_t)at, hole ? SEEK_HOLE : SEEK_DATA)),
		volume_seek(p->n, at, hole));
}

static void op_chmod(struct world *w, unsigned verb, struct pair *p)
{
	struct volume_attr a = {.mode = (uint32_t)below(w, 01000) | 0600};

	same(w, verb, result(fchmod(p->fd, a.mode)),
		volume_setattr(p->n, VOLUME_SET_MODE, &a));
}

typedef void op_fn(struct world *w, unsigned verb, struct pair *p);
static op_fn *const ops[] = {op_make, op_make, op_make, op_link, op_remove,
	op_remove, op_rename, op_open, op_open, op_write, op_read, op_truncate,
	op_punch, op_seek, op_list, op_readlink, op_unnamed, op_link_fd,
	op_chmod};

static bool on_file(unsigned verb)
{
	return (verb >= 9 && verb <= 13) || verb == 18;
}

static void step(struct world *w)
{
	unsigned total = 0, verb = 0;
	struct pair *p;
	uint64_t r;

	for (unsigned i = 0; i < ARRAY_SIZE(weights); i++)
		total += weights[i];
	for (r = below(w, total); r >= weights[verb]; verb++)
		r -= weights[verb];
	p = on_file(verb) ? any(w, w->file, FILES) : any(w, w->dir, DIRS);
	if (!p)
		return;
	if (!below(w, 8))
		old_times(p->fd, p->n);
	ops[verb](w, verb, p);
	same_stat(w, verb, p);
}

static void compare(void **state)
{
	char path[] = "/dev/shm/sconce-compare-XXXXXX",
	     other[] = "/tmp/sconce-compare-XXXXXX", *top = mkdtemp(path);
	char command[sizeof(path) + 16];
	struct world w = {.random = fixture_seed(1)};

	if (!top)
		top = mkdtemp(other);
	assert_non_null(top);
	umask(0);
	fixture_init(&w.f, w.random, 1 << 20);
	for (unsigned i = 0; i < DIRS; i++)
		w.dir[i].fd = -1;
	for (unsigned i = 0; i < FILES; i++)
		w.file[i].fd = -1;
	w.dir[0] = (struct pair){
		open(top, O_RDONLY | O_DIRECTORY), volume_hold(w.f.root)};
	assert_true(w.dir[0].fd >= 0);
	assert_int_equal(fchmod(w.dir[0].fd, 0755), 0);
	for (; w.step < STEPS; w.step++)
		step(&w);
	for (unsigned i = 0; i < DIRS; i++)
		drop(&w.dir[i]);
	for (unsigned i = 0; i < FILES; i++)
		drop(&w.file[i]);
	snprintf(command, sizeof(command), "rm -rf %s", top);
	assert_int_equal(system(command), 0);
	fixture_fini(&w.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(compare)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
