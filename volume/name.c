/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: looking them up, giving, moving and taking them away.
 *
 * Each operation is one change: first everything that it touches is loaded and
 * pinned, which may sleep and fail; then what may have changed meanwhile is
 * looked at again; then all is done without sleeping. References are given up
 * after the change has ended, since the last one frees blocks.
 */
#include "volume/volume_int.h"

#include <linux/errno.h>
#include <linux/fs.h>

#include "lib/string.h"

enum {
	LINK_LIMIT = INT32_MAX,
	DEPTH_LIMIT = 1 << 20, /* of directories, if parents are in circles */
	TARGET_MAX = 4095,
	TYPE_SHIFT = 12, /* from mode to type of an entry */
	C = 1u << VOL_CTIME,
	MC = 1u << VOL_MTIME | 1u << VOL_CTIME,
};

static bool is_dir(const struct volume_node *n)
{
	return vol_inode_is(&n->inode, VOL_MODE_DIR);
}

static uint8_t type_of(const struct volume_node *n)
{
	return (uint8_t)(n->inode.mode >> TYPE_SHIFT);
}

static int name_check(
	const struct volume_node *dir, const char *name, size_t len)
{
	if (!is_dir(dir))
		return -ENOTDIR;
	if (len > VOL_NAME_MAX)
		return -ENAMETOOLONG;
	return vol_dir_name_ok(name, len) ? 0 : -EINVAL;
}

/* What an entry of a locked directory names. *out is set or NULL, and to be put
 * by the caller, even on failure: then it is not in a change. */
static int entry_get(struct volume *v, const struct vol_dir_entry *e,
	struct volume_node **out)
{
	int err;

	*out = NULL;
	err = volume_get(v, e->ino, out);
	if (err == -ENOENT ||
		(!err && (!(*out)->inode.nlink || type_of(*out) != e->type)))
		err = -EBADMSG;
	return err;
}

/* As entry_get. */
static int look(struct volume_node *dir, const char *name, size_t len,
	struct volume_node **out)
{
	struct vol_dir_entry e;
	int err;

	*out = NULL;
	err = vol_dir_find(dir, name, len, &e);
	return err ? err : entry_get(dir->object.volume, &e, out);
}

int volume_lookup(struct volume_node *dir, const char *name, size_t len,
	struct volume_node **out)
{
	int err = name_check(dir, name, len);

	if (err)
		return err;
	vol_node_lock(dir);
	err = look(dir, name, len, out);
	vol_node_unlock(dir);
	if (err)
		volume_put(*out);
	return err;
}

/* An emptied directory gives its blocks back, but for one that the next name
 * takes. They mean nothing, so it does not matter if that fails. */
static void trim(struct volume_node *dir)
{
	if (!dir->inode.size && dir->object.blocks > 1 &&
		vol_file_cut(dir, 0) != 0)
		return;
}

/* One name less; prepared. */
static void drop_link(struct volume_node *dir, struct volume_node *n)
{
	if (is_dir(n)) {
		n->inode.nlink = 0;
		dir->inode.nlink--;
	} else {
		n->inode.nlink--;
	}
	vol_node_touch(n, C);
	if (!n->inode.nlink)
		vol_node_orphan_add(n);
}

/* ---- making ---- */

static int make_check(const struct volume_attr *a, const char *target)
{
	size_t len;

	switch (a->mode & VOL_MODE_TYPE) {
	case VOL_MODE_FILE:
	case VOL_MODE_DIR:
	case VOL_MODE_CHAR:
	case VOL_MODE_BLOCK:
	case VOL_MODE_FIFO:
	case VOL_MODE_SOCKET:
		return 0;
	case VOL_MODE_LINK:
		len = target ? strnlen(target, TARGET_MAX + 1) : 0;
		if (len > TARGET_MAX)
			return -ENAMETOOLONG;
		return len ? 0 : -ENOENT;
	default:
		return -EINVAL;
	}
}

