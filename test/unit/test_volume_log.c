/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The intent log: what a sync costs the host, and that what was synced, and a
 * whole state, is there after a loss of power that a commit did not precede.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "test/unit/unit.h"
#include "test/unit/volume_fixture.h"
#include "volume/core.h"

static const struct volume_file log_file = {VOLUME_FILE_LOG, 0};

struct counts {
	uint64_t writes, flushes, log_writes, log_offset;
};

static void seen(struct volume_backend *b, enum volume_backend_op op,
	struct volume_file f, uint64_t offset, size_t size)
{
	struct counts *c = b->seen_arg;

	c->writes += op == VOLUME_BACKEND_WRITE;
	c->flushes += op == VOLUME_BACKEND_FLUSH;
	if (op == VOLUME_BACKEND_WRITE && f.kind == VOLUME_FILE_LOG) {
		c->log_writes++;
		c->log_offset = offset;
	}
}

static void count(struct fixture *f, struct counts *c)
{
	memset(c, 0, sizeof(*c));
	f->host->seen = seen;
	f->host->seen_arg = c;
}

static struct volume_node *file_of(struct fixture *f, const char *name)
{
	struct volume_node *n = fixture_make(f->root, name, 0100600);

	assert_non_null(n);
	return n;
}

static void put(struct volume_node *n, uint64_t offset, const char *text)
{
	assert_int_equal(
		volume_write(n, offset, text, strlen(text)), strlen(text));
}

static void check(struct volume_node *n, uint64_t offset, const char *text)
{
	char data[64];

	assert_int_equal(
		volume_read(n, offset, data, strlen(text)), strlen(text));
	assert_memory_equal(data, text, strlen(text));
}

/* The power goes: all that is left is what was flushed, and luck. */
static void crash(struct fixture *f, uint64_t seed)
{
	struct volume_env env = volume_backend_env(f->host, f->cache_size);
	static const uint8_t key[VOL_KEY_SIZE] = {1, 2, 3};
	struct volume_expect expect;
	struct err err;

	f->host->seen = NULL;
	f->host->crash_at = f->host->changes + 1;
	volume_put(f->root);
	(void)volume_close(f->v);
	volume_backend_crash(f->host, seed);
	expect = volume_backend_expect(f->host);
	if (volume_open(&env, key, 0, &expect, &f->v, &err))
		fail_msg("%s", err.text);
	assert_int_equal(volume_get(f->v, VOL_OBJECT_ROOT, &f->root), 0);
}

static struct volume_node *look(struct fixture *f, const char *name)
{
	struct volume_node *n = fixture_look(f->root, name);

	assert_non_null(n);
	return n;
}

static void test_cost(void **state)
{
	struct volume_node *n;
	struct fixture f;
	struct counts c;

	fixture_init(&f, 1, 1024 * 1024);
	n = file_of(&f, "a");
	put(n, 0, "one");
	count(&f, &c);
	assert_int_equal(volume_sync(f.v), 0);
	/* An epoch's key, once. */
	assert_in_range(c.flushes, 1, 2);
	for (int i = 0; i < 20; i++) {
		put(n, (uint64_t)i * 100000, "two");
		count(&f, &c);
		assert_int_equal(volume_sync(f.v), 0);
		assert_int_equal(c.writes, 1);
		assert_int_equal(c.flushes, 1);
		assert_int_equal(c.log_writes, 1);
		/* Nothing to do: nothing is done. */
		count(&f, &c);
		assert_int_equal(volume_sync(f.v), 0);
		assert_int_equal(c.writes + c.flushes, 0);
	}
	volume_put(n);
	crash(&f, 1);
	n = look(&f, "a");
	check(n, 0, "two");
	check(n, 1900000, "two");
	assert_int_equal(fixture_size(n), 1900003);
	volume_put(n);
	fixture_fini(&f);
}

