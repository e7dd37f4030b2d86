/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many tasks in one volume: wherever the library may sleep, another one goes
 * on, chosen by a seed. No task may hang, see a state in between, or leave
 * links, lists and blocks that do not fit.
 */
#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <ucontext.h>

#include "test/unit/volume_fixture.h"
#include "unit.h"
#include "volume/core.h"

enum {
	TASKS = 6,
	STEPS = 400,
	STACK = 256 * 1024,
	OWN = 40000, /* bytes of a task's own file */
	ROUNDS = 12,
	PIVOT = 9000,
	FEW = 8, /* blocks in memory that nobody uses */
};

struct task {
	ucontext_t context;
	void *stack;
	const void *waits;
	bool done;
	unsigned number;
	uint8_t own[OWN];
	uint64_t own_size;
};

struct world {
	struct volume_backend *host;
	struct volume *v;
	struct volume_node *root;
	struct task task[TASKS], *running;
	ucontext_t scheduler;
	uint64_t random;
	unsigned sleeps;
	void (*body)(struct task *t);
};

static struct world w;

static uint64_t below(uint64_t n)
{
	return volume_backend_random(&w.random) % n;
}

/* ---- tasks ---- */

static void sleep_now(void)
{
	if (!w.running)
		return;
	w.sleeps++;
	swapcontext(&w.running->context, &w.scheduler);
}

static void maybe_sleep(void)
{
	if (below(4) < 3)
		sleep_now();
}

static void schedule(void)
{
	for (;;) {
		unsigned ready[TASKS], n = 0, left = 0;

		for (unsigned i = 0; i < TASKS; i++) {
			left += !w.task[i].done;
			if (!w.task[i].done && !w.task[i].waits)
				ready[n++] = i;
		}
		if (!left)
			return;
		if (!n)
			fail_msg("%u tasks wait for each other", left);
		w.running = &w.task[ready[below(n)]];
		swapcontext(&w.scheduler, &w.running->context);
		w.running = NULL;
	}
}

/* ---- the host: the one in memory, with sleeps ---- */

static int op_read(void *ctx, struct volume_file f, uint64_t offset, void *data,
	size_t size)
{
	maybe_sleep();
	return volume_backend_ops.read(ctx, f, offset, data, size);
}

static int op_write(void *ctx, struct volume_file f, uint64_t offset,
	const void *data, size_t size)
{
	maybe_sleep();
	return volume_backend_ops.write(ctx, f, offset, data, size);
}

static int op_flush(void *ctx, struct volume_file f)
{
	maybe_sleep();
	return volume_backend_ops.flush(ctx, f);
}

static int op_resize(void *ctx, struct volume_file f, uint64_t size, bool grow)
{
	maybe_sleep();
	return volume_backend_ops.resize(ctx, f, size, grow);
}

static int op_tag_push(void *ctx, const uint8_t from[VOL_TAG_SIZE],
	const uint8_t to[VOL_TAG_SIZE], bool durable)
{
	maybe_sleep();
	return volume_backend_ops.tag_push(ctx, from, to, durable);
}

static void op_wait(void *ctx, const void *on)
{
	assert_non_null(w.running);
	w.running->waits = on;
	sleep_now();
}

static void op_wake(void *ctx, const void *on)
{
	for (unsigned i = 0; i < TASKS; i++)
		if (w.task[i].waits == on)
			w.task[i].waits = NULL;
}

static void op_crypto(void *ctx)
{
	maybe_sleep();
}

static struct volume_env env(void)
{
	static struct volume_ops ops;

	ops = volume_backend_ops;
	ops.read = op_read;
	ops.write = op_write;
	ops.flush = op_flush;
	ops.resize = op_resize;
	ops.tag_push = op_tag_push;
	ops.wait = op_wait;
	ops.wake = op_wake;
	ops.crypto_begin = op_crypto;
	return (struct volume_env){
		.ops = &ops, .ctx = w.host, .cache_size = 256 << 10};
}

/* ---- what tasks do ---- */

static const char *name(void)
{
	static const char *const names[] = {"a", "b", "c", "d", "e"};

	return names[below(ARRAY_SIZE(names))];
}

