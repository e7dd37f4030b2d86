/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contents of files: against an array of bytes, at the borders of blocks, past
 * 4 GiB and up to the limit, and with copies and hosts that fail.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "test/unit/volume_fixture.h"
#include "unit.h"
#include "volume/core.h"

#define GIB (UINT64_C(1) << 30)

static struct volume_node *file(struct fixture *f, const char *name)
{
	struct volume_node *n = fixture_make(f->root, name, S_IFREG | 0644);

	assert_non_null(n);
	return n;
}

/* ---- against an array ---- */

enum { SPAN = 200000, CHUNK = 70000, STEPS = 4000 };

struct model {
	uint8_t data[SPAN + CHUNK], buffer[CHUNK];
	uint64_t size, random;
};

struct pieces {
	const uint8_t *from;
	uint8_t *to;
	size_t count, fail_at; /* the piece that fails; 0: none */
};

static int give(void *arg, void *data, size_t size)
{
	struct pieces *p = arg;

	assert_in_range(size, 1, VOL_BLOCK_SIZE);
	if (++p->count == p->fail_at) {
		memset(data, 0xee, size / 2);
		return -EFAULT;
	}
	memcpy(data, p->from, size);
	p->from += size;
	return 0;
}

static int take(void *arg, void *data, size_t size)
{
	struct pieces *p = arg;

	assert_in_range(size, 1, VOL_BLOCK_SIZE);
	if (++p->count == p->fail_at)
		return -EFAULT;
	memcpy(p->to, data, size);
	p->to += size;
	return 0;
}

static uint64_t below(struct model *m, uint64_t n)
{
	return volume_backend_random(&m->random) % n;
}

/* Often at the borders of blocks. */
static uint64_t somewhere(struct model *m)
{
	uint64_t at = below(m, SPAN);

	switch (below(m, 4)) {
	case 0:
		return at & ~UINT64_C(4095);
	case 1:
		return u64_min(SPAN, (at | 4095) + below(m, 3));
	default:
		return at;
	}
}

static void same(struct model *m, struct volume_node *n)
{
	assert_int_equal(fixture_size(n), m->size);
	for (uint64_t at = 0; at < m->size; at += CHUNK) {
		uint64_t size = u64_min(CHUNK, m->size - at);

		assert_int_equal(volume_read(n, at, m->buffer, CHUNK), size);
		assert_memory_equal(m->buffer, m->data + at, size);
	}
}

static void write_some(struct model *m, struct volume_node *n)
{
	uint64_t at = somewhere(m), size = below(m, CHUNK - 1) + 1, done;
	int64_t r;

	for (uint64_t i = 0; i < size; i++)
		m->buffer[i] = (uint8_t)volume_backend_random(&m->random);
	if (below(m, 2)) {
		struct pieces p = {.from = m->buffer};

		p.fail_at = below(m, 4) ? 0 : below(m, 20) + 1;
		r = volume_write_by(n, at, size, give, &p);
		if (!p.fail_at || p.count < p.fail_at)
			assert_int_equal(r, size);
		else
			assert_int_equal(r,
				p.from == m->buffer ? -EFAULT
						    : p.from - m->buffer);
	} else {
		r = volume_write(n, at, m->buffer, size);
		assert_int_equal(r, size);
	}
	done = r > 0 ? (uint64_t)r : 0;
	memcpy(m->data + at, m->buffer, done);
	if (done)
		m->size = u64_max(m->size, at + done);
}

static void read_some(struct model *m, struct volume_node *n)
{
	uint64_t at = somewhere(m), size = below(m, CHUNK);
	uint64_t expect = at < m->size ? u64_min(size, m->size - at) : 0;
	struct pieces p = {.to = m->buffer};
	int64_t r;

	p.fail_at = below(m, 4) ? 0 : below(m, 20) + 1;
	r = volume_read_by(n, at, size, take, &p);
	if (!p.fail_at || p.count < p.fail_at)
		assert_int_equal(r, expect);
	else
		assert_int_equal(
			r, p.to == m->buffer ? -EFAULT : p.to - m->buffer);
	assert_memory_equal(
		m->buffer, m->data + at, (size_t)(p.to - m->buffer));
}

static void resize(struct model *m, struct volume_node *n)
{
	uint64_t size = somewhere(m);

	assert_int_equal(fixture_resize(n, size), 0);
	if (size < m->size)
		memset(m->data + size, 0, m->size - size);
	m->size = size;
}

