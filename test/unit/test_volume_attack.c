/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host may try with the files of a volume: flip, cut, swap, replay, and
 * mix files, slots, superblocks and logs of different times, volumes and keys.
 * Whatever it does, every file that can be read is as it was at one moment, the
 * same for all files and (if the tag is expected) the last one; the rest is
 * refused.
 */
#include "test/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "test/unit/volume_backend.h"

enum {
	FILES = 12,
	STATES = 40,
	MOMENTS = 6, /* of which the host kept copies */
	TRIES = 2500,
	CACHE = 256 << 10,
};

/* A volume with a past. version[k][i]: of file i after change k; 0: absent. */
struct past {
	uint8_t key[VOL_KEY_SIZE];
	struct volume_backend *now, *moment[MOMENTS];
	uint64_t salt;
	unsigned version[STATES][FILES];
	unsigned states;
	unsigned at[MOMENTS]; /* state of each moment */
};

static uint64_t rng = 1;

static uint64_t pick(uint64_t n)
{
	return volume_backend_random(&rng) % n;
}

static const uint8_t marker[] = "MARKER-that-the-host-must-not-see";

/* ---- files whose contents say what they are ---- */

static size_t file_size(unsigned file, unsigned version)
{
	return 100 + file * 1777 + version * 311 + (file == 5 ? 90000 : 0);
}

static void file_fill(uint8_t *data, size_t size, uint64_t salt, unsigned file,
	unsigned version)
{
	uint64_t seed = salt * 1000003 + file * 1009 + version;

	for (size_t i = 0; i < size; i += 8) {
		uint64_t r = volume_backend_random(&seed);

		memcpy(data + i, &r, size - i < 8 ? size - i : 8);
	}
	memcpy(data, &version, sizeof(version));
	memcpy(data + 8, marker, sizeof(marker));
}

static void file_name(unsigned file, char *name)
{
	snprintf(name, 64, "%s-%u", (const char *)marker, file);
}

static int root_get(struct volume *v, struct volume_node **root)
{
	return volume_get(v, VOL_OBJECT_ROOT, root);
}

static int put_file(
	struct volume *v, uint64_t salt, unsigned file, unsigned version)
{
	static uint8_t data[200000];
	const struct volume_attr attr = {.mode = S_IFREG | 0644};
	size_t size = file_size(file, version);
	struct volume_node *root, *n;
	struct volume_attr a = {0};
	char name[64];
	int64_t done;
	int ret = root_get(v, &root);

	if (ret < 0)
		return ret;
	file_name(file, name);
	ret = volume_lookup(root, name, strlen(name), &n);
	if (ret == -ENOENT)
		ret = volume_make(root, name, strlen(name), &attr, NULL, &n);
	volume_put(root);
	if (ret < 0)
		return ret;
	file_fill(data, size, salt, file, version);
	a.size = size;
	ret = volume_setattr(n, VOLUME_SET_SIZE, &a);
	done = ret < 0 ? ret : volume_write(n, 0, data, size);
	volume_put(n);
	return done < 0 ? (int)done : done == (int64_t)size ? 0 : -EIO;
}

/* The version, 0: absent; or -errno. Anything else than what was once
 * written ends the test. */
static int get_file(struct volume *v, uint64_t salt, unsigned file)
{
	static uint8_t data[200000], want[200000];
	struct volume_node *root, *n;
	unsigned version;
	char name[64];
	int64_t size;
	int ret = root_get(v, &root);

	if (ret < 0)
		return ret;
	file_name(file, name);
	ret = volume_lookup(root, name, strlen(name), &n);
	volume_put(root);
	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	/* Before what is damaged, a read ends. */
	for (size = 0; size < (int64_t)sizeof(data);) {
		int64_t got = volume_read(n, (uint64_t)size, data + size,
			sizeof(data) - (size_t)size);

		if (got < 0)
			size = got;
		if (got <= 0)
			break;
		size += got;
	}
	/* Each block for itself: a damaged one gives nothing. */
	for (uint64_t at = 0; size < 0 && at < sizeof(data); at += 4096) {
		int64_t got = volume_read(n, at, want, 4096);

		assert_true(got <= 4096);
	}
	volume_put(n);
	if (size < 0)
		return (int)size;
	assert_true(size >= 100);
	memcpy(&version, data, sizeof(version));
	assert_int_equal(size, file_size(file, version));
	file_fill(want, (size_t)size, salt, file, version);
	assert_memory_equal(data, want, (size_t)size);
	return (int)version;
}

