/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The path walk: from a name to a dentry, across mounts and links.
 *
 * Components that are cached cost no host call. A cached directory in the
 * middle of a path is believed even if it expired: the host resolves whole
 * paths itself whenever it is asked about the last component.
 */
#include "kernel/vfs.h"

#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/process.h"
#include "kernel/time.h"
#include "lib/string.h"

enum { KNOWN = 256 };

struct state {
	struct dentry *cur; /* where we are; referenced */
	struct dentry *parent; /* directory of the last name; referenced */
	struct dentry *root; /* what "/" means and ".." does not pass */
	struct dentry *start; /* RESOLVE_BENEATH */
	struct file *file;
	const char *rest;
	char *link_buf; /* holds rest after a link */
	unsigned flags;
	int links;
	bool slash, dots, dotdot;
	bool checked; /* permissions of this process were looked at */
	uint64_t now;
};

static void set_cur(struct state *s, struct dentry *d)
{
	struct dentry *old = s->cur;

	s->cur = d;
	dentry_put(old);
}

static void set_parent(struct state *s, struct dentry *d)
{
	struct dentry *old = s->parent;

	s->parent = d;
	dentry_put(old);
}

/* From a directory that is covered to what covers it. */
static int cross_mounts(struct state *s)
{
	while (s->cur->mounted) {
		if (s->flags & WALK_NO_XDEV)
			return -EXDEV;
		set_cur(s, dentry_get(s->cur->mounted->root));
	}
	return 0;
}

static int step_up(struct state *s)
{
	struct dentry *d = s->cur;

	if (d == s->root)
		return s->flags & WALK_BENEATH ? -EXDEV : 0;
	if ((s->flags & WALK_BENEATH) && d == s->start)
		return -EXDEV;
	while (d == d->parent && d->mount->covered) {
		if (s->flags & WALK_NO_XDEV)
			return -EXDEV;
		d = d->mount->covered;
		if (d == s->root)
			break;
	}
	set_cur(s, dentry_get(d == s->root ? d : d->parent));
	return cross_mounts(s);
}

/* Brings d up to date. A name that failed to validate is out of the cache. */
static int validate(struct state *s, struct dentry *d, bool last, bool slash)
{
	const struct vnode_ops *ops = d->parent->vnode->ops;

	if (d->expires > s->now)
		return 0;
	if (last && (s->flags & WALK_OPEN) && !slash && ops->open_unknown &&
		(!d->vnode || S_ISREG(d->vnode->mode)))
		return 0;
	if (!last && d->vnode && S_ISDIR(d->vnode->mode) && d->expires)
		return 0;
	if (s->flags & WALK_CACHED)
		return -EAGAIN;
	if (d->expires && ops->revalidate)
		return ops->revalidate(d);
	return ops->lookup ? ops->lookup(d->parent, d) : -ENOTDIR;
}

static int lookup(struct state *s, const char *name, size_t len, uint32_t hash,
	bool last, bool slash, struct dentry **out)
{
	struct dentry *dir = s->cur, *d, *other;
	int err;

	d = dentry_find(dir, name, len, hash);
	if (d) {
		err = validate(s, d, last, slash);
		if (!err && !d->deleted) {
			*out = d;
			return 0;
		}
		dentry_put(d);
		if (err)
			return err;
	}
	if (!dir->vnode->ops->lookup)
		return -ENOTDIR;
	if (dir->deleted)
		return -ENOENT;
	d = dentry_new(dir, dir->mount, name, len);
	if (!d)
		return -ENOMEM;
	err = validate(s, d, last, slash);
	if (err) {
		dentry_put(d);
		return err;
	}
	if (d->hash_pprev || d->deleted) { /* the file system cached it */
		*out = d;
		return 0;
	}
	/* Others may have been faster while this thread slept. */
	other = dentry_find(dir, name, len, hash);
	if (other && d->expires > other->expires)
		dentry_set(other, d->vnode, d->expires);
	if (other && !other->deleted) {
		dentry_put(d);
		d = other;
	} else {
		if (d->expires != 1) /* 1: never cache */
			dentry_insert(d);
		dentry_put(other);
	}
	*out = d;
	return 0;
}

/* Goes on with target (len bytes) in front of what is left. */
static int splice_link(struct state *s, const char *target, size_t len)
{
	size_t rest = strlen(s->rest);
	char *buf;

	if (len == 0)
		return -ENOENT;
	if (len + 1 + rest + 1 > 2 * VFS_PATH_MAX)
		return -ENAMETOOLONG;
	buf = kmalloc(len + 1 + rest + 1);
	if (!buf)
		return -ENOMEM;
	memcpy(buf, target, len);
	buf[len] = '/';
	memcpy(buf + len + 1, s->rest, rest + 1);
	if (rest == 0)
		buf[len] = '\0';
	kfree(s->link_buf);
	s->link_buf = buf;
	s->rest = buf;
	return 0;
}

