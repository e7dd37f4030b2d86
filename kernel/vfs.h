/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file systems: names (dentries), objects (vnodes), mounts, and the path
 * walk over them.
 *
 * A vnode is a file, directory, link or device of one file system; whoever
 * keeps it holds a reference. A dentry is a name in a directory and at the
 * same time the cache of what the name means: a vnode, nothing (negative), or
 * unknown (expires == 0). There are no bind mounts, so a dentry alone says
 * where in the tree one is. Dentries hold their parent.
 *
 * Everything runs under the big kernel lock. Operations of vnodes may sleep
 * unless their file system lives in memory; the core looks again at whatever
 * can have changed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/hostfile.h"
#include "lib/list.h"

struct dentry;
struct file;
struct file_ops;
struct flock_table;
struct mount;
struct pagestore_ops;
struct pipe;
struct process;
struct vnode;

enum {
	VFS_PATH_MAX = 4096,
	VFS_NAME_MAX = 255,
	VFS_SYMLINK_MAX = 40,
	PATH_SHORT = 64
};

/* Where getdents entries go. add() returns 0, or -ENOSPC: no room, stop. */
struct dirent_sink {
	int (*add)(struct dirent_sink *s, const char *name, size_t len,
		uint64_t ino, uint64_t next_off, unsigned type);
	size_t room; /* bytes left, for readers that fetch in bulk */
};

/* Attributes by name: what getxattr(2) and friends do. */
struct xattr_ops {
	int64_t (*get)(struct dentry *d, struct file *f, const char *name,
		void *buf, size_t size);
	int (*set)(struct dentry *d, struct file *f, const char *name,
		const void *value, size_t size, int flags);
	int64_t (*list)(
		struct dentry *d, struct file *f, char *buf, size_t size);
	int (*remove)(struct dentry *d, struct file *f, const char *name);
};

/*
 * Operations on vnodes. NULL means the error in brackets. dir is the
 * directory's dentry, d the (so far negative or unknown) name in it.
 */
struct vnode_ops {
	/* Finds what d names: sets it with dentry_set (NULL: nothing there),
	 * 0 or -errno. [-ENOTDIR] */
	int (*lookup)(struct dentry *dir, struct dentry *d);
	/* The whole truth about d's vnode; f, if not NULL, is an open file of
	 * it and then d may be NULL. [from vnode: mode, ino] */
	int (*getattr)(struct dentry *d, struct vnode *v, struct file *f,
		struct kstat *st);
	int (*setattr)(struct dentry *d, struct vnode *v, struct file *f,
		const struct kattr *a); /* [-EPERM] */
	/* Target without NUL; its whole length or -errno. [-EINVAL] */
	int64_t (*readlink)(struct dentry *d, char *buf, size_t size);
	/* A link that is not followed by name (/proc): *out, with a reference,
	 * is where it leads; or *file if it leads to an open file that has no
	 * name. */
	int (*follow)(
		struct dentry *d, struct dentry **out, struct file **file);
	/* Opens d (positive), or d unknown/negative with O_CREAT. */
	int (*open)(struct dentry *d, uint32_t flags, uint32_t mode,
		struct file **out); /* [-ENXIO] */
	/* Is d what it was? Called when d expired. 0 or -errno; dentry_set. */
	int (*revalidate)(struct dentry *d);
	/* Directory operations. [-EPERM] */
	int (*create)(struct dentry *d, uint32_t flags, uint32_t mode,
		struct file **out);
	int (*mkdir)(struct dentry *d, uint32_t mode);
	int (*mknod)(struct dentry *d, uint32_t mode, uint64_t rdev);
	int (*symlink)(struct dentry *d, const char *target);
	int (*link)(struct dentry *old, struct dentry *d);
	int (*unlink)(struct dentry *d, bool dir);
	int (*rename)(struct dentry *from, struct dentry *to, unsigned flags);
	int (*tmpfile)(struct dentry *dir, uint32_t flags, uint32_t mode,
		struct file **out);
	int (*access)(struct dentry *d, int mask); /* [mode bits decide] */
	int (*statfs)(struct dentry *d, struct kstatfs *s); /* [-ENOSYS] */
	const struct xattr_ops *xattr; /* [-EOPNOTSUPP] */
	const struct pagestore_ops *pages; /* kept inside [mapped by copies] */
	void (*release)(struct vnode *v); /* last reference is gone */
	/* Opening an unknown name need not look it up before. */
	bool open_unknown;
};

struct vnode {
	const struct vnode_ops *ops;
	struct mount *mount;
	uint32_t refs;
	uint32_t mode; /* type and, as far as known, permissions */
	uint64_t dev, ino;
	struct flock_table *locks; /* flock.c; NULL: none */
	struct list watches; /* inotify.c */
	struct vnode *next_old; /* on a dentry's list */
	bool old;
};

