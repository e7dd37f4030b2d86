/* SPDX-License-Identifier: Apache-2.0 */
#include "host/serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/ring.h"
#include "host/serve_state.h"
#include "host/worker.h"
#include "lib/types.h"

static const struct {
	struct hostcall_desc desc;
	serve_handler handler;
} table[HOSTCALL_COUNT] = {
#define HOSTCALL(name, ...) [HC_##name].handler = serve_##name,
#include "abi/hostcall.def"
#undef HOSTCALL
#define HC_HOST_DESC(name, ...) [HC_##name].desc = HC_DESC(name, __VA_ARGS__)
#define HOSTCALL HC_HOST_DESC
#include "abi/hostcall.def"
#undef HOSTCALL
};

struct serve *serve_new(void *base, size_t size, int cpus,
	const struct serve_enclave_ops *enclave, void *enclave_ctx)
{
	struct serve *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->base = base;
	s->size = size;
	s->cpus = cpus;
	s->enclave = enclave;
	s->enclave_ctx = enclave_ctx;
	for (int i = 0; i < TCS_MAX; i++) {
		pthread_mutex_init(&s->ring[i].lock, NULL);
		pthread_cond_init(&s->ring[i].done, NULL);
	}
	return s;
}

void serve_free(struct serve *s)
{
	if (!s)
		return;
	worker_free(s->worker);
	free(s);
}

uint64_t serve_count(const struct serve *s, unsigned nr)
{
	return __atomic_load_n(&s->calls[nr], __ATOMIC_RELAXED);
}

void serve_panic_text(const struct serve *s, char *text, size_t size)
{
	const char *from = s->base + RING_PANIC_TEXT;
	size_t n = 0;

	while (n < RING_PANIC_SIZE && n + 1 < size && from[n]) {
		text[n] = from[n] >= ' ' && from[n] <= '~' ? from[n] : '?';
		n++;
	}
	text[n] = '\0';
}

static uint64_t *word(struct serve *s, int cpu, uint64_t off)
{
	return (uint64_t *)(s->base + RING_CPUS +
		(uint64_t)cpu * RING_CPU_SIZE + off);
}

static uint64_t load(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void store(uint64_t *p, uint64_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

/* Turns offsets of buffers into addresses. */
static int translate(
	struct serve *s, const struct hostcall_desc *d, uint64_t *a)
{
	uint64_t wire[HOSTCALL_ARGS];

	memcpy(wire, a, sizeof(wire));
	for (int i = 0; i < HOSTCALL_ARGS; i++) {
		const struct hostcall_arg *arg = &d->arg[i];
		uint64_t size = arg->unit;

		if (arg->kind < HC_ARG_STR || !wire[i])
			continue;
		if (arg->kind == HC_ARG_STR) {
			size = 1;
		} else if (arg->size_arg != HC_SIZE_FIXED &&
			mul_overflows(size, wire[arg->size_arg], &size)) {
			return -EINVAL;
		}
		if (!range_within(wire[i], size, RING_DATA, s->size))
			return -EINVAL;
		a[i] = (uint64_t)(s->base + wire[i]);
		if (arg->kind == HC_ARG_STR &&
			!memchr(s->base + wire[i], 0, s->size - wire[i]))
			return -EINVAL;
	}
	return 0;
}

static int64_t run(struct serve *s, uint64_t nr, uint64_t *a)
{
	int err;

	if (nr >= HOSTCALL_COUNT)
		return -ENOSYS;
	err = translate(s, &table[nr].desc, a);
	if (err)
		return err;
	__atomic_fetch_add(&s->calls[nr], 1, __ATOMIC_RELAXED);
	return table[nr].handler(s, a);
}

static void read_request(const uint64_t *req, uint64_t *copy)
{
	for (int i = 0; i < RING_REQ_WORDS; i++)
		copy[i] = load(&req[i]);
}

static void complete(struct serve *s, int cpu, uint64_t id, int64_t result)
{
	struct serve_ring *r = &s->ring[cpu];
	uint64_t *cq = word(s, cpu, RING_CQ) +
		r->cq_tail % RING_ENTRIES * RING_DONE_WORDS;

	store(&cq[RING_DONE_ID], id);
	store(&cq[RING_DONE_RESULT], (uint64_t)result);
	store(word(s, cpu, RING_CQ_TAIL), ++r->cq_tail);
}

bool serve_ring_once(struct serve *s, int cpu)
{
	struct serve_ring *r = &s->ring[cpu];
	uint64_t req[RING_REQ_WORDS];
	int64_t result;

	pthread_mutex_lock(&r->lock);
	if (load(word(s, cpu, RING_SQ_TAIL)) == r->sq_head) {
		pthread_mutex_unlock(&r->lock);
		return false;
	}
	read_request(word(s, cpu, RING_SQ) +
			r->sq_head++ % RING_ENTRIES * RING_REQ_WORDS,
		req);
	r->running++;
	pthread_mutex_unlock(&r->lock);
	result = run(s, req[RING_REQ_NR], req + RING_REQ_ARGS);
	pthread_mutex_lock(&r->lock);
	complete(s, cpu, req[RING_REQ_ID], result);
	r->running--;
	pthread_cond_broadcast(&r->done);
	pthread_mutex_unlock(&r->lock);
	return true;
}

bool serve_ring_waits(struct serve *s, int cpu)
{
	return load(word(s, cpu, RING_SQ_TAIL)) !=
		__atomic_load_n(&s->ring[cpu].sq_head, __ATOMIC_RELAXED);
}

void serve_set_polling(struct serve *s, bool on)
{
	for (int i = 0; i < s->cpus; i++)
		store(word(s, i, RING_POLLING), on);
}

/* A broken enclave may move the tail for ever: at most one ring full. */
static void drain(struct serve *s, int cpu)
{
	for (int i = 0; i < RING_ENTRIES && serve_ring_waits(s, cpu); i++)
		serve_ring_once(s, cpu);
}

int64_t serve_ring_wait(struct serve *s, const uint64_t *a)
{
	struct serve_ring *r;

	if (a[1] >= (uint64_t)s->cpus)
		return -EINVAL;
	r = &s->ring[a[1]];
	drain(s, (int)a[1]);
	/* What a worker has taken it will complete. */
	pthread_mutex_lock(&r->lock);
	while (r->running)
		pthread_cond_wait(&r->done, &r->lock);
	pthread_mutex_unlock(&r->lock);
	return 0;
}

void serve_exit_call(struct serve *s, int cpu)
{
	uint64_t req[RING_REQ_WORDS], *done = word(s, cpu, RING_SLOT_DONE);
	uint64_t nr;
	int64_t result;

	drain(s, cpu);
	read_request(word(s, cpu, RING_SLOT), req);
	nr = req[RING_REQ_NR];
	if (s->worker && nr < HOSTCALL_COUNT &&
		table[nr].desc.how == HC_HOW_RING)
		worker_hint(s->worker);
	result = run(s, nr, req + RING_REQ_ARGS);
	store(&done[RING_DONE_RESULT], (uint64_t)result);
	store(&done[RING_DONE_ID], req[RING_REQ_ID]);
}
