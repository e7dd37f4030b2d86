/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done to a whole volume: verification (verify.c), a new key and the
 * end of change (manage.c), compaction (compact.c).
 */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "volume_env.h"

enum { FILES = 12, BIG = 300, STEPS_MAX = 100000 };

static const uint8_t key1[VOL_KEY_SIZE] = "the first key of this volume...";
static const uint8_t key2[VOL_KEY_SIZE] = "the second key of this volume..";

struct fixture {
	struct memhost host;
	struct volume_env env;
	struct volume *v;
	/* Of the last verification. */
	unsigned told;
	char paths[2048];
};

static void tell(void *arg, const char *path, const char *what)
{
	struct fixture *f = arg;

	f->told++;
	if (getenv("TELL"))
		printf("%s: %s\n", path ? path : "-", what);
	assert_non_null(what);
	if (path && strlen(f->paths) + strlen(path) + 2 < sizeof(f->paths)) {
		strcat(f->paths, path);
		strcat(f->paths, "\n");
	}
}

static int verify(struct fixture *f, struct volume_verify *how)
{
	int err;

	f->told = 0;
	f->paths[0] = 0;
	*how = (struct volume_verify){.damaged = tell, .arg = f};
	err = volume_verify(f->v, how);
	assert_int_equal(how->damages, f->told);
	return err;
}

static struct volume_node *root(struct volume *v)
{
	struct volume_node *n;

	assert_int_equal(volume_get(v, VOL_OBJECT_ROOT, &n), 0);
	return n;
}

static struct volume_node *make(
	struct volume_node *dir, const char *name, uint32_t mode)
{
	struct volume_attr a = {.mode = mode};
	struct volume_node *n;

	assert_int_equal(volume_make(dir, name, strlen(name), &a,
				 mode >> 12 == 012 ? "a target" : NULL, &n),
		0);
	return n;
}

static struct volume_node *lookup(struct volume_node *dir, const char *name)
{
	struct volume_node *n;

	assert_int_equal(volume_lookup(dir, name, strlen(name), &n), 0);
	return n;
}

static void fill(struct volume_node *n, unsigned blocks, unsigned seed)
{
	uint8_t data[VOL_BLOCK_SIZE];

	for (unsigned i = 0; i < blocks; i++) {
		memset(data, (int)(seed + i), sizeof(data));
		assert_int_equal(volume_write(n, (uint64_t)i * sizeof(data),
					 data, sizeof(data)),
			sizeof(data));
	}
}

static void expect(struct volume_node *n, unsigned blocks, unsigned seed)
{
	uint8_t data[VOL_BLOCK_SIZE], want[VOL_BLOCK_SIZE];

	for (unsigned i = 0; i < blocks; i++) {
		memset(want, (int)(seed + i), sizeof(want));
		assert_int_equal(volume_read(n, (uint64_t)i * sizeof(data),
					 data, sizeof(data)),
			sizeof(data));
		assert_memory_equal(data, want, sizeof(data));
	}
}

/* Something of every kind. */
static void populate(struct volume *v)
{
	struct volume_node *top = root(v), *dir, *n;
	char name[32], value[300];

	dir = make(top, "dir", 040755);
	for (unsigned i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file%u", i);
		n = make(dir, name, 0100644);
		fill(n, i, i);
		volume_put(n);
	}
	n = make(top, "big", 0100600);
	fill(n, BIG, 7);
	memset(value, 'v', sizeof(value));
	assert_int_equal(
		volume_xattr_set(n, "user.x", value, sizeof(value), 0), 0);
	assert_int_equal(volume_link(n, dir, "again", 5), 0);
	/* A hole, and a block far behind it. */
	assert_int_equal(volume_write(n, UINT64_C(1) << 33, "far", 3), 3);
	volume_put(n);
	volume_put(make(dir, "link", 0120777));
	volume_put(make(dir, "sub", 040700));
	volume_put(make(dir, "fifo", 010600));
	assert_int_equal(volume_unlink(dir, "file3", 5, false), 0);
	volume_put(dir);
	volume_put(top);
}

static void check_contents(struct volume *v)
{
	struct volume_node *top = root(v), *dir = lookup(top, "dir"), *n;
	char name[32], data[4];

	for (unsigned i = 0; i < FILES; i++) {
		if (i == 3)
			continue;
		snprintf(name, sizeof(name), "file%u", i);
		n = lookup(dir, name);
		expect(n, i, i);
		volume_put(n);
	}
	n = lookup(dir, "again");
	expect(n, BIG, 7);
	assert_int_equal(volume_read(n, UINT64_C(1) << 33, data, 4), 3);
	assert_memory_equal(data, "far", 3);
	volume_put(n);
	volume_put(dir);
	volume_put(top);
}

