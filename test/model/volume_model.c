/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model checker of volumes: random operations on a volume and on a model of
 * a file system, power that fails between any two writes of the host or in the
 * midst of one, recovery, and then the question whether what is there is what
 * was there after one of the operations, none before the last sync.
 *
 * usage: model-volume [-n CASES] [-s FIRST-SEED] [-j JOBS] [-t SECONDS] [-v]
 *
 * A case follows from its seed alone. With -v (and one case) it tells what it
 * does. A case that fails ends the run and names its seed.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/model/run.h"

enum {
	ROUNDS_MAX = 4,
	OPERATIONS_MAX = 40,
	TEMPLATES = 8,
	CASE_SECONDS = 30,
	CREATIONS = 64, /* one in so many cases makes its volume */
};

/* What ends a round. */
enum end {
	END_CRASH, /* power fails */
	END_KILL, /* the process is gone, the host is well */
	END_CLOSE,
};

/* Volumes to begin with, made when first asked for: empty ones. */
static struct volume_backend *templates[TEMPLATES];
static struct model empty;

/* Shared with the parent: what each job is at. */
struct job {
	_Atomic uint64_t seed, cases, crashes, operations, replays;
};
static struct job *jobs;
static struct job *job;

/* ---- messages ---- */

void run_say(struct run *r, const char *format, ...)
{
	va_list args;

	if (!r->verbose)
		return;
	printf("%llu: ", (unsigned long long)r->b->changes);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

void run_fail(struct run *r, const char *format, ...)
{
	va_list args;

	printf("seed %llu: ", (unsigned long long)r->seed);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\nagain: model-volume -v -n 1 -s %llu\n",
		(unsigned long long)r->seed);
	fflush(stdout);
	_exit(1);
}

static void on_alarm(int sig)
{
	static const char text[] = "a case hangs\n";

	(void)sig;
	(void)!write(STDOUT_FILENO, text, sizeof(text) - 1);
	abort();
}

/* ---- volumes to begin with ---- */

static void template_key(unsigned number, uint8_t key[VOL_KEY_SIZE])
{
	model_fill(key, VOL_KEY_SIZE, number + 77);
}

static struct volume_params template_params(unsigned number)
{
	return (struct volume_params){
		.suite = number % 4 == 3 ? VOL_AUTHENTICATED : VOL_ENCRYPTED,
		.segment_shift = VOL_SEGMENT_SHIFT_MIN + number % 3,
		.root_mode = 0755,
	};
}

static struct volume_backend *template_new(unsigned number)
{
	struct volume_backend *b = volume_backend_new(number + 1000);
	struct volume_env env = volume_backend_env(b, 1 << 20);
	struct volume_params p = template_params(number);
	uint8_t key[VOL_KEY_SIZE], tag[VOL_TAG_SIZE];
	struct err e = {0};
	int ret;

	template_key(number, key);
	ret = volume_create(&env, &p, key, tag, &e);
	if (ret < 0) {
		printf("volume_create: %d, %s\n", ret, e.text);
		exit(1);
	}
	if (volume_backend_ops.tag_push(b, tag, tag, true) < 0)
		exit(1);
	if (b->memory_count != 0) {
		printf("volume_create: %zu pieces of memory left\n",
			b->memory_count);
		exit(1);
	}
	volume_backend_settle(b);
	return b;
}

/* ---- opening and comparing ---- */

static int open_with(struct run *r, struct volume_backend *b, unsigned flags,
	struct volume **v, struct err *e)
{
	struct volume_env env = volume_backend_env(b, r->cache_size);
	struct volume_expect expect = volume_backend_expect(b);
	int ret = -EBADMSG;

	/* While the key is being changed, the new one opens the newer state,
	 * and the old one perhaps what was before it. */
	if (r->rekeying) {
		ret = volume_open(&env, r->key2, flags, &expect, v, e);
		if (ret == 0 && !(flags & VOLUME_READ_ONLY))
			memcpy(r->key, r->key2, sizeof(r->key));
	}
	if ((ret == -EBADMSG || ret == -ESTALE) && !b->dead)
		ret = volume_open(&env, r->key, flags, &expect, v, e);
	return ret;
}

