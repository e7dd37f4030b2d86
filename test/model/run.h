/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One case of the model checker: a volume, the model beside it, and the history
 * of what the model was after each operation. See volume_model.c.
 */
#pragma once

#include "test/model/model.h"
#include "test/unit/volume_backend.h"
#include "volume/volume.h"

enum { RUN_HANDLES = 6, RUN_STATES = 512 };

struct run {
	uint64_t seed, random;
	bool verbose;
	struct volume_backend *b;
	struct volume *v;
	size_t cache_size;
	uint8_t key[VOL_KEY_SIZE], key2[VOL_KEY_SIZE];
	bool rekeying; /* key2 may be the key, too */
	struct model m;
	struct {
		int node;
		struct volume_node *n;
	} handle[RUN_HANDLES];
	int handles;

	/* After each change; [synced] and what follows may be found later. */
	struct model state[RUN_STATES];
	size_t states, synced;

	bool exact_blocks; /* no truncation can have been interrupted */
	uint64_t faulted; /* of the backend, before the operation */
	bool over; /* no more operations in this round */
	bool broken; /* the fault is one that the volume may end with */
	unsigned operations, crashes, replays;
};

/* Below @n. */
static inline uint64_t run_random(struct run *r, uint64_t n)
{
	return volume_backend_random(&r->random) % n;
}

void run_say(struct run *r, const char *format, ...) printf_like(2, 3);
void run_fail(struct run *r, const char *format, ...) printf_like(2, 3)
	__attribute__((noreturn));

/* ops.c: one random operation on the volume and on the model. */
void run_operation(struct run *r);
void run_handles_close(struct run *r);
/* The state after an operation is put down. */
void run_state_push(struct run *r);

/* walk.c: what a volume holds, read through its interface. -errno if it cannot
 * be read. @print: as well. */
int run_walk(struct run *r, struct volume *v, bool print, uint64_t *digest);
