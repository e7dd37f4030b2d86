/* SPDX-License-Identifier: Apache-2.0 */
/* Keys, blocks and records of the log: volume/keys.c and volume/block.c. */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "volume_env.h"

enum { BLOCKS = 20 };

static const uint8_t volume_key[VOL_KEY_SIZE] =
	"a key of 32 bytes, for testing.";

struct fixture {
	struct memhost host;
	struct volume v;
	uint8_t plain[BLOCKS][VOL_BLOCK_SIZE];
	uint8_t sealed[BLOCKS][VOL_BLOCK_SIZE];
	uint8_t opened[BLOCKS][VOL_BLOCK_SIZE];
	struct vol_ptr ptr[BLOCKS];
	struct vol_seal seal[BLOCKS];
	struct vol_open open[BLOCKS];
};

/* The library's owner has these. */
__attribute__((weak)) void *vol_alloc_memory(struct volume *v, size_t size)
{
	return v->env.ops->alloc(v->env.ctx, size);
}

__attribute__((weak)) void vol_free_memory(
	struct volume *v, void *p, size_t size)
{
	v->env.ops->free(v->env.ctx, p, size);
}

static struct fixture *setup(enum vol_suite suite)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	memhost_init(&f->host, 1);
	memhost_volume(&f->host, &f->v, suite, volume_key);
	for (int i = 0; i < BLOCKS; i++) {
		for (int j = 0; j < VOL_BLOCK_SIZE; j++)
			f->plain[i][j] = (uint8_t)memhost_random(&f->host);
		f->ptr[i].slot_epoch = 100 + i;
		f->seal[i] = (struct vol_seal){
			.place = {7, i, 0, VOL_KIND_TREE},
			.data = f->plain[i],
			.out = f->sealed[i],
			.ptr = &f->ptr[i],
		};
	}
	return f;
}

static void teardown(struct fixture *f)
{
	vol_keys_fini(&f->v);
	memhost_fini(&f->host);
	free(f);
}

static void prepare_open(struct fixture *f)
{
	for (int i = 0; i < BLOCKS; i++) {
		f->open[i] = (struct vol_open){
			.place = f->seal[i].place,
			.ptr = f->ptr[i],
			.in = f->sealed[i],
			.data = f->opened[i],
		};
	}
}

static void roundtrip(enum vol_suite suite)
{
	struct fixture *f = setup(suite);

	assert_int_equal(vol_block_seal(&f->v, f->seal, BLOCKS), 0);
	assert_true(f->host.brackets > 0);
	for (int i = 0; i < BLOCKS; i++) {
		assert_int_equal(vol_ptr_slot(&f->ptr[i]), 100 + i);
		assert_int_equal(vol_ptr_epoch(&f->ptr[i]), 1);
		assert_int_equal(
			memcmp(f->plain[i], f->sealed[i], VOL_BLOCK_SIZE) == 0,
			suite == VOL_AUTHENTICATED);
	}
	prepare_open(f);
	assert_int_equal(vol_block_open(&f->v, f->open, BLOCKS), 0);
	assert_memory_equal(f->opened, f->plain, sizeof(f->plain));
	/* In place. */
	for (int i = 0; i < BLOCKS; i++)
		f->open[i].data = f->sealed[i];
	assert_int_equal(vol_block_open(&f->v, f->open, BLOCKS), 0);
	assert_memory_equal(f->sealed, f->plain, sizeof(f->plain));
	teardown(f);
}

static void test_roundtrip(void **state)
{
	roundtrip(VOL_ENCRYPTED);
	roundtrip(VOL_AUTHENTICATED);
}

