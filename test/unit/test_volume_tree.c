/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees of blocks: far indices, holes, punching, read-ahead, and pointers that
 * lead nowhere. The contents of a block follow from its index and a version, so
 * a model is a short list of versions.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/unit.h"
#include "test/unit/volume_fixture.h"
#include "volume/core.h"

static struct volume_node *file_of(struct fixture *f)
{
	struct volume_node *n = fixture_make(f->root, "file", 0100600);

	assert_non_null(n);
	return n;
}

static void fill(uint8_t *data, uint64_t index, uint64_t version)
{
	uint64_t seed = index * 1000003 + version;

	for (size_t i = 0; i < VOL_BLOCK_SIZE; i += 8) {
		uint64_t word = volume_backend_random(&seed);

		memcpy(data + i, &word, 8);
	}
}

static void put(struct volume_node *n, uint64_t index, uint64_t version)
{
	struct volume *v = n->object.volume;
	struct vol_block *b;

	assert_int_equal(vol_begin(v, 3), 0);
	assert_int_equal(vol_node_prepare(n), 0);
	assert_int_equal(vol_tree_get(&n->object, index, VOL_REPLACE, &b), 0);
	fill(b->data, index, version);
	vol_tree_put(b);
	vol_end(v);
}

/* Version 0: a hole. */
static void check(struct volume_node *n, uint64_t index, uint64_t version)
{
	uint8_t want[VOL_BLOCK_SIZE];
	struct vol_block *b;

	assert_int_equal(vol_tree_get(&n->object, index, VOL_READ, &b), 0);
	if (version == 0) {
		assert_null(b);
		return;
	}
	assert_non_null(b);
	fill(want, index, version);
	assert_memory_equal(b->data, want, VOL_BLOCK_SIZE);
	vol_tree_put(b);
}

static void punch(struct volume_node *n, uint64_t index, uint64_t count)
{
	struct volume *v = n->object.volume;

	assert_int_equal(vol_begin(v, 3), 0);
	assert_int_equal(vol_node_prepare(n), 0);
	assert_int_equal(vol_tree_punch(&n->object, index, count), 0);
	vol_end(v);
}

static uint64_t next(struct volume_node *n, uint64_t index, bool hole)
{
	uint64_t at;

	assert_int_equal(vol_tree_next(&n->object, index, hole, &at), 0);
	return at;
}

static void reopen(struct fixture *f, struct volume_node **n)
{
	volume_put(*n);
	fixture_reopen(f);
	*n = fixture_look(f->root, "file");
	assert_non_null(*n);
}

/* One block at the first and last index of each height. */
static void test_heights(void **state)
{
	static const struct {
		uint64_t index;
		uint32_t height;
	} row[] = {
		{0, 0},
		{3, 0},
		{4, 1},
		{511, 1},
		{512, 2},
		{65535, 2},
		{65536, 3},
		{(UINT64_C(4) << 21) - 1, 3},
		{UINT64_C(4) << 21, 4},
		{UINT64_C(4) << 28, 5},
		{UINT64_C(4) << 35, 6},
		{UINT64_C(4) << 42, 7},
		{(UINT64_C(4) << 49) - 1, 7},
	};
	struct fixture f;
	struct volume_node *n;
	struct vol_block *b;

	fixture_init(&f, 1, 256 * 1024);
	n = file_of(&f);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		put(n, row[i].index, i + 1);
		assert_int_equal(n->object.height, row[i].height);
		assert_int_equal(n->object.blocks, i + 1);
	}
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
			check(n, row[i].index, i + 1);
			assert_int_equal(
				next(n, i ? row[i - 1].index + 1 : 0, false),
				row[i].index);
		}
		check(n, 100, 0);
		check(n, UINT64_C(1) << 50, 0);
		check(n, UINT64_MAX, 0);
		reopen(&f, &n);
	}
	assert_int_equal(vol_begin(f.v, 1), 0);
	assert_int_equal(
		vol_tree_get(&n->object, UINT64_C(4) << 49, VOL_WRITE, &b),
		-EFBIG);
	vol_end(f.v);
	/* From the far end back: what has no use any more goes. */
	punch(n, 5, UINT64_MAX);
	assert_int_equal(n->object.blocks, 3);
	check(n, 4, 3);
	punch(n, 0, UINT64_MAX);
	assert_int_equal(n->object.blocks, 0);
	assert_int_equal(n->object.height, 0);
	for (int i = 0; i < VOL_TOPS; i++)
		assert_true(vol_ptr_hole(&n->object.top[i]));
	volume_put(n);
	fixture_fini(&f);
}

