/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A volume larger than the disk: its structures are real and complete, what
 * files hold is given slots, sealed, and then not written, so a segment is a
 * sparse file. Whatever does not read files works with it: mounting, names,
 * attributes, new files. Says how long opening takes, and what memory the open
 * and idle volume has.
 *
 *	bench-bigvolume DIR GIB FILES
 *
 * Makes DIR and, beside it, DIR.key. FILES small ones, 1,000 to a folder, come
 * first; then one of 1 GiB after the other.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/volume_dir.h"
#include "cli/volume_key.h"

enum { MIB = 1 << 20, PER_FOLDER = 1000, SEGMENTS = 1 << 16 };
#define GIB (UINT64_C(1) << 30)

static const struct volume_ops *real;
static struct volume_ops ops;
static bool discard; /* contents are being placed, and nothing else */
static uint64_t segment_size[SEGMENTS], discarded;
static size_t memory, memory_max;
static const char *directory;

static int write_some(void *ctx, struct volume_file f, uint64_t offset,
	const void *data, size_t size)
{
	if (discard && f.kind == VOLUME_FILE_SEGMENT) {
		discarded += size;
		return 0;
	}
	return real->write(ctx, f, offset, data, size);
}

/* Sparse, not with space that is really there. */
static int resize(void *ctx, struct volume_file f, uint64_t size, bool grow)
{
	static char path[4200];
	int err;

	if (f.kind != VOLUME_FILE_SEGMENT || f.number >= SEGMENTS)
		return real->resize(ctx, f, size, grow);
	if (grow && size <= segment_size[f.number])
		return 0;
	if (!segment_size[f.number]) {
		err = real->resize(ctx, f, 1, true);
		if (err)
			return err;
	}
	snprintf(path, sizeof(path), "%s/segment.%llu", directory,
		(unsigned long long)f.number);
	segment_size[f.number] = size;
	return truncate(path, (off_t)size) ? -errno : 0;
}

static void *alloc(void *ctx, size_t size)
{
	void *p = real->alloc(ctx, size);

	memory += p ? size : 0;
	if (memory > memory_max)
		memory_max = memory;
	return p;
}

static void release(void *ctx, void *p, size_t size)
{
	memory -= p ? size : 0;
	real->free(ctx, p, size);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check(int64_t err, const char *what)
{
	if (err >= 0)
		return;
	fprintf(stderr, "bench-bigvolume: %s: %s\n", what, strerror((int)-err));
	exit(1);
}

static struct volume_node *make(
	struct volume_node *dir, const char *name, uint32_t mode)
{
	struct volume_attr a = {.mode = mode};
	struct volume_node *n;

	check(volume_make(dir, name, strlen(name), &a, NULL, &n), name);
	return n;
}

static void small_files(struct volume_node *root, long files)
{
	struct volume_node *dir = NULL, *n;
	char name[32];

	for (long i = 0; i < files; i++) {
		if (i % PER_FOLDER == 0) {
			volume_put(dir);
			snprintf(name, sizeof(name), "folder%ld",
				i / PER_FOLDER);
			dir = make(root, name, 0040755);
		}
		snprintf(name, sizeof(name), "file%ld", i);
		n = make(dir, name, 0100644);
		check(volume_write(n, 0, name, sizeof(name)), name);
		volume_put(n);
	}
	volume_put(dir);
}

/* Commits lie between the bulk writes, so that these dirty no more than what
 * the volume places as it goes. */
static void big_files(struct volume *v, struct volume_node *root, long gib)
{
	uint8_t *data = calloc(1, MIB);
	char name[32];

	check(data ? 0 : -ENOMEM, "memory");
	for (long i = 0; i < gib; i++) {
		struct volume_node *n;

		snprintf(name, sizeof(name), "big%ld", i);
		n = make(root, name, 0100644);
		discard = true;
		for (uint64_t at = 0; at < GIB; at += MIB)
			check(volume_write(n, at, data, MIB), name);
		discard = false;
		volume_put(n);
		check(volume_commit(v), "commit");
	}
	free(data);
}

static void say_usage(struct volume *v)
{
	struct volume_usage u;

	volume_usage(v, &u);
	printf("%.1f GiB in blocks, %llu files, %.1f GiB of segments, %.1f GiB "
	       "of contents not kept\n",
		(double)((u.blocks - u.free) * u.block_size) / (double)GIB,
		(unsigned long long)u.inodes, (double)u.host_size / (double)GIB,
		(double)discarded / (double)GIB);
}

static void measure(const struct volume_env *env, const uint8_t *key)
{
	struct volume_expect expect = {.any = true};
	struct volume_node *root;
	struct volume *v;
	struct err e = {0};
	double start;

	memory = memory_max = 0;
	start = now();
	check(volume_open(env, key, 0, &expect, &v, &e), e.text);
	check(volume_get(v, VOL_OBJECT_ROOT, &root), "root");
	printf("opened in %.2f ms, %.2f MiB of memory, %.2f at most\n",
		(now() - start) * 1e3, (double)memory / MIB,
		(double)memory_max / MIB);
	/* The first change reads the table of segments. */
	start = now();
	volume_put(make(root, "one more", 0100644));
	check(volume_commit(v), "commit");
	printf("a first file committed in %.2f ms\n", (now() - start) * 1e3);
	check(volume_tick(v, 0), "tick");
	printf("idle: %.2f MiB, %.2f at most\n", (double)memory / MIB,
		(double)memory_max / MIB);
	volume_put(root);
	check(volume_close(v), "close");
}

int main(int argc, char **argv)
{
	struct volume_params params = {
		.suite = VOL_ENCRYPTED, .root_mode = 0755};
	uint8_t key[VOL_KEY_SIZE], tag[VOL_TAG_SIZE];
	struct volume_expect expect = {.any = true};
	struct volume_node *root;
	struct volume_dir *dir;
	struct volume_env env;
	struct volume *v;
	static char path[4096];
	struct err e = {0};

	if (argc != 4) {
		fprintf(stderr, "usage: bench-bigvolume DIR GIB FILES\n");
		return 2;
	}
	directory = argv[1];
	snprintf(path, sizeof(path), "%s.key", directory);
	check(volume_key_make(path, key, &e), e.text);
	check(volume_dir_open(directory, VOLUME_DIR_CREATE, &dir, &e), e.text);
	/* As large as an enclave's. */
	env = volume_dir_env(dir, 256 * MIB);
	real = env.ops;
	ops = *real;
	ops.write = write_some;
	ops.resize = resize;
	ops.alloc = alloc;
	ops.free = release;
	env.ops = &ops;
	check(volume_create(&env, &params, key, tag, &e), e.text);
	check(volume_open(&env, key, 0, &expect, &v, &e), e.text);
	check(volume_get(v, VOL_OBJECT_ROOT, &root), "root");
	small_files(root, atol(argv[3]));
	check(volume_commit(v), "commit");
	big_files(v, root, atol(argv[2]));
	volume_put(root);
	say_usage(v);
	check(volume_close(v), "close");
	measure(&env, key);
	volume_dir_close(dir);
	return 0;
}