/* ---- a past ---- */

static int open_as(struct volume_backend *b, const struct past *p,
	unsigned flags, const struct volume_expect *expect, struct volume **v)
{
	struct volume_env env = volume_backend_env(b, CACHE);
	struct err e = {0};

	return volume_open(&env, p->key, flags, expect, v, &e);
}

static struct past *past_new(uint64_t salt, uint64_t key, enum vol_suite suite)
{
	struct volume_params params = {
		.suite = suite, .segment_shift = 6, .root_mode = 0755};
	struct past *p = calloc(1, sizeof(*p));
	struct volume_env env;
	uint8_t tag[VOL_TAG_SIZE];
	struct volume *v;
	unsigned moment = 0;

	assert_non_null(p);
	p->salt = salt;
	p->now = volume_backend_new(salt);
	memset(p->key, (int)key, sizeof(p->key));
	env = volume_backend_env(p->now, CACHE);
	assert_int_equal(volume_create(&env, &params, p->key, tag, NULL), 0);
	assert_int_equal(
		volume_backend_ops.tag_push(p->now, tag, tag, true), 0);
	volume_backend_settle(p->now);
	p->states = 1;
	p->moment[moment++] = volume_backend_clone(p->now, salt + 1);
	for (unsigned session = 0; session < 3; session++) {
		struct volume_expect expect = volume_backend_expect(p->now);

		assert_int_equal(open_as(p->now, p, 0, &expect, &v), 0);
		for (unsigned i = 0; i < 10; i++) {
			unsigned file = (unsigned)pick(FILES);
			unsigned *next = p->version[p->states];

			memcpy(next, p->version[p->states - 1],
				sizeof(p->version[0]));
			next[file]++;
			assert_int_equal(
				put_file(v, p->salt, file, next[file]), 0);
			/* Only synced states are counted. */
			assert_int_equal(
				i % 5 == 4 ? volume_commit(v) : volume_sync(v),
				0);
			p->states++;
			if (i == 3 && session > 0) {
				p->at[moment] = p->states - 1;
				p->moment[moment] = volume_backend_clone(
					p->now, salt + moment + 10);
				moment++;
			}
		}
		/* The last session ends with a log that is in use. */
		if (session < 2) {
			assert_int_equal(volume_close(v), 0);
			p->at[moment] = p->states - 1;
			p->moment[moment] = volume_backend_clone(
				p->now, salt + moment + 20);
			moment++;
		}
	}
	assert_int_equal(put_file(v, p->salt, 0, 99), 0);
	memcpy(p->version[p->states], p->version[p->states - 1],
		sizeof(p->version[0]));
	p->version[p->states++][0] = 99;
	assert_int_equal(volume_sync(v), 0);
	p->at[moment] = p->states - 1;
	p->moment[moment++] = volume_backend_clone(p->now, salt + 30);
	assert_int_equal(moment, MOMENTS);
	/* Gone without a word: the log stays as it is. */
	p->now->dead = true;
	(void)volume_close(v);
	volume_backend_free(p->now);
	p->now = volume_backend_clone(p->moment[MOMENTS - 1], salt + 40);
	return p;
}

static void past_free(struct past *p)
{
	for (unsigned i = 0; i < MOMENTS; i++)
		volume_backend_free(p->moment[i]);
	volume_backend_free(p->now);
	free(p);
}

/* All readable files are of one state, from @first on. @bad: unreadable. */
static void check_files(
	struct volume *v, const struct past *p, unsigned first, unsigned *bad)
{
	int version[FILES];