/* Random blocks, holes and commits against an array of versions. */
static void random_run(uint64_t seed, size_t cache_size)
{
	enum { SPAN = 3000, STEPS = 2500 };
	uint64_t *model = calloc(SPAN, sizeof(*model));
	struct volume_node *n;
	struct fixture f;

	fixture_init(&f, seed, cache_size);
	n = file_of(&f);
	for (uint64_t step = 1; step <= STEPS; step++) {
		uint64_t r = volume_backend_random(&seed);
		uint64_t at = r % SPAN, count = 1 + (r >> 32) % 200, end, want;
		bool hole = r >> 20 & 1;

		switch (r >> 40 & 15) {
		case 0:
			end = u64_min(SPAN, at + count);
			punch(n, at, end - at);
			memset(model + at, 0, (end - at) * sizeof(*model));
			break;
		case 1:
			if (r >> 44 & 1)
				assert_int_equal(volume_sync(f.v), 0);
			else if (r >> 45 & 3)
				assert_int_equal(volume_tick(f.v, 1000), 0);
			else
				assert_int_equal(volume_commit(f.v), 0);
			break;
		case 2:
			for (want = at; want < SPAN && !model[want] != hole;
				want++)
				;
			end = next(n, at, hole);
			/* All is a hole where the tree does not reach. */
			if (hole &&
				want >= (uint64_t)VOL_TOPS << VOL_FANOUT_SHIFT *
							n->object.height)
				assert_int_equal(end, UINT64_MAX);
			else if (want < SPAN)
				assert_int_equal(end, want);
			else
				assert_true(end >= SPAN);
			break;
		case 3:
			if (step % 10 == 0)
				reopen(&f, &n);
			break;
		case 4:
		case 5:
		case 6:
			end = u64_min(SPAN, at + count);
			for (; at < end; at++)
				put(n, at, model[at] = step);
			break;
		case 7:
			end = u64_min(SPAN, at + count);
			for (; at < end; at++)
				check(n, at, model[at]);
			break;
		default:
			check(n, at, model[at]);
		}
	}
	reopen(&f, &n);
	for (uint64_t at = 0; at < SPAN; at++)
		check(n, at, model[at]);
	volume_put(n);
	fixture_fini(&f);
	free(model);
}

static void test_random(void **state)
{
	for (uint64_t seed = 1; seed <= 3; seed++)
		random_run(seed, 256 * 1024);
	random_run(9, 64 * 1024 * 1024);
}

/* How often the host is asked, and for how much. */
static void test_read_ahead(void **state)
{
	enum { BLOCKS = 2048 };
	struct volume_node *n;
	struct fixture f;
	uint64_t reads, seed = 5;

	fixture_init(&f, 3, 16 * 1024 * 1024);
	n = file_of(&f);
	for (uint64_t i = 0; i < BLOCKS; i++)
		put(n, i, 1);
	reopen(&f, &n);
	reads = f.host->count[VOLUME_BACKEND_READ];
	for (uint64_t i = 0; i < BLOCKS; i++)
		check(n, i, 1);
	/* Windows of 4, 8, ... 256 blocks, then only those; each may cross
	 * from one segment to the next, and there are inner blocks. */
	assert_true(f.host->count[VOLUME_BACKEND_READ] - reads < 32);
	reopen(&f, &n);
	check(n, 1000, 1);
	reads = f.host->bytes[VOLUME_BACKEND_READ];
	for (int i = 0; i < 50; i++)
		check(n, 2 * (volume_backend_random(&seed) % (BLOCKS / 2)), 1);
	/* Not more than was asked for: blocks, and inner ones once. */
	assert_true(f.host->bytes[VOLUME_BACKEND_READ] - reads <=
		(50 + BLOCKS / VOL_FANOUT + 1) * VOL_BLOCK_SIZE);
	volume_put(n);
	fixture_fini(&f);
}