struct dentry {
	struct dentry *parent; /* itself at the root of a mount */
	struct vnode *vnode; /* NULL: negative or unknown */
	struct vnode *old; /* what it was while somebody held it */
	struct mount *mount;
	struct mount *mounted; /* what covers this directory */
	struct dentry *hash_next, **hash_pprev; /* pprev NULL: not in cache */
	struct list children, child_node;
	struct list lru;
	uint64_t expires; /* time_mono_ns; 0 unknown, UINT64_MAX never */
	uint64_t cookie; /* tmpfs: position in the directory */
	uint32_t refs;
	uint32_t hash;
	uint16_t len;
	bool deleted; /* was unlinked while in use */
	bool nameless; /* O_TMPFILE with O_EXCL: never gets a name */
	char *name; /* inline_name or kmalloc'ed */
	char inline_name[32];
};

struct mount {
	struct list node;
	const char *type; /* "host", "tmpfs", "proc", "dev", "sys" */
	char *source;
	struct dentry *root; /* referenced */
	struct dentry *covered; /* NULL for the root file system */
	uint64_t dev;
	int id;
	bool readonly;
	void *priv;
};

/* ---- vnodes ---- */
void vnode_init(struct vnode *v, const struct vnode_ops *ops, struct mount *m,
	uint32_t mode, uint64_t ino);
struct vnode *vnode_get(struct vnode *v);
void vnode_put(struct vnode *v); /* NULL is fine; may sleep */

/* ---- dentries (vfs_dentry.c) ---- */
struct dentry *dentry_get(struct dentry *d);
/* Differs whenever a name that meant something means something else, or its
 * dentry is gone. */
extern uint64_t dentry_generation;
void dentry_put(struct dentry *d); /* NULL is fine; may sleep */
/* A new name, unknown, in no cache; a reference for the caller. */
struct dentry *dentry_new(
	struct dentry *parent, struct mount *m, const char *name, size_t len);
/* The cached name with a reference, or NULL. */
struct dentry *dentry_find(
	struct dentry *dir, const char *name, size_t len, uint32_t hash);
uint32_t dentry_hash(const char *name, size_t len);
#define DENTRY_HASH_INIT 2166136261u
static inline uint32_t dentry_hash_step(uint32_t h, char c)
{
	return (h ^ (uint8_t)c) * 16777619u;
}
void dentry_insert(struct dentry *d); /* into the cache */
/* d now means v (a reference is taken; NULL: nothing) until expires. A name
 * that means something and that others hold goes on meaning it, out of the
 * cache: it never turns negative under them. */
void dentry_set(struct dentry *d, struct vnode *v, uint64_t expires);
/* The name is gone: negative if nobody else holds it, else out of the cache
 * and marked deleted. */
void dentry_unlink(struct dentry *d, uint64_t expires);
/* from takes the place and name of to; to leaves the cache. */
void dentry_move(struct dentry *from, struct dentry *to);
/* The two names change places. */
void dentry_exchange(struct dentry *a, struct dentry *b);

/*
 * The path of d as a process with that root sees it, NUL-terminated.
 * Length without NUL, -ENAMETOOLONG. " (deleted)" is appended for removed
 * names, "(unreachable)" in front of what lies outside root. root NULL: the
 * root of everything.
 */
int64_t dentry_path(const struct dentry *d, const struct dentry *root,
	char *buf, size_t size);

/* Buffers of VFS_PATH_MAX bytes; NULL on no memory. */
char *path_buf_get(void);
void path_buf_put(char *buf);
/* The same with a path of the application in it, followed by zeros up to
 * PATH_SHORT. 0 or -errno. */
int path_from_user(uint64_t u_path, char **out);

/* ---- walking (vfs_walk.c) ---- */
enum {
	WALK_FOLLOW = 1, /* the last component, if a link */
	WALK_EMPTY = 2, /* AT_EMPTY_PATH: "" means the descriptor itself */
	WALK_OPEN = 4, /* opening will tell: need not validate the last */
	WALK_PARENT = 8, /* the last component may be missing */
	WALK_DIRECTORY = 16, /* must be a directory */
	/* RESOLVE_* of openat2(2) */
	WALK_NO_XDEV = 32,
	WALK_NO_MAGICLINKS = 64,
	WALK_NO_SYMLINKS = 128,
	WALK_BENEATH = 256,
	WALK_IN_ROOT = 512,
	WALK_CACHED = 1024,
	WALK_NAME = 2048, /* the last component as it stands: "link/" is not
				followed and need not be a directory */
};

struct walk {
	struct dentry *dentry; /* what was found; with WALK_PARENT maybe
				  negative, with WALK_OPEN maybe unknown */
	struct dentry *parent; /* directory of the last component; NULL if
				  that was "/", ".", ".." or a magic link */
	struct file *file; /* a magic link's or AT_EMPTY_PATH's file */
	bool slash; /* path ended in '/' */
	bool dots; /* last component was ".", ".." or "/" */
	bool dotdot; /* it was ".." */
};

/* 0 or -errno; on success the caller ends with walk_done. dfd as in *at(2).
 * May sleep. */
int vfs_walk(int dfd, const char *path, unsigned flags, struct walk *w)
	__attribute__((warn_unused_result));
/* The same with a path of the application. */
int walk_from_user(int dfd, uint64_t u_path, unsigned flags, struct walk *w)
	__attribute__((warn_unused_result));