static struct fixture *setup(enum vol_suite suite)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct volume_params p = {.suite = suite,
		.segment_shift = VOL_SEGMENT_SHIFT_MIN,
		.root_mode = 0755};

	assert_non_null(f);
	memhost_init(&f->host, 3);
	f->env = (struct volume_env){.ops = &memhost_tag_ops,
		.ctx = &f->host,
		.cache_size = 1 << 20};
	assert_int_equal(
		volume_create(&f->env, &p, key1, f->host.tag, NULL), 0);
	return f;
}

static int try_open(struct fixture *f, const uint8_t *key, unsigned flags)
{
	struct volume_expect e = {.any = false};
	struct err err = {0};
	int result;

	memcpy(e.tag, f->host.tag, sizeof(e.tag));
	result = volume_open(&f->env, key, flags, &e, &f->v, &err);
	if (result && getenv("TELL"))
		printf("%s\n", err.text);
	return result;
}

static void reopen(struct fixture *f, const uint8_t *key)
{
	assert_int_equal(volume_close(f->v), 0);
	assert_int_equal(try_open(f, key, 0), 0);
}

static void teardown(struct fixture *f)
{
	assert_int_equal(volume_close(f->v), 0);
	memhost_fini(&f->host);
	free(f);
}

static void expect_sound(struct fixture *f)
{
	struct volume_verify how;

	assert_int_equal(verify(f, &how), 0);
	assert_true(how.blocks > 0);
}

static void sound(enum vol_suite suite)
{
	struct fixture *f = setup(suite);
	struct volume_verify how;
	struct volume_node *n, *top;

	assert_int_equal(try_open(f, key1, 0), 0);
	expect_sound(f);
	populate(f->v);
	assert_int_equal(verify(f, &how), 0);
	/* The root, dir and its sub, link, fifo, big, and the files. */
	assert_int_equal(how.files, 6 + FILES - 1);
	assert_true(how.blocks > BIG);
	/* Unlinked but open. */
	top = root(f->v);
	n = make(top, "gone", 0100600);
	fill(n, 5, 1);
	assert_int_equal(volume_unlink(top, "gone", 4, false), 0);
	expect_sound(f);
	volume_put(n);
	volume_put(top);
	expect_sound(f);
	reopen(f, key1);
	expect_sound(f);
	check_contents(f->v);
	teardown(f);
}

static void test_sound(void **state)
{
	sound(VOL_ENCRYPTED);
	sound(VOL_AUTHENTICATED);
}

/* A volume opened for reading, whose log is replayed in memory. */
static void test_replayed(void **state)
{
	struct fixture *f = setup(VOL_ENCRYPTED);
	struct volume *writer;
	struct volume_verify how;

	assert_int_equal(try_open(f, key1, 0), 0);
	populate(f->v);
	assert_int_equal(volume_sync(f->v), 0);
	writer = f->v;
	assert_int_equal(try_open(f, key1, VOLUME_READ_ONLY), 0);
	assert_int_equal(verify(f, &how), 0);
	assert_int_equal(how.files, 6 + FILES - 1);
	assert_int_equal(volume_close(f->v), 0);
	f->v = writer;
	teardown(f);
}

/* A bit of each block on the disk, one after the other: whatever it was of, the
 * verification ends, and if it says that all is well, all that there is can be
 * read. */
static void damaged(enum vol_suite suite)
{
	struct fixture *f = setup(suite);
	unsigned found = 0, in_big = 0, slots = 0;

	assert_int_equal(try_open(f, key1, 0), 0);
	populate(f->v);
	assert_int_equal(volume_close(f->v), 0);
	for (uint64_t s = 0; memhost_data(&f->host, VOLUME_FILE_SEGMENT, s);
		s++) {
		uint8_t *file = memhost_data(&f->host, VOLUME_FILE_SEGMENT, s);

		for (uint64_t i = 0; i < 1 << VOL_SEGMENT_SHIFT_MIN; i++) {
			uint64_t at = i * VOL_BLOCK_SIZE + (i * 997) % 4096;
			struct volume_verify how;
			int err;

			slots++;
			file[at] ^= 0x40;
			err = try_open(f, key1, VOLUME_RESCUE);
			if (!err) {
				err = verify(f, &how);
				assert_true(err == 0 || err == -EBADMSG);
				assert_int_equal(err != 0, how.damages > 0);
				if (err == 0)
					check_contents(f->v);
				in_big += strstr(f->paths, "/big") ||
					strstr(f->paths, "/dir/again");
				assert_int_equal(volume_close(f->v), 0);
			}
			found += err != 0;
			file[at] ^= 0x40;
		}
	}
	assert_true(in_big >= BIG);
	assert_true(found > BIG && found < slots);
	assert_int_equal(try_open(f, key1, 0), 0);
	check_contents(f->v);
	expect_sound(f);
	teardown(f);
}

