/* SPDX-License-Identifier: Apache-2.0 */
/* The digest of everything that a volume shows. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "test/model/run.h"

enum { NODES = 2 * MODEL_NODES, ENTRIES = 2 * MODEL_ENTRIES };

struct entry {
	char name[VOL_NAME_MAX];
	size_t len;
	uint64_t ino;
	uint32_t type;
};

/* What readdir gave; it stops now and then, to go on from a cookie. */
struct listing {
	struct run *r;
	struct entry entry[ENTRIES];
	size_t count, room;
	uint64_t next;
};

struct walk {
	struct run *r;
	struct volume *v;
	bool print;
	uint64_t digest;
	uint64_t seen[NODES];
	size_t seen_count;
};

static int add(void *arg, const char *name, size_t len, uint64_t ino,
	uint32_t type, uint64_t next)
{
	struct listing *l = arg;
	struct entry *e = &l->entry[l->count];

	if (l->room == 0)
		return 1;
	if (l->count == ENTRIES || len == 0 || len > VOL_NAME_MAX)
		run_fail(l->r, "readdir gives too many or bad names");
	memcpy(e->name, name, len);
	e->len = len;
	e->ino = ino;
	e->type = type;
	l->count++;
	l->room--;
	l->next = next;
	return 0;
}

static int list(struct run *r, struct volume_node *dir, struct listing *l)
{
	int ret;

	l->r = r;
	l->count = 0;
	l->next = 0;
	do {
		l->room = 1 + run_random(r, 20);
		ret = volume_readdir(dir, l->next, add, l);
	} while (ret == 1);
	return ret;
}

static int walk_contents(
	struct walk *w, struct volume_node *n, const struct volume_attr *a)
{
	uint8_t data[VOL_BLOCK_SIZE];
	uint64_t at = 0, hash;

	for (unsigned i = 0; at < a->size; i++) {
		int64_t got = volume_seek(n, at, false);

		if (got == -ENXIO)
			return 0;
		if (got < 0)
			return (int)got;
		if ((uint64_t)got < at || i > 2 * MODEL_BLOCKS)
			run_fail(w->r, "seek goes from %llu to %lld",
				(unsigned long long)at, (long long)got);
		at = align_down((uint64_t)got, VOL_BLOCK_SIZE);
		memset(data, 0, sizeof(data));
		got = volume_read(n, at, data, sizeof(data));
		if (got < 0)
			return (int)got;
		hash = model_hash_block(data);
		if (w->print)
			printf("  block: ino %llu index %llu hash %016llx\n",
				(unsigned long long)a->ino,
				(unsigned long long)(at / VOL_BLOCK_SIZE),
				(unsigned long long)hash);
		w->digest += model_digest_block(
			a->ino, at / VOL_BLOCK_SIZE, hash);
		at += VOL_BLOCK_SIZE;
	}
	return 0;
}

static int walk_xattrs(
	struct walk *w, struct volume_node *n, const struct volume_attr *a)
{
	static char names[MODEL_XATTRS * 256];
	static uint8_t value[65536];
	int64_t size = volume_xattr_list(n, names, sizeof(names)), len;

	if (size < 0)
		return (int)size;
	for (int64_t at = 0; at < size; at += (int64_t)strlen(names + at) + 1) {
		len = volume_xattr_get(n, names + at, value, sizeof(value));
		if (len < 0)
			return (int)len;
		if (w->print)
			printf("  xattr: ino %llu %s, %lld bytes\n",
				(unsigned long long)a->ino, names + at,
				(long long)len);
		w->digest += model_digest_xattr(
			a->ino, names + at, value, (size_t)len);
	}
	return 0;
}

static int walk_node(struct walk *w, struct volume_node *n, uint64_t ino,
	const struct entry *from);

static int walk_entry(
	struct walk *w, struct volume_node *dir, const struct entry *e)
{
	struct volume_node *child;
	int ret = volume_lookup(dir, e->name, e->len, &child);

	if (ret < 0) {
		if (ret == -ENOENT)
			run_fail(w->r, "readdir has what lookup has not");
		return ret;
	}
	ret = walk_node(w, child, e->ino, e);
	volume_put(child);
	return ret;
}

static int walk_directory(
	struct walk *w, struct volume_node *dir, const struct volume_attr *a)
{
	struct listing *l = malloc(sizeof(*l));
	int ret;

	if (l == NULL)
		return -ENOMEM;
	ret = list(w->r, dir, l);
	for (size_t i = 0; i < l->count && ret == 0; i++) {
		const struct entry *e = &l->entry[i];

		if (w->print)
			printf("  entry: ino %llu name %d -> ino %llu\n",
				(unsigned long long)a->ino,
				model_name_find(e->name, e->len),
				(unsigned long long)e->ino);
		for (size_t k = 0; k < i; k++)
			if (e->len == l->entry[k].len &&
				!memcmp(e->name, l->entry[k].name, e->len))
				run_fail(w->r, "readdir gives a name twice");
		w->digest += model_digest_entry(
			a->ino, e->name, e->len, e->ino);
		ret = walk_entry(w, dir, e);
	}
	free(l);
	return ret;
}

static int walk_node(struct walk *w, struct volume_node *n, uint64_t ino,
	const struct entry *from)
{
	struct volume_attr a;
	char target[MODEL_TARGET_MAX];
	int64_t len;

	volume_getattr(n, &a);
	if (a.ino != ino ||
		(from != NULL && (a.mode & S_IFMT) != from->type &&
			(a.mode & S_IFMT) >> 12 != from->type))
		run_fail(w->r, "entry and inode do not agree: %llu, %llu",
			(unsigned long long)a.ino, (unsigned long long)ino);
	for (size_t i = 0; i < w->seen_count; i++)
		if (w->seen[i] == ino)
			return 0;
	if (w->seen_count == NODES)
		run_fail(w->r, "more nodes than there can be");
	w->seen[w->seen_count++] = ino;
	if (w->print)
		printf("  ino %llu mode %o nlink %u uid %u gid %u size %llu "
		       "rdev %llu generation %u mtime %lld.%09u ctime "
		       "%lld.%09u\n",
			(unsigned long long)a.ino, a.mode, a.nlink, a.uid,
			a.gid, (unsigned long long)a.size,
			(unsigned long long)a.rdev, a.generation,
			(long long)a.sec[VOL_MTIME], a.nsec[VOL_MTIME],
			(long long)a.sec[VOL_CTIME], a.nsec[VOL_CTIME]);
	w->digest += model_digest_attr(&a);
	len = walk_xattrs(w, n, &a);
	if (len < 0)
		return (int)len;
	if (S_ISREG(a.mode))
		return walk_contents(w, n, &a);
	if (S_ISDIR(a.mode))
		return walk_directory(w, n, &a);
	if (!S_ISLNK(a.mode))
		return 0;
	len = volume_readlink(n, target, sizeof(target));
	if (len >= 0 && (uint64_t)len != a.size)
		run_fail(w->r, "a link's size is not that of its target");
	if (len >= 0)
		w->digest += model_digest_target(a.ino, target, (size_t)len);
	return len < 0 ? (int)len : 0;
}

int run_walk(struct run *r, struct volume *v, bool print, uint64_t *digest)
{
	struct walk w = {.r = r, .v = v, .print = print};
	struct volume_node *root;
	int ret = volume_get(v, VOL_OBJECT_ROOT, &root);

	if (ret < 0)
		return ret;
	ret = walk_node(&w, root, VOL_OBJECT_ROOT, NULL);
	volume_put(root);
	*digest = w.digest;
	return ret;
}
