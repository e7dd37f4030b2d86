/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes used by several threads at once, as the kernel uses them: one lock
 * of the caller, given up wherever the library's interface says it may be. The
 * cache is far too small, records and commits are made all the time, and in
 * the end everything is as each thread left it, also after a loss of power.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/unit.h"
#include "test/unit/volume_backend.h"

enum { THREADS = 4, FILES = 6, ROUNDS = 250, SIZE = 96 * 1024 };

static pthread_mutex_t big = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t disk = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t woken = PTHREAD_COND_INITIALIZER;

static const uint8_t key[VOL_KEY_SIZE] = {7};

/* ---- operations that give up the lock ---- */

static void leave(void)
{
	pthread_mutex_unlock(&big);
	sched_yield();
	pthread_mutex_lock(&disk);
}

static int back(int err)
{
	pthread_mutex_unlock(&disk);
	sched_yield();
	pthread_mutex_lock(&big);
	return err;
}

static int op_read(void *ctx, struct volume_file f, uint64_t offset, void *data,
	size_t size)
{
	leave();
	return back(volume_backend_ops.read(ctx, f, offset, data, size));
}

static int op_write(void *ctx, struct volume_file f, uint64_t offset,
	const void *data, size_t size)
{
	leave();
	return back(volume_backend_ops.write(ctx, f, offset, data, size));
}

static int op_flush(void *ctx, struct volume_file f)
{
	leave();
	return back(volume_backend_ops.flush(ctx, f));
}

static int op_resize(void *ctx, struct volume_file f, uint64_t size, bool grow)
{
	leave();
	return back(volume_backend_ops.resize(ctx, f, size, grow));
}

static int op_remove(void *ctx, struct volume_file f)
{
	leave();
	return back(volume_backend_ops.remove(ctx, f));
}

static int op_tag_push(void *ctx, const uint8_t from[VOL_TAG_SIZE],
	const uint8_t to[VOL_TAG_SIZE], bool durable)
{
	leave();
	return back(volume_backend_ops.tag_push(ctx, from, to, durable));
}

/* These do not sleep, but the host in memory has no lock of its own. */
static int op_random(void *ctx, void *data, size_t size)
{
	int err;

	pthread_mutex_lock(&disk);
	err = volume_backend_ops.random(ctx, data, size);
	pthread_mutex_unlock(&disk);
	return err;
}

static void op_now(void *ctx, int64_t *sec, uint32_t *nsec)
{
	pthread_mutex_lock(&disk);
	volume_backend_ops.now(ctx, sec, nsec);
	pthread_mutex_unlock(&disk);
}

static void *op_alloc(void *ctx, size_t size)
{
	void *p;

	pthread_mutex_lock(&disk);
	p = volume_backend_ops.alloc(ctx, size);
	pthread_mutex_unlock(&disk);
	return p;
}

static void op_free(void *ctx, void *p, size_t size)
{
	pthread_mutex_lock(&disk);
	volume_backend_ops.free(ctx, p, size);
	pthread_mutex_unlock(&disk);
}

static void op_wait(void *ctx, const void *on)
{
	pthread_cond_wait(&woken, &big);
}

static void op_wake(void *ctx, const void *on)
{
	pthread_cond_broadcast(&woken);
}

static void op_crypto_begin(void *ctx)
{
	pthread_mutex_unlock(&big);
	sched_yield();
}

static void op_crypto_end(void *ctx)
{
	pthread_mutex_lock(&big);
}

static const struct volume_ops ops = {
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.resize = op_resize,
	.remove = op_remove,
	.tag_push = op_tag_push,
	.random = op_random,
	.now = op_now,
	.alloc = op_alloc,
	.free = op_free,
	.wait = op_wait,
	.wake = op_wake,
	.crypto_begin = op_crypto_begin,
	.crypto_end = op_crypto_end,
};

/* ---- one thread's files ---- */