/* What is not synced is there wholly or not at all, and never alone. */
static void test_prefix(void **state)
{
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct volume_node *n;
		struct fixture f;
		int last = -1;
		char name[16];

		fixture_init(&f, seed, 256 * 1024);
		for (int i = 0; i < 40; i++) {
			snprintf(name, sizeof(name), "f%d", i);
			n = file_of(&f, name);
			put(n, 0, name);
			volume_put(n);
			if (i == 20)
				assert_int_equal(volume_sync(f.v), 0);
		}
		crash(&f, seed);
		for (int i = 0; i < 40; i++) {
			snprintf(name, sizeof(name), "f%d", i);
			n = fixture_look(f.root, name);
			if (!n)
				continue;
			assert_int_equal(last, i - 1);
			last = i;
			volume_put(n);
		}
		assert_true(last >= 20);
		for (int i = 0; i <= 20; i++) {
			snprintf(name, sizeof(name), "f%d", i);
			n = look(&f, name);
			check(n, 0, name);
			volume_put(n);
		}
		fixture_fini(&f);
	}
}

/* Much at once goes to slots, and the record says where. */
static void test_reference(void **state)
{
	enum { SIZE = 600 * 1000 };
	static uint8_t data[SIZE], back[SIZE];
	struct volume_node *n;
	struct fixture f;
	struct counts c;

	fixture_init(&f, 2, 4 * 1024 * 1024);
	n = file_of(&f, "a");
	assert_int_equal(volume_sync(f.v), 0);
	for (size_t round = 1; round <= 3; round++) {
		for (size_t i = 0; i < SIZE; i++)
			data[i] = (uint8_t)(i * round >> 3);
		assert_int_equal(volume_write(n, round, data, SIZE), SIZE);
		count(&f, &c);
		assert_int_equal(volume_sync(f.v), 0);
		assert_int_equal(c.log_writes, 1);
		assert_int_equal(c.flushes, 2); /* of a segment and the log */
	}
	/* The slots that the records name are not given out again. */
	for (int i = 0; i < 40; i++) {
		assert_int_equal(volume_write(n, SIZE, data, SIZE), SIZE);
		assert_int_equal(vol_place_contents(f.v, false), 0);
	}
	volume_put(n);
	crash(&f, 3);
	n = look(&f, "a");
	assert_int_equal(volume_read(n, 3, back, SIZE), SIZE);
	assert_memory_equal(back, data, SIZE);
	volume_put(n);
	fixture_fini(&f);
}

/* Blocks that are written, placed, logged, punched, and written again. */
static void test_punch(void **state)
{
	struct volume_node *n;
	struct fixture f;

	fixture_init(&f, 3, 1024 * 1024);
	n = file_of(&f, "a");
	put(n, 0, "first");
	put(n, 40960, "second");
	put(n, 81920, "third");
	assert_int_equal(volume_sync(f.v), 0);
	assert_int_equal(volume_punch(n, 40960, 4096), 0);
	put(n, 45056, "fourth");
	assert_int_equal(vol_place_contents(f.v, false), 0);
	assert_int_equal(volume_punch(n, 0, 8192), 0);
	put(n, 4096, "fifth");
	assert_int_equal(volume_sync(f.v), 0);
	/* A file that comes and goes between two records, and its number. */
	assert_int_equal(fixture_touch(f.root, "b", 0100600), 0);
	assert_int_equal(fixture_unlink(f.root, "b"), 0);
	assert_int_equal(volume_sync(f.v), 0);
	assert_int_equal(fixture_touch(f.root, "c", 0100600), 0);
	assert_int_equal(volume_sync(f.v), 0);
	volume_put(n);
	crash(&f, 4);
	n = look(&f, "a");
	check(n, 4096, "fifth");
	check(n, 45056, "fourth");
	check(n, 81920, "third");
	assert_int_equal(n->object.blocks, 3);
	assert_int_equal(fixture_find(f.root, "b"), -ENOENT);
	assert_int_equal(fixture_find(f.root, "c"), 0);
	volume_put(n);
	fixture_fini(&f);
}

/* When the log is full there is a commit, and it begins anew. */
static void test_full(void **state)
{
	struct volume_node *n;
	struct fixture f;
	struct counts c;
	uint64_t offset = 0;
	bool wrapped = false;
	char text[16];

	fixture_init(&f, 4, 1024 * 1024);
	n = file_of(&f, "a");
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "%08d", i);
		put(n, 0, text);
		count(&f, &c);
		assert_int_equal(volume_sync(f.v), 0);
		if (c.log_writes) {
			wrapped |= c.log_offset < offset;
			offset = c.log_offset;
		}
	}
	assert_true(wrapped);
	volume_put(n);
	crash(&f, 5);
	n = look(&f, "a");
	check(n, 0, text);
	volume_put(n);
	fixture_fini(&f);
}

