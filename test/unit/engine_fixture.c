/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/engine_fixture.h"

#include "test/unit/unit.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/sha256.h"
#include "lib/bytes.h"

struct engine *engine;
struct store *engine_store;
int64_t engine_clock;
struct fake_holder engine_holder;
struct buf engine_said;

static struct fake_disk disk;
static struct told told;

static int64_t now(void *arg)
{
	return engine_clock;
}

/* ---- people ---- */

static struct person {
	EVP_PKEY *pkey;
	uint8_t spki[64];
	size_t spki_size;
	uint8_t key[32];
} people[26];

static struct person *person(char who)
{
	struct person *p = &people[who - 'a'];
	uint8_t seed[32], *der = NULL;
	int size;

	assert_true(who >= 'a' && who <= 'z');
	if (p->pkey)
		return p;
	memset(seed, who, sizeof(seed));
	p->pkey = EVP_PKEY_new_raw_private_key(
		EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
	assert_non_null(p->pkey);
	size = i2d_PUBKEY(p->pkey, &der);
	assert_in_range(size, 1, sizeof(p->spki));
	p->spki_size = (size_t)size;
	memcpy(p->spki, der, p->spki_size);
	OPENSSL_free(der);
	sha256(p->spki, p->spki_size, p->key);
	return p;
}

const uint8_t *fixture_key(char who)
{
	return person(who)->key;
}

struct signature fixture_sign(char who, const void *message, size_t size)
{
	static uint8_t values[64][64];
	static unsigned next;
	struct person *p = person(who);
	uint8_t *value = values[next++ % 64];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = 64;

	assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, p->pkey), 1);
	assert_int_equal(EVP_DigestSign(ctx, value, &n, message, size), 1);
	EVP_MD_CTX_free(ctx);
	return (struct signature){{p->spki, p->spki_size}, {value, n}};
}

struct signature_list fixture_signed(const char *who, const char *action,
	const char *session, const uint8_t *before, const uint8_t hash[32])
{
	static struct signature list[64];
	struct buf m = {0};
	size_t n = 0;

	assert_int_equal(engine_message(action, session, before, hash, &m), 0);
	for (; *who; who++)
		list[n++] = fixture_sign(*who, m.data, m.size);
	buf_fini(&m);
	return (struct signature_list){list, n};
}

/* ---- answers ---- */

static void reply(void *arg, const struct engine_reply *r)
{
	const struct span_list *i;

	told.count++;
	told.status = r->status;
	assert_true((r->status != 0) == (r->error != NULL));
	snprintf(
		told.error, sizeof(told.error), "%s", r->error ? r->error : "");
	/* Errors say something. */
	assert_true(!r->status || told.error[0]);
	told.items[0] = 0;
	for (i = r->items; i->name; i++) {
		size_t n = strlen(told.items);

		snprintf(told.items + n, sizeof(told.items) - n, "%s=%s\n",
			i->name, i->text);
	}
	free(told.body);
	told.body = calloc(1, r->body_size + 1);
	if (r->body_size)
		memcpy(told.body, r->body, r->body_size);
	told.body_size = r->body_size;
	buf_text(&engine_said, told.error);
	buf_text(&engine_said, told.items);
	buf_add(&engine_said, told.body, told.body_size);
}

struct engine_call fixture_call(char who)
{
	struct engine_call c = {.reply = reply};

	told.count = 0;
	if (who) {
		c.who.present = true;
		memcpy(c.who.key, person(who)->key, 32);
	}
	return c;
}

void fixture_settle(void)
{
	while (store_step(engine_store) == 0)
		;
	store_complete(engine_store);
}

bool fixture_item(
	const struct told *t, const char *name, char *out, size_t size)
{
	size_t n = strlen(name);

	for (const char *p = t->items; *p; p = strchr(p, '\n') + 1)
		if (strncmp(p, name, n) == 0 && p[n] == '=') {
			snprintf(out, size, "%.*s",
				(int)strcspn(p + n + 1, "\n"), p + n + 1);
			return true;
		}
	return false;
}

/* ---- versions ---- */

static struct version {
	char name[256];
	uint8_t hash[32];
} versions[256];
static size_t version_count;

