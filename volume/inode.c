/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes: inodes in memory, found by number and counted.
 *
 * A node that was changed is stored into its place in the table of inodes when
 * a record or commit is made, or earlier, when its last reference ends. An
 * unused node stays for a while, with the blocks of its object; one that owns
 * dirty blocks stays until they are written.
 *
 * A node without names (nlink 0) is on the list of orphans, so that its blocks
 * are found after a crash. When its last reference ends, its blocks are freed
 * in steps, and then it goes from that list to the list of free inodes in one.
 */
#include "volume/volume_int.h"

#include <linux/errno.h>

#include "lib/string.h"

enum {
	PER_BLOCK = VOL_BLOCK_SIZE / sizeof(struct vol_disk_inode),
	/* Files of up to this many blocks are freed in one step. */
	SMALL = 64,
	NSEC_PER_SEC = 1000000000,
	TARGET_MAX = 4095,
};

#define SIZE_MAX_FILE INT64_MAX

struct vol_nodes {
	struct volume_node **bucket;
	size_t buckets; /* a power of two */
	struct list unused; /* used last first */
	size_t count, limit; /* of the unused */
	bool reaped;
};

int vol_nodes_init(struct volume *v)
{
	struct vol_nodes *s = vol_alloc_memory(v, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->limit = v->env.cache_size / (2 * VOL_BLOCK_SIZE);
	s->buckets = 256;
	while (s->buckets < s->limit)
		s->buckets *= 2;
	s->bucket = vol_alloc_memory(v, s->buckets * sizeof(s->bucket[0]));
	if (!s->bucket) {
		vol_free_memory(v, s, sizeof(*s));
		return -ENOMEM;
	}
	list_init(&s->unused);
	list_init(&v->changed_nodes);
	v->nodes = s;
	return 0;
}

static struct volume_node **place_of(struct volume *v, uint64_t number)
{
	struct vol_nodes *s = v->nodes;
	struct volume_node **p = &s->bucket[number & (s->buckets - 1)];

	while (*p && (*p)->object.number != number)
		p = &(*p)->hash_next;
	return p;
}

static struct volume_node *find(struct volume *v, uint64_t number)
{
	return *place_of(v, number);
}

static void insert(struct volume *v, struct volume_node *n, uint64_t number)
{
	vol_object_init(&n->object, v, number);
	list_init(&n->change);
	list_init(&n->lru);
	n->refs = 1;
	*place_of(v, number) = n; /* it is not there: this is the chain's end */
}

/* Nothing finds it any more; a free inode's number may be given anew. */
static void unhash(struct volume_node *n)
{
	struct volume_node **p = place_of(n->object.volume, n->object.number);

	if (*p == n)
		*p = n->hash_next;
	n->hash_next = NULL;
}

static void forget(struct volume_node *n)
{
	struct volume *v = n->object.volume;

	unhash(n);
	list_del(&n->change);
	vol_tree_put(n->place);
	vol_object_fini(&n->object);
	vol_free_memory(v, n, sizeof(*n));
}

void vol_nodes_fini(struct volume *v)
{
	struct vol_nodes *s = v->nodes;

	if (!s)
		return;
	for (size_t i = 0; i < s->buckets; i++)
		while (s->bucket[i])
			forget(s->bucket[i]);
	vol_free_memory(v, s->bucket, s->buckets * sizeof(s->bucket[0]));
	vol_free_memory(v, s, sizeof(*s));
	v->nodes = NULL;
}

/* Looks at no more than @tries: those that cannot go yet get another round. */
static void shrink(struct vol_nodes *s, size_t keep, size_t tries)
{
	struct volume_node *n;

	for (; s->count > keep && tries; tries--) {
		n = list_last(&s->unused, struct volume_node, lru);
		if (!n)
			break;
		list_del(&n->lru);
		if (n->changed || !list_is_empty(&n->object.dirty) ||
			list_is_linked(&n->object.changed)) {
			list_add(&s->unused, &n->lru);
		} else {
			s->count--;
			forget(n);
		}
	}
}

void vol_nodes_shrink(struct volume *v, size_t keep)
{
	shrink(v->nodes, keep, v->nodes->count);
}

/* ---- locks ---- */

void vol_lock(struct volume *v, uint8_t *lock)
{
	if (!*lock) {
		*lock = 1;
		return;
	}
	/* Having waited, others may be waiting still: it stays 2. */
	while (*lock) {
		*lock = 2;
		v->env.ops->wait(v->env.ctx, lock);
	}
	*lock = 2;
}

void vol_unlock(struct volume *v, uint8_t *lock)
{
	bool waited = *lock == 2;

	*lock = 0;
	if (waited)
		v->env.ops->wake(v->env.ctx, lock);
}

void vol_node_lock(struct volume_node *n)
{
	vol_lock(n->object.volume, &n->locked);
}

void vol_node_unlock(struct volume_node *n)
{
	vol_unlock(n->object.volume, &n->locked);
}

/* ---- from and to the table ---- */

static struct vol_disk_inode *slot(uint8_t *data, uint64_t number)
{
	return (struct vol_disk_inode *)(void *)data + number % PER_BLOCK;
}

static int inode_check(const struct vol_disk_inode *i)
{
	bool ok = i->size <= SIZE_MAX_FILE && i->mode >> 16 == 0;

	for (unsigned t = 0; t < VOL_TIMES; t++)
		ok = ok && i->nsec[t] < NSEC_PER_SEC;
	switch (i->mode & VOL_MODE_TYPE) {
	case VOL_MODE_LINK:
		ok = ok && i->size > 0 && i->size <= TARGET_MAX;
		break;
	case VOL_MODE_DIR:
		ok = ok && i->size % VOL_BLOCK_SIZE == 0;
		break;
	case VOL_MODE_FILE:
	case VOL_MODE_CHAR:
	case VOL_MODE_BLOCK:
	case VOL_MODE_FIFO:
	case VOL_MODE_SOCKET:
		break;
	default:
		ok = ok && i->mode == VOL_MODE_XATTR;
	}
	return ok ? 0 : -EBADMSG;
}

static int decode(struct volume_node *n, const struct vol_disk_inode *i)
{
	int err = inode_check(i);

	if (err)
		return err;
	n->inode = *i;
	return vol_inode_inline(i) ? 0 : vol_super_load_object(&n->object, i);
}

static void store(struct volume_node *n)
{
	struct vol_disk_inode *i = slot(n->place->data, n->object.number);

	*i = n->inode;
	if (!vol_inode_inline(i))
		vol_super_store_object(&n->object, i);
	vol_tree_put(n->place);
	n->place = NULL;
	n->changed = false;
	list_del(&n->change);
}

static int pin(struct volume_node *n)
{
	struct volume *v = n->object.volume;
	struct vol_block *b;
	int err;

	if (n->place)
		return 0;
	err = vol_tree_get(
		&v->inodes, n->object.number / PER_BLOCK, VOL_WRITE, &b);
	if (err)
		return err;
	if (n->place) /* by somebody else while this one slept */
		vol_tree_put(b);
	else
		n->place = b;
	return 0;
}

int vol_node_prepare(struct volume_node *n)
{
	int err = pin(n);

	if (!err)
		vol_node_changed(n);
	return err;
}

void vol_node_changed(struct volume_node *n)
{
	if (n->changed)
		return;
	n->changed = true;
	list_add_tail(&n->object.volume->changed_nodes, &n->change);
}

int vol_node_store_all(struct volume *v)
{
	struct volume_node *n;

	while ((n = list_first(
			&v->changed_nodes, struct volume_node, change))) {
		int err = pin(n);

		if (err)
			return err;
		if (n->changed)
			store(n);
	}
	return 0;
}

/* ---- references ---- */

/* Any inode that is not free, of whatever kind. */
static int get(struct volume *v, uint64_t number, struct volume_node **out)
{
	struct volume_node *n = find(v, number), *fresh;
	struct vol_block *b;
	int err;

	if (n) {
		if (n->dying)
			return -ENOENT;
		*out = volume_hold(n);
		return 0;
	}
	fresh = vol_alloc_memory(v, sizeof(*fresh));
	if (!fresh)
		return -ENOMEM;
	err = vol_tree_get(&v->inodes, number / PER_BLOCK, VOL_READ, &b);
	if (!err && !b)
		err = -ENOENT;
	if (err) {
		vol_free_memory(v, fresh, sizeof(*fresh));
		return err;
	}
	n = find(v, number);
	if (n) {
		vol_free_memory(v, fresh, sizeof(*fresh));
		if (n->dying)
			err = -ENOENT;
		else
			volume_hold(n);
	} else {
		const struct vol_disk_inode *i = slot(b->data, number);

		n = fresh;
		insert(v, n, number);
		err = i->mode ? decode(n, i) : -ENOENT;
		if (err)
			forget(n);
	}
	vol_tree_put(b);
	if (!err)
		*out = n;
	return err;
}

int volume_get(struct volume *v, uint64_t ino, struct volume_node **out)
{
	struct volume_node *n;
	int err;

	if (ino < VOL_OBJECT_ROOT || ino >= v->state.next_inode)
		return -ENOENT;
	err = get(v, ino, &n);
	if (err)
		return err;
	if (n->inode.mode == VOL_MODE_XATTR) {
		volume_put(n);
		return -ENOENT;
	}
	*out = n;
	return 0;
}

int vol_node_object(struct volume *v, uint64_t number,
	struct volume_node **node, struct vol_object **out)
{
	int err;

	*node = NULL;
	if (number < VOL_OBJECT_ROOT) {
		*out = number == VOL_OBJECT_INODES ? &v->inodes : &v->table;
		return 0;
	}
	err = get(v, number, node);
	if (!err)
		*out = &(*node)->object;
	return err;
}

struct volume_node *volume_hold(struct volume_node *n)
{
	if (!n->refs++ && list_is_linked(&n->lru)) {
		list_del(&n->lru);
		n->object.volume->nodes->count--;
	}
	return n;
}

struct volume *volume_of(const struct volume_node *n)
{
	return n->object.volume;
}

/* Inode to the free list; it is prepared, its object empty. */
static void give_back(struct volume_node *n)
{
	struct volume *v = n->object.volume;
	uint32_t generation = n->inode.generation;

	memset(&n->inode, 0, sizeof(n->inode));
	n->inode.generation = generation;
	n->inode.next = v->state.free_inode;
	v->state.free_inode = n->object.number;
	v->state.inodes--;
	store(n);
	unhash(n);
}

static int free_step(struct volume_node *n, struct volume_node *x)
{
	int err = vol_node_prepare(n);

	if (!err && x)
		err = vol_node_prepare(x);
	if (!err)
		err = vol_node_orphan_prepare(n);
	if (!err && n->object.blocks)
		err = vol_tree_punch(&n->object, 0, UINT64_MAX);
	if (!err && x && x->object.blocks)
		err = vol_tree_punch(&x->object, 0, UINT64_MAX);
	if (err)
		return err;
	vol_node_orphan_del(n);
	if (x)
		give_back(x);
	give_back(n);
	return 0;
}

/* All of an inode without names, its extended attributes too. */
static int inode_free(struct volume_node *n)
{
	struct volume *v = n->object.volume;
	struct volume_node *x = NULL;
	int err = 0;

	if (n->inode.xattr)
		err = get(v, n->inode.xattr, &x);
	if (!err && x &&
		(x->inode.mode != VOL_MODE_XATTR ||
			x->inode.parent != n->object.number))
		err = -EBADMSG;
	if (!err && n->object.blocks > SMALL)
		err = vol_file_cut(n, 0);
	if (!err) {
		vol_lock(v, &v->orphans);
		err = vol_begin_freeing(v, 3);
		if (!err) {
			err = free_step(n, x);
			vol_end(v);
		}
		vol_unlock(v, &v->orphans);
	}
	volume_put(x);
	return err;
}

void volume_put(struct volume_node *n)
{
	struct vol_nodes *s;
	bool orphan;

	if (!n)
		return;
	s = n->object.volume->nodes;
	orphan = n->inode.mode && !n->inode.nlink &&
		n->inode.mode != VOL_MODE_XATTR && s->reaped &&
		(n->orphan_prev ||
			n->object.volume->state.orphan == n->object.number);
	if (n->refs == 1 && orphan) {
		n->dying = true;
		orphan = inode_free(n) != 0;
		n->dying = false;
	}
	if (--n->refs)
		return;
	if (n->place)
		store(n);
	if (!n->inode.mode) {
		forget(n);
	} else if (!orphan) { /* else: its neighbours in the list know it */
		list_add(&s->unused, &n->lru);
		s->count++;
		shrink(s, s->limit, 2);
	}
}

int vol_begin_freeing(struct volume *v, uint64_t blocks)
{
	int err = vol_begin(v, blocks);

	return err == -ENOSPC ? vol_begin(v, 0) : err;
}

/* ---- new ones and orphans ---- */

void vol_node_touch(struct volume_node *n, unsigned times)
{
	const struct volume_env *env = &n->object.volume->env;
	int64_t sec;
	uint32_t nsec;

	env->ops->now(env->ctx, &sec, &nsec);
	for (unsigned t = 0; t < VOL_TIMES; t++)
		if (times & 1u << t) {
			n->inode.sec[t] = sec;
			n->inode.nsec[t] = nsec;
		}
	vol_node_changed(n);
}

static uint64_t next_number(const struct volume *v)
{
	return v->state.free_inode ? v->state.free_inode : v->state.next_inode;
}

int vol_node_new(struct volume *v, uint32_t mode, struct volume_node **out)
{
	struct volume_node *n = vol_alloc_memory(v, sizeof(*n));
	const struct vol_disk_inode *i;
	struct vol_block *b;
	uint64_t number;
	int err;

	if (!n)
		return -ENOMEM;
	for (;;) {
		number = next_number(v);
		err = vol_tree_get(
			&v->inodes, number / PER_BLOCK, VOL_WRITE, &b);
		if (err)
			goto fail;
		if (number == next_number(v))
			break;
		vol_tree_put(b);
	}
	i = slot(b->data, number);
	if (number < VOL_OBJECT_ROOT || i->mode ||
		i->next >= v->state.next_inode || i->next == number ||
		find(v, number)) {
		vol_tree_put(b);
		err = -EBADMSG;
		goto fail;
	}
	if (v->state.free_inode)
		v->state.free_inode = i->next;
	else
		v->state.next_inode++;
	v->state.inodes++;
	insert(v, n, number);
	n->place = b;
	n->inode.mode = mode;
	n->inode.generation = i->generation + 1;
	vol_node_touch(n, (1u << VOL_TIMES) - 1);
	*out = n;
	return 0;
fail:
	vol_free_memory(v, n, sizeof(*n));
	return err;
}

void vol_node_orphan_add(struct volume_node *n)
{
	struct volume *v = n->object.volume;
	struct volume_node *first = find(v, v->state.orphan);

	if (first)
		first->orphan_prev = n;
	n->inode.next = v->state.orphan;
	v->state.orphan = n->object.number;
	vol_node_changed(n);
}

int vol_node_orphan_prepare(struct volume_node *n)
{
	struct volume_node *prev;
	int err = 0;

	/* None goes meanwhile, but one may come before the first. */
	do {
		prev = n->orphan_prev;
		if (prev)
			err = vol_node_prepare(prev);
	} while (!err && prev != n->orphan_prev);
	return err;
}

void vol_node_orphan_del(struct volume_node *n)
{
	struct volume *v = n->object.volume;
	struct volume_node *next = find(v, n->inode.next);

	if (n->orphan_prev)
		n->orphan_prev->inode.next = n->inode.next;
	else
		v->state.orphan = n->inode.next;
	if (next)
		next->orphan_prev = n->orphan_prev;
	n->inode.next = 0;
	n->orphan_prev = NULL;
}

int vol_node_reap(struct volume *v)
{
	int err = 0;

	if (v->flags & (VOLUME_READ_ONLY | VOLUME_RESCUE))
		return 0;
	v->nodes->reaped = true;
	while (!err && v->state.orphan) {
		struct volume_node *n;

		err = get(v, v->state.orphan, &n);
		if (err)
			return err == -ENOENT ? -EBADMSG : err;
		n->dying = true;
		err = n->inode.nlink ? -EBADMSG : inode_free(n);
		n->dying = false;
		volume_put(n);
	}
	return err;
}

/* ---- replay ---- */

static bool has_tree(const struct vol_disk_inode *i)
{
	return i->mode && !vol_inode_inline(i);
}

/* @in takes the place of @i, but the tree of blocks is as it was. */
static int replay_one(struct volume *v, uint64_t number,
	struct vol_disk_inode *i, const struct vol_disk_inode *in)
{
	struct volume_node *n = find(v, number);
	struct vol_object old = {.volume = v};
	int err = 0;

	if (n)
		old = n->object;
	else if (has_tree(i))
		err = vol_super_load_object(&old, i);
	if (err)
		return err;
	*i = *in;
	if (has_tree(i))
		vol_super_store_object(&old, i);
	if (!n)
		return 0;
	n->inode = *i;
	if (!n->refs && !i->mode)
		volume_put(volume_hold(n));
	return 0;
}

int vol_node_replay(struct volume *v, uint64_t index, const uint8_t *data)
{
	struct vol_disk_inode in;
	struct vol_block *b;
	int err;

	for (unsigned k = 0; k < PER_BLOCK; k++) {
		memcpy(&in, data + k * sizeof(in), sizeof(in));
		if (in.mode && inode_check(&in))
			return -EBADMSG;
	}
	err = vol_tree_get(&v->inodes, index, VOL_WRITE, &b);
	if (err)
		return err;
	for (unsigned k = 0; !err && k < PER_BLOCK; k++) {
		uint64_t number = index * PER_BLOCK + k;

		memcpy(&in, data + k * sizeof(in), sizeof(in));
		err = replay_one(v, number, slot(b->data, number), &in);
	}
	vol_tree_put(b);
	return err;
}
