/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host that fails, at each of its operations in turn: what cannot be done has
 * no effect at all, and can be done later.
 */
#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/volume_fixture.h"
#include "unit.h"
#include "volume/core.h"

enum {
	MANY = 1500, /* names, so that the tree has levels */
	CACHE = 256, /* blocks: no commit comes between */
	SIZE = 20 * VOL_BLOCK_SIZE,
	ATTEMPTS_MAX = 3000,
};

static struct fixture f;
static struct volume_node *sub, *file;

/* ---- everything that may be seen ---- */

static uint64_t mix(uint64_t h, const void *data, size_t size)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < size; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static int mix_entry(void *arg, const char *name, size_t len, uint64_t ino,
	uint32_t type, uint64_t next)
{
	uint64_t *h = arg;

	*h = mix(*h, name, len);
	*h = mix(*h, &ino, sizeof(ino));
	*h = mix(*h, &type, sizeof(type));
	return 0;
}

static uint64_t mix_node(uint64_t h, struct volume_node *n)
{
	static char buffer[SIZE];
	int64_t size;

	h = mix(h, &n->inode.mode, sizeof(n->inode.mode));
	h = mix(h, &n->inode.nlink, sizeof(n->inode.nlink));
	h = mix(h, &n->inode.parent, sizeof(n->inode.parent));
	h = mix(h, &n->inode.entries, sizeof(n->inode.entries));
	size = volume_xattr_list(n, buffer, sizeof(buffer));
	assert_true(size >= 0);
	h = mix(h, buffer, (size_t)size);
	size = volume_xattr_get(n, "user.x", buffer, sizeof(buffer));
	if (size > 0)
		h = mix(h, buffer, (size_t)size);
	if (vol_inode_is(&n->inode, VOL_MODE_DIR)) {
		assert_int_equal(volume_readdir(n, 0, mix_entry, &h), 0);
		return h;
	}
	h = mix(h, &n->inode.size, sizeof(n->inode.size));
	size = volume_read(n, 0, buffer, sizeof(buffer));
	assert_true(size >= 0);
	return mix(h, buffer, (size_t)size);
}

static uint64_t everything(void)
{
	uint64_t h = mix_node(0, f.root);

	h = mix_node(h, sub);
	h = mix_node(h, file);
	h = mix(h, &f.v->state.inodes, sizeof(f.v->state.inodes));
	return mix(h, &f.v->state.orphan, sizeof(f.v->state.orphan));
}

/* ---- operations, and what takes them back ---- */

static char long_target[1000];

static int make_file(void)
{
	return fixture_touch(f.root, "new", VOL_MODE_FILE);
}

static int remove_file(void)
{
	return fixture_unlink(f.root, "new");
}

static int make_dir(void)
{
	return fixture_touch(sub, "new", VOL_MODE_DIR);
}

static int remove_dir(void)
{
	return fixture_rmdir(sub, "new");
}

static int make_link(void)
{
	struct volume_attr a = {.mode = VOL_MODE_LINK};
	struct volume_node *n;
	int err = volume_make(f.root, "new", 3, &a, long_target, &n);

	if (!err)
		volume_put(n);
	return err;
}

static int make_unnamed(void)
{
	struct volume_attr a = {.mode = VOL_MODE_FILE};
	struct volume_node *n;
	int err = volume_make_unnamed(f.v, &a, &n);

	if (err)
		return err;
	err = fixture_link(n, f.root, "new");
	volume_put(n);
	return err;
}

static int link_file(void)
{
	return fixture_link(file, f.root, "new");
}

static int rename_within(void)
{
	return fixture_rename(f.root, "7-name", f.root, "new", 0);
}

static int rename_back(void)
{
	return fixture_rename(f.root, "new", f.root, "7-name", 0);
}

static int rename_across(void)
{
	return fixture_rename(f.root, "7-name", sub, "new", 0);
}

static int across_back(void)
{
	return fixture_rename(sub, "new", f.root, "7-name", 0);
}

static int exchange(void)
{
	return fixture_rename(f.root, "9-name", sub, "dir", RENAME_EXCHANGE);
}

static int rename_over(void)
{
	return fixture_rename(f.root, "8-name", sub, "victim", 0);
}

static int over_back(void)
{
	int err = fixture_rename(sub, "victim", f.root, "8-name", 0);

	return err ? err : fixture_touch(sub, "victim", VOL_MODE_FILE);
}

static int unlink_it(void)
{
	return fixture_unlink(f.root, "500-name");
}

static int unlink_back(void)
{
	return fixture_touch(f.root, "500-name", VOL_MODE_FILE);
}

static int set_xattr(void)
{
	return volume_xattr_set(
		file, "user.x", long_target, sizeof(long_target), 0);
}

static int set_large_xattr(void)
{
	static char value[20000];

	return volume_xattr_set(file, "user.x", value, sizeof(value), 0);
}

static int remove_xattr(void)
{
	return volume_xattr_remove(file, "user.x");
}

static int truncate_file(void)
{
	return fixture_resize(file, 3 * VOL_BLOCK_SIZE + 5);
}

static int write_file(void)
{
	static uint8_t data[SIZE];
	int64_t r;

	memset(data, 'f', sizeof(data));
	r = volume_write(file, 0, data, sizeof(data));
	return r < 0 ? (int)r : r == SIZE ? 0 : -EIO;
}

static int write_block(void)
{
	static const char data[100] = "something else";
	int64_t r = volume_write(file, 5 * VOL_BLOCK_SIZE + 9, data, 100);

	return r < 0 ? (int)r : 0;
}