/* What a host or a bug may do to one block among many: it alone is refused. */
static void refused(enum vol_suite suite)
{
	for (int what = 0; what < 9; what++) {
		struct fixture *f = setup(suite);
		uint8_t zero[VOL_BLOCK_SIZE] = {0};

		assert_int_equal(vol_block_seal(&f->v, f->seal, BLOCKS), 0);
		prepare_open(f);
		switch (what) {
		case 0:
			f->sealed[3][17] ^= 4;
			break;
		case 1:
			memcpy(f->sealed[3], f->sealed[4], VOL_BLOCK_SIZE);
			break;
		case 2:
			f->open[3].place.index++;
			break;
		case 3:
			f->open[3].place.object++;
			break;
		case 4:
			f->open[3].place.level++;
			break;
		case 5:
			f->open[3].place.kind = VOL_KIND_MAP;
			break;
		case 6:
			f->open[3].ptr.counter++;
			break;
		case 7:
			f->open[3].ptr.tag[15] ^= 0x80;
			break;
		case 8: /* no epoch: a hole */
			f->open[3].ptr.slot_epoch &= VOL_SLOT_MAX;
			break;
		}
		assert_int_equal(
			vol_block_open(&f->v, f->open, BLOCKS), -EBADMSG);
		for (int i = 0; i < BLOCKS; i++) {
			assert_int_equal(f->open[i].bad, i == 3);
			assert_memory_equal(f->opened[i],
				i == 3 ? zero : f->plain[i], VOL_BLOCK_SIZE);
		}
		teardown(f);
	}
}

static void test_refused(void **state)
{
	refused(VOL_ENCRYPTED);
	refused(VOL_AUTHENTICATED);
}

/* The record of the key is on the disk, flushed, before anything is sealed;
 * every mount has an epoch of its own; old ones stay readable. */
static void test_epochs(void **state)
{
	struct fixture *f = setup(VOL_ENCRYPTED);

	for (int i = 0; i < BLOCKS; i++) {
		assert_int_equal(vol_block_seal(&f->v, &f->seal[i], 1), 0);
		assert_int_equal(vol_ptr_epoch(&f->ptr[i]), i + 1);
		assert_int_equal(f->ptr[i].counter, 1);
		for (int n = 0; n < MEMHOST_FILES; n++) {
			if (f->host.file[n].name.kind == VOLUME_FILE_KEYS)
				assert_int_equal(f->host.file[n].writes,
					f->host.file[n].flushes);
		}
		/* Crash: the superblock knows nothing of that epoch. */
		vol_keys_fini(&f->v);
		f->v.epoch = 0;
		f->v.epoch_ready = false;
		assert_int_equal(vol_keys_init(&f->v, volume_key), 0);
	}
	prepare_open(f);
	assert_int_equal(vol_block_open(&f->v, f->open, BLOCKS), 0);
	assert_memory_equal(f->opened, f->plain, sizeof(f->plain));
	teardown(f);
}

static void test_key_damaged(void **state)
{
	struct fixture *f = setup(VOL_ENCRYPTED);
	uint8_t other[VOL_KEY_SIZE] = "not the key";
	struct vol_data_key *k;
	uint8_t *file;

	assert_int_equal(vol_block_seal(&f->v, f->seal, 1), 0);
	assert_int_equal(vol_keys_epoch_new(&f->v), 0);
	assert_int_equal(vol_block_seal(&f->v, f->seal + 1, 1), 0);
	vol_keys_fini(&f->v);
	assert_int_equal(vol_keys_init(&f->v, other), 0);
	assert_int_equal(vol_keys_get(&f->v, 1, &k), -EBADMSG);
	vol_keys_fini(&f->v);
	assert_int_equal(vol_keys_init(&f->v, volume_key), 0);
	file = memhost_data(&f->host, VOLUME_FILE_KEYS, 0);
	for (size_t i = 0; i < offsetof(struct vol_disk_key, epoch); i++) {
		file[i] ^= 1;
		assert_int_equal(vol_keys_get(&f->v, 1, &k), -EBADMSG);
		file[i] ^= 1;
	}
	/* One epoch's in place of the other's. */
	memcpy(file, file + sizeof(struct vol_disk_key),
		sizeof(struct vol_disk_key));
	assert_int_equal(vol_keys_get(&f->v, 1, &k), -EBADMSG);
	assert_int_equal(vol_keys_get(&f->v, 0, &k), -EBADMSG);
	assert_int_equal(vol_keys_get(&f->v, VOL_EPOCH_MAX, &k), -EIO);
	/* Another volume of the same key. */
	f->v.uuid[3] ^= 1;
	assert_int_equal(vol_keys_get(&f->v, 2, &k), -EBADMSG);
	f->v.uuid[3] ^= 1;
	assert_int_equal(vol_keys_get(&f->v, 2, &k), 0);
	vol_keys_put(&f->v, k);
	teardown(f);
}

