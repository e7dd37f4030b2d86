/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances of CAS: each opens its store and commits in a coroutine of its own,
 * which rests whenever it waits for witnesses; requests of clients come in
 * between, as they do with threads. A killed instance goes on as far as it must
 * to free its memory, and changes nothing any more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "test/sim/sim_engine.h"

enum {
	STACK = 512 << 10,
	LINGER_US = 1000000,
	REST_US = 20000000, /* the longest wait for anything */
};

struct sim_cas {
	struct freshness base;
	struct witness_quorum quorum;
	struct sim_link_user user;
	ucontext_t here, back;
	void *stack;
	struct store *store;
	struct sim_disk *disk;
	struct sim_engine *engine;
	unsigned index;
	bool create, running, live, serving;
	uint64_t resting; /* counts the waits: one wake-up for each */
};

static struct sim_cas pool[SIM_INSTANCES];
static unsigned started;
static uint64_t births;
static const struct sim_cas *honest; /* the last that a quorum answered */
static const uint8_t key[STORE_KEY_SIZE] = "the cluster key";

/* ---- coroutines ---- */

static void resume(struct sim_cas *c)
{
	if (!c->running)
		return;
	if (swapcontext(&c->back, &c->here) < 0)
		abort();
}

static void wake(void *arg, uint64_t resting)
{
	struct sim_cas *c = arg;

	if (c->running && c->resting == resting)
		resume(c);
}

/* In a coroutine: until something happens to it, or so long. */
static void rest(struct sim_cas *c, int64_t us)
{
	sim_after(us, wake, c, ++c->resting);
	if (swapcontext(&c->here, &c->back) < 0)
		abort();
	c->resting++;
}

static void poke(struct sim_cas *c)
{
	sim_after(1, wake, c, c->resting);
}

/* ---- witnesses ---- */

static void on_answer(
	void *arg, unsigned witness, const struct witness_reply *r)
{
	struct sim_cas *c = arg;

	witness_quorum_answer(&c->quorum, witness, r);
	poke(c);
}

static void on_lost(void *arg, unsigned witness)
{
	struct sim_cas *c = arg;

	witness_quorum_lost(&c->quorum, witness);
	poke(c);
}

static bool ack_early(const struct sim_cas *c)
{
	const struct witness_quorum *q = &c->quorum;

	for (unsigned i = 0; i < q->count; i++)
		if (q->phase == WITNESS_APPENDING && q->peer[i].answered &&
			q->peer[i].view.seq == q->to_seq &&
			q->peer[i].view.accepted == q->term)
			return true;
	return false;
}

/* As drive() of cas/witness_set.c, with other connections. */
static int drive(struct sim_cas *c, int64_t deadline)
{
	struct witness_quorum *q = &c->quorum;
	int64_t linger = INT64_MAX;

	for (;;) {
		struct witness_request r;
		int64_t until;

		for (unsigned i = 0; i < q->count; i++)
			if (witness_quorum_next(q, i, &r))
				sim_net_send(&c->user, i, &r);
		if (!witness_quorum_lingers(q))
			linger = INT64_MAX;
		else if (linger == INT64_MAX)
			linger = sim.now + LINGER_US;
		if (sim.now >= linger || sim.now >= deadline)
			witness_quorum_hurry(q);
		if (sim.broken == BROKEN_ACK_EARLY && ack_early(c))
			return 0;
		if (witness_quorum_result(q) <= 0)
			return witness_quorum_result(q);
		if (sim.now >= deadline || c->user.dead)
			return -ETIMEDOUT;
		until = linger < deadline ? linger : deadline;
		rest(c, until - sim.now);
	}
}

static int cas_open(struct freshness *f, unsigned timeout_ms,
	struct freshness_state *state, bool *exists, struct err *e)
{
	struct sim_cas *c = container_of(f, struct sim_cas, base);
	int64_t deadline = sim.now + (int64_t)timeout_ms * 1000;
	int rc;

	do {
		witness_quorum_open(&c->quorum);
		rc = drive(c, deadline);
		if (rc == -EAGAIN && !c->user.dead)
			rest(c, 1 + sim_below(200000));
	} while (rc == -EAGAIN && sim.now < deadline && !c->user.dead);
	if (rc != 0)
		return err_setf(e, rc == -EAGAIN ? -ETIMEDOUT : rc, "open");
	*exists = c->quorum.exists;
	*state = (struct freshness_state){
		.term = c->quorum.term, .seq = c->quorum.to_seq};
	memcpy(state->head, c->quorum.to, sizeof(state->head));
	return 0;
}

