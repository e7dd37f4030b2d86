/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks on files, kept wholly inside the enclave: flock(2), POSIX record
 * locks (owner: the descriptor table) and open-file-description locks
 * (owner: the file). The host neither sees nor honours them: they order the
 * programs of this enclave only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct fdtable;
struct file;
struct vnode;

/* A record lock as fcntl(2) passes it, already resolved to absolute bytes. */
struct flock_range {
	int type; /* F_RDLCK, F_WRLCK, F_UNLCK */
	uint64_t start, end; /* [start, end); end UINT64_MAX: to infinity */
	int32_t pid; /* F_GETLK: holder; -1 for OFD locks */
};

/* owner: the fdtable (posix) or the file (ofd). 0, -EAGAIN, -EDEADLK,
 * -ENOLCK, -ERESTARTSYS. May sleep if wait. */
int flock_range_set(struct file *f, const void *owner, bool ofd,
	const struct flock_range *r, bool wait);
/* Replaces *r by a lock in its way; type F_UNLCK if there is none. */
void flock_range_test(struct file *f, const void *owner, struct flock_range *r);

/* flock(2): type F_RDLCK, F_WRLCK or F_UNLCK for the whole file. */
int flock_whole(struct file *f, int type, bool wait);

/* A descriptor of v was closed in t: t's POSIX locks on v go. */
void flock_posix_release(struct vnode *v, const struct fdtable *t);
/* f is closed for good: its flock and OFD locks go. */
void flock_file_gone(struct file *f);
/* v goes away. */
void flock_vnode_gone(struct vnode *v);
