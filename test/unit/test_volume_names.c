/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: what each operation says, and what it does to links, parents, times
 * and inodes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "test/unit/volume_fixture.h"
#include "unit.h"

#define NAME_255                                                           \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" \
	"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc" \
	"ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"

/*
 * What the tests begin with:
 *	file, other, link (a symbolic one), linked1 and linked2 (one file)
 *	empty/	full/in  full/deep/er/  full/deep/er/file
 */
struct world {
	struct fixture f;
	struct volume_node *root, *empty, *full, *deep, *er, *file;
};

static void world_init(struct world *w)
{
	struct volume_node *n;

	fixture_init(&w->f, 1, 1 << 20);
	w->root = w->f.root;
	w->file = fixture_make(w->root, "file", S_IFREG | 0644);
	assert_int_equal(fixture_touch(w->root, "other", S_IFREG | 0644), 0);
	assert_int_equal(fixture_touch(w->root, "link", S_IFLNK | 0777), 0);
	n = fixture_make(w->root, "linked1", S_IFREG | 0644);
	assert_int_equal(fixture_link(n, w->root, "linked2"), 0);
	volume_put(n);
	w->empty = fixture_make(w->root, "empty", S_IFDIR | 0755);
	w->full = fixture_make(w->root, "full", S_IFDIR | 0755);
	assert_int_equal(fixture_touch(w->full, "in", S_IFREG | 0644), 0);
	w->deep = fixture_make(w->full, "deep", S_IFDIR | 0755);
	w->er = fixture_make(w->deep, "er", S_IFDIR | 0755);
	assert_int_equal(fixture_touch(w->er, "file", S_IFREG | 0644), 0);
}

static void world_fini(struct world *w)
{
	volume_put(w->file);
	volume_put(w->empty);
	volume_put(w->full);
	volume_put(w->deep);
	volume_put(w->er);
	fixture_fini(&w->f);
}

static struct volume_node *dir_of(struct world *w, char c)
{
	switch (c) {
	case 'e':
		return w->empty;
	case 'f':
		return w->full;
	case 'd':
		return w->deep;
	case 'r':
		return w->er;
	case 'x':
		return w->file; /* not one */
	default:
		return w->root;
	}
}

static uint32_t links(struct volume_node *n)
{
	struct volume_attr a;

	volume_getattr(n, &a);
	return a.nlink;
}

/* ---- names ---- */

struct name_row {
	const char *name;
	size_t len;
	int error; /* of lookup */
};

static void bad_names(void **state)
{
	static const struct name_row rows[] = {
		{"", 0, -EINVAL},
		{".", 1, -EINVAL},
		{"..", 2, -EINVAL},
		{"...", 3, -ENOENT},
		{".x", 2, -ENOENT},
		{"a/b", 3, -EINVAL},
		{"a\0b", 3, -EINVAL},
		{NAME_255, 255, -ENOENT},
		{NAME_255 "x", 256, -ENAMETOOLONG},
	};
	struct world w;

	world_init(&w);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct volume_attr a = {.mode = S_IFREG};
		const char *name = rows[i].name;
		size_t len = rows[i].len;
		bool bad = rows[i].error != -ENOENT;
		struct volume_node *n;

		assert_int_equal(
			volume_lookup(w.root, name, len, &n), rows[i].error);
		assert_int_equal(
			volume_unlink(w.root, name, len, false), rows[i].error);
		if (bad) {
			assert_int_equal(
				volume_make(w.root, name, len, &a, NULL, &n),
				rows[i].error);
			assert_int_equal(volume_link(w.file, w.root, name, len),
				rows[i].error);
			assert_int_equal(volume_rename(w.root, "file", 4,
						 w.root, name, len, 0),
				rows[i].error);
		} else {
			assert_int_equal(
				volume_make(w.root, name, len, &a, NULL, &n),
				0);
			volume_put(n);
		}
	}
	world_fini(&w);
}

/* ---- errors, as of the system calls ---- */

enum verb { LOOKUP, MAKE, MKDIR, LINK, LINK_DIR, UNLINK, RMDIR };

struct error_row {
	enum verb verb;
	char dir;
	const char *name;
	int error;
};