/* What others do meanwhile may make it fail, but only so. */
static int allowed(int64_t err)
{
	static const int errors[] = {ENOENT, EEXIST, ENOTEMPTY, ENOTDIR, EISDIR,
		EINVAL, EPERM, ENODATA, ENXIO};

	if (err >= 0)
		return 0;
	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++)
		if (err == -errors[i])
			return (int)err;
	fail_msg("error %lld", (long long)err);
	return (int)err;
}

/* A directory up to three levels deep: held. */
static struct volume_node *directory(void)
{
	struct volume_node *dir = volume_hold(w.root), *next;

	for (uint64_t depth = below(4); depth > 0; depth--) {
		next = fixture_look(dir, name());
		if (!next || !vol_inode_is(&next->inode, VOL_MODE_DIR)) {
			volume_put(next);
			break;
		}
		volume_put(dir);
		dir = next;
	}
	return dir;
}

static int count_one(void *arg, const char *text, size_t len, uint64_t ino,
	uint32_t type, uint64_t next)
{
	assert_true(next > *(uint64_t *)arg);
	*(uint64_t *)arg = next;
	return 0;
}

static void file_step(struct volume_node *n)
{
	uint8_t data[3000];
	uint64_t at = below(60000);

	memset(data, 'q', sizeof(data));
	switch (below(6)) {
	case 0:
		allowed(volume_write(n, at, data, sizeof(data)));
		break;
	case 1:
		allowed(volume_read(n, at, data, sizeof(data)));
		break;
	case 2:
		allowed(fixture_resize(n, at));
		break;
	case 3:
		allowed(volume_punch(n, at, 9000));
		break;
	case 4:
		allowed(volume_xattr_set(n, name(), data, below(3000), 0));
		break;
	default:
		allowed(volume_xattr_get(n, name(), data, sizeof(data)));
	}
}

static void names_step(struct volume_node *dir, struct volume_node *other)
{
	static const uint32_t modes[] = {
		VOL_MODE_FILE, VOL_MODE_DIR, VOL_MODE_DIR, VOL_MODE_LINK};
	struct volume_attr a = {.mode = VOL_MODE_FILE};
	struct volume_node *n;
	uint64_t last = 0;
	int err;

	switch (below(9)) {
	case 0:
	case 1:
		allowed(fixture_touch(dir, name(), modes[below(4)]));
		break;
	case 2:
		allowed(fixture_unlink(dir, name()));
		break;
	case 3:
		allowed(fixture_rmdir(dir, name()));
		break;
	case 4:
	case 5:
		allowed(fixture_rename(
			dir, name(), other, name(), (unsigned)below(3)));
		break;
	case 6:
		allowed(volume_readdir(dir, 0, count_one, &last));
		break;
	case 7:
		assert_int_equal(volume_make_unnamed(w.v, &a, &n), 0);
		file_step(n);
		allowed(fixture_link(n, dir, name()));
		volume_put(n);
		break;
	default:
		err = volume_lookup(dir, name(), 1, &n);
		if (allowed(err))
			break;
		allowed(fixture_link(n, other, name()));
		file_step(n);
		volume_put(n);
	}
}

/* A name that always names a whole file, and new files take it. */
static void pivot_step(struct task *t)
{
	uint8_t data[PIVOT];
	struct volume_node *n;
	char own[8];

	snprintf(own, sizeof(own), "new%u", t->number);
	if (below(2)) {
		n = fixture_make(w.root, own, VOL_MODE_FILE);
		assert_non_null(n);
		memset(data, 'A' + (int)below(26), sizeof(data));
		assert_int_equal(
			volume_write(n, 0, data, sizeof(data)), sizeof(data));
		volume_put(n);
		assert_int_equal(
			fixture_rename(w.root, own, w.root, "pivot", 0), 0);
	}
	n = fixture_look(w.root, "pivot");
	assert_non_null(n);
	assert_int_equal(volume_read(n, 0, data, sizeof(data)), sizeof(data));
	for (unsigned i = 1; i < sizeof(data); i++)
		assert_int_equal(data[i], data[0]);
	volume_put(n);
}

