/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host in memory for the tests of the volume's lower layers: files that can
 * be looked into and damaged, random numbers from a seed, and checks on the
 * order of the brackets.
 */
#pragma once

#include "volume/volume_int.h"

enum { MEMHOST_FILES = 128 };

struct memhost {
	struct {
		struct volume_file name;
		uint8_t *data;
		uint64_t size;
		unsigned writes, flushes; /* flushed: up to that write */
	} file[MEMHOST_FILES];
	uint64_t seed;
	unsigned reads;
	int fail_after; /* ops until one fails with fail_with; -1: never */
	int fail_with;
	int crypto; /* within a bracket */
	unsigned brackets;
	size_t allocated;
	int64_t clock;
	uint8_t tag[VOL_TAG_SIZE]; /* what the store has */
};

/* Without and with a store of tags. */
extern const struct volume_ops memhost_ops, memhost_tag_ops;

void memhost_init(struct memhost *h, uint64_t seed);
void memhost_fini(struct memhost *h);
/* The contents of the file of that name, or NULL. */
uint8_t *memhost_data(
	struct memhost *h, enum volume_file_kind kind, uint64_t number);
uint64_t memhost_random(struct memhost *h);
/* A volume as volume_create leaves it to the lower layers. */
void memhost_volume(struct memhost *h, struct volume *v, enum vol_suite suite,
	const uint8_t key[VOL_KEY_SIZE]);