	*bad = 0;
	for (unsigned i = 0; i < FILES; i++) {
		version[i] = get_file(v, p->salt, i);
		if (version[i] >= 0)
			continue;
		(*bad)++;
		assert_true(version[i] == -EBADMSG || version[i] == -EIO ||
			version[i] == -ENOENT);
	}
	for (unsigned k = first; k < p->states; k++) {
		unsigned i;

		for (i = 0; i < FILES; i++)
			if (version[i] >= 0 &&
				(unsigned)version[i] != p->version[k][i])
				break;
		if (i == FILES)
			return;
	}
	for (unsigned i = 0; i < FILES; i++)
		print_message("file %u: version %d\n", i, version[i]);
	fail_msg("files of no single moment (from %u)", first);
}

/* ---- attacks ---- */

static struct volume_file any_file(const struct volume_backend *b)
{
	struct volume_file f = {VOLUME_FILE_SUPER, 0};
	size_t count = 0;

	while (volume_backend_list(b, count, &f))
		count++;
	if (count > 0)
		(void)volume_backend_list(b, pick(count), &f);
	return f;
}

static uint64_t used_size(const struct volume_backend *b, struct volume_file f)
{
	uint64_t size = volume_backend_size(b, f);

	/* The log is mostly empty. */
	return f.kind == VOLUME_FILE_LOG && size > 400000 && pick(4) ? 400000
								     : size;
}

static void attack_flip(struct volume_backend *b)
{
	struct volume_file f = any_file(b);
	uint64_t size = used_size(b, f);
	uint8_t byte;

	if (size == 0 || size == UINT64_MAX)
		return;
	size = pick(size);
	volume_backend_peek(b, f, size, &byte, 1);
	byte ^= (uint8_t)(1 << pick(8));
	volume_backend_poke(b, f, size, &byte, 1);
}

static void attack_overwrite(struct volume_backend *b)
{
	struct volume_file f = any_file(b);
	uint64_t size = used_size(b, f);
	uint8_t data[4096];
	size_t n = pick(2) ? 4096 : 1 + pick(4096);

	if (size < n || size == UINT64_MAX)
		return;
	size = pick(2) ? pick(size - n + 1)
		       : align_down(pick(size - n + 1), 4096);
	memset(data, (int)pick(3) - 1, n);
	if (pick(2))
		for (size_t i = 0; i < n; i++)
			data[i] = (uint8_t)pick(256);
	volume_backend_poke(b, f, size, data, n);
}

static void attack_truncate(struct volume_backend *b)
{
	struct volume_file f = any_file(b);
	uint64_t size = volume_backend_size(b, f);

	if (size == UINT64_MAX)
		return;
	if (pick(4) == 0)
		volume_backend_delete(b, f);
	else
		volume_backend_truncate(b, f,
			pick(2) ? pick(size + 1)
				: align_down(pick(size + 8192), 4096));
}

/* Page @from of one place to page @to of another. */
static void page_copy(struct volume_backend *b, struct volume_file to,
	uint64_t to_page, const struct volume_backend *source,
	struct volume_file from, uint64_t from_page)
{
	uint8_t data[4096];

	volume_backend_peek(source, from, from_page * 4096, data, 4096);
	volume_backend_poke(b, to, to_page * 4096, data, 4096);
}

static void attack_swap(struct volume_backend *b)
{
	struct volume_file f = any_file(b), g = pick(2) ? f : any_file(b);
	uint64_t i = used_size(b, f) / 4096, k = used_size(b, g) / 4096;
	uint8_t data[4096];

	if (i == 0 || k == 0)
		return;
	i = pick(i);
	k = pick(k);
	volume_backend_peek(b, f, i * 4096, data, 4096);
	page_copy(b, f, i, b, g, k);
	volume_backend_poke(b, g, k * 4096, data, 4096);
}

static void attack_replay_page(
	struct volume_backend *b, const struct volume_backend *old)
{
	struct volume_file f = any_file(old);
	uint64_t pages = used_size(old, f) / 4096, i;

	if (pages == 0 || volume_backend_size(b, f) == UINT64_MAX)
		return;
	i = pick(pages);
	page_copy(b, f, i, old, f, i);
}

