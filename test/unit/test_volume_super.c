/* SPDX-License-Identifier: Apache-2.0 */
/* The superblock's two copies: volume/super.c. */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "volume_env.h"

static const uint8_t volume_key[VOL_KEY_SIZE] =
	"a key of 32 bytes, for tests...";
static const uint8_t other_key[VOL_KEY_SIZE] =
	"another key, of 32 bytes too...";

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

static struct vol_ptr pointer(uint64_t slot, uint32_t epoch)
{
	struct vol_ptr p = {
		.slot_epoch = slot | (uint64_t)epoch << VOL_SLOT_BITS,
		.counter = slot * 3 + 1};

	memset(p.tag, (int)slot, sizeof(p.tag));
	return p;
}

static struct vol_disk_super room;

/* A volume with something in every field. */
static void prepare(struct memhost *h, struct volume *v, enum vol_suite suite)
{
	memhost_init(h, 5);
	memhost_volume(h, v, suite, volume_key);
	v->keys_file = 3;
	v->epoch = 9;
	memset(v->hash_key, 0x68, sizeof(v->hash_key));
	memset(v->tag, 0x74, sizeof(v->tag));
	v->state.free_inode = 5;
	v->state.next_inode = 77;
	v->state.orphan = 6;
	v->state.inodes = 70;
	v->state.blocks = 123;
	v->inodes.height = 2;
	v->inodes.blocks = 5;
	v->inodes.top[0] = pointer(4, 9);
	v->inodes.top[1] = pointer(255, 1);
	v->table.height = 0;
	v->table.blocks = 1;
	v->table.top[0] = pointer(17, 2);
}

static void reader(struct memhost *h, struct volume *v, const uint8_t *key)
{
	memset(v, 0, sizeof(*v));
	v->env.ops = &memhost_ops;
	v->env.ctx = h;
	v->inodes.volume = v;
	v->table.volume = v;
	assert_int_equal(vol_keys_init(v, key), 0);
}

static int read_again(struct memhost *h, struct volume *v, const uint8_t *key,
	struct err *err)
{
	reader(h, v, key);
	return vol_super_read(v, err);
}

static void roundtrip(enum vol_suite suite)
{
	struct memhost h;
	struct volume v, r;
	uint8_t tag[VOL_TAG_SIZE];

	prepare(&h, &v, suite);
	assert_int_equal(vol_super_write(&v, &room, tag), 0);
	assert_int_equal(h.file[0].flushes, h.file[0].writes);
	assert_int_equal(read_again(&h, &r, volume_key, NULL), 0);
	assert_int_equal(r.suite, suite);
	assert_int_equal(r.segment_shift, v.segment_shift);
	assert_int_equal(r.segments, v.segments);
	assert_int_equal(r.keys_file, 3);
	assert_int_equal(r.epoch, 9);
	assert_false(r.sealed);
	assert_memory_equal(r.uuid, v.uuid, sizeof(r.uuid));
	assert_memory_equal(r.hash_key, v.hash_key, sizeof(r.hash_key));
	assert_memory_equal(&r.state, &v.state, sizeof(r.state));
	assert_memory_equal(r.tag, tag, sizeof(tag));
	assert_memory_equal(r.previous, v.tag, sizeof(v.tag));
	assert_int_equal(r.inodes.height, 2);
	assert_int_equal(r.inodes.blocks, 5);
	assert_memory_equal(r.inodes.top, v.inodes.top, sizeof(v.inodes.top));
	assert_memory_equal(r.table.top, v.table.top, sizeof(v.table.top));
	vol_keys_fini(&r);
	vol_keys_fini(&v);
	memhost_fini(&h);
}

static void test_roundtrip(void **state)
{
	roundtrip(VOL_ENCRYPTED);
	roundtrip(VOL_AUTHENTICATED);
}

/* Every byte counts; a damaged newest copy gives the one before it. */
static void test_damaged(void **state)
{
	struct memhost h;
	struct volume v, r;
	uint8_t tag[2][VOL_TAG_SIZE];
	struct err err;

	prepare(&h, &v, VOL_ENCRYPTED);
	assert_int_equal(vol_super_write(&v, &room, tag[1]), 0);
	for (size_t i = 4096; i < 8192; i++) {
		uint8_t *file = memhost_data(&h, VOLUME_FILE_SUPER, 0);

		file[i] ^= 0x10;
		assert_int_equal(
			read_again(&h, &r, volume_key, &err), -EBADMSG);
		assert_non_null(strstr(err.text, "damaged"));
		file[i] ^= 0x10;
		vol_keys_fini(&r);
	}
	assert_int_equal(read_again(&h, &r, other_key, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "wrong key"));
	vol_keys_fini(&r);

	memcpy(v.tag, tag[1], sizeof(v.tag));
	v.state.sequence = 2;
	v.state.blocks = 124;
	assert_int_equal(vol_super_write(&v, &room, tag[0]), 0);
	assert_int_equal(read_again(&h, &r, volume_key, &err), 0);
	assert_int_equal(r.state.blocks, 124);
	assert_memory_equal(r.previous, tag[1], sizeof(r.previous));
	vol_keys_fini(&r);
	memhost_data(&h, VOLUME_FILE_SUPER, 0)[100] ^= 1;
	assert_int_equal(read_again(&h, &r, volume_key, &err), 0);
	assert_int_equal(r.state.blocks, 123);
	assert_memory_equal(r.tag, tag[1], sizeof(r.tag));
	vol_keys_fini(&r);
	vol_keys_fini(&v);
	memhost_fini(&h);
}

