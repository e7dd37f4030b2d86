/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs: sim-cas [-n RUNS] [-s SEED] [-b BROKEN] [-e] [-v]. Each run has a seed
 * of its own, SEED, SEED + 1, ...; a failure names it. -e: with the engine.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/sim/sim_engine.h"

enum {
	EVENTS_MAX = 60000,
	RUN_US = 15000000, /* with faults */
	HEAL_US = 20000000, /* without, for one start */
	PATIENCE_US = 6000000, /* of a client */
};

struct sim sim;

/* ---- chance ---- */

uint64_t sim_random(void)
{
	uint64_t z = (sim.random += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

unsigned sim_below(unsigned n)
{
	return (unsigned)(sim_random() % n);
}

bool sim_chance(unsigned percent)
{
	return sim_below(100) < percent;
}

/* Linked with --wrap: the store's nonces are of this run, too. */
int __wrap_RAND_bytes(unsigned char *buf, int num);
int __wrap_RAND_bytes(unsigned char *buf, int num)
{
	for (int i = 0; i < num; i++)
		buf[i] = (unsigned char)sim_random();
	return 1;
}

int __wrap_RAND_priv_bytes(unsigned char *buf, int num);
int __wrap_RAND_priv_bytes(unsigned char *buf, int num)
{
	return __wrap_RAND_bytes(buf, num);
}

/* Inside of libcrypto. */
int __wrap_RAND_priv_bytes_ex(
	void *context, unsigned char *buf, size_t num, unsigned strength);
int __wrap_RAND_priv_bytes_ex(
	void *context, unsigned char *buf, size_t num, unsigned strength)
{
	return __wrap_RAND_bytes(buf, (int)num);
}

int __wrap_RAND_bytes_ex(
	void *context, unsigned char *buf, size_t num, unsigned strength);
int __wrap_RAND_bytes_ex(
	void *context, unsigned char *buf, size_t num, unsigned strength)
{
	return __wrap_RAND_bytes(buf, (int)num);
}

void sim_fail(const char *format, ...)
{
	va_list ap;

	if (sim.failure[0])
		return;
	va_start(ap, format);
	vsnprintf(sim.failure, sizeof(sim.failure), format, ap);
	va_end(ap);
}

void sim_note(const char *format, ...)
{
	va_list ap;

	if (!sim.verbose)
		return;
	printf("%10.6f ", (double)sim.now / 1e6);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
}

/* ---- events: a heap by time, then by number ---- */

struct event {
	int64_t at;
	uint64_t number, a;
	sim_event_fn *fn;
	void *arg;
};

static struct event heap[EVENTS_MAX];
static unsigned events;
static uint64_t numbers;

static bool is_before(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->number < b->number;
}

static void swap(unsigned i, unsigned j)
{
	struct event e = heap[i];

	heap[i] = heap[j];
	heap[j] = e;
}

void sim_after(int64_t us, sim_event_fn *fn, void *arg, uint64_t a)
{
	unsigned i = events;

	if (events == EVENTS_MAX) {
		sim_fail("more events than a run can hold");
		return;
	}
	heap[events++] = (struct event){.at = sim.now + us,
		.number = numbers++,
		.a = a,
		.fn = fn,
		.arg = arg};
	while (i > 0 && is_before(&heap[i], &heap[(i - 1) / 2])) {
		swap(i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
}

static bool next_event(int64_t until)
{
	struct event e = heap[0];
	unsigned i = 0;

	if (!events || e.at > until || sim.failure[0])
		return false;
	heap[0] = heap[--events];
	for (;;) {
		unsigned least = i, l = 2 * i + 1;

		for (unsigned j = l; j < l + 2 && j < events; j++)
			if (is_before(&heap[j], &heap[least]))
				least = j;
		if (least == i)
			break;
		swap(i, least);
		i = least;
	}
	sim.now = e.at;
	e.fn(e.arg, e.a);
	return true;
}

/* ---- clients ---- */

static struct client {
	unsigned object;
	struct sim_cas *cas;
	uint64_t version, asked, floor;
	bool knows;
	uint64_t turn; /* answers to older requests are late */
} clients[SIM_CLIENTS];

static void client_turn(void *arg, uint64_t turn);

static void again(struct client *c, int64_t us)
{
	sim_after(us, client_turn, c, ++c->turn);
}

/* Late answers are answers, too: what was told was told. */
struct ask {
	struct ask *next;
	struct client *client;
	uint64_t turn, floor, asked;
	unsigned object;
};

static struct ask *asks;

static struct ask *new_ask(struct client *c)
{
	struct ask *a = malloc(sizeof(*a));

	*a = (struct ask){.next = asks,
		.client = c,
		.turn = c->turn,
		.floor = sim_check_floor(c->object),
		.object = c->object,
		.asked = c->asked};
	asks = a;
	return a;
}

static void on_read(void *arg, int status, uint64_t version)
{
	struct ask *a = arg;
	struct client *c = a->client;

	sim_note("object %u: read %llu, status %d", a->object,
		(unsigned long long)version, status);
	if (status == 0)
		sim_check_read(a->object, a->floor, version);
	if (a->turn != c->turn)
		return;
	c->knows = status == 0;
	c->version = version;
	again(c, sim_below(50000));
}

static void on_update(void *arg, int status, uint64_t version)
{
	struct ask *a = arg;
	struct client *c = a->client;

	sim_note("object %u: update to %llu, status %d", a->object,
		(unsigned long long)a->asked, status);
	if (status == 0)
		sim_check_acknowledged(a->object, version);
	if (a->turn != c->turn)
		return;
	c->knows = status == 0;
	c->version = version;
	again(c, sim_below(50000));
}

static void client_turn(void *arg, uint64_t turn)
{
	struct client *c = arg;

	if (turn != c->turn || sim.healing)
		return;
	/* Nobody answered in time: it does not know what became of it. */
	again(c, PATIENCE_US);
	if (!c->cas || !sim_cas_serves(c->cas) || sim_chance(10)) {
		c->cas = sim_cas_any();
		c->knows = false;
	}
	if (sim_chance(10)) {
		c->object = sim_below(SIM_OBJECTS);
		c->knows = false;
	}
	if (!c->cas) {
		again(c, 100000 + sim_below(500000));
		return;
	}
	if (!c->knows) {
		sim_cas_read(c->cas, (unsigned)(c - clients), c->object,
			on_read, new_ask(c));
		return;
	}
	c->asked = sim_check_propose(c->object, c->version);
	c->knows = false;
	sim_cas_update(c->cas, (unsigned)(c - clients), c->object, c->version,
		c->asked, on_update, new_ask(c));
}

/* ---- the host ---- */

static unsigned choose_state(void)
{
	unsigned n = sim_below(100);

	if (n < 75)
		return sim_cas_honest_state();
	if (n < 84)
		return sim_cas_state(sim_below(sim_cas_started()));
	if (n < 92)
		return 1 + sim_below(sim_disk_states() - 1);
	return sim_disk_attack(sim_cas_honest_state());
}

static struct sim_cas *instances[SIM_INSTANCES];
static unsigned instance_count;

static void start(unsigned state, bool create)
{
	struct sim_cas *c = sim_cas_start(state, create);

	if (c)
		instances[instance_count++] = c;
}

static void host_turn(void *arg, uint64_t a)
{
	(void)arg;
	(void)a;
	if (sim.healing)
		return;
	if (instance_count && sim_chance(20))
		sim_cas_kill(instances[sim_below(instance_count)]);
	/* An empty store again, if the first came to nothing. */
	if (sim_disk_states() == 1)
		start(0, true);
	else if (instance_count < 24 &&
		(sim_cas_live() == 0 ||
			(sim_cas_live() < SIM_LIVE && sim_chance(25))))
		start(choose_state(), false);
	sim_after(50000 + sim_below(2000000), host_turn, NULL, 0);
}

/* ---- the end: without faults, one instance starts and has it all ---- */

static unsigned final_reads;

static void on_final(void *arg, int status, uint64_t version)
{
	struct ask *a = arg;

	if (status != 0)
		sim_fail("the last read: %d", status);
	else
		sim_check_read(a->object, sim_check_floor(a->object), version);
	final_reads++;
}

static bool try_state(unsigned state)
{
	struct sim_cas *c;
	int64_t until = sim.now + HEAL_US;

	c = sim_cas_start(state, false);
	if (!c)
		return false;
	while (!sim_cas_serves(c) && next_event(until))
		;
	if (!sim_cas_serves(c)) {
		sim_cas_kill(c);
		return false;
	}
	final_reads = 0;
	for (unsigned i = 0; i < SIM_OBJECTS; i++) {
		clients[0].object = i;
		sim_cas_read(c, 0, i, on_final, new_ask(&clients[0]));
		while (final_reads == i && next_event(until))
			;
	}
	if (final_reads < SIM_OBJECTS && !sim.failure[0])
		sim_fail("no answer although all is well");
	return true;
}

/* Among what the instances left there is a store that is good. */
static void heal(void)
{
	unsigned n = sim_cas_started();
	unsigned left[SIM_INSTANCES];

	for (unsigned i = 0; i < n; i++)
		left[i] = sim_cas_state(i);
	for (unsigned i = 0; i < instance_count; i++)
		sim_cas_kill(instances[i]);
	sim.healing = true;
	/* Witnesses come back. */
	for (int64_t until = sim.now + 3000000; next_event(until);)
		;
	if (sim.acks == 0 && sim.reads == 0)
		return;
	if (try_state(sim_cas_honest_state()))
		return;
	for (unsigned i = n; i > 0 && sim_cas_started() < SIM_INSTANCES; i--) {
		bool again = false;

		for (unsigned j = i; j < n; j++)
			again |= left[j] == left[i - 1];
		if (!again && !sim.failure[0] && try_state(left[i - 1]))
			return;
	}
	if (!sim.failure[0])
		sim_fail("no store that was left is taken for the newest");
}

static void clear(void)
{
	sim_cas_free();
	sim_engine_clear();
	sim_net_free();
	while (asks) {
		struct ask *next = asks->next;

		free(asks);
		asks = next;
	}
}

static void run(uint64_t seed)
{
	int64_t until = RUN_US;

	sim.seed = seed;
	sim.random = seed * 0x2545f4914f6cdd1d + 1;
	sim.now = 0;
	sim.healing = false;
	sim.failure[0] = '\0';
	events = 0;
	instance_count = 0;
	sim.witnesses = sim_chance(70) ? 3 : 5;
	sim_disk_reset();
	sim_check_reset();
	sim_engine_reset();
	sim_cas_reset();
	sim_net_reset();
	for (unsigned i = 0; i < SIM_CLIENTS; i++) {
		clients[i] = (struct client){.object = sim_below(SIM_OBJECTS)};
		again(&clients[i], sim_below(1000000));
	}
	sim_after(0, host_turn, NULL, 0);
	while (next_event(until))
		;
	if (!sim.failure[0])
		heal();
	clear();
}

/* ---- many of them ---- */

static const char *const broken_names[BROKEN_KINDS] = {
	[BROKEN_NOTHING] = "nothing",
	[BROKEN_ACK_EARLY] = "ack-early",
	[BROKEN_NO_TERM] = "no-term",
	[BROKEN_NO_FRESHNESS] = "no-freshness",
	[BROKEN_EARLY_REPLY] = "early-reply",
	[BROKEN_STALE_READ] = "stale-read",
	[BROKEN_OLD_WITNESSES] = "old-witnesses",
};

static enum sim_broken parse_broken(const char *name)
{
	unsigned i = 0;

	while (i < BROKEN_KINDS && strcmp(name, broken_names[i]) != 0)
		i++;
	return (enum sim_broken)i;
}

int main(int argc, char **argv)
{
	unsigned long runs = 2000, seed = 1, i;
	uint64_t acks = 0, reads = 0, quiet = 0;
	int option;

	while ((option = getopt(argc, argv, "n:s:b:ev")) >= 0) {
		if (option == 'n')
			runs = strtoul(optarg, NULL, 10);
		else if (option == 's')
			seed = strtoul(optarg, NULL, 10);
		else if (option == 'b')
			sim.broken = parse_broken(optarg);
		else if (option == 'e')
			sim.engine = true;
		else if (option == 'v')
			sim.verbose = true;
		else
			return 2;
	}
	if (sim.broken == BROKEN_KINDS)
		return 2;
	for (i = 0; i < runs; i++) {
		sim.acks = sim.reads = 0;
		run(seed + i);
		acks += sim.acks;
		reads += sim.reads;
		quiet += sim.acks == 0;
		if (sim.failure[0]) {
			printf("seed %lu: %s\n", seed + i, sim.failure);
			return 1;
		}
	}
	sim_disk_reset();
	printf("%lu runs from seed %lu: %llu acknowledged, %llu told; %llu "
	       "starts, %llu refused, %llu killed, %llu stores altered; %llu "
	       "runs without an acknowledgement\n",
		runs, seed, (unsigned long long)acks, (unsigned long long)reads,
		(unsigned long long)sim.starts,
		(unsigned long long)sim.refusals, (unsigned long long)sim.kills,
		(unsigned long long)sim.attacks, (unsigned long long)quiet);
	return 0;
}