static int grow(void)
{
	return fixture_resize(file, INT64_MAX);
}

static int grow_back(void)
{
	return fixture_resize(file, SIZE);
}

struct row {
	const char *name;
	int (*perform)(void), (*undo)(void);
};

static const struct row rows[] = {
	{"make", make_file, remove_file},
	{"make a directory", make_dir, remove_dir},
	{"make a link", make_link, remove_file},
	{"link", link_file, remove_file},
	{"link what had no name", make_unnamed, remove_file},
	{"rename", rename_within, rename_back},
	{"rename across", rename_across, across_back},
	{"exchange", exchange, exchange},
	{"rename over", rename_over, over_back},
	{"unlink", unlink_it, unlink_back},
	{"set an attribute", set_xattr, remove_xattr},
	{"set a large attribute", set_large_xattr, remove_xattr},
	{"truncate", truncate_file, write_file},
	{"write", write_block, write_file},
	{"grow", grow, grow_back},
};

/* ---- the host's failures ---- */

struct fault_row {
	const char *name;
	unsigned ops;
	int error;
};

static const struct fault_row faults[] = {
	{"read", VOLUME_BACKEND_BIT(READ), -EIO},
	{"memory", VOLUME_BACKEND_BIT(ALLOC), -ENOMEM},
};

/* Nothing is in memory that need not be. */
static void forget(void)
{
	assert_int_equal(volume_commit(f.v), 0);
	vol_nodes_shrink(f.v, 0);
	f.v->cache->limit = 0;
	assert_int_equal(volume_read(file, 0, &(char){0}, 1), 1);
	f.v->cache->limit = CACHE;
}

static unsigned fail_each(const struct row *r, const struct fault_row *how)
{
	struct volume_backend_fault *fault = &f.host->fault[0];
	unsigned failures = 0;

	for (uint64_t pass = 0; pass < ATTEMPTS_MAX; pass++) {
		uint64_t before, hit;
		int err;

		forget();
		before = everything();
		forget();
		hit = f.host->faulted;
		*fault = (struct volume_backend_fault){
			how->ops, how->error, pass, 1};
		err = r->perform();
		*fault = (struct volume_backend_fault){0};
		hit = f.host->faulted - hit;
		if (err) {
			failures++;
			if (!hit || err != how->error)
				fail_msg("%s, %s %llu: %d", r->name, how->name,
					(unsigned long long)pass, err);
			if (everything() != before)
				fail_msg("%s, %s %llu: has an effect", r->name,
					how->name, (unsigned long long)pass);
		} else {
			assert_int_equal(r->undo(), 0);
		}
		if (!hit)
			return failures;
	}
	fail_msg("%s, %s: does not end", r->name, how->name);
	return 0;
}

/* A commit that fails for want of memory does no harm to later ones. */
static void commit_without_memory(void **state)
{
	bool hit = true;

	fixture_init(&f, 1, 1 << 20);
	file = fixture_make(f.root, "file", VOL_MODE_FILE);
	for (uint64_t pass = 0; hit; pass++) {
		uint64_t before = f.host->faulted;
		int err;

		assert_int_equal(write_file(), 0);
		assert_int_equal(make_file(), 0);
		/* One in vain, or all from there on. */
		f.host->fault[0] = (struct volume_backend_fault){
			VOLUME_BACKEND_BIT(ALLOC), -ENOMEM, pass / 2,
			pass % 2 ? UINT64_MAX : 1};
		err = volume_commit(f.v);
		f.host->fault[0] = (struct volume_backend_fault){0};
		hit = f.host->faulted != before;
		assert_true(err == 0 || (hit && err == -ENOMEM));
		assert_int_equal(remove_file(), 0);
		assert_int_equal(volume_commit(f.v), 0);
	}
	volume_put(file);
	fixture_fini(&f);
}

static void damaged(void *arg, const char *path, const char *what)
{
	print_message("%s: %s\n", path ? path : "volume", what);
}

static void each_fails(void **state)
{
	struct volume_verify verify = {.damaged = damaged};
	unsigned failures[ARRAY_SIZE(faults)] = {0};
	char name[32];

	fixture_init(&f, 1, 1 << 20);
	memset(long_target, 't', sizeof(long_target) - 1);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "%u-name", i);
		assert_int_equal(fixture_touch(f.root, name, VOL_MODE_FILE), 0);
	}
	sub = fixture_make(f.root, "sub", VOL_MODE_DIR);
	file = fixture_make(f.root, "file", VOL_MODE_FILE);
	assert_int_equal(write_file(), 0);
	assert_int_equal(fixture_touch(sub, "dir", VOL_MODE_DIR), 0);
	assert_int_equal(fixture_touch(sub, "victim", VOL_MODE_FILE), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		for (unsigned k = 0; k < ARRAY_SIZE(faults); k++)
			failures[k] += fail_each(&rows[i], &faults[k]);
	for (unsigned k = 0; k < ARRAY_SIZE(faults); k++) {
		print_message("%s: %u failures\n", faults[k].name, failures[k]);
		assert_true(failures[k] >= ARRAY_SIZE(rows));
	}
	volume_put(sub);
	volume_put(file);
	fixture_reopen(&f);
	assert_int_equal(volume_verify(f.v, &verify), 0);
	assert_int_equal(f.v->state.orphan, 0);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fails),
		cmocka_unit_test(commit_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
