/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories: trees of names against a plain list, with hashes of all
 * strengths; positions that stay; damage.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long hash_mask = ~0ul;
#define DIR_HASH_MASK hash_mask
#include "volume/dir.c"

#include "test/unit/volume_fixture.h"
#include "unit.h"

#define FILE_MODE (VOL_MODE_FILE | 0644)

struct sip_row {
	size_t size;
	uint64_t hash;
};

/* The paper's vectors: key 00 01 .. 0f, message 00 01 02 ... */
static void siphash_vectors(void **state)
{
	static const struct sip_row rows[] = {
		{0, UINT64_C(0x726fdb47dd0e0e31)},
		{1, UINT64_C(0x74f839c593dc67fd)},
		{8, UINT64_C(0x93f5f5799a932462)},
		{15, UINT64_C(0xa129ca6149be45e5)},
	};
	uint8_t key[16], message[16];

	for (unsigned i = 0; i < 16; i++)
		key[i] = message[i] = (uint8_t)i;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(
			siphash(key, message, rows[i].size), rows[i].hash);
}

/* ---- against a list ---- */

enum { NAMES = 400, STEPS = 12000 };

struct model {
	char name[NAMES][256];
	uint64_t key[NAMES]; /* position; 0: it is not there */
	unsigned count;
	uint64_t last;
};

static void make_names(struct model *m, uint64_t *random)
{
	for (unsigned i = 0; i < NAMES; i++) {
		size_t len = volume_backend_random(random) % 3
			? 1 + volume_backend_random(random) % 24
			: 1 + volume_backend_random(random) % 255;

		char *name = m->name[i];

		memset(name, 'x', len > 4 ? len : 4);
		for (unsigned k = 0, d = i; k < 3; k++, d /= 10)
			name[2 - k] = (char)('0' + d % 10);
	}
}

static int collect(void *arg, const char *name, size_t len, uint64_t ino,
	uint32_t type, uint64_t next)
{
	struct model *m = arg;
	unsigned i = (unsigned)strtoul(name, NULL, 10);

	assert_in_range(i, 0, NAMES - 1);
	assert_int_equal(len, strlen(m->name[i]));
	assert_memory_equal(name, m->name[i], len);
	assert_int_equal(type, VOL_MODE_FILE >> 12);
	assert_true(next > m->last && next > 16 && next < INT64_MAX);
	if (m->key[i]) /* a position stays */
		assert_int_equal(m->key[i], next - 1);
	m->key[i] = next - 1;
	m->last = next;
	m->count++;
	return 0;
}

static void same_list(struct fixture *f, struct model *m, unsigned count)
{
	m->count = 0;
	m->last = 0;
	assert_int_equal(volume_readdir(f->root, 0, collect, m), 0);
	assert_int_equal(m->count, count);
	assert_int_equal(f->root->inode.entries, count);
}

static void against_list(unsigned long mask)
{
	struct model *m = calloc(1, sizeof(*m));
	uint64_t random = fixture_seed(mask);
	bool there[NAMES] = {false};
	unsigned count = 0;
	struct fixture f;

	assert_non_null(m);
	hash_mask = mask;
	fixture_init(&f, random, 1 << 20);
	make_names(m, &random);
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned i = (unsigned)(volume_backend_random(&random) % NAMES);
		/* It grows for a while, then it shrinks. */
		bool add = volume_backend_random(&random) % 4 <
			(step / (STEPS / 4) % 2 ? 1 : 3);

		assert_int_equal(fixture_find(f.root, m->name[i]),
			there[i] ? 0 : -ENOENT);
		if (add) {
			assert_int_equal(
				fixture_touch(f.root, m->name[i], FILE_MODE),
				there[i] ? -EEXIST : 0);
			count += !there[i];
			there[i] = true;
		} else {
			assert_int_equal(fixture_unlink(f.root, m->name[i]),
				there[i] ? 0 : -ENOENT);
			count -= there[i];
			there[i] = false;
			m->key[i] = 0;
		}
		if (step % 500 == 0)
			same_list(&f, m, count);
		if (step == STEPS / 2)
			fixture_reopen(&f);
	}
	for (unsigned i = 0; i < NAMES; i++)
		if (there[i])
			assert_int_equal(fixture_unlink(f.root, m->name[i]), 0);
	same_list(&f, m, 0);
	assert_int_equal(f.root->inode.size, 0);
	assert_in_range(f.root->object.blocks, 0, 1);
	fixture_fini(&f);
	hash_mask = ~0ul;
	free(m);
}

static void full_hash(void **state)
{
	against_list(~0ul);
}

/* Runs of equal hashes longer than a leaf has room for. */
static void weak_hash(void **state)
{
	against_list(0x600);
}

static void weaker_hash(void **state)
{
	against_list(0xf000);
}