/* Which state is this? The last one that fits; or the case has failed. */
static size_t find_state(struct run *r, struct volume *v)
{
	uint64_t digest;
	int ret = run_walk(r, v, false, &digest);

	if (ret < 0)
		run_fail(r, "unreadable after recovery: %d", ret);
	for (size_t k = r->states; k-- > r->synced;)
		if (model_digest(&r->state[k]) == digest)
			return k;
	for (size_t k = r->synced; k-- > 0;)
		if (model_digest(&r->state[k]) == digest)
			run_fail(r, "state %zu is back, %zu was synced", k,
				r->synced);
	printf("the volume:\n");
	(void)run_walk(r, v, true, &digest);
	if (r->verbose)
		for (size_t k = r->synced; k < r->states; k++) {
			printf("state %zu:\n", k);
			model_print(&r->state[k]);
		}
	run_fail(r, "after recovery none of the states %zu to %zu is there",
		r->synced, r->states - 1);
}

/* Reading only must show the same, and write nothing. */
static uint64_t look(struct run *r)
{
	struct volume_backend *b = volume_backend_clone(r->b, r->seed);
	struct volume *v = NULL;
	struct err e = {0};
	uint64_t digest;
	size_t k;
	int ret = open_with(r, b, VOLUME_READ_ONLY, &v, &e);

	if (ret < 0)
		run_fail(r, "cannot be opened to read: %d, %s", ret, e.text);
	k = find_state(r, v);
	digest = model_digest(&r->state[k]);
	ret = volume_close(v);
	if (ret < 0)
		run_fail(r, "closing what was only read: %d", ret);
	if (b->changes != 0)
		run_fail(r, "reading wrote");
	if (b->memory_count != 0)
		run_fail(r, "%zu pieces of memory left", b->memory_count);
	volume_backend_free(b);
	return digest;
}

static void states_cut(struct run *r, size_t first, size_t last)
{
	size_t n = last + 1 - first;

	for (size_t k = 0; k < r->states; k++)
		if (k < first || k > last)
			model_free(&r->state[k]);
	memmove(&r->state[0], &r->state[first], n * sizeof(r->state[0]));
	r->states = n;
}

/* State @k is what there is now: without the open files of the past. */
static void take_state(struct run *r, size_t k, bool power_failed)
{
	model_free(&r->m);
	model_copy(&r->m, &r->state[k]);
	for (int i = 0; i < MODEL_NODES; i++)
		while (r->m.node[i].used && r->m.node[i].handles > 0)
			model_unhandle(&r->m, i);
	r->exact_blocks = false;
	if (power_failed) {
		states_cut(r, k, k);
		r->synced = 0;
	} else {
		states_cut(r, 0, k);
	}
	run_state_push(r);
	if (power_failed)
		r->synced = r->states - 1;
}

/* Numbers that must fit once nothing is open. */
static void check_usage(struct run *r)
{
	unsigned nodes = model_count(&r->m);
	struct volume_usage u;

	volume_usage(r->v, &u);
	if (u.inodes < nodes || u.inodes > nodes + (unsigned)r->m.xattrs + 2)
		run_fail(r, "%llu inodes in use, wanted %u",
			(unsigned long long)u.inodes, nodes);
	if (u.free > u.blocks)
		run_fail(r, "more is free than there is");
}

static void damaged(void *arg, const char *path, const char *what)
{
	(void)arg;
	printf("damaged: %s: %s\n", path != NULL ? path : "(volume)", what);
}

static void verify(struct run *r)
{
	struct volume_verify how = {.damaged = damaged, .arg = r};
	int ret = volume_verify(r->v, &how);

	if (ret < 0)
		run_fail(r, "verify: %d", ret);
}

/* The volume is opened, and is as some state says. */
static void recover(struct run *r, bool power_failed)
{
	struct err e = {0};
	uint64_t seen = 0;
	bool looked = run_random(r, 8) == 0;
	size_t k;
	int ret;

	if (looked)
		seen = look(r);
	/* Recovery may be interrupted as well. */
	if (run_random(r, 4) == 0)
		r->b->crash_at = 1 + run_random(r, 12);
	for (;;) {
		ret = open_with(r, r->b, 0, &r->v, &e);
		if (ret == 0)
			break;
		run_say(r, "open: %d, %s", ret, e.text);
		if (!r->b->dead)
			run_fail(r, "cannot be opened: %d, %s", ret, e.text);
		if (r->b->memory_count != 0)
			run_fail(r, "%zu pieces of memory left by open",
				r->b->memory_count);
		r->crashes++;
		volume_backend_crash(r->b, run_random(r, UINT64_MAX));
		/* What was seen had perhaps not reached the disk. */
		looked = looked && power_failed;
		power_failed = true;
	}
	if (!r->b->dead) {
		r->b->crash_at = 0;
		k = find_state(r, r->v);
		run_say(r, "state %zu of %zu to %zu", k, r->synced,
			r->states - 1);
		if (looked && model_digest(&r->state[k]) != seen)
			run_fail(r, "to readers it looked otherwise");
		if (k > r->synced)
			r->replays++;
		take_state(r, k, power_failed);
		check_usage(r);
		if (run_random(r, 16) == 0)
			verify(r);
		return;
	}
	/* It failed after opening was done: once more. */
	(void)volume_close(r->v);
	r->crashes++;
	volume_backend_crash(r->b, run_random(r, UINT64_MAX));
	recover(r, true);
}

