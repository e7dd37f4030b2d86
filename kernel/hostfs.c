/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/hostfs.h"

#include "abi/hostfile.h"
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/hostcall.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/process.h"
#include "lib/string.h"
#include "lib/types.h"

enum { BUCKETS = 1024 };

static struct hostfs_node *buckets[BUCKETS];
static const struct vnode_ops hostfs_ops;

static uint64_t fresh(void)
{
	return time_mono_ns() + HOSTFS_TTL;
}

/* ---- nodes ---- */

void hostfs_stat_check(const struct kstat *h)
{
	uint64_t type = h->mode & S_IFMT;

	if (h->mode > UINT32_MAX ||
		(type != S_IFREG && type != S_IFDIR && type != S_IFLNK &&
			type != S_IFCHR && type != S_IFBLK && type != S_IFIFO &&
			type != S_IFSOCK))
		panic_host("file mode %lx", h->mode);
	if (h->size > INT64_MAX || h->blocks > INT64_MAX ||
		h->blksize > UINT32_MAX || h->blksize == 0)
		panic_host("file size");
	if (h->nlink > UINT32_MAX || h->uid > UINT32_MAX || h->gid > UINT32_MAX)
		panic_host("file owner or link count");
	if (h->atime.nsec >= NSEC_PER_SEC || h->mtime.nsec >= NSEC_PER_SEC ||
		h->ctime.nsec >= NSEC_PER_SEC || h->btime.nsec >= NSEC_PER_SEC)
		panic_host("file time");
}

static bool same_time(struct vtime a, struct vtime b)
{
	return a.sec == b.sec && a.nsec == b.nsec;
}

static void node_refresh(struct hostfs_node *n, const struct kstat *h)
{
	struct kstat old = n->st;

	hostfs_stat_check(h);
	n->st = *h;
	if (!n->st.btime.sec) /* opening does not tell it */
		n->st.btime = old.btime;
	if (n->st.size != old.size || !same_time(n->st.mtime, old.mtime) ||
		!same_time(n->st.ctime, old.ctime))
		hostcache_drop(&n->cache);
	n->v.mode = (uint32_t)h->mode;
	n->expires = fresh();
	if (!same_time(n->st.ctime, old.ctime)) {
		kfree(n->target);
		n->target = NULL;
		hostfs_idle_drop(n);
	}
}

struct hostfs_node *hostfs_node_find(struct mount *m, const struct kstat *h)
{
	struct hostfs_node *n, **b;

	hostfs_stat_check(h);
	b = &buckets[(h->ino * 0x9e3779b97f4a7c15ull ^ h->dev) >> 20 &
		(BUCKETS - 1)];
	for (n = *b; n; n = n->hash_next) {
		if (n->v.ino == h->ino && n->v.dev == h->dev &&
			n->v.mount == m &&
			(n->v.mode & S_IFMT) == (h->mode & S_IFMT)) {
			vnode_get(&n->v);
			node_refresh(n, h);
			return n;
		}
	}
	n = kzalloc(sizeof(*n));
	if (!n)
		return NULL;
	vnode_init(&n->v, &hostfs_ops, m, (uint32_t)h->mode, h->ino);
	n->v.dev = h->dev;
	node_refresh(n, h);
	n->hash_next = *b;
	if (*b)
		(*b)->hash_pprev = &n->hash_next;
	n->hash_pprev = b;
	*b = n;
	return n;
}

static void node_release(struct vnode *v)
{
	struct hostfs_node *n = hostfs_node(v);

	*n->hash_pprev = n->hash_next;
	if (n->hash_next)
		n->hash_next->hash_pprev = n->hash_pprev;
	hostcache_drop(&n->cache);
	hostfs_idle_drop(n);
	kfree(n->target);
	kfree(n);
}

/* ---- names ---- */

