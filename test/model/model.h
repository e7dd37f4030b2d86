/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a file system is, as simply as it can be said: the model that volumes
 * are compared with. A model is a value: it can be copied (only the contents
 * of blocks are shared, and counted), so a history is an array of models.
 *
 * Operations give 0 or an errno that POSIX allows there; where several apply,
 * all of them are put down in a set, and the volume may give any.
 */
#pragma once

#include "volume/volume.h"

enum {
	MODEL_NODES = 80,
	MODEL_ENTRIES = 96,
	MODEL_BLOCKS = 128,
	MODEL_XATTRS = 24,
	MODEL_NAMES = 72,
	MODEL_XATTR_NAMES = 5,
	MODEL_XATTR_MAX = 9000,
	MODEL_TARGET_MAX = 4000,
};

/* Errors that may be given: bit by bit, see model_error_bit. 0: success. */
typedef uint64_t model_errors;

struct model_node {
	bool used;
	uint8_t handles; /* open: lives on without names */
	bool linkable; /* without a name, and may get one */
	uint64_t ino, size, rdev;
	uint32_t mode, nlink, uid, gid, generation;
	int64_t sec[VOL_TIMES];
	uint32_t nsec[VOL_TIMES];
	int16_t parent; /* of a directory */
	uint32_t target_len;
	uint64_t target_seed;
};

struct model_block; /* 4096 bytes and their hash, counted */

struct model {
	struct model_node node[MODEL_NODES]; /* 0: the root */
	struct {
		int16_t dir, name, node;
	} entry[MODEL_ENTRIES];
	struct {
		int16_t node;
		uint64_t index;
		struct model_block *block;
	} block[MODEL_BLOCKS];
	struct {
		int16_t node, name;
		uint32_t len;
		uint64_t seed;
	} xattr[MODEL_XATTRS];
	int entries, blocks, xattrs;
};

/* ---- helpers ---- */
uint64_t model_mix(uint64_t a, uint64_t b);
/* Of 4096 bytes; 0 for zeros. */
uint64_t model_hash_block(const uint8_t *data);
uint64_t model_hash_bytes(const void *data, size_t size);
model_errors model_error_bit(int error); /* 0: unknown error */
/* Bytes that follow from @seed. */
void model_fill(uint8_t *data, size_t size, uint64_t seed);
/* A link's target: no NUL. */
void model_target(char *data, size_t size, uint64_t seed);
const char *model_name(int name, size_t *len);
const char *model_xattr_name(int name);
int model_name_find(const char *name, size_t len); /* or -1 */

/* ---- states ---- */
void model_init(struct model *m); /* an empty root; attributes by refresh */
void model_copy(struct model *to, const struct model *from); /* to: no model */
void model_free(struct model *m);
/* Of all that is reachable from the root. */
uint64_t model_digest(const struct model *m);
unsigned model_count(const struct model *m); /* nodes with names or handles */
void model_print(const struct model *m);

/* The parts of a digest, for whoever computes that of a volume. */
uint64_t model_digest_entry(
	uint64_t dir, const char *name, size_t len, uint64_t ino);
/* Directories: size and blocks do not count. */
uint64_t model_digest_attr(const struct volume_attr *a);
uint64_t model_digest_block(uint64_t ino, uint64_t index, uint64_t hash);
uint64_t model_digest_xattr(
	uint64_t ino, const char *name, const void *value, size_t size);
uint64_t model_digest_target(uint64_t ino, const char *target, size_t size);

/* ---- operations on nodes, which are numbers ---- */
int model_lookup(const struct model *m, int dir, int name); /* or -1 */
bool model_full(const struct model *m); /* no room for one more of anything */
unsigned model_block_count(const struct model *m, int node);
/* The node takes what the volume says where the model has no opinion: times,
 * numbers, the ino of a new one. */
void model_refresh(struct model *m, int node, const struct volume_attr *a);
void model_unhandle(struct model *m, int node);

/* Errors that a call must give (0: it must succeed), and its effect if it
 * succeeds; *node of make is the new node. */
model_errors model_make(struct model *m, int dir, int name,
	const struct volume_attr *a, uint64_t target_seed, uint32_t target_len,
	int *node);
int model_make_unnamed(struct model *m, const struct volume_attr *a);
model_errors model_link(struct model *m, int node, int dir, int name);
model_errors model_unlink(struct model *m, int dir, int name, bool is_dir);
model_errors model_rename(struct model *m, int from_dir, int from, int to_dir,
	int to, unsigned flags);
/* False: the model has no room for it, nothing was done. */
bool model_write(struct model *m, int node, uint64_t offset,
	const uint8_t *data, size_t size);
void model_truncate(struct model *m, int node, uint64_t size);
void model_punch(struct model *m, int node, uint64_t offset, uint64_t size);
void model_read(const struct model *m, int node, uint64_t offset, uint8_t *data,
	size_t size);
/* Of the first data (or hole) from @offset on; -ENXIO. */
int64_t model_seek(const struct model *m, int node, uint64_t offset, bool hole);
model_errors model_xattr_set(struct model *m, int node, int name, uint64_t seed,
	uint32_t len, int flags);
model_errors model_xattr_remove(struct model *m, int node, int name);
int model_xattr_find(const struct model *m, int node, int name);
