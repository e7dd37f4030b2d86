/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and their cache.
 *
 * A dentry in the cache can be found by (parent, name). Those that nobody
 * holds stay on an LRU list until there are more than LRU_MAX of them;
 * dentries whose file system holds a reference itself (tmpfs: the directory
 * is its dentries) never get there.
 */
#include "kernel/vfs.h"

#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/uaccess.h"
#include "lib/string.h"
#include "lib/types.h"

enum { BUCKETS = 4096, LRU_MAX = 8192, PATH_BUFS = 8 };

static struct dentry *buckets[BUCKETS];
static struct list lru = LIST_INIT(lru);
static uint32_t lru_count;
uint64_t dentry_generation;

struct dentry *dentry_get(struct dentry *d)
{
	if (d->refs++ == 0 && list_is_linked(&d->lru)) {
		list_del(&d->lru);
		lru_count--;
	}
	return d;
}

static void unhash(struct dentry *d)
{
	if (!d->hash_pprev)
		return;
	dentry_generation++;
	*d->hash_pprev = d->hash_next;
	if (d->hash_next)
		d->hash_next->hash_pprev = d->hash_pprev;
	d->hash_pprev = NULL;
	list_del(&d->child_node);
}

static void free_name(struct dentry *d)
{
	if (d->name != d->inline_name)
		kfree(d->name);
}

/* Nobody can have a pointer to what d was any more. */
static void forget_old(struct dentry *d)
{
	struct vnode *v;

	while ((v = d->old)) {
		d->old = v->next_old;
		v->old = false;
		vnode_put(v);
	}
}

/* Frees d, which nobody holds; gives back its parent. */
static struct dentry *destroy(struct dentry *d)
{
	struct dentry *parent = d->parent == d ? NULL : d->parent;
	struct vnode *v = d->vnode;

	unhash(d);
	if (list_is_linked(&d->lru)) {
		list_del(&d->lru);
		lru_count--;
	}
	forget_old(d);
	free_name(d);
	kfree(d);
	vnode_put(v);
	return parent;
}

void dentry_put(struct dentry *d)
{
	while (d) {
		ASSERT(d->refs > 0);
		if (d->refs == 1)
			forget_old(d); /* may sleep */
		if (--d->refs > 0)
			return;
		if (!d->hash_pprev || d->expires == 0) {
			d = destroy(d);
			continue;
		}
		list_add_tail(&lru, &d->lru);
		if (++lru_count <= LRU_MAX)
			return;
		d = destroy(list_first(&lru, struct dentry, lru));
	}
}

struct dentry *dentry_new(
	struct dentry *parent, struct mount *m, const char *name, size_t len)
{
	struct dentry *d = kzalloc(sizeof(*d));

	if (!d)
		return NULL;
	d->name = d->inline_name;
	if (len >= sizeof(d->inline_name)) {
		d->name = kmalloc(len + 1);
		if (!d->name) {
			kfree(d);
			return NULL;
		}
	}
	memcpy(d->name, name, len);
	d->name[len] = '\0';
	d->len = (uint16_t)len;
	d->hash = dentry_hash(name, len);
	d->refs = 1;
	d->mount = m;
	d->parent = parent ? dentry_get(parent) : d;
	list_init(&d->children);
	list_init(&d->child_node);
	list_init(&d->lru);
	return d;
}

/* Names are short: a call costs more than the comparison. */
static bool same_name(const char *a, const char *b, size_t len)
{
	for (; len >= 8; len -= 8, a += 8, b += 8) {
		uint64_t x, y;

		__builtin_memcpy(&x, a, 8);
		__builtin_memcpy(&y, b, 8);
		if (x != y)
			return false;
	}
	while (len--) {
		if (a[len] != b[len])
			return false;
	}
	return true;
}

uint32_t dentry_hash(const char *name, size_t len)
{
	uint32_t h = DENTRY_HASH_INIT;

	for (size_t i = 0; i < len; i++)
		h = dentry_hash_step(h, name[i]);
	return h;
}

static struct dentry **bucket(const struct dentry *dir, uint32_t hash)
{
	uint64_t mix = ((uint64_t)(uintptr_t)dir >> 4) * 0x9e3779b97f4a7c15ull;

	return &buckets[(hash ^ (uint32_t)(mix >> 32)) % BUCKETS];
}

struct dentry *dentry_find(
	struct dentry *dir, const char *name, size_t len, uint32_t hash)
{
	struct dentry *d;

	for (d = *bucket(dir, hash); d; d = d->hash_next) {
		if (d->hash == hash && d->parent == dir && d->len == len &&
			same_name(d->name, name, len))
			return dentry_get(d);
	}
	return NULL;
}