int hostfs_path(const struct dentry *d, char **out, int *root_fd)
{
	char *buf = path_buf_get();
	size_t at = VFS_PATH_MAX;

	if (!buf)
		return -ENOMEM;
	*root_fd = ((struct hostfs_mount *)d->mount->priv)->root_fd;
	if (d->deleted) {
		path_buf_put(buf);
		return -ENOENT;
	}
	buf[--at] = '\0';
	if (d == d->parent)
		buf[--at] = '.';
	for (; d != d->parent; d = d->parent) {
		if (at < (size_t)d->len + 1) {
			path_buf_put(buf);
			return -ENAMETOOLONG;
		}
		if (buf[at] != '\0')
			buf[--at] = '/';
		at -= d->len;
		memcpy(buf + at, d->name, d->len);
	}
	memmove(buf, buf + at, VFS_PATH_MAX - at);
	*out = buf;
	return 0;
}

/* Asks the host what d is. */
static int hostfs_revalidate(struct dentry *d)
{
	struct hostfs_node *n;
	struct kstat h = {0};
	int err;

	err = (int)ON_HOST(d, host_stat(root, path, &h));
	if (err == -ENOENT) {
		dentry_set(d, NULL, fresh());
		return 0;
	}
	if (err)
		return err;
	n = hostfs_node_find(d->mount, &h);
	if (!n)
		return -ENOMEM;
	dentry_set(d, &n->v, fresh());
	vnode_put(&n->v);
	return 0;
}

static int hostfs_lookup(struct dentry *dir, struct dentry *d)
{
	return hostfs_revalidate(d);
}

static int64_t hostfs_readlink(struct dentry *d, char *buf, size_t size)
{
	struct hostfs_node *n = hostfs_node(d->vnode);
	size_t len;

	if (!n->target || n->expires <= time_coarse_ns()) {
		char *target;
		int64_t r;

		target = kmalloc(VFS_PATH_MAX);
		r = target ? ON_HOST(d,
				     host_readlink(root, path, target,
					     VFS_PATH_MAX - 1))
			   : -ENOMEM;
		if (r == 0 || (r > 0 && memchr(target, '\0', (size_t)r)))
			panic_host("target of a link");
		if (r < 0) {
			kfree(target);
			return r;
		}
		target[r] = '\0';
		kfree(n->target);
		n->target = target;
	}
	len = strlen(n->target);
	memcpy(buf, n->target, u64_min(len, size));
	return (int64_t)len;
}

/* ---- attributes ---- */

int hostfs_getattr(
	struct dentry *d, struct vnode *v, struct file *f, struct kstat *st)
{
	struct hostfs_node *n = hostfs_node(v);

	if (d && d->deleted && !f) { /* a working directory, say */
		*st = n->st;
		st->nlink = 0;
		return 0;
	}
	if (n->expires <= time_coarse_ns()) {
		struct kstat h;
		int err;

		if (f && f->host_fd >= 0)
			err = (int)host_fstat(f->host_fd, &h);
		else
			err = (int)ON_HOST(d, host_stat(root, path, &h));
		if (err)
			return err;
		if (h.ino != v->ino || h.dev != v->dev ||
			(h.mode & S_IFMT) != (v->mode & S_IFMT)) {
			hostfs_stat_check(&h);
			*st = h; /* the name was replaced */
			d->expires = 1;
			return 0;
		}
		node_refresh(n, &h);
	}
	*st = n->st;
	return 0;
}

static int hostfs_setattr(struct dentry *d, struct vnode *v, struct file *f,
	const struct kattr *a)
{
	int err;

	if (f && f->host_fd >= 0)
		err = (int)host_fsetattr(f->host_fd, a);
	else
		err = (int)ON_HOST(d, host_setattr(root, path, a));
	hostfs_changed(v);
	hostfs_distrust(); /* a directory's mode is its files', too */
	return err;
}

