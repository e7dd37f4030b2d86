/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The enclave's end of the shared region's slots and rings.
 *
 * What is in flight is remembered inside: a completion is believed only if
 * its id is the one of a call that is in flight on this very ring, and only
 * once. Its result is then a number like any other of the host's, checked by
 * the caller against the row.
 */
#include "kernel/hostcall_ring.h"

#include <linux/errno.h>

#include "abi/ring.h"
#include "kernel/cpu.h"
#include "kernel/hostcall.h"
#include "kernel/klog.h"
#include "kernel/shared.h"
#include "lib/types.h"

enum { SPIN_TRIES = 200 };

/* A call in flight. id 0: free. */
struct flight {
	uint64_t id;
	unsigned nr;
	bool posted, done;
	int64_t result;
};

static struct ring {
	uint64_t sq_tail, cq_head;
	unsigned busy;
	struct flight flight[RING_ENTRIES];
} rings[TCS_MAX];

static uint64_t next_id;
static enum hostcall_policy policy;
static struct hostcall_stats stats[HOSTCALL_COUNT];

void hostcall_set_policy(enum hostcall_policy p)
{
	policy = p;
}

const struct hostcall_stats *hostcall_stats(unsigned nr)
{
	return &stats[nr];
}

static uint64_t block(int cpu)
{
	return RING_CPUS + (uint64_t)cpu * RING_CPU_SIZE;
}

static void write_request(
	uint64_t off, uint64_t id, unsigned nr, const uint64_t *wire)
{
	shared_store(off + RING_REQ_ID * 8, id);
	shared_store(off + RING_REQ_NR * 8, nr);
	for (int i = 0; i < HOSTCALL_ARGS; i++)
		shared_store(off + (RING_REQ_ARGS + i) * 8ul, wire[i]);
}

/* ---- by exit ---- */

static int64_t call_by_exit(unsigned nr, const uint64_t *wire)
{
	int cpu = this_cpu()->index;
	uint64_t slot = block(cpu) + RING_SLOT;
	uint64_t done = block(cpu) + RING_SLOT_DONE;
	/* Low bits are free: ring ids carry their index there. */
	uint64_t id = ++next_id * RING_ENTRIES, seen;
	int64_t result;

	write_request(slot, id, nr, wire);
	stats[nr].exits++;
	enclave_exit_call(0);
	seen = shared_load(done + RING_DONE_ID * 8);
	result = (int64_t)shared_load(done + RING_DONE_RESULT * 8);
	if (unlikely(seen != id))
		panic_host("call %s: completed id %lu, wanted %lu",
			hostcall_desc(nr)->name, seen, id);
	return result;
}

/* ---- by ring ---- */

/* Takes one completion; every word is read once. */
static void take(struct ring *r, uint64_t off)
{
	uint64_t id = shared_load(off + RING_DONE_ID * 8);
	int64_t result = (int64_t)shared_load(off + RING_DONE_RESULT * 8);
	struct flight *f = &r->flight[id % RING_ENTRIES];

	shared_fence();
	if (!id || f->id != id || f->done)
		panic_host("ring: completion of unknown call %lu", id);
	f->done = true;
	f->result = result;
	if (f->posted) {
		if (!hostcall_result_ok(hostcall_desc(f->nr), NULL, result))
			panic_host("call %s: result %ld",
				hostcall_desc(f->nr)->name, result);
		f->id = 0;
		r->busy--;
	}
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
	for (unsigned i = 0; i < RING_ENTRIES; i++) {
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

static void wait_by_exit(uint64_t id)
{
	uint64_t wire[HOSTCALL_ARGS] = {id};

	if (call_by_exit(HC_ring_wait, wire))
		panic_host("call ring_wait: not 0");
}

static int64_t call_by_ring(int cpu, struct flight *f, const uint64_t *wire)
{
	int64_t result;
	uint64_t id = f->id;

	submit(cpu, f, wire);
	for (int i = 0; !f->done && i < SPIN_TRIES; i++) {
		__builtin_ia32_pause();
		reap(cpu);
	}
	if (!f->done) {
		wait_by_exit(id);
		reap(cpu);
		if (!f->done)
			panic_host("ring: call %s not completed",
				hostcall_desc(f->nr)->name);
		stats[f->nr].exits++;
	} else {
		stats[f->nr].rings++;
	}
	result = f->result;
	f->id = 0;
	rings[cpu].busy--;
	return result;
}

int64_t hostcall_ring_call(unsigned nr, unsigned how, const uint64_t *wire)
{
	int cpu = this_cpu()->index;
	struct flight *f;
	int64_t result;

	if (how == HC_HOW_RING && policy == HOSTCALL_RINGS &&
		shared_load(block(cpu) + RING_POLLING) == 1) {
		f = claim(&rings[cpu], nr);
		if (f)
			return call_by_ring(cpu, f, wire);
	}
	result = call_by_exit(nr, wire);
	reap(cpu);
	return result;
}

void hostcall_ring_post(unsigned nr, const uint64_t *wire)
{
	int cpu = this_cpu()->index;
	struct flight *f;

	reap(cpu);
	f = claim(&rings[cpu], nr);
	if (!f) { /* full: whoever is first in it must end first */
		call_by_exit(nr, wire);
		return;
	}
	f->posted = true;
	stats[nr].posts++;
	submit(cpu, f, wire);
}
