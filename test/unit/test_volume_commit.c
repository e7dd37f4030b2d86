/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commits: their order towards disk and store, that the one before is whole
 * until the next one is, and that a failure on the way loses nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "test/unit/unit.h"
#include "test/unit/volume_fixture.h"
#include "volume/core.h"

static const uint8_t key[VOL_KEY_SIZE] = {1, 2, 3};
static const struct volume_file super_file = {VOLUME_FILE_SUPER, 0};
static const struct volume_file log_file = {VOLUME_FILE_LOG, 0};

static void damaged(void *arg, const char *path, const char *what)
{
	fail_msg("damaged: %s: %s", path ? path : "the volume", what);
}

static void verify(struct volume *v)
{
	struct volume_verify how = {.damaged = damaged};

	assert_int_equal(volume_verify(v, &how), 0);
}

/* Files with names and contents that follow from @version. */
static void populate(struct fixture *f, unsigned version)
{
	static uint8_t data[50000];
	struct volume_node *n;
	char name[16];

	for (unsigned i = 0; i < 20; i++) {
		size_t size = 1 + (i * 7919 + version * 104729) % sizeof(data);

		snprintf(name, sizeof(name), "f%u", i);
		n = fixture_look(f->root, name);
		if (!n)
			n = fixture_make(f->root, name, 0100600);
		assert_non_null(n);
		memset(data, (int)(i + version), size);
		assert_int_equal(fixture_resize(n, 0), 0);
		assert_int_equal(volume_write(n, 0, data, size), size);
		volume_put(n);
	}
}

static void check(struct volume *v, unsigned version)
{
	static uint8_t data[50000], want[50000];
	struct volume_node *n, *root;
	char name[16];

	assert_int_equal(volume_get(v, VOL_OBJECT_ROOT, &root), 0);
	for (unsigned i = 0; i < 20; i++) {
		size_t size = 1 + (i * 7919 + version * 104729) % sizeof(data);

		snprintf(name, sizeof(name), "f%u", i);
		n = fixture_look(root, name);
		assert_non_null(n);
		assert_int_equal(fixture_size(n), size);
		assert_int_equal(volume_read(n, 0, data, size), size);
		memset(want, (int)(i + version), size);
		assert_memory_equal(data, want, size);
		volume_put(n);
	}
	volume_put(root);
}

struct events {
	char text[256];
	size_t n;
	uint64_t copy;
};

static void seen(struct volume_backend *b, enum volume_backend_op op,
	struct volume_file f, uint64_t offset, size_t size)
{
	struct events *e = b->seen_arg;
	char c = 0;

	if (op == VOLUME_BACKEND_TAG_PUSH)
		c = 't';
	else if (op == VOLUME_BACKEND_WRITE)
		c = f.kind == VOLUME_FILE_SUPER         ? 'S'
			: f.kind == VOLUME_FILE_SEGMENT ? 'D'
			: f.kind == VOLUME_FILE_LOG     ? 'L'
							: 'K';
	else if (op == VOLUME_BACKEND_FLUSH)
		c = f.kind == VOLUME_FILE_SUPER         ? 's'
			: f.kind == VOLUME_FILE_SEGMENT ? 'd'
							: 'k';
	if (c == 'S')
		e->copy = offset / 4096;
	if (c && (!e->n || e->text[e->n - 1] != c) &&
		e->n < sizeof(e->text) - 1)
		e->text[e->n++] = c;
}

static void test_order(void **state)
{
	struct events e;
	struct fixture f;
	uint64_t copy = 2;

	fixture_init(&f, 1, 4 * 1024 * 1024);
	f.host->seen = seen;
	f.host->seen_arg = &e;
	for (unsigned i = 0; i < 6; i++) {
		populate(&f, i);
		/* A record, or two, in between. */
		for (unsigned k = 0; k < i % 3; k++) {
			assert_int_equal(volume_sync(f.v), 0);
			populate(&f, i);
		}
		memset(&e, 0, sizeof(e));
		assert_int_equal(volume_commit(f.v), 0);
		/* The data and its flush; the store has what was before; the
		 * superblock and its flush; the store has what is now. */
		if (i > 0)
			assert_string_equal(e.text, "DdtSst");
		assert_int_not_equal(e.copy, copy);
		copy = e.copy;
		memset(&e, 0, sizeof(e));
		assert_int_equal(volume_commit(f.v), 0);
		assert_string_equal(e.text, "");
	}
	f.host->seen = NULL;
	verify(f.v);
	fixture_fini(&f);
}

/* With today's segments, and the superblock and the log of a commit ago, the
 * volume is what it was then, whatever was written since. */
