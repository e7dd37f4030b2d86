/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations of the model checker. Each is tried on the volume and on the
 * model; the results must agree, unless a fault was injected meanwhile: then
 * the operation may fail, but must have done nothing (or, writing, as many
 * bytes as it says).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "test/model/run.h"

enum { DATA_MAX = 24 * VOL_BLOCK_SIZE };

static uint8_t data[DATA_MAX], wanted[DATA_MAX];

/* ---- results ---- */

void run_state_push(struct run *r)
{
	if (r->states == RUN_STATES)
		run_fail(r, "too many states; make the case smaller");
	model_copy(&r->state[r->states++], &r->m);
}

/* Something was injected, so a failure is no surprise. */
static bool is_excused(struct run *r, int ret)
{
	if (r->b->dead)
		return true;
	/* Once it does not know what is on the disk, it is read-only. */
	if (r->broken && r->b->faulted > 0 && (ret == -EROFS || ret == -EIO))
		return true;
	if (r->b->faulted == r->faulted)
		return false;
	return ret == -EIO || ret == -ENOSPC || ret == -ENOMEM;
}

/* The volume is as the model is now. */
static void check_state(struct run *r)
{
	uint64_t digest, want = model_digest(&r->m);
	int ret;

	memset(r->b->fault, 0, sizeof(r->b->fault));
	ret = run_walk(r, r->v, false, &digest);
	if (ret < 0)
		run_fail(r, "unreadable after a failed operation: %d", ret);
	if (digest == want)
		return;
	printf("the volume:\n");
	(void)run_walk(r, r->v, true, &digest);
	printf("the model:\n");
	model_print(&r->m);
	run_fail(r, "after a failed operation volume and model differ");
}

/*
 * A truncation or a hole is made in steps and failed between them: the model,
 * which has all of it done, takes back what was not done.
 */
static void take_back(struct run *r, int node)
{
	struct model *before = &r->state[r->states - 1];
	uint8_t block[VOL_BLOCK_SIZE], old[VOL_BLOCK_SIZE];
	struct volume_node *n;
	struct volume_attr a;

	memset(r->b->fault, 0, sizeof(r->b->fault));
	r->exact_blocks = false;
	if (volume_get(r->v, r->m.node[node].ino, &n) < 0)
		run_fail(r, "unreadable after a failed operation");
	volume_getattr(n, &a);
	if (a.size != r->m.node[node].size) {
		model_free(&r->m);
		model_copy(&r->m, before);
	}
	for (int i = 0; i < before->blocks; i++) {
		uint64_t at = before->block[i].index * VOL_BLOCK_SIZE;

		if (before->block[i].node != node || at >= a.size)
			continue;
		memset(block, 0, sizeof(block));
		if (volume_read(n, at, block, sizeof(block)) < 0)
			run_fail(r, "unreadable after a failed operation");
		model_read(before, node, at, old, sizeof(old));
		/* Whatever is neither the old nor the new is found then. */
		if (memcmp(block, old, sizeof(old)) == 0)
			(void)model_write(&r->m, node, at, old,
				u64_min(sizeof(old), a.size - at));
	}
	model_refresh(&r->m, node, &a);
	volume_put(n);
	run_state_push(r);
}

/* Power failed when the file had its new size, and blocks were to be freed:
 * that state may be found. */
static bool was_resized(struct run *r, int node)
{
	struct volume_node *n;
	struct volume_attr a;

	if (volume_get(r->v, r->m.node[node].ino, &n) < 0)
		return false;
	volume_getattr(n, &a);
	volume_put(n);
	if (a.size != r->m.node[node].size ||
		a.size == r->state[r->states - 1].node[node].size)
		return false;
	model_refresh(&r->m, node, &a);
	return true;
}

/*
 * @errors is what the model said of the operation that it has just done.
 * True: both succeeded. @node: if it fails, it may have been done in part;
 * -1: not this one.
 */