static void version_note(void)
{
	char name[256], hex[65];
	size_t i = 0;

	if (told.status ||
		!fixture_item(&told, "session", name, sizeof(name)) ||
		!fixture_item(&told, "hash", hex, sizeof(hex)))
		return;
	while (i < version_count && strcmp(versions[i].name, name) != 0)
		i++;
	assert_true(i < 256);
	version_count += i == version_count;
	strcpy(versions[i].name, name);
	for (size_t k = 0; k < 32; k++) {
		unsigned b;

		assert_int_equal(sscanf(hex + 2 * k, "%2x", &b), 1);
		versions[i].hash[k] = (uint8_t)b;
	}
}

const uint8_t *fixture_hash(const char *session)
{
	for (size_t i = 0; i < version_count; i++)
		if (strcmp(versions[i].name, session) == 0)
			return versions[i].hash;
	fail_msg("%s was never made", session);
	return NULL;
}

const char *fixture_yaml(const char *template)
{
	static struct buf out;
	char word[300], hex[65], base64[128];

	buf_fini(&out);
	buf_text(&out, "");
	while (*template) {
		size_t n = strcspn(template, "<");

		buf_add(&out, template, n);
		template += n;
		if (!*template)
			break;
		if (sscanf(template, "<key:%299[^>]>", word) == 1) {
			bytes_to_hex(fixture_key(word[0]), 32, hex);
			buf_format(&out, "\"%s\"", hex);
		} else if (sscanf(template, "<signer:%299[^>]>", word) == 1) {
			struct person *p = person(word[0]);

			EVP_EncodeBlock(
				(uint8_t *)base64, p->spki, (int)p->spki_size);
			buf_format(&out, "\"%s\"", base64);
		} else if (sscanf(template, "<hash:%299[^>]>", word) == 1) {
			bytes_to_hex(fixture_hash(word), 32, hex);
			buf_format(&out, "\"%s\"", hex);
		} else {
			fail_msg("template: %s", template);
		}
		template = strchr(template, '>') + 1;
	}
	assert_int_equal(buf_check(&out), 0);
	return (const char *)out.data;
}

/* ---- CAS ---- */

static void start(bool create)
{
	struct store_options so = {
		.backend = &fake_backend,
		.backend_arg = &disk,
		.freshness = engine_holder.freshness.ops
			? &engine_holder.freshness
			: NULL,
		.now = now,
		.no_thread = true,
	};
	struct engine_options eo = {.now = now};
	struct err e = {0};

	memset(so.key, 7, sizeof(so.key));
	if (store_open(&so, create, &engine_store, &e))
		fail_msg("%s", e.text);
	eo.store = engine_store;
	memset(eo.identity, 0x1d, 32);
	if (engine_new(&eo, &engine, &e))
		fail_msg("%s", e.text);
}

void fixture_open(const char *owner_config)
{
	disk = (struct fake_disk){0};
	engine_clock = 1700000000;
	version_count = 0;
	start(true);
	if (owner_config) {
		struct engine_call c = fixture_call('o');

		engine_provision(
			engine, &c, owner_config, strlen(owner_config));
		want(fixture_told(), 0);
	}
}

void fixture_restart(void)
{
	fixture_settle();
	engine_free(engine);
	store_close(engine_store);
	start(false);
}

void fixture_close(void)
{
	engine_free(engine);
	store_close(engine_store);
	engine = NULL;
	engine_store = NULL;
	fake_disk_fini(&disk);
	buf_fini(&engine_said);
	engine_holder = (struct fake_holder){0};
}

const struct told *fixture_told(void)
{
	fixture_settle();
	if (told.count != 1)
		fail_msg("%u answers", told.count);
	return &told;
}

static const struct told *made(void)
{
	fixture_told();
	version_note();
	return &told;
}

const struct told *fixture_create_signed(
	char who, const char *template, const struct signature_list *signatures)
{
	const char *yaml = fixture_yaml(template);
	struct engine_call c = fixture_call(who);

	engine_session_create(engine, &c, yaml, strlen(yaml), signatures);
	return made();
}

const struct told *fixture_create(char who, const char *template)
{
	return fixture_create_signed(who, template, NULL);
}

const struct told *fixture_update_signed(
	char who, const char *template, const struct signature_list *signatures)
{
	const char *yaml = fixture_yaml(template);
	struct engine_call c = fixture_call(who);

	engine_session_update(engine, &c, yaml, strlen(yaml), signatures);
	return made();
}

const struct told *fixture_update(char who, const char *template)
{
	return fixture_update_signed(who, template, NULL);
}

