/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/procfs.h"

#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/process.h"
#include "kernel/thread.h"
#include "kernel/uaccess.h"
#include "kernel/uio.h"
#include "kernel/vfs.h"
#include "lib/fmt.h"
#include "lib/string.h"

enum node_kind {
	NODE_DIR, /* system-wide: path is a prefix of rows */
	NODE_FILE, /* system-wide: row */
	NODE_SELF, /* link to the own pid */
	NODE_THREAD_SELF,
	NODE_MOUNTS, /* link to self/mounts */
	NODE_PID, /* directory of a process */
	NODE_TASKS, /* PID/task */
	NODE_TASK, /* PID/task/TID */
	NODE_PID_FILE, /* row */
	NODE_FDS, /* PID/fd */
	NODE_FDINFOS,
	NODE_FD, /* magic link */
	NODE_FDINFO,
	NODE_EXE,
	NODE_CWD,
	NODE_ROOT, /* magic links */
};

struct node {
	struct vnode v;
	enum node_kind kind;
	int32_t pid, tid; /* tid 0: below PID itself */
	size_t row;
	int fd;
	char path[64]; /* NODE_DIR */
};

struct tree {
	const struct proc_file *files;
	size_t count;
	bool processes;
};

static const struct vnode_ops procfs_ops, link_ops, magic_ops;
static const struct file_ops text_ops, dir_ops;

static struct node *node_of(const struct vnode *v)
{
	return (struct node *)(uintptr_t)v;
}

/* ---- text ---- */

static bool text_room(struct text *t, size_t more)
{
	size_t size = t->size ? t->size : 1024;
	char *buf;

	if (t->failed)
		return false;
	while (size - t->len <= more)
		size *= 2;
	if (size == t->size)
		return true;
	buf = krealloc(t->buf, size);
	if (!buf) {
		t->failed = true;
		return false;
	}
	t->buf = buf;
	t->size = size;
	return true;
}

void text_add_bytes(struct text *t, const void *data, size_t size)
{
	if (!text_room(t, size))
		return;
	memcpy(t->buf + t->len, data, size);
	t->len += size;
}

void text_add(struct text *t, const char *format, ...)
{
	va_list args;
	size_t n;

	if (!text_room(t, 256))
		return;
	va_start(args, format);
	n = fmt_vprint(t->buf + t->len, t->size - t->len, format, args);
	va_end(args);
	if (n >= t->size - t->len) {
		if (!text_room(t, n))
			return;
		va_start(args, format);
		n = fmt_vprint(t->buf + t->len, t->size - t->len, format, args);
		va_end(args);
	}
	t->len += n;
}

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
		ops = &link_ops;
	else if (S_ISLNK(mode))
		ops = &magic_ops;
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

static struct process *process_of(const struct node *n)
{
	return n->pid ? process_find(n->pid) : NULL;
}

static struct thread *thread_of(const struct node *n, struct process *p)
{
	struct thread *t = thread_find(n->tid ? n->tid : n->pid);

