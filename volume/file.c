/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contents of files: read, write, truncate, punch, seek.
 *
 * Reading takes no lock: it looks at the size again after each block that it
 * waited for. Writing and cutting hold the node's lock, and go in steps that
 * are a change each; every step leaves a valid file.
 *
 * Past the end, blocks mean nothing: a truncation sets the size first and frees
 * blocks then, and may be interrupted. So who writes to a block past the end
 * does not look at what it has, and who moves the end over a gap punches the
 * gap. The rest of the block in which the end lies is always zero.
 */
#include "volume/volume_int.h"

#include <linux/errno.h>

#include "lib/string.h"

enum {
	STEP = 64, /* blocks written in one change */
	BOUNCE = 16, /* blocks taken from the caller at a time */
	CUT = 1024, /* blocks freed in one change */
};

/* Greatest size of a file, less by one than what the greatest height holds. */
#define SIZE_LIMIT ((uint64_t)INT64_MAX)

static uint64_t block_of(uint64_t offset)
{
	return offset >> VOL_BLOCK_SHIFT;
}

/* The first block that is wholly past the end. */
static uint64_t end_block(const struct volume_node *n)
{
	return block_of(n->inode.size + VOL_BLOCK_SIZE - 1);
}

static int file_check(const struct volume_node *n)
{
	if (vol_inode_is(&n->inode, VOL_MODE_DIR))
		return -EISDIR;
	return vol_inode_is(&n->inode, VOL_MODE_FILE) ? 0 : -EINVAL;
}

/* ---- reading ---- */

static int copy_out(void *arg, void *data, size_t size)
{
	uint8_t **to = arg;

	memcpy(*to, data, size);
	*to += size;
	return 0;
}

int64_t volume_read_by(struct volume_node *n, uint64_t offset, size_t size,
	volume_copy_fn *copy, void *arg)
{
	static uint8_t zeros[VOL_BLOCK_SIZE];
	uint64_t done = 0;
	int err = file_check(n);

	while (!err && done < size && offset < n->inode.size) {
		uint32_t within = offset % VOL_BLOCK_SIZE;
		uint64_t part = u64_min(VOL_BLOCK_SIZE - within, size - done);
		struct vol_block *b;

		err = vol_tree_get(&n->object, block_of(offset), VOL_READ, &b);
		if (err)
			break;
		if (offset < n->inode.size) {
			part = u64_min(part, n->inode.size - offset);
			err = copy(arg, b ? b->data + within : zeros, part);
		} else {
			part = 0;
		}
		vol_tree_put(b);
		if (err)
			break;
		done += part;
		offset += part;
	}
	return done ? (int64_t)done : err;
}

int64_t volume_read(
	struct volume_node *n, uint64_t offset, void *data, size_t size)
{
	return volume_read_by(n, offset, size, copy_out, &data);
}

int64_t volume_readlink(struct volume_node *n, char *target, size_t size)
{
	struct vol_block *b = NULL;
	const void *from = n->inode.target;
	uint64_t len = n->inode.size;
	int err = 0;

	if (!vol_inode_is(&n->inode, VOL_MODE_LINK))
		return -EINVAL;
	if (!vol_inode_inline(&n->inode)) {
		err = vol_tree_get(&n->object, 0, VOL_READ, &b);
		if (!err && !b)
			err = -EBADMSG;
		if (err)
			return err;
		from = b->data;
	}
	if (memchr(from, 0, len))
		err = -EBADMSG;
	else
		memcpy(target, from, u64_min(size, len));
	vol_tree_put(b);
	return err ? err : (int64_t)len;
}

/* ---- freeing ---- */

static int cut_range(struct volume_node *n, uint64_t index, uint64_t end)
{
	struct vol_object *o = &n->object;
	int err = 0;

	while (!err && o->blocks) {
		bool rest = end == UINT64_MAX && o->blocks <= CUT;
		uint64_t count = UINT64_MAX;

		if (!rest) {
			err = vol_tree_next(o, index, false, &index);
			if (err || index >= end)
				break;
			count = u64_min(end - index, CUT);
		}
		err = vol_begin_freeing(o->volume, 1);
		if (err)
			break;
		err = vol_node_prepare(n);
		if (!err)
			err = vol_tree_punch(o, index, count);
		vol_end(o->volume);
		if (rest)
			break;
		index += count;
	}
	return err;
}

int vol_file_cut(struct volume_node *n, uint64_t index)
{
	return cut_range(n, index, UINT64_MAX);
}

/* The end will move to @size or further: what is between means nothing. */
static int clear_gap(struct volume_node *n, uint64_t size)
{
	uint64_t from = end_block(n), to = block_of(size + VOL_BLOCK_SIZE - 1);
	uint64_t data;
	int err;

	if (!n->object.blocks || from >= to)
		return 0;
	err = vol_tree_next(&n->object, from, false, &data);
	if (err || data >= to)
		return err;
	return vol_tree_punch(&n->object, from, to - from);
}

/* ---- writing ---- */

