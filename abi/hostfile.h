/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What travels in host calls about files: structures of whole words without
 * padding. All of it is the host's word and is checked by kernel/hostfs.c.
 */
#pragma once

#include <stdint.h>

struct host_stat {
	uint64_t dev, ino;
	uint64_t mode; /* st_mode, 32 bits */
	uint64_t nlink;
	uint64_t uid, gid;
	uint64_t rdev;
	uint64_t size;
	uint64_t blksize, blocks;
	uint64_t atime, atime_ns;
	uint64_t mtime, mtime_ns;
	uint64_t ctime, ctime_ns;
	uint64_t btime, btime_ns; /* 0: not known */
};

/* What to change: bits of valid. */
enum {
	HOST_ATTR_MODE = 1,
	HOST_ATTR_UID = 2,
	HOST_ATTR_GID = 4,
	HOST_ATTR_SIZE = 8,
	HOST_ATTR_ATIME = 16,
	HOST_ATTR_MTIME = 32,
};

struct host_attr {
	uint64_t valid;
	uint64_t mode;
	uint64_t uid, gid;
	uint64_t size;
	uint64_t atime, atime_ns;
	uint64_t mtime, mtime_ns;
};

struct host_statfs {
	uint64_t type, bsize, blocks, bfree, bavail, files, ffree;
	uint64_t fsid, namelen, flags;
};

/* Flags of the open call beyond those of open(2): the handler adds
 * O_CLOEXEC, O_NOCTTY, O_NONBLOCK and, unless this is given, O_NOFOLLOW. */
#define HOST_OPEN_FOLLOW 0x80000000ul