	return t && t->proc == p ? t : NULL;
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
			return found(d, like, S_IFREG | 0444);
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
	struct process *p = process_of(dir);
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
	struct process *p = process_of(n);
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

/* ---- links ---- */

static int64_t link_readlink(struct dentry *d, char *buf, size_t size)
{
	const struct node *n = node_of(d->vnode);

	if (n->kind == NODE_SELF)
		return (int64_t)fmt_print(buf, size, "%d", curproc->pid);
	if (n->kind == NODE_MOUNTS)
		return (int64_t)fmt_print(buf, size, "self/mounts");
	return (int64_t)fmt_print(
		buf, size, "%d/task/%d", curproc->pid, current->tid);
}

/* What a magic link leads to: a dentry or a file, referenced. */
static int magic_target(
	const struct node *n, struct dentry **d, struct file **f)
{
	struct process *p = process_of(n);
	struct file *file;

	if (!p)
		return -ENOENT;
	if (n->kind == NODE_CWD || n->kind == NODE_ROOT) {
		if (!p->fs)
			return -ENOENT;
		*d = dentry_get(n->kind == NODE_CWD ? p->fs->cwd : p->fs->root);
		return 0;
	}
	if (n->kind == NODE_EXE) {
		struct walk w;
		int err;

		if (!p->exe)
			return -ENOENT;
		err = vfs_walk(AT_FDCWD, p->exe, WALK_FOLLOW, &w);
		if (err)
			return err;
		*d = w.dentry ? dentry_get(w.dentry) : NULL;
		walk_done(&w);
		return *d ? 0 : -ENOENT;
	}
	file = p->files ? fdtable_file(p->files, n->fd) : NULL;
	if (!file)
		return -ENOENT;
	/* A name that is gone cannot be opened by name again. */
	if (file->dentry && file->vnode &&
		(!file->dentry->deleted || !file->vnode->ops->open_unknown)) {
		*d = dentry_get(file->dentry);
		file_put(file);
	} else {
		*f = file;
	}
	return 0;
}

static int magic_follow(struct dentry *d, struct dentry **out, struct file **f)
{
	return magic_target(node_of(d->vnode), out, f);
}

static int64_t magic_readlink(struct dentry *d, char *buf, size_t size)
{
	const struct node *n = node_of(d->vnode);
	struct process *p = process_of(n);
	struct dentry *to = NULL;
	struct file *f = NULL;
	struct kstat st;
	int64_t r;

	if (!p)
		return -ENOENT;
	if (n->kind == NODE_EXE) {
		size_t len = p->exe ? strlen(p->exe) : 0;

		if (!len)
			return -ENOENT;
		memcpy(buf, p->exe, u64_min(len, size));
		return (int64_t)len;
	}
	r = magic_target(n, &to, &f);
	if (r)
		return r;
	if (f && f->dentry) {
		r = dentry_path(f->dentry, curproc->fs->root, buf, size);
	} else if (to) {
		r = dentry_path(to, curproc->fs->root, buf, size);
	} else {
		uint64_t ino = vfs_file_getattr(f, &st) ? 0 : st.ino;
		uint32_t type = ino ? st.mode & S_IFMT : 0;

		if (type == S_IFIFO)
			r = (int64_t)fmt_print(buf, size, "pipe:[%lu]", ino);
		else if (type == S_IFSOCK)
			r = (int64_t)fmt_print(buf, size, "socket:[%lu]", ino);
		else if (type == S_IFCHR)
			r = (int64_t)fmt_print(buf, size, "/dev/%s",
				st.rdev == 0x103 ? "null" : "tty");
		else
			r = (int64_t)fmt_print(
				buf, size, "anon_inode:[%s]", f->ops->name);
	}
	dentry_put(to);
	file_put(f);
	return r;
}

/* ---- files ---- */

static void show_fdinfo(struct text *x, struct process *p, int fd)
{
	struct file *f = p->files ? fdtable_file(p->files, fd) : NULL;

	if (!f)
		return;
	text_add(x, "pos:\t%lu\nflags:\t0", f->pos);
	for (int shift = 21; shift >= 0; shift -= 3)
		text_add(x, "%u", f->flags >> shift & 7);
	text_add(x, "\nmnt_id:\t%d\nino:\t%lu\n",
		f->vnode && f->vnode->mount ? f->vnode->mount->id : 15,
		f->vnode ? f->vnode->ino : 0);
	file_put(f);
}

static int generate(const struct node *n, struct text *x)
{
	const struct tree *tree = n->v.mount->priv;
	struct process *p = process_of(n);

	if (n->kind == NODE_FILE) {
		const struct proc_file *row = &tree->files[n->row];

		if (row->show)
			row->show(x);
		else
			text_add_bytes(x, row->fixed, strlen(row->fixed));
	} else {
		if (!p)
			return -ESRCH;
		process_get(p);
		if (n->kind == NODE_FDINFO)
			show_fdinfo(x, p, n->fd);
		else
			procfs_pid_files[n->row].show(x, p, thread_of(n, p));
		process_put(p);
	}
	return x->failed ? -ENOMEM : 0;
}

/* The text as of the last read from the start. */
static int64_t text_read(struct file *f, struct uio *u, uint64_t *pos)
{
	struct text *x = f->priv;
	size_t n;
	int err;

	if (*pos == 0 || !x->buf) {
		struct text fresh = {0};

		err = generate(node_of(f->vnode), &fresh);
		if (err) {
			kfree(fresh.buf);
			return err;
		}
		kfree(x->buf);
		*x = fresh;
	}
	if (*pos >= x->len)
		return 0;
	n = u64_min(u->resid, x->len - *pos);
	err = uio_copy_to(u, x->buf + *pos, n);
	return err ? err : (int64_t)n;
}

static int64_t text_write(struct file *f, struct uio *u, uint64_t *pos)
{
	const struct node *n = node_of(f->vnode);
	struct process *p = process_of(n);
	char buf[64] = "";
	size_t size = u->resid;
	int err;

	if (n->kind != NODE_PID_FILE || !procfs_pid_files[n->row].store)
		return -EACCES;
	if (!p)
		return -ESRCH;
	if (size >= sizeof(buf))
		return -EINVAL;
	err = uio_copy_from(u, buf, size);
	if (err)
		return err;
	err = procfs_pid_files[n->row].store(p, thread_of(n, p), buf);
	return err ? err : (int64_t)size;
}

static void text_release(struct file *f)
{
	struct text *x = f->priv;

	if (x)
		kfree(x->buf);
	kfree(x);
}

static const struct file_ops text_ops = {
	.name = "proc",
	.read = text_read,
	.write = text_write,
	.lseek = vfs_seek_endless,
	.release = text_release,
};

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
	struct process *p = process_of(n);
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

static int procfs_getattr(
	struct dentry *d, struct vnode *v, struct file *f, struct kstat *st)
{
	struct process *p = process_of(node_of(v));

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
	int err;