struct worker {
	pthread_t thread;
	struct volume *v;
	struct volume_node *dir;
	uint64_t seed;
	unsigned number;
	bool there[FILES];
	size_t size[FILES];
	uint8_t *data[FILES], *buffer;
	const char *failed; /* what did not hold */
	int error;
};

static uint32_t luck(struct worker *w, uint32_t n)
{
	return (uint32_t)(volume_backend_random(&w->seed) % n);
}

static bool check(struct worker *w, bool ok, const char *what, int64_t error)
{
	if (!ok && !w->failed) {
		w->failed = what;
		w->error = (int)error;
	}
	return ok;
}

static size_t name_of(const struct worker *w, unsigned i, char name[32])
{
	return (size_t)snprintf(name, 32, "thread-%u-file-%u", w->number, i);
}

static struct volume_node *get(struct worker *w, unsigned i)
{
	struct volume_node *n = NULL;
	char name[32];
	int err = volume_lookup(w->dir, name, name_of(w, i, name), &n);

	check(w, err == (w->there[i] ? 0 : -ENOENT), "lookup", err);
	return err ? NULL : n;
}

static void do_write(struct worker *w, unsigned i)
{
	struct volume_attr a = {.mode = 0100600};
	struct volume_node *n = get(w, i);
	size_t offset = luck(w, SIZE),
	       size = 1 + luck(w, SIZE - (uint32_t)offset);
	char name[32];
	int64_t done;

	if (luck(w, 2))
		size = u64_min(size, 5000);
	if (!n) {
		done = volume_make(
			w->dir, name, name_of(w, i, name), &a, NULL, &n);
		if (!check(w, done == 0, "make", done))
			return;
		w->there[i] = true;
		w->size[i] = 0;
		memset(w->data[i], 0, SIZE);
	}
	for (size_t k = 0; k < size; k++)
		w->data[i][offset + k] = (uint8_t)(w->seed >> (k % 7 * 8));
	done = volume_write(n, offset, w->data[i] + offset, size);
	check(w, done == (int64_t)size, "write", done);
	w->size[i] = u64_max(w->size[i], offset + size);
	volume_put(n);
}

static void do_read(struct worker *w, unsigned i)
{
	struct volume_node *n = get(w, i);
	int64_t done;

	if (!n)
		return;
	done = volume_read(n, 0, w->buffer, SIZE);
	if (check(w, done == (int64_t)w->size[i], "read", done))
		check(w, !memcmp(w->buffer, w->data[i], w->size[i]), "contents",
			i);
	volume_put(n);
}

static void do_unlink(struct worker *w, unsigned i)
{
	char name[32];
	int err;

	if (!w->there[i])
		return;
	err = volume_unlink(w->dir, name, name_of(w, i, name), false);
	check(w, err == 0, "unlink", err);
	w->there[i] = false;
}

static void do_truncate(struct worker *w, unsigned i)
{
	struct volume_node *n = get(w, i);
	struct volume_attr a = {.size = luck(w, SIZE)};
	int err;

	if (!n)
		return;
	err = volume_setattr(n, VOLUME_SET_SIZE, &a);
	check(w, err == 0, "truncate", err);
	if (a.size < w->size[i])
		memset(w->data[i] + a.size, 0, SIZE - a.size);
	w->size[i] = a.size;
	volume_put(n);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	pthread_mutex_lock(&big);
	for (unsigned round = 0; round < ROUNDS && !w->failed; round++) {
		unsigned i = luck(w, FILES);
		int err = 0;

		switch (luck(w, 16)) {
		case 0:
			do_unlink(w, i);
			break;
		case 1:
		case 2:
			do_truncate(w, i);
			break;
		case 3:
		case 4:
			err = volume_sync(w->v);
			break;
		case 5:
			err = luck(w, 4) ? volume_tick(w->v, luck(w, 1000))
					 : volume_commit(w->v);
			break;
		case 6:
		case 7:
		case 8:
		case 9:
			do_read(w, i);
			break;
		default:
			do_write(w, i);
		}
		check(w, err == 0, "sync, tick or commit", err);
	}
	for (unsigned i = 0; i < FILES && !w->failed; i++)
		do_read(w, i);
	pthread_mutex_unlock(&big);
	return NULL;
}