static int cas_append(struct freshness *f, uint64_t from_seq,
	const uint8_t *from, uint64_t to_seq, const uint8_t *to,
	unsigned timeout_ms, struct err *e)
{
	struct sim_cas *c = container_of(f, struct sim_cas, base);
	int rc;

	witness_quorum_append(&c->quorum, from_seq, from, to_seq, to);
	rc = drive(c, sim.now + (int64_t)timeout_ms * 1000);
	if (rc == 0)
		honest = c;
	return rc < 0 ? err_setf(e, rc, "append") : 0;
}

static int cas_stop(struct freshness *f, struct err *e)
{
	(void)f;
	(void)e;
	return 0;
}

static void cas_status(
	struct freshness *f, unsigned *answering, unsigned *count)
{
	(void)f;
	*answering = *count = 0;
}

static const struct freshness_ops ops = {
	.kind = FRESH_QUORUM,
	.open = cas_open,
	.append = cas_append,
	.stop = cas_stop,
	.status = cas_status,
};

/* ---- an instance's life ---- */

static int64_t cas_now(void *arg)
{
	(void)arg;
	return 1700000000 + sim.now / 1000000;
}

static int open_store(struct sim_cas *c, struct err *e)
{
	const struct store_options o = {
		.key = {0},
		.freshness = sim.broken == BROKEN_NO_FRESHNESS ? NULL
							       : &c->base,
		.backend = &sim_backend,
		.backend_arg = c->disk,
		.now = cas_now,
		.no_thread = true,
	};
	struct store_options mine = o;

	memcpy(mine.key, key, sizeof(key));
	return store_open(&mine, c->create, &c->store, e);
}

static void commit(struct sim_cas *c)
{
	while (!c->user.dead) {
		int rc = store_step(c->store);

		store_complete(c->store);
		if (rc == -ESTALE) {
			sim_note("cas %u: overtaken", c->index);
			return;
		}
		if (rc == 1)
			rest(c, REST_US);
		else if (rc < 0)
			rest(c, 100000);
	}
}

static void tick(void *arg, uint64_t born)
{
	struct sim_cas *c = arg;

	if (!c->engine || c->user.born != born || !sim_cas_serves(c))
		return;
	sim_engine_tick(c->engine);
	poke(c);
	sim_after(1000000, tick, c, born);
}

static void live(struct sim_cas *c)
{
	struct err e = {0};
	int rc = open_store(c, &e);

	if (rc == 0) {
		sim_note("cas %u: serves, term %llu", c->index,
			(unsigned long long)c->quorum.term);
		if (sim.engine)
			c->engine = sim_engine_new(c->store);
		c->serving = !sim.engine || c->engine;
		tick(c, c->user.born);
		commit(c);
		c->serving = false;
		sim_disk_kill(c->disk);
		c->user.dead = true;
		sim_engine_free(c->engine);
		c->engine = NULL;
		store_close(c->store);
		c->store = NULL;
	} else {
		sim.refusals++;
		sim_note("cas %u: %s", c->index, e.text);
	}
	c->user.dead = true;
	c->live = false;
	c->running = false;
}

static void enter(unsigned index)
{
	live(&pool[index]);
	/* Never comes back: uc_link is what called last. */
	swapcontext(&pool[index].here, &pool[index].back);
	abort();
}

static void make_coroutine(struct sim_cas *c)
{
	if (getcontext(&c->here) < 0)
		abort();
	c->here.uc_stack.ss_sp = c->stack;
	c->here.uc_stack.ss_size = STACK;
	c->here.uc_link = NULL;
	makecontext(&c->here, (void (*)(void))enter, 1, c->index);
}

struct sim_cas *sim_cas_start(unsigned state, bool create)
{
	struct sim_cas *c = &pool[started];

	if (started == SIM_INSTANCES)
		return NULL;
	if (!c->stack) {
		c->stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
		if (c->stack == MAP_FAILED)
			abort();
	}
	*c = (struct sim_cas){.base.ops = &ops,
		.stack = c->stack,
		.index = started,
		.disk = sim_disk_new(state),
		.create = create,
		.running = true,
		.live = true};
	c->user = (struct sim_link_user){.answer = on_answer,
		.lost = on_lost,
		.arg = c,
		.born = ++births};
	witness_quorum_init(&c->quorum, sim.witnesses);
	sim_note("cas %u: starts from state %u of %u", started, state,
		sim_disk_states());
	started++;
	sim.starts++;
	make_coroutine(c);
	poke(c);
	return c;
}

void sim_cas_kill(struct sim_cas *c)
{
	if (!c->live)
		return;
	sim_note("cas %u: killed", c->index);
	sim.kills++;
	sim_disk_kill(c->disk);
	c->user.dead = true;
	c->live = c->serving = false;
	/* It unwinds: each wait ends at once with an error. */
	while (c->running)
		resume(c);
}

void sim_cas_free(void)
{
	for (unsigned i = 0; i < started; i++)
		sim_cas_kill(&pool[i]);
	started = 0;
	honest = NULL;
}

