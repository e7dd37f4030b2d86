/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots: none is given out that the last commit or a record names, they come
 * in rows, space is asked of the host before it is needed, and maps that were
 * not in memory, or are damaged, do no harm.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "test/unit/unit.h"
#include "test/unit/volume_fixture.h"
#include "volume/core.h"

static const uint8_t key[VOL_KEY_SIZE] = {1, 2, 3};

/* With small segments. */
static void init(struct fixture *f, uint64_t seed, unsigned segment_shift)
{
	struct volume_params p = {.suite = VOL_ENCRYPTED,
		.segment_shift = segment_shift,
		.root_mode = 0755};
	struct volume_env env;
	uint8_t tag[VOL_TAG_SIZE];

	*f = (struct fixture){.cache_size = 1024 * 1024};
	f->host = volume_backend_new(seed);
	env = volume_backend_env(f->host, f->cache_size);
	assert_int_equal(volume_create(&env, &p, key, tag, NULL), 0);
	assert_int_equal(volume_open(&env, key, 0, NULL, &f->v, NULL), 0);
	assert_int_equal(volume_get(f->v, VOL_OBJECT_ROOT, &f->root), 0);
}

static void damaged(void *arg, const char *path, const char *what)
{
	fail_msg("damaged: %s: %s", path ? path : "the volume", what);
}

static void verify(struct volume *v)
{
	struct volume_verify how = {.damaged = damaged};

	assert_int_equal(volume_verify(v, &how), 0);
}

static void test_reuse(void **state)
{
	uint64_t slot, again, n;
	struct fixture f;

	fixture_init(&f, 1, 1024 * 1024);
	assert_int_equal(vol_alloc_ready(f.v), 0);
	vol_place_lock(f.v);
	/* Given out and given back between two commits: free at once. */
	assert_int_equal(vol_slots_alloc(f.v, 1, &slot, &n), 0);
	vol_slot_free(f.v, slot);
	assert_int_equal(vol_slots_deferred(f.v), 0);
	/* The same, but a record has named it: not before the commit. */
	assert_int_equal(vol_slots_alloc(f.v, 1, &slot, &n), 0);
	vol_slot_keep(f.v, slot);
	vol_slot_free(f.v, slot);
	assert_int_equal(vol_slots_deferred(f.v), 1);
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(vol_slots_alloc(f.v, 1, &again, &n), 0);
		assert_int_not_equal(again, slot);
		vol_slot_free(f.v, again);
	}
	/* Twice is once. */
	vol_slot_free(f.v, slot);
	assert_int_equal(vol_slots_deferred(f.v), 1);
	vol_place_unlock(f.v);
	volume_put(fixture_make(f.root, "a", 0100600));
	assert_int_equal(volume_commit(f.v), 0);
	verify(f.v);
	fixture_fini(&f);
}

/* What is used is used once, whatever is given out. */
static void test_unique(void **state)
{
	enum { SLOTS = 5000 };
	static uint8_t used[1 << 16];
	struct fixture f;
	uint64_t slot, n, seed = 7, sum = 0;

	memset(used, 0, sizeof(used));
	init(&f, 2, 7);
	assert_int_equal(vol_alloc_ready(f.v), 0);
	vol_place_lock(f.v);
	while (sum < SLOTS) {
		uint64_t want = 1 + volume_backend_random(&seed) % 100;

		assert_int_equal(vol_slots_alloc(f.v, want, &slot, &n), 0);
		assert_in_range(n, 1, want);
		for (uint64_t i = slot; i < slot + n; i++) {
			assert_true(i % 128 >= VOL_SEGMENT_MAPS);
			assert_int_equal(used[i], 0);
			used[i] = 1;
			/* It is there. */
			assert_true(volume_backend_size(f.host,
					    (struct volume_file){
						    VOLUME_FILE_SEGMENT,
						    i / 128}) >=
				(i % 128 + 1) * 4096);
			if (volume_backend_random(&seed) % 3 == 0) {
				vol_slot_free(f.v, i);
				used[i] = 0;
			}
		}
		sum += n;
	}
	vol_place_unlock(f.v);
	/* Nothing of that is in a tree. */
	for (uint64_t i = 0; i < sizeof(used); i++) {
		if (used[i])
			vol_slot_free(f.v, i);
	}
	volume_put(fixture_make(f.root, "a", 0100600));
	assert_int_equal(volume_commit(f.v), 0);
	verify(f.v);
	fixture_fini(&f);
}

static void test_rows(void **state)
{
	struct fixture f;
	uint64_t slot, n, got = 0;
	int pieces = 0;

	fixture_init(&f, 3, 1024 * 1024);
	assert_int_equal(vol_alloc_ready(f.v), 0);
	vol_place_lock(f.v);
	for (; got < 2000; got += n, pieces++)
		assert_int_equal(vol_slots_alloc(f.v, 256, &slot, &n), 0);
	/* Only where a segment ends is a row cut. */
	assert_true(pieces <= 12);
	vol_place_unlock(f.v);
	fixture_fini(&f);
}

static uint64_t host_size(struct fixture *f)
{
	struct volume_usage u;

	volume_usage(f->v, &u);
	return u.host_size;
}