static int hostfs_access(struct dentry *d, int mask)
{
	struct kstat st;
	int err;

	err = hostfs_getattr(d, d->vnode, NULL, &st);
	if (err || mask == 0)
		return err;
	/* What everybody may do needs no question, unless it is writing. */
	if (!(mask & W_OK) && ((uint32_t)mask & ~st.mode & 7) == 0)
		return 0;
	if (!(mask & W_OK) && curproc->euid == 0)
		return vnode_mode_allows(&st, mask) ? 0 : -EACCES;
	return (int)ON_HOST(d, host_access(root, path, (uint64_t)mask));
}

static int hostfs_statfs(struct dentry *d, struct kstatfs *s)
{
	return (int)ON_HOST(d, host_statfs(root, path, s));
}

/* ---- opening and creating ---- */

static int open_host(
	struct dentry *d, uint32_t flags, uint32_t mode, struct file **out)
{
	uint32_t pass = flags &
		(O_ACCMODE | O_APPEND | O_CREAT | O_EXCL | O_TRUNC |
			O_DIRECTORY | O_SYNC | O_DSYNC | O_NOATIME);
	struct hostfs_node *n;
	struct kstat h = {0};
	int64_t fd;

	do
		fd = ON_HOST(d, host_open(root, path, pass, mode & 07777, &h));
	while ((fd == -EMFILE || fd == -ENFILE) && hostfs_idle_shrink());
	if (fd == -ENOENT && !d->vnode && !(flags & O_CREAT))
		dentry_set(d, NULL, fresh());
	if (fd < 0)
		/* A cached name that is gone: look again. */
		return fd == -ENOENT && d->vnode ? -ESTALE : (int)fd;
	n = hostfs_node_find(d->mount, &h);
	if (!n) {
		host_close((int)fd);
		return -ENOMEM;
	}
	if (flags & O_TRUNC)
		hostfs_changed(&n->v);
	if ((flags & O_CREAT) && !d->vnode)
		hostfs_changed(d->parent->vnode);
	dentry_set(d, &n->v, fresh());
	vnode_put(&n->v);
	if (S_ISREG(h.mode) || S_ISDIR(h.mode))
		return hostfs_file_new(d, flags, (int)fd, out);
	return hostfs_stream_new(d, flags, (int)fd, &h, out);
}

static int hostfs_open(
	struct dentry *d, uint32_t flags, uint32_t mode, struct file **out)
{
	int fd;

	flags &= ~(uint32_t)O_CREAT;
	fd = d->vnode ? hostfs_idle_take(d, flags) : 0;
	return fd ? hostfs_file_new(d, flags, fd, out)
		  : open_host(d, flags, 0, out);
}

static int hostfs_create(
	struct dentry *d, uint32_t flags, uint32_t mode, struct file **out)
{
	return open_host(d, flags | O_CREAT, mode, out);
}

/* ---- changing directories ---- */

/* d was made by a call that told nothing about it. */
static void created(struct dentry *d)
{
	dentry_set(d, NULL, 0);
	hostfs_changed(d->parent->vnode);
}

static int hostfs_mkdir(struct dentry *d, uint32_t mode)
{
	int err;

	err = (int)ON_HOST(d, host_mkdir(root, path, mode & 07777));
	if (!err)
		created(d);
	return err;
}

static int hostfs_mknod(struct dentry *d, uint32_t mode, uint64_t rdev)
{
	int err;

	if (!S_ISREG(mode) && !S_ISFIFO(mode) && !S_ISSOCK(mode))
		return -EPERM;
	err = (int)ON_HOST(d, host_mknod(root, path, mode & (S_IFMT | 07777)));
	if (!err)
		created(d);
	return err;
}

static int hostfs_symlink(struct dentry *d, const char *target)
{
	int err;

	err = (int)ON_HOST(d, host_symlink(target, root, path));
	if (!err)
		created(d);
	return err;
}

static int two_paths(const struct dentry *a, const struct dentry *b,
	char **path_a, char **path_b, int *root)
{
	int err = hostfs_path(a, path_a, root);

	if (err)
		return err;
	err = hostfs_path(b, path_b, root);
	if (err)
		path_buf_put(*path_a);
	return err;
}

