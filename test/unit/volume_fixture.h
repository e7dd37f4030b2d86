/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A volume on a host in memory, with short ways to say what tests of names and
 * files say often. Paths are relative to @dir and have one component.
 */
#pragma once

#include "test/unit/volume_backend.h"
#include "volume/volume_int.h"

struct fixture {
	struct volume_backend *host;
	struct volume *v;
	struct volume_node *root;
	size_t cache_size;
};

/* Fails the test if anything does. */
void fixture_init(struct fixture *f, uint64_t seed, size_t cache_size);
void fixture_fini(struct fixture *f); /* and nothing was leaked */
/* Closes the volume and opens it again. */
void fixture_reopen(struct fixture *f);

/* NULL: it failed, with *fixture_error. */
extern int fixture_error;
struct volume_node *fixture_make(
	struct volume_node *dir, const char *name, uint32_t mode);
struct volume_node *fixture_look(struct volume_node *dir, const char *name);
/* The same without keeping it: 0 or -errno. */
int fixture_touch(struct volume_node *dir, const char *name, uint32_t mode);
int fixture_find(struct volume_node *dir, const char *name);
int fixture_unlink(struct volume_node *dir, const char *name);
int fixture_rmdir(struct volume_node *dir, const char *name);
int fixture_rename(struct volume_node *from_dir, const char *from,
	struct volume_node *to_dir, const char *to, unsigned flags);
int fixture_link(
	struct volume_node *n, struct volume_node *dir, const char *name);
uint64_t fixture_size(const struct volume_node *n);
int fixture_resize(struct volume_node *n, uint64_t size);

/* The seed in the environment (SEED), or that one; it is printed. */
uint64_t fixture_seed(uint64_t seed);