static void test_damaged(void **state)
{
	damaged(VOL_ENCRYPTED);
	damaged(VOL_AUTHENTICATED);
}

static void test_rekey(void **state)
{
	struct fixture *f = setup(VOL_ENCRYPTED);
	uint32_t epochs;

	assert_int_equal(try_open(f, key1, 0), 0);
	populate(f->v);
	reopen(f, key1);
	assert_int_equal(volume_rekey(f->v, key2, NULL), 0);
	assert_null(memhost_data(&f->host, VOLUME_FILE_KEYS, 0));
	assert_non_null(memhost_data(&f->host, VOLUME_FILE_KEYS, 1));
	check_contents(f->v);
	expect_sound(f);
	epochs = f->v->epoch;
	reopen(f, key2);
	assert_true(f->v->epoch >= epochs);
	check_contents(f->v);
	assert_int_equal(volume_close(f->v), 0);
	assert_int_equal(try_open(f, key1, 0), -EBADMSG);
	/* Neither copy of the superblock opens with the old key. */
	for (int copy = 0; copy < 2; copy++) {
		uint8_t *file = memhost_data(&f->host, VOLUME_FILE_SUPER, 0);

		file[4096 * copy + 300] ^= 1;
		assert_int_equal(try_open(f, key1, 0), -EBADMSG);
		file[4096 * copy + 300] ^= 1;
	}
	assert_int_equal(try_open(f, key2, 0), 0);
	assert_int_equal(volume_rekey(f->v, key1, NULL), 0);
	reopen(f, key1);
	check_contents(f->v);
	expect_sound(f);
	teardown(f);
}

/* Wherever the host fails: the volume opens with one of the keys, and all is
 * there. */
static void test_rekey_fails(void **state)
{
	for (int n = 0;; n++) {
		struct fixture *f = setup(VOL_ENCRYPTED);
		struct err err = {0};
		int result;

		assert_int_equal(try_open(f, key1, 0), 0);
		populate(f->v);
		assert_int_equal(volume_commit(f->v), 0);
		f->host.fail_after = n;
		f->host.fail_with = -EIO;
		result = volume_rekey(f->v, key2, &err);
		f->host.fail_after = -1;
		if (result)
			assert_non_null(strstr(err.text, "key"));
		(void)volume_close(f->v);
		if (try_open(f, key1, 0))
			assert_int_equal(try_open(f, key2, 0), 0);
		else
			assert_int_not_equal(result, 0);
		check_contents(f->v);
		expect_sound(f);
		teardown(f);
		if (!result)
			break;
		assert_true(n < 500);
	}
}

static void test_seal(void **state)
{
	struct fixture *f = setup(VOL_AUTHENTICATED);
	uint8_t tag[VOL_TAG_SIZE], now[VOL_TAG_SIZE];
	struct volume_attr a = {.mode = 0100644};
	struct volume_node *top, *n;

	assert_int_equal(try_open(f, key1, 0), 0);
	populate(f->v);
	top = root(f->v);
	n = make(top, "open", 0100600);
	assert_int_equal(volume_unlink(top, "open", 4, false), 0);
	assert_int_equal(volume_seal(f->v, tag), -EBUSY);
	volume_put(n);
	assert_int_equal(volume_seal(f->v, tag), 0);
	assert_memory_equal(tag, f->host.tag, sizeof(tag));
	assert_int_equal(volume_make(top, "new", 3, &a, NULL, &n), -EROFS);
	assert_int_equal(volume_seal(f->v, tag), -EROFS);
	assert_int_equal(volume_rekey(f->v, key2, NULL), -EROFS);
	assert_int_equal(volume_compact(f->v, false), -EROFS);
	volume_put(top);
	assert_int_equal(volume_close(f->v), 0);
	assert_int_equal(try_open(f, key1, 0), -EROFS);
	assert_int_equal(try_open(f, key1, VOLUME_READ_ONLY), 0);
	volume_tag(f->v, now);
	assert_memory_equal(now, tag, sizeof(now));
	check_contents(f->v);
	expect_sound(f);
	teardown(f);
}

