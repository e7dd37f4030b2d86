/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host in memory for the tests of volumes: struct volume_ops over arrays of
 * bytes, with power that fails and disks that break.
 *
 * What is not flushed yet is kept apart. When power fails the disk holds all
 * that was flushed and any subset of the rest, each write torn at its sectors
 * of 512 bytes; the existence and the size of a file count as writes to it.
 * (Order needs no care: a subset with torn sectors gives every state that
 * reordered writes can leave.)
 *
 * Everything is repeatable: it follows from seeds.
 */
#pragma once

#include "volume/volume.h"

enum volume_backend_op {
	VOLUME_BACKEND_READ,
	VOLUME_BACKEND_WRITE,
	VOLUME_BACKEND_FLUSH,
	VOLUME_BACKEND_RESIZE,
	VOLUME_BACKEND_REMOVE,
	VOLUME_BACKEND_TAG_PUSH,
	VOLUME_BACKEND_ALLOC,
	VOLUME_BACKEND_OPS,
};

#define VOLUME_BACKEND_BIT(op) (1u << VOLUME_BACKEND_##op)
/* Those that change the disk or the store. */
#define VOLUME_BACKEND_CHANGES                                            \
	(VOLUME_BACKEND_BIT(WRITE) | VOLUME_BACKEND_BIT(FLUSH) |          \
		VOLUME_BACKEND_BIT(RESIZE) | VOLUME_BACKEND_BIT(REMOVE) | \
		VOLUME_BACKEND_BIT(TAG_PUSH))

/* Of the operations in @ops, the first @pass pass, the next @fail fail. */
struct volume_backend_fault {
	unsigned ops; /* VOLUME_BACKEND_BIT(...) | ...; 0: no fault */
	int error; /* -errno; allocations give NULL */
	uint64_t pass, fail;
};

enum { VOLUME_BACKEND_FAULTS = 4 };

struct volume_backend {
	struct volume_backend_file *files; /* of volume_backend.c */
	size_t file_count;
	uint64_t random; /* state of the generator behind ops.random, faults */
	int64_t clock; /* ns; each look at it takes 1 us */

	/* What the test asks for. */
	struct volume_backend_fault fault[VOLUME_BACKEND_FAULTS];
	uint64_t limit; /* bytes of all files, then -ENOSPC; 0: none */
	/* Power fails at this one of VOLUME_BACKEND_CHANGES, counted from 1:
	 * it may happen in part, and whatever follows fails. 0: never. */
	uint64_t crash_at;
	bool no_store; /* tag_push accepts everything and keeps nothing */
	/* Sees each operation before it is done; may be NULL. */
	void (*seen)(struct volume_backend *b, enum volume_backend_op op,
		struct volume_file f, uint64_t offset, size_t size);
	void *seen_arg;

	/* What happened. */
	bool dead; /* since crash_at */
	uint64_t count[VOLUME_BACKEND_OPS], bytes[VOLUME_BACKEND_OPS];
	uint64_t changes; /* counted for crash_at */
	uint64_t faulted; /* by fault[] and limit */
	size_t memory, memory_max; /* of ops.alloc, in use */
	size_t memory_count; /* pieces */

	/* The store of tags: the newest that it knows, and those that it may
	 * have after a loss of power: [0] is the last durable one. */
	bool tag_known;
	uint8_t tag[VOL_TAG_SIZE];
	uint8_t (*tag_maybe)[VOL_TAG_SIZE];
	size_t tag_maybe_count;
};

extern const struct volume_ops volume_backend_ops;

struct volume_backend *volume_backend_new(uint64_t seed);
/* The disk as the host sees it now, all of it flushed, and the store. No
 * faults are copied, counters start anew, the random numbers go on from @seed.
 */
struct volume_backend *volume_backend_clone(
	const struct volume_backend *b, uint64_t seed);
void volume_backend_free(struct volume_backend *b);
struct volume_env volume_backend_env(
	struct volume_backend *b, size_t cache_size);

/* Power fails (if it did not already) and comes back: one of the states that
 * the disk and the store may be in. Faults are taken away. */
void volume_backend_crash(struct volume_backend *b, uint64_t seed);
/* All of the disk as after a crash that lost nothing. */
void volume_backend_settle(struct volume_backend *b);

/* For volume_open(): what the store holds; any, if it never got a tag. */
struct volume_expect volume_backend_expect(const struct volume_backend *b);

/* The attacker's hands, uncounted. UINT64_MAX: no such file. */
uint64_t volume_backend_size(
	const struct volume_backend *b, struct volume_file f);
/* The @i-th file that exists; false: no more. */
bool volume_backend_list(
	const struct volume_backend *b, size_t i, struct volume_file *f);
/* Past the end: zeros are read; what is written makes the file longer. */
void volume_backend_peek(const struct volume_backend *b, struct volume_file f,
	uint64_t offset, void *data, size_t size);
void volume_backend_poke(struct volume_backend *b, struct volume_file f,
	uint64_t offset, const void *data, size_t size);
void volume_backend_truncate(
	struct volume_backend *b, struct volume_file f, uint64_t size);
void volume_backend_delete(struct volume_backend *b, struct volume_file f);
/* @f of @from takes the place of @f of @b (absent there: deleted). */
void volume_backend_copy(struct volume_backend *b,
	const struct volume_backend *from, struct volume_file f);

/* splitmix64: a generator whose whole state is the seed. */
static inline uint64_t volume_backend_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}