/* Writes into one block, as much as fits. Within a change. */
static int write_block(struct volume_node *n, uint64_t offset,
	const uint8_t *data, size_t size)
{
	uint32_t within = offset % VOL_BLOCK_SIZE;
	/* Nothing of what it has is needed. */
	bool fresh = offset - within >= n->inode.size ||
		(!within && offset + size >= n->inode.size);
	struct vol_block *b;
	int err = vol_tree_get(&n->object, block_of(offset),
		fresh || size == VOL_BLOCK_SIZE ? VOL_REPLACE : VOL_WRITE, &b);

	if (err)
		return err;
	if (fresh && size < VOL_BLOCK_SIZE)
		memset(b->data, 0, VOL_BLOCK_SIZE);
	memcpy(b->data + within, data, size);
	vol_tree_put(b);
	if (offset + size > n->inode.size)
		n->inode.size = offset + size;
	return 0;
}

/* One change; *done bytes are written, whatever is returned. */
static int write_step(struct volume_node *n, uint64_t offset,
	const uint8_t *data, size_t size, size_t *done)
{
	struct volume *v = n->object.volume;
	uint64_t end;
	int err;

	*done = 0;
	end = align_down(offset + STEP * VOL_BLOCK_SIZE, VOL_BLOCK_SIZE);
	size = u64_min(size, end - offset);
	err = vol_begin(v, STEP + 2);
	if (err)
		return err;
	err = vol_node_prepare(n);
	if (!err && offset > n->inode.size)
		err = clear_gap(n, align_down(offset, VOL_BLOCK_SIZE));
	while (!err && *done < size) {
		uint64_t at = offset + *done;
		size_t part = u64_min(
			size - *done, VOL_BLOCK_SIZE - at % VOL_BLOCK_SIZE);

		err = write_block(n, at, data + *done, part);
		if (!err)
			*done += part;
	}
	if (*done)
		vol_node_touch(n, 1u << VOL_MTIME | 1u << VOL_CTIME);
	vol_end(v);
	if (!err)
		err = vol_place_behind(
			&n->object, block_of(offset), block_of(offset + *done));
	return err;
}

static int write_all(struct volume_node *n, uint64_t offset,
	const uint8_t *data, size_t size, size_t *done)
{
	int err = 0;

	for (*done = 0; !err && *done < size;) {
		size_t part;

		err = write_step(
			n, offset + *done, data + *done, size - *done, &part);
		*done += part;
	}
	return err;
}

static int write_check(
	const struct volume_node *n, uint64_t offset, size_t *size)
{
	int err = file_check(n);

	if (!err && *size && offset >= SIZE_LIMIT)
		err = -EFBIG;
	if (!err)
		*size = u64_min(*size, SIZE_LIMIT - offset);
	return err;
}

int64_t volume_write(
	struct volume_node *n, uint64_t offset, const void *data, size_t size)
{
	size_t done;
	int err = write_check(n, offset, &size);

	if (err || !size)
		return err;
	vol_node_lock(n);
	err = write_all(n, offset, data, size, &done);
	vol_node_unlock(n);
	return done ? (int64_t)done : err;
}

/* The caller's data is taken before the change: taking it may sleep and fail.
 */
int64_t volume_write_by(struct volume_node *n, uint64_t offset, size_t size,
	volume_copy_fn *copy, void *arg)
{
	struct volume *v = n->object.volume;
	size_t total = 0, room;
	uint8_t *bounce;
	int err = write_check(n, offset, &size);

	if (err || !size)
		return err;
	room = u64_min(size, BOUNCE * VOL_BLOCK_SIZE);
	bounce = vol_alloc_memory(v, room);
	if (!bounce)
		return -ENOMEM;
	vol_node_lock(n);
	while (!err && total < size) {
		uint64_t at = offset + total;
		size_t got = 0, done, want = size - total;

		want = u64_min(
			want, BOUNCE * VOL_BLOCK_SIZE - at % VOL_BLOCK_SIZE);
		want = u64_min(want, room);
		while (!err && got < want) {
			size_t part = u64_min(want - got, VOL_BLOCK_SIZE);

			err = copy(arg, bounce + got, part);
			if (!err)
				got += part;
		}
		if (got) {
			int failed = write_all(n, at, bounce, got, &done);

			err = failed ? failed : err;
			total += done;
		}
	}
	vol_node_unlock(n);
	vol_free_memory(v, bounce, room);
	return total ? (int64_t)total : err;
}

/* ---- attributes ---- */

/* The block at @offset for writing, NULL if it is a hole. Within a change. */
static int get_data(
	struct volume_node *n, uint64_t offset, struct vol_block **b)
{
	int err = vol_tree_get(&n->object, block_of(offset), VOL_READ, b);

	if (err || !*b)
		return err;
	vol_tree_put(*b);
	return vol_tree_get(&n->object, block_of(offset), VOL_WRITE, b);
}

