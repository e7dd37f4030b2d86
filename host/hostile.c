/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "host/hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "abi/layout.h"
#include "abi/ring.h"
#include "host/serve_state.h"

static struct hostile_config config = {.log_fd = -1};
static uint64_t calls, lies, last_id, of_name[HOSTCALL_COUNT];
static int64_t last_fd = 1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

int64_t __real_serve_run(struct serve *s, int cpu, uint64_t nr, uint64_t *a);
void __real_serve_put_done(uint64_t *done, uint64_t id, int64_t result);
int64_t __wrap_serve_run(struct serve *s, int cpu, uint64_t nr, uint64_t *a);
void __wrap_serve_put_done(uint64_t *done, uint64_t id, int64_t result);

/* splitmix64 (Steele, Lea, Flood 2014): every n has its own number. */
static uint64_t mix(uint64_t n)
{
	n += 0x9e3779b97f4a7c15;
	n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9;
	n = (n ^ n >> 27) * 0x94d049bb133111eb;
	return n ^ n >> 31;
}

/* A stream of numbers for one lie. */
struct dice {
	uint64_t state;
};

static uint64_t roll(struct dice *d, uint64_t sides)
{
	d->state = mix(d->state);
	return sides ? d->state % sides : d->state;
}

static void parse(char *text)
{
	char *save = NULL, *value;

	for (char *t = strtok_r(text, ",", &save); t;
		t = strtok_r(NULL, ",", &save)) {
		value = strchr(t, '=');
		if (!value)
			continue;
		*value++ = '\0';
		if (!strcmp(t, "seed"))
			config.seed = strtoull(value, NULL, 0);
		else if (!strcmp(t, "rate"))
			config.rate = strtoull(value, NULL, 0);
		else if (!strcmp(t, "after"))
			config.after = strtoull(value, NULL, 0);
		else if (!strcmp(t, "log"))
			config.log_fd = open(value,
				O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
				0600);
		else if (!strcmp(t, "lies"))
			config.lies =
				(strstr(value, "strict") ? HOSTILE_STRICT : 0) |
				(strstr(value, "data") ? HOSTILE_DATA : 0) |
				(strstr(value, "flip") ? HOSTILE_FLIP : 0) |
				(strstr(value, "entry") ? HOSTILE_ENTRY : 0) |
				(strstr(value, "refuse") ? HOSTILE_REFUSE : 0);
	}
}

static void read_environment(void)
{
	const char *text = getenv("SCONCE_HOSTILE");
	char *copy = text ? strdup(text) : NULL;

	if (copy)
		parse(copy);
	free(copy);
}

void hostile_configure(const struct hostile_config *c)
{
	pthread_once(&once, read_environment);
	config = *c;
	calls = 0;
	memset(of_name, 0, sizeof(of_name));
}

uint64_t hostile_count(void)
{
	return __atomic_load_n(&lies, __ATOMIC_RELAXED);
}

static void told(uint64_t call, const char *name, const char *what,
	int64_t from, int64_t to)
{
	char line[160];
	int n;

	__atomic_fetch_add(&lies, 1, __ATOMIC_RELAXED);
	if (config.log_fd < 0)
		return;
	n = snprintf(line, sizeof(line), "%lu %s: %s %ld -> %ld\n", call, name,
		what, from, to);
	if (write(config.log_fd, line, (size_t)n) != n)
		config.log_fd = -1;
}

/* ---- the flipping thread ---- */

/* By system calls: the launcher unmaps the region under our feet. */
static bool peek(void *word, uint64_t *v)
{
	struct iovec here = {v, 8}, there = {word, 8};

	return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 8;
}

static void poke(void *word, uint64_t v)
{
	struct iovec here = {&v, 8}, there = {word, 8};

	(void)!process_vm_writev(getpid(), &here, 1, &there, 1, 0);
}

