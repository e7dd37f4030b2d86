/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories: B+trees over the blocks of the directory's own object.
 *
 * Block 0 is the root, a leaf while the directory is small; without entries
 * there is none (size 0). A leaf has entries of variable length in the order of
 * their keys, without gaps. An inner block has pairs of key and child: the
 * child's keys are at least that key and less than the next pair's; the first
 * pair's key is not looked at. Leaves that become empty go to a list of free
 * blocks, whose head is in the root.
 *
 * The key is SipHash-2-4 of the name, 55 bits of it, and 8 bits that tell names
 * of one hash apart: a name gets the lowest that is free and keeps it, so it is
 * found by looking at all keys of its hash, wherever gaps are.
 *
 * A block is checked from end to end when it is first used, with the range of
 * keys that the path to it allows, and its level each time: so a walk ends, and
 * stays within its blocks, whatever these contain.
 */
#include "volume/volume_int.h"

#include <linux/errno.h>

#include "lib/string.h"

/* Tests make collisions. */
#ifndef DIR_HASH_MASK
#define DIR_HASH_MASK UINT64_MAX
#endif

#define KEY_END ((uint64_t)INT64_MAX) /* greater than all keys */
#define KEY_SAME UINT64_C(255) /* bits that tell apart names of one hash */

enum { LEVEL_FREE = 0xff };

struct head {
	uint8_t level; /* 0: leaf; LEVEL_FREE: on the list of free blocks */
	uint8_t zero;
	uint16_t count; /* entries or pairs */
	uint32_t used; /* bytes of them */
	uint64_t next_free; /* in the root: the first one; 0: none */
};
static_assert_size(struct head, 16);

struct packed_struct entry {
	uint64_t key, ino;
	uint8_t type, len;
	char name[];
};
static_assert_size(struct entry, 18);

struct pair {
	uint64_t key, child;
};

enum {
	ROOM = VOL_BLOCK_SIZE - sizeof(struct head),
	PAIRS = ROOM / sizeof(struct pair),
};

static struct head *head_of(const struct vol_block *b)
{
	return (struct head *)(void *)b->data;
}

static struct pair *pairs(const struct vol_block *b)
{
	return (struct pair *)(void *)(head_of(b) + 1);
}

static struct entry *entry_at(const struct vol_block *b, uint32_t offset)
{
	return (struct entry *)(void *)(b->data + sizeof(struct head) + offset);
}

static uint32_t entry_size(const struct entry *e)
{
	return (uint32_t)sizeof(*e) + e->len;
}

static uint64_t block_count(const struct volume_node *dir)
{
	return dir->inode.size / VOL_BLOCK_SIZE;
}

/* ---- hash ---- */