static void errors(void **state)
{
	static const struct error_row rows[] = {
		{LOOKUP, '/', "file", 0},
		{LOOKUP, '/', "none", -ENOENT},
		{LOOKUP, 'x', "none", -ENOTDIR},
		{MAKE, '/', "file", -EEXIST},
		{MAKE, '/', "full", -EEXIST},
		{MAKE, 'x', "new", -ENOTDIR},
		{MKDIR, '/', "link", -EEXIST},
		{MKDIR, 'e', "new", 0},
		{LINK, '/', "other", -EEXIST},
		{LINK, 'e', "more", 0},
		{LINK, 'x', "more", -ENOTDIR},
		{LINK_DIR, '/', "more", -EPERM},
		{UNLINK, '/', "none", -ENOENT},
		{UNLINK, '/', "full", -EISDIR},
		{UNLINK, '/', "empty", -EISDIR},
		{UNLINK, 'x', "none", -ENOTDIR},
		{UNLINK, '/', "link", 0},
		{RMDIR, '/', "none", -ENOENT},
		{RMDIR, '/', "file", -ENOTDIR},
		{RMDIR, '/', "full", -ENOTEMPTY},
		{RMDIR, 'd', "er", -ENOTEMPTY},
		{RMDIR, 'x', "none", -ENOTDIR},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct error_row *r = &rows[i];
		struct volume_node *dir;
		struct world w;
		int err = 0;

		world_init(&w);
		dir = dir_of(&w, r->dir);
		switch (r->verb) {
		case LOOKUP:
			err = fixture_find(dir, r->name);
			break;
		case MAKE:
			err = fixture_touch(dir, r->name, S_IFREG);
			break;
		case MKDIR:
			err = fixture_touch(dir, r->name, S_IFDIR);
			break;
		case LINK:
			err = fixture_link(w.file, dir, r->name);
			break;
		case LINK_DIR:
			err = fixture_link(w.full, dir, r->name);
			break;
		case UNLINK:
			err = fixture_unlink(dir, r->name);
			break;
		case RMDIR:
			err = fixture_rmdir(dir, r->name);
			break;
		}
		if (err != r->error)
			fail_msg("row %u: %d", i, err);
		world_fini(&w);
	}
}

static void removed_directory(void **state)
{
	struct world w;

	world_init(&w);
	assert_int_equal(fixture_rmdir(w.root, "empty"), 0);
	assert_int_equal(links(w.empty), 0);
	assert_int_equal(fixture_touch(w.empty, "new", S_IFREG), -ENOENT);
	assert_int_equal(fixture_touch(w.empty, "new", S_IFDIR), -ENOENT);
	assert_int_equal(fixture_link(w.file, w.empty, "new"), -ENOENT);
	assert_int_equal(
		fixture_rename(w.root, "file", w.empty, "new", 0), -ENOENT);
	assert_int_equal(
		fixture_rename(w.root, "full", w.empty, "new", 0), -ENOENT);
	assert_int_equal(fixture_find(w.empty, "new"), -ENOENT);
	assert_int_equal(fixture_find(w.root, "full"), 0);
	world_fini(&w);
}

static void link_limits(void **state)
{
	struct world w;

	world_init(&w);
	w.file->inode.nlink = INT32_MAX;
	assert_int_equal(fixture_link(w.file, w.empty, "new"), -EMLINK);
	w.file->inode.nlink = 1;
	w.empty->inode.nlink = INT32_MAX;
	assert_int_equal(fixture_touch(w.empty, "new", S_IFDIR), -EMLINK);
	assert_int_equal(fixture_touch(w.empty, "new", S_IFREG), 0);
	assert_int_equal(
		fixture_rename(w.root, "full", w.empty, "full", 0), -EMLINK);
	assert_int_equal(
		fixture_rename(w.root, "full", w.empty, "new", RENAME_EXCHANGE),
		-EMLINK);
	assert_int_equal(fixture_rename(w.root, "file", w.empty, "file", 0), 0);
	w.empty->inode.nlink = 2;
	world_fini(&w);
}