static int hostfs_link(struct dentry *old, struct dentry *d)
{
	char *from, *to;
	int err, root;

	err = two_paths(old, d, &from, &to, &root);
	if (err)
		return err;
	err = (int)host_link(root, from, root, to);
	path_buf_put(from);
	path_buf_put(to);
	if (!err) {
		hostfs_changed(old->vnode);
		created(d);
	}
	return err;
}

static int hostfs_unlink(struct dentry *d, bool dir)
{
	int err;

	err = (int)ON_HOST(d, host_unlink(root, path, dir ? AT_REMOVEDIR : 0));
	if (err)
		return err;
	hostfs_changed(d->vnode);
	hostfs_changed(d->parent->vnode);
	dentry_unlink(d, fresh());
	return 0;
}

static int hostfs_rename(struct dentry *from, struct dentry *to, unsigned flags)
{
	char *a, *b;
	int err, root;

	err = two_paths(from, to, &a, &b, &root);
	if (err)
		return err;
	err = (int)host_rename(root, a, root, b, flags);
	path_buf_put(a);
	path_buf_put(b);
	if (err)
		return err;
	hostfs_changed(from->vnode);
	hostfs_changed(from->parent->vnode);
	hostfs_changed(to->parent->vnode);
	if (to->vnode)
		hostfs_changed(to->vnode);
	if (flags & RENAME_EXCHANGE)
		dentry_exchange(from, to);
	else
		dentry_move(from, to);
	return 0;
}

static int hostfs_tmpfile(
	struct dentry *dir, uint32_t flags, uint32_t mode, struct file **out)
{
	struct hostfs_node *n;
	struct kstat h = {0};
	struct dentry *d;
	int64_t fd;
	int err;

	fd = ON_HOST(dir,
		host_open(root, path,
			flags & (O_ACCMODE | O_TMPFILE | O_EXCL | O_APPEND),
			mode & 07777, &h));
	if (fd < 0)
		return (int)fd;
	d = dentry_new(dir, dir->mount, "#tmpfile", 8);
	n = d ? hostfs_node_find(dir->mount, &h) : NULL;
	if (!n) {
		dentry_put(d);
		host_close((int)fd);
		return -ENOMEM;
	}
	d->deleted = true;
	dentry_set(d, &n->v, UINT64_MAX);
	vnode_put(&n->v);
	err = hostfs_file_new(d, flags, (int)fd, out);
	dentry_put(d);
	return err;
}

static const struct vnode_ops hostfs_ops = {
	.lookup = hostfs_lookup,
	.getattr = hostfs_getattr,
	.setattr = hostfs_setattr,
	.readlink = hostfs_readlink,
	.open = hostfs_open,
	.revalidate = hostfs_revalidate,
	.create = hostfs_create,
	.mkdir = hostfs_mkdir,
	.mknod = hostfs_mknod,
	.symlink = hostfs_symlink,
	.link = hostfs_link,
	.unlink = hostfs_unlink,
	.rename = hostfs_rename,
	.tmpfile = hostfs_tmpfile,
	.access = hostfs_access,
	.statfs = hostfs_statfs,
	.xattr = &hostfs_xattr_ops,
	.release = node_release,
	.open_unknown = true,
};

int hostfs_mount(struct mount *m, const char *source, uint64_t size)
{
	struct hostfs_mount *hm = kzalloc(sizeof(*hm));
	struct hostfs_node *n;
	struct kstat h = {0};
	int64_t fd;
	int err;

	if (!hm)
		return -ENOMEM;
	fd = host_open(HOST_AT_FDCWD, source,
		O_PATH | O_DIRECTORY | HOST_OPEN_FOLLOW, 0, &h);
	if (fd < 0) {
		kfree(hm);
		return (int)fd;
	}
	hm->root_fd = (int)fd;
	m->priv = hm;
	n = hostfs_node_find(m, &h);
	err = mount_set_root(m, n ? &n->v : NULL);
	if (err) {
		kfree(hm);
		host_close((int)fd);
	}
	return err;
}