static bool agree_in_part(struct run *r, const char *what, int64_t ret,
	model_errors errors, int node)
{
	bool bad = ret < 0 ? !(errors & model_error_bit((int)-ret))
			   : errors != 0;

	run_say(r, "  %s: %lld", what, (long long)ret);
	if (!bad) {
		if (ret >= 0)
			run_state_push(r);
		return ret >= 0;
	}
	if (ret >= 0 || !is_excused(r, (int)ret))
		run_fail(r, "%s gave %lld, the model allows errors %llx", what,
			(long long)ret, (unsigned long long)errors);
	if (node >= 0 && !r->b->dead) {
		take_back(r, node);
	} else if (node >= 0 && was_resized(r, node)) {
		run_state_push(r);
	} else {
		model_free(&r->m);
		model_copy(&r->m, &r->state[r->states - 1]);
	}
	if (r->b->dead)
		r->over = true;
	else
		check_state(r);
	return false;
}

static bool agree(
	struct run *r, const char *what, int64_t ret, model_errors errors)
{
	return agree_in_part(r, what, ret, errors, -1);
}

/* Times and the like, as the volume says, are the model's from now on. */
static void refresh(struct run *r, int node, const struct volume_node *n)
{
	struct model *state = &r->state[r->states - 1];
	const struct model_node *want = &r->m.node[node];
	struct volume_attr a;

	volume_getattr(n, &a);
	if (want->ino != 0 && want->ino != a.ino)
		run_fail(r, "inode %llu became %llu",
			(unsigned long long)want->ino,
			(unsigned long long)a.ino);
	if (a.mode != want->mode || a.nlink != want->nlink ||
		a.uid != want->uid || a.gid != want->gid ||
		a.rdev != want->rdev ||
		(!S_ISDIR(a.mode) && a.size != want->size))
		run_fail(r,
			"ino %llu: mode %o, nlink %u, uid %u, gid %u, size "
			"%llu; wanted %o, %u, %u, %u, %llu",
			(unsigned long long)a.ino, a.mode, a.nlink, a.uid,
			a.gid, (unsigned long long)a.size, want->mode,
			want->nlink, want->uid, want->gid,
			(unsigned long long)want->size);
	if (S_ISREG(a.mode)) {
		uint64_t blocks = 8ull * model_block_count(&r->m, node);

		if (r->exact_blocks ? a.blocks != blocks : a.blocks < blocks)
			run_fail(r, "ino %llu: %llu blocks, wanted %llu",
				(unsigned long long)a.ino,
				(unsigned long long)a.blocks,
				(unsigned long long)blocks);
	}
	model_refresh(&r->m, node, &a);
	model_refresh(state, node, &a);
}

/* ---- choices ---- */

static int random_node(struct run *r, uint32_t type)
{
	int start = (int)run_random(r, MODEL_NODES);

	for (int i = 0; i < MODEL_NODES; i++) {
		int node = (start + i) % MODEL_NODES;
		const struct model_node *n = &r->m.node[node];

		if (n->used && (n->nlink > 0 || n->handles > 0) &&
			(type == 0 || (n->mode & S_IFMT) == type))
			return node;
	}
	return -1;
}

/* Mostly directories with names, mostly the root. */
static int random_dir(struct run *r)
{
	int node = run_random(r, 2) ? 0 : random_node(r, S_IFDIR);

	return node;
}

/* A name that is in the directory, or any. */
static int random_name(struct run *r, int dir, bool existing)
{
	int start;

	if (existing && r->m.entries > 0) {
		start = (int)run_random(r, (uint64_t)r->m.entries);
		for (int i = 0; i < r->m.entries; i++) {
			int entry = (start + i) % r->m.entries;

			if (r->m.entry[entry].dir == dir)
				return r->m.entry[entry].name;
		}
	}
	if (run_random(r, 3) == 0)
		return (int)run_random(r, MODEL_NAMES);
	return (int)run_random(r, 10);
}