static void *flip(void *arg)
{
	struct serve *s = arg;
	struct dice d = {mix(config.seed)};
	struct timespec nap = {0, 20000};

	for (;;) {
		uint64_t off, v;

		/* What the enclave reads: its requests are not among it, and
		 * to change those would only trick the launcher. */
		switch (roll(&d, 6)) {
		case 0:
			off = RING_CPUS + RING_CQ_TAIL;
			break;
		case 1:
			off = RING_CPUS + RING_SLOT_DONE + roll(&d, 2) * 8;
			break;
		case 2:
			off = RING_CPUS + RING_CQ + roll(&d, RING_ENTRIES * 16);
			break;
		case 3:
			off = RING_CPUS + RING_POLLING;
			break;
		default:
			off = RING_DATA + roll(&d, 1 << 18);
		}
		if (!peek(s->base + (off & ~7ul), &v))
			return NULL;
		switch (roll(&d, 3)) {
		case 0:
			v ^= 1ul << roll(&d, 64);
			break;
		case 1:
			v = roll(&d, 0);
			break;
		default:
			v++;
		}
		poke(s->base + (off & ~7ul), v);
		__atomic_fetch_add(&lies, 1, __ATOMIC_RELAXED);
		nanosleep(&nap, NULL);
	}
	return NULL;
}

static void start_flipping(struct serve *s)
{
	static bool started;
	pthread_t t;

	if (!(config.lies & HOSTILE_FLIP) ||
		__atomic_exchange_n(&started, true, __ATOMIC_SEQ_CST))
		return;
	if (!pthread_create(&t, NULL, flip, s))
		pthread_detach(t);
}

/* ---- lies about one call ---- */

static int64_t strict_result(
	struct dice *d, const struct hostcall_desc *desc, const uint64_t *wire)
{
	static const int64_t odd[] = {-1, -4095, -4096, -512, INT64_MIN,
		INT64_MAX, INT32_MAX, INT32_MIN, 1, 2, 0, 0x100000000,
		KERNEL_BASE, TCS_BASE, HEAP_BASE, USER_START, ELRANGE_SIZE,
		PAGE_SIZE};

	switch (roll(d, 6)) {
	case 0:
		return (int64_t)roll(d, 0);
	case 1:
		return -(int64_t)roll(d, 134);
	case 2: /* just beyond what was asked for */
		return (int64_t)(wire[desc->result_arg] + 1 + roll(d, 100));
	case 3: /* a descriptor that is open already */
		return last_fd;
	default:
		return odd[roll(d, sizeof(odd) / sizeof(odd[0]))];
	}
}

static void scribble(struct dice *d, void *buf, size_t size)
{
	uint8_t *p = buf;

	if (!size)
		return;
	switch (roll(d, 3)) {
	case 0: /* all of it */
		for (size_t i = 0; i < size; i++)
			p[i] = (uint8_t)roll(d, 256);
		break;
	case 1: /* one word, perhaps an address or a length */
		if (size >= 8) {
			static const uint64_t odd[] = {UINT64_MAX, 0,
				KERNEL_BASE, 1ul << 63, USER_START, 4096};
			uint64_t v = odd[roll(d, 6)];

			memcpy(p + roll(d, size / 8) * 8, &v, 8);
			break;
		} /* fall through */
	default:
		p[roll(d, size)] ^= (uint8_t)(1 + roll(d, 255));
	}
}

/* An errno that the call may have. */
static int refusal(struct dice *d, bool path)
{
	static const int errors[] = {EIO, ENOSPC, EACCES, EROFS, EBUSY, ESTALE,
		EEXIST, ENOTEMPTY, ENOTDIR, EXDEV};

	return path && roll(d, 2) ? ENOENT : errors[roll(d, path ? 10 : 2)];
}

static int64_t data_lie(struct dice *d, const struct hostcall_desc *desc,
	const uint64_t *a, int64_t result)
{
	static const int plausible[] = {5, 12, 13, 1, 22, 2, 11, 28, 104, 32};

	if (desc->errors && roll(d, 4) == 0)
		return -plausible[roll(d, 10)];
	if (result > 0 && desc->result == HC_RESULT_SIZE && roll(d, 3) == 0)
		return (int64_t)roll(d, (uint64_t)result);
	for (int i = 0; i < HOSTCALL_ARGS; i++) {
		const struct hostcall_arg *arg = &desc->arg[i];
		uint64_t size = arg->unit;

		if ((arg->kind != HC_ARG_OUT && arg->kind != HC_ARG_UOUT) ||
			!a[i])
			continue;
		if (arg->size_arg != HC_SIZE_FIXED)
			size *= a[arg->size_arg];
		scribble(d, (void *)a[i], size);
	}
	return result;
}