void dentry_insert(struct dentry *d)
{
	struct dentry **b = bucket(d->parent, d->hash);

	ASSERT(!d->hash_pprev);
	d->hash_next = *b;
	if (*b)
		(*b)->hash_pprev = &d->hash_next;
	d->hash_pprev = b;
	*b = d;
	list_add_tail(&d->parent->children, &d->child_node);
}

/* Others who hold d may be in a host call about what it was, and the host
 * says when a name means something else: keep that until they are done. If
 * another name keeps it, which is rare, for good. */
static void keep_old(struct dentry *d, struct vnode *old)
{
	const struct vnode *v = d->old;

	while (v && v != old)
		v = v->next_old;
	if (v) {
		vnode_put(old);
	} else if (old && !old->old) {
		old->old = true;
		old->next_old = d->old;
		d->old = old;
	}
}

void dentry_set(struct dentry *d, struct vnode *v, uint64_t expires)
{
	struct vnode *old = d->vnode;

	/* Whoever holds a name that means something may go on with it: what
	 * became of that name is a dentry of its own. */
	if (!v && old && d->refs > 1) {
		unhash(d);
		d->deleted = true;
	} else if (v != old) {
		d->vnode = v ? vnode_get(v) : NULL;
		dentry_generation += old != NULL;
		keep_old(d, old);
	}
	d->expires = expires;
}

void dentry_unlink(struct dentry *d, uint64_t expires)
{
	if (d->refs == 1 && list_is_empty(&d->children)) {
		dentry_set(d, NULL, expires);
		return;
	}
	unhash(d);
	d->deleted = true;
}

#define SWAP(x, y)                        \
	do {                              \
		__typeof__(x) swap = (x); \
		(x) = (y);                \
		(y) = swap;               \
	} while (0)

/* References on parents move along. */
void dentry_exchange(struct dentry *a, struct dentry *b)
{
	unhash(a);
	unhash(b);
	SWAP(a->parent, b->parent);
	SWAP(a->hash, b->hash);
	SWAP(a->len, b->len);
	SWAP(a->name, b->name);
	for (size_t i = 0; i < sizeof(a->inline_name); i++)
		SWAP(a->inline_name[i], b->inline_name[i]);
	if (a->name == b->inline_name)
		a->name = a->inline_name;
	if (b->name == a->inline_name)
		b->name = b->inline_name;
	dentry_insert(a);
	dentry_insert(b);
}

void dentry_move(struct dentry *from, struct dentry *to)
{
	dentry_exchange(from, to);
	from->deleted = false; /* somebody may have missed it meanwhile */
	/* to now has from's old name: nothing is there any more. */
	unhash(to);
	to->deleted = true;
}

int64_t dentry_path(const struct dentry *d, const struct dentry *root,
	char *buf, size_t size)
{
	static const char deleted[] = " (deleted)";
	size_t at = size;
	bool gone = d->deleted;

	if (size < 2)
		return -ENAMETOOLONG;
	buf[--at] = '\0';
	if (gone) {
		if (at < sizeof(deleted) - 1)
			return -ENAMETOOLONG;
		at -= sizeof(deleted) - 1;
		memcpy(buf + at, deleted, sizeof(deleted) - 1);
	}
	if (d == root || (d == d->parent && !d->mount->covered)) {
		if (at < 1)
			return -ENAMETOOLONG;
		buf[--at] = '/';
	}
	while (d != root) {
		if (d == d->parent) {
			if (!d->mount->covered)
				break;
			d = d->mount->covered;
			continue;
		}
		if (at < (size_t)d->len + 1)
			return -ENAMETOOLONG;
		at -= d->len;
		memcpy(buf + at, d->name, d->len);
		buf[--at] = '/';
		d = d->parent;
	}
	if (root && d != root && root != vfs_root) {
		static const char out[] = "(unreachable)";

		if (at < sizeof(out) - 1)
			return -ENAMETOOLONG;
		at -= sizeof(out) - 1;
		memcpy(buf + at, out, sizeof(out) - 1);
	}
	memmove(buf, buf + at, size - at);
	return (int64_t)(size - at - 1);
}

static char *path_bufs[PATH_BUFS];
static int path_buf_count;

char *path_buf_get(void)
{
	if (path_buf_count > 0)
		return path_bufs[--path_buf_count];
	return kmalloc(VFS_PATH_MAX);
}

void path_buf_put(char *buf)
{
	if (!buf)
		return;
	if (path_buf_count < PATH_BUFS)
		path_bufs[path_buf_count++] = buf;
	else
		kfree(buf);
}

int path_from_user(uint64_t u_path, char **out)
{
	char *buf = path_buf_get();
	int64_t n;

	if (!buf)
		return -ENOMEM;
	n = user_read_str(buf, u_path, VFS_PATH_MAX);
	if (n < 0) {
		path_buf_put(buf);
		return (int)n;
	}
	if (n < PATH_SHORT)
		memset(buf + n, 0, (size_t)(PATH_SHORT - n));
	*out = buf;
	return 0;
}
