/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files and descriptor tables.
 *
 * A struct file is what open(2) makes and dup(2) shares: operations, flags,
 * offset. It is reference counted; everyone who keeps a pointer across a
 * sleep point holds a reference.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/mutex.h"
#include "kernel/wait.h"

struct file;
struct uio;
struct poll_ctx;
struct vnode;
struct dentry;
struct process;
struct kstat; /* vfs.h */
struct aspace;
struct dirent_sink; /* vfs.h */

/* Operations; NULL means the error in brackets. All may sleep. A kind with
 * lseek is seekable and gets pos; one without is a stream, pos is NULL and
 * pread/pwrite fail with -ESPIPE. */
struct file_ops {
	const char *name; /* "pipe", "hostfile", ... for /proc and traces */
	/* At *pos (pread, or the file's own offset for seekable files, which
	 * the caller advances by the result; an append sets *pos to where it
	 * wrote); pos is NULL for streams. Bytes or -errno. [-EINVAL,
	 * -EISDIR of directories] */
	int64_t (*read)(struct file *f, struct uio *u, uint64_t *pos);
	int64_t (*write)(struct file *f, struct uio *u, uint64_t *pos);
	/* [-ESPIPE] new offset for SEEK_SET/CUR/END/DATA/HOLE */
	int64_t (*lseek)(struct file *f, int64_t off, int whence);
	/* [-ENOTTY] */
	int64_t (*ioctl)(struct file *f, uint32_t cmd, uint64_t u_arg);
	/* [always ready: POLLIN | POLLOUT] */
	uint32_t (*poll)(struct file *f, struct poll_ctx *pc);
	/* [-EINVAL] */
	int (*stat)(struct file *f, struct kstat *st);
	int (*fsync)(struct file *f, bool data_only);
	int (*truncate)(struct file *f, uint64_t size);
	int (*fallocate)(struct file *f, int mode, uint64_t off, uint64_t len);
	int (*getdents)(
		struct file *f, struct dirent_sink *sink); /* [-ENOTDIR] */
	/* F_SETFL will change O_NONBLOCK/O_APPEND/O_ASYNC to flags. */
	int (*setfl)(struct file *f, uint32_t flags);
	/* F_ADD_SEALS, F_GET_SEALS [-EINVAL] */
	int64_t (*fcntl)(struct file *f, int cmd, uint64_t arg);
	/* Called when a descriptor is closed (posix locks, deferred errors). */
	int (*flush)(struct file *f, struct process *p);
	/* Last reference is gone: free f->priv. */
	void (*release)(struct file *f);
};

struct file {
	const struct file_ops *ops;
	uint32_t refs;
	uint32_t flags; /* O_ACCMODE, O_APPEND, O_NONBLOCK, O_PATH, ... */
	uint64_t pos;
	struct mutex
		pos_lock; /* of seekable kinds: one user of pos at a time */
	struct vnode *vnode; /* NULL for anonymous kinds; holds a reference */
	struct dentry *dentry; /* the name it was opened by, or NULL; held */
	void *priv; /* the kind's own state */
	int host_fd; /* -1 if not backed by the host */
	struct list epoll_items; /* epoll registrations (epoll.c) */
};

/* refs 1, host_fd -1. NULL on no memory. */
struct file *file_new(const struct file_ops *ops, uint32_t flags);
/* The same with zeroed state of size bytes in priv. */
struct file *file_new_state(
	const struct file_ops *ops, uint32_t flags, size_t size);
/* As release: frees such state. */
void file_free_state(struct file *f);
struct file *file_get(struct file *f); /* returns f */
void file_put(struct file *f); /* NULL is fine; may sleep */

static inline bool file_readable(const struct file *f)
{
	return (f->flags & 3) != 1; /* O_WRONLY */
}
static inline bool file_writable(const struct file *f)
{
	return (f->flags & 3) != 0; /* O_RDONLY */
}

/* Kernel-internal reading (exec, page-in): bytes (short only at the end of
 * the file) or -errno. */
int64_t file_pread(struct file *f, void *buf, size_t size, uint64_t off);

struct fdtable;

struct fdtable *fdtable_new(void);
struct fdtable *fdtable_get(struct fdtable *t);
void fdtable_put(struct fdtable *t);
/* A private copy (vfork child, unshare). */
int fdtable_copy(const struct fdtable *t, struct fdtable **out);
void fdtable_close_exec(struct fdtable *t); /* drops FD_CLOEXEC descriptors */

/* The file with a reference taken, or NULL: not open. O_PATH files are
 * returned only by fd_get_path. */
struct file *fd_get(int fd);
struct file *fd_get_path(int fd);
/* Lowest free descriptor >= from gets the file; the table takes over the
 * caller's reference on success only. fd or -EMFILE/-ENOMEM. */
int fd_install(struct file *f, bool cloexec, int from);
/* The same of a file that nobody else has: it is dropped on failure. */
int fd_install_new(struct file *f, bool cloexec);
/* Both, and their numbers to u_fds; takes both over also when that fails. */
int fd_install_pair(
	struct file *a, struct file *b, bool cloexec, uint64_t u_fds);
/* dup2 semantics: replaces what is there. */
int fd_install_at(struct file *f, bool cloexec, int fd);
int fd_close(int fd);

/* ---- for kinds that keep state about files elsewhere ---- */
/* epoll.c: called when f with epoll_items goes away. */
extern void (*file_epoll_release)(struct file *f);

/* Standard stream: the launcher's descriptor (host_fd 0, 1, 2) as a file of
 * what it is there: regular file, terminal, pipe or socket. May sleep. */
int file_new_host_stream(int host_fd, struct file **out);

/* fd's close-on-exec flag; -EBADF. */
int fd_get_cloexec(int fd);
int fd_set_cloexec(int fd, bool on);
/* Closes first..last (or marks them close-on-exec). */
void fd_close_range(unsigned first, unsigned last, bool cloexec);
/* Next open descriptor >= from of a table, with the file referenced; -1. */
int fdtable_next(struct fdtable *t, int from, struct file **out);
/* One entry of a table that may not be the current process's. */
struct file *fdtable_file(struct fdtable *t, int fd);