/* Calls that only move the enclave's own pages and threads: to fail them is
 * to refuse service; answers to them are still lied about in strict ways. */
int64_t __wrap_serve_run(struct serve *s, int cpu, uint64_t nr, uint64_t *a)
{
	const struct hostcall_desc *desc = serve_desc(nr);
	uint64_t call, wire[HOSTCALL_ARGS];
	struct dice d;
	int64_t result, lie;

	pthread_once(&once, read_environment);
	call = __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
	memcpy(wire, a, sizeof(wire));
	/* By name and number of that name: ticks and polls come when they
	 * like and must not move the lies about all others. */
	if (desc)
		d.state = mix(config.seed) ^
			mix(nr << 32 |
				__atomic_fetch_add(
					&of_name[nr], 1, __ATOMIC_RELAXED));
	if (!desc || call < config.after)
		return __real_serve_run(s, cpu, nr, a);
	start_flipping(s);
	if (roll(&d, 10000) >= config.rate)
		goto honest;
	if (config.lies & HOSTILE_STRICT && roll(&d, 8) == 0) {
		told(call, desc->name, "not served", 0, 0);
		return 0;
	}
	if (config.lies & HOSTILE_REFUSE &&
		desc->errors & (HE_PATH | HE_FILE)) {
		lie = -refusal(&d, desc->errors & HE_PATH);
		told(call, desc->name, "refused", 0, lie);
		return lie;
	}
	result = __real_serve_run(s, cpu, nr, a);
	if (config.lies & HOSTILE_DATA &&
		!(config.lies & HOSTILE_STRICT && roll(&d, 2))) {
		lie = data_lie(&d, desc, a, result);
		told(call, desc->name, "data", result, lie);
		return lie;
	}
	if (config.lies & HOSTILE_STRICT) {
		lie = strict_result(&d, desc, wire);
		told(call, desc->name, "result", result, lie);
		return lie;
	}
	return result;
honest:
	result = __real_serve_run(s, cpu, nr, a);
	if (desc->result == HC_RESULT_FD && result >= 0)
		last_fd = result;
	return result;
}

void __wrap_serve_put_done(uint64_t *done, uint64_t id, int64_t result)
{
	struct dice d = {mix(config.seed + 1) ^ mix(id)};
	uint64_t lie = id;

	if (config.lies & HOSTILE_STRICT && calls > config.after &&
		roll(&d, 10000) < config.rate / 4) {
		switch (roll(&d, 6)) {
		case 5: /* what stood there before */
			told(calls, "completion", "none", (int64_t)id, 0);
			return;
		case 0:
			lie = last_id; /* replayed */
			break;
		case 1:
			lie = id + RING_ENTRIES;
			break;
		case 2:
			lie = id - 1;
			break;
		case 3:
			lie = 0;
			break;
		default:
			lie = roll(&d, 0);
		}
		told(calls, "completion", "id", (int64_t)id, (int64_t)lie);
	}
	last_id = id;
	__real_serve_put_done(done, lie, result);
}

void hostile_log_end(int err, int wait_status)
{
	if (config.log_fd >= 0)
		dprintf(config.log_fd, "end %d %d\n", err, wait_status);
}

bool hostile_entry_lie(uint64_t *random)
{
	static uint64_t entries;
	struct dice d;

	pthread_once(&once, read_environment);
	if (!(config.lies & HOSTILE_ENTRY))
		return false;
	d.state = mix(config.seed + 2) ^
		mix(__atomic_fetch_add(&entries, 1, __ATOMIC_RELAXED));
	/* Entries at exceptions are few: ten times the rate. */
	if (roll(&d, 1000) >= config.rate)
		return false;
	*random = roll(&d, 0) | 1;
	told(entries, "entry", "lie", 0, (int64_t)(*random >> 32));
	return true;
}
