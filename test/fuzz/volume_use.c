/* SPDX-License-Identifier: Apache-2.0 */
#include "test/fuzz/volume_use.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { NODES_MAX = 200, ENTRIES_MAX = 400, DEPTH_MAX = 6, READS_MAX = 40 };

static const uint8_t key[VOL_KEY_SIZE];
static const struct volume_expect any = {.any = true};

/* ---- the volume ---- */

static struct volume_node *make(struct volume_node *dir, const char *name,
	uint32_t mode, const char *target)
{
	const struct volume_attr a = {.mode = mode};
	struct volume_node *n;

	CHECK(volume_make(dir, name, strlen(name), &a, target, &n) == 0);
	return n;
}

static void fill(struct volume *v, unsigned names)
{
	static const char data[9000] = "contents";
	char name[256], target[300];
	struct volume_node *root, *dir, *n;

	CHECK(volume_get(v, VOL_OBJECT_ROOT, &root) == 0);
	n = make(root, "file", S_IFREG | 0644, NULL);
	CHECK(volume_write(n, 0, data, sizeof(data)) == sizeof(data));
	CHECK(volume_write(n, 3000000, data, 1) == 1);
	CHECK(volume_xattr_set(n, "user.a", data, 20, 0) == 0);
	volume_put(n);
	memset(target, 'x', sizeof(target));
	target[299] = '\0';
	volume_put(make(root, "long", S_IFLNK | 0777, target));
	volume_put(make(root, "short", S_IFLNK | 0777, "file"));
	dir = make(root, "d", S_IFDIR | 0755, NULL);
	for (unsigned i = 0; i < names; i++) {
		memset(name, 'n', sizeof(name));
		snprintf(name + (i % 2 ? 2 : 240), 14, "%u", i);
		volume_put(make(dir, name, S_IFREG | 0600, NULL));
	}
	volume_put(make(dir, "sub", S_IFDIR | 0755, NULL));
	volume_put(dir);
	volume_put(root);
}

struct volume_backend *volume_use_new(unsigned names)
{
	const struct volume_params p = {.suite = VOL_ENCRYPTED,
		.segment_shift = VOL_SEGMENT_SHIFT_MIN,
		.root_mode = 0755};
	struct volume_backend *b = volume_backend_new(1), *copy;
	struct volume_env env = volume_backend_env(b, 256 << 10);
	struct volume_node *root, *n;
	uint8_t tag[VOL_TAG_SIZE];
	struct volume *v;

	b->no_store = true;
	CHECK(volume_create(&env, &p, key, tag, NULL) == 0);
	CHECK(volume_open(&env, key, 0, &any, &v, NULL) == 0);
	fill(v, names);
	CHECK(volume_commit(v) == 0);
	CHECK(volume_get(v, VOL_OBJECT_ROOT, &root) == 0);
	n = make(root, "logged", S_IFREG | 0644, NULL);
	CHECK(volume_write(n, 100, "x", 1) == 1);
	CHECK(volume_sync(v) == 0);
	CHECK(volume_write(n, 5000, "y", 1) == 1);
	CHECK(volume_unlink(root, "short", 5, false) == 0);
	CHECK(volume_sync(v) == 0);
	volume_put(n);
	volume_put(root);
	copy = volume_backend_clone(b, 2);
	CHECK(volume_close(v) == 0);
	volume_backend_free(b);
	return copy;
}

/* ---- using it ---- */

struct entry {
	char name[VOL_NAME_MAX];
	size_t len;
};

static struct use {
	struct entry entry[ENTRIES_MAX];
	size_t count;
	uint64_t next, last;
	unsigned nodes;
} use;

static int add(void *arg, const char *name, size_t len, uint64_t ino,
	uint32_t type, uint64_t next)
{
	(void)arg, (void)ino, (void)type;
	CHECK(len > 0 && len <= VOL_NAME_MAX);
	CHECK(memchr(name, '/', len) == NULL && memchr(name, 0, len) == NULL);
	/* Going on always gets further. */
	CHECK(next > use.last);
	use.last = next;
	use.next = next;
	if (use.count == ENTRIES_MAX)
		return 1;
	memcpy(use.entry[use.count].name, name, len);
	use.entry[use.count++].len = len;
	return 0;
}

static void walk(struct volume_node *n, unsigned depth);

