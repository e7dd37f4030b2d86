/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine in the simulated world, as its port for enclaves drives it:
 * clients are services that say HELLO and send tags. Objects are rollback
 * protected volumes, one for each service; each service also gets a secret that
 * the session generated, and that may never change.
 */
#include "test/sim/sim_engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attest/verdict.h"
#include "cas/engine.h"
#include "cas/wire.h"
#include "crypto/sha256.h"
#include "lib/service.h"

enum { TAG_SIZE = 32 };

struct sim_engine {
	struct engine *g;
	struct engine_peer *peer[SIM_CLIENTS];
};

/* The version of the session is told by what it generated. */
static uint8_t secrets[SIM_OBJECTS][SHA256_SIZE];
static bool has_secrets[SIM_OBJECTS];

#define ROOT "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define IMAGE(n)                                                \
	"- {name: i" n ", root: " ROOT ", volumes: [{name: v" n \
	", path: /d, update_policy: rollback_protected}]}\n"
#define SERVICE(n)                        \
	"- {name: " n ", image_name: i" n \
	", command: /x, environment: {K: '$$SCONE::key$$'}}\n"

static const char policy[] =
	"name: shop\n"
	"version: '1.0'\n"
	"security: {attestation: {mode: none}, service_access_token: letmein}\n"
	"secrets: [{name: key, kind: ascii, size: 32}]\n"
	"volumes: [{name: va}, {name: vb}, {name: vc}, {name: vd}]\n"
	"images:\n" IMAGE("a") IMAGE("b") IMAGE("c")
		IMAGE("d") "services:\n" SERVICE("a") SERVICE("b") SERVICE("c")
			SERVICE("d");

void sim_engine_reset(void)
{
	memset(has_secrets, 0, sizeof(has_secrets));
}

static int no_evidence(void *arg, const void *evidence, size_t size, int64_t at,
	struct verdict *v, struct err *e)
{
	return err_setf(e, -EINVAL, "no evidence here");
}

static int64_t now(void *arg)
{
	return 1700000000 + sim.now / 1000000;
}

static void on_setup(void *arg, const struct engine_reply *r)
{
	const char *what = arg;

	if (r->status)
		sim_note("%s: %d %s", what, r->status, r->error);
	/* The one who was before did it. */
	if (r->status == -EINVAL)
		sim_fail("%s: %s", what, r->error);
}

static void make_session(struct sim_engine *s)
{
	static const char config[] = "name: sim\n";
	static char words[2][16] = {"provision", "create"};
	struct engine_call call = {.who = {.present = true, .key = {1}},
		.reply = on_setup,
		.arg = words[0]};

	engine_provision(s->g, &call, config, sizeof(config) - 1);
	call.arg = words[1];
	engine_session_create(s->g, &call, policy, sizeof(policy) - 1, NULL);
}

struct sim_engine *sim_engine_new(struct store *store)
{
	struct sim_engine *s = calloc(1, sizeof(*s));
	const struct engine_options o = {
		.store = store, .verify = no_evidence, .now = now};
	struct err e = {0};

	if (engine_new(&o, &s->g, &e) < 0) {
		sim_fail("engine: %s", e.text);
		free(s);
		return NULL;
	}
	make_session(s);
	return s;
}

void sim_engine_free(struct sim_engine *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < SIM_CLIENTS; i++)
		if (s->peer[i])
			engine_peer_free(s->peer[i]);
	engine_free(s->g);
	free(s);
}

void sim_engine_tick(struct sim_engine *s)
{
	engine_tick(s->g);
}

/* ---- what services say ---- */

struct sim_engine_call {
	struct sim_engine_call *next;
	sim_engine_fn *tell;
	void *arg;
	unsigned object;
	uint64_t version;
};

static struct sim_engine_call *calls;

void sim_engine_clear(void)
{
	while (calls) {
		struct sim_engine_call *next = calls->next;

		free(calls);
		calls = next;
	}
}

