/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The enclave's end of the shared region's slots and rings.
 *
 * What is in flight is remembered inside: a completion is believed only if
 * its id is the one of a call that is in flight on this very ring, and only
 * once. Its result is then a number like any other of the host's, checked by
 * the caller against the row.
 *
 * A call goes through the ring only while a worker is looking at it. If it is
 * not answered within SPIN_TRIES looks, an exit serves the ring; if that
 * happens often (the worker is stopped, or has no processor), rings are left
 * alone for a while. Waking a worker would cost an exit itself.
 */
#include "kernel/hostcall_ring.h"

#include <linux/errno.h>

#include "abi/ring.h"
#include "kernel/cpu.h"
#include "kernel/hostcall.h"
#include "kernel/klog.h"
#include "kernel/shared.h"
#include "lib/types.h"

enum {
	SPIN_TRIES = 150, /* of a pause each: 3 to 6 us */
	MISSES_MAX = 8, /* unanswered calls in a row */
	PAUSE_CALLS = 2000, /* calls by exit after that */
	MEASURE_GOOD = 16,
	MEASURE_TICKS = 3000000, /* about a millisecond */
	EXIT_CHEAP = 2500, /* TSC ticks; no worker can be worth it */
};

/* A call in flight. id 0: free. */
struct flight {
	uint64_t id;
	unsigned nr;
	bool posted, done;
	struct hostcall_post *post; /* NULL: the result is only checked */
	int64_t result;
};

/* Of one enclave thread; big kernel lock. */
static struct ring {
	uint64_t sq_tail, cq_head;
	unsigned busy, last; /* claimed last */
	struct flight flight[RING_ENTRIES];
} rings[TCS_MAX];

static uint64_t next_id;
static bool use_rings;
static unsigned misses, pause;
static struct hostcall_stats stats[HOSTCALL_COUNT];
static struct hostcall_costs costs;
void (*hostcall_before_exit)(void);

const struct hostcall_stats *hostcall_stats(unsigned nr)
{
	return &stats[nr];
}

const struct hostcall_costs *hostcall_costs(void)
{
	return &costs;
}

static uint64_t block(int cpu)
{
	return RING_CPUS + (uint64_t)cpu * RING_CPU_SIZE;
}

static void write_request(
	uint64_t off, uint64_t id, unsigned nr, const uint64_t *wire)
{
	uint64_t req[RING_REQ_WORDS] = {id, nr};

	for (int i = 0; i < HOSTCALL_ARGS; i++)
		req[RING_REQ_ARGS + i] = wire[i];
	shared_write(off, req, sizeof(req));
}

/* ---- by exit ---- */

static int64_t call_by_exit(unsigned nr, const uint64_t *wire)
{
	int cpu = this_cpu()->index;
	uint64_t slot = block(cpu) + RING_SLOT;
	uint64_t done = block(cpu) + RING_SLOT_DONE;
	/* Low bits are free: ring ids carry their index there. */
	uint64_t id = ++next_id * RING_ENTRIES, seen[RING_DONE_WORDS];

	write_request(slot, id, nr, wire);
	stats[nr].exits++;
	enclave_exit_call(0);
	shared_read(seen, done, sizeof(seen));
	if (unlikely(seen[RING_DONE_ID] != id))
		panic_host("call %s: completed id %lu, wanted %lu",
			hostcall_desc(nr)->name, seen[RING_DONE_ID], id);
	return (int64_t)seen[RING_DONE_RESULT];
}

/* ---- by ring ---- */

static void release(struct ring *r, struct flight *f)
{
	f->id = 0;
	r->busy--;
}