/* The host copies the older one over the newer one: it is not in its place,
 * but still the older one is there. Exchanged, none is in its place. */
static void test_places(void **state)
{
	struct memhost h;
	struct volume v, r;
	uint8_t tag[VOL_TAG_SIZE], copy[4096];
	uint8_t *file;

	prepare(&h, &v, VOL_ENCRYPTED);
	assert_int_equal(vol_super_write(&v, &room, tag), 0);
	v.state.sequence = 2;
	assert_int_equal(vol_super_write(&v, &room, tag), 0);
	file = memhost_data(&h, VOLUME_FILE_SUPER, 0);
	memcpy(copy, file, 4096);
	memcpy(file, file + 4096, 4096);
	assert_int_equal(read_again(&h, &r, volume_key, NULL), 0);
	assert_int_equal(r.state.sequence, 1);
	vol_keys_fini(&r);
	memcpy(file + 4096, copy, 4096);
	assert_int_equal(read_again(&h, &r, volume_key, NULL), -EBADMSG);
	vol_keys_fini(&r);
	vol_keys_fini(&v);
	memhost_fini(&h);
}

/* Authentic, but written by a bug, or by anybody who has the public key. */
static void test_nonsense(void **state)
{
	for (int what = 0; what < 20; what++) {
		struct memhost h;
		struct volume v, r;
		uint8_t tag[VOL_TAG_SIZE];
		struct err err;
		int wanted = -EBADMSG;

		prepare(&h, &v, VOL_AUTHENTICATED);
		switch (what) {
		case 0:
			wanted = 0;
			break;
		case 1:
			v.suite = 0;
			break;
		case 2:
			v.suite = 3;
			break;
		case 3:
			v.segment_shift = VOL_SEGMENT_SHIFT_MIN - 1;
			break;
		case 4:
			v.segment_shift = VOL_SEGMENT_SHIFT_MAX + 1;
			break;
		case 5:
			v.segments = (VOL_SLOT_MAX >> v.segment_shift) + 2;
			break;
		case 6:
			v.segments = UINT64_MAX;
			break;
		case 7:
			v.epoch = VOL_EPOCH_MAX + 1;
			break;
		case 8:
			v.inodes.height = VOL_HEIGHT_MAX + 1;
			break;
		case 9:
			v.table.height = 255;
			break;
		case 10: /* a slot that there is not */
			v.inodes.top[0] = pointer(256, 1);
			break;
		case 11: /* an epoch that was not */
			v.table.top[3] = pointer(3, 10);
			break;
		case 12: /* a hole with something in it */
			v.table.top[3] = pointer(3, 0);
			break;
		case 13:
			v.state.next_inode = 2;
			break;
		case 14:
			v.state.next_inode = UINT64_MAX;
			break;
		case 15:
			v.state.free_inode = v.state.next_inode;
			break;
		case 16:
			v.state.orphan = v.state.next_inode + 1;
			break;
		case 17:
			v.state.inodes = v.state.next_inode;
			break;
		case 18:
			v.state.blocks = VOL_SLOT_MAX + 1;
			break;
		case 19:
			v.inodes.blocks = UINT64_MAX;
			break;
		}
		assert_int_equal(vol_super_write(&v, &room, tag), 0);
		assert_int_equal(read_again(&h, &r, volume_key, &err), wanted);
		if (wanted)
			assert_non_null(strstr(err.text, "makes no sense"));
		vol_keys_fini(&r);
		vol_keys_fini(&v);
		memhost_fini(&h);
	}
}

static void test_host_fails(void **state)
{
	struct memhost h;
	struct volume v, r;
	uint8_t tag[VOL_TAG_SIZE];
	struct err err;

	prepare(&h, &v, VOL_ENCRYPTED);
	for (int n = 0; n < 3; n++) {
		int got;

		h.fail_after = n;
		h.fail_with = -EDQUOT;
		got = vol_super_write(&v, &room, tag);
		h.fail_after = -1;
		assert_int_equal(got, -EDQUOT);
	}
	assert_int_equal(vol_super_write(&v, &room, tag), 0);
	for (int n = 0; n < 4; n++) {
		int got;

		reader(&h, &r, volume_key);
		h.fail_after = n;
		h.fail_with = -ENOENT;
		got = vol_super_read(&r, &err);
		h.fail_after = -1;
		/* No memory; the copy that is not there; the other; none. */
		assert_int_equal(got, n == 0 ? -ENOMEM : n == 2 ? -ENOENT : 0);
		vol_keys_fini(&r);
	}
	memhost_data(&h, VOLUME_FILE_SUPER, 0)[4096] ^= 1;
	assert_int_equal(read_again(&h, &r, volume_key, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "not a volume"));
	vol_keys_fini(&r);
	vol_keys_fini(&v);
	memhost_fini(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roundtrip),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_host_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