static uint64_t rotate(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static void sip_rounds(uint64_t v[4], unsigned n)
{
	while (n--) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

static uint64_t siphash(const uint8_t key[16], const void *data, size_t size)
{
	const uint8_t *p = data;
	uint64_t k[2], m, v[4];
	size_t left = size;

	memcpy(k, key, sizeof(k));
	v[0] = k[0] ^ UINT64_C(0x736f6d6570736575);
	v[1] = k[1] ^ UINT64_C(0x646f72616e646f6d);
	v[2] = k[0] ^ UINT64_C(0x6c7967656e657261);
	v[3] = k[1] ^ UINT64_C(0x7465646279746573);
	for (;; left -= 8, p += 8) {
		m = 0;
		memcpy(&m, p, left < 8 ? left : 8);
		if (left < 8)
			m |= (uint64_t)size << 56;
		v[3] ^= m;
		sip_rounds(v, 2);
		v[0] ^= m;
		if (left < 8)
			break;
	}
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The first key of a name. All keys are at least 256, and all that follow it
 * less than KEY_END. */
static uint64_t first_key(
	const struct volume_node *dir, const char *name, size_t len)
{
	uint64_t h = siphash(dir->object.volume->hash_key, name, len) &
		DIR_HASH_MASK;

	h = h >> 1 & ~KEY_SAME;
	if (h < KEY_SAME)
		h += KEY_SAME + 1;
	if (h > KEY_END - 2 * KEY_SAME)
		h -= KEY_SAME + 1;
	return h;
}

/* ---- checks ---- */

bool vol_dir_name_ok(const char *name, size_t len)
{
	if (!len || (name[0] == '.' && len == 1) ||
		(len == 2 && name[0] == '.' && name[1] == '.'))
		return false;
	return !memchr(name, '/', len) && !memchr(name, 0, len);
}

static bool leaf_ok(const struct vol_block *b, uint64_t lo, uint64_t hi)
{
	const struct head *h = head_of(b);
	uint32_t at = 0;

	for (unsigned i = 0; i < h->count; i++) {
		const struct entry *e = entry_at(b, at);

		if (h->used - at < sizeof(*e) || h->used - at < entry_size(e) ||
			e->key < lo || e->key >= hi ||
			!vol_dir_name_ok(e->name, e->len))
			return false;
		lo = e->key + 1;
		at += entry_size(e);
	}
	return at == h->used;
}

static bool inner_ok(
	const struct vol_block *b, uint64_t lo, uint64_t hi, uint64_t blocks)
{
	const struct head *h = head_of(b);
	const struct pair *p = pairs(b);

	if (h->used != h->count * sizeof(*p))
		return false;
	for (unsigned i = 0; i < h->count; i++) {
		if (!p[i].child || p[i].child >= blocks)
			return false;
		if (!i)
			continue;
		if (p[i].key <= lo || p[i].key >= hi)
			return false;
		lo = p[i].key;
	}
	return true;
}

/* Once for as long as it is in memory: what changes it here keeps it valid. */
static bool block_ok(
	struct vol_block *b, uint64_t lo, uint64_t hi, uint64_t blocks)
{
	const struct head *h = head_of(b);

	if (b->state & VOL_BLOCK_CHECKED)
		return true;
	if (!h->count || h->used > ROOM ||
		!(h->level ? inner_ok(b, lo, hi, blocks) : leaf_ok(b, lo, hi)))
		return false;
	b->state |= VOL_BLOCK_CHECKED;
	return true;
}

/* ---- walking ---- */

static void path_put(struct vol_dir_path *p)
{
	while (p->depth)
		vol_tree_put(p->block[--p->depth]);
}

/* The leaf that has @key, if any has it. On failure nothing is pinned. */
static int walk(struct volume_node *dir, uint64_t key, struct vol_dir_path *p)
{
	uint64_t index = 0;
	unsigned level = VOL_DIR_DEPTH;

	p->depth = 0;
	p->lo = 0;
	p->hi = KEY_END;
	for (;;) {
		struct vol_block *b;
		const struct head *h;
		const struct pair *pair;
		uint32_t lo = 0, n;
		int err = vol_tree_get(&dir->object, index, VOL_READ, &b);

		if (!err && !b)
			err = -EBADMSG;
		if (err) {
			path_put(p);
			return err;
		}
		p->block[p->depth++] = b;
		h = head_of(b);
		n = h->count;
		if ((index ? h->level + 1u != level : h->level >= level) ||
			!block_ok(b, p->lo, p->hi, block_count(dir))) {
			path_put(p);
			return -EBADMSG;
		}
		level = h->level;
		if (!level)
			return 0;
		/* The last pair whose key is not greater, or the first. */
		pair = pairs(b);
		while (n - lo > 1) {
			uint32_t mid = lo + (n - lo) / 2;

			if (pair[mid].key <= key)
				lo = mid;
			else
				n = mid;
		}
		p->slot[p->depth - 1] = lo;
		if (lo)
			p->lo = pair[lo].key;
		if (lo + 1 < h->count)
			p->hi = pair[lo + 1].key;
		index = pair[lo].child;
	}
}

static struct vol_block *leaf_of(const struct vol_dir_path *p)
{
	return p->block[p->depth - 1];
}

/*
 * 0: found, e is it, and p leads to it. -ENOENT: p leads to where it would be
 * (or depth is 0: no entries), and e->key is the key that it would get; greater
 * than all keys of its hash: there is none left. Else nothing is pinned.
 */
static int find(struct volume_node *dir, const char *name, size_t len,
	struct vol_dir_path *p, struct vol_dir_entry *e)
{
	uint64_t first = first_key(dir, name, len), last = first | KEY_SAME;
	uint64_t from = first;
	int err;

	e->key = first;
	p->depth = 0;
	if (!dir->inode.size)
		return -ENOENT;
	for (;;) {
		const struct vol_block *b;
		uint32_t at = 0, used;

		err = walk(dir, from, p);
		if (err)
			return err;
		b = leaf_of(p);
		used = head_of(b)->used;
		for (; at < used; at += entry_size(entry_at(b, at))) {
			const struct entry *d = entry_at(b, at);

			if (d->key < first)
				continue;
			if (d->key > last)
				break;
			if (d->len == len && !memcmp(d->name, name, len)) {
				p->slot[p->depth - 1] = at;
				e->key = d->key;
				e->ino = d->ino;
				e->type = d->type;
				return 0;
			}
			if (d->key == e->key)
				e->key++;
		}
		from = p->hi;
		if (from > last)
			break;
		path_put(p);
	}
	if (e->key < p->lo && e->key <= last) {
		path_put(p);
		err = walk(dir, e->key, p);
		if (err)
			return err;
	}
	return -ENOENT;
}

int vol_dir_find(struct volume_node *dir, const char *name, size_t len,
	struct vol_dir_entry *out)
{
	struct vol_dir_path p;
	int err = find(dir, name, len, &p, out);

	path_put(&p);
	return err;
}

int vol_dir_iterate(struct volume_node *dir, uint64_t cookie,
	volume_dirent_fn *add, void *arg)
{
	struct vol_dir_path p = {.hi = cookie};
	int err = 0;

	while (!err && dir->inode.size && p.hi < KEY_END) {
		uint64_t from = p.hi;
		const struct vol_block *b;
		uint32_t at = 0, used;

		err = walk(dir, from, &p);
		if (err)
			break;
		b = leaf_of(&p);
		used = head_of(b)->used;
		for (; !err && at < used; at += entry_size(entry_at(b, at))) {
			const struct entry *e = entry_at(b, at);

			if (e->key >= from)
				err = add(arg, e->name, e->len, e->ino, e->type,
					e->key + 1);
		}
		path_put(&p);
	}
	return err;
}

/* ---- preparing ---- */

/* A block of the path that will be changed. */
static int dirty(struct volume_node *dir, struct vol_block **b)
{
	struct vol_block *w;
	int err = vol_tree_get(&dir->object, (*b)->index, VOL_WRITE, &w);

	if (err)
		return err;
	vol_tree_put(*b);
	*b = w;
	return 0;
}

void vol_dir_cancel(struct vol_dir_op *op)
{
	path_put(&op->path);
	while (op->fresh_count)
		vol_tree_put(op->fresh[--op->fresh_count]);
}

/* The last @levels of the path, and the root if there are free blocks to take
 * from or put onto its list. */
static int dirty_path(struct vol_dir_op *op, unsigned levels, bool root)
{
	struct vol_dir_path *p = &op->path;
	int err = 0;

	for (unsigned i = 0; !err && i < p->depth; i++)
		if (p->depth - i <= levels || (root && !i))
			err = dirty(op->dir, &p->block[i]);
	return err;
}

/* @n blocks for splits: off the list, then behind the end. */
static int fresh_get(struct vol_dir_op *op, unsigned n)
{
	struct volume_node *dir = op->dir;
	uint64_t end = block_count(dir), old_end = end;
	uint64_t next = end ? head_of(op->path.block[0])->next_free : 0;

	while (op->fresh_count < n) {
		uint64_t index = next ? next : end++;
		struct vol_block *b;
		int err = vol_tree_get(&dir->object, index,
			next ? VOL_WRITE : VOL_REPLACE, &b);

		if (err)
			return err;
		op->fresh[op->fresh_count++] = b;
		if (!next)
			continue;
		if (next >= old_end || head_of(b)->level != LEVEL_FREE)
			return -EBADMSG;
		next = head_of(b)->next_free;
		for (unsigned i = 0; i < op->fresh_count; i++)
			if (next && next == op->fresh[i]->index)
				return -EBADMSG;
	}
	return 0;
}

/* How many levels, from the leaf up, have no room for one more. */
static unsigned full_levels(const struct vol_dir_path *p, size_t size)
{
	unsigned n = 0;

	if (!p->depth || head_of(leaf_of(p))->used + size <= ROOM)
		return 0;
	do
		n++;
	while (n < p->depth &&
		head_of(p->block[p->depth - 1 - n])->count == PAIRS);
	return n;
}

int vol_dir_insert_prepare(struct volume_node *dir, const char *name,
	size_t len, struct vol_dir_op *op)
{
	int err;

	*op = (struct vol_dir_op){.dir = dir, .name = name, .len = len};
	err = find(dir, name, len, &op->path, &op->entry);
	if (!err)
		err = -EEXIST;
	if (err == -ENOENT) {
		bool grow; /* the tree: the root's contents move */

		op->levels = full_levels(&op->path, sizeof(struct entry) + len);
		grow = op->levels == op->path.depth;
		err = 0;
		if (op->entry.key > (first_key(dir, name, len) | KEY_SAME) ||
			(grow && op->path.depth == VOL_DIR_DEPTH))
			err = -ENOSPC;
		if (!err)
			err = dirty_path(op, op->levels + 1, op->levels > 0);
		if (!err)
			err = fresh_get(op, op->levels + grow);
	}
	if (err)
		vol_dir_cancel(op);
	return err;
}

int vol_dir_remove_prepare(struct volume_node *dir, const char *name,
	size_t len, struct vol_dir_op *op)
{
	struct vol_dir_path *p = &op->path;
	int err;

	*op = (struct vol_dir_op){.dir = dir, .name = name, .len = len};
	err = find(dir, name, len, p, &op->entry);
	/* Blocks that only have what goes, go. */
	while (!err && op->levels < p->depth &&
		head_of(p->block[p->depth - 1 - op->levels])->count == 1)
		op->levels++;
	if (!err)
		err = dirty_path(op, op->levels + 1, op->levels > 0);
	if (err)
		vol_dir_cancel(op);
	return err;
}

/* ---- performing ---- */

static void open_gap(struct vol_block *b, uint32_t offset, uint32_t size)
{
	uint8_t *at = b->data + sizeof(struct head) + offset;
	struct head *h = head_of(b);

	memmove(at + size, at, h->used - offset);
	h->used += size;
	h->count++;
}

static void close_gap(struct vol_block *b, uint32_t offset, uint32_t size)
{
	uint8_t *at = b->data + sizeof(struct head) + offset;
	struct head *h = head_of(b);

	h->used -= size;
	h->count--;
	memmove(at, at + size, h->used - offset);
}

/* The next of the prepared blocks; its pin stays with op->fresh. */
static struct vol_block *fresh_take(struct vol_dir_op *op, uint8_t level)
{
	struct vol_block *b = op->fresh[op->taken++];
	uint64_t end = (b->index + 1) * VOL_BLOCK_SIZE;

	if (op->path.depth) {
		struct head *root = head_of(op->path.block[0]);

		if (b->index == root->next_free)
			root->next_free = head_of(b)->next_free;
	}
	if (end > op->dir->inode.size)
		op->dir->inode.size = end;
	memset(b->data, 0, VOL_BLOCK_SIZE);
	head_of(b)->level = level;
	return b;
}

/* What the root has moves to a block below it. */
static void grow(struct vol_dir_op *op)
{
	struct vol_dir_path *p = &op->path;
	struct vol_block *b = fresh_take(op, 0);

	op->fresh[op->taken - 1] = NULL; /* the path has its pin */
	if (!p->depth) {
		p->block[p->depth++] = b;
		return;
	}
	memcpy(b->data, p->block[0]->data, VOL_BLOCK_SIZE);
	head_of(b)->next_free = 0;
	head_of(p->block[0])->level++;
	head_of(p->block[0])->count = 1;
	head_of(p->block[0])->used = sizeof(struct pair);
	*pairs(p->block[0]) = (struct pair){0, b->index};
	memmove(p->block + 1, p->block, p->depth * sizeof(p->block[0]));
	memmove(p->slot + 1, p->slot, p->depth * sizeof(p->slot[0]));
	p->block[1] = b;
	p->slot[0] = 0;
	p->depth++;
}

/* Half of what block @d of the path has moves to a new one behind it; the path
 * goes on through the one where op's key belongs. */
static void split(struct vol_dir_op *op, unsigned d)
{
	struct vol_dir_path *p = &op->path;
	struct vol_block *left = p->block[d], *parent = p->block[d - 1];
	struct head *h = head_of(left);
	struct vol_block *right = fresh_take(op, h->level);
	uint32_t n = 0, at = 0, slot = p->slot[d - 1] + 1;
	uint64_t key;

	if (h->level) {
		n = h->count / 2;
		at = n * (uint32_t)sizeof(struct pair);
		key = pairs(left)[n].key;
	} else {
		for (; at < h->used / 2; n++)
			at += entry_size(entry_at(left, at));
		key = entry_at(left, at)->key;
	}
	head_of(right)->count = (uint16_t)(h->count - n);
	head_of(right)->used = h->used - at;
	memcpy(head_of(right) + 1, left->data + sizeof(*h) + at, h->used - at);
	h->count = (uint16_t)n;
	h->used = at;
	open_gap(parent, slot * (uint32_t)sizeof(struct pair),
		sizeof(struct pair));
	pairs(parent)[slot] = (struct pair){key, right->index};
	if (op->entry.key >= key) {
		p->block[d] = right;
		p->slot[d] -= n;
		p->slot[d - 1]++;
		op->fresh[op->taken - 1] = left;
	}
}

void vol_dir_insert(struct vol_dir_op *op, uint64_t ino, uint8_t type)
{
	uint64_t key = op->entry.key;
	struct vol_block *b;
	struct entry *e;
	uint32_t at = 0;

	if (op->levels == op->path.depth)
		grow(op);
	for (unsigned n = op->levels; n > 0; n--)
		split(op, op->path.depth - n);
	b = leaf_of(&op->path);
	while (at < head_of(b)->used && entry_at(b, at)->key < key)
		at += entry_size(entry_at(b, at));
	open_gap(b, at, (uint32_t)(sizeof(*e) + op->len));
	e = entry_at(b, at);
	*e = (struct entry){key, ino, type, (uint8_t)op->len};
	memcpy(e->name, op->name, op->len);
	op->dir->inode.entries++;
	vol_dir_cancel(op);
}

void vol_dir_remove(struct vol_dir_op *op)
{
	struct vol_dir_path *p = &op->path;
	unsigned d = p->depth - 1;

	if (op->levels == p->depth) {
		op->dir->inode.size = 0;
		goto out;
	}
	for (unsigned n = op->levels; n > 0; n--, d--) {
		struct head *root = head_of(p->block[0]);

		*head_of(p->block[d]) = (struct head){
			.level = LEVEL_FREE, .next_free = root->next_free};
		root->next_free = p->block[d]->index;
	}
	close_gap(p->block[d],
		op->levels ? p->slot[d] * (uint32_t)sizeof(struct pair)
			   : p->slot[d],
		op->levels ? (uint32_t)sizeof(struct pair)
			   : entry_size(entry_at(p->block[d], p->slot[d])));
out:
	if (op->dir->inode.entries)
		op->dir->inode.entries--;
	vol_dir_cancel(op);
}

void vol_dir_replace(struct vol_dir_op *op, uint64_t ino, uint8_t type)
{
	struct vol_dir_path *p = &op->path;
	struct entry *e = entry_at(leaf_of(p), p->slot[p->depth - 1]);

	e->ino = ino;
	e->type = type;
	vol_dir_cancel(op);
}