/* Takes one completion; every word is read once. */
static void take(struct ring *r, uint64_t off)
{
	uint64_t id = shared_load(off + RING_DONE_ID * 8);
	int64_t result = (int64_t)shared_load(off + RING_DONE_RESULT * 8);
	struct flight *f = &r->flight[id % RING_ENTRIES];
	struct hostcall_post *p;
	uint64_t wire[HOSTCALL_ARGS] = {0};

	shared_fence();
	if (!id || f->id != id || f->done)
		panic_host("ring: completion of unknown call %lu", id);
	f->done = true;
	f->result = result;
	if (!f->posted)
		return;
	/* Also one that nobody reads tells an honest host from another. */
	p = f->post;
	if (p)
		wire[hostcall_desc(f->nr)->result_arg] = p->limit;
	if (!hostcall_result_ok(hostcall_desc(f->nr), wire, result))
		panic_host("call %s: result %ld", hostcall_desc(f->nr)->name,
			result);
	shared_fence();
	release(r, f);
	if (p) {
		p->id = 0;
		p->done(p, result);
	}
}

static bool completions(const struct ring *r, int cpu)
{
	return shared_load(block(cpu) + RING_CQ_TAIL) != r->cq_head;
}

static void reap(int cpu)
{
	struct ring *r = &rings[cpu];
	uint64_t tail;

	if (!r->busy)
		return;
	tail = shared_load(block(cpu) + RING_CQ_TAIL);
	if (tail - r->cq_head > RING_ENTRIES)
		panic_host("ring: completion tail %lu, head %lu", tail,
			r->cq_head);
	while (r->cq_head != tail)
		take(r,
			block(cpu) + RING_CQ +
				r->cq_head++ % RING_ENTRIES * RING_DONE_WORDS *
					8);
}

/* A free place and its new id; NULL: all in flight. */
static struct flight *claim(struct ring *r, unsigned nr)
{
	for (unsigned n = 0; n < RING_ENTRIES; n++) {
		unsigned i = ++r->last % RING_ENTRIES;
		struct flight *f = &r->flight[i];

		if (f->id)
			continue;
		*f = (struct flight){
			.id = ++next_id * RING_ENTRIES + i, .nr = nr};
		r->busy++;
		return f;
	}
	return NULL;
}

static void submit(int cpu, const struct flight *f, const uint64_t *wire)
{
	struct ring *r = &rings[cpu];
	uint64_t off = block(cpu);

	write_request(
		off + RING_SQ + r->sq_tail % RING_ENTRIES * RING_REQ_WORDS * 8,
		f->id, f->nr, wire);
	shared_store(off + RING_SQ_TAIL, ++r->sq_tail);
}

/* Looks for completions with the lock dropped: a sleep point. */
static void spin(const struct ring *r, int cpu)
{
	bkl_unlock();
	for (int i = 0; i < SPIN_TRIES && !completions(r, cpu); i++)
		__builtin_ia32_pause();
	bkl_lock();
}

static int64_t call_by_ring(int cpu, struct flight *f, const uint64_t *wire)
{
	struct ring *r = &rings[cpu];
	uint64_t wait[HOSTCALL_ARGS] = {f->id, (uint64_t)cpu};
	int64_t result;

	submit(cpu, f, wire);
	/* Somebody else can run: let the worker's time be his. */
	if (sched_runnable())
		sched_yield();
	reap(cpu);
	if (!f->done) {
		spin(r, cpu);
		reap(cpu);
	}
	if (f->done) {
		stats[f->nr].rings++;
		misses = 0;
	} else {
		stats[f->nr].exits++;
		if (++misses == MISSES_MAX) {
			misses = 0;
			pause = PAUSE_CALLS;
		}
		if (call_by_exit(HC_ring_wait, wait))
			panic_host("call ring_wait: not 0");
		reap(cpu);
		if (!f->done)
			panic_host("ring: call %s not completed",
				hostcall_desc(f->nr)->name);
	}
	result = f->result;
	release(r, f);
	return result;
}

static bool worker_polls(int cpu)
{
	if (!use_rings)
		return false;
	if (pause) {
		pause--;
		return false;
	}
	return shared_load(block(cpu) + RING_POLLING) == 1;
}