static int set_target(struct volume_node *n, const char *target)
{
	struct vol_block *b;
	int err;

	n->inode.size = strlen(target);
	if (vol_inode_inline(&n->inode)) {
		memcpy(n->inode.target, target, n->inode.size);
		return 0;
	}
	err = vol_tree_get(&n->object, 0, VOL_REPLACE, &b);
	if (err)
		return err;
	memset(b->data, 0, VOL_BLOCK_SIZE);
	memcpy(b->data, target, n->inode.size);
	vol_tree_put(b);
	return 0;
}

/* A node without names, not among the orphans yet. If *out is set on failure,
 * it must go there. Within a change of 2 blocks. */
static int make_node(struct volume *v, const struct volume_attr *a,
	const char *target, struct volume_node **out)
{
	struct volume_node *n;
	int err = vol_node_new(v, a->mode, &n);

	if (err)
		return err;
	*out = n;
	n->inode.uid = a->uid;
	n->inode.gid = a->gid;
	n->inode.rdev = a->rdev;
	return target && vol_inode_is(&n->inode, VOL_MODE_LINK)
		? set_target(n, target)
		: 0;
}

static int may_add(const struct volume_node *dir, const struct volume_node *n)
{
	if (!dir->inode.nlink)
		return -ENOENT;
	return is_dir(n) && dir->inode.nlink >= LINK_LIMIT ? -EMLINK : 0;
}

static int make_step(struct volume_node *dir, const char *name, size_t len,
	const struct volume_attr *a, const char *target,
	struct volume_node **out)
{
	struct volume_node *n;
	struct vol_dir_op op;
	int err = vol_node_prepare(dir);

	if (!err)
		err = vol_dir_insert_prepare(dir, name, len, &op);
	if (err)
		return err;
	err = make_node(dir->object.volume, a, target, out);
	n = *out;
	if (!err)
		err = may_add(dir, n);
	if (err) {
		vol_dir_cancel(&op);
		if (n)
			vol_node_orphan_add(n);
		return err;
	}
	n->inode.nlink = 1;
	if (is_dir(n)) {
		n->inode.nlink = 2;
		n->inode.parent = dir->object.number;
		dir->inode.nlink++;
	}
	vol_dir_insert(&op, n->object.number, type_of(n));
	vol_node_touch(dir, MC);
	return 0;
}

int volume_make(struct volume_node *dir, const char *name, size_t len,
	const struct volume_attr *a, const char *target,
	struct volume_node **out)
{
	struct volume *v = dir->object.volume;
	struct volume_node *n = NULL;
	int err = name_check(dir, name, len);

	if (!err)
		err = make_check(a, target);
	if (err)
		return err;
	vol_node_lock(dir);
	err = vol_begin(v, VOL_DIR_DIRTY + 3);
	if (!err) {
		err = make_step(dir, name, len, a, target, &n);
		vol_end(v);
	}
	vol_node_unlock(dir);
	if (err)
		volume_put(n);
	else
		*out = n;
	return err;
}

int volume_make_unnamed(
	struct volume *v, const struct volume_attr *a, struct volume_node **out)
{
	struct volume_node *n = NULL;
	int err = (a->mode & VOL_MODE_TYPE) == VOL_MODE_FILE ? 0 : -EINVAL;

	if (!err)
		err = vol_begin(v, 2);
	if (err)
		return err;
	err = make_node(v, a, NULL, &n);
	if (n) {
		n->linkable = true;
		vol_node_orphan_add(n);
	}
	vol_end(v);
	if (err)
		volume_put(n);
	else
		*out = n;
	return err;
}

/* ---- linking and unlinking ---- */

static int may_link(const struct volume_node *n)
{
	if (!n->inode.nlink && !n->linkable)
		return -ENOENT;
	return n->inode.nlink >= LINK_LIMIT ? -EMLINK : 0;
}

