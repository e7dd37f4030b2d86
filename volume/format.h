/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a volume looks like on the host's disk, structure by structure; the
 * reasons are in doc/volume-format.md. All integers are little-endian.
 *
 * A volume is a directory of files: two copies of the superblock in one, the
 * intent log, the table of wrapped data keys, and segments of 4 KiB slots. A
 * slot holds one block of one object: encrypted and authenticated on its own,
 * named by a pointer that holds its key, its nonce and its tag.
 */
#pragma once

#include "lib/types.h"

enum {
	VOL_BLOCK_SIZE = 4096,
	VOL_BLOCK_SHIFT = 12,
	VOL_FANOUT = 128, /* pointers in a block */
	VOL_FANOUT_SHIFT = 7,
	VOL_TOPS = 4, /* pointers in an inode */
	VOL_HEIGHT_MAX = 7, /* 4 * 128^7 blocks are more than 2^63 bytes */
	VOL_VERSION = 1,
	VOL_KEY_SIZE = 32,
	VOL_SALT_SIZE = 32,
	VOL_UUID_SIZE = 16,
	VOL_TAG_SIZE = 32, /* of a commit: the state of the whole volume */
	VOL_GCM_TAG_SIZE = 16,
	VOL_NAME_MAX = 255,
	/* Slots of a segment, as a power of two. */
	VOL_SEGMENT_SHIFT_MIN = 6,
	VOL_SEGMENT_SHIFT_MAX = 15,
	VOL_SEGMENT_SHIFT_DEFAULT = 15, /* 128 MiB */
	/* The first two slots of a segment: its map of used slots, A and B. */
	VOL_SEGMENT_MAPS = 2,
	VOL_LOG_SIZE = 8 * 1024 * 1024,
};

enum vol_suite {
	VOL_ENCRYPTED = 1, /* blocks: AES-256-GCM */
	VOL_AUTHENTICATED = 2, /* blocks: plain, SHA-256 cut to 192 bits */
};

/* Objects with fixed numbers. Every object is a tree of blocks. */
enum vol_object_number {
	VOL_OBJECT_INODES = 0, /* 16 inodes to a block */
	VOL_OBJECT_SEGMENTS = 1, /* 64 struct vol_disk_segment to a block */
	VOL_OBJECT_ROOT = 2, /* the root directory */
};

/*
 * Where a block is and what opens it. Epoch 0: no block, a hole. Encrypted:
 * the nonce is counter and four zero bytes, under the data key of that epoch.
 * Authenticated: counter and tag are the 24 bytes of the hash.
 */
struct vol_ptr {
	uint64_t slot_epoch; /* slot: low 40 bits; epoch: high 24 */
	uint64_t counter;
	uint8_t tag[VOL_GCM_TAG_SIZE];
};
static_assert_size(struct vol_ptr, 32);

#define VOL_SLOT_BITS 40
#define VOL_SLOT_MAX ((UINT64_C(1) << VOL_SLOT_BITS) - 1)
#define VOL_EPOCH_MAX 0xffffffu

static inline uint64_t vol_ptr_slot(const struct vol_ptr *p)
{
	return p->slot_epoch & VOL_SLOT_MAX;
}

static inline uint32_t vol_ptr_epoch(const struct vol_ptr *p)
{
	return (uint32_t)(p->slot_epoch >> VOL_SLOT_BITS);
}

static inline bool vol_ptr_hole(const struct vol_ptr *p)
{
	return vol_ptr_epoch(p) == 0;
}

/* What a block is bound to: additional data of its AEAD, or hashed before it.
 * The volume is bound by the key, the slot by the pointer. */
struct vol_place {
	uint64_t object;
	uint64_t index; /* of the block within its level */
	uint32_t level; /* 0: contents; n: pointers to level n - 1 */
	uint32_t kind; /* enum vol_kind */
};
static_assert_size(struct vol_place, 24);

enum vol_kind { VOL_KIND_TREE = 1, VOL_KIND_MAP = 2 };

enum vol_mode { /* as in st_mode */
	VOL_MODE_TYPE = 0170000,
	VOL_MODE_FIFO = 0010000,
	VOL_MODE_CHAR = 0020000,
	VOL_MODE_DIR = 0040000,
	VOL_MODE_BLOCK = 0060000,
	VOL_MODE_FILE = 0100000,
	VOL_MODE_LINK = 0120000,
	VOL_MODE_SOCKET = 0140000,
	VOL_MODE_XATTR = 1, /* all of it: the attributes of inode parent */
};

enum { VOL_ATIME, VOL_MTIME, VOL_CTIME, VOL_BTIME, VOL_TIMES };

/*
 * An inode. Free: mode 0, and next is the number of the next free one (0: no
 * more). Orphan (nlink 0 but in use): next is the next orphan. Block b of an
 * object of height h is under top b / 128^h. Blocks past the end of a file
 * mean nothing (a truncation was interrupted).
 */

