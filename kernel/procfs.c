/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc and /sys as file systems: which names there are, directories,
 * attributes.
 */
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/process.h"
#include "kernel/procfs_int.h"
#include "kernel/thread.h"
#include "lib/fmt.h"
#include "lib/string.h"

static const struct vnode_ops procfs_ops;

/* ---- nodes ---- */

static uint64_t node_ino(const struct node *n)
{
	uint64_t h = 1469598103934665603ull;

	h = (h ^ (uint64_t)n->kind) * 1099511628211ull;
	h = (h ^ (uint32_t)n->pid) * 1099511628211ull;
	h = (h ^ (uint32_t)n->tid) * 1099511628211ull;
	h = (h ^ n->row) * 1099511628211ull;
	h = (h ^ (uint32_t)n->fd) * 1099511628211ull;
	for (const char *c = n->path; *c; c++)
		h = (h ^ (uint8_t)*c) * 1099511628211ull;
	return h >> 16 | 1;
}

static struct vnode *node_new(struct mount *m, struct node like, uint32_t mode)
{
	const struct vnode_ops *ops = &procfs_ops;
	struct node *n = kzalloc(sizeof(*n));

	if (!n)
		return NULL;
	*n = like;
	if (like.kind == NODE_SELF || like.kind == NODE_THREAD_SELF ||
		like.kind == NODE_MOUNTS)
		ops = &procfs_link_ops;
	else if (S_ISLNK(mode))
		ops = &procfs_magic_ops;
	vnode_init(&n->v, ops, m, mode, node_ino(&like));
	return &n->v;
}

/* d is that; names of /proc are never cached. */
static int found(struct dentry *d, struct node like, uint32_t mode)
{
	struct vnode *v = node_new(d->mount, like, mode);

	if (!v)
		return -ENOMEM;
	dentry_set(d, v, 1);
	vnode_put(v);
	return 0;
}

static int found_plain(struct dentry *d, enum node_kind kind, int32_t pid,
	int32_t tid, uint32_t mode)
{
	return found(d,
		(struct node){.kind = kind, .pid = pid, .tid = tid, .fd = -1},
		mode);
}

struct process *procfs_process(const struct node *n)
{
	return n->pid ? process_find(n->pid) : NULL;
}

static int32_t number(const char *name)
{
	int64_t v = 0;

	if (*name == '\0' || (name[0] == '0' && name[1]))
		return -1;
	for (; *name; name++) {
		if (*name < '0' || *name > '9')
			return -1;
		v = v * 10 + (*name - '0');
		if (v > INT32_MAX)
			return -1;
	}
	return (int32_t)v;
}

/* ---- lookup ---- */

/* path below dir's prefix, or -1 */
static int join(
	const struct node *dir, const char *name, char *out, size_t size)
{
	size_t n = fmt_print(
		out, size, "%s%s%s", dir->path, dir->path[0] ? "/" : "", name);

	return n < size ? 0 : -1;
}

static int lookup_row(struct dentry *d, const struct node *dir)
{
	const struct tree *t = d->mount->priv;
	struct node like = {.fd = -1};
	size_t len;

	if (join(dir, d->name, like.path, sizeof(like.path)))
		return -ENOENT;
	len = strlen(like.path);
	for (size_t i = 0; i < t->count; i++) {
		const char *path = t->files[i].path;

		if (strncmp(path, like.path, len) != 0)
			continue;
		if (path[len] == '\0') {
			like.kind = NODE_FILE;
			like.row = i;
			return found(d, like,
				S_IFREG | (t->ops ? t->ops->mode(i) : 0444));
		}
		if (path[len] == '/') {
			like.kind = NODE_DIR;
			return found(d, like, S_IFDIR | 0555);
		}
	}
	return -ENOENT;
}

static int lookup_root(struct dentry *d, const struct node *dir)
{
	const struct tree *t = d->mount->priv;
	int32_t pid = number(d->name);

	if (!t->processes || dir->path[0])
		return lookup_row(d, dir);
	if (pid > 0 && process_find(pid))
		return found_plain(d, NODE_PID, pid, 0, S_IFDIR | 0555);
	if (pid > 0 && thread_find(pid)) /* not listed, but there */
		return found_plain(d, NODE_TASK, thread_find(pid)->proc->pid,
			pid, S_IFDIR | 0555);
	if (strcmp(d->name, "self") == 0)
		return found_plain(d, NODE_SELF, 0, 0, S_IFLNK | 0777);
	if (strcmp(d->name, "mounts") == 0)
		return found_plain(d, NODE_MOUNTS, 0, 0, S_IFLNK | 0777);
	if (strcmp(d->name, "thread-self") == 0)
		return found_plain(d, NODE_THREAD_SELF, 0, 0, S_IFLNK | 0777);
	return lookup_row(d, dir);
}