static int link_step(struct volume_node *n, struct volume_node *dir,
	const char *name, size_t len)
{
	struct vol_dir_op op;
	int err = vol_node_prepare(dir);

	if (!err)
		err = vol_node_prepare(n);
	if (!err)
		err = vol_dir_insert_prepare(dir, name, len, &op);
	if (err)
		return err;
	if (n->linkable)
		err = vol_node_orphan_prepare(n);
	if (!err)
		err = may_add(dir, n);
	if (!err)
		err = may_link(n);
	if (err) {
		vol_dir_cancel(&op);
		return err;
	}
	if (!n->inode.nlink)
		vol_node_orphan_del(n);
	n->linkable = false;
	n->inode.nlink++;
	vol_dir_insert(&op, n->object.number, type_of(n));
	vol_node_touch(n, C);
	vol_node_touch(dir, MC);
	return 0;
}

int volume_link(struct volume_node *n, struct volume_node *dir,
	const char *name, size_t len)
{
	struct volume *v = dir->object.volume;
	bool linkable = n->linkable;
	int err = name_check(dir, name, len);

	if (!err && is_dir(n))
		err = -EPERM;
	if (!err && n->object.volume != v)
		err = -EXDEV;
	if (err)
		return err;
	vol_node_lock(dir);
	if (linkable)
		vol_lock(v, &v->orphans);
	err = vol_begin(v, VOL_DIR_DIRTY + 3);
	if (!err) {
		err = link_step(n, dir, name, len);
		vol_end(v);
	}
	if (linkable)
		vol_unlock(v, &v->orphans);
	vol_node_unlock(dir);
	return err;
}

static int may_remove(const struct volume_node *n, bool dir)
{
	if (is_dir(n) != dir)
		return dir ? -ENOTDIR : -EISDIR;
	return dir && n->inode.entries ? -ENOTEMPTY : 0;
}

static int unlink_step(struct volume_node *dir, const char *name, size_t len,
	bool rmdir, struct volume_node **n)
{
	struct vol_dir_op op;
	int err = vol_node_prepare(dir);

	if (!err)
		err = vol_dir_remove_prepare(dir, name, len, &op);
	if (err)
		return err;
	err = entry_get(dir->object.volume, &op.entry, n);
	if (!err)
		err = may_remove(*n, rmdir);
	if (!err)
		err = vol_node_prepare(*n);
	if (!err)
		err = may_remove(*n, rmdir);
	if (err) {
		vol_dir_cancel(&op);
		return err;
	}
	vol_dir_remove(&op);
	drop_link(dir, *n);
	vol_node_touch(dir, MC);
	return 0;
}

int volume_unlink(
	struct volume_node *dir, const char *name, size_t len, bool rmdir)
{
	struct volume *v = dir->object.volume;
	struct volume_node *n = NULL;
	int err = name_check(dir, name, len);

	if (err)
		return err;
	vol_node_lock(dir);
	err = vol_begin_freeing(v, VOL_DIR_DIRTY + 2);
	if (!err) {
		err = unlink_step(dir, name, len, rmdir, &n);
		vol_end(v);
	}
	if (!err)
		trim(dir);
	vol_node_unlock(dir);
	volume_put(n);
	return err;
}

/* ---- renaming ---- */

struct rename {
	struct volume_node *from_dir, *to_dir;
	const char *from, *to;
	size_t from_len, to_len;
	bool exchange;
	struct volume_node *moved, *victim; /* victim: what has the new name */
};