/* ---- rounds ---- */

static void plan_faults(struct run *r)
{
	static const struct {
		unsigned ops;
		int error;
		uint64_t range;
	} kinds[] = {
		{VOLUME_BACKEND_BIT(READ), -EIO, 30},
		{VOLUME_BACKEND_BIT(WRITE), -EIO, 40},
		{VOLUME_BACKEND_BIT(WRITE), -ENOSPC, 40},
		{VOLUME_BACKEND_BIT(FLUSH), -EIO, 20},
		{VOLUME_BACKEND_BIT(RESIZE), -ENOSPC, 4},
		{VOLUME_BACKEND_BIT(RESIZE), -EIO, 4},
		{VOLUME_BACKEND_BIT(TAG_PUSH), -EIO, 16},
		{VOLUME_BACKEND_BIT(ALLOC), -ENOMEM, 200},
	};
	size_t kind = run_random(r, ARRAY_SIZE(kinds));

	r->b->fault[0] = (struct volume_backend_fault){.ops = kinds[kind].ops,
		.error = kinds[kind].error,
		.pass = run_random(r, kinds[kind].range),
		.fail = 1 + run_random(r, 3)};
	r->broken = kinds[kind].ops &
		(VOLUME_BACKEND_BIT(WRITE) | VOLUME_BACKEND_BIT(FLUSH) |
			VOLUME_BACKEND_BIT(TAG_PUSH) |
			VOLUME_BACKEND_BIT(ALLOC));
	run_say(r, "fault: operations %x, error %d, after %llu",
		kinds[kind].ops, kinds[kind].error,
		(unsigned long long)r->b->fault[0].pass);
}

static uint64_t disk_size(const struct volume_backend *b)
{
	struct volume_file f;
	uint64_t sum = 0;

	for (size_t i = 0; volume_backend_list(b, i, &f); i++)
		sum += volume_backend_size(b, f);
	return sum;
}

static void round_run(struct run *r)
{
	enum end end = run_random(r, 3) == 0
		? (enum end)(END_KILL + run_random(r, 2))
		: END_CRASH;
	unsigned count = 1 + (unsigned)run_random(r, OPERATIONS_MAX);
	int ret;

	r->over = r->broken = false;
	r->b->limit = 0;
	if (run_random(r, 6) == 0)
		plan_faults(r);
	else if (run_random(r, 10) == 0)
		r->b->limit = disk_size(r->b) + run_random(r, 600000);
	if (end == END_CRASH)
		r->b->crash_at = r->b->changes + 1 + run_random(r, 70);
	run_say(r, "round: %u operations, end %d, crash at %llu", count,
		(int)end, (unsigned long long)r->b->crash_at);
	while (count-- > 0 && !r->over && r->states < RUN_STATES - 16)
		run_operation(r);
	memset(r->b->fault, 0, sizeof(r->b->fault));
	r->b->limit = 0;
	if (end != END_CLOSE)
		r->b->dead = true;
	run_handles_close(r);
	ret = volume_close(r->v);
	r->v = NULL;
	if (ret == 0 && !r->b->dead) {
		run_state_push(r);
		r->synced = r->states - 1;
	}
	if (ret < 0 && !r->b->dead && r->b->faulted == 0)
		run_fail(r, "close: %d", ret);
	if (r->b->memory_count != 0)
		run_fail(r, "%zu pieces of memory, %zu bytes left",
			r->b->memory_count, r->b->memory);
	if (end == END_KILL) {
		r->b->dead = false;
		r->b->crash_at = 0;
	} else {
		r->crashes += end == END_CRASH;
		volume_backend_crash(r->b, run_random(r, UINT64_MAX));
	}
	r->b->faulted = 0;
	recover(r, end != END_KILL);
}

