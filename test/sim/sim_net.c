/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Witnesses, each with a disk of its own, and connections to them. Within a
 * connection nothing is doubled or overtaken: a client has one request out. But
 * a connection that is lost may leave a request behind that arrives later.
 */
#include <stdlib.h>
#include <string.h>

#include "test/sim/sim.h"

enum { HELD = 32, OLD = 64 };

struct flight {
	struct flight *next; /* all of this run */
	struct sim_link_user *user;
	uint64_t born;
	unsigned witness;
	bool orphan; /* its connection is gone: no answer */
	struct witness_request request;
	struct witness_reply reply;
};

static struct witness {
	struct witness_core *core;
	struct witness_view disk; /* what a restart finds */
	struct witness_view old[OLD]; /* what backups may hold */
	unsigned old_count;
	bool down;
	unsigned boots;
	struct flight *held[HELD]; /* decided, not durable yet */
	unsigned held_count;
} witnesses[SIM_WITNESSES];

static struct flight *flights;
static const uint8_t cluster[WITNESS_HASH_SIZE] = "sim";

static void boot(struct witness *w)
{
	witness_core_free(w->core);
	if (witness_core_new(1, &w->core) < 0)
		abort();
	if (w->disk.promised &&
		witness_core_load(w->core, cluster, &w->disk) < 0)
		abort();
	w->held_count = 0;
	w->down = false;
	w->boots++;
}

void sim_net_free(void)
{
	while (flights) {
		struct flight *next = flights->next;

		free(flights);
		flights = next;
	}
	for (unsigned i = 0; i < SIM_WITNESSES; i++) {
		witness_core_free(witnesses[i].core);
		witnesses[i] = (struct witness){0};
	}
}

static void come_up(void *arg, uint64_t a)
{
	(void)a;
	boot(arg);
}

static void go_down(struct witness *w)
{
	w->down = true;
	sim_after(1000 + sim_below(2000000), come_up, w, 0);
}

/* From time to time a witness crashes; what was not durable is gone. */
static void trouble(void *arg, uint64_t a)
{
	struct witness *w = &witnesses[sim_below(sim.witnesses)];

	(void)arg;
	(void)a;
	if (sim.healing)
		return;
	if (!w->down)
		go_down(w);
	if (sim.broken == BROKEN_OLD_WITNESSES && sim_chance(30))
		for (unsigned i = 0; i < sim.witnesses; i++)
			if (witnesses[i].old_count) {
				witnesses[i].disk = witnesses[i].old[sim_below(
					witnesses[i].old_count)];
				boot(&witnesses[i]);
			}
	sim_after(200000 + sim_below(4000000), trouble, NULL, 0);
}

void sim_net_reset(void)
{
	sim_net_free();
	for (unsigned i = 0; i < sim.witnesses; i++)
		boot(&witnesses[i]);
	sim_after(sim_below(2000000), trouble, NULL, 0);
}

/* ---- a request's way ---- */

static void deliver(void *arg, uint64_t a)
{
	struct flight *f = arg;
	struct sim_link_user *u = f->user;

	(void)a;
	if (u->dead || u->born != f->born || f->orphan)
		return;
	u->answer(u->arg, f->witness, &f->reply);
}

static void lost(void *arg, uint64_t a)
{
	struct flight *f = arg;
	struct sim_link_user *u = f->user;

	(void)a;
	f->orphan = true;
	if (!u->dead && u->born == f->born)
		u->lost(u->arg, f->witness);
}

static int64_t delay(void)
{
	return sim.healing || sim_chance(96) ? 50 + sim_below(500)
					     : 50 + sim_below(3000000);
}

static void synced(void *arg, uint64_t boots)
{
	struct witness *w = arg;
	const struct witness_request read = {.op = WITNESS_READ};
	struct witness_reply now;
	uint32_t slot = WITNESS_NO_SLOT;

	if (w->down || w->boots != boots)
		return;
	(void)!witness_core_answer(w->core, cluster, &read, &now, &slot);
	w->disk = now.view;
	if (w->old_count < OLD)
		w->old[w->old_count++] = now.view;
	for (unsigned i = 0; i < w->held_count; i++)
		sim_after(delay(), deliver, w->held[i], 0);
	w->held_count = 0;
}

static void arrive(void *arg, uint64_t a)
{
	struct flight *f = arg;
	struct witness *w = &witnesses[f->witness];
	uint32_t slot = WITNESS_NO_SLOT;

	(void)a;
	if (w->down || w->held_count == HELD) {
		lost(f, 0);
		return;
	}
	if (sim.broken == BROKEN_NO_TERM && f->request.op == WITNESS_APPEND) {
		const struct witness_request read = {.op = WITNESS_READ};
		struct witness_reply now;

		(void)!witness_core_answer(
			w->core, cluster, &read, &now, &slot);
		f->request.term = now.view.promised;
	}
	if (witness_core_answer(
		    w->core, cluster, &f->request, &f->reply, &slot) &&
		w->held_count == 0)
		sim_after(20 + sim_below(5000), synced, w, w->boots);
	else if (w->held_count == 0)
		sim_after(1, synced, w, w->boots);
	if (sim.broken == BROKEN_NO_TERM && f->request.op == WITNESS_APPEND &&
		f->reply.status == WITNESS_OK) {
		/* As if it had been taken in the term that was named. */
		f->reply.view.promised = f->reply.view.accepted = (uint64_t)a;
	}
	w->held[w->held_count++] = f;
}

void sim_net_send(struct sim_link_user *u, unsigned witness,
	const struct witness_request *r)
{
	struct flight *f = calloc(1, sizeof(*f));
	int64_t after = delay();

	f->next = flights;
	flights = f;
	f->user = u;
	f->born = u->born;
	f->witness = witness;
	f->request = *r;
	if (sim.healing || !sim_chance(4)) {
		sim_after(after, arrive, f, r->term);
		return;
	}
	/* The connection is lost before, or after the request got through. */
	if (sim_chance(60))
		sim_after(after, arrive, f, r->term);
	sim_after(after + sim_below(3000000), lost, f, 0);
}