static int to_root(struct state *s)
{
	if (s->flags & WALK_BENEATH)
		return -EXDEV;
	if ((s->flags & WALK_NO_XDEV) && s->cur->mount != s->root->mount)
		return -EXDEV;
	set_cur(s, dentry_get(s->root));
	return cross_mounts(s);
}

/* d, a link in s->cur, is followed; takes over the reference on d. */
static int follow(struct state *s, struct dentry *d)
{
	const struct vnode_ops *ops = d->vnode->ops;
	char *buf;
	int64_t n;
	int err;

	err = -ELOOP;
	if (++s->links > VFS_SYMLINK_MAX || (s->flags & WALK_NO_SYMLINKS))
		goto put;
	if (ops->follow) {
		struct dentry *to = NULL;

		if (s->flags & (WALK_NO_MAGICLINKS))
			goto put;
		err = ops->follow(d, &to, &s->file);
		if (err)
			goto put;
		if (to) {
			if (s->flags & (WALK_BENEATH | WALK_IN_ROOT)) {
				dentry_put(to);
				err = -EXDEV;
				goto put;
			}
			set_cur(s, to);
			set_parent(s, NULL);
			s->dots = true;
		}
		goto put;
	}
	err = -EINVAL;
	if (!ops->readlink)
		goto put;
	err = -ENOMEM;
	buf = path_buf_get();
	if (!buf)
		goto put;
	n = ops->readlink(d, buf, VFS_PATH_MAX - 1);
	if (n < 0)
		err = (int)n;
	else if (n >= VFS_PATH_MAX)
		err = -ENAMETOOLONG;
	else
		err = splice_link(s, buf, (size_t)n);
	path_buf_put(buf);
	if (!err && s->rest[0] == '/')
		err = to_root(s);
put:
	dentry_put(d);
	return err;
}

/* May the walk end at d, which means nothing as far as the cache knows? */
static bool may_be_missing(const struct state *s, const struct dentry *d)
{
	if (s->flags & WALK_PARENT)
		return true;
	return (s->flags & WALK_OPEN) && !s->slash && d->expires <= s->now &&
		d->parent->vnode->ops->open_unknown;
}

/* One component; *more tells whether there is something left. */
static int step(struct state *s, bool *more)
{
	const char *name = s->rest;
	uint32_t hash = DENTRY_HASH_INIT;
	struct dentry *d;
	size_t len = 0;
	bool last;
	int err;

	while (name[len] && name[len] != '/')
		hash = dentry_hash_step(hash, name[len++]);
	s->rest = name + len;
	while (*s->rest == '/')
		s->rest++;
	last = *s->rest == '\0';
	s->slash = last && s->rest != name + len;
	*more = !last;
	if (!s->cur->vnode)
		return -ENOENT;
	if (!S_ISDIR(s->cur->vnode->mode))
		return -ENOTDIR;
	if (len > VFS_NAME_MAX)
		return -ENAMETOOLONG;
	if (!s->cur->vnode->ops->access) {
		s->checked = true;
		err = vfs_permission(s->cur, X_OK);
		if (err)
			return err;
	}
	if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'))) {
		set_parent(s, NULL);
		s->dots = true;
		s->dotdot = len == 2;
		return len == 1 ? 0 : step_up(s);
	}
	s->dots = false;
	err = lookup(s, name, len, hash, last, s->slash, &d);
	if (err)
		return err;
	if (d->vnode && S_ISLNK(d->vnode->mode) &&
		(!last || (s->slash && !(s->flags & WALK_NAME)) ||
			(s->flags & WALK_FOLLOW))) {
		bool slash = s->slash;

		err = follow(s, d);
		if (err)
			return err;
		if (s->file || s->dots) /* a magic link */
			return *more && s->file ? -ENOTDIR : 0;
		while (*s->rest == '/')
			s->rest++;
		*more = *s->rest != '\0';
		/* "link/" must be a directory although rest ends without '/' */
		if (slash)
			s->flags |= WALK_DIRECTORY;
		if (!*more) {
			s->dots = true;
			set_parent(s, NULL);
		}
		return 0;
	}
	if (!d->vnode && (!last || !may_be_missing(s, d))) {
		dentry_put(d);
		return -ENOENT;
	}
	set_parent(s, s->cur);
	s->cur = d;
	return cross_mounts(s);
}

static struct fs_ctx *where(void)
{
	return current->fs ? current->fs : curproc->fs;
}

static int find_start(
	struct state *s, int dfd, const char *path, struct file **file)
{
	struct fs_ctx *fs = where();
	struct file *f;