static void punch(struct model *m, struct volume_node *n)
{
	uint64_t at = somewhere(m), size = below(m, CHUNK) + 1;

	assert_int_equal(volume_punch(n, at, size), 0);
	if (at < m->size)
		memset(m->data + at, 0, u64_min(size, m->size - at));
}

/* What is said to be a hole is zero. */
static void seek(struct model *m, struct volume_node *n)
{
	uint64_t at = somewhere(m);
	int64_t data = volume_seek(n, at, false);
	int64_t hole = volume_seek(n, at, true);

	if (at >= m->size) {
		assert_int_equal(data, -ENXIO);
		assert_int_equal(hole, -ENXIO);
		return;
	}
	assert_in_range(hole, at, m->size);
	if (data == -ENXIO)
		data = (int64_t)m->size;
	assert_in_range(data, at, m->size);
	assert_true(data == (int64_t)at || hole == (int64_t)at);
	for (uint64_t i = at; i < (uint64_t)data; i++)
		assert_int_equal(m->data[i], 0);
}

static void against_array(size_t cache)
{
	struct model *m = calloc(1, sizeof(*m));
	struct volume_node *n;
	struct fixture f;

	assert_non_null(m);
	m->random = fixture_seed(cache);
	fixture_init(&f, m->random, cache);
	n = file(&f, "file");
	for (unsigned step = 0; step < STEPS; step++) {
		switch (below(m, 8)) {
		case 0:
			resize(m, n);
			break;
		case 1:
			punch(m, n);
			break;
		case 2:
			seek(m, n);
			break;
		case 3:
		case 4:
			read_some(m, n);
			break;
		default:
			write_some(m, n);
		}
		if (step % 100 == 0)
			same(m, n);
		if (step % 1000 == 999) {
			volume_put(n);
			fixture_reopen(&f);
			n = fixture_look(f.root, "file");
			same(m, n);
		}
	}
	volume_put(n);
	fixture_fini(&f);
	free(m);
}

static void large_cache(void **state)
{
	against_array(16 << 20);
}

static void small_cache(void **state)
{
	against_array(256 << 10);
}

/* ---- large ---- */

static void sparse(void **state)
{
	static const uint64_t offsets[] = {0, 4095, 4 * 4096, 512 * 4096 - 1,
		4 * GIB - 1, 4 * GIB + 1, 5 * GIB + 77, 1 << 20, 1024 * GIB + 1,
		(UINT64_C(1) << 62) + 3, INT64_MAX - 5};
	struct volume_node *n;
	struct fixture f;
	char text[8] = "";

	fixture_init(&f, 1, 4 << 20);
	n = file(&f, "file");
	for (unsigned i = 0; i < ARRAY_SIZE(offsets); i++)
		assert_int_equal(volume_write(n, offsets[i], "ab", 2), 2);
	assert_int_equal(fixture_size(n), INT64_MAX - 3);
	volume_put(n);
	fixture_reopen(&f);
	n = fixture_look(f.root, "file");
	assert_non_null(n);
	for (unsigned i = 0; i < ARRAY_SIZE(offsets); i++) {
		assert_int_equal(volume_read(n, offsets[i], text, 2), 2);
		assert_memory_equal(text, "ab", 2);
	}
	assert_int_equal(volume_read(n, 2 * GIB, text, 1), 1);
	assert_int_equal(text[0], 0);
	assert_in_range(n->object.blocks, 9, 16);
	assert_int_equal(volume_seek(n, 6 * GIB, false), 1024 * GIB);
	assert_int_equal(volume_seek(n, 1024 * GIB, true), 1024 * GIB + 4096);
	assert_int_equal(volume_seek(n, 1025 * GIB, false), UINT64_C(1) << 62);
	assert_int_equal(volume_seek(n, 6 * GIB, true), 6 * GIB);
	assert_int_equal(fixture_resize(n, 5 * GIB + 78), 0);
	assert_int_equal(volume_read(n, 5 * GIB + 77, text, 8), 1);
	assert_int_equal(volume_seek(n, 6 * GIB, false), -ENXIO);
	assert_int_equal(fixture_resize(n, INT64_MAX), 0);
	assert_int_equal(volume_read(n, 5 * GIB + 77, text, 2), 2);
	assert_memory_equal(text, "a\0", 2);
	assert_int_equal(volume_read(n, INT64_MAX - 5, text, 8), 5);
	assert_int_equal(text[0], 0);
	assert_int_equal(volume_punch(n, 4096, INT64_MAX - 4096), 0);
	assert_int_equal(n->object.blocks, 1);
	assert_int_equal(fixture_size(n), INT64_MAX);
	assert_int_equal(volume_seek(n, 4096, false), -ENXIO);
	volume_put(n);
	assert_int_equal(fixture_unlink(f.root, "file"), 0);
	fixture_fini(&f);
}

