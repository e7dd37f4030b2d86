/* SPDX-License-Identifier: Apache-2.0 */
/* See volume_env.h. */
#include "volume_env.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "unit.h"

static int op(struct memhost *h)
{
	assert_int_equal(h->crypto, 0);
	if (h->fail_after < 0)
		return 0;
	return h->fail_after-- == 0 ? h->fail_with : 0;
}

static int index_of(struct memhost *h, struct volume_file f, bool make)
{
	for (int i = 0; i < MEMHOST_FILES; i++) {
		if (h->file[i].data && h->file[i].name.kind == f.kind &&
			h->file[i].name.number == f.number)
			return i;
	}
	for (int i = 0; make && i < MEMHOST_FILES; i++) {
		if (!h->file[i].data) {
			h->file[i].name = f;
			h->file[i].data = calloc(1, 1);
			assert_non_null(h->file[i].data);
			return i;
		}
	}
	assert_false(make);
	return -1;
}

static int host_read(void *ctx, struct volume_file f, uint64_t offset,
	void *data, size_t size)
{
	struct memhost *h = ctx;
	int i = index_of(h, f, false), err = op(h);

	h->reads++;
	if (err)
		return err;
	if (i < 0)
		return -ENOENT;
	if (!range_within(offset, size, 0, h->file[i].size))
		return -EIO;
	memcpy(data, h->file[i].data + offset, size);
	return 0;
}

static int host_write(void *ctx, struct volume_file f, uint64_t offset,
	const void *data, size_t size)
{
	struct memhost *h = ctx;
	int i = index_of(h, f, false), err = op(h);

	if (err)
		return err;
	assert_true(i >= 0);
	assert_true(range_within(offset, size, 0, h->file[i].size));
	memcpy(h->file[i].data + offset, data, size);
	h->file[i].writes++;
	return 0;
}

static int host_flush(void *ctx, struct volume_file f)
{
	struct memhost *h = ctx;
	int i = index_of(h, f, false), err = op(h);

	if (err)
		return err;
	assert_true(i >= 0);
	h->file[i].flushes = h->file[i].writes;
	return 0;
}

static int host_resize(
	void *ctx, struct volume_file f, uint64_t size, bool grow)
{
	struct memhost *h = ctx;
	int i = index_of(h, f, true), err = op(h);

	if (err)
		return err;
	if (grow && size <= h->file[i].size)
		return 0;
	h->file[i].data = realloc(h->file[i].data, size + 1);
	assert_non_null(h->file[i].data);
	if (size > h->file[i].size)
		memset(h->file[i].data + h->file[i].size, 0,
			size - h->file[i].size);
	h->file[i].size = size;
	return 0;
}

static int host_remove(void *ctx, struct volume_file f)
{
	struct memhost *h = ctx;
	int i = index_of(h, f, false), err = op(h);

	if (err)
		return err;
	assert_true(i >= 0);
	free(h->file[i].data);
	memset(&h->file[i], 0, sizeof(h->file[i]));
	return 0;
}

uint64_t memhost_random(struct memhost *h)
{
	uint64_t z = h->seed += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static int host_random(void *ctx, void *data, size_t size)
{
	struct memhost *h = ctx;
	uint8_t *p = data;
	int err = op(h);

	if (err)
		return err;
	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)memhost_random(h);
	return 0;
}

static void *host_alloc(void *ctx, size_t size)
{
	struct memhost *h = ctx;

	if (op(h))
		return NULL;
	h->allocated += size;
	return calloc(1, size);
}

static void host_free(void *ctx, void *p, size_t size)
{
	struct memhost *h = ctx;

	h->allocated -= size;
	free(p);
}

static void host_crypto_begin(void *ctx)
{
	struct memhost *h = ctx;

	assert_int_equal(h->crypto++, 0);
	h->brackets++;
}

static void host_crypto_end(void *ctx)
{
	struct memhost *h = ctx;

	assert_int_equal(--h->crypto, 0);
}

static int host_tag_push(void *ctx, const uint8_t from[VOL_TAG_SIZE],
	const uint8_t to[VOL_TAG_SIZE], bool durable)
{
	struct memhost *h = ctx;
	int err = op(h);

	if (err)
		return err;
	assert_memory_equal(from, h->tag, VOL_TAG_SIZE);
	memcpy(h->tag, to, VOL_TAG_SIZE);
	return 0;
}

static void host_now(void *ctx, int64_t *sec, uint32_t *nsec)
{
	struct memhost *h = ctx;

	*sec = 1000000 + h->clock++;
	*nsec = 5;
}

const struct volume_ops memhost_ops = {
	.read = host_read,
	.write = host_write,
	.flush = host_flush,
	.resize = host_resize,
	.remove = host_remove,
	.now = host_now,
	.random = host_random,
	.alloc = host_alloc,
	.free = host_free,
	.crypto_begin = host_crypto_begin,
	.crypto_end = host_crypto_end,
};

const struct volume_ops memhost_tag_ops = {
	.read = host_read,
	.write = host_write,
	.flush = host_flush,
	.resize = host_resize,
	.remove = host_remove,
	.tag_push = host_tag_push,
	.now = host_now,
	.random = host_random,
	.alloc = host_alloc,
	.free = host_free,
	.crypto_begin = host_crypto_begin,
	.crypto_end = host_crypto_end,
};

void memhost_init(struct memhost *h, uint64_t seed)
{
	memset(h, 0, sizeof(*h));
	h->seed = seed;
	h->fail_after = -1;
}

void memhost_fini(struct memhost *h)
{
	for (int i = 0; i < MEMHOST_FILES; i++)
		free(h->file[i].data);
	assert_int_equal(h->allocated, 0);
}

uint8_t *memhost_data(
	struct memhost *h, enum volume_file_kind kind, uint64_t number)
{
	int i = index_of(h, (struct volume_file){kind, number}, false);

	return i < 0 ? NULL : h->file[i].data;
}

void memhost_volume(struct memhost *h, struct volume *v, enum vol_suite suite,
	const uint8_t key[VOL_KEY_SIZE])
{
	memset(v, 0, sizeof(*v));
	v->env.ops = &memhost_ops;
	v->env.ctx = h;
	v->suite = suite;
	v->segment_shift = VOL_SEGMENT_SHIFT_MIN;
	v->segments = 4;
	v->state.sequence = 1;
	v->state.next_inode = VOL_OBJECT_ROOT + 1;
	v->state.inodes = 1;
	v->inodes.volume = v;
	v->table.volume = v;
	memset(v->uuid, 0x75, sizeof(v->uuid));
	assert_int_equal(vol_keys_init(v, key), 0);
	assert_int_equal(memhost_ops.resize(h,
				 (struct volume_file){VOLUME_FILE_SUPER, 0},
				 2 * sizeof(struct vol_disk_super), true),
		0);
}