/* The node, held. NULL: it could not be got, and that was excused. */
static struct volume_node *get(struct run *r, int node)
{
	const struct model_node *want = &r->m.node[node];
	struct volume_node *n = NULL;
	int ret;

	for (int i = 0; i < r->handles; i++)
		if (r->handle[i].node == node)
			return volume_hold(r->handle[i].n);
	ret = volume_get(r->v, want->ino, &n);
	if (ret == 0)
		return n;
	if (!is_excused(r, ret))
		run_fail(r, "inode %llu cannot be got: %d",
			(unsigned long long)want->ino, ret);
	if (r->b->dead)
		r->over = true;
	return NULL;
}

static void random_attr(struct run *r, uint32_t type, struct volume_attr *a)
{
	memset(a, 0, sizeof(*a));
	a->mode = type | (uint32_t)run_random(r, 010000);
	a->uid = (uint32_t)run_random(r, 70000);
	a->gid = (uint32_t)run_random(r, 70000);
	if (type == S_IFCHR)
		a->rdev = 1 + run_random(r, 100000);
}

/* Mostly near the beginning, sometimes where trees change their height. */
static uint64_t random_offset(struct run *r)
{
	static const uint64_t edges[] = {4, 512, 512 + 128, 65536, 8388608,
		1ull << 30, 1ull << 37, 1ull << 44};
	uint64_t at = run_random(r, 9 * VOL_BLOCK_SIZE);

	if (run_random(r, 2))
		at = align_down(at, VOL_BLOCK_SIZE);
	if (run_random(r, 7) != 0)
		return at;
	return edges[run_random(r, ARRAY_SIZE(edges))] * VOL_BLOCK_SIZE + at -
		4 * VOL_BLOCK_SIZE;
}

/* ---- names ---- */

static void do_make(struct run *r)
{
	static const uint32_t types[] = {S_IFREG, S_IFREG, S_IFREG, S_IFDIR,
		S_IFDIR, S_IFLNK, S_IFCHR, S_IFIFO};
	uint32_t type = types[run_random(r, ARRAY_SIZE(types))];
	int dir = random_dir(r), node = -1;
	int name = random_name(r, dir, run_random(r, 8) == 0);
	struct volume_node *parent, *n = NULL;
	uint64_t target_seed = run_random(r, 1000000);
	uint32_t target_len = 1 +
		(uint32_t)run_random(r, run_random(r, 2) ? 130 : 3000);
	char target[MODEL_TARGET_MAX];
	struct volume_attr a;
	model_errors errors;
	size_t len;
	const char *text = model_name(name, &len);
	int ret;

	if (model_full(&r->m) || dir < 0)
		return;
	parent = get(r, dir);
	if (parent == NULL)
		return;
	random_attr(r, type, &a);
	model_target(target, target_len, target_seed);
	target[target_len] = '\0';
	run_say(r, "make in %d name %d mode %o, target %u", dir, name, a.mode,
		target_len);
	errors = model_make(
		&r->m, dir, name, &a, target_seed, target_len, &node);
	ret = volume_make(
		parent, text, len, &a, type == S_IFLNK ? target : NULL, &n);
	if (agree(r, "make", ret, errors)) {
		refresh(r, node, n);
		refresh(r, dir, parent);
		volume_put(n);
	}
	volume_put(parent);
}

static void handle_add(struct run *r, int node, struct volume_node *n)
{
	r->handle[r->handles].node = node;
	r->handle[r->handles++].n = n;
}

static void do_make_unnamed(struct run *r)
{
	struct volume_attr a;
	struct volume_node *n = NULL;
	int node, ret;

	if (model_full(&r->m) || r->handles == RUN_HANDLES)
		return;
	random_attr(r, S_IFREG, &a);
	run_say(r, "make unnamed");
	node = model_make_unnamed(&r->m, &a);
	ret = volume_make_unnamed(r->v, &a, &n);
	if (agree(r, "make unnamed", ret, 0)) {
		refresh(r, node, n);
		handle_add(r, node, n);
	}
}