static void test_last_commit_stays(void **state)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct volume_backend *then, *now;
		struct volume_env env;
		struct volume *v;
		struct fixture f;
		uint64_t sequence;

		fixture_init(&f, seed, 16 * 1024 * 1024);
		for (unsigned i = 1; i <= 4; i++) {
			populate(&f, i);
			assert_int_equal(volume_commit(f.v), 0);
			sequence = f.v->commit->super_sequence;
			then = volume_backend_clone(f.host, seed);
			for (unsigned k = 0; k < 3; k++) {
				populate(&f, i + 100 + k);
				if (k != i % 3)
					assert_int_equal(volume_sync(f.v), 0);
				assert_int_equal(
					vol_place_contents(f.v, false), 0);
			}
			assert_int_equal(f.v->commit->super_sequence, sequence);
			now = volume_backend_clone(f.host, seed);
			volume_backend_copy(now, then, super_file);
			volume_backend_copy(now, then, log_file);
			env = volume_backend_env(now, 1024 * 1024);
			assert_int_equal(
				volume_open(&env, key, VOLUME_READ_ONLY, NULL,
					&v, NULL),
				0);
			check(v, i);
			verify(v);
			assert_int_equal(volume_close(v), 0);
			volume_backend_free(now);
			volume_backend_free(then);
		}
		fixture_fini(&f);
	}
}

/* An error at each of the host's operations that a commit makes, once. */
static void test_errors(void **state)
{
	static const struct {
		unsigned ops;
		int error;
	} row[] = {
		{VOLUME_BACKEND_BIT(WRITE), -EIO},
		{VOLUME_BACKEND_BIT(WRITE), -ENOSPC},
		{VOLUME_BACKEND_BIT(RESIZE), -ENOSPC},
		{VOLUME_BACKEND_BIT(READ), -EIO},
		{VOLUME_BACKEND_BIT(TAG_PUSH), -EIO},
		{VOLUME_BACKEND_BIT(ALLOC), 0},
	};
	for (size_t r = 0; r < ARRAY_SIZE(row); r++) {
		for (uint64_t pass = 0; pass < 12; pass++) {
			bool read_only;
			struct fixture f;
			int err;

			fixture_init(&f, pass, 8 * 1024 * 1024);
			populate(&f, 1);
			assert_int_equal(volume_commit(f.v), 0);
			populate(&f, 2);
			f.host->fault[0] = (struct volume_backend_fault){
				row[r].ops, row[r].error, pass, 1};
			err = volume_commit(f.v);
			if (f.host->faulted && row[r].error)
				assert_int_equal(err, row[r].error);
			f.host->fault[0].ops = 0;
			check(f.v, 2);
			/* Only the superblock is not written twice. */
			read_only = f.v->failed;
			if (!read_only) {
				assert_int_equal(volume_commit(f.v), 0);
				verify(f.v);
				fixture_reopen(&f);
				check(f.v, 2);
				fixture_fini(&f);
				continue;
			}
			assert_int_equal(
				volume_unlink(f.root, "f1", 2, false), -EROFS);
			volume_put(f.root);
			assert_true(volume_close(f.v) <= 0);
			assert_int_equal(f.host->memory, 0);
			volume_backend_free(f.host);
		}
	}
}

/* Somebody else has written: the store says so. */
static void test_another_writer(void **state)
{
	struct fixture f;

	fixture_init(&f, 3, 1024 * 1024);
	populate(&f, 1);
	f.host->tag[0] ^= 1;
	assert_int_equal(volume_commit(f.v), -ESTALE);
	assert_int_equal(volume_unlink(f.root, "f1", 2, false), -EROFS);
	volume_put(f.root);
	assert_true(volume_close(f.v) < 0);
	assert_int_equal(f.host->memory, 0);
	volume_backend_free(f.host);
}

static void test_gate(void **state)
{
	struct fixture f;

	fixture_init(&f, 4, 1024 * 1024);
	assert_int_equal(vol_begin(f.v, 1), 0);
	assert_int_equal(vol_gate_close(f.v), -EDEADLK);
	vol_end(f.v);
	assert_int_equal(vol_gate_close(f.v), 0);
	assert_int_equal(vol_begin(f.v, 1), -EDEADLK);
	vol_gate_open(f.v);
	assert_int_equal(vol_begin(f.v, 1), 0);
	vol_end(f.v);
	fixture_fini(&f);
}

/* Not before its time, and not without reason. */
static void test_tick(void **state)
{
	struct fixture f;
	uint64_t writes;

	fixture_init(&f, 5, 64 * 1024 * 1024);
	populate(&f, 1);
	writes = f.host->count[VOLUME_BACKEND_WRITE];
	assert_int_equal(volume_tick(f.v, UINT64_MAX), 0);
	assert_int_equal(f.host->count[VOLUME_BACKEND_WRITE], writes);
	f.host->clock += 5000000000;
	assert_int_equal(volume_tick(f.v, 5000000000), 0);
	writes = f.host->count[VOLUME_BACKEND_WRITE] - writes;
	assert_true(writes > 0);
	writes = f.host->count[VOLUME_BACKEND_WRITE];
	f.host->clock += 5000000000;
	assert_int_equal(volume_tick(f.v, 5000000000), 0);
	assert_int_equal(f.host->count[VOLUME_BACKEND_WRITE], writes);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_last_commit_stays),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_another_writer),
		cmocka_unit_test(test_gate),
		cmocka_unit_test(test_tick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