static void set(
	struct volume_node *n, unsigned valid, const struct volume_attr *a)
{
	static const struct {
		unsigned valid, time;
	} times[] = {
		{VOLUME_SET_ATIME, VOL_ATIME},
		{VOLUME_SET_MTIME, VOL_MTIME},
	};
	struct vol_disk_inode *i = &n->inode;
	bool resized = valid & VOLUME_SET_SIZE;

	if (valid & VOLUME_SET_MODE)
		i->mode = (i->mode & VOL_MODE_TYPE) |
			(a->mode & ~(uint32_t)VOL_MODE_TYPE);
	if (valid & VOLUME_SET_UID)
		i->uid = a->uid;
	if (valid & VOLUME_SET_GID)
		i->gid = a->gid;
	if (resized)
		i->size = a->size;
	vol_node_touch(n,
		(valid & VOLUME_KEEP_CTIME ? 0 : 1u << VOL_CTIME) |
			(resized ? 1u << VOL_MTIME : 0));
	for (unsigned k = 0; k < ARRAY_SIZE(times); k++)
		if (valid & times[k].valid) {
			i->sec[times[k].time] = a->sec[times[k].time];
			i->nsec[times[k].time] = a->nsec[times[k].time];
		}
}

static int set_step(
	struct volume_node *n, unsigned valid, const struct volume_attr *a)
{
	uint32_t within = a->size % VOL_BLOCK_SIZE;
	struct vol_block *tail = NULL;
	int err = vol_node_prepare(n);

	if (!err && valid & VOLUME_SET_SIZE) {
		if (a->size < n->inode.size && within)
			err = get_data(n, a->size, &tail);
		else if (a->size > n->inode.size)
			err = clear_gap(n, a->size);
	}
	if (err)
		return err;
	if (tail)
		memset(tail->data + within, 0, VOL_BLOCK_SIZE - within);
	vol_tree_put(tail);
	set(n, valid, a);
	return 0;
}

int volume_setattr(
	struct volume_node *n, unsigned valid, const struct volume_attr *a)
{
	struct volume *v = n->object.volume;
	bool resize = valid & VOLUME_SET_SIZE;
	int err = resize ? file_check(n) : 0;

	if (!err && resize && a->size > SIZE_LIMIT)
		err = -EFBIG;
	for (unsigned t = 0; t < VOL_TIMES; t++)
		if (valid & (VOLUME_SET_ATIME | VOLUME_SET_MTIME) &&
			a->nsec[t] > 999999999)
			err = -EINVAL;
	if (err)
		return err;
	if (resize)
		vol_node_lock(n);
	err = vol_begin_freeing(v, 2);
	if (!err) {
		err = set_step(n, valid, a);
		vol_end(v);
	}
	/* It is done, even if some blocks past the end have to stay. */
	if (!err && resize && vol_file_cut(n, end_block(n)) != 0)
		err = 0;
	if (resize)
		vol_node_unlock(n);
	return err;
}

/* ---- holes ---- */

static int zero(struct volume_node *n, uint64_t from, uint64_t to)
{
	struct volume *v = n->object.volume;
	struct vol_block *b = NULL;
	int err = vol_begin(v, 2);

	if (err)
		return err;
	err = vol_node_prepare(n);
	if (!err && from < to)
		err = get_data(n, from, &b);
	if (!err) {
		if (b)
			memset(b->data + from % VOL_BLOCK_SIZE, 0, to - from);
		vol_tree_put(b);
		vol_node_touch(n, 1u << VOL_MTIME | 1u << VOL_CTIME);
	}
	vol_end(v);
	return err;
}

int volume_punch(struct volume_node *n, uint64_t offset, uint64_t size)
{
	uint64_t end, first, last;
	int err = file_check(n);

	if (!err && (!size || add_overflows(offset, size, &end)))
		err = -EINVAL;
	if (err)
		return err;
	vol_node_lock(n);
	end = u64_min(end, end_block(n) * VOL_BLOCK_SIZE);
	first = align_up(offset, VOL_BLOCK_SIZE);
	last = align_down(end, VOL_BLOCK_SIZE);
	if (offset < end) {
		err = zero(n, offset, u64_min(first, end));
		if (!err && first <= last && last < end)
			err = zero(n, last, end);
		if (!err && first < last)
			err = cut_range(n, block_of(first), block_of(last));
	}
	vol_node_unlock(n);
	return err;
}

int64_t volume_seek(struct volume_node *n, uint64_t offset, bool hole)
{
	uint64_t size = n->inode.size, index, at;
	int err = file_check(n);

	if (err)
		return err;
	if (offset >= size)
		return -ENXIO;
	err = vol_tree_next(&n->object, block_of(offset), hole, &index);
	if (err)
		return err;
	/* Past what the tree can hold, all is a hole. */
	if (hole && index == UINT64_MAX)
		index = (uint64_t)VOL_TOPS
			<< VOL_FANOUT_SHIFT * n->object.height;
	at = index > block_of(size) ? size : index << VOL_BLOCK_SHIFT;
	at = u64_max(at, offset);
	if (at < size)
		return (int64_t)at;
	return hole ? (int64_t)size : -ENXIO;
}