static const struct {
	const char *name;
	enum node_kind kind;
	uint32_t mode;
} pid_special[] = {
	{"cwd", NODE_CWD, S_IFLNK | 0777}, {"exe", NODE_EXE, S_IFLNK | 0777},
	{"fd", NODE_FDS, S_IFDIR | 0500},
	{"fdinfo", NODE_FDINFOS, S_IFDIR | 0555},
	{"root", NODE_ROOT, S_IFLNK | 0777},
	{"task", NODE_TASKS, S_IFDIR | 0555}, /* last: not below task/TID */
};

static int lookup_pid(struct dentry *d, const struct node *dir)
{
	struct node like = {.pid = dir->pid, .tid = dir->tid, .fd = -1};

	for (size_t i = 0; i < ARRAY_SIZE(pid_special); i++) {
		if (strcmp(d->name, pid_special[i].name) != 0)
			continue;
		if (dir->tid && pid_special[i].kind == NODE_TASKS)
			break;
		like.kind = pid_special[i].kind;
		return found(d, like, pid_special[i].mode);
	}
	like.kind = NODE_PID_FILE;
	for (size_t i = 0; i < procfs_pid_file_count; i++) {
		if (strcmp(d->name, procfs_pid_files[i].name) != 0)
			continue;
		like.row = i;
		return found(d, like, S_IFREG | procfs_pid_files[i].mode);
	}
	return -ENOENT;
}

static int lookup_fd(struct dentry *d, const struct node *dir)
{
	struct process *p = procfs_process(dir);
	int32_t fd = number(d->name);
	struct node like = {.pid = dir->pid, .tid = dir->tid, .fd = fd};
	struct file *f = NULL;

	if (p && p->files && fd >= 0)
		f = fdtable_file(p->files, fd);
	if (!f)
		return -ENOENT;
	file_put(f);
	if (dir->kind == NODE_FDINFOS) {
		like.kind = NODE_FDINFO;
		return found(d, like, S_IFREG | 0444);
	}
	like.kind = NODE_FD;
	return found(d, like, S_IFLNK | 0700);
}

static int procfs_lookup(struct dentry *dir, struct dentry *d)
{
	const struct node *n = node_of(dir->vnode);
	struct process *p = procfs_process(n);
	struct thread *t;
	int32_t tid;
	int err = -ENOENT;

	if (n->pid && !p) {
		dentry_set(d, NULL, 1);
		return -ENOENT;
	}
	switch (n->kind) {
	case NODE_DIR:
		err = lookup_root(d, n);
		break;
	case NODE_PID:
	case NODE_TASK:
		err = lookup_pid(d, n);
		break;
	case NODE_TASKS:
		tid = number(d->name);
		t = tid > 0 ? thread_find(tid) : NULL;
		if (t && t->proc == p)
			err = found_plain(
				d, NODE_TASK, n->pid, tid, S_IFDIR | 0555);
		break;
	case NODE_FDS:
	case NODE_FDINFOS:
		err = lookup_fd(d, n);
		break;
	default:
		return -ENOTDIR;
	}
	if (err == -ENOENT) { /* negative, as the walk wants it */
		dentry_set(d, NULL, 1);
		return 0;
	}
	return err;
}

/* ---- directories ---- */

struct lister {
	struct file *f;
	struct dirent_sink *sink;
	uint64_t at; /* position of the entry that comes */
	int err;
};

/* One entry, unless it was given before. False: no room, stop. */
static bool give(struct lister *l, const char *name, uint32_t mode)
{
	uint64_t at = l->at++;

	if (at < l->f->pos)
		return true;
	l->err = l->sink->add(
		l->sink, name, strlen(name), at + 1, at + 1, mode >> 12 & 15);
	if (l->err)
		return false;
	l->f->pos = at + 1;
	return true;
}

static bool give_number(struct lister *l, int64_t n, uint32_t mode)
{
	char name[24];

	fmt_print(name, sizeof(name), "%ld", n);
	return give(l, name, mode);
}

/* Names directly below a prefix; the table is sorted. */
static bool list_rows(struct lister *l, const struct node *n)
{
	const struct tree *t = n->v.mount->priv;
	size_t plen = strlen(n->path), last = 0;
	const char *seen = NULL;

	for (size_t i = 0; i < t->count; i++) {
		const char *rest = t->files[i].path;
		char name[64];
		size_t len = 0;

		if (plen) {
			if (strncmp(rest, n->path, plen) || rest[plen] != '/')
				continue;
			rest += plen + 1;
		}
		while (rest[len] && rest[len] != '/')
			len++;
		if (seen && len == last && strncmp(seen, rest, len) == 0)
			continue;
		seen = rest;
		last = len;
		memcpy(name, rest, len);
		name[len] = '\0';
		if (!give(l, name, rest[len] ? S_IFDIR : S_IFREG))
			return false;
	}
	return true;
}