static void link_targets(void **state)
{
	static const size_t lengths[] = {1, 127, 128, 129, 4094, 4095};
	struct volume_attr a = {.mode = S_IFLNK | 0777};
	static char target[5000], found[5000];
	struct volume_node *n;
	struct fixture f;
	char name[16];

	fixture_init(&f, 1, 1 << 20);
	memset(target, 't', sizeof(target) - 1);
	assert_int_equal(
		volume_make(f.root, "x", 1, &a, target, &n), -ENAMETOOLONG);
	assert_int_equal(volume_make(f.root, "x", 1, &a, "", &n), -ENOENT);
	for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
		size_t len = lengths[i];

		memset(target, 'a' + (int)i, len);
		target[len] = 0;
		snprintf(name, sizeof(name), "%zu", len);
		assert_int_equal(
			volume_make(f.root, name, strlen(name), &a, target, &n),
			0);
		assert_int_equal(fixture_size(n), len);
		volume_put(n);
	}
	fixture_reopen(&f);
	for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
		size_t len = lengths[i];

		snprintf(name, sizeof(name), "%zu", len);
		n = fixture_look(f.root, name);
		assert_non_null(n);
		memset(found, 0, sizeof(found));
		assert_int_equal(volume_readlink(n, found, sizeof(found)), len);
		assert_int_equal(strlen(found), len);
		assert_int_equal(found[0], 'a' + (int)i);
		assert_int_equal(found[len - 1], 'a' + (int)i);
		memset(found, 0, sizeof(found));
		assert_int_equal(volume_readlink(n, found, 1), len);
		assert_int_equal(found[1], 0);
		assert_int_equal(volume_read(n, 0, found, 1), -EINVAL);
		volume_put(n);
		assert_int_equal(fixture_unlink(f.root, name), 0);
	}
	assert_int_equal(volume_readlink(f.root, found, 1), -EINVAL);
	fixture_fini(&f);
}

/* ---- rename ---- */

struct rename_row {
	char from_dir;
	const char *from;
	char to_dir;
	const char *to;
	unsigned flags;
	int error;
};

enum { NO = RENAME_NOREPLACE, EX = RENAME_EXCHANGE };

static const struct rename_row renames[] = {
	{'/', "file", '/', "new", 0, 0},
	{'/', "file", '/', "other", 0, 0},
	{'/', "file", 'e', "new", 0, 0},
	{'/', "file", 'f', "in", 0, 0},
	{'/', "file", '/', "file", 0, 0},
	{'/', "file", '/', NAME_255, 0, 0},
	{'/', "linked1", '/', "linked2", 0, 0},
	{'/', "linked1", '/', "linked2", EX, 0},
	{'/', "none", '/', "new", 0, -ENOENT},
	{'/', "none", '/', "file", 0, -ENOENT},
	{'/', "file", '/', "other", NO, -EEXIST},
	{'/', "file", '/', "file", NO, -EEXIST},
	{'/', "file", 'e', "new", NO, 0},
	{'/', "file", '/', "new", EX, -ENOENT},
	{'/', "file", '/', "other", EX, 0},
	{'/', "file", 'f', "deep", EX, 0},
	{'/', "file", '/', "empty", EX, 0},
	{'/', "file", '/', "other", NO | EX, -EINVAL},
	{'/', "file", '/', "other", 4, -EINVAL},
	{'/', "file", '/', "empty", 0, -EISDIR},
	{'/', "file", '/', "full", 0, -EISDIR},
	{'/', "empty", '/', "file", 0, -ENOTDIR},
	{'/', "link", '/', "file", 0, 0},
	{'/', "empty", '/', "full", 0, -ENOTEMPTY},
	{'/', "full", '/', "empty", 0, 0},
	{'/', "full", 'e', "new", 0, 0},
	{'f', "deep", '/', "empty", 0, 0},
	{'f', "deep", '/', "file", 0, -ENOTDIR},
	{'/', "full", 'f', "new", 0, -EINVAL},
	{'/', "full", 'd', "new", 0, -EINVAL},
	{'/', "full", 'r', "new", 0, -EINVAL},
	{'/', "full", 'r', "file", 0, -EINVAL},
	{'/', "full", 'r', "file", EX, -EINVAL},
	{'r', "file", '/', "full", 0, -ENOTEMPTY},
	{'r', "file", '/', "full", EX, -EINVAL},
	{'d', "er", '/', "full", 0, -ENOTEMPTY},
	{'d', "er", '/', "empty", EX, 0},
	{'/', "empty", 'd', "er", 0, -ENOTEMPTY},
	{'/', "file", 'x', "new", 0, -ENOTDIR},
	{'x', "file", '/', "new", 0, -ENOTDIR},
};