/* -ENOSPC comes when the change begins, and what is freed is of use. */
static void test_full(void **state)
{
	static uint8_t data[65536];
	struct volume_node *n;
	struct fixture f;
	uint64_t size = 0;
	int64_t done;

	fixture_init(&f, 4, 1024 * 1024);
	f.host->limit = 8192 + 4096 + VOL_LOG_SIZE + 12 * 1024 * 1024;
	n = fixture_make(f.root, "a", 0100600);
	do {
		done = volume_write(n, size, data, sizeof(data));
		if (done > 0)
			size += (uint64_t)done;
	} while (done == sizeof(data));
	assert_true(done == -ENOSPC || done > 0);
	assert_int_equal(volume_write(n, size, data, sizeof(data)), -ENOSPC);
	/* Most of what the host had is in use. */
	assert_true(size > 10 * 1024 * 1024);
	assert_int_equal(volume_sync(f.v), 0);
	assert_int_equal(volume_commit(f.v), 0);
	verify(f.v);
	/* A file can be removed, and what it had is there for others. */
	volume_put(n);
	assert_int_equal(fixture_unlink(f.root, "a"), 0);
	n = fixture_make(f.root, "b", 0100600);
	assert_non_null(n);
	for (done = 0; (uint64_t)done < size - size % sizeof(data);
		done += sizeof(data))
		assert_int_equal(
			volume_write(n, (uint64_t)done, data, sizeof(data)),
			sizeof(data));
	volume_put(n);
	assert_int_equal(volume_commit(f.v), 0);
	verify(f.v);
	fixture_reopen(&f);
	fixture_fini(&f);
}

/* Maps are loaded when needed, and agree with what is in use. */
static void test_many_segments(void **state)
{
	static uint8_t data[65536];
	struct volume_usage before, after;
	struct volume_node *n;
	struct fixture f;
	char name[16];

	init(&f, 5, VOL_SEGMENT_SHIFT_MIN);
	volume_usage(f.v, &before);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		n = fixture_make(f.root, name, 0100600);
		assert_non_null(n);
		assert_int_equal(
			volume_write(n, 0, data, sizeof(data)), sizeof(data));
		volume_put(n);
	}
	assert_true(f.v->segments > 25);
	fixture_reopen(&f);
	verify(f.v);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		if (i % 3)
			assert_int_equal(fixture_unlink(f.root, name), 0);
	}
	fixture_reopen(&f);
	verify(f.v);
	for (int i = 0; i < 100; i += 3) {
		snprintf(name, sizeof(name), "f%d", i);
		assert_int_equal(fixture_unlink(f.root, name), 0);
	}
	assert_int_equal(volume_commit(f.v), 0);
	volume_usage(f.v, &after);
	/* The tables of inodes and segments have grown, nothing else has. */
	assert_true(
		after.blocks - after.free <= before.blocks - before.free + 16);
	verify(f.v);
	fixture_fini(&f);
}

/* The map of a segment is damaged: it is left alone. */
static void test_damaged_map(void **state)
{
	static uint8_t data[65536], back[65536], junk[8192];
	struct volume_node *n;
	struct fixture f;

	init(&f, 6, 8);
	n = fixture_make(f.root, "a", 0100600);
	memset(data, 5, sizeof(data));
	for (int i = 0; i < 40; i++)
		assert_int_equal(volume_write(n, (uint64_t)i * sizeof(data),
					 data, sizeof(data)),
			sizeof(data));
	volume_put(n);
	fixture_reopen(&f);
	memset(junk, 0xee, sizeof(junk));
	volume_backend_poke(f.host,
		(struct volume_file){VOLUME_FILE_SEGMENT, 1}, 0, junk,
		sizeof(junk));
	n = fixture_look(f.root, "a");
	assert_non_null(n);
	memset(data, 6, sizeof(data));
	for (int i = 0; i < 40; i++)
		assert_int_equal(volume_write(n, (uint64_t)i * sizeof(data),
					 data, sizeof(data)),
			sizeof(data));
	volume_put(n);
	fixture_reopen(&f);
	n = fixture_look(f.root, "a");
	for (int i = 0; i < 40; i++) {
		assert_int_equal(volume_read(n, (uint64_t)i * sizeof(back),
					 back, sizeof(back)),
			sizeof(back));
		assert_memory_equal(back, data, sizeof(back));
	}
	volume_put(n);
	fixture_fini(&f);
}

/* Rewriting the same does not make the volume grow without end. */
static void test_no_growth(void **state)
{
	static uint8_t data[1 << 20];
	struct volume_node *n;
	struct fixture f;

	fixture_init(&f, 7, 4 * 1024 * 1024);
	n = fixture_make(f.root, "a", 0100600);
	for (int i = 0; i < 60; i++) {
		assert_int_equal(
			volume_write(n, 0, data, sizeof(data)), sizeof(data));
		assert_int_equal(volume_commit(f.v), 0);
	}
	assert_true(host_size(&f) <= 8 * 1024 * 1024);
	volume_put(n);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_unique),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_many_segments),
		cmocka_unit_test(test_damaged_map),
		cmocka_unit_test(test_no_growth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
