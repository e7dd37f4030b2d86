/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encrypted volumes: a file system in a directory of segment files that the
 * host keeps and cannot read, alter or roll back unnoticed. The layout is in
 * format.h and doc/volume-format.md; this is the library's whole interface.
 *
 * The library knows neither kernel nor host. It reaches the world through
 * struct volume_ops and runs under one lock of its caller (the kernel's big
 * lock; nothing in a program of one thread). The lock is given up only inside
 * of ops marked "sleeps", so these are the places where other threads may
 * enter the library; it copes with that.
 *
 * Functions return 0 or -errno: -EBADMSG: not authentic (wrong key, or
 * altered); -ESTALE: rolled back; -EIO, -ENOSPC, ...: the host's word;
 * -EROFS: read-only, or turned so since a flush failed; the rest as the
 * system calls of the same purpose. @err may be NULL.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"
#include "volume/format.h"

struct volume;
struct volume_node; /* a file, directory or link in memory, counted */

/* A file of the host that belongs to the volume. */
enum volume_file_kind {
	VOLUME_FILE_SUPER, /* "super" */
	VOLUME_FILE_LOG, /* "log" */
	VOLUME_FILE_KEYS, /* "keys.N" */
	VOLUME_FILE_SEGMENT, /* "segment.N" */
};

struct volume_file {
	enum volume_file_kind kind;
	uint64_t number; /* KEYS, SEGMENT; else 0 */
};

struct volume_ops {
	/* Exactly size bytes; past the end -EIO. Sleeps. The data is hostile;
	 * it was copied into trusted memory once. */
	int (*read)(void *ctx, struct volume_file f, uint64_t offset,
		void *data, size_t size);
	int (*write)(void *ctx, struct volume_file f, uint64_t offset,
		const void *data, size_t size); /* sleeps */
	/* What was written to f survives power loss. Sleeps. */
	int (*flush)(void *ctx, struct volume_file f);
	/* Makes f exist with at least (grow) or exactly (!grow) size bytes;
	 * new space is really there (-ENOSPC now, not at write). Sleeps. */
	int (*resize)(
		void *ctx, struct volume_file f, uint64_t size, bool grow);
	int (*remove)(void *ctx, struct volume_file f); /* sleeps */
	/* The state of the volume went from @from to @to. The store refuses if
	 * it does not have @from (-ESTALE: somebody else wrote). durable: it
	 * must survive power loss when this returns. NULL: no store. Sleeps. */
	int (*tag_push)(void *ctx, const uint8_t from[VOL_TAG_SIZE],
		const uint8_t to[VOL_TAG_SIZE], bool durable);
	int (*random)(void *ctx, void *data, size_t size);
	void (*now)(void *ctx, int64_t *sec, uint32_t *nsec);
	/* 16-byte aligned, cleared; NULL: no memory. */
	void *(*alloc)(void *ctx, size_t size);
	void (*free)(void *ctx, void *p, size_t size);
	/* Sleep until volume_ops.wake() of the same address. NULL in programs
	 * of one thread, which never need it. Sleeps. */
	void (*wait)(void *ctx, const void *on);
	void (*wake)(void *ctx, const void *on);
	/* Around every use of crypto/ (vector registers; not nested, no other
	 * op in between). The caller's lock may be given up in between, so
	 * these sleep. NULL: nothing to do. */
	void (*crypto_begin)(void *ctx);
	void (*crypto_end)(void *ctx);
};

struct volume_env {
	const struct volume_ops *ops;
	void *ctx;
	size_t cache_size; /* bytes of blocks kept in memory; >= 256 KiB */
};

struct volume_params {
	enum vol_suite suite;
	unsigned segment_shift; /* 0: VOL_SEGMENT_SHIFT_DEFAULT */
	uint32_t root_mode, root_uid, root_gid; /* permissions of "/" */
};