static uint64_t number_of(struct volume_node *dir, const char *name)
{
	struct volume_node *n = fixture_look(dir, name);
	uint64_t number = n ? n->object.number : 0;

	volume_put(n);
	return number;
}

/* Links of directories and their parents are what their entries say. */
struct census {
	struct volume_node *dir;
	unsigned dirs, entries;
};

static void check_tree(struct volume_node *dir, uint64_t parent);

static int check_entry(void *arg, const char *name, size_t len, uint64_t ino,
	uint32_t type, uint64_t next)
{
	struct census *c = arg;
	struct volume_node *n;

	assert_int_equal(volume_get(c->dir->object.volume, ino, &n), 0);
	assert_int_equal(type, n->inode.mode >> 12);
	c->entries++;
	if (type == S_IFDIR >> 12) {
		c->dirs++;
		check_tree(n, c->dir->object.number);
	}
	volume_put(n);
	return 0;
}

static void check_tree(struct volume_node *dir, uint64_t parent)
{
	struct census c = {.dir = dir};

	assert_int_equal(volume_parent(dir), parent);
	assert_int_equal(volume_readdir(dir, 0, check_entry, &c), 0);
	assert_int_equal(links(dir), 2 + c.dirs);
	assert_int_equal(dir->inode.entries, c.entries);
}

static void rename_one(const struct rename_row *r, unsigned row)
{
	struct volume_node *from_dir, *to_dir;
	uint64_t from, to;
	struct world w;
	int err;

	world_init(&w);
	from_dir = dir_of(&w, r->from_dir);
	to_dir = dir_of(&w, r->to_dir);
	from = number_of(from_dir, r->from);
	to = number_of(to_dir, r->to);
	err = fixture_rename(from_dir, r->from, to_dir, r->to, r->flags);
	if (err != r->error)
		fail_msg("row %u: %d", row, err);
	if (err) {
		assert_int_equal(number_of(from_dir, r->from), from);
		assert_int_equal(number_of(to_dir, r->to), to);
	} else {
		assert_int_equal(number_of(to_dir, r->to), from);
		if (r->flags & EX)
			assert_int_equal(number_of(from_dir, r->from), to);
		else if (from != to)
			assert_int_equal(number_of(from_dir, r->from), 0);
	}
	check_tree(w.root, VOL_OBJECT_ROOT);
	world_fini(&w);
}

static void rename_table(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(renames); i++)
		rename_one(&renames[i], i);
}

/* Within large directories, so that entries move while names do. */
static void rename_many(void **state)
{
	uint64_t random = fixture_seed(1);
	enum { MANY = 3000 };
	char from[300], to[300];
	unsigned char *at = calloc(MANY, 1);
	struct volume_node *dir[2];
	struct fixture f;

	fixture_init(&f, random, 4 << 20);
	dir[0] = fixture_make(f.root, "0", S_IFDIR);
	dir[1] = fixture_make(f.root, "1", S_IFDIR);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(from, sizeof(from), "%u-%0*u", i, (int)(i % 200), 0);
		assert_int_equal(
			fixture_touch(dir[0], from, i % 9 ? S_IFREG : S_IFDIR),
			0);
	}
	for (unsigned k = 0; k < 5 * MANY; k++) {
		unsigned i = (unsigned)(volume_backend_random(&random) % MANY);
		unsigned from_dir = at[i] & 1, form = at[i] >> 1;
		unsigned to_dir = volume_backend_random(&random) & 1;

		snprintf(from, sizeof(from), "%u%s%0*u", i, form ? "+" : "-",
			(int)(i % 200), 0);
		snprintf(to, sizeof(to), "%u%s%0*u", i, form ? "-" : "+",
			(int)(i % 200), 0);
		assert_int_equal(fixture_rename(dir[from_dir], from,
					 dir[to_dir], to, RENAME_NOREPLACE),
			0);
		at[i] = (unsigned char)(to_dir | (form ? 0 : 2));
	}
	check_tree(f.root, VOL_OBJECT_ROOT);
	assert_int_equal(dir[0]->inode.entries + dir[1]->inode.entries, MANY);
	volume_put(dir[0]);
	volume_put(dir[1]);
	fixture_fini(&f);
	free(at);
}

/* ---- times ---- */

enum { M = 1 << VOL_MTIME, C = 1 << VOL_CTIME };