static bool list_root(struct lister *l, const struct node *n)
{
	const struct tree *t = n->v.mount->priv;

	if (t->processes && !n->path[0]) {
		if (!give(l, "mounts", S_IFLNK) || !give(l, "self", S_IFLNK) ||
			!give(l, "thread-self", S_IFLNK))
			return false;
	}
	if (!list_rows(l, n))
		return false;
	if (!t->processes || n->path[0])
		return true;
	/* Process ids are their own positions: they come and go. */
	l->at = u64_max(l->at, 1000);
	for (struct process *p = process_next(
		     l->f->pos > 1000 ? (int32_t)(l->f->pos - 1001) : 0);
		p; p = process_next(p->pid)) {
		l->at = 1000 + (uint64_t)p->pid;
		if (!give_number(l, p->pid, S_IFDIR))
			return false;
	}
	return true;
}

static bool list_pid(struct lister *l, const struct node *n)
{
	for (size_t i = 0; i < ARRAY_SIZE(pid_special); i++) {
		if (n->tid && pid_special[i].kind == NODE_TASKS)
			continue;
		if (!give(l, pid_special[i].name, pid_special[i].mode))
			return false;
	}
	for (size_t i = 0; i < procfs_pid_file_count; i++) {
		if (!give(l, procfs_pid_files[i].name, S_IFREG))
			return false;
	}
	return true;
}

static bool list_tasks(struct lister *l, struct process *p)
{
	struct thread *t;

	for (t = thread_next(p, 0); t; t = thread_next(p, t->tid)) {
		l->at = 2 + (uint64_t)t->tid;
		if (!give_number(l, t->tid, S_IFDIR))
			return false;
	}
	return true;
}

static bool list_fds(struct lister *l, struct process *p, uint32_t mode)
{
	int fd = -1;

	while (p->files && (fd = fdtable_next(p->files, fd + 1, NULL)) >= 0) {
		l->at = 2 + (uint64_t)fd;
		if (!give_number(l, fd, mode))
			return false;
	}
	return true;
}

static int dir_getdents(struct file *f, struct dirent_sink *sink)
{
	const struct node *n = node_of(f->vnode);
	struct process *p = procfs_process(n);
	struct lister l = {.f = f, .sink = sink};

	if (n->pid && !p)
		return -ENOENT;
	if (!give(&l, ".", S_IFDIR) || !give(&l, "..", S_IFDIR))
		return l.err;
	switch (n->kind) {
	case NODE_DIR:
		list_root(&l, n);
		break;
	case NODE_PID:
	case NODE_TASK:
		list_pid(&l, n);
		break;
	case NODE_TASKS:
		list_tasks(&l, p);
		break;
	case NODE_FDS:
		list_fds(&l, p, S_IFLNK);
		break;
	default:
		list_fds(&l, p, S_IFREG);
	}
	return l.err;
}

static const struct file_ops dir_ops = {
	.name = "proc",
	.lseek = vfs_seek_endless,
	.getdents = dir_getdents,
};

/* ---- vnodes ---- */

int procfs_getattr(
	struct dentry *d, struct vnode *v, struct file *f, struct kstat *st)
{
	struct process *p = procfs_process(node_of(v));

	*st = (struct kstat){.dev = v->dev,
		.ino = v->ino,
		.mode = v->mode,
		.nlink = S_ISDIR(v->mode) ? 2 : 1,
		.uid = p ? p->euid : 0,
		.gid = p ? p->egid : 0,
		.blksize = 1024};
	st->atime = st->mtime = st->ctime = vfs_now();
	return 0;
}

static int procfs_open(
	struct dentry *d, uint32_t flags, uint32_t mode, struct file **out)
{
	const struct tree *t = d->mount->priv;
	int err;

	if (S_ISDIR(d->vnode->mode))
		return vfs_file_new(&dir_ops, flags, d, out);
	if (t->ops)
		return t->ops->open(d, node_of(d->vnode)->row, flags, out);
	err = vfs_file_new(
		&procfs_text_ops, flags & (O_ACCMODE | O_NONBLOCK), d, out);
	if (err)
		return err;
	(*out)->priv = kzalloc(sizeof(struct text));
	if (!(*out)->priv) {
		file_put(*out);
		return -ENOMEM;
	}
	return 0;
}

int procfs_statfs(struct dentry *d, struct kstatfs *s)
{
	*s = (struct kstatfs){
		.type = 0x9fa0, .bsize = 4096, .namelen = VFS_NAME_MAX};
	return 0;
}

static const struct vnode_ops procfs_ops = {
	.lookup = procfs_lookup,
	.getattr = procfs_getattr,
	.open = procfs_open,
	.statfs = procfs_statfs,
};

int procfs_mount_tree(struct mount *m, const struct tree *like)
{
	struct tree *t = kzalloc(sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	*t = *like;
	m->priv = t;
	err = mount_set_root(m,
		node_new(m, (struct node){.kind = NODE_DIR, .fd = -1},
			S_IFDIR | 0555));
	if (err)
		kfree(t);
	return err;
}

int procfs_mount(struct mount *m, const char *source, uint64_t size)
{
	return procfs_mount_tree(
		m, &(struct tree){procfs_files, procfs_file_count, true, NULL});
}

int sysfs_mount(struct mount *m, const char *source, uint64_t size)
{
	return procfs_mount_tree(
		m, &(struct tree){sysfs_files, sysfs_file_count, false, NULL});
}
