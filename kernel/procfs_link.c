/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links of /proc: self and its like, and the magic ones of a process, which
 * lead to a file that is open rather than to a name.
 */
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/process.h"
#include "kernel/procfs_int.h"
#include "kernel/thread.h"
#include "lib/fmt.h"
#include "lib/string.h"

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
	struct process *p = procfs_process(n);
	struct file *file;

	if (!p)
		return -ENOENT;
	/* What process 1 has open is no program's business. */
	if (n->kind != NODE_EXE && p == init_process && curproc != p)
		return -EACCES;
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
	struct process *p = procfs_process(n);
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

const struct vnode_ops procfs_link_ops = {
	.getattr = procfs_getattr,
	.readlink = link_readlink,
	.statfs = procfs_statfs,
};

const struct vnode_ops procfs_magic_ops = {
	.getattr = procfs_getattr,
	.readlink = magic_readlink,
	.follow = magic_follow,
	.statfs = procfs_statfs,
};