/* ---- the test ---- */

static struct volume *open_at(struct volume_backend *b, size_t cache)
{
	struct volume_env env = volume_backend_env(b, cache);
	struct volume_expect expect = volume_backend_expect(b);
	struct volume *v = NULL;
	struct err err;
	int result;

	env.ops = &ops;
	result = volume_open(&env, key, 0, &expect, &v, &err);
	if (result)
		fail_msg("open: %s", err.text);
	return v;
}

static void look_again(struct worker *w, struct volume *v, const char *when)
{
	assert_int_equal(volume_get(v, VOL_OBJECT_ROOT, &w->dir), 0);
	w->v = v;
	for (unsigned i = 0; i < FILES; i++) {
		struct volume_node *n;

		do_read(w, i);
		n = get(w, i);
		volume_put(n);
	}
	volume_put(w->dir);
	if (w->failed)
		fail_msg("%s, thread %u: %s (%d)", when, w->number, w->failed,
			w->error);
}

static void run(uint64_t seed, size_t cache, enum vol_suite suite)
{
	struct volume_backend *b = volume_backend_new(seed);
	struct volume_env env = volume_backend_env(b, cache);
	struct volume_params p = {
		.suite = suite, .segment_shift = 8, .root_mode = 0755};
	struct worker w[THREADS] = {0};
	uint8_t tag[VOL_TAG_SIZE];
	struct volume_node *root;
	struct volume *v;

	pthread_mutex_lock(&big);
	env.ops = &ops;
	assert_int_equal(volume_create(&env, &p, key, tag, NULL), 0);
	v = open_at(b, cache);
	assert_int_equal(volume_get(v, VOL_OBJECT_ROOT, &root), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		w[i].v = v;
		w[i].dir = root;
		w[i].seed = seed * 100 + i;
		w[i].number = i;
		w[i].buffer = malloc(SIZE);
		for (unsigned k = 0; k < FILES; k++)
			w[i].data[k] = calloc(1, SIZE);
		assert_int_equal(
			pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	pthread_mutex_unlock(&big);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		if (w[i].failed)
			fail_msg("seed %lu, thread %u: %s (%d)",
				(unsigned long)seed, i, w[i].failed,
				w[i].error);
	}
	pthread_mutex_lock(&big);
	assert_int_equal(volume_sync(v), 0);
	volume_put(root);
	/* The power goes: nothing that close would write arrives. */
	b->crash_at = b->changes + 1;
	(void)volume_close(v);
	assert_int_equal(b->memory_count, 0);
	volume_backend_crash(b, seed);
	v = open_at(b, cache);
	for (unsigned i = 0; i < THREADS; i++)
		look_again(&w[i], v, "after the crash");
	assert_int_equal(volume_close(v), 0);
	v = open_at(b, cache);
	for (unsigned i = 0; i < THREADS; i++) {
		look_again(&w[i], v, "after closing");
		for (unsigned k = 0; k < FILES; k++)
			free(w[i].data[k]);
		free(w[i].buffer);
	}
	assert_int_equal(volume_close(v), 0);
	pthread_mutex_unlock(&big);
	volume_backend_free(b);
}

/* ---- the power goes while all of them are at it ---- */

enum { WHOLE = 8 * VOL_BLOCK_SIZE }; /* one change */

struct writer {
	pthread_t thread;
	struct volume *v;
	struct volume_node *root;
	unsigned number;
	uint64_t tried, synced; /* versions */
};

static void *write_versions(void *arg)
{
	struct writer *w = arg;
	struct volume_attr a = {.mode = 0100600};
	struct volume_node *n = NULL;
	uint64_t *data = malloc(WHOLE);
	char name[8];
	int err, size = snprintf(name, sizeof(name), "w%u", w->number);

	pthread_mutex_lock(&big);
	err = volume_make(w->root, name, (size_t)size, &a, NULL, &n);
	for (uint64_t version = 1; !err; version++) {
		for (size_t i = 0; i < WHOLE / sizeof(*data); i++)
			data[i] = version;
		w->tried = version;
		if (volume_write(n, 0, data, WHOLE) != WHOLE)
			break;
		if (version % 3 == w->number % 3) {
			err = volume_sync(w->v);
			if (!err)
				w->synced = version;
		}
		/* More than a record should hold, and its slots. */
		if (!err && version % 5 == 0 &&
			volume_write(n, WHOLE * (1 + version % 7), data,
				WHOLE) != WHOLE)
			break;
	}
	if (n)
		volume_put(n);
	pthread_mutex_unlock(&big);
	free(data);
	return NULL;
}

static void crash_run(uint64_t seed)
{
	struct volume_backend *b = volume_backend_new(seed);
	size_t cache = seed % 2 ? 256 * 1024 : 4 * 1024 * 1024;
	struct volume_env env = volume_backend_env(b, cache);
	struct volume_params p = {.suite = VOL_ENCRYPTED, .segment_shift = 9};
	static uint64_t data[WHOLE / sizeof(uint64_t)];
	struct writer w[THREADS] = {0};
	uint8_t tag[VOL_TAG_SIZE];
	struct volume_node *root, *n;
	struct volume *v;

	pthread_mutex_lock(&big);
	env.ops = &ops;
	assert_int_equal(volume_create(&env, &p, key, tag, NULL), 0);
	v = open_at(b, cache);
	assert_int_equal(volume_get(v, VOL_OBJECT_ROOT, &root), 0);
	b->crash_at = b->changes + 1 + volume_backend_random(&seed) % 300;
	for (unsigned i = 0; i < THREADS; i++) {
		w[i].v = v;
		w[i].root = root;
		w[i].number = i;
		assert_int_equal(pthread_create(&w[i].thread, NULL,
					 write_versions, &w[i]),
			0);
	}
	pthread_mutex_unlock(&big);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(w[i].thread, NULL);
	pthread_mutex_lock(&big);
	volume_put(root);
	(void)volume_close(v);
	assert_int_equal(b->memory_count, 0);
	volume_backend_crash(b, seed);
	v = open_at(b, cache);
	assert_int_equal(volume_get(v, VOL_OBJECT_ROOT, &root), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		char name[8];
		int size = snprintf(name, sizeof(name), "w%u", i);
		int err = volume_lookup(root, name, (size_t)size, &n);

		if (err == -ENOENT) {
			assert_int_equal(w[i].synced, 0);
			continue;
		}
		assert_int_equal(err, 0);
		memset(data, 0, sizeof(data));
		assert_true(volume_read(n, 0, data, WHOLE) >= 0);
		for (size_t k = 1; k < ARRAY_SIZE(data); k++)
			assert_int_equal(data[k], data[0]);
		assert_in_range(data[0], w[i].synced, w[i].tried);
		volume_put(n);
	}
	volume_put(root);
	assert_int_equal(volume_verify(v, &(struct volume_verify){0}), 0);
	assert_int_equal(volume_close(v), 0);
	pthread_mutex_unlock(&big);
	volume_backend_free(b);
}

static void test_crash(void **state)
{
	for (uint64_t seed = 1; seed <= 40; seed++)
		crash_run(seed);
}

static void test_small_cache(void **state)
{
	for (uint64_t seed = 1; seed <= 6; seed++)
		run(seed, 256 * 1024, VOL_ENCRYPTED);
}

static void test_large_cache(void **state)
{
	for (uint64_t seed = 10; seed <= 12; seed++)
		run(seed, 16 * 1024 * 1024, VOL_ENCRYPTED);
}

static void test_authenticated(void **state)
{
	for (uint64_t seed = 20; seed <= 22; seed++)
		run(seed, 512 * 1024, VOL_AUTHENTICATED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_cache),
		cmocka_unit_test(test_large_cache),
		cmocka_unit_test(test_authenticated),
		cmocka_unit_test(test_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
