/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's end of the shared region's slots and rings; see abi/ring.h.
 */
#include <errno.h>

#include "abi/ring.h"
#include "host/serve_state.h"
#include "host/worker.h"

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

	serve_put_done(cq, id, result);
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
	result = serve_run(s, cpu, req[RING_REQ_NR], req + RING_REQ_ARGS);
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
	uint64_t req[RING_REQ_WORDS];
	const struct hostcall_desc *d;
	int64_t result;

	drain(s, cpu);
	read_request(word(s, cpu, RING_SLOT), req);
	d = serve_desc(req[RING_REQ_NR]);
	if (s->worker && d && d->how == HC_HOW_RING)
		worker_hint(s->worker);
	result = serve_run(s, cpu, req[RING_REQ_NR], req + RING_REQ_ARGS);
	serve_put_done(word(s, cpu, RING_SLOT_DONE), req[RING_REQ_ID], result);
}