static struct sim_engine_call *new_call(
	unsigned object, uint64_t version, sim_engine_fn *tell, void *arg)
{
	struct sim_engine_call *c = malloc(sizeof(*c));

	*c = (struct sim_engine_call){.next = calls,
		.tell = tell,
		.arg = arg,
		.object = object,
		.version = version};
	calls = c;
	return c;
}

static void check_secret(unsigned object, const struct bytes *manifest)
{
	uint8_t hash[SHA256_SIZE];

	sha256(manifest->data, manifest->size, hash);
	if (!has_secrets[object]) {
		memcpy(secrets[object], hash, sizeof(hash));
		has_secrets[object] = true;
	} else if (memcmp(secrets[object], hash, sizeof(hash)) != 0) {
		sim_fail("object %u: a secret was told, and then another one",
			object);
	}
}

static void on_hello(void *arg, const struct wire_reply *r)
{
	struct sim_engine_call *c = arg;
	static uint8_t memory[SCHEMA_ARENA_SIZE(64 << 10)];
	const char name[] = {'v', (char)('a' + (char)c->object), '\0'};
	const struct service_volume *v;
	struct service_config config;
	struct arena arena;
	struct err e = {0};
	uint64_t version = 0;

	if (r->status) {
		sim_note("hello: %s", r->error);
		c->tell(c->arg, -(int)r->status, 0);
		return;
	}
	arena_init(&arena, memory, sizeof(memory));
	if (service_config_decode(
		    &config, r->config.data, r->config.size, &arena, &e) < 0) {
		sim_fail("a configuration: %s", e.text);
		return;
	}
	check_secret(c->object, &config.manifest);
	v = service_volume_find(&config, name);
	if (!v)
		sim_fail("a configuration without volume %s", name);
	else if (v->tag.size == TAG_SIZE)
		memcpy(&version, v->tag.data, sizeof(version));
	c->tell(c->arg, 0, version);
}

/* A client that comes again says, mostly, that it ended before. */
static void leave(struct sim_engine *s, unsigned client)
{
	if (!s->peer[client])
		return;
	engine_peer_free(s->peer[client]);
	s->peer[client] = NULL;
}

void sim_engine_read(struct sim_engine *s, unsigned client, unsigned object,
	sim_engine_fn *tell, void *arg)
{
	const char name[] = {
		's', 'h', 'o', 'p', '/', (char)('a' + (char)object), '\0'};
	const struct wire_request r = {
		.id = 1, .op = WIRE_HELLO, .session = name, .token = "letmein"};
	uint8_t binding[64] = {0};

	leave(s, client);
	s->peer[client] = engine_peer_new(s->g, binding);
	engine_peer_request(
		s->peer[client], &r, on_hello, new_call(object, 0, tell, arg));
}

static void on_tag(void *arg, const struct wire_reply *r)
{
	struct sim_engine_call *c = arg;

	if (r->status)
		sim_note("tag: %s", r->error);
	c->tell(c->arg, -(int)r->status, c->version);
}

void sim_engine_update(struct sim_engine *s, unsigned client, unsigned object,
	uint64_t from, uint64_t to, sim_engine_fn *tell, void *arg)
{
	const char volume[] = {'v', (char)('a' + (char)object), '\0'};
	uint8_t tags[2][TAG_SIZE] = {0};
	const struct wire_request r = {.id = 2,
		.op = WIRE_TAG,
		.volume = volume,
		.from = {tags[0], from ? TAG_SIZE : 0},
		.to = {tags[1], TAG_SIZE}};

	if (!s->peer[client]) {
		tell(arg, -ESTALE, 0);
		return;
	}
	memcpy(tags[0], &from, sizeof(from));
	memcpy(tags[1], &to, sizeof(to));
	engine_peer_request(
		s->peer[client], &r, on_tag, new_call(object, to, tell, arg));
}