static void do_link(struct run *r)
{
	int node = random_node(r, run_random(r, 4) ? S_IFREG : 0);
	int dir = random_dir(r), name;
	struct volume_node *parent, *n;
	model_errors errors;
	const char *text;
	size_t len;

	if (node < 0 || dir < 0 || model_full(&r->m))
		return;
	if (r->handles > 0 && run_random(r, 2))
		node = r->handle[run_random(r, (uint64_t)r->handles)].node;
	name = random_name(r, dir, run_random(r, 8) == 0);
	text = model_name(name, &len);
	parent = get(r, dir);
	n = parent != NULL ? get(r, node) : NULL;
	if (n != NULL) {
		run_say(r, "link %d into %d as %d", node, dir, name);
		errors = model_link(&r->m, node, dir, name);
		if (agree(r, "link", volume_link(n, parent, text, len),
			    errors)) {
			refresh(r, node, n);
			refresh(r, dir, parent);
		}
	}
	volume_put(n);
	volume_put(parent);
}

static void do_unlink(struct run *r)
{
	int dir = random_dir(r), name, node;
	struct volume_node *parent, *n = NULL;
	model_errors errors;
	const char *text;
	bool is_dir;
	size_t len;

	if (dir < 0)
		return;
	name = random_name(r, dir, run_random(r, 8) != 0);
	node = model_lookup(&r->m, dir, name);
	is_dir = node >= 0 && S_ISDIR(r->m.node[node].mode);
	if (run_random(r, 16) == 0)
		is_dir = !is_dir;
	text = model_name(name, &len);
	parent = get(r, dir);
	if (parent == NULL)
		return;
	if (node >= 0 && r->m.node[node].nlink > 1)
		n = get(r, node);
	run_say(r, "unlink in %d name %d (%d), dir %d", dir, name, node,
		is_dir);
	errors = model_unlink(&r->m, dir, name, is_dir);
	if (!r->over &&
		agree(r, "unlink", volume_unlink(parent, text, len, is_dir),
			errors)) {
		refresh(r, dir, parent);
		if (n != NULL && r->m.node[node].used)
			refresh(r, node, n);
	}
	volume_put(n);
	volume_put(parent);
}

static void do_rename(struct run *r)
{
	int from_dir = random_dir(r), to_dir = random_dir(r), from, to;
	unsigned flags = run_random(r, 4) ? 0 : (unsigned)run_random(r, 4);
	struct volume_node *a, *b = NULL, *source = NULL, *target = NULL;
	const char *from_text, *to_text;
	size_t from_len, to_len;
	model_errors errors;
	int node, over, ret;

	if (from_dir < 0 || to_dir < 0)
		return;
	from = random_name(r, from_dir, run_random(r, 8) != 0);
	to = random_name(r, to_dir, run_random(r, 2) || flags == 2);
	from_text = model_name(from, &from_len);
	to_text = model_name(to, &to_len);
	node = model_lookup(&r->m, from_dir, from);
	over = model_lookup(&r->m, to_dir, to);
	a = get(r, from_dir);
	if (a != NULL)
		b = get(r, to_dir);
	if (b != NULL && node >= 0)
		source = get(r, node);
	if (b != NULL && over >= 0)
		target = get(r, over);
	if (b == NULL || (node >= 0 && source == NULL) ||
		(over >= 0 && target == NULL))
		goto out;
	run_say(r, "rename %d/%d (%d) to %d/%d (%d), flags %u", from_dir, from,
		node, to_dir, to, over, flags);
	errors = model_rename(&r->m, from_dir, from, to_dir, to, flags);
	ret = volume_rename(a, from_text, from_len, b, to_text, to_len, flags);
	if (agree(r, "rename", ret, errors)) {
		refresh(r, from_dir, a);
		refresh(r, to_dir, b);
		refresh(r, node, source);
		if (target != NULL && r->m.node[over].used)
			refresh(r, over, target);
	}
out:
	volume_put(target);
	volume_put(source);
	volume_put(b);
	volume_put(a);
}