/* Which of the times changed since the last look. */
static unsigned changed(struct volume_node *n, struct volume_attr *before)
{
	struct volume_attr a;
	unsigned which = 0;

	volume_getattr(n, &a);
	for (unsigned t = 0; t < VOL_TIMES; t++)
		if (a.sec[t] != before->sec[t] || a.nsec[t] != before->nsec[t])
			which |= 1u << t;
	*before = a;
	return which;
}

static void times(void **state)
{
	struct volume_attr root, file, empty, set = {.sec = {7, 8, 9, 10}};
	struct world w;
	char byte;

	world_init(&w);
	volume_getattr(w.root, &root);
	volume_getattr(w.file, &file);
	volume_getattr(w.empty, &empty);
	assert_int_equal(fixture_touch(w.root, "new", S_IFREG), 0);
	assert_int_equal(changed(w.root, &root), M | C);
	assert_int_equal(fixture_touch(w.root, "new", S_IFREG), -EEXIST);
	assert_int_equal(changed(w.root, &root), 0);
	assert_int_equal(fixture_link(w.file, w.root, "new2"), 0);
	assert_int_equal(changed(w.root, &root), M | C);
	assert_int_equal(changed(w.file, &file), C);
	assert_int_equal(fixture_unlink(w.root, "new2"), 0);
	assert_int_equal(changed(w.root, &root), M | C);
	assert_int_equal(changed(w.file, &file), C);
	assert_int_equal(fixture_rename(w.root, "file", w.empty, "file", 0), 0);
	assert_int_equal(changed(w.root, &root), M | C);
	assert_int_equal(changed(w.empty, &empty), M | C);
	assert_int_equal(changed(w.file, &file), C);
	assert_int_equal(
		fixture_rename(w.root, "other", w.empty, "file", 0), 0);
	assert_int_equal(changed(w.file, &file), C);
	assert_int_equal(links(w.file), 0);
	assert_int_equal(volume_write(w.file, 0, "x", 1), 1);
	assert_int_equal(changed(w.file, &file), M | C);
	assert_int_equal(volume_read(w.file, 0, &byte, 1), 1);
	assert_int_equal(changed(w.file, &file), 0);
	assert_int_equal(fixture_resize(w.file, 0), 0);
	assert_int_equal(changed(w.file, &file), M | C);
	assert_int_equal(volume_setattr(w.file, VOLUME_SET_MODE, &file), 0);
	assert_int_equal(changed(w.file, &file), C);
	assert_int_equal(volume_setattr(w.file,
				 VOLUME_SET_ATIME | VOLUME_SET_MTIME |
					 VOLUME_SET_UID | VOLUME_SET_GID,
				 &set),
		0);
	assert_int_equal(changed(w.file, &file), 1 << VOL_ATIME | M | C);
	assert_int_equal(file.sec[VOL_ATIME], 7);
	assert_int_equal(file.sec[VOL_MTIME], 8);
	assert_int_equal(file.uid, 0);
	set.sec[VOL_ATIME] = 70;
	assert_int_equal(volume_setattr(w.file,
				 VOLUME_SET_ATIME | VOLUME_KEEP_CTIME, &set),
		0);
	assert_int_equal(changed(w.file, &file), 1 << VOL_ATIME);
	set.nsec[0] = 1000000000;
	assert_int_equal(
		volume_setattr(w.file, VOLUME_SET_ATIME, &set), -EINVAL);
	world_fini(&w);
}

/* ---- inodes ---- */