static void attack_replay_file(
	struct volume_backend *b, const struct volume_backend *old)
{
	volume_backend_copy(b, old, pick(3) ? any_file(old) : any_file(b));
}

static void attack_super(
	struct volume_backend *b, const struct volume_backend *old)
{
	const struct volume_file f = {VOLUME_FILE_SUPER, 0};

	page_copy(b, f, pick(2), pick(2) ? b : old, f, pick(2));
}

static void attack_rename(struct volume_backend *b)
{
	struct volume_file f = any_file(b), g = any_file(b);
	struct volume_backend *copy = volume_backend_clone(b, 1);
	uint64_t size = volume_backend_size(copy, g);

	/* f gets all of g's bytes. */
	volume_backend_truncate(b, f, size);
	for (uint64_t i = 0; i < size / 4096; i++)
		page_copy(b, f, i, copy, g, i);
	volume_backend_free(copy);
}

static void attack(struct volume_backend *b, const struct volume_backend *old)
{
	switch (pick(8)) {
	case 0:
		attack_flip(b);
		break;
	case 1:
		attack_overwrite(b);
		break;
	case 2:
		attack_truncate(b);
		break;
	case 3:
		attack_swap(b);
		break;
	case 4:
		attack_replay_page(b, old);
		break;
	case 5:
		attack_replay_file(b, old);
		break;
	case 6:
		attack_super(b, old);
		break;
	default:
		attack_rename(b);
		break;
	}
}

static void open_error(int ret)
{
	if (ret != -EBADMSG && ret != -ESTALE && ret != -EIO && ret != -ENOENT)
		fail_msg("opening gave %d", ret);
}

/* All that may be done with it, one way after the other. */
static void try_all(struct volume_backend *b, const struct past *p)
{
	struct volume_expect expect = volume_backend_expect(p->now);
	static const struct {
		unsigned flags;
		bool any;
	} ways[] = {{0, false}, {VOLUME_READ_ONLY, false}, {0, true},
		{VOLUME_READ_ONLY | VOLUME_RESCUE, true}};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct volume_backend *copy = volume_backend_clone(b, i);
		struct volume *v = NULL;
		struct volume_verify how = {0};
		unsigned bad, again;
		int ret;

		/* Only the store knows the truth. */
		memcpy(copy->tag, expect.tag, VOL_TAG_SIZE);
		copy->no_store = ways[i].any;
		expect.any = ways[i].any;
		ret = open_as(copy, p, ways[i].flags, &expect, &v);
		if (ret < 0) {
			open_error(ret);
			assert_int_equal(copy->memory_count, 0);
			volume_backend_free(copy);
			continue;
		}
		check_files(v, p, ways[i].any ? 0 : p->states - 1, &bad);
		ret = volume_verify(v, &how);
		assert_true(ret == 0 || ret == -EBADMSG || ret == -EIO ||
			ret == -ENOENT);
		if (bad > 0)
			assert_true(ret < 0);
		if (ways[i].flags == 0) {
			/* Changes may fail; nothing else may come of it. */
			ret = get_file(v, p->salt, 3);
			if (ret > 0)
				ret = put_file(v, p->salt, 3, (unsigned)ret);
			if (ret == 0)
				ret = volume_sync(v);
			if (ret == 0)
				ret = volume_commit(v);
			if (ret == 0)
				check_files(v, p, 0, &again);
		}
		(void)volume_close(v);
		assert_int_equal(copy->memory_count, 0);
		volume_backend_free(copy);
	}
}

static void run_attacks(enum vol_suite suite, uint64_t seed)
{
	struct past *p, *same_key, *other_key;

	rng = seed;
	p = past_new(seed, 5, suite);
	same_key = past_new(seed + 1, 5, suite);
	other_key = past_new(seed + 2, 6, suite);
	for (unsigned i = 0; i < TRIES; i++) {
		struct volume_backend *b = volume_backend_clone(p->now, i);
		const struct past *source = pick(4) ? p
			: pick(2)                   ? same_key
						    : other_key;
		unsigned count = 1 + (unsigned)pick(3);

		while (count-- > 0)
			attack(b, source->moment[pick(MOMENTS)]);
		try_all(b, p);
		volume_backend_free(b);
	}
	past_free(other_key);
	past_free(same_key);
	past_free(p);
}