/* A record that cannot be written is not forgotten. */
static void test_write_error(void **state)
{
	struct volume_node *n;
	struct fixture f;

	fixture_init(&f, 5, 1024 * 1024);
	n = file_of(&f, "a");
	put(n, 0, "before");
	assert_int_equal(volume_sync(f.v), 0);
	put(n, 0, "behind");
	f.host->fault[0] = (struct volume_backend_fault){
		VOLUME_BACKEND_BIT(WRITE), -EIO, 0, 1};
	assert_int_equal(volume_sync(f.v), -EIO);
	check(n, 0, "behind");
	put(n, 6, "!");
	assert_int_equal(volume_sync(f.v), 0);
	volume_put(n);
	crash(&f, 6);
	n = look(&f, "a");
	check(n, 0, "behind!");
	volume_put(n);
	fixture_fini(&f);
}

/* Nobody knows what is on the disk: nothing is written any more. */
static void test_flush_error(void **state)
{
	struct volume_node *n;
	struct fixture f;
	uint64_t writes;

	fixture_init(&f, 6, 1024 * 1024);
	n = file_of(&f, "a");
	put(n, 0, "before");
	assert_int_equal(volume_sync(f.v), 0);
	put(n, 0, "behind");
	f.host->fault[0] = (struct volume_backend_fault){
		VOLUME_BACKEND_BIT(FLUSH), -EIO, 0, 1};
	assert_int_equal(volume_sync(f.v), -EIO);
	writes = f.host->count[VOLUME_BACKEND_WRITE];
	assert_int_equal(volume_write(n, 0, "x", 1), -EROFS);
	assert_true(volume_sync(f.v) < 0);
	assert_true(volume_commit(f.v) < 0);
	check(n, 0, "behind");
	volume_put(n);
	assert_int_equal(f.host->count[VOLUME_BACKEND_WRITE], writes);
	crash(&f, 7);
	n = look(&f, "a");
	assert_int_equal(fixture_size(n), 6);
	volume_put(n);
	fixture_fini(&f);
}

/* Records of the host's choice: older ones, none, and torn ones. */
static void test_attacks(void **state)
{
	static const uint8_t key[VOL_KEY_SIZE] = {1, 2, 3};
	struct volume_backend *copy;
	struct volume_node *n;
	struct volume_expect expect;
	struct volume_env env;
	struct fixture f;
	struct volume *v;
	struct err err;
	uint8_t byte;

	fixture_init(&f, 7, 1024 * 1024);
	n = file_of(&f, "a");
	for (int i = 0; i < 5; i++) {
		put(n, 0, "text");
		assert_int_equal(volume_sync(f.v), 0);
	}
	expect = volume_backend_expect(f.host);
	for (unsigned i = 0; i < 40; i++) {
		/* Any byte of the first record's pages. */
		copy = volume_backend_clone(f.host, i);
		volume_backend_peek(copy, log_file, i * 211, &byte, 1);
		byte ^= (uint8_t)(1u << i % 8);
		volume_backend_poke(copy, log_file, i * 211, &byte, 1);
		env = volume_backend_env(copy, 1024 * 1024);
		/* Beyond what is used of a page nothing is looked at. */
		if (i * 211 < 40 + 64 + 32 + 4096)
			assert_int_equal(
				volume_open(&env, key, 0, &expect, &v, &err),
				-ESTALE);
		assert_int_equal(copy->memory, 0);
		volume_backend_free(copy);
	}
	/* No log. */
	copy = volume_backend_clone(f.host, 50);
	volume_backend_truncate(copy, log_file, 0);
	env = volume_backend_env(copy, 1024 * 1024);
	assert_true(volume_open(&env, key, 0, &expect, &v, &err) < 0);
	volume_backend_free(copy);
	volume_put(n);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_reference),
		cmocka_unit_test(test_punch),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_write_error),
		cmocka_unit_test(test_flush_error),
		cmocka_unit_test(test_attacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