/* ---- the beginning and the end of a volume's life ---- */

/* Sealing that was interrupted: done, or not begun and done now. */
static void seal_again(struct run *r, uint8_t tag[VOL_TAG_SIZE])
{
	struct err e = {0};
	int ret;

	r->crashes++;
	volume_backend_crash(r->b, run_random(r, UINT64_MAX));
	ret = open_with(r, r->b, 0, &r->v, &e);
	if (ret == -EROFS)
		return;
	if (ret == 0) {
		(void)find_state(r, r->v);
		ret = volume_seal(r->v, tag);
		if (volume_close(r->v) < 0)
			run_fail(r, "closing what was sealed after a crash");
	}
	if (ret < 0)
		run_fail(r, "sealing after a crash: %d, %s", ret, e.text);
}

/* Power may fail while the volume becomes an image. */
static void seal(struct run *r)
{
	uint8_t tag[VOL_TAG_SIZE], now[VOL_TAG_SIZE];
	struct err e = {0};
	bool crashed;
	int ret;

	if (run_random(r, 2) == 0)
		r->b->crash_at = r->b->changes + 1 + run_random(r, 30);
	run_say(r, "seal, crash at %llu", (unsigned long long)r->b->crash_at);
	ret = volume_seal(r->v, tag);
	if (ret < 0 && !r->b->dead)
		run_fail(r, "seal: %d", ret);
	if (volume_close(r->v) < 0 && !r->b->dead)
		run_fail(r, "closing what was sealed");
	crashed = r->b->dead;
	if (crashed)
		seal_again(r, tag);
	r->b->crash_at = 0;
	ret = open_with(r, r->b, 0, &r->v, &e);
	if (ret != -EROFS)
		run_fail(r, "what is sealed can be opened to write: %d", ret);
	ret = open_with(r, r->b, VOLUME_READ_ONLY, &r->v, &e);
	if (ret < 0)
		run_fail(r, "an image cannot be opened: %d, %s", ret, e.text);
	(void)find_state(r, r->v);
	volume_tag(r->v, now);
	if (!crashed && memcmp(tag, now, sizeof(tag)) != 0)
		run_fail(r, "the tag of an image changed");
}

/* Power fails while a volume is made: there is none, or an empty one, and in
 * the place of none one can be made. */
static void create(struct run *r, unsigned number)
{
	struct volume_params p = template_params(number);
	struct volume_env env;
	uint8_t tag[VOL_TAG_SIZE];
	struct err e = {0};
	int ret;

	r->b = volume_backend_new(run_random(r, 1 << 30));
	env = volume_backend_env(r->b, r->cache_size);
	r->b->crash_at = 1 + run_random(r, 60);
	ret = volume_create(&env, &p, r->key, tag, &e);
	if (ret < 0 && !r->b->dead)
		run_fail(r, "create: %d, %s", ret, e.text);
	if (r->b->memory_count != 0)
		run_fail(r, "%zu pieces of memory left by create",
			r->b->memory_count);
	volume_backend_crash(r->b, run_random(r, UINT64_MAX));
	r->crashes++;
	ret = open_with(r, r->b, 0, &r->v, &e);
	if (ret == 0) {
		struct volume_usage u;

		volume_usage(r->v, &u);
		if (u.inodes != 1)
			run_fail(r, "a new volume has %llu inodes",
				(unsigned long long)u.inodes);
		if (volume_close(r->v) < 0)
			run_fail(r, "a new volume cannot be closed");
	} else if (ret != -EBADMSG && ret != -ENOENT) {
		run_fail(r, "half a volume: %d, %s", ret, e.text);
	} else {
		struct volume_file f;

		while (volume_backend_list(r->b, 0, &f))
			volume_backend_delete(r->b, f);
		ret = volume_create(&env, &p, r->key, tag, &e);
		if (ret < 0)
			run_fail(r, "create again: %d, %s", ret, e.text);
	}
	volume_backend_free(r->b);
}