/* A file that nobody else changes. */
static void own_step(struct task *t)
{
	uint8_t data[OWN];
	struct volume_node *n;
	uint64_t at = below(OWN / 2), size = below(OWN / 2);
	char own[8];

	snprintf(own, sizeof(own), "own%u", t->number);
	n = fixture_look(w.root, own);
	assert_non_null(n);
	assert_int_equal(volume_read(n, 0, data, OWN), t->own_size);
	assert_memory_equal(data, t->own, t->own_size);
	if (below(3)) {
		memset(t->own + at, (int)below(256), size);
		assert_int_equal(volume_write(n, at, t->own + at, size), size);
		if (size)
			t->own_size = u64_max(t->own_size, at + size);
	} else {
		assert_int_equal(fixture_resize(n, at), 0);
		if (at < t->own_size)
			memset(t->own + at, 0, t->own_size - at);
		t->own_size = at;
	}
	volume_put(n);
}

static void step(struct task *t)
{
	struct volume_node *dir, *other;

	if (!below(10))
		vol_nodes_shrink(w.v, below(10));
	switch (below(12)) {
	case 0:
		own_step(t);
		break;
	case 1:
		pivot_step(t);
		break;
	case 2:
		if (below(4))
			assert_int_equal(volume_sync(w.v), 0);
		else
			assert_int_equal(volume_commit(w.v), 0);
		break;
	case 3:
		assert_int_equal(volume_tick(w.v, 1000), 0);
		break;
	default:
		dir = directory();
		other = directory();
		names_step(dir, other);
		volume_put(dir);
		volume_put(other);
	}
}

/* ---- two directories, each moved into the other ---- */

/* Looks up names of one letter, one after the other. NULL: not all there. */
static struct volume_node *walk(const char *path)
{
	struct volume_node *n = volume_hold(w.root), *next;

	for (; n && *path; path++) {
		next = volume_lookup(n, path, 1, &next) ? NULL : next;
		volume_put(n);
		n = next;
	}
	return n;
}

static void move(const char *from, const char *to, const char *what)
{
	struct volume_node *a = walk(from), *b = walk(to);

	if (a && b)
		allowed(volume_rename(a, what, 1, b, what, 1, 0));
	volume_put(a);
	volume_put(b);
}

static void move_step(struct task *t)
{
	bool first = t->number % 2;
	struct volume_node *a, *b;

	vol_nodes_shrink(w.v, 0);
	if (below(2))
		move(first ? "ax" : "bx", first ? "bxqym" : "axpym",
			first ? "p" : "q");
	else
		move(first ? "bxqym" : "axpym", first ? "ax" : "bx",
			first ? "p" : "q");
	a = walk("axp");
	b = walk("bxq");
	if (!a && !b) { /* between the two looks, it may have been moved */
		a = walk("axp");
		assert_true(a || (b = walk("bxq")));
	}
	volume_put(a);
	volume_put(b);
}

static void make_path(const char *path)
{
	struct volume_node *n = volume_hold(w.root), *next;

	for (; *path; path++) {
		char one[2] = {*path};

		next = fixture_make(n, one, VOL_MODE_DIR);
		assert_non_null(next);
		volume_put(n);
		n = next;
	}
	volume_put(n);
}

static void run(void)
{
	struct task *t = w.running;

	for (unsigned i = 0; i < STEPS; i++)
		w.body(t);
	t->done = true;
	for (;;)
		sleep_now();
}

/* ---- what must hold ---- */

struct census {
	struct volume_node *dir;
	uint64_t *links, files, xattrs, dirs, entries;
};

static void look_at_tree(struct volume_node *dir, struct census *all);

static int look_at_entry(void *arg, const char *text, size_t len, uint64_t ino,
	uint32_t type, uint64_t next)
{
	struct census *c = arg;
	struct volume_node *n;

	assert_int_equal(volume_get(w.v, ino, &n), 0);
	assert_int_equal(type, n->inode.mode >> 12);
	c->entries++;
	if (!c->links[ino]++) {
		c->files++;
		c->xattrs += n->inode.xattr != 0;
	}
	if (type == VOL_MODE_DIR >> 12) {
		c->dirs++;
		assert_int_equal(c->links[ino], 1);
		assert_int_equal(volume_parent(n), c->dir->object.number);
		look_at_tree(n, c);
	}
	volume_put(n);
	return 0;
}

static void look_at_tree(struct volume_node *dir, struct census *all)
{
	struct census c = {.dir = dir, .links = all->links};

	assert_int_equal(volume_readdir(dir, 0, look_at_entry, &c), 0);
	assert_int_equal(dir->inode.nlink, 2 + c.dirs);
	assert_int_equal(dir->inode.entries, c.entries);
	all->files += c.files;
	all->xattrs += c.xattrs;
}

