/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes: one after the other in an object of their own, which
 * has an inode (mode VOL_MODE_XATTR) that goes with the inode it belongs to.
 * They are few and small, so all are read, and all written for a change of one.
 * The node's lock guards them.
 */
#include "volume/volume_int.h"

#include <linux/errno.h>
#include <linux/xattr.h>

#include "lib/string.h"

enum {
	BLOCKS = 32,
	TOTAL_MAX = BLOCKS * VOL_BLOCK_SIZE, /* bytes of all attributes */
	VALUE_MAX = 65536,
	NAME_MAX_LEN = 255,
};

struct header {
	uint32_t value_size;
	uint8_t name_len, zero[3];
};
static_assert_size(struct header, 8);

/* All attributes of a node, in memory. */
struct all {
	struct volume_node *node; /* that has them; NULL: none ever */
	uint8_t *data;
	size_t size, room;
};

struct attr {
	const char *name;
	const uint8_t *value;
	size_t at, size; /* of all of it, in all.data */
	size_t name_len, value_size;
};

/* The attribute at @at. -ENODATA: no more. */
static int attr_at(const struct all *all, size_t at, struct attr *a)
{
	struct header h;
	size_t left = all->size - at;

	if (!left)
		return -ENODATA;
	if (left < sizeof(h))
		return -EBADMSG;
	memcpy(&h, all->data + at, sizeof(h));
	left -= sizeof(h);
	if (!h.name_len || h.name_len > left ||
		h.value_size > left - h.name_len || h.value_size > VALUE_MAX)
		return -EBADMSG;
	a->at = at;
	a->name = (const char *)all->data + at + sizeof(h);
	a->name_len = h.name_len;
	a->value = all->data + at + sizeof(h) + h.name_len;
	a->value_size = h.value_size;
	a->size = sizeof(h) + h.name_len + h.value_size;
	return memchr(a->name, 0, a->name_len) ? -EBADMSG : 0;
}

static int attr_find(const struct all *all, const char *name, struct attr *a)
{
	size_t len = strlen(name), at = 0;
	int err;

	while (!(err = attr_at(all, at, a))) {
		if (a->name_len == len && !memcmp(a->name, name, len))
			return 0;
		at += a->size;
	}
	return err;
}

static int read_all(struct all *all)
{
	for (size_t at = 0; at < all->size; at += VOL_BLOCK_SIZE) {
		struct vol_block *b;
		int err = vol_tree_get(&all->node->object,
			at >> VOL_BLOCK_SHIFT, VOL_READ, &b);

		if (!err && !b)
			err = -EBADMSG;
		if (err)
			return err;
		memcpy(all->data + at, b->data,
			u64_min(VOL_BLOCK_SIZE, all->size - at));
		vol_tree_put(b);
	}
	return 0;
}

static void all_fini(struct volume_node *n, struct all *all)
{
	vol_free_memory(n->object.volume, all->data, all->room);
	volume_put(all->node);
}

/* With @more bytes of room. Locked. all_fini only on success. */
static int all_init(struct volume_node *n, size_t more, struct all *all)
{
	struct volume *v = n->object.volume;
	struct vol_object *o;
	int err = 0;

	*all = (struct all){.room = more + 1};
	if (n->inode.xattr)
		err = vol_node_object(v, n->inode.xattr, &all->node, &o);
	if (err)
		return err == -ENOENT ? -EBADMSG : err;
	if (all->node) {
		const struct vol_disk_inode *i = &all->node->inode;

		if (i->mode != VOL_MODE_XATTR ||
			i->parent != n->object.number || i->size > TOTAL_MAX)
			err = -EBADMSG;
		else
			all->size = i->size;
	}
	all->room += all->size;
	if (!err)
		all->data = vol_alloc_memory(v, all->room);
	if (!err && !all->data)
		err = -ENOMEM;
	if (!err)
		err = read_all(all);
	if (err)
		all_fini(n, all);
	return err;
}

/* ---- reading ---- */

static int64_t give(const void *data, size_t len, void *to, size_t size)
{
	if (size && size < len)
		return -ERANGE;
	if (size && len)
		memcpy(to, data, len);
	return (int64_t)len;
}

int64_t volume_xattr_get(
	struct volume_node *n, const char *name, void *value, size_t size)
{
	struct all all;
	struct attr a;
	int64_t r;

	if (!n->inode.xattr)
		return -ENODATA;
	vol_node_lock(n);
	r = all_init(n, 0, &all);
	if (!r) {
		r = attr_find(&all, name, &a);
		if (!r)
			r = give(a.value, a.value_size, value, size);
		all_fini(n, &all);
	}
	vol_node_unlock(n);
	return r;
}