static unsigned compact(struct fixture *f, bool renew)
{
	unsigned steps = 0;
	int more;

	while ((more = volume_compact(f->v, renew)) > 0)
		assert_true(++steps < STEPS_MAX);
	assert_int_equal(more, 0);
	return steps;
}

static void test_compact(void **state)
{
	struct fixture *f = setup(VOL_ENCRYPTED);
	struct volume_usage before, after;
	struct volume_node *top, *n;
	char name[16];

	assert_int_equal(try_open(f, key1, 0), 0);
	top = root(f->v);
	/* Between what stays, what goes. */
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "junk%d", i);
		n = make(top, name, 0100600);
		fill(n, 30, 99);
		volume_put(n);
		if (i == 20) {
			populate(f->v);
			assert_int_equal(volume_commit(f->v), 0);
		}
	}
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "junk%d", i);
		assert_int_equal(
			volume_unlink(top, name, strlen(name), false), 0);
	}
	volume_put(top);
	assert_int_equal(volume_commit(f->v), 0);
	volume_usage(f->v, &before);
	compact(f, false);
	volume_usage(f->v, &after);
	assert_true(after.host_size < before.host_size / 2);
	assert_null(memhost_data(&f->host, VOLUME_FILE_SEGMENT,
		before.host_size / VOL_BLOCK_SIZE / 64 - 1));
	check_contents(f->v);
	expect_sound(f);
	compact(f, false);
	reopen(f, key1);
	check_contents(f->v);
	expect_sound(f);
	/* It grows again. */
	top = root(f->v);
	n = make(top, "more", 0100600);
	fill(n, 500, 3);
	assert_int_equal(volume_commit(f->v), 0);
	expect(n, 500, 3);
	volume_put(n);
	volume_put(top);
	expect_sound(f);
	teardown(f);
}

static int epochs_of(void *arg, const struct vol_ptr *p)
{
	uint32_t *least = arg;

	if (!vol_ptr_hole(p) && vol_ptr_epoch(p) < *least)
		*least = vol_ptr_epoch(p);
	return 0;
}

/* After a renewal the data keys before are not needed: without their records
 * all is still there. */
static void test_renew(void **state)
{
	struct fixture *f = setup(VOL_ENCRYPTED);
	uint32_t least = UINT32_MAX, epoch;
	uint8_t *keys;

	assert_int_equal(try_open(f, key1, 0), 0);
	populate(f->v);
	reopen(f, key1);
	epoch = f->v->epoch;
	compact(f, true);
	assert_true(f->v->epoch > epoch);
	check_contents(f->v);
	expect_sound(f);
	for (int i = 0; i < VOL_TOPS; i++) {
		epochs_of(&least, &f->v->inodes.top[i]);
		epochs_of(&least, &f->v->table.top[i]);
	}
	assert_true(least > epoch);
	assert_int_equal(volume_close(f->v), 0);
	keys = memhost_data(&f->host, VOLUME_FILE_KEYS, 0);
	memset(keys, 0, epoch * sizeof(struct vol_disk_key));
	assert_int_equal(try_open(f, key1, 0), 0);
	check_contents(f->v);
	expect_sound(f);
	teardown(f);
}

/* Wherever the host fails, and then the power: nothing is lost. */
static void test_compact_fails(void **state)
{
	for (int n = 0;; n += 3) {
		struct fixture *f = setup(VOL_ENCRYPTED);
		struct volume_node *top, *junk;
		int result;

		assert_int_equal(try_open(f, key1, 0), 0);
		top = root(f->v);
		junk = make(top, "junk", 0100600);
		fill(junk, 400, 1);
		volume_put(junk);
		populate(f->v);
		assert_int_equal(volume_commit(f->v), 0);
		assert_int_equal(volume_unlink(top, "junk", 4, false), 0);
		volume_put(top);
		assert_int_equal(volume_commit(f->v), 0);
		f->host.fail_after = n;
		f->host.fail_with = n % 2 ? -EIO : -ENOSPC;
		do
			result = volume_compact(f->v, true);
		while (result > 0);
		f->host.fail_after = -1;
		(void)volume_close(f->v);
		assert_int_equal(try_open(f, key1, 0), 0);
		check_contents(f->v);
		expect_sound(f);
		teardown(f);
		if (!result)
			break;
		assert_true(n < 5000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sound),
		cmocka_unit_test(test_replayed),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_rekey),
		cmocka_unit_test(test_rekey_fails),
		cmocka_unit_test(test_seal),
		cmocka_unit_test(test_compact),
		cmocka_unit_test(test_renew),
		cmocka_unit_test(test_compact_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