/* -ELOOP: @n is @dir or above it. With the lock of renames. */
static int loop_check(const struct volume_node *n, struct volume_node *dir)
{
	struct volume *v = n->object.volume;
	uint64_t limit = u64_min(v->state.inodes, DEPTH_LIMIT);
	int err = 0;

	if (!is_dir(n))
		return 0;
	volume_hold(dir);
	while (!err && dir != n && dir->object.number != VOL_OBJECT_ROOT) {
		uint64_t parent = dir->inode.parent;
		bool gone = !dir->inode.nlink;

		volume_put(dir);
		dir = NULL;
		err = volume_get(v, parent, &dir);
		if (err == -ENOENT || (!err && !is_dir(dir)) || !limit--)
			err = gone ? -ENOENT : -EBADMSG;
	}
	if (!err && dir == n)
		err = -ELOOP;
	volume_put(dir);
	return err;
}

/* Finds what has the names, and tells whether this may be done. 1: nothing is
 * to be done. */
static int rename_check(struct rename *r, unsigned flags)
{
	int err = look(r->from_dir, r->from, r->from_len, &r->moved);

	if (err)
		return err;
	err = look(r->to_dir, r->to, r->to_len, &r->victim);
	if (err && (err != -ENOENT || r->exchange))
		return err;
	if (r->victim && flags & RENAME_NOREPLACE)
		return -EEXIST;
	if (r->from_dir != r->to_dir) {
		if (!r->to_dir->inode.nlink) /* nor is it anywhere */
			return -ENOENT;
		err = loop_check(r->moved, r->to_dir);
		if (err)
			return err == -ELOOP ? -EINVAL : err;
		err = r->victim ? loop_check(r->victim, r->from_dir) : 0;
		if (err == -ELOOP)
			return r->exchange ? -EINVAL : -ENOTEMPTY;
		if (err)
			return err;
	}
	if (r->victim == r->moved)
		return 1;
	return r->victim && !r->exchange
		? may_remove(r->victim, is_dir(r->moved))
		: 0;
}

/* Again, after sleeping, and what is not known before. */
static int rename_recheck(const struct rename *r)
{
	bool across = r->from_dir != r->to_dir;

	if (!r->to_dir->inode.nlink)
		return -ENOENT;
	if (r->victim && !r->exchange) {
		int err = may_remove(r->victim, is_dir(r->moved));

		if (err)
			return err;
	}
	if (across && is_dir(r->moved) && !(r->victim && is_dir(r->victim)) &&
		r->to_dir->inode.nlink >= LINK_LIMIT)
		return -EMLINK;
	if (across && r->exchange && is_dir(r->victim) && !is_dir(r->moved) &&
		r->from_dir->inode.nlink >= LINK_LIMIT)
		return -EMLINK;
	return 0;
}

static int rename_prepare(struct rename *r)
{
	int err = vol_node_prepare(r->from_dir);

	if (!err)
		err = vol_node_prepare(r->to_dir);
	if (!err)
		err = vol_node_prepare(r->moved);
	if (!err && r->victim)
		err = vol_node_prepare(r->victim);
	return err;
}

/* The entries only. */
static int rename_entries(struct rename *r)
{
	struct vol_dir_op from, to;
	int err = vol_dir_remove_prepare(
		r->from_dir, r->from, r->from_len, &from);

	if (err)
		return err;
	if (r->victim)
		err = vol_dir_remove_prepare(r->to_dir, r->to, r->to_len, &to);
	else
		err = vol_dir_insert_prepare(r->to_dir, r->to, r->to_len, &to);
	if (err) {
		vol_dir_cancel(&from);
		return err;
	}
	err = rename_recheck(r);
	if (err) {
		vol_dir_cancel(&from);
		vol_dir_cancel(&to);
		return err;
	}
	if (r->victim) {
		vol_dir_replace(
			&to, r->moved->object.number, type_of(r->moved));
	} else {
		vol_dir_insert(&to, r->moved->object.number, type_of(r->moved));
		if (r->from_dir == r->to_dir) {
			/* The old name may be elsewhere now, but all of that
			 * is in memory, pinned by @from or dirty: this neither
			 * sleeps nor fails. */
			to = from;
			err = vol_dir_remove_prepare(
				r->from_dir, r->from, r->from_len, &from);
			vol_dir_cancel(&to);
			if (err)
				return err;
		}
	}
	if (r->exchange)
		vol_dir_replace(
			&from, r->victim->object.number, type_of(r->victim));
	else
		vol_dir_remove(&from);
	return 0;
}