static void do_lookup(struct run *r)
{
	int dir = random_dir(r), name, node;
	struct volume_node *parent, *n = NULL;
	struct volume_attr a;
	const char *text;
	size_t len;
	int ret;

	if (dir < 0)
		return;
	name = random_name(r, dir, run_random(r, 2));
	text = model_name(name, &len);
	node = model_lookup(&r->m, dir, name);
	parent = get(r, dir);
	if (parent == NULL)
		return;
	if (volume_parent(parent) != r->m.node[r->m.node[dir].parent].ino &&
		r->m.node[dir].nlink > 0)
		run_fail(r, "the parent of %d is ino %llu", dir,
			(unsigned long long)volume_parent(parent));
	ret = volume_lookup(parent, text, len, &n);
	volume_put(parent);
	if (ret == 0) {
		volume_getattr(n, &a);
		if (node < 0 || a.ino != r->m.node[node].ino)
			run_fail(r, "lookup of %d/%d finds ino %llu", dir, name,
				(unsigned long long)a.ino);
		volume_put(n);
	} else if (ret != -ENOENT || node >= 0) {
		if (!is_excused(r, ret))
			run_fail(r, "lookup of %d/%d: %d", dir, name, ret);
		r->over = r->b->dead;
	}
}

/* ---- handles ---- */

static void do_open(struct run *r)
{
	int node = random_node(r, run_random(r, 4) ? S_IFREG : 0);
	struct volume_node *n;

	if (node < 0 || r->handles == RUN_HANDLES)
		return;
	n = get(r, node);
	if (n == NULL)
		return;
	run_say(r, "open %d", node);
	r->m.node[node].handles++;
	handle_add(r, node, n);
	run_state_push(r);
}

static void handle_close(struct run *r, int i)
{
	struct volume_node *n = r->handle[i].n;
	int node = r->handle[i].node;

	r->handle[i] = r->handle[--r->handles];
	run_say(r, "close %d", node);
	volume_put(n);
	model_unhandle(&r->m, node);
}

static void do_close(struct run *r)
{
	if (r->handles == 0)
		return;
	handle_close(r, (int)run_random(r, (uint64_t)r->handles));
	run_state_push(r);
	r->over = r->b->dead;
}

void run_handles_close(struct run *r)
{
	while (r->handles > 0)
		handle_close(r, 0);
}

/* ---- contents ---- */

struct pieces {
	const uint8_t *from;
	uint8_t *to;
	size_t left; /* bytes until it fails */
};

static int copy_in(void *arg, void *out, size_t size)
{
	struct pieces *p = arg;

	if (size > p->left)
		return -EFAULT;
	memcpy(out, p->from, size);
	p->from += size;
	p->left -= size;
	return 0;
}

static int copy_out(void *arg, void *in, size_t size)
{
	struct pieces *p = arg;

	if (size > p->left)
		return -EFAULT;
	memcpy(p->to, in, size);
	p->to += size;
	p->left -= size;
	return 0;
}

static size_t random_size(struct run *r)
{
	switch (run_random(r, 8)) {
	case 0:
		return run_random(r, DATA_MAX);
	case 1:
	case 2:
		return VOL_BLOCK_SIZE * (1 + run_random(r, 3));
	case 3:
		return run_random(r, 3 * VOL_BLOCK_SIZE);
	default:
		return run_random(r, 300);
	}
}