void sim_cas_reset(void)
{
	sim_cas_free();
}

bool sim_cas_serves(const struct sim_cas *c)
{
	return c->live && c->serving;
}

struct sim_cas *sim_cas_any(void)
{
	struct sim_cas *found[SIM_INSTANCES];
	unsigned n = 0;

	for (unsigned i = 0; i < started; i++)
		if (sim_cas_serves(&pool[i]))
			found[n++] = &pool[i];
	return n ? found[sim_below(n)] : NULL;
}

unsigned sim_cas_live(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < started; i++)
		n += pool[i].live;
	return n;
}

unsigned sim_cas_started(void)
{
	return started;
}

unsigned sim_cas_state(unsigned index)
{
	return sim_disk_state(pool[index].disk);
}

unsigned sim_cas_honest_state(void)
{
	return honest ? sim_disk_state(honest->disk) : sim_disk_states() - 1;
}

/* ---- requests: what the engine does with tags and secrets ---- */

struct call {
	struct sim_cas *cas;
	uint64_t born;
	uint64_t version;
	int status;
	sim_reply_fn *reply;
	void *arg;
};

static void answer(void *arg, uint64_t a)
{
	struct call *call = arg;

	(void)a;
	call->reply(call->arg, call->status, call->version);
	free(call);
}

static void tell(struct call *call, int status, uint64_t version)
{
	call->status = status;
	call->version = version;
	sim_after(100 + sim_below(2000), answer, call, 0);
}

/* What a killed instance would have said, nobody hears. */
static void done(void *arg, int status)
{
	struct call *call = arg;
	struct sim_cas *c = call->cas;

	if (c->user.born != call->born || !sim_cas_serves(c)) {
		free(call);
		return;
	}
	tell(call, status, call->version);
}

static uint64_t get(struct sim_cas *c, unsigned object)
{
	char name[2] = {(char)('a' + (char)object)};
	const void *value;
	size_t size;
	uint64_t v;

	if (!store_get(c->store, STORE_VOLUME, name, 1, &value, &size, NULL))
		return 0;
	if (size != sizeof(v)) {
		sim_fail("a value has another size");
		return 0;
	}
	memcpy(&v, value, sizeof(v));
	return v;
}

static struct call *new_call(
	struct sim_cas *c, uint64_t version, sim_reply_fn *reply, void *arg)
{
	struct call *call = malloc(sizeof(*call));

	*call = (struct call){.cas = c,
		.born = c->user.born,
		.version = version,
		.reply = reply,
		.arg = arg};
	return call;
}

static void submit(struct sim_cas *c, struct store_txn *x, struct call *call)
{
	int rc;

	if (sim.broken == BROKEN_EARLY_REPLY) {
		rc = store_submit(x, NULL, NULL);
		tell(call, rc, call->version);
	} else {
		rc = store_submit(x, done, call);
		if (rc < 0)
			tell(call, rc, 0);
	}
	poke(c);
}

/* From the engine: on the way to the client. */
static void engine_told(void *arg, int status, uint64_t version)
{
	struct call *call = arg;
	struct sim_cas *c = call->cas;

	if (c->user.born == call->born && sim_cas_serves(c))
		tell(call, status, version);
	else
		free(call);
}

void sim_cas_update(struct sim_cas *c, unsigned client, unsigned object,
	uint64_t from, uint64_t to, sim_reply_fn *reply, void *arg)
{
	char name[2] = {(char)('a' + (char)object)};
	struct call *call = new_call(c, to, reply, arg);
	struct audit_event event = {.what = "volume.tag", .object = name};
	struct store_txn *x;

	if (c->engine) {
		sim_engine_update(
			c->engine, client, object, from, to, engine_told, call);
		poke(c);
		return;
	}
	if (get(c, object) != from) {
		tell(call, -ESTALE, 0);
		return;
	}
	x = store_begin(c->store);
	store_put(x, STORE_VOLUME, name, 1, &to, sizeof(to));
	store_audit(x, &event);
	submit(c, x, call);
}

/* A service that starts: it is written down, and told when that is durable. */
void sim_cas_read(struct sim_cas *c, unsigned client, unsigned object,
	sim_reply_fn *reply, void *arg)
{
	struct call *call = new_call(c, 0, reply, arg);
	struct audit_event event = {.what = "service.start"};
	struct store_txn *x;

	if (c->engine) {
		sim_engine_read(c->engine, client, object, engine_told, call);
		poke(c);
		return;
	}
	call->version = get(c, object);
	if (sim.broken == BROKEN_STALE_READ) {
		tell(call, 0, call->version);
		return;
	}
	x = store_begin(c->store);
	store_audit(x, &event);
	submit(c, x, call);
}