/* The last nonces of an epoch; then the next epoch. */
static void test_counter_end(void **state)
{
	struct fixture *f = setup(VOL_ENCRYPTED);

	assert_int_equal(vol_block_seal(&f->v, f->seal, 1), 0);
	f->v.counter = (UINT64_C(1) << 40) - 5;
	assert_int_equal(vol_block_seal(&f->v, f->seal, 5), 0);
	assert_int_equal(f->ptr[4].counter, (UINT64_C(1) << 40) - 1);
	assert_int_equal(vol_ptr_epoch(&f->ptr[4]), 1);
	assert_int_equal(vol_block_seal(&f->v, f->seal + 5, 1), 0);
	assert_int_equal(f->ptr[5].counter, 1);
	assert_int_equal(vol_ptr_epoch(&f->ptr[5]), 2);
	f->v.counter = (UINT64_C(1) << 40) - 5;
	assert_int_equal(vol_block_seal(&f->v, f->seal + 6, 6), 0);
	assert_int_equal(vol_ptr_epoch(&f->ptr[6]), 3);
	teardown(f);
}

/* Whatever op fails: the error comes back, no epoch is ready that is not on the
 * disk, and it works when the host does. */
static void test_host_fails(void **state)
{
	for (int n = 0;; n++) {
		struct fixture *f = setup(VOL_ENCRYPTED);
		int err;

		f->host.fail_after = n;
		f->host.fail_with = -ENOSPC;
		err = vol_block_seal(&f->v, f->seal, BLOCKS);
		assert_int_equal(f->v.epoch_ready, err == 0);
		if (err)
			assert_true(err == -ENOSPC || err == -ENOMEM);
		f->host.fail_after = -1;
		assert_int_equal(vol_block_seal(&f->v, f->seal, BLOCKS), 0);
		teardown(f);
		if (!err)
			break;
		assert_true(n < 100);
	}
}

static void test_record(void **state)
{
	struct fixture *f = setup(VOL_ENCRYPTED);
	struct vol_disk_record h = {.size = 4096}, bad;
	uint8_t previous[VOL_TAG_SIZE] = "before", other[VOL_TAG_SIZE] = {0};
	uint8_t tag[VOL_TAG_SIZE], tag2[VOL_TAG_SIZE];
	uint8_t *body = f->sealed[0];

	memcpy(body, f->plain[0], VOL_BLOCK_SIZE);
	assert_int_equal(vol_block_seal_record(&f->v, &h, previous, body), 0);
	assert_memory_not_equal(body, f->plain[0], VOL_BLOCK_SIZE);
	vol_block_record_tag(&f->v, &h, previous, tag);
	vol_block_record_tag(&f->v, &h, other, tag2);
	assert_memory_not_equal(tag, tag2, sizeof(tag));
	for (size_t i = 0; i < sizeof(h); i++) {
		int err;

		bad = h;
		((uint8_t *)&bad)[i] ^= 1;
		if (i >= offsetof(struct vol_disk_record, size) &&
			i < offsetof(struct vol_disk_record, tag))
			continue; /* the caller's to check */
		memcpy(f->opened[0], body, VOL_BLOCK_SIZE);
		err = vol_block_open_record(
			&f->v, &bad, previous, f->opened[0]);
		assert_true(err == -EBADMSG || err == -EIO);
	}
	memcpy(f->opened[0], body, VOL_BLOCK_SIZE);
	assert_int_equal(vol_block_open_record(&f->v, &h, other, f->opened[0]),
		-EBADMSG);
	assert_int_equal(vol_block_open_record(&f->v, &h, previous, body), 0);
	assert_memory_equal(body, f->plain[0], VOL_BLOCK_SIZE);
	teardown(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roundtrip),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_epochs),
		cmocka_unit_test(test_key_damaged),
		cmocka_unit_test(test_counter_end),
		cmocka_unit_test(test_host_fails),
		cmocka_unit_test(test_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
