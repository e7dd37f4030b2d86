/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes as the kernel's file systems keep them and as they travel in host
 * calls about files: structures of whole words without padding. What the host
 * says is checked by kernel/hostfs.c.
 */
#pragma once

#include <stdint.h>

struct vtime {
	int64_t sec;
	uint64_t nsec;
};

struct kstat {
	uint64_t dev, ino, rdev, size, blocks; /* blocks of 512 bytes */
	uint64_t mode, nlink, uid, gid, blksize; /* of 32 bits */
	struct vtime atime, mtime, ctime, btime; /* btime 0: not known */
};

/* What to change: bits of valid. */
enum {
	ATTR_MODE = 1,
	ATTR_UID = 2,
	ATTR_GID = 4,
	ATTR_SIZE = 8,
	ATTR_ATIME = 16,
	ATTR_MTIME = 32,
};

/* Times are already resolved (no UTIME_NOW); mode has permissions only. */
struct kattr {
	uint64_t valid, mode, uid, gid, size;
	struct vtime atime, mtime;
};

struct kstatfs {
	uint64_t type, bsize, blocks, bfree, bavail, files, ffree;
	uint64_t fsid, namelen, flags;
};

/* Flags of the open call beyond those of open(2): the handler adds
 * O_CLOEXEC, O_NOCTTY, O_NONBLOCK and, unless this is given, O_NOFOLLOW. */
#define HOST_OPEN_FOLLOW 0x80000000ul