static void test_attacks_encrypted(void **state)
{
	(void)state;
	run_attacks(VOL_ENCRYPTED, 11);
}

static void test_attacks_authenticated(void **state)
{
	(void)state;
	run_attacks(VOL_AUTHENTICATED, 12);
}

/* ---- whole volumes ---- */

static void test_untouched(void **state)
{
	struct past *p = past_new(1, 5, VOL_ENCRYPTED);
	unsigned bad;

	(void)state;
	for (unsigned m = 0; m < MOMENTS; m++) {
		struct volume_expect expect = volume_backend_expect(
			p->moment[m]);
		struct volume *v;

		assert_int_equal(
			open_as(p->moment[m], p, VOLUME_READ_ONLY, &expect, &v),
			0);
		check_files(v, p, p->at[m], &bad);
		assert_int_equal(bad, 0);
		assert_int_equal(volume_close(v), 0);
	}
	past_free(p);
}

static void test_rolled_back(void **state)
{
	struct past *p = past_new(2, 5, VOL_ENCRYPTED);
	struct volume_expect expect = volume_backend_expect(p->now);
	struct volume *v;

	(void)state;
	for (unsigned m = 0; m + 1 < MOMENTS; m++) {
		assert_int_equal(
			open_as(p->moment[m], p, 0, &expect, &v), -ESTALE);
		assert_int_equal(
			open_as(p->moment[m], p, VOLUME_READ_ONLY, &expect, &v),
			-ESTALE);
	}
	past_free(p);
}

/* What follows the expected state is accepted. */
static void test_newer_than_expected(void **state)
{
	struct past *p = past_new(3, 5, VOL_ENCRYPTED);
	struct volume_expect expect;
	struct volume_env env;
	uint8_t tag[VOL_TAG_SIZE];
	struct volume *v;
	unsigned bad;

	(void)state;
	/* The store misses the last record. */
	expect = volume_backend_expect(p->now);
	assert_int_equal(open_as(p->now, p, 0, &expect, &v), 0);
	assert_int_equal(put_file(v, p->salt, 2, 77), 0);
	assert_int_equal(volume_sync(v), 0);
	volume_tag(v, tag);
	assert_memory_not_equal(tag, expect.tag, sizeof(tag));
	assert_int_equal(put_file(v, p->salt, 2, 78), 0);
	assert_int_equal(volume_sync(v), 0);
	p->now->dead = true;
	(void)volume_close(v);
	volume_backend_settle(p->now);
	memcpy(expect.tag, tag, sizeof(tag));
	memcpy(p->now->tag, tag, sizeof(tag));
	env = volume_backend_env(p->now, CACHE);
	assert_int_equal(volume_open(&env, p->key, 0, &expect, &v, NULL), 0);
	assert_int_equal(get_file(v, p->salt, 2), 78);
	(void)bad;
	assert_int_equal(volume_close(v), 0);
	past_free(p);
}

static void test_other_keys_and_volumes(void **state)
{
	struct past *p = past_new(4, 5, VOL_ENCRYPTED);
	struct past *same_key = past_new(5, 5, VOL_ENCRYPTED);
	struct past *other_key = past_new(6, 6, VOL_ENCRYPTED);
	struct volume_expect expect = volume_backend_expect(p->now);
	struct volume *v;

	(void)state;
	assert_int_equal(open_as(p->now, other_key, 0, &expect, &v), -EBADMSG);
	assert_int_equal(open_as(other_key->now, p, 0, &expect, &v), -EBADMSG);
	assert_int_equal(open_as(same_key->now, p, 0, &expect, &v), -ESTALE);
	past_free(other_key);
	past_free(same_key);
	past_free(p);
}