/* Far past the end of the tree, without one, in a file of some height. */
static void holes(void **state)
{
	struct volume_node *n;
	struct fixture f;

	fixture_init(&f, 1, 1 << 20);
	n = file(&f, "file");
	assert_int_equal(volume_seek(n, 0, false), -ENXIO);
	assert_int_equal(volume_seek(n, 0, true), -ENXIO);
	assert_int_equal(fixture_resize(n, GIB + 5), 0);
	assert_int_equal(volume_seek(n, 0, true), 0);
	assert_int_equal(volume_seek(n, GIB + 4, true), GIB + 4);
	assert_int_equal(volume_seek(n, GIB + 5, true), -ENXIO);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(volume_write(n, i * 4096, "x", 1), 1);
	assert_int_equal(volume_seek(n, 0, true), 4 * 4096);
	assert_int_equal(volume_seek(n, 5 * 4096, true), 5 * 4096);
	assert_int_equal(fixture_resize(n, 4 * 4096 - 10), 0);
	assert_int_equal(volume_seek(n, 1, true), 4 * 4096 - 10);
	assert_int_equal(volume_punch(n, 0, 0), -EINVAL);
	assert_int_equal(volume_punch(n, UINT64_MAX, 2), -EINVAL);
	assert_int_equal(volume_seek(f.root, 0, true), -EISDIR);
	volume_put(n);
	fixture_fini(&f);
}

struct limit_row {
	uint64_t offset;
	size_t size;
	int64_t result;
};

static void limits(void **state)
{
	static const struct limit_row rows[] = {
		{INT64_MAX, 1, -EFBIG},
		{INT64_MAX, 0, 0},
		{UINT64_MAX, 1, -EFBIG},
		{INT64_MAX - 1, 8, 1},
		{0, 0, 0},
	};
	struct volume_node *n;
	struct fixture f;

	fixture_init(&f, 1, 1 << 20);
	n = file(&f, "file");
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(volume_write(n, rows[i].offset, "12345678",
					 rows[i].size),
			rows[i].result);
	assert_int_equal(fixture_resize(n, UINT64_C(1) << 63), -EFBIG);
	assert_int_equal(fixture_resize(f.root, 0), -EISDIR);
	assert_int_equal(volume_write(f.root, 0, "", 1), -EISDIR);
	assert_int_equal(volume_punch(f.root, 0, 1), -EISDIR);
	volume_put(n);
	n = fixture_make(f.root, "fifo", S_IFIFO);
	assert_int_equal(volume_write(n, 0, "", 1), -EINVAL);
	assert_int_equal(fixture_resize(n, 1), -EINVAL);
	volume_put(n);
	fixture_fini(&f);
}

/* ---- what is past the end ---- */

/* Truncation was interrupted before it freed anything: blocks past the end,
 * which nobody may see. */