enum {
	VOLUME_READ_ONLY = 1, /* nothing is written, the log is replayed in
				 memory */
	VOLUME_RESCUE = 2, /* read-only, and damage elsewhere is passed by */
};

/* What a volume may be opened as; see ops.tag_push for what comes later. */
struct volume_expect {
	bool any; /* no protection against rollback */
	uint8_t tag[VOL_TAG_SIZE]; /* this state or one that follows it */
};

struct volume_attr {
	uint64_t ino, size, blocks, rdev; /* blocks of 512 bytes */
	uint32_t mode, nlink, uid, gid, generation;
	int64_t sec[VOL_TIMES];
	uint32_t nsec[VOL_TIMES];
};

/* Which fields volume_setattr takes over. */
enum {
	VOLUME_SET_MODE = 1,
	VOLUME_SET_UID = 2,
	VOLUME_SET_GID = 4,
	VOLUME_SET_SIZE = 8,
	VOLUME_SET_ATIME = 16,
	VOLUME_SET_MTIME = 32,
	VOLUME_KEEP_CTIME = 64, /* it was read, that is all */
};

struct volume_usage {
	uint64_t block_size, blocks, free; /* of the segments there are */
	uint64_t inodes;
	uint64_t host_size; /* bytes of all segment files */
};

/* ---- volumes (volume.c) ---- */
/* Makes an empty volume where none is (-EEXIST). */
must_check int volume_create(const struct volume_env *env,
	const struct volume_params *p, const uint8_t key[VOL_KEY_SIZE],
	uint8_t tag[VOL_TAG_SIZE], struct err *err);
/* Recovers to the last state that is whole. expect NULL: as any. */
must_check int volume_open(const struct volume_env *env,
	const uint8_t key[VOL_KEY_SIZE], unsigned flags,
	const struct volume_expect *expect, struct volume **out,
	struct err *err);
/* Commits, and frees everything but what nodes are still held (a bug). NULL is
 * fine. The error is that of the commit; the volume is gone in any case. */
int volume_close(struct volume *v);
/* Everything done so far survives: one record of the log, or a commit. */
must_check int volume_sync(struct volume *v);
/* The same by a commit: the log is empty afterwards. */
must_check int volume_commit(struct volume *v);
/* The state as of the last sync or commit. */
void volume_tag(const struct volume *v, uint8_t tag[VOL_TAG_SIZE]);
void volume_usage(struct volume *v, struct volume_usage *u);
/* Does what is due: commits if the last one is @age ns old and something
 * changed, writes back, gives memory back. From time to time. */
int volume_tick(struct volume *v, uint64_t age);
/* New volume key: the data keys are wrapped anew, contents stay. */
must_check int volume_rekey(
	struct volume *v, const uint8_t key[VOL_KEY_SIZE], struct err *err);
/* Moves blocks out of the last segments and gives these back, and rewrites
 * blocks of epochs before the present one if @renew. Step by step:
 * 1: there is more to do; 0: done; or -errno. */
must_check int volume_compact(struct volume *v, bool renew);
/* Ends all change: an image. The tag names its contents for ever. */
must_check int volume_seal(struct volume *v, uint8_t tag[VOL_TAG_SIZE]);

/* ---- nodes ---- */
/* All of these give a reference, ended by volume_put. */
must_check int volume_get(
	struct volume *v, uint64_t ino, struct volume_node **out);
struct volume_node *volume_hold(struct volume_node *n);
/* NULL is fine. The last one of a node without names frees its blocks.
 * Sleeps. */
void volume_put(struct volume_node *n);
/* The root directory is volume_get(v, VOL_OBJECT_ROOT). */

/* @len: 1 to VOL_NAME_MAX, no '/', no NUL, not "." or "..". Attributes: mode
 * with type, uid, gid, rdev are taken. @target: of links. */
must_check int volume_lookup(struct volume_node *dir, const char *name,
	size_t len, struct volume_node **out);
