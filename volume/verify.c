/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification of a whole volume: from the root directory on every name and
 * what it names, then all inodes, the lists through them, and the maps. Damage
 * is told of and passed by; what cannot be reached because of it is told of as
 * well, as inodes without a name.
 *
 * No change is under way meanwhile.
 */
#include "volume/verify.h"

#include <linux/errno.h>
#include <stdarg.h>

#include "lib/fmt.h"
#include "lib/string.h"

enum {
	INODES_PER_BLOCK = VOL_BLOCK_SIZE / sizeof(struct vol_disk_inode),
	NAMES = 16, /* read at once */
	PATH_ROOM = 4096, /* longer paths are shown cut off */
	TARGET_ROOM = 4096,
	ORPHAN = 0x80000000, /* in files.links: on the list of orphans */
};

/* A directory whose names are to be looked at. */
struct todo {
	uint64_t ino;
	char *path;
	size_t size; /* of its memory */
	struct todo *next;
};

struct name {
	uint64_t ino;
	uint32_t type;
	size_t len;
	char text[VOL_NAME_MAX + 1];
};

struct files {
	struct vol_verify blocks;
	uint64_t count; /* inodes, numbers from 0 */
	uint32_t *links; /* names seen of each */
	struct todo *todo;
	size_t names;
	uint64_t next; /* position after them */
	struct name name[NAMES];
	char path[PATH_ROOM];
	char target[TARGET_ROOM];
};

void vol_verify_damaged(struct vol_verify *c, const char *format, ...)
{
	char text[192];
	va_list args;

	c->how->damages++;
	va_start(args, format);
	fmt_vprint(text, sizeof(text), format, args);
	va_end(args);
	if (c->how->damaged)
		c->how->damaged(c->how->arg, c->where, text);
}

/* ---- names ---- */