static void move_parent(
	struct volume_node *n, struct volume_node *from, struct volume_node *to)
{
	if (is_dir(n)) {
		from->inode.nlink--;
		to->inode.nlink++;
		n->inode.parent = to->object.number;
	}
	vol_node_touch(n, C);
}

static int rename_step(struct rename *r)
{
	int err = rename_prepare(r);

	if (!err)
		err = rename_entries(r);
	if (err)
		return err;
	move_parent(r->moved, r->from_dir, r->to_dir);
	if (r->exchange)
		move_parent(r->victim, r->to_dir, r->from_dir);
	else if (r->victim)
		drop_link(r->to_dir, r->victim);
	vol_node_touch(r->from_dir, MC);
	vol_node_touch(r->to_dir, MC);
	return 0;
}

static int rename_locked(struct rename *r, unsigned flags)
{
	struct volume *v = r->from_dir->object.volume;
	int err = rename_check(r, flags);

	if (err)
		return err > 0 ? 0 : err;
	err = vol_begin(v, 2 * VOL_DIR_DIRTY + 4);
	if (err)
		return err;
	err = rename_step(r);
	vol_end(v);
	if (!err)
		trim(r->from_dir);
	return err;
}

int volume_rename(struct volume_node *from_dir, const char *from,
	size_t from_len, struct volume_node *to_dir, const char *to,
	size_t to_len, unsigned flags)
{
	struct rename r = {from_dir, to_dir, from, to, from_len, to_len,
		flags & RENAME_EXCHANGE, NULL, NULL};
	struct volume *v = from_dir->object.volume;
	struct volume_node *first = from_dir, *second = NULL;
	int err = name_check(from_dir, from, from_len);

	if (!err)
		err = name_check(to_dir, to, to_len);
	if (!err && to_dir->object.volume != v)
		err = -EXDEV;
	if (!err &&
		(flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
			flags == (RENAME_NOREPLACE | RENAME_EXCHANGE)))
		err = -EINVAL;
	if (err)
		return err;
	if (from_dir != to_dir) {
		vol_lock(v, &v->renames);
		second = to_dir;
		if (to_dir->object.number < from_dir->object.number) {
			first = to_dir;
			second = from_dir;
		}
	}
	vol_node_lock(first);
	if (second)
		vol_node_lock(second);
	err = rename_locked(&r, flags);
	if (second)
		vol_node_unlock(second);
	vol_node_unlock(first);
	if (second)
		vol_unlock(v, &v->renames);
	volume_put(r.moved);
	volume_put(r.victim);
	return err;
}

/* ---- looking ---- */

int volume_readdir(struct volume_node *dir, uint64_t cookie,
	volume_dirent_fn *add, void *arg)
{
	int err;

	if (!is_dir(dir))
		return -ENOTDIR;
	vol_node_lock(dir);
	err = vol_dir_iterate(dir, cookie, add, arg);
	vol_node_unlock(dir);
	return err;
}

uint64_t volume_parent(const struct volume_node *dir)
{
	return dir->inode.parent;
}

void volume_getattr(const struct volume_node *n, struct volume_attr *a)
{
	const struct vol_disk_inode *i = &n->inode;

	*a = (struct volume_attr){.ino = n->object.number,
		.size = i->size,
		.blocks = n->object.blocks * (VOL_BLOCK_SIZE / 512),
		.rdev = i->rdev,
		.mode = i->mode,
		.nlink = i->nlink,
		.uid = i->uid,
		.gid = i->gid,
		.generation = i->generation};
	memcpy(a->sec, i->sec, sizeof(a->sec));
	memcpy(a->nsec, i->nsec, sizeof(a->nsec));
}