/* Two programs at once, as if there were no lock: one of them notices. */
static void test_two_writers(void **state)
{
	struct past *p = past_new(7, 5, VOL_ENCRYPTED);
	struct volume_expect expect = volume_backend_expect(p->now);
	struct volume *a, *b;
	int ret;

	(void)state;
	assert_int_equal(open_as(p->now, p, 0, &expect, &a), 0);
	expect = volume_backend_expect(p->now);
	assert_int_equal(open_as(p->now, p, 0, &expect, &b), 0);
	assert_int_equal(put_file(b, p->salt, 1, 50), 0);
	assert_int_equal(volume_commit(b), 0);
	ret = put_file(a, p->salt, 1, 51);
	if (ret == 0)
		ret = volume_commit(a);
	assert_int_equal(ret, -ESTALE);
	(void)volume_close(a);
	(void)volume_close(b);
	past_free(p);
}

/* ---- what the host sees ---- */

static bool contains(const uint8_t *data, size_t size)
{
	return memmem(data, size, marker, sizeof(marker) - 1) != NULL;
}

static unsigned count_markers(const struct volume_backend *b)
{
	uint8_t *data = malloc(16 << 20);
	struct volume_file f;
	unsigned found = 0;

	assert_non_null(data);
	for (size_t i = 0; volume_backend_list(b, i, &f); i++) {
		uint64_t size = volume_backend_size(b, f);

		assert_true(size <= 16 << 20);
		volume_backend_peek(b, f, 0, data, size);
		found += contains(data, size);
	}
	free(data);
	return found;
}

static void test_no_plaintext(void **state)
{
	struct past *p = past_new(8, 5, VOL_ENCRYPTED);
	struct past *open = past_new(8, 5, VOL_AUTHENTICATED);

	(void)state;
	for (unsigned m = 0; m < MOMENTS; m++)
		assert_int_equal(count_markers(p->moment[m]), 0);
	/* The scan is able to find it. */
	assert_true(count_markers(open->now) > 0);
	past_free(open);
	past_free(p);
}

/* Copies of one volume that do the same write nothing that is the same: no
 * nonce is used twice under one key. */
static void test_copies_differ(void **state)
{
	struct past *p = past_new(9, 5, VOL_ENCRYPTED);
	struct volume_backend *copy[2];
	struct volume_expect any = {.any = true};
	unsigned same = 0, changed = 0;
	struct volume_file f;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct volume *v;

		copy[i] = volume_backend_clone(p->moment[3], 100 + i);
		copy[i]->no_store = true;
		assert_int_equal(open_as(copy[i], p, 0, &any, &v), 0);
		for (unsigned k = 0; k < FILES; k++)
			assert_int_equal(put_file(v, p->salt, k, 20), 0);
		assert_int_equal(volume_close(v), 0);
	}
	for (size_t i = 0; volume_backend_list(copy[0], i, &f); i++) {
		uint8_t a[4096], b[4096], old[4096];
		uint64_t pages = volume_backend_size(copy[0], f) / 4096;

		for (uint64_t k = 0; k < pages; k++) {
			volume_backend_peek(copy[0], f, k * 4096, a, 4096);
			volume_backend_peek(copy[1], f, k * 4096, b, 4096);
			volume_backend_peek(
				p->moment[3], f, k * 4096, old, 4096);
			if (memcmp(a, old, 4096) == 0)
				continue;
			changed++;
			same += memcmp(a, b, 4096) == 0;
		}
	}
	assert_true(changed > FILES);
	assert_int_equal(same, 0);
	for (unsigned i = 0; i < 2; i++)
		volume_backend_free(copy[i]);
	past_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_untouched),
		cmocka_unit_test(test_rolled_back),
		cmocka_unit_test(test_newer_than_expected),
		cmocka_unit_test(test_other_keys_and_volumes),
		cmocka_unit_test(test_two_writers),
		cmocka_unit_test(test_no_plaintext),
		cmocka_unit_test(test_copies_differ),
		cmocka_unit_test(test_attacks_encrypted),
		cmocka_unit_test(test_attacks_authenticated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