/* Names with NULs after them take the place of what they were found in. */
static int64_t names_of(struct all *all, char *names, size_t size)
{
	size_t at = 0, len = 0;
	struct attr a;
	int err;

	while (!(err = attr_at(all, at, &a))) {
		at += a.size;
		memmove(all->data + len, a.name, a.name_len);
		len += a.name_len;
		all->data[len++] = 0;
	}
	return err == -ENODATA ? give(all->data, len, names, size) : err;
}

int64_t volume_xattr_list(struct volume_node *n, char *names, size_t size)
{
	struct all all;
	int64_t r;

	if (!n->inode.xattr)
		return 0;
	vol_node_lock(n);
	r = all_init(n, 0, &all);
	if (!r) {
		r = names_of(&all, names, size);
		all_fini(n, &all);
	}
	vol_node_unlock(n);
	return r;
}

/* ---- writing ---- */

/* The object for them; empty ones do no harm if nothing comes of it. */
static int node_for(struct volume_node *n, struct all *all)
{
	int err = vol_node_prepare(n);

	if (err || all->node)
		return err ? err : vol_node_prepare(all->node);
	err = vol_node_new(n->object.volume, VOL_MODE_XATTR, &all->node);
	if (err)
		return err;
	all->node->inode.nlink = 1;
	all->node->inode.parent = n->object.number;
	n->inode.xattr = all->node->object.number;
	return 0;
}

static int write_step(struct volume_node *n, struct all *all)
{
	struct vol_block *b[BLOCKS];
	size_t count = 0, blocks;
	int err = node_for(n, all);

	blocks = (all->size + VOL_BLOCK_SIZE - 1) >> VOL_BLOCK_SHIFT;
	while (!err && count < blocks) {
		err = vol_tree_get(
			&all->node->object, count, VOL_WRITE, &b[count]);
		if (!err)
			count++;
	}
	for (size_t i = 0; i < count; i++) {
		size_t at = i * VOL_BLOCK_SIZE;

		if (!err)
			memcpy(b[i]->data, all->data + at,
				u64_min(VOL_BLOCK_SIZE, all->size - at));
		vol_tree_put(b[i]);
	}
	if (err)
		return err;
	all->node->inode.size = all->size;
	vol_node_touch(n, 1u << VOL_CTIME);
	return 0;
}

static int write_all(struct volume_node *n, struct all *all)
{
	struct volume *v = n->object.volume;
	int err = vol_begin(v, BLOCKS + 3);

	if (err)
		return err;
	err = write_step(n, all);
	vol_end(v);
	/* What is past the end means nothing: it may stay. */
	if (!err &&
		vol_file_cut(all->node,
			(all->size + VOL_BLOCK_SIZE - 1) >> VOL_BLOCK_SHIFT) !=
			0)
		return 0;
	return err;
}

static int replace(struct all *all, const char *name, const void *value,
	size_t size, int flags, bool remove)
{
	struct header h = {.value_size = (uint32_t)size,
		.name_len = (uint8_t)strlen(name)};
	struct attr a;
	int err = attr_find(all, name, &a);

	if (err && err != -ENODATA)
		return err;
	if (err && (remove || flags & XATTR_REPLACE))
		return -ENODATA;
	if (!err && flags & XATTR_CREATE)
		return -EEXIST;
	if (!err) {
		uint8_t *at = all->data + a.at;

		all->size -= a.size;
		memmove(at, at + a.size, all->size - a.at);
	}
	if (remove)
		return 0;
	if (all->size + sizeof(h) + h.name_len + size > TOTAL_MAX)
		return -ENOSPC;
	memcpy(all->data + all->size, &h, sizeof(h));
	all->size += sizeof(h);
	memcpy(all->data + all->size, name, h.name_len);
	all->size += h.name_len;
	if (size)
		memcpy(all->data + all->size, value, size);
	all->size += size;
	return 0;
}

static int change(struct volume_node *n, const char *name, const void *value,
	size_t size, int flags, bool remove)
{
	size_t len = strnlen(name, NAME_MAX_LEN + 1);
	struct all all;
	int err;

	if (!len || len > NAME_MAX_LEN)
		return -ERANGE;
	if (size > VALUE_MAX)
		return -E2BIG;
	if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	vol_node_lock(n);
	err = all_init(n, sizeof(struct header) + len + size, &all);
	if (!err) {
		err = replace(&all, name, value, size, flags, remove);
		if (!err)
			err = write_all(n, &all);
		all_fini(n, &all);
	}
	vol_node_unlock(n);
	return err;
}

int volume_xattr_set(struct volume_node *n, const char *name, const void *value,
	size_t size, int flags)
{
	return change(n, name, value, size, flags, false);
}

int volume_xattr_remove(struct volume_node *n, const char *name)
{
	return change(n, name, NULL, 0, 0, true);
}