void walk_done(struct walk *w);
/* WALK_* of AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH. */
unsigned walk_flags(int at_flags);

/* v, whose reference it takes over, becomes the root of m. v may be NULL for
 * want of memory. */
int mount_set_root(struct mount *m, struct vnode *v);

/* ---- what everybody uses (vfs.c) ---- */
/* open(2) with flags O_*; for the kernel's own use and for exec. */
int vfs_open(int dfd, const char *path, uint32_t flags, uint32_t mode,
	unsigned walk_flags, struct file **out)
	__attribute__((warn_unused_result));
/* For exec: regular, executable, not on a directory. -EACCES otherwise. */
int vfs_open_exec(int dfd, const char *path, unsigned walk_flags,
	struct file **out) __attribute__((warn_unused_result));
/* Absolute path of an open file as the current process sees it. */
int64_t vfs_file_path(const struct file *f, char *buf, size_t size);
int vfs_getattr(struct dentry *d, struct kstat *st);
/* Of an open file, whatever its kind. */
int vfs_file_getattr(struct file *f, struct kstat *st);
int vfs_setattr(struct dentry *d, struct vnode *v, struct file *f,
	const struct kattr *a);
/* For file systems that keep owners themselves: may the current process
 * change these attributes of a file that has st? -EPERM. */
int vfs_may_setattr(const struct kstat *st, const struct kattr *a);
/* May it remove or replace d, as for the sticky bit of the directory? -EPERM.
 */
int vfs_sticky(struct dentry *d);
/* user.*, trusted.*, security.*: attributes that are plain values. */
bool xattr_is_plain(const char *name);
/* May the current process? mask of R_OK, W_OK, X_OK. 0, -EACCES, -EROFS. */
int vfs_permission(struct dentry *d, int mask);
bool vnode_mode_allows(const struct kstat *st, int mask);
struct vtime vfs_now(void);
/* A new file of this kind at d: holds d and its vnode. */
/* One end of a FIFO, whose state is made at its first opening. */
int vfs_open_fifo(struct pipe **fifo, uint32_t flags, struct dentry *d,
	struct file **out) __attribute__((warn_unused_result));
int vfs_file_new(const struct file_ops *ops, uint32_t flags, struct dentry *d,
	struct file **out);

/* lseek of a kind whose end is at size: SEEK_SET, CUR and END. */
int64_t vfs_seek(struct file *f, int64_t off, int whence, uint64_t size);
/* The same for directories and texts, which have no end to seek from. */
int64_t vfs_seek_endless(struct file *f, int64_t off, int whence);

/* Fills an anonymous kind's attributes (pipes, sockets, eventfd...). */
void vfs_anon_stat(struct kstat *st, uint32_t mode, uint64_t ino);

/* ---- context of a process: where it is ---- */
struct fs_ctx {
	uint32_t refs;
	struct dentry *cwd, *root;
	uint32_t umask;
};

struct fs_ctx *fs_ctx_new(void); /* root of everything, umask 022 */
struct fs_ctx *fs_ctx_get(struct fs_ctx *c);
void fs_ctx_put(struct fs_ctx *c);
int fs_ctx_copy(const struct fs_ctx *c, struct fs_ctx **out);
/* Boot: the working directory of process 1. */
int fs_ctx_chdir(struct fs_ctx *c, const char *path);

/* ---- mounts ---- */
/* Before anything else. */
void vfs_init(void);
/*
 * Mounts at target (absolute; "/" first). kind: "host" (source: a path of
 * the host), "tmpfs" (size: limit in bytes, 0 none), "proc" (brings "sys" at
 * /sys/devices/system/cpu), "dev" (with its shm directory; brings
 * "attestation" at /dev/attestation), "sys", "volume"
 * (volfs_mount_all: source is the name, size its index).
 * A target that does not exist appears as an empty directory. 0 or -errno.
 * May sleep.
 */
int vfs_mount(const char *kind, const char *source, const char *target,
	bool readonly, uint64_t size);
/* In mount order; NULL ends. For /proc/mounts. */
struct mount *mount_next(struct mount *m);
extern struct dentry *vfs_root;

/* A file system's entry: makes m->root and m->priv. */
typedef int (*mount_fn)(struct mount *m, const char *source, uint64_t size);
int hostfs_mount(struct mount *m, const char *source, uint64_t size);
int tmpfs_mount(struct mount *m, const char *source, uint64_t size);
int procfs_mount(struct mount *m, const char *source, uint64_t size);
int devfs_mount(struct mount *m, const char *source, uint64_t size);
int attestfs_mount(struct mount *m, const char *source, uint64_t size);
int sysfs_mount(struct mount *m, const char *source, uint64_t size);
int volfs_mount(struct mount *m, const char *source, uint64_t index);
int servicefs_mount(struct mount *m, const char *source, uint64_t size);

/* ---- changes, for inotify (inotify.c) ---- */
/* mask IN_*; d is the name concerned. Never sleeps. */
void vfs_notify(struct dentry *d, uint32_t mask);
void vfs_notify_file(struct file *f, uint32_t mask);