static void case_run(struct run *r, uint64_t seed, bool verbose)
{
	unsigned number, rounds;

	memset(r, 0, offsetof(struct run, state));
	r->seed = seed;
	r->random = seed * 0x10001 + 7;
	r->states = r->synced = 0;
	r->operations = r->crashes = r->replays = 0;
	r->verbose = verbose;
	r->exact_blocks = true;
	number = (unsigned)run_random(r, TEMPLATES);
	if (templates[number] == NULL)
		templates[number] = template_new(number);
	template_key(number, r->key);
	r->cache_size = run_random(r, 4) ? 256 << 10 : 1 << 20;
	if (seed % CREATIONS == 0)
		create(r, number);
	r->b = volume_backend_clone(templates[number], run_random(r, 1 << 30));
	r->b->no_store = run_random(r, 8) == 0;
	model_copy(&r->m, &empty);
	{
		/* The times of the root are the volume's own. */
		struct err e = {0};
		struct volume_node *root;
		struct volume_attr a;
		int ret = open_with(r, r->b, 0, &r->v, &e);

		if (ret == 0)
			ret = volume_get(r->v, VOL_OBJECT_ROOT, &root);
		if (ret < 0)
			run_fail(r, "a new volume: %d, %s", ret, e.text);
		volume_getattr(root, &a);
		volume_put(root);
		model_refresh(&r->m, 0, &a);
	}
	run_state_push(r);
	rounds = 1 + (unsigned)run_random(r, ROUNDS_MAX);
	while (rounds-- > 0)
		round_run(r);
	if (run_random(r, 8) == 0)
		seal(r);
	if (volume_close(r->v) < 0)
		run_fail(r, "the last close failed");
	r->v = NULL;
	model_free(&r->m);
	for (size_t k = 0; k < r->states; k++)
		model_free(&r->state[k]);
	volume_backend_free(r->b);
}

/* ---- jobs ---- */

static void job_run(
	unsigned number, unsigned count, uint64_t first, uint64_t cases, bool v)
{
	static struct run r;

	job = &jobs[number];
	signal(SIGALRM, on_alarm);
	model_init(&empty);
	for (uint64_t i = number; i < cases; i += count) {
		job->seed = first + i;
		alarm(CASE_SECONDS);
		case_run(&r, first + i, v);
		job->cases++;
		job->crashes += r.crashes;
		job->operations += r.operations;
		job->replays += r.replays;
	}
	for (unsigned i = 0; i < TEMPLATES; i++)
		volume_backend_free(templates[i]);
	exit(0);
}

static int jobs_wait(unsigned count, pid_t *pids)
{
	int status, bad = 0;

	for (unsigned left = count; left > 0; left--) {
		pid_t pid = wait(&status);

		for (unsigned i = 0; i < count; i++) {
			if (pids[i] != pid)
				continue;
			pids[i] = 0;
			if (status == 0)
				continue;
			bad = 1;
			printf("job %u ended with status %x at seed %llu\n", i,
				(unsigned)status,
				(unsigned long long)jobs[i].seed);
		}
		if (bad)
			for (unsigned i = 0; i < count; i++)
				if (pids[i] > 0)
					kill(pids[i], SIGKILL);
	}
	return bad;
}

int main(int argc, char **argv)
{
	uint64_t cases = 2000, first = 1, sum[4] = {0};
	unsigned count = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	bool verbose = false;
	struct timespec start, end;
	pid_t pids[64];
	int option, bad;

	while ((option = getopt(argc, argv, "n:s:j:v")) > 0) {
		if (option == 'n')
			cases = strtoull(optarg, NULL, 0);
		else if (option == 's')
			first = strtoull(optarg, NULL, 0);
		else if (option == 'j')
			count = (unsigned)strtoul(optarg, NULL, 0);
		else if (option == 'v')
			verbose = true;
		else
			return 2;
	}
	if (verbose || cases == 1)
		count = 1;
	if (count == 0 || count > ARRAY_SIZE(pids))
		count = 1;
	jobs = mmap(NULL, count * sizeof(*jobs), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (jobs == MAP_FAILED)
		return 2;
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (unsigned i = 0; i < count; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			job_run(i, count, first, cases, verbose);
	}
	bad = jobs_wait(count, pids);
	clock_gettime(CLOCK_MONOTONIC, &end);
	for (unsigned i = 0; i < count; i++) {
		sum[0] += jobs[i].cases;
		sum[1] += jobs[i].operations;
		sum[2] += jobs[i].crashes;
		sum[3] += jobs[i].replays;
	}
	printf("%llu cases, %llu operations, %llu crashes, %llu recoveries "
	       "beyond the last sync, %ld s: %s\n",
		(unsigned long long)sum[0], (unsigned long long)sum[1],
		(unsigned long long)sum[2], (unsigned long long)sum[3],
		(long)(end.tv_sec - start.tv_sec), bad ? "FAILED" : "ok");
	return bad;
}
