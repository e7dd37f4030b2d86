/* SPDX-License-Identifier: Apache-2.0 */
/* See volume_fixture.h. */
#include "test/unit/volume_fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

static const uint8_t key[VOL_KEY_SIZE] = {1, 2, 3};
int fixture_error;

static void open_it(struct fixture *f)
{
	struct volume_env env = volume_backend_env(f->host, f->cache_size);
	struct volume_expect expect = volume_backend_expect(f->host);

	assert_int_equal(volume_open(&env, key, 0, &expect, &f->v, NULL), 0);
	assert_int_equal(volume_get(f->v, VOL_OBJECT_ROOT, &f->root), 0);
}

void fixture_init(struct fixture *f, uint64_t seed, size_t cache_size)
{
	struct volume_params params = {
		.suite = VOL_ENCRYPTED, .segment_shift = 10, .root_mode = 0755};
	struct volume_env env;
	uint8_t tag[VOL_TAG_SIZE];

	*f = (struct fixture){.cache_size = cache_size};
	f->host = volume_backend_new(seed);
	env = volume_backend_env(f->host, cache_size);
	assert_int_equal(volume_create(&env, &params, key, tag, NULL), 0);
	open_it(f);
}

static void close_it(struct fixture *f)
{
	volume_put(f->root);
	assert_int_equal(volume_close(f->v), 0);
	assert_int_equal(f->host->memory, 0);
}

void fixture_reopen(struct fixture *f)
{
	close_it(f);
	open_it(f);
}

void fixture_fini(struct fixture *f)
{
	close_it(f);
	volume_backend_free(f->host);
}

struct volume_node *fixture_make(
	struct volume_node *dir, const char *name, uint32_t mode)
{
	struct volume_attr a = {.mode = mode, .uid = 1, .gid = 2, .rdev = 3};
	struct volume_node *n;

	fixture_error = volume_make(dir, name, strlen(name), &a, "target", &n);
	return fixture_error ? NULL : n;
}

struct volume_node *fixture_look(struct volume_node *dir, const char *name)
{
	struct volume_node *n;

	fixture_error = volume_lookup(dir, name, strlen(name), &n);
	return fixture_error ? NULL : n;
}

int fixture_touch(struct volume_node *dir, const char *name, uint32_t mode)
{
	volume_put(fixture_make(dir, name, mode));
	return fixture_error;
}

int fixture_find(struct volume_node *dir, const char *name)
{
	volume_put(fixture_look(dir, name));
	return fixture_error;
}

int fixture_unlink(struct volume_node *dir, const char *name)
{
	return volume_unlink(dir, name, strlen(name), false);
}

int fixture_rmdir(struct volume_node *dir, const char *name)
{
	return volume_unlink(dir, name, strlen(name), true);
}

int fixture_rename(struct volume_node *from_dir, const char *from,
	struct volume_node *to_dir, const char *to, unsigned flags)
{
	return volume_rename(
		from_dir, from, strlen(from), to_dir, to, strlen(to), flags);
}

int fixture_link(
	struct volume_node *n, struct volume_node *dir, const char *name)
{
	return volume_link(n, dir, name, strlen(name));
}

uint64_t fixture_size(const struct volume_node *n)
{
	struct volume_attr a;

	volume_getattr(n, &a);
	return a.size;
}

int fixture_resize(struct volume_node *n, uint64_t size)
{
	struct volume_attr a = {.size = size};

	return volume_setattr(n, VOLUME_SET_SIZE, &a);
}

uint64_t fixture_seed(uint64_t seed)
{
	const char *s = getenv("SEED");

	if (s)
		seed = strtoull(s, NULL, 0);
	print_message("SEED=%" PRIu64 "\n", seed);
	return seed;
}