const struct told *fixture_read_version(
	char who, const char *name, const uint8_t *hash)
{
	struct engine_call c = fixture_call(who);

	engine_session_read(engine, &c, name, hash);
	return fixture_told();
}

const struct told *fixture_read(char who, const char *name)
{
	return fixture_read_version(who, name, NULL);
}

const struct told *fixture_delete(char who, const char *name)
{
	struct engine_call c = fixture_call(who);

	engine_session_delete(engine, &c, name, NULL);
	return fixture_told();
}

const struct told *fixture_list(char who, const char *prefix)
{
	struct engine_call c = fixture_call(who);

	engine_session_list(engine, &c, prefix);
	return fixture_told();
}

const struct told *fixture_diff(char who, const char *template)
{
	const char *yaml = fixture_yaml(template);
	struct engine_call c = fixture_call(who);

	engine_session_diff(engine, &c, yaml, strlen(yaml));
	return fixture_told();
}

const struct told *fixture_verify(
	char who, const char *name, const uint8_t *hash)
{
	struct engine_call c = fixture_call(who);

	engine_session_verify(engine, &c, name, hash);
	return fixture_told();
}

const struct told *fixture_public(
	const char *session, const char *secret, const char *format)
{
	struct engine_call c = fixture_call(0);

	engine_public_value(engine, &c, session, secret, format);
	return fixture_told();
}

/* ---- proposals ---- */

static char proposal_id[64];

const struct told *fixture_open_proposal(char who, const char *template)
{
	const char *yaml = fixture_yaml(template);
	struct engine_call c = fixture_call(who);

	engine_proposal_open(engine, &c, yaml, strlen(yaml), "please");
	fixture_told();
	if (!told.status)
		assert_true(fixture_item(
			&told, "id", proposal_id, sizeof(proposal_id)));
	return &told;
}

/* The text that members sign is in the answer. */
static struct signature proposal_sign(char who, char signer, bool yes)
{
	struct engine_call c = fixture_call('o');
	static char message[4096];
	const char *at, *end;
	size_t n = 0;

	c = fixture_call(who);
	engine_proposal_read(engine, &c, proposal_id);
	fixture_told();
	at = told.body ? strstr(told.body, "\"message\":\"") : NULL;
	if (!at) {
		memcpy(message, "nothing", 8);
		return fixture_sign(signer, message, 7);
	}
	at += 11;
	end = strchr(at, '"');
	if (!yes)
		n = (size_t)sprintf(message, "sconce-cas-change-1\nreject");
	for (unsigned line = 0; at < end; at++) {
		bool br = at[0] == '\\' && at[1] == 'n';

		line += br;
		if (yes || line >= 2)
			message[n++] = br ? '\n' : *at;
		at += br;
	}
	return fixture_sign(signer, message, n);
}

const struct told *fixture_vote(char who, char signer, bool yes)
{
	struct signature s = {0};
	struct engine_call c;

	if (signer)
		s = proposal_sign(who, signer, yes);
	c = fixture_call(who);
	engine_proposal_vote(engine, &c, proposal_id, yes,
		yes ? "fine" : "too much for one", signer ? &s : NULL);
	return fixture_told();
}

const struct told *fixture_proposal(char who)
{
	struct engine_call c = fixture_call(who);

	engine_proposal_read(engine, &c, proposal_id);
	return fixture_told();
}

const struct told *fixture_proposals(char who, const char *session)
{
	struct engine_call c = fixture_call(who);

	engine_proposal_list(engine, &c, session);
	return fixture_told();
}

const struct told *fixture_withdraw(char who)
{
	struct engine_call c = fixture_call(who);

	engine_proposal_withdraw(engine, &c, proposal_id);
	return fixture_told();
}

const struct told *fixture_tick(int64_t seconds)
{
	engine_clock += seconds;
	engine_tick(engine);
	fixture_settle();
	return &told;
}

/* ---- wishes ---- */

void want_at(const struct told *t, int status, const char *file, int line)
{
	if (t->status == status)
		return;
	print_error("%s:%d: %d (%s); wanted %d\n", file, line, t->status,
		t->error, status);
	_fail(file, line);
}

void want_text_at(const struct told *t, int status, const char *text,
	const char *file, int line)
{
	want_at(t, status, file, line);
	if (strstr(t->error, text))
		return;
	print_error("%s:%d: '%s'; wanted '%s'\n", file, line, t->error, text);
	_fail(file, line);
}