static void do_write(struct run *r)
{
	int node = random_node(r, S_IFREG);
	uint64_t offset = random_offset(r);
	size_t size = random_size(r);
	struct pieces p = {.from = data, .left = size};
	bool by = run_random(r, 3) == 0, cut = false;
	struct volume_node *n;
	int64_t ret;

	if (node < 0)
		return;
	if (run_random(r, 4) == 0)
		offset = r->m.node[node].size; /* append */
	if (offset + size > INT64_MAX)
		return;
	if (r->m.blocks + (int)(size / VOL_BLOCK_SIZE) + 2 > MODEL_BLOCKS)
		return;
	/* More than this is written in several steps. */
	if (by)
		p.left = size = u64_min(size, 15 * VOL_BLOCK_SIZE);
	n = get(r, node);
	if (n == NULL)
		return;
	if (by && run_random(r, 4) == 0) {
		p.left = run_random(r, size + 1);
		cut = true;
	}
	model_fill(data, size, run_random(r, 1000000));
	run_say(r, "write %d at %llu, %zu bytes%s", node,
		(unsigned long long)offset, size, cut ? ", cut" : "");
	ret = by ? volume_write_by(n, offset, size, copy_in, &p)
		 : volume_write(n, offset, data, size);
	if (cut && ret == -EFAULT && p.left < size)
		ret = 0;
	if (ret > 0 && (size_t)ret > size)
		run_fail(
			r, "more written than asked for: %lld", (long long)ret);
	if (ret >= 0 && (size_t)ret < size && !cut &&
		r->b->faulted == r->faulted && !r->b->dead)
		run_fail(r, "%lld of %zu bytes written", (long long)ret, size);
	if (ret >= 0)
		(void)model_write(&r->m, node, offset, data, (size_t)ret);
	if (agree(r, "write", ret, 0) && !r->b->dead)
		refresh(r, node, n);
	r->over = r->b->dead;
	volume_put(n);
}

static void do_read(struct run *r)
{
	int node = random_node(r, S_IFREG);
	uint64_t offset = random_offset(r), file_size;
	size_t size = random_size(r), want;
	struct pieces p = {.to = data, .left = size};
	struct volume_node *n;
	int64_t ret;

	if (node < 0)
		return;
	file_size = r->m.node[node].size;
	if (run_random(r, 4) == 0 && file_size > 0)
		offset = run_random(r, file_size);
	want = offset < file_size ? u64_min(size, file_size - offset) : 0;
	n = get(r, node);
	if (n == NULL)
		return;
	ret = run_random(r, 3) == 0
		? volume_read_by(n, offset, size, copy_out, &p)
		: volume_read(n, offset, data, size);
	volume_put(n);
	if (ret != (int64_t)want) {
		if ((ret >= 0 && (size_t)ret > want) ||
			!is_excused(r, ret < 0 ? (int)ret : -EIO))
			run_fail(r, "read of %zu at %llu of %d gave %lld", size,
				(unsigned long long)offset, node,
				(long long)ret);
		r->over = r->b->dead;
		return;
	}
	model_read(&r->m, node, offset, wanted, want);
	if (memcmp(data, wanted, want) != 0)
		run_fail(r, "wrong data from %d at %llu, %zu bytes", node,
			(unsigned long long)offset, want);
}

static void do_truncate(struct run *r)
{
	int node = random_node(r, S_IFREG), ret;
	struct volume_attr a = {0};
	struct volume_node *n;

	if (node < 0)
		return;
	a.size = run_random(r, 3) == 0 ? 0 : random_offset(r);
	if (run_random(r, 3) == 0 && r->m.node[node].size > 0)
		a.size = run_random(r, r->m.node[node].size);
	n = get(r, node);
	if (n == NULL)
		return;
	run_say(r, "truncate %d from %llu to %llu", node,
		(unsigned long long)r->m.node[node].size,
		(unsigned long long)a.size);
	model_truncate(&r->m, node, a.size);
	ret = volume_setattr(n, VOLUME_SET_SIZE, &a);
	/* The size counts; blocks past it may have to stay. */
	if (r->b->faulted != r->faulted || r->b->dead)
		r->exact_blocks = false;
	if (agree_in_part(r, "truncate", ret, 0, node))
		refresh(r, node, n);
	volume_put(n);
}

static void do_commit(struct run *r);