static void damaged(void *arg, const char *path, const char *what)
{
	print_message("%s: %s\n", path ? path : "volume", what);
}

static void check(void)
{
	struct volume_verify how = {.damaged = damaged};
	struct census all = {0};

	all.links = calloc(w.v->state.next_inode, sizeof(all.links[0]));
	assert_non_null(all.links);
	look_at_tree(w.root, &all);
	assert_int_equal(w.v->state.orphan, 0);
	assert_int_equal(w.v->state.inodes, 1 + all.files + all.xattrs);
	for (uint64_t i = 3; i < w.v->state.next_inode; i++) {
		struct volume_node *n;

		if (!all.links[i])
			continue;
		assert_int_equal(volume_get(w.v, i, &n), 0);
		if (!vol_inode_is(&n->inode, VOL_MODE_DIR))
			assert_int_equal(n->inode.nlink, all.links[i]);
		volume_put(n);
	}
	free(all.links);
	assert_int_equal(volume_commit(w.v), 0);
	assert_int_equal(volume_verify(w.v, &how), 0);
}

static void open_it(const uint8_t key[VOL_KEY_SIZE])
{
	struct volume_expect expect = volume_backend_expect(w.host);
	struct volume_env e = env();

	assert_int_equal(volume_open(&e, key, 0, &expect, &w.v, NULL), 0);
	assert_int_equal(volume_get(w.v, VOL_OBJECT_ROOT, &w.root), 0);
}

static void close_it(void)
{
	volume_put(w.root);
	assert_int_equal(volume_close(w.v), 0);
	assert_int_equal(w.host->memory, 0);
}

static void start(struct task *t, unsigned number)
{
	uint8_t data[PIVOT];
	struct volume_node *n;
	char own[8];

	*t = (struct task){.number = number, .stack = malloc(STACK)};
	assert_non_null(t->stack);
	snprintf(own, sizeof(own), "own%u", number);
	assert_int_equal(fixture_touch(w.root, own, VOL_MODE_FILE), 0);
	if (!number) {
		n = fixture_make(w.root, "pivot", VOL_MODE_FILE);
		memset(data, 'A', sizeof(data));
		assert_int_equal(
			volume_write(n, 0, data, sizeof(data)), sizeof(data));
		volume_put(n);
	}
	getcontext(&t->context);
	t->context.uc_stack.ss_sp = t->stack;
	t->context.uc_stack.ss_size = STACK;
	makecontext(&t->context, run, 0);
}

static void one_round(uint64_t seed, void (*body)(struct task *t))
{
	static const uint8_t key[VOL_KEY_SIZE] = {1};
	struct volume_params params = {
		.suite = VOL_ENCRYPTED, .segment_shift = 10, .root_mode = 0755};
	uint8_t tag[VOL_TAG_SIZE];
	struct volume_env e;

	w.random = seed;
	w.sleeps = 0;
	w.body = body;
	w.host = volume_backend_new(seed);
	e = env();
	assert_int_equal(volume_create(&e, &params, key, tag, NULL), 0);
	open_it(key);
	for (unsigned i = 0; i < TASKS; i++)
		start(&w.task[i], i);
	if (body == move_step) {
		make_path("axpym");
		make_path("bxqym");
	}
	/* Nearly everything must be read anew, and is a place to sleep. */
	if (seed % 2 || body == move_step)
		w.v->cache->limit = FEW;
	schedule();
	w.v->cache->limit = 64;
	assert_true(w.sleeps > STEPS);
	check();
	close_it();
	open_it(key);
	check();
	close_it();
	for (unsigned i = 0; i < TASKS; i++)
		free(w.task[i].stack);
	volume_backend_free(w.host);
}

static void rounds(void (*body)(struct task *t), unsigned count)
{
	uint64_t seed = fixture_seed(1);

	for (unsigned i = 0; i < count; i++) {
		print_message(
			"round of seed %llu\n", (unsigned long long)seed + i);
		one_round(seed + i, body);
	}
}

static void everything(void **state)
{
	rounds(step, ROUNDS);
}

static void no_cycles(void **state)
{
	rounds(move_step, ROUNDS / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything), cmocka_unit_test(no_cycles)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