static void walk_directory(struct volume_node *n, unsigned depth)
{
	static struct entry entries[DEPTH_MAX][ENTRIES_MAX];
	struct volume_node *child;
	size_t count;

	use.count = 0;
	use.last = 0;
	if (volume_readdir(n, 0, add, NULL) < 0)
		return;
	count = use.count;
	memcpy(entries[depth], use.entry, count * sizeof(use.entry[0]));
	for (size_t i = 0; i < count && use.nodes < NODES_MAX; i++) {
		struct entry *e = &entries[depth][i];

		if (volume_lookup(n, e->name, e->len, &child) < 0)
			continue;
		walk(child, depth + 1);
		volume_put(child);
	}
}

static void walk_file(struct volume_node *n, const struct volume_attr *a)
{
	static uint8_t data[10000];
	uint64_t at = 0;

	for (unsigned i = 0; i < READS_MAX && at < a->size; i++) {
		int64_t got = volume_seek(n, at, i % 2);

		if (got < 0)
			break;
		CHECK((uint64_t)got >= at && (uint64_t)got <= a->size);
		at = (uint64_t)got;
		got = volume_read(n, at, data, sizeof(data));
		CHECK(got <= (int64_t)sizeof(data));
		at++;
	}
}

static void walk(struct volume_node *n, unsigned depth)
{
	static char text[70000];
	struct volume_attr a;
	int64_t size;

	use.nodes++;
	volume_getattr(n, &a);
	size = volume_xattr_list(n, text, sizeof(text));
	CHECK(size <= (int64_t)sizeof(text));
	if (size > 0) {
		static char value[70000];

		CHECK(text[size - 1] == '\0');
		size = volume_xattr_get(n, text, value, sizeof(value));
		CHECK(size <= (int64_t)sizeof(value));
	}
	if (S_ISREG(a.mode))
		walk_file(n, &a);
	else if (S_ISLNK(a.mode))
		(void)!volume_readlink(n, text, sizeof(text));
	else if (S_ISDIR(a.mode) && depth + 1 < DEPTH_MAX)
		walk_directory(n, depth);
}

/* Everything that changes something, in the root and in "d". */
static void change(struct volume *v, struct volume_node *root)
{
	const struct volume_attr file = {.mode = S_IFREG | 0644};
	struct volume_attr a = {.size = 2000};
	struct volume_node *dir, *n;
	char name[256];

	if (volume_lookup(root, "file", 4, &n) == 0) {
		(void)!volume_write(n, 4000, "changed", 7);
		(void)!volume_punch(n, 100, 5000);
		(void)!volume_setattr(n, VOLUME_SET_SIZE, &a);
		(void)!volume_xattr_set(n, "user.b", "value", 5, 0);
		(void)!volume_xattr_remove(n, "user.a");
		volume_put(n);
	}
	(void)!volume_sync(v);
	if (volume_lookup(root, "d", 1, &dir) == 0) {
		for (unsigned i = 0; i < 30; i++) {
			memset(name, 'm', sizeof(name));
			snprintf(name + 200, 14, "%u", i);
			if (volume_make(dir, name, 200 + i % 50, &file, NULL,
				    &n) == 0)
				volume_put(n);
		}
		(void)!volume_rename(dir, name, 229, root, "moved", 5, 0);
		(void)!volume_rename(root, "file", 4, dir, "sub", 3, 2);
		use.count = 0;
		use.last = 0;
		(void)!volume_readdir(dir, 0, add, NULL);
		for (size_t i = 0; i < use.count; i++)
			(void)!volume_unlink(dir, use.entry[i].name,
				use.entry[i].len, i % 16 == 0);
		volume_put(dir);
	}
	(void)!volume_unlink(root, "file", 4, false);
	(void)!volume_unlink(root, "long", 4, false);
	(void)!volume_unlink(root, "d", 1, true);
	(void)!volume_sync(v);
	(void)!volume_commit(v);
}

static void use_as(struct volume_backend *b, unsigned flags)
{
	struct volume_env env = volume_backend_env(b, 256 << 10);
	struct volume_verify how = {0};
	struct volume_node *root;
	struct volume *v;

	use.nodes = 0;
	if (volume_open(&env, key, flags, &any, &v, NULL) == 0) {
		if (volume_get(v, VOL_OBJECT_ROOT, &root) == 0) {
			walk(root, 0);
			if (!(flags & VOLUME_READ_ONLY))
				change(v, root);
			volume_put(root);
		}
		(void)!volume_verify(v, &how);
		if (!(flags & VOLUME_READ_ONLY))
			(void)!volume_compact(v, false);
		(void)volume_close(v);
	}
	CHECK(b->memory_count == 0);
}

void volume_use(struct volume_backend *b)
{
	use_as(b, VOLUME_READ_ONLY | VOLUME_RESCUE);
	CHECK(b->changes == 0);
	use_as(b, 0);
}