static void do_punch(struct run *r)
{
	int node = random_node(r, S_IFREG);
	uint64_t offset = random_offset(r);
	uint64_t size = 1 + run_random(r, 6 * VOL_BLOCK_SIZE);
	struct volume_node *n;

	if (node < 0)
		return;
	/* One step each; or several, but none of them will write anything. */
	switch (run_random(r, 3)) {
	case 0:
		offset = align_down(offset, VOL_BLOCK_SIZE);
		size = align_up(size, VOL_BLOCK_SIZE);
		break;
	case 1:
		size = u64_min(size, VOL_BLOCK_SIZE - offset % VOL_BLOCK_SIZE);
		break;
	default:
		do_commit(r);
		if (r->over)
			return;
	}
	n = get(r, node);
	if (n == NULL)
		return;
	run_say(r, "punch %d at %llu, %llu bytes", node,
		(unsigned long long)offset, (unsigned long long)size);
	model_punch(&r->m, node, offset, size);
	if (agree_in_part(r, "punch", volume_punch(n, offset, size), 0, node))
		refresh(r, node, n);
	volume_put(n);
}

static void do_seek(struct run *r)
{
	int node = random_node(r, S_IFREG);
	uint64_t offset = random_offset(r);
	bool hole = run_random(r, 2);
	struct volume_node *n;
	int64_t ret, want;

	if (node < 0)
		return;
	n = get(r, node);
	if (n == NULL)
		return;
	ret = volume_seek(n, offset, hole);
	want = model_seek(&r->m, node, offset, hole);
	volume_put(n);
	if (ret == want || (ret >= 0 && !r->exact_blocks))
		return;
	if (ret >= 0 || !is_excused(r, (int)ret))
		run_fail(r, "seek to %s from %llu in %d: %lld, wanted %lld",
			hole ? "hole" : "data", (unsigned long long)offset,
			node, (long long)ret, (long long)want);
	r->over = r->b->dead;
}

/* ---- attributes ---- */

static void do_setattr(struct run *r)
{
	int node = random_node(r, 0);
	struct model_node *m = &r->m.node[node];
	unsigned valid = (unsigned)run_random(r, 64) & ~VOLUME_SET_SIZE;
	struct volume_node *n;
	struct volume_attr a;

	n = get(r, node);
	if (n == NULL)
		return;
	random_attr(r, m->mode & S_IFMT, &a);
	a.sec[VOL_MTIME] = (int64_t)run_random(r, 4000000000) - 1000000000;
	a.nsec[VOL_MTIME] = (uint32_t)run_random(r, 1000000000);
	run_say(r, "setattr %d, %x", node, valid);
	if (valid & VOLUME_SET_MODE)
		m->mode = a.mode;
	if (valid & VOLUME_SET_UID)
		m->uid = a.uid;
	if (valid & VOLUME_SET_GID)
		m->gid = a.gid;
	if (agree(r, "setattr", volume_setattr(n, valid, &a), 0)) {
		refresh(r, node, n);
		if ((valid & VOLUME_SET_MTIME) &&
			(m->sec[VOL_MTIME] != a.sec[VOL_MTIME] ||
				m->nsec[VOL_MTIME] != a.nsec[VOL_MTIME]))
			run_fail(r, "mtime was not set");
	}
	volume_put(n);
}

static void do_xattr_set(struct run *r)
{
	int node = random_node(r, 0);
	int name = (int)run_random(r, MODEL_XATTR_NAMES);
	uint64_t seed = run_random(r, 1000000);
	uint32_t len = (uint32_t)run_random(
		r, run_random(r, 4) ? 200 : MODEL_XATTR_MAX);
	int flags = run_random(r, 2) ? 0 : (int)run_random(r, 3), ret;
	struct volume_node *n;
	model_errors errors;

	if (model_full(&r->m))
		return;
	n = get(r, node);
	if (n == NULL)
		return;
	model_fill(data, len, seed);
	run_say(r, "xattr %d of %d, %u bytes, flags %d", name, node, len,
		flags);
	errors = model_xattr_set(&r->m, node, name, seed, len, flags);
	ret = volume_xattr_set(n, model_xattr_name(name), data, len, flags);
	if (agree(r, "xattr set", ret, errors))
		refresh(r, node, n);
	volume_put(n);
}