/* One damaged block is an error where it is asked for, and nowhere else. */
static void test_damage(void **state)
{
	enum { BLOCKS = 64, BAD = 20 };
	struct vol_block *b;
	struct volume_node *n;
	struct fixture f;
	struct vol_ptr p;
	uint8_t byte;

	fixture_init(&f, 4, 1024 * 1024);
	n = file_of(&f);
	for (uint64_t i = 0; i < BLOCKS; i++)
		put(n, i, 1);
	reopen(&f, &n);
	check(n, 0, 1);
	p = *vol_ptr_of(&n->object, vol_block_find(&n->object, 1, 0), BAD);
	reopen(&f, &n);
	volume_backend_peek(f.host,
		(struct volume_file){VOLUME_FILE_SEGMENT,
			vol_ptr_slot(&p) >> f.v->segment_shift},
		(vol_ptr_slot(&p) % 1024) << VOL_BLOCK_SHIFT, &byte, 1);
	byte ^= 1;
	volume_backend_poke(f.host,
		(struct volume_file){VOLUME_FILE_SEGMENT,
			vol_ptr_slot(&p) >> f.v->segment_shift},
		(vol_ptr_slot(&p) % 1024) << VOL_BLOCK_SHIFT, &byte, 1);
	for (uint64_t i = 0; i < BLOCKS; i++) {
		if (i != BAD)
			check(n, i, 1);
		else
			assert_int_equal(
				vol_tree_get(&n->object, i, VOL_READ, &b),
				-EBADMSG);
	}
	/* Overwriting it needs nothing of it. */
	put(n, BAD, 2);
	check(n, BAD, 2);
	reopen(&f, &n);
	check(n, BAD, 2);
	volume_put(n);
	fixture_fini(&f);
}

/* Pointers that somebody with the key made: no slot of any file. */
static void test_pointers(void **state)
{
	struct vol_block *b;
	struct volume_node *n;
	struct fixture f;

	fixture_init(&f, 5, 1024 * 1024);
	n = file_of(&f);
	put(n, 0, 1);
	put(n, 1, 1);
	assert_int_equal(volume_commit(f.v), 0);
	vol_block_drop(vol_block_find(&n->object, 0, 1));
	for (unsigned i = 0; i < 4; i++) {
		const uint64_t slot[] = {
			0, 1, f.v->segments << 10, VOL_SLOT_MAX};

		n->object.top[1].slot_epoch = slot[i] |
			UINT64_C(1) << VOL_SLOT_BITS;
		assert_int_equal(
			vol_tree_get(&n->object, 1, VOL_READ, &b), -EBADMSG);
	}
	memset(&n->object.top[1], 0, sizeof(n->object.top[1]));
	check(n, 0, 1);
	volume_put(n);
	fixture_fini(&f);
}

/* Memory stays within what was asked for, whatever is read or written. */
static void test_bound(void **state)
{
	enum { CACHE = 1024 * 1024, BLOCKS = 4000 };
	struct volume_node *n;
	struct fixture f;

	fixture_init(&f, 6, CACHE);
	n = file_of(&f);
	for (uint64_t i = 0; i < BLOCKS; i++)
		put(n, i, 1);
	for (uint64_t i = 0; i < BLOCKS; i++)
		check(n, i, 1);
	assert_true(f.v->cache->count <= CACHE / VOL_BLOCK_SIZE + 8);
	/* Two batches, a record, nodes, bitmaps: less than that again. */
	assert_true(f.host->memory_max < 2 * CACHE + CACHE / 2);
	volume_put(n);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heights),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_read_ahead),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_pointers),
		cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