struct vol_disk_inode {
	uint32_t mode; /* type and permissions, as st_mode */
	uint32_t nlink, uid, gid;
	uint64_t size; /* bytes */
	uint64_t blocks; /* that are not holes, at level 0 */
	uint64_t rdev;
	uint64_t next;
	uint64_t parent; /* of a directory: that which holds it */
	uint64_t xattr; /* object with the extended attributes; 0: none */
	uint64_t entries; /* of a directory */
	uint32_t generation;
	uint8_t height;
	uint8_t zero[3];
	uint32_t nsec[VOL_TIMES];
	int64_t sec[VOL_TIMES];
	union {
		struct vol_ptr top[VOL_TOPS];
		char target[VOL_TOPS * 32]; /* of a link of <= 128 bytes */
	};
};
static_assert_size(struct vol_disk_inode, 256);

/*
 * A directory is a B+tree over its own blocks, keyed by 63 bits of the SipHash
 * of the name; block 0 is its root. The layout is dir.c's, checked like any
 * other structure when a block is loaded.
 */

struct vol_disk_segment {
	struct vol_ptr map; /* slot 0 or 1 of the segment; hole: all free */
	uint32_t free; /* slots, maps not counted */
	uint8_t zero[28];
};
static_assert_size(struct vol_disk_segment, 64);

/* What changes with every operation: in the superblock and in each record of
 * the log. */
struct vol_state {
	uint64_t sequence; /* of commits and records, from 1 */
	uint64_t free_inode; /* list; 0: none */
	uint64_t next_inode; /* numbers from here on were never used */
	uint64_t orphan; /* list; 0: none */
	uint64_t inodes; /* in use */
	uint64_t blocks; /* used slots, roughly (statfs) */
	uint64_t segments; /* count: a record may name slots in new ones */
	uint8_t zero[8];
};
static_assert_size(struct vol_state, 64);

/* 4096 bytes at offset 0 (even sequences) and 4096 (odd) of the file super. */
struct vol_disk_super {
	/* In the clear; additional data of the AEAD. */
	uint8_t magic[8]; /* "SCONCEV1" */
	uint32_t version;
	uint8_t suite; /* enum vol_suite */
	uint8_t segment_shift;
	uint8_t sealed; /* 1: an image, read-only for ever */
	uint8_t zero0;
	uint8_t uuid[VOL_UUID_SIZE];
	uint8_t salt[VOL_SALT_SIZE]; /* new with each write */
	uint32_t keys; /* which file of wrapped keys */
	uint32_t zero1;
	uint8_t tag[VOL_GCM_TAG_SIZE];
	/* Encrypted in either suite. */
	struct vol_state state;
	uint8_t previous[VOL_TAG_SIZE]; /* the volume's tag before this one */
	uint8_t hash_key[16]; /* SipHash of names in directories */
	uint64_t segments; /* count */
	uint32_t epoch; /* highest that was ever given */
	uint32_t zero2;
	struct vol_disk_inode inodes; /* VOL_OBJECT_INODES */
	struct vol_disk_inode table; /* VOL_OBJECT_SEGMENTS */
	uint8_t spare[4096 - 728];
};
static_assert_size(struct vol_disk_super, 4096);

/* Record e of the file keys: the data key of epoch e + 1. */
struct vol_disk_key {
	uint8_t salt[VOL_SALT_SIZE];
	uint8_t wrapped[VOL_KEY_SIZE];
	uint8_t tag[VOL_GCM_TAG_SIZE];
	uint32_t epoch;
	uint8_t zero[12];
};
static_assert_size(struct vol_disk_key, 96);

/*
 * A record of the intent log, at a multiple of 4096 bytes; then its body.
 * Additional data: this header with tag zeroed, and the volume's tag before
 * the record, so records authenticate only in their order.
 */
struct vol_disk_record {
	uint8_t magic[8]; /* "SCONCELG" */
	uint64_t counter;
	uint32_t epoch;
	uint32_t size; /* of the body, bytes, a multiple of 8 */
	uint8_t tag[VOL_GCM_TAG_SIZE];
};
static_assert_size(struct vol_disk_record, 40);

/* The body: struct vol_state, then entries. */
enum vol_entry_kind {
	VOL_ENTRY_PUNCH = 1, /* blocks [index, index + count) become holes */
	VOL_ENTRY_BLOCK = 2, /* followed by the 4096 bytes of the block */
	VOL_ENTRY_REF = 3, /* followed by struct vol_ptr: it is in a slot */
};

struct vol_disk_entry {
	uint32_t kind;
	uint32_t zero;
	uint64_t object;
	uint64_t index;
	uint64_t count; /* PUNCH; else 1 */
};
static_assert_size(struct vol_disk_entry, 32);