static void orphans(void **state)
{
	struct volume_attr a = {.mode = S_IFREG | 0600};
	struct volume_node *n[8], *unnamed;
	uint64_t inodes;
	struct fixture f;
	char name[8];

	fixture_init(&f, 1, 1 << 20);
	inodes = f.v->state.inodes;
	for (unsigned i = 0; i < ARRAY_SIZE(n); i++) {
		snprintf(name, sizeof(name), "%u", i);
		n[i] = fixture_make(f.root, name, S_IFREG);
		assert_int_equal(volume_write(n[i], i * 4096, name, 2), 2);
		assert_int_equal(fixture_unlink(f.root, name), 0);
		assert_int_equal(fixture_link(n[i], f.root, name), -ENOENT);
	}
	assert_int_equal(volume_make_unnamed(f.v, &a, &unnamed), 0);
	assert_int_equal(links(unnamed), 0);
	assert_int_equal(f.v->state.inodes, inodes + ARRAY_SIZE(n) + 1);
	/* From the middle, the end and the beginning of the list. */
	volume_put(n[3]);
	volume_put(n[0]);
	volume_put(n[7]);
	assert_int_equal(fixture_link(unnamed, f.root, "named"), 0);
	assert_int_equal(links(unnamed), 1);
	assert_int_equal(fixture_unlink(f.root, "named"), 0);
	assert_int_equal(fixture_link(unnamed, f.root, "again"), -ENOENT);
	volume_put(unnamed);
	for (unsigned i = 0; i < ARRAY_SIZE(n); i++) {
		if (i == 0 || i == 3 || i == 7)
			continue;
		name[0] = 0;
		assert_int_equal(volume_read(n[i], i * 4096, name, 2), 2);
		assert_int_equal(name[0], '0' + (int)i);
		volume_put(n[i]);
	}
	assert_int_equal(f.v->state.orphan, 0);
	assert_int_equal(f.v->state.inodes, inodes);
	fixture_fini(&f);
}

/* Numbers are used again, with another generation. */
static void numbers(void **state)
{
	struct volume_attr first, second;
	struct volume_node *n;
	struct fixture f;

	fixture_init(&f, 1, 1 << 20);
	n = fixture_make(f.root, "a", S_IFREG | 0640);
	volume_getattr(n, &first);
	assert_int_equal(first.uid, 1);
	assert_int_equal(first.gid, 2);
	assert_int_equal(first.rdev, 3);
	assert_int_equal(first.mode, S_IFREG | 0640);
	assert_int_equal(first.nlink, 1);
	volume_put(n);
	assert_int_equal(fixture_unlink(f.root, "a"), 0);
	assert_int_equal(volume_get(f.v, first.ino, &n), -ENOENT);
	n = fixture_make(f.root, "b", S_IFCHR);
	volume_getattr(n, &second);
	assert_int_equal(first.ino, second.ino);
	assert_int_not_equal(first.generation, second.generation);
	volume_put(n);
	assert_int_equal(volume_get(f.v, 0, &n), -ENOENT);
	assert_int_equal(volume_get(f.v, 1, &n), -ENOENT);
	assert_int_equal(volume_get(f.v, 1000, &n), -ENOENT);
	assert_int_equal(volume_get(f.v, UINT64_MAX, &n), -ENOENT);
	fixture_fini(&f);
}

/* An entry that names a free inode, or one of another type, is damage. */
static void wrong_entries(void **state)
{
	struct volume_node *n;
	struct world w;

	world_init(&w);
	n = fixture_look(w.root, "other");
	assert_int_equal(vol_begin(w.f.v, 1), 0);
	assert_int_equal(vol_node_prepare(n), 0);
	n->inode.mode = S_IFSOCK;
	vol_end(w.f.v);
	volume_put(n);
	assert_int_equal(fixture_find(w.root, "other"), -EBADMSG);
	assert_int_equal(fixture_unlink(w.root, "other"), -EBADMSG);
	assert_int_equal(
		fixture_rename(w.root, "other", w.root, "x", 0), -EBADMSG);
	assert_int_equal(
		fixture_rename(w.root, "file", w.root, "other", 0), -EBADMSG);
	world_fini(&w);
}

static void many_files(void **state)
{
	enum { MANY = 100000 };
	struct fixture f;
	char name[32];

	fixture_init(&f, 1, 64 << 20);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "file-%u", i);
		assert_int_equal(
			fixture_touch(f.root, name, S_IFREG | 0644), 0);
	}
	fixture_reopen(&f);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "file-%u", i);
		assert_int_equal(fixture_find(f.root, name), 0);
	}
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "file-%u", i);
		assert_int_equal(fixture_unlink(f.root, name), 0);
	}
	assert_int_equal(f.v->state.inodes, 1);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_names),
		cmocka_unit_test(errors),
		cmocka_unit_test(removed_directory),
		cmocka_unit_test(link_limits),
		cmocka_unit_test(link_targets),
		cmocka_unit_test(rename_table),
		cmocka_unit_test(rename_many),
		cmocka_unit_test(times),
		cmocka_unit_test(orphans),
		cmocka_unit_test(numbers),
		cmocka_unit_test(wrong_entries),
		cmocka_unit_test(many_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