/* 256 names of one hash, and not one more, whichever go. */
static void one_hash(void **state)
{
	struct fixture f;
	char name[256];

	hash_mask = 0;
	fixture_init(&f, 1, 1 << 20);
	memset(name, 'n', 255);
	name[255] = 0;
	for (unsigned i = 0; i <= 256; i++) {
		snprintf(name, 8, "%03u", i);
		name[3] = '.';
		assert_int_equal(fixture_touch(f.root, name, FILE_MODE),
			i < 256 ? 0 : -ENOSPC);
	}
	memcpy(name, "100", 3);
	assert_int_equal(fixture_unlink(f.root, name), 0);
	memcpy(name, "101", 3);
	assert_int_equal(fixture_find(f.root, name), 0);
	memcpy(name, "255", 3);
	assert_int_equal(fixture_find(f.root, name), 0);
	memcpy(name, "256", 3);
	assert_int_equal(fixture_touch(f.root, name, FILE_MODE), 0);
	memcpy(name, "100", 3);
	assert_int_equal(fixture_touch(f.root, name, FILE_MODE), -ENOSPC);
	assert_int_equal(
		fixture_rename(f.root, name, f.root, "other", 0), -ENOENT);
	memcpy(name, "007", 3);
	assert_int_equal(
		fixture_rename(f.root, name, f.root, "other", 0), -ENOSPC);
	assert_int_equal(fixture_find(f.root, name), 0);
	fixture_fini(&f);
	hash_mask = ~0ul;
}

/* ---- many names ---- */

enum { MANY = 100000 };

struct reader {
	struct fixture *f;
	unsigned char *seen;
	unsigned count, stop;
	uint64_t cookie;
};

static int look_at(void *arg, const char *name, size_t len, uint64_t ino,
	uint32_t type, uint64_t next)
{
	struct reader *r = arg;
	unsigned i = (unsigned)strtoul(name, NULL, 10);

	if (r->count == r->stop)
		return 1;
	r->cookie = next;
	r->count++;
	if (i < MANY)
		r->seen[i]++;
	return 0;
}

static const char *number(unsigned i)
{
	static char name[32];

	snprintf(name, sizeof(name), "%u-name", i);
	return name;
}

/* Names come and go while they are listed: those that stay are seen once. */
static void many_names(void **state)
{
	struct fixture f;
	struct reader r = {.f = &f, .seen = calloc(MANY, 1)};
	unsigned extra = MANY, gone = 0;
	int more = 1;

	fixture_init(&f, 1, 64 << 20);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(
			fixture_touch(f.root, number(i), FILE_MODE), 0);
	for (unsigned i = 0; i < MANY; i += 7)
		assert_int_equal(fixture_find(f.root, number(i)), 0);
	while (more) {
		r.count = 0;
		r.stop = 100;
		more = volume_readdir(f.root, r.cookie, look_at, &r);
		for (unsigned k = 0; k < 50; k++) {
			assert_int_equal(fixture_touch(f.root, number(extra++),
						 FILE_MODE),
				0);
			if (gone < MANY)
				assert_int_equal(
					fixture_unlink(f.root, number(gone)),
					0);
			gone += 2;
		}
	}
	for (unsigned i = 0; i < MANY; i++)
		assert_in_range(r.seen[i], i % 2 || i >= gone ? 1 : 0, 1);
	for (unsigned i = 0; i < extra; i++) {
		int err = fixture_unlink(f.root, number(i));

		assert_int_equal(
			err, i < MANY && i < gone && i % 2 == 0 ? -ENOENT : 0);
	}
	assert_int_equal(f.root->inode.size, 0);
	assert_in_range(f.root->object.blocks, 0, 1);
	fixture_fini(&f);
	free(r.seen);
}

/* Blocks that became empty are used again. */
static void reuse(void **state)
{
	uint64_t size = 0;
	struct fixture f;

	fixture_init(&f, 1, 4 << 20);
	assert_int_equal(fixture_touch(f.root, "stays", FILE_MODE), 0);
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < 3000; i++)
			assert_int_equal(
				fixture_touch(f.root, number(i), FILE_MODE), 0);
		if (!round)
			size = f.root->inode.size;
		for (unsigned i = 0; i < 3000; i++)
			assert_int_equal(fixture_unlink(f.root, number(i)), 0);
	}
	assert_true(size > 20 * VOL_BLOCK_SIZE);
	assert_in_range(f.root->inode.size, 1, size + 4 * VOL_BLOCK_SIZE);
	fixture_fini(&f);
}

/* ---- damage ---- */

enum { FIRST = sizeof(struct head) };

struct poke {
	uint32_t offset, size;
	uint64_t value;
};

/* Into a leaf of two entries, "a" and "b", which are 19 bytes each. */
static const struct poke pokes[] = {
	{offsetof(struct head, level), 1, 1},
	{offsetof(struct head, level), 1, LEVEL_FREE},
	{offsetof(struct head, count), 2, 0},
	{offsetof(struct head, count), 2, 1},
	{offsetof(struct head, count), 2, 3},
	{offsetof(struct head, count), 2, 0xffff},
	{offsetof(struct head, used), 4, 0},
	{offsetof(struct head, used), 4, 37},
	{offsetof(struct head, used), 4, 39},
	{offsetof(struct head, used), 4, ROOM + 1},
	{offsetof(struct head, used), 4, UINT32_MAX},
	{FIRST + offsetof(struct entry, key), 8, UINT64_MAX},
	{FIRST + offsetof(struct entry, key), 8, INT64_MAX},
	{FIRST + 19 + offsetof(struct entry, key), 8, 0},
	{FIRST + offsetof(struct entry, len), 1, 0},
	{FIRST + offsetof(struct entry, len), 1, 2},
	{FIRST + offsetof(struct entry, len), 1, 255},
	{FIRST + offsetof(struct entry, name), 1, '/'},
	{FIRST + offsetof(struct entry, name), 1, '.'},
	{FIRST + offsetof(struct entry, name), 1, 0},
};