static void do_xattr_remove(struct run *r)
{
	int node = random_node(r, 0);
	int name = (int)run_random(r, MODEL_XATTR_NAMES);
	struct volume_node *n;
	model_errors errors;

	if (r->m.xattrs > 0 && run_random(r, 4)) {
		int i = (int)run_random(r, (uint64_t)r->m.xattrs);

		node = r->m.xattr[i].node;
		name = r->m.xattr[i].name;
	}
	n = get(r, node);
	if (n == NULL)
		return;
	run_say(r, "xattr %d of %d removed", name, node);
	errors = model_xattr_remove(&r->m, node, name);
	if (agree(r, "xattr remove",
		    volume_xattr_remove(n, model_xattr_name(name)), errors))
		refresh(r, node, n);
	volume_put(n);
}

/* ---- the volume as a whole ---- */

static bool done(struct run *r, const char *what, int ret)
{
	run_say(r, "%s: %d", what, ret);
	if (ret < 0 && !is_excused(r, ret))
		run_fail(r, "%s: %d", what, ret);
	r->over = r->b->dead;
	return ret >= 0;
}

static void do_sync(struct run *r)
{
	if (done(r, "sync", volume_sync(r->v)))
		r->synced = r->states - 1;
}

static void do_commit(struct run *r)
{
	if (done(r, "commit", volume_commit(r->v)))
		r->synced = r->states - 1;
}

static void do_tick(struct run *r)
{
	done(r, "tick", volume_tick(r->v, run_random(r, 2) ? 0 : 1000000));
}

static void do_compact(struct run *r)
{
	bool renew = run_random(r, 2);
	int ret = 1;

	for (int i = 0; i < 8 && ret == 1; i++) {
		ret = volume_compact(r->v, renew);
		if (!done(r, "compact", ret))
			return;
	}
}

static void do_rekey(struct run *r)
{
	struct err e = {0};

	if (r->rekeying)
		return;
	model_fill(r->key2, sizeof(r->key2), run_random(r, 1000000));
	r->rekeying = true;
	if (done(r, "rekey", volume_rekey(r->v, r->key2, &e))) {
		memcpy(r->key, r->key2, sizeof(r->key));
		r->rekeying = false;
	}
}

static void do_check(struct run *r)
{
	uint64_t digest, want = model_digest(&r->m);
	int ret = run_walk(r, r->v, false, &digest);

	if (!done(r, "walk", ret) || digest == want)
		return;
	printf("the volume:\n");
	(void)run_walk(r, r->v, true, &digest);
	printf("the model:\n");
	model_print(&r->m);
	run_fail(r, "volume and model differ");
}

static const struct {
	void (*run)(struct run *r);
	unsigned weight;
} operations[] = {
	{do_make, 24},
	{do_make_unnamed, 2},
	{do_link, 6},
	{do_unlink, 14},
	{do_rename, 14},
	{do_lookup, 6},
	{do_open, 4},
	{do_close, 4},
	{do_write, 30},
	{do_read, 10},
	{do_truncate, 8},
	{do_punch, 5},
	{do_seek, 4},
	{do_setattr, 6},
	{do_xattr_set, 6},
	{do_xattr_remove, 2},
	{do_sync, 20},
	{do_commit, 6},
	{do_tick, 3},
	{do_compact, 1},
	{do_rekey, 1},
	{do_check, 2},
};

void run_operation(struct run *r)
{
	unsigned sum = 0, pick;
	size_t i = 0;

	for (size_t k = 0; k < ARRAY_SIZE(operations); k++)
		sum += operations[k].weight;
	pick = (unsigned)run_random(r, sum);
	while (pick >= operations[i].weight)
		pick -= operations[i++].weight;
	r->faulted = r->b->faulted;
	r->operations++;
	operations[i].run(r);
}