	if (S_ISDIR(d->vnode->mode))
		return vfs_file_new(
			&dir_ops, flags & ~(uint32_t)O_CLOEXEC, d, out);
	err = vfs_file_new(&text_ops, flags & (O_ACCMODE | O_NONBLOCK), d, out);
	if (err)
		return err;
	(*out)->priv = kzalloc(sizeof(struct text));
	if (!(*out)->priv) {
		file_put(*out);
		return -ENOMEM;
	}
	return 0;
}

static int procfs_statfs(struct dentry *d, struct kstatfs *s)
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

static const struct vnode_ops link_ops = {
	.getattr = procfs_getattr,
	.readlink = link_readlink,
	.statfs = procfs_statfs,
};

static const struct vnode_ops magic_ops = {
	.getattr = procfs_getattr,
	.readlink = magic_readlink,
	.follow = magic_follow,
	.statfs = procfs_statfs,
};

static int mount_tree(struct mount *m, const struct proc_file *files,
	size_t count, bool processes)
{
	struct tree *t = kzalloc(sizeof(*t));
	struct vnode *v;

	if (!t)
		return -ENOMEM;
	*t = (struct tree){files, count, processes};
	m->priv = t;
	m->root = dentry_new(NULL, m, "", 0);
	v = m->root ? node_new(m, (struct node){.kind = NODE_DIR, .fd = -1},
			      S_IFDIR | 0555)
		    : NULL;
	if (!v) {
		dentry_put(m->root);
		kfree(t);
		return -ENOMEM;
	}
	dentry_set(m->root, v, UINT64_MAX);
	vnode_put(v);
	return 0;
}

int procfs_mount(struct mount *m, const char *source, uint64_t size)
{
	return mount_tree(m, procfs_files, procfs_file_count, true);
}

int sysfs_mount(struct mount *m, const char *source, uint64_t size)
{
	return mount_tree(m, sysfs_files, sysfs_file_count, false);
}