static void left_behind(void **state)
{
	static uint8_t data[40 * 4096], found[40 * 4096];
	struct volume_node *n;
	struct fixture f;

	for (unsigned how = 0; how < 5; how++) {
		fixture_init(&f, 1, 1 << 20);
		n = file(&f, "file");
		memset(data, 'x', sizeof(data));
		assert_int_equal(
			volume_write(n, 0, data, sizeof(data)), sizeof(data));
		assert_int_equal(vol_begin(f.v, 1), 0);
		assert_int_equal(vol_node_prepare(n), 0);
		n->inode.size = 4096;
		vol_end(f.v);
		memset(data + 4096, 0, sizeof(data) - 4096);
		switch (how) {
		case 0:
			assert_int_equal(fixture_resize(n, sizeof(data)), 0);
			break;
		case 1:
			assert_int_equal(
				volume_write(n, sizeof(data) - 5, "abcde", 5),
				5);
			memcpy(data + sizeof(data) - 5, "abcde", 5);
			break;
		case 2:
			assert_int_equal(volume_write(n, 4096, "abcde", 5), 5);
			memcpy(data + 4096, "abcde", 5);
			assert_int_equal(fixture_resize(n, sizeof(data)), 0);
			break;
		case 3:
			assert_int_equal(
				volume_write(n, 3 * 4096 + 7, "abcde", 5), 5);
			memcpy(data + 3 * 4096 + 7, "abcde", 5);
			assert_int_equal(fixture_resize(n, sizeof(data)), 0);
			break;
		default:
			assert_int_equal(volume_seek(n, 4096, false), -ENXIO);
			assert_int_equal(volume_seek(n, 0, true), 4096);
			assert_int_equal(fixture_resize(n, 4096), 0);
			assert_int_equal(n->object.blocks, 1);
			assert_int_equal(fixture_resize(n, sizeof(data)), 0);
		}
		assert_int_equal(
			volume_read(n, 0, found, sizeof(found)), sizeof(found));
		assert_memory_equal(found, data, sizeof(data));
		volume_put(n);
		fixture_fini(&f);
	}
}

/* More blocks than one change frees. */
static void many_blocks(void **state)
{
	static uint8_t data[1 << 20];
	struct volume_node *n;
	struct fixture f;

	fixture_init(&f, 1, 32 << 20);
	n = file(&f, "file");
	memset(data, 'd', sizeof(data));
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(
			volume_write(n, i * sizeof(data), data, sizeof(data)),
			sizeof(data));
	assert_int_equal(n->object.blocks, 4096);
	assert_int_equal(volume_punch(n, 1, 12 << 20), 0);
	assert_int_equal(n->object.blocks, 1025);
	assert_int_equal(volume_read(n, 0, data, 2), 2);
	assert_memory_equal(data, "d\0", 2);
	memset(data, 'd', sizeof(data));
	assert_int_equal(
		volume_write(n, 1 << 20, data, sizeof(data)), sizeof(data));
	assert_int_equal(fixture_unlink(f.root, "file"), 0);
	assert_int_equal(volume_read(n, 1 << 20, data, 2), 2);
	volume_put(n);
	assert_int_equal(f.v->state.orphan, 0);
	fixture_fini(&f);
}

/* A long write is on the host as it goes, and leaves to others what the cache
 * has; with pieces that do not end with blocks, too. */
static void long_write(void **state)
{
	enum { SIZE = 1 << 20, COUNT = 16, PIECE = 10000 };
	static uint8_t data[SIZE + PIECE];
	struct volume_node *n;
	struct fixture f;
	size_t before;

	fixture_init(&f, 1, 16 << 20);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i >> 12 ^ i);
	n = file(&f, "file");
	before = f.host->memory;
	for (uint64_t i = 0; i < COUNT; i++)
		assert_int_equal(
			volume_write(n, i * SIZE, data + i, SIZE), SIZE);
	/* An eighth of the cache, a batch in work, and the tree. */
	assert_in_range(f.host->memory_max - before, 0, 6 << 20);
	assert_in_range(f.v->cache->dirty, 0, 2 * VOL_BATCH);
	for (uint64_t at = 0; at < SIZE; at += PIECE)
		assert_int_equal(volume_write(n, COUNT * SIZE + at, data + at,
					 u64_min(PIECE, SIZE - at)),
			u64_min(PIECE, SIZE - at));
	assert_in_range(f.v->cache->dirty, 0, 2 * VOL_BATCH);
	volume_put(n);
	fixture_reopen(&f);
	n = fixture_look(f.root, "file");
	assert_int_equal(fixture_size(n), (COUNT + 1) * SIZE);
	for (uint64_t i = 0; i <= COUNT; i++) {
		static uint8_t got[SIZE];

		assert_int_equal(volume_read(n, i * SIZE, got, SIZE), SIZE);
		assert_memory_equal(got, data + i % COUNT, SIZE);
	}
	volume_put(n);
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_cache),
		cmocka_unit_test(small_cache),
		cmocka_unit_test(sparse),
		cmocka_unit_test(holes),
		cmocka_unit_test(limits),
		cmocka_unit_test(left_behind),
		cmocka_unit_test(many_blocks),
		cmocka_unit_test(long_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