int64_t hostcall_ring_call(unsigned nr, unsigned how, const uint64_t *wire)
{
	int cpu = this_cpu()->index;
	struct flight *f;
	int64_t result;

	if (hostcall_before_exit)
		hostcall_before_exit();
	if (how == HC_HOW_RING && worker_polls(cpu)) {
		f = claim(&rings[cpu], nr);
		if (f)
			return call_by_ring(cpu, f, wire);
	}
	result = call_by_exit(nr, wire);
	reap(cpu);
	return result;
}

bool hostcall_post_fits(void)
{
	int cpu = this_cpu()->index;

	reap(cpu);
	return rings[cpu].busy < RING_ENTRIES;
}

bool hostcall_ring_try_post(
	unsigned nr, const uint64_t *wire, struct hostcall_post *p)
{
	int cpu = this_cpu()->index;
	struct flight *f;

	reap(cpu);
	f = claim(&rings[cpu], nr);
	if (!f)
		return false;
	f->posted = true;
	f->post = p;
	if (p) {
		p->id = f->id;
		p->cpu = cpu;
	}
	stats[nr].posts++;
	submit(cpu, f, wire);
	return true;
}

void hostcall_ring_post(unsigned nr, const uint64_t *wire)
{
	if (hostcall_ring_try_post(nr, wire, NULL))
		return;
	/* The exit empties the ring, too. */
	int64_t result = hostcall_ring_call(nr, HC_HOW_EXIT, wire);

	if (!hostcall_result_ok(hostcall_desc(nr), wire, result))
		panic_host(
			"call %s: result %ld", hostcall_desc(nr)->name, result);
}

bool hostcall_ring_is_back(struct hostcall_post *p)
{
	if (p->id)
		reap(p->cpu);
	return p->id == 0;
}

void hostcall_ring_settle(struct hostcall_post *p)
{
	uint64_t wait[HOSTCALL_ARGS] = {p->id, (uint64_t)p->cpu};

	if (hostcall_ring_is_back(p))
		return;
	if (call_by_exit(HC_ring_wait, wait))
		panic_host("call ring_wait: not 0");
	if (!hostcall_ring_is_back(p) && p->id == wait[0])
		panic_host("ring: posted call not completed");
}

/* ---- which way is faster ---- */

/* Best round trip of row nr among those that went that way; 0: none did. The
 * first ones are cold, and a worker takes a while to start. */
static uint64_t measure(unsigned nr, const uint64_t *way)
{
	static const uint64_t wire[HOSTCALL_ARGS];
	uint64_t best = UINT64_MAX, begin = __builtin_ia32_rdtsc(), start,
		 before;
	int good = 0;

	while (good < MEASURE_GOOD &&
		__builtin_ia32_rdtsc() - begin < MEASURE_TICKS) {
		before = *way;
		pause = 0;
		start = __builtin_ia32_rdtsc();
		if (hostcall_ring_call(nr, hostcall_desc(nr)->how, wire))
			panic_host("call null: not 0");
		start = __builtin_ia32_rdtsc() - start;
		if (*way == before)
			continue;
		best = u64_min(best, start);
		good++;
	}
	return good ? best : 0;
}

void hostcall_set_policy(enum hostcall_policy policy)
{
	use_rings = false;
	misses = 0;
	if (policy == HOSTCALL_EXITS)
		return;
	costs.exit = measure(HC_null_exit, &stats[HC_null_exit].exits);
	if (policy == HOSTCALL_AUTO && costs.exit < EXIT_CHEAP)
		return;
	if (host_ring_poll(1))
		return;
	use_rings = true;
	costs.ring = measure(HC_null, &stats[HC_null].rings);
	misses = pause = 0;
	if (policy == HOSTCALL_AUTO &&
		(!costs.ring || costs.ring > costs.exit)) {
		use_rings = false;
		host_ring_poll(0);
	}
}
