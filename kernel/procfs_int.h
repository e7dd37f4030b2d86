/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of /proc share: procfs.c (names, directories, attributes),
 * procfs_link.c (what links lead to), procfs_text.c (what files say).
 */
#pragma once

#include "kernel/procfs.h"
#include "kernel/vfs.h"

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

/* Of a tree whose files are not texts. */
struct tree_ops {
	uint32_t (*mode)(size_t row);
	int (*open)(struct dentry *d, size_t row, uint32_t flags,
		struct file **out);
};

struct tree {
	const struct proc_file *files;
	size_t count;
	bool processes;
	const struct tree_ops *ops; /* NULL: texts */
};

static inline struct node *node_of(const struct vnode *v)
{
	return (struct node *)(uintptr_t)v;
}

/* NULL: gone, or not of a process. */
struct process *procfs_process(const struct node *n);

int procfs_getattr(
	struct dentry *d, struct vnode *v, struct file *f, struct kstat *st);
int procfs_mount_tree(struct mount *m, const struct tree *t);
int procfs_statfs(struct dentry *d, struct kstatfs *s);

extern const struct vnode_ops procfs_link_ops, procfs_magic_ops;
extern const struct file_ops procfs_text_ops;