	s->root = dentry_get(fs->root);
	if (path[0] == '/' && !(s->flags & WALK_IN_ROOT)) {
		if (s->flags & WALK_BENEATH)
			return -EXDEV;
		s->cur = dentry_get(fs->root);
		return cross_mounts(s);
	}
	if (dfd == AT_FDCWD) {
		s->cur = dentry_get(fs->cwd);
	} else {
		f = fd_get_path(dfd);
		if (!f)
			return -EBADF;
		if (path[0] == '\0' && (s->flags & WALK_EMPTY)) {
			*file = f;
			if (f->dentry)
				s->cur = dentry_get(f->dentry);
			return 0;
		}
		if (!f->dentry || !f->vnode || !S_ISDIR(f->vnode->mode)) {
			file_put(f);
			return -ENOTDIR;
		}
		s->cur = dentry_get(f->dentry);
		file_put(f);
	}
	if (s->flags & WALK_IN_ROOT) {
		dentry_put(s->root);
		s->root = dentry_get(s->cur);
	}
	if (s->flags & WALK_BENEATH)
		s->start = dentry_get(s->cur);
	return 0;
}

static int walk(struct state *s, int dfd, const char *path)
{
	bool more = true;
	int err;

	if (path[0] == '\0' && !(s->flags & WALK_EMPTY))
		return -ENOENT;
	err = find_start(s, dfd, path, &s->file);
	if (err || s->file)
		return err;
	s->dots = true;
	s->rest = path;
	while (*s->rest == '/')
		s->rest++;
	if (*s->rest == '\0')
		s->slash = path[0] == '/';
	else
		while (more) {
			err = step(s, &more);
			if (err)
				return err;
		}
	if (s->file || !s->cur->vnode)
		return 0;
	if (((s->slash && !(s->flags & WALK_NAME)) ||
		    (s->flags & WALK_DIRECTORY)) &&
		!S_ISDIR(s->cur->vnode->mode) &&
		!(s->cur->expires == 0 && s->flags & WALK_OPEN))
		return -ENOTDIR;
	return 0;
}

static int walk_new(
	int dfd, const char *path, unsigned flags, struct walk *w, bool *plain)
{
	struct state s = {.flags = flags, .now = time_coarse_ns()};
	int err = walk(&s, dfd, path);

	kfree(s.link_buf);
	dentry_put(s.root);
	dentry_put(s.start);
	if (err) {
		dentry_put(s.cur);
		dentry_put(s.parent);
		file_put(s.file);
		return err;
	}
	*w = (struct walk){.dentry = s.cur,
		.parent = s.parent,
		.file = s.file,
		.slash = s.slash,
		.dotdot = s.dots && s.dotdot,
		.dots = s.dots};
	*plain = !s.checked && !s.dots && !s.links && s.cur->hash_pprev;
	return 0;
}

int vfs_walk(int dfd, const char *path, unsigned flags, struct walk *w)
{
	bool plain;

	return walk_new(dfd, path, flags, w, &plain);
}

unsigned walk_flags(int at_flags)
{
	return (at_flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) |
		(at_flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
}

void walk_done(struct walk *w)
{
	dentry_put(w->dentry);
	dentry_put(w->parent);
	file_put(w->file);
	*w = (struct walk){0};
}

/*
 * Where short paths led: names only, without links and dots, through
 * directories that every process may pass. No references are held: nothing
 * here is used once dentry_generation differs.
 */
static struct known {
	char path[PATH_SHORT]; /* padded with zeros */
	uint64_t generation;
	unsigned flags;
	struct dentry *start, *found;
} known[KNOWN];

int walk_from_user(int dfd, uint64_t u_path, unsigned flags, struct walk *w)
{
	uint64_t hash = 0, word, generation;
	struct dentry *start;
	struct known *k;
	bool plain;
	char *path;
	int err = path_from_user(u_path, &path);

	if (err)
		return err;
	generation = dentry_generation; /* the path may have been slept for */
	for (int i = 0; i < PATH_SHORT; i += 8) {
		__builtin_memcpy(&word, path + i, 8);
		hash = (hash << 9 | hash >> 55) ^ word;
	}
	k = &known[hash * 0x9e3779b97f4a7c15 >> 32 & (KNOWN - 1)];
	start = path[0] == '/'    ? where()->root
		: dfd == AT_FDCWD ? where()->cwd
				  : NULL;
	if (k->generation == generation && k->start == start && start &&
		k->flags == flags && !memcmp(k->path, path, PATH_SHORT) &&
		k->found->expires > time_coarse_ns()) {
		*w = (struct walk){.dentry = dentry_get(k->found)};
	} else {
		err = walk_new(dfd, path, flags, w, &plain);
		if (!err && plain && start && !path[PATH_SHORT - 1] &&
			!(flags & ~(unsigned)WALK_FOLLOW)) {
			*k = (struct known){.generation = generation,
				.flags = flags,
				.start = start,
				.found = w->dentry};
			memcpy(k->path, path, PATH_SHORT);
		}
	}
	path_buf_put(path);
	return err;
}