static int ignore(void *arg, const char *name, size_t len, uint64_t ino,
	uint32_t type, uint64_t next)
{
	assert_in_range(len, 1, 255);
	assert_true(next > *(uint64_t *)arg);
	*(uint64_t *)arg = next;
	return 0;
}

static void fields(struct fixture *f, struct vol_block *b, uint64_t *random)
{
	struct head *h = head_of(b);
	uint64_t r = volume_backend_random(random);

	switch (r % 6) {
	case 0:
		h->level = (uint8_t)(r >> 8);
		break;
	case 1:
		h->count = (uint16_t)(r >> 8) >> (r >> 32) % 16;
		break;
	case 2:
		h->used = (uint32_t)(r >> 8) >> (r >> 40) % 32;
		break;
	case 3:
		h->next_free = (r >> 8) % 40;
		break;
	case 4:
		pairs(b)[(r >> 8) % PAIRS].child = (r >> 32) % 40;
		break;
	default:
		b->data[(r >> 8) % VOL_BLOCK_SIZE] ^= (uint8_t)(r >> 40);
	}
	b->state &= ~(uint32_t)VOL_BLOCK_CHECKED;
}

/* Whatever blocks contain: an error, or something; no crash and no hang. */
static void damage(void **state)
{
	uint64_t random = fixture_seed(1);
	struct fixture f;

	for (unsigned round = 0; round < 100; round++) {
		fixture_init(&f, random, 1 << 20);
		for (unsigned i = 0; i < 1500; i++)
			assert_int_equal(
				fixture_touch(f.root, number(i), FILE_MODE), 0);
		for (unsigned i = 0; i < 300; i++)
			assert_int_equal(
				fixture_unlink(f.root, number(i * 4)), 0);
		for (unsigned k = 0; k < 30; k++) {
			uint64_t r = volume_backend_random(&random), last = 0;
			struct vol_block *b;

			assert_int_equal(vol_begin(f.v, 1), 0);
			assert_int_equal(
				vol_tree_get(&f.root->object,
					r %
						(f.root->inode.size /
								VOL_BLOCK_SIZE +
							1) /
						((r >> 60) % 8 + 1),
					VOL_WRITE, &b),
				0);
			fields(&f, b, &random);
			vol_tree_put(b);
			vol_end(f.v);
			(void)fixture_find(f.root, number((r >> 8) % 3000));
			(void)fixture_touch(
				f.root, number((r >> 20) % 3000), FILE_MODE);
			(void)fixture_unlink(f.root, number((r >> 32) % 3000));
			(void)fixture_rename(f.root, number((r >> 40) % 3000),
				f.root, number((r >> 44) % 3000), 0);
			(void)!volume_readdir(f.root, 0, ignore, &last);
		}
		fixture_fini(&f);
	}
}

static void refused(void **state)
{
	struct fixture f;

	fixture_init(&f, 1, 1 << 20);
	assert_int_equal(fixture_touch(f.root, "a", FILE_MODE), 0);
	assert_int_equal(fixture_touch(f.root, "b", FILE_MODE), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(pokes); i++) {
		static uint8_t before[VOL_BLOCK_SIZE];
		struct vol_block *b;
		uint64_t last = 0;

		assert_int_equal(
			vol_tree_get(&f.root->object, 0, VOL_READ, &b), 0);
		memcpy(before, b->data, VOL_BLOCK_SIZE);
		memcpy(b->data + pokes[i].offset, &pokes[i].value,
			pokes[i].size);
		b->state &= ~(uint32_t)VOL_BLOCK_CHECKED;
		if (fixture_find(f.root, "a") != -EBADMSG ||
			fixture_touch(f.root, "c", FILE_MODE) != -EBADMSG ||
			fixture_unlink(f.root, "a") != -EBADMSG ||
			volume_readdir(f.root, 0, ignore, &last) != -EBADMSG)
			fail_msg("poke %u is not refused", i);
		memcpy(b->data, before, VOL_BLOCK_SIZE);
		vol_tree_put(b);
		assert_int_equal(fixture_find(f.root, "a"), 0);
		assert_int_equal(fixture_find(f.root, "b"), 0);
	}
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_vectors),
		cmocka_unit_test(full_hash),
		cmocka_unit_test(weak_hash),
		cmocka_unit_test(weaker_hash),
		cmocka_unit_test(one_hash),
		cmocka_unit_test(many_names),
		cmocka_unit_test(reuse),
		cmocka_unit_test(damage),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