must_check int volume_make(struct volume_node *dir, const char *name,
	size_t len, const struct volume_attr *a, const char *target,
	struct volume_node **out);
/* A file without a name; volume_link can give it one. */
must_check int volume_make_unnamed(struct volume *v,
	const struct volume_attr *a, struct volume_node **out);
must_check int volume_link(struct volume_node *n, struct volume_node *dir,
	const char *name, size_t len);
/* @is_dir: rmdir, else unlink. */
must_check int volume_unlink(
	struct volume_node *dir, const char *name, size_t len, bool is_dir);
/* RENAME_NOREPLACE (1) and RENAME_EXCHANGE (2) of rename(2). */
must_check int volume_rename(struct volume_node *from_dir, const char *from,
	size_t from_len, struct volume_node *to_dir, const char *to,
	size_t to_len, unsigned flags);
/* Calls add() for each entry from @cookie (0: the first) on, in a fixed
 * order; @type is that of dirents (mode >> 12), @next the cookie of the entry
 * after it. Stops when it returns nonzero, and returns that. "." and ".." are
 * not among them; cookies are 0 or from 16 to 2^63 - 1, so there is room for
 * them. add() may sleep, but must not call anything for @dir. */
typedef int volume_dirent_fn(void *arg, const char *name, size_t len,
	uint64_t ino, uint32_t type, uint64_t next);
must_check int volume_readdir(struct volume_node *dir, uint64_t cookie,
	volume_dirent_fn *add, void *arg);
/* Number of the directory that holds this one. */
uint64_t volume_parent(const struct volume_node *dir);

struct volume *volume_of(const struct volume_node *n);
void volume_getattr(const struct volume_node *n, struct volume_attr *a);
must_check int volume_setattr(
	struct volume_node *n, unsigned valid, const struct volume_attr *a);
/* The whole length, of which at most @size bytes were stored. */
must_check int64_t volume_readlink(
	struct volume_node *n, char *target, size_t size);

/* Bytes done, less only at the end of the file or after an error. */
must_check int64_t volume_read(
	struct volume_node *n, uint64_t offset, void *data, size_t size);
must_check int64_t volume_write(
	struct volume_node *n, uint64_t offset, const void *data, size_t size);
/* The same in pieces of at most a block: copy() takes @data's @size bytes out
 * (read) or fills them (write); if it fails the transfer ends there. Sleeps
 * wherever copy() does; it must not change this volume. */
typedef int volume_copy_fn(void *arg, void *data, size_t size);
must_check int64_t volume_read_by(struct volume_node *n, uint64_t offset,
	size_t size, volume_copy_fn *copy, void *arg);
must_check int64_t volume_write_by(struct volume_node *n, uint64_t offset,
	size_t size, volume_copy_fn *copy, void *arg);
/* Zeros; the size stays. */
must_check int volume_punch(
	struct volume_node *n, uint64_t offset, uint64_t size);
/* The next offset with data (or a hole) from @offset on; -ENXIO: none. */
must_check int64_t volume_seek(
	struct volume_node *n, uint64_t offset, bool hole);

/* Names are up to 255 bytes, values up to 64 KiB. As getxattr(2). */
must_check int64_t volume_xattr_get(
	struct volume_node *n, const char *name, void *value, size_t size);
must_check int volume_xattr_set(struct volume_node *n, const char *name,
	const void *value, size_t size, int flags);
must_check int64_t volume_xattr_list(
	struct volume_node *n, char *names, size_t size);
must_check int volume_xattr_remove(struct volume_node *n, const char *name);

/* ---- verification (verify.c) ---- */
struct volume_verify {
	/* path is of the file that is damaged, or NULL: of the volume. */
	void (*damaged)(void *arg, const char *path, const char *what);
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
	uint64_t blocks, files, damages; /* results */
};
/* Reads and checks every block and every structure. 0, or -EBADMSG if
 * something is damaged. */
must_check int volume_verify(struct volume *v, struct volume_verify *how);