static int todo_add(struct files *f, uint64_t ino, const char *path)
{
	struct volume *v = f->blocks.v;
	struct todo *t = vol_alloc_memory(v, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->ino = ino;
	t->size = strlen(path) + 1;
	t->path = vol_alloc_memory(v, t->size);
	if (!t->path) {
		vol_free_memory(v, t, sizeof(*t));
		return -ENOMEM;
	}
	memcpy(t->path, path, t->size);
	t->next = f->todo;
	f->todo = t;
	return 0;
}

static void todo_free(struct files *f, struct todo *t)
{
	struct volume *v = f->blocks.v;

	vol_free_memory(v, t->path, t->size);
	vol_free_memory(v, t, sizeof(*t));
}

static int collect(void *arg, const char *name, size_t len, uint64_t ino,
	uint32_t type, uint64_t next)
{
	struct files *f = arg;
	struct name *n = &f->name[f->names++];

	n->ino = ino;
	n->type = type;
	n->len = len;
	memcpy(n->text, name, len);
	n->text[len] = 0;
	f->next = next;
	return f->names == NAMES;
}

static bool name_possible(const struct name *n)
{
	return n->len && strlen(n->text) == n->len && !strchr(n->text, '/') &&
		strcmp(n->text, ".") && strcmp(n->text, "..");
}

/* The extended attributes of a file. */
static int xattr_check(struct files *f, struct volume_node *n)
{
	struct vol_verify *c = &f->blocks;
	uint64_t number = n->inode.xattr;
	struct volume_node *x = NULL;
	struct vol_object *o;
	int err;

	if (!number)
		return 0;
	err = number <= VOL_OBJECT_ROOT || number >= f->count
		? -EBADMSG
		: vol_node_object(c->v, number, &x, &o);
	if (!err && (x->inode.mode != VOL_MODE_XATTR || f->links[number]++))
		err = -EBADMSG;
	if (err) {
		vol_verify_damaged(c, "attributes: inode %lu is damaged",
			(unsigned long)number);
		volume_put(x);
		return vol_verify_fatal(err);
	}
	err = vol_verify_object(c, o);
	if (!err && volume_xattr_list(n, NULL, 0) < 0)
		vol_verify_damaged(c, "its attributes are damaged");
	volume_put(x);
	return err;
}

/* A node seen for the first time. */
static int node_check(struct files *f, struct volume_node *n)
{
	struct vol_verify *c = &f->blocks;
	int err = 0;

	c->how->files++;
	if (!vol_inode_inline(&n->inode))
		err = vol_verify_object(c, &n->object);
	if (!err && vol_inode_is(&n->inode, VOL_MODE_LINK) &&
		volume_readlink(n, f->target, sizeof(f->target)) < 0)
		vol_verify_damaged(c, "the link's target is damaged");
	return err ? err : xattr_check(f, n);
}

static int subdirectory(
	struct files *f, struct volume_node *dir, struct volume_node *n)
{
	struct vol_verify *c = &f->blocks;

	if (n->inode.parent != dir->object.number)
		vol_verify_damaged(c, "says that inode %lu holds it, not %lu",
			(unsigned long)n->inode.parent,
			(unsigned long)dir->object.number);
	return todo_add(f, n->object.number, c->where);
}

/* What a name is of. c->where is its path. */
static int name_check(
	struct files *f, struct volume_node *dir, const struct name *name)
{
	struct vol_verify *c = &f->blocks;
	struct vol_dir_entry e = {.ino = 0};
	struct volume_node *n;
	int err = vol_dir_find(dir, name->text, name->len, &e);

	if (!name_possible(name) || err || e.ino != name->ino)
		vol_verify_damaged(c, "cannot be found by this name");
	err = name->ino <= VOL_OBJECT_ROOT || name->ino >= f->count
		? -EBADMSG
		: volume_get(c->v, name->ino, &n);
	if (err) {
		vol_verify_damaged(c, "inode %lu %s", (unsigned long)name->ino,
			err == -ENOENT ? "is not in use" : "is damaged");
		return vol_verify_fatal(err);
	}
	if ((n->inode.mode & VOL_MODE_TYPE) >> 12 != name->type)
		vol_verify_damaged(c, "is of another type than its entry says");
	if (f->links[name->ino]++ == 0) {
		err = node_check(f, n);
		if (!err && vol_inode_is(&n->inode, VOL_MODE_DIR))
			err = subdirectory(f, dir, n);
	} else if (vol_inode_is(&n->inode, VOL_MODE_DIR)) {
		vol_verify_damaged(c, "a directory with two names");
	}
	volume_put(n);
	return err;
}

/* The names that were read. */
static int names_check(struct files *f, struct volume_node *dir,
	const char *path, uint64_t *count, uint64_t *subdirs)
{
	size_t len = strlen(path);
	int err = 0;

	for (size_t i = 0; !err && i < f->names; i++) {
		const struct name *n = &f->name[i];

		memcpy(f->path, path, len);
		fmt_print(f->path + len, sizeof(f->path) - len, "/%s", n->text);
		f->blocks.where = f->path;
		++*count;
		*subdirs += n->type == VOL_MODE_DIR >> 12;
		err = name_check(f, dir, n);
	}
	return err;
}

static int directory(struct files *f, struct volume_node *dir, const char *path)
{
	struct vol_verify *c = &f->blocks;
	uint64_t count = 0, subdirs = 0;
	int more = 1, err = 0;

	f->next = 0;
	while (!err && more > 0) {
		f->names = 0;
		more = volume_readdir(dir, f->next, collect, f);
		err = names_check(f, dir, path, &count, &subdirs);
	}
	c->where = *path ? path : "/";
	if (more < 0) {
		vol_verify_damaged(c, "some of its entries are damaged");
		return err ? err : vol_verify_fatal(more);
	}
	if (!err && dir->inode.entries != count)
		vol_verify_damaged(c, "%lu entries; it says %lu",
			(unsigned long)count,
			(unsigned long)dir->inode.entries);
	if (!err && dir->inode.nlink != 2 + subdirs)
		vol_verify_damaged(c, "%lu links; it says %u",
			(unsigned long)(2 + subdirs), dir->inode.nlink);
	return err;
}

static int todo_do(struct files *f, struct todo *t)
{
	struct volume_node *dir;
	int err = volume_get(f->blocks.v, t->ino, &dir);

	if (err) /* it was there when its name was looked at */
		return err;
	err = directory(f, dir, t->path);
	volume_put(dir);
	return err;
}

static int names(struct files *f)
{
	struct vol_verify *c = &f->blocks;
	struct volume_node *root;
	struct todo *t;
	int err = volume_get(c->v, VOL_OBJECT_ROOT, &root);

	c->where = "/";
	if (err || !vol_inode_is(&root->inode, VOL_MODE_DIR)) {
		vol_verify_damaged(c, "the root directory is damaged");
		if (!err)
			volume_put(root);
		return vol_verify_fatal(err);
	}
	f->links[VOL_OBJECT_ROOT]++;
	err = node_check(f, root);
	if (!err)
		err = todo_add(f, VOL_OBJECT_ROOT, "");
	volume_put(root);
	while (!err && (t = f->todo)) {
		f->todo = t->next;
		err = todo_do(f, t);
		todo_free(f, t);
	}
	c->where = NULL;
	return err;
}

/* ---- inodes ---- */

/* The list of unlinked files that are still open: each is a number below
 * f->count that was not seen before. */
static int orphans(struct files *f)
{
	struct vol_verify *c = &f->blocks;
	uint64_t number = c->v->state.orphan;

	while (number) {
		struct volume_node *n = NULL;
		struct vol_object *o;
		int err = number >= f->count || f->links[number]
			? -EBADMSG
			: vol_node_object(c->v, number, &n, &o);

		if (err || n->inode.nlink) {
			vol_verify_damaged(c,
				"the list of unlinked files is damaged at "
				"inode %lu",
				(unsigned long)number);
			volume_put(n);
			return vol_verify_fatal(err);
		}
		f->links[number] = ORPHAN;
		err = node_check(f, n);
		number = n->inode.next;
		volume_put(n);
		if (err)
			return err;
	}
	return 0;
}

/* How many are on the list of free inodes. */
static int free_inodes(struct files *f, uint64_t *count)
{
	struct vol_verify *c = &f->blocks;
	uint64_t number = c->v->state.free_inode;

	while (number) {
		struct vol_disk_inode i;
		struct vol_block *b = NULL;
		int err = number >= f->count || f->links[number]
			? -EBADMSG
			: vol_tree_get(&c->v->inodes, number / INODES_PER_BLOCK,
				  VOL_READ, &b);

		if (!err && b)
			memcpy(&i,
				b->data + number % INODES_PER_BLOCK * sizeof(i),
				sizeof(i));
		if (err || !b || i.mode) {
			vol_verify_damaged(c,
				"the list of free inodes is damaged at %lu",
				(unsigned long)number);
			vol_tree_put(b);
			return vol_verify_fatal(err);
		}
		vol_tree_put(b);
		f->links[number] = ORPHAN;
		number = i.next;
		++*count;
	}
	return 0;
}

static void links_check(
	struct files *f, uint64_t number, const struct volume_node *n)
{
	struct vol_verify *c = &f->blocks;
	uint32_t links = f->links[number];

	if (!links)
		vol_verify_damaged(
			c, "inode %lu has no name", (unsigned long)number);
	else if (n->inode.mode != VOL_MODE_XATTR && links != ORPHAN &&
		!vol_inode_is(&n->inode, VOL_MODE_DIR) &&
		links != n->inode.nlink)
		vol_verify_damaged(c, "inode %lu: %u names; it says %u",
			(unsigned long)number, links, n->inode.nlink);
}

static int inodes(struct files *f)
{
	struct vol_verify *c = &f->blocks;
	uint64_t damages = c->how->damages, used = 0, free = 0, listed = 0;
	int err = orphans(f);

	for (uint64_t i = VOL_OBJECT_ROOT; !err && i < f->count; i++) {
		struct volume_node *n;
		struct vol_object *o;

		err = vol_node_object(c->v, i, &n, &o);
		if (!err) {
			used++;
			links_check(f, i, n);
			volume_put(n);
		} else if (err == -ENOENT) {
			free++;
			err = 0;
		} else {
			used++;
			if (!f->links[i])
				vol_verify_damaged(c, "inode %lu is damaged",
					(unsigned long)i);
			err = vol_verify_fatal(err);
		}
	}
	if (!err)
		err = free_inodes(f, &listed);
	if (!err && c->how->damages == damages &&
		(listed != free || used != c->v->state.inodes))
		vol_verify_damaged(c,
			"%lu inodes in use, %lu free; it says %lu and %lu",
			(unsigned long)used, (unsigned long)free,
			(unsigned long)c->v->state.inodes,
			(unsigned long)listed);
	return err;
}

/* ---- all of it ---- */

static int verify_files(struct files *f)
{
	struct vol_verify *c = &f->blocks;
	struct volume *v = c->v;
	int err;

	f->count = v->state.next_inode;
	f->links = vol_alloc_memory(v, f->count * sizeof(*f->links));
	if (!f->links)
		return -ENOMEM;
	err = names(f);
	if (!err)
		err = inodes(f);
	while (f->todo) {
		struct todo *t = f->todo;

		f->todo = t->next;
		todo_free(f, t);
	}
	vol_free_memory(v, f->links, f->count * sizeof(*f->links));
	return err;
}

static int verify(struct files *f)
{
	struct vol_verify *c = &f->blocks;
	struct volume *v = c->v;
	int err = vol_verify_object(c, &v->inodes);

	/* Before memory is taken for that many. */
	if (!err && v->state.next_inode / INODES_PER_BLOCK > c->found)
		vol_verify_damaged(c, "%lu inodes in %lu blocks",
			(unsigned long)v->state.next_inode,
			(unsigned long)c->found);
	else if (!err)
		err = verify_files(f);
	if (!err)
		err = vol_verify_object(c, &v->table);
	return err ? err : vol_verify_maps(c);
}

/* What is in memory goes to the host first, and no change is made until it is
 * over. */
static int verify_alone(struct files *f)
{
	struct volume *v = f->blocks.v;
	int err;

	vol_commit_lock(v);
	err = vol_gate_close(v);
	if (!err) {
		vol_place_lock(v);
		err = vol_verify_blocks_init(&f->blocks);
		if (!err)
			err = verify(f);
		vol_verify_blocks_fini(&f->blocks);
		vol_place_unlock(v);
		vol_gate_open(v);
	}
	vol_commit_unlock(v);
	return err;
}

int volume_verify(struct volume *v, struct volume_verify *how)
{
	struct files *f = vol_alloc_memory(v, sizeof(*f));
	int err;

	if (!f)
		return -ENOMEM;
	how->blocks = how->files = how->damages = 0;
	f->blocks.v = v;
	f->blocks.how = how;
	err = vol_read_only(v) ? 0 : volume_commit(v);
	if (!err)
		err = verify_alone(f);
	vol_free_memory(v, f, sizeof(*f));
	if (!err && how->progress)
		how->progress(how->arg, how->blocks, how->blocks);
	return err ? err : how->damages ? -EBADMSG : 0;
}
