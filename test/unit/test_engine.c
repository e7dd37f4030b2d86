/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions in the engine: how they are made, changed, read, shared and
 * removed. Who may is in test_engine_rights.c, boards in test_engine_board.c.
 */
#include "test/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cas/engine_int.h"
#include "test/unit/engine_fixture.h"

static int setup(void **state)
{
	fixture_open("name: test\n");
	return 0;
}

static int teardown(void **state)
{
	fixture_close();
	return 0;
}

#define V "version: \"1.0\"\n"
#define OLD "version: \"0.3.11\"\n"

static const char plain[] = "name: shop\n" OLD;

/* ---- create, update, read ---- */

static void created_and_read(void **state)
{
	const struct told *t = fixture_create('a', plain);
	char hash[65], again[65];

	want(t, 0);
	assert_true(fixture_item(t, "hash", hash, sizeof(hash)));
	t = fixture_read('a', "shop");
	want(t, 0);
	assert_true(fixture_item(t, "hash", again, sizeof(again)));
	assert_string_equal(hash, again);
	assert_non_null(strstr(t->body, "shop"));
	/* What was read can be read again, and means the same. */
	fixture_restart();
	t = fixture_read('a', "shop");
	want(t, 0);
	assert_true(fixture_item(t, "hash", again, sizeof(again)));
	assert_string_equal(hash, again);
}

/* The answer comes when the change can no longer be lost. */
static void told_when_durable(void **state)
{
	const char *yaml = fixture_yaml(plain);
	struct engine_call c = fixture_call('a');
	const struct told *t;

	engine_session_create(engine, &c, yaml, strlen(yaml), NULL);
	store_complete(engine_store);
	assert_int_equal(store_step(engine_store), 0);
	t = fixture_told();
	want(t, 0);
}

static void exists_already(void **state)
{
	want(fixture_create('a', plain), 0);
	want_text(fixture_create('a', plain), -EEXIST, "update it");
	want_text(fixture_create('b', plain), -EEXIST, "update it");
}

static void predecessor(void **state)
{
	want(fixture_create('a', plain), 0);
	want_text(fixture_update('a', plain), -EINVAL, "no predecessor");
	want(fixture_update('a',
		     "name: shop\n" OLD "predecessor: <hash:shop>\n"
		     "secrets: [{name: x, kind: ascii}]\n"),
		0);
	/* A second one on top of the first loses nothing unnoticed. */
	engine_clock++;
	want(fixture_create('a', "name: other\n" OLD), 0);
	want_text(fixture_update('a',
			  "name: shop\n" OLD "predecessor: <hash:other>\n"),
		-ESTALE, "present version");
	want_text(fixture_create('a',
			  "name: third\n" OLD "predecessor: <hash:shop>\n"),
		-EINVAL, "leave it out");
}

static void malformed(void **state)
{
	want_text(fixture_create('a',
			  "name: shop\nversion: \"0.3.11\"\n"
			  "servicesss: []\n"),
		-EINVAL, ":3:");
	want(fixture_create('a', "name: [\n"), -EINVAL);
	want(fixture_create('a', ""), -EINVAL);
}

static void names_of_sessions(void **state)
{
	struct err e;
	static char longer[SESSION_NAME_MAX + 2];

	memset(longer, 'a', sizeof(longer) - 1);
	assert_int_equal(engine_name_check("shop/db", &e), 0);
	assert_int_equal(engine_name_check("/", &e), 0);
	assert_int_equal(engine_name_check("", &e), -EINVAL);
	assert_int_equal(engine_name_check("/shop", &e), -EINVAL);
	assert_int_equal(engine_name_check("shop/", &e), -EINVAL);
	assert_int_equal(engine_name_check("a\nb", &e), -EINVAL);
	assert_int_equal(engine_name_check(longer, &e), -EINVAL);
	assert_true(engine_is_below("a/b/c", "a"));
	assert_true(engine_is_below("a/b", "/"));
	assert_false(engine_is_below("ab", "a"));
	assert_false(engine_is_below("a", "a"));
	assert_false(engine_is_below("/", "/"));
}

static void older_versions(void **state)
{
	uint8_t first[32], hash[32];
	char text[300];

	want(fixture_create('a', plain), 0);
	memcpy(first, fixture_hash("shop"), 32);
	for (int i = 0; i < ENGINE_VERSIONS_MAX + 1; i++) {
		memcpy(hash, fixture_hash("shop"), 32);
		snprintf(text, sizeof(text),
			"name: shop\n" OLD "predecessor: <hash:shop>\n"
			"secrets: [{name: x, kind: ascii, size: %d}]\n",
			i + 20);
		want(fixture_update('a', text), 0);
	}
	/* The last ones are there, the first made room. */
	want(fixture_read_version('a', "shop", hash), 0);
	assert_non_null(strstr(fixture_told()->items, "present=false"));
	want(fixture_read_version('a', "shop", first), -ENOENT);
	/* Present rules hold for old versions. */
	want(fixture_read_version('b', "shop", hash), -EACCES);
	fixture_restart();
	want(fixture_read_version('a', "shop", hash), 0);
}

static void verified(void **state)
{
	uint8_t wrong[32] = {1};

	want(fixture_create('a', plain), 0);
	want(fixture_verify('a', "shop", fixture_hash("shop")), 0);
	want(fixture_verify('a', "shop", wrong), -ESTALE);
	want(fixture_verify('b', "shop", fixture_hash("shop")), -EACCES);
	want(fixture_verify('b', "nothing", wrong), -EACCES);
	/* With a salt the hash tells nothing, so whoever knows it may ask. */
	want(fixture_create('a',
		     "name: salted\n" OLD
		     "salt: 00112233445566778899aabbccddeeff\n"),
		0);
	want(fixture_verify('b', "salted", fixture_hash("salted")), 0);
	want(fixture_verify('b', "salted", wrong), -EACCES);
}

/* ---- name spaces ---- */

static void root_is_first_come(void **state)
{
	want(fixture_create('a', "name: /\n" OLD), 0);
	/* Now its rules decide: create_sessions is as update, CREATOR. */
	want(fixture_create('b', plain), -EACCES);
	want(fixture_create('a', plain), 0);
}

static void root_is_sealed(void **state)
{
	want(fixture_create('b', plain), 0);
	want_text(fixture_create('a', "name: /\n" OLD), -EPERM,
		"nobody's for ever");
	fixture_restart();
	want(fixture_create('a', "name: /\n" OLD), -EPERM);
}

static void root_is_sealed_for_ever(void **state)
{
	want(fixture_create('b', "name: shop\n" V), 0);
	want(fixture_delete('b', "shop"), 0);
	want(fixture_create('a', "name: /\n" OLD), -EPERM);
}

static void parents_decide(void **state)
{
	want_text(fixture_create('a', "name: shop/db\n" OLD), -EACCES,
		"shop/db: not there, or not for this key");
	want(fixture_create('a', plain), 0);
	want(fixture_create('b', "name: shop/db\n" OLD), -EACCES);
	want(fixture_create('a', "name: shop/db\n" OLD), 0);
	want(fixture_create('a',
		     "name: open\n" OLD
		     "access_policy: {create_sessions: [ANY]}\n"),
		0);
	want(fixture_create('b', "name: open/mine\n" OLD), 0);
	/* Who made it is who may change it. */
	want(fixture_read('a', "open/mine"), -EACCES);
	want(fixture_read('b', "open/mine"), 0);
	/* Two levels down the one above decides. */
	want(fixture_create('a', "name: open/mine/more\n" OLD), -EACCES);
}

static void namespace_hash(void **state)
{
	want(fixture_create('a', plain), 0);
	want(fixture_create('a',
		     "name: shop/db\n" OLD "namespace_hash: <hash:shop>\n"),
		0);
	want(fixture_update('a',
		     "name: shop\n" OLD "predecessor: <hash:shop>\n"
		     "secrets: [{name: x, kind: ascii}]\n"),
		0);
	want_text(fixture_create('a',
			  "name: shop/web\n" OLD
			  "namespace_hash: <hash:shop/db>\n"),
		-ESTALE, "namespace_hash");
}

static void deleted(void **state)
{
	want(fixture_create('a', "name: shop\n" V), 0);
	want(fixture_create(
		     'a', "name: shop/db\n" V "volumes: [{name: files}]\n"),
		0);
	want_text(fixture_delete('a', "shop"), -EBUSY, "below");
	want(fixture_delete('b', "shop/db"), -EACCES);
	want(fixture_delete('a', "shop/db"), 0);
	want(fixture_delete('a', "shop/db"), -EACCES);
	want(fixture_read('a', "shop/db"), -ENOENT);
	want(fixture_delete('a', "shop"), 0);
	/* Nothing is left but CAS's own rows. */
	for (int t = STORE_SESSION; t < STORE_TABLES; t++)
		assert_false(store_get(engine_store, (enum store_table)t,
			"shop", 4, &(const void *){0}, &(size_t){0}, NULL));
	/* Before 1.0 there was no deletion. */
	want(fixture_create('a', "name: old\n" OLD), 0);
	want(fixture_delete('a', "old"), -EPERM);
}

/* ---- values ---- */

static size_t value_of(
	const char *session, const char *name, uint8_t *out, size_t size)
{
	const struct secret_set *set;
	struct buf b = {.secret = true};
	struct held *h;
	struct err e;
	size_t n;

	assert_int_equal(engine_hold(engine, session, &h, &e), 0);
	assert_int_equal(engine_secrets(engine, h, &set, &e), 0);
	if (secret_format(set, name, "", &b, &e))
		fail_msg("%s", e.text);
	assert_true(b.size <= size);
	memcpy(out, b.data, b.size);
	n = b.size;
	buf_fini(&b);
	engine_unhold(engine, h);
	return n;
}

static void migration(void **state)
{
	uint8_t x[2][4096], k[2][4096], m[2][4096], y[2][4096];
	size_t nk, nm;

	want(fixture_create('a',
		     "name: shop\n" OLD "secrets:\n"
		     "  - {name: x, kind: ascii, size: 30}\n"
		     "  - {name: y, kind: ascii, size: 30}\n"
		     "  - {name: k, kind: private-key}\n"
		     "  - {name: m, kind: private-key, migrate: true}\n"),
		0);
	value_of("shop", "x", x[0], sizeof(x[0]));
	value_of("shop", "y", y[0], sizeof(y[0]));
	value_of("shop", "k", k[0], sizeof(k[0]));
	nm = value_of("shop", "m", m[0], sizeof(m[0]));
	want(fixture_update('a',
		     "name: shop\n" OLD "predecessor: <hash:shop>\nsecrets:\n"
		     "  - {name: x, kind: ascii, size: 30}\n"
		     "  - {name: y, kind: ascii, size: 31}\n"
		     "  - {name: k, kind: private-key}\n"
		     "  - {name: m, kind: private-key, migrate: true}\n"),
		0);
	value_of("shop", "x", x[1], sizeof(x[1]));
	value_of("shop", "y", y[1], sizeof(y[1]));
	nk = value_of("shop", "k", k[1], sizeof(k[1]));
	assert_int_equal(value_of("shop", "m", m[1], sizeof(m[1])), nm);
	assert_memory_equal(x[0], x[1], 30);
	assert_memory_not_equal(y[0], y[1], 30);
	assert_memory_not_equal(k[0], k[1], nk);
	assert_memory_equal(m[0], m[1], nm);
}

static const char exporter[] =
	"name: ca\n" OLD "secrets:\n"
	"  - {name: x, kind: ascii, size: 30, export: {session: shop}}\n"
	"  - {name: n, kind: ascii, export: {namespace: shop}}\n"
	"  - {name: no, kind: ascii}\n";

static void imports(void **state)
{
	uint8_t a[64], b[64];

	/* Not before it is there. */
	want(fixture_create('b',
		     "name: shop\n" OLD "secrets: [{name: x, import: "
		     "{session: ca, secret: x}}]\n"),
		-EPERM);
	want(fixture_create('a', exporter), 0);
	want(fixture_create('b',
		     "name: shop\n" OLD "secrets: [{name: x, import: "
		     "{session: ca, secret: x}}]\n"),
		0);
	assert_int_equal(value_of("ca", "x", a, sizeof(a)), 30);
	assert_int_equal(value_of("shop", "x", b, sizeof(b)), 30);
	assert_memory_equal(a, b, 30);
	/* One text for what is not there and what is not exported. */
	want_text(fixture_create('b',
			  "name: shop2\n" OLD "secrets: [{name: x, import: "
			  "{session: ca, secret: x}}]\n"),
		-EPERM, "not there, not exported to shop2");
	want_text(fixture_create('b',
			  "name: shop2\n" OLD "secrets: [{name: x, import: "
			  "{session: ca, secret: nothing}}]\n"),
		-EPERM, "not there, not exported to shop2");
	want_text(fixture_create('b',
			  "name: shop2\n" OLD "secrets: [{name: x, import: "
			  "{session: nowhere, secret: x}}]\n"),
		-EPERM, "not there, not exported to shop2");
	/* To a name space: below it, and not it, nor a neighbour. */
	want(fixture_create('b',
		     "name: shop/a\n" OLD "secrets: [{name: n, import: "
		     "{session: ca, secret: n}}]\n"),
		0);
	want(fixture_create('b',
		     "name: shopper\n" OLD "secrets: [{name: n, import: "
		     "{session: ca, secret: n}}]\n"),
		-EPERM);
}

static void imports_by_hash(void **state)
{
	want(fixture_create('a', exporter), 0);
	want(fixture_create('b',
		     "name: shop\n" OLD "secrets: [{name: x, import: "
		     "{session: ca, secret: x, hash: <hash:ca>}}]\n"),
		0);
	/* Another version of the exporter. */
	want(fixture_update('a',
		     "name: ca\n" OLD "predecessor: <hash:ca>\nsecrets:\n"
		     "  - {name: x, kind: ascii, size: 30, export: "
		     "{session: shop}}\n"),
		0);
	want(fixture_update('b',
		     "name: shop\n" OLD "predecessor: <hash:shop>\n"
		     "secrets: [{name: x, import: {session: ca, secret: x, "
		     "hash: <hash:shop>}}]\n"),
		-EPERM);
	want(fixture_update('b',
		     "name: shop\n" OLD "predecessor: <hash:shop>\n"
		     "secrets: [{name: x, import: {session: ca, secret: x, "
		     "hash: <hash:ca>}}]\n"),
		0);
}

/* An exporter that names a hash gives to that version only: who takes the name
 * of a session that is gone gets nothing. */
static void exports_by_hash(void **state)
{
	want(fixture_create('b', "name: shop\n" V), 0);
	want(fixture_create('a',
		     "name: ca\n" OLD "secrets:\n"
		     "  - {name: x, kind: ascii, export: {session: shop, "
		     "session_hash: <hash:shop>}}\n"),
		0);
	want(fixture_delete('b', "shop"), 0);
	want(fixture_create('c',
		     "name: shop\n" V "secrets: [{name: x, import: {session: "
		     "ca, secret: x}}]\n"),
		-EPERM);
}

static void volumes_are_exported(void **state)
{
	struct volume_place at;
	struct held *h;
	struct err e;

	want(fixture_create('a',
		     "name: db\n" OLD "volumes:\n"
		     "  - {name: files, export: [{to: {session: backup}, "
		     "volume_alias: src}]}\n"
		     "  - {name: mine}\n"),
		0);
	want(fixture_create('b',
		     "name: backup\n" OLD "volumes:\n"
		     "  - {name: v, import: {session: db, volume: src}}\n"),
		0);
	assert_int_equal(engine_hold(engine, "backup", &h, &e), 0);
	assert_int_equal(engine_volume_place(engine, h->session, h->hash,
				 session_volume(h->session, "v"), &at, &e),
		0);
	assert_true(at.imported);
	assert_memory_equal(at.key, "db\0files", at.key_size);
	engine_unhold(engine, h);
	want_text(
		fixture_create('b',
			"name: thief\n" OLD "volumes:\n"
			"  - {name: v, import: {session: db, volume: src}}\n"),
		-EPERM, "not exported to thief");
	want(fixture_update('b',
		     "name: backup\n" OLD "predecessor: <hash:backup>\n"
		     "volumes:\n"
		     "  - {name: v, import: {session: db, volume: mine}}\n"),
		-EPERM);
}

static bool volume_key(const char *session, const char *volume, uint8_t *key)
{
	struct volume_record r;
	struct volume_place at;

	assert_int_equal(volume_row_key(session, volume, &at), 0);
	if (engine_volume_get(engine, &at, &r, NULL))
		return false;
	memcpy(key, r.key, sizeof(r.key));
	return true;
}

static void volumes_keep_their_keys(void **state)
{
	uint8_t a[32], b[32], c[32];
	static const uint8_t zero[32];

	want(fixture_create('a',
		     "name: db\n" OLD
		     "volumes: [{name: files}, {name: logs}]\n"),
		0);
	assert_true(volume_key("db", "files", a));
	assert_true(volume_key("db", "logs", b));
	assert_memory_not_equal(a, b, 32);
	assert_memory_not_equal(a, zero, 32);
	want(fixture_diff('a',
		     "name: db\n" OLD "predecessor: <hash:db>\n"
		     "volumes: [{name: files}]\n"),
		0);
	assert_non_null(strstr(
		fixture_told()->body, "volume logs: its key is destroyed"));
	assert_null(strstr(fixture_told()->body, "volume files: its key"));
	want(fixture_update('a',
		     "name: db\n" OLD "predecessor: <hash:db>\n"
		     "volumes: [{name: files}]\n"),
		0);
	assert_true(volume_key("db", "files", c));
	assert_memory_equal(a, c, 32);
	assert_false(volume_key("db", "logs", c));
	fixture_restart();
	assert_true(volume_key("db", "files", c));
	assert_memory_equal(a, c, 32);
}

static void public_values(void **state)
{
	want(fixture_create('a',
		     "name: shop\n" OLD "secrets:\n"
		     "  - {name: k, kind: private-key}\n"
		     "  - {name: ca, kind: x509-ca, private_key: k, "
		     "common_name: Shop, export_public: true}\n"
		     "  - {name: no, kind: x509-ca, private_key: k, "
		     "common_name: Shop}\n"),
		0);
	want(fixture_public("shop", "ca", ""), 0);
	assert_non_null(strstr(fixture_told()->body, "BEGIN CERTIFICATE"));
	/* What is not public and what is not there look the same. */
	want_text(fixture_public("shop", "no", ""), -ENOENT, "no such public");
	want_text(fixture_public("shop", "k", ""), -ENOENT, "no such public");
	want_text(fixture_public("shop", "x", ""), -ENOENT, "no such public");
	want_text(fixture_public("none", "x", ""), -ENOENT, "no such public");
	want_text(
		fixture_public("shop", "no", "bla"), -ENOENT, "no such public");
	want(fixture_public("shop", "ca", "privatekey"), -ENOENT);
	want(fixture_public("shop", "ca", "bla"), -EINVAL);
}

/* Nothing that CAS made is in any answer to a person. */
static void nothing_is_told(void **state)
{
	static const char *const names[] = {
		"asc", "bin", "key", "ed", "given", "imp"};
	static const char *const formats[] = {"", "hex", "base64", "pem",
		"pkcs8:pem", "pkcs8:der", "der", "base64url", "base32"};
	static const char *const rules = "access_policy: {read: [ANY], "
					 "update: [ANY]}\n";
	const struct secret_set *set;
	struct volume_record r;
	struct volume_place at;
	struct held *h;
	struct err e;
	char text[2000];
	unsigned searched = 0;

	want(fixture_create('a', exporter), 0);
	snprintf(text, sizeof(text),
		"name: shop\n" V "%ssecrets:\n"
		"  - {name: asc, kind: ascii}\n"
		"  - {name: bin, kind: binary}\n"
		"  - {name: key, kind: private-key, migrate: true}\n"
		"  - {name: ed, kind: private-key, key_type: Ed25519}\n"
		"  - {name: ca, kind: x509-ca, private_key: key, common_name: "
		"x, export_public: true}\n"
		"  - {name: pub, kind: public-key, private_key: ed, "
		"export_public: true}\n"
		"  - {name: given, kind: ascii, value: "
		"\"correct horse battery\"}\n"
		"  - {name: imp, import: {session: ca, secret: x}}\n"
		"volumes: [{name: files}]\n",
		rules);
	want(fixture_create('a', text), 0);
	fixture_read('a', "shop");
	fixture_read('b', "shop");
	fixture_read(0, "shop");
	fixture_list('b', "");
	for (size_t f = 0; f < 9; f++) {
		fixture_public("shop", "ca", formats[f]);
		fixture_public("shop", "pub", formats[f]);
		for (size_t i = 0; i < 6; i++)
			fixture_public("shop", names[i], formats[f]);
	}
	fixture_verify('b', "shop", fixture_hash("shop"));
	snprintf(text + strlen(text), sizeof(text) - strlen(text),
		"predecessor: <hash:shop>\nsalt: "
		"00112233445566778899aabbccddeeff\n");
	fixture_diff('b', text);
	want(fixture_open_proposal('a', text), 0);
	fixture_proposal('a');
	fixture_proposals('a', NULL);
	want(fixture_update('b', text), 0);
	fixture_read_version('b', "shop", fixture_hash("shop"));
	{
		struct engine_call c = fixture_call('o');

		engine_status(engine, &c);
		fixture_told();
	}
	/* Now look for each of them in all that was said. */
	assert_int_equal(engine_hold(engine, "shop", &h, &e), 0);
	assert_int_equal(engine_secrets(engine, h, &set, &e), 0);
	for (size_t f = 0; f < 9; f++)
		for (size_t i = 0; i < 6; i++) {
			struct buf b = {0};

			if (!secret_format(set, names[i], formats[f], &b, &e)) {
				searched++;
				if (memmem(engine_said.data, engine_said.size,
					    b.data, b.size))
					fail_msg("%s as '%s' was told",
						names[i], formats[f]);
			}
			buf_fini(&b);
		}
	assert_true(searched >= 20);
	engine_unhold(engine, h);
	assert_int_equal(volume_row_key("shop", "files", &at), 0);
	assert_int_equal(engine_volume_get(engine, &at, &r, NULL), 0);
	assert_null(memmem(engine_said.data, engine_said.size, r.key, 32));
	for (size_t i = 0; i < 32; i++)
		snprintf(text + 2 * i, 3, "%02x", r.key[i]);
	assert_null(memmem(engine_said.data, engine_said.size, text, 64));
	/* The test can find things. */
	assert_non_null(memmem(engine_said.data, engine_said.size, "files", 5));
}

/* Given values are masked, and the mask is no value. */
static void given_values(void **state)
{
	static const char policy[] =
		"name: shop\n" V "secrets:\n"
		"  - {name: given, kind: ascii, value: \"horse battery\"}\n"
		"  - {name: rule, kind: config-fragment, value: [CREATOR]}\n"
		"security: {service_access_token: staple}\n";
	char *text;

	want(fixture_create('a', policy), 0);
	want(fixture_read('a', "shop"), 0);
	assert_null(strstr(fixture_told()->body, "battery"));
	assert_null(strstr(fixture_told()->body, "staple"));
	assert_non_null(strstr(fixture_told()->body, "CREATOR"));
	/* Read, changed, written back. */
	text = calloc(1, fixture_told()->body_size + 200);
	sprintf(text, "predecessor: <hash:shop>\n%s", fixture_told()->body);
	want_text(fixture_update('a', text), -EINVAL, "in place of values");
	free(text);
	/* In the values themselves they are as given. */
	{
		uint8_t value[64];

		assert_int_equal(
			value_of("shop", "given", value, sizeof(value)), 13);
		assert_memory_equal(value, "horse battery", 13);
	}
}

/* ---- what CAS must be like ---- */

static void requirements(void **state)
{
	static const char quorum[] = "name: shop\n" V
				     "cas_requirements: {rollback: quorum}\n";

	want_text(fixture_create('a', quorum), -EPERM,
		"rollback protection of this CAS is none; the session wants "
		"quorum");
	fixture_close();
	fake_holder_init(&engine_holder);
	fixture_open("name: test\n");
	want(fixture_create('a', quorum), 0);
}

static void no_owner_no_service(void **state)
{
	struct engine_call c;

	fixture_close();
	fixture_open(NULL);
	want_text(fixture_create('a', plain), -EAGAIN, "provision");
	want(fixture_update('a', plain), -EAGAIN);
	want(fixture_read('a', "shop"), -EAGAIN);
	want(fixture_delete('a', "shop"), -EAGAIN);
	want(fixture_list('a', ""), -EAGAIN);
	want(fixture_diff('a', plain), -EAGAIN);
	want(fixture_public("shop", "x", ""), -EAGAIN);
	want(fixture_open_proposal('a', plain), -EAGAIN);
	want(fixture_proposals('a', NULL), -EAGAIN);
	c = fixture_call('a');
	engine_status(engine, &c);
	want(fixture_told(), 0);
	assert_non_null(strstr(fixture_told()->items, "provisioned=false"));
	assert_null(strstr(fixture_told()->items, "head="));
}

static const struct told *provision(char who, const char *config)
{
	struct engine_call c = fixture_call(who);

	engine_provision(engine, &c, config, strlen(config));
	return fixture_told();
}

static void owners(void **state)
{
	struct engine_call c;

	want_text(provision('b', "name: mine\n"), -EACCES, "another owner");
	want_text(provision(0, "name: mine\n"), -EACCES, "certificate");
	want(provision('o', "name: renamed\n"), 0);
	fixture_restart();
	c = fixture_call('o');
	engine_status(engine, &c);
	want(fixture_told(), 0);
	assert_non_null(strstr(fixture_told()->items, "name=renamed"));
	c = fixture_call('a');
	engine_status(engine, &c);
	want(fixture_told(), -EACCES);
	/* The owner reads no sessions. */
	want(fixture_create('a', plain), 0);
	want(fixture_read('o', "shop"), -EACCES);
	c = fixture_call('o');
	assert_true(engine_may_audit(engine, &c.who));
	c = fixture_call('a');
	assert_false(engine_may_audit(engine, &c.who));
}

static void owner_configurations(void **state)
{
	static const struct {
		const char *config, *error;
	} bad[] = {
		{"", "owner configuration"},
		{"nam: x\n", ":1:1: unknown key 'nam'; wanted name"},
		{"limits: []\n", "no name"},
		{"name: x\nname: y\n", "twice"},
		{"name: x\nlimits: [{sessions: 1}]\n", "no namespace"},
		{"name: x\nlimits: [{namespace: a, sessions: -1}]\n",
			"wanted a number"},
		{"name: x\nlimits: [{namespace: a, files: 1}]\n",
			"unknown key 'files'"},
		{"name: x\nlimits: 3\n", "limits"},
		{"name: x\nauditors: [12]\n", "64 hexadecimal digits"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		want_text(provision('o', bad[i].config), -EINVAL, bad[i].error);
}

static void owner_is_chosen(void **state)
{
	fixture_close();
	fixture_open(NULL);
	engine->o.has_owner_key = true;
	memcpy(engine->o.owner_key, fixture_key('o'), 32);
	want_text(provision('a', "name: x\n"), -EACCES, "another key");
	want(provision('o', "name: x\n"), 0);
}

static void limits(void **state)
{
	want(provision('o',
		     "name: x\nlimits:\n"
		     "  - {namespace: shop, sessions: 2, bytes: 100000}\n"
		     "  - {namespace: \"*\", changes_per_minute: 2}\n"
		     "  - {namespace: /, sessions: 3}\n"),
		0);
	want(fixture_create('a', "name: shop\n" V), 0);
	want(fixture_create('a', "name: shop/1\n" V), 0);
	want_text(fixture_create('a', "name: shop/2\n" V), -EDQUOT,
		"name space shop: 2 sessions; the owner of this CAS allows 2");
	fixture_restart();
	want(fixture_create('a', "name: shop/2\n" V), -EDQUOT);
	want(fixture_delete('a', "shop/1"), 0);
	want(fixture_create('a', "name: shop/2\n" V), 0);
	want_text(fixture_update('a',
			  "name: shop/2\n" V "predecessor: <hash:shop/2>\n"
			  "secrets: [{name: b, kind: binary, size: 60000}, "
			  "{name: c, kind: binary, size: 60000}]\n"),
		-EDQUOT, "bytes");
	/* Rates, and top-level names. */
	want(fixture_create('a', "name: web\n" V), 0);
	want(fixture_create('a', "name: web/1\n" V), 0);
	want_text(fixture_create('a', "name: web/2\n" V), -EDQUOT,
		"changes in this minute");
	engine_clock += 60;
	want(fixture_create('a', "name: web/2\n" V), 0);
	want(fixture_create('a', "name: third\n" V), 0);
	want_text(fixture_create('a', "name: fourth\n" V), -EDQUOT,
		"name space /");
}

/* However many name spaces there are: CAS's memory is one. */
static void all_name_spaces(void **state)
{
	static const char big[] = "name: %s\n" V
				  "secrets: [{name: b, kind: binary, "
				  "size: 60000}]\n";
	char text[256];

	engine->o.bytes_max = 150000;
	snprintf(text, sizeof(text), big, "one");
	want(fixture_create('a', text), 0);
	snprintf(text, sizeof(text), big, "two");
	want(fixture_create('b', text), 0);
	snprintf(text, sizeof(text), big, "three");
	want_text(fixture_create('c', text), -EDQUOT, "this CAS is full");
	want(fixture_delete('a', "one"), 0);
	want(fixture_create('c', text), 0);
}

/* ---- lists ---- */

static void lists(void **state)
{
	want(fixture_create('a',
		     "name: shop\n" OLD
		     "access_policy: {read: [CREATOR, <key:b>], "
		     "create_sessions: [CREATOR, <key:c>]}\n"),
		0);
	want(fixture_create('a', "name: shop/db\n" OLD), 0);
	want(fixture_create('c', "name: shop/web\n" OLD), 0);
	want(fixture_create('c', "name: own\n" OLD), 0);
	/* list_sessions is as read: of the name space. */
	fixture_list('b', "");
	assert_string_equal(
		fixture_told()->body, "[\"shop\",\"shop/db\",\"shop/web\"]");
	fixture_list('c', "");
	assert_string_equal(fixture_told()->body, "[\"own\",\"shop/web\"]");
	fixture_list('c', "shop");
	assert_string_equal(fixture_told()->body, "[\"shop/web\"]");
	fixture_list('d', "");
	assert_string_equal(fixture_told()->body, "[]");
	fixture_list('d', "nowhere");
	assert_string_equal(fixture_told()->body, "[]");
}

/* ---- the cache ---- */

static void many_sessions(void **state)
{
	char name[64], text[128];

	want(fixture_create('a', plain), 0);
	for (int i = 0; i < 6000; i++) {
		const char *yaml;
		struct engine_call c;

		snprintf(text, sizeof(text), "name: shop/%d\n" V, i);
		yaml = fixture_yaml(text);
		c = fixture_call('a');
		engine_session_create(engine, &c, yaml, strlen(yaml), NULL);
		if (i % 50 == 49)
			fixture_settle();
		engine_clock += i % 50 == 0;
	}
	fixture_settle();
	for (int i = 0; i < 6000; i += 7) {
		snprintf(name, sizeof(name), "shop/%d", i);
		want(fixture_read('a', name), 0);
		assert_true(engine->held_bytes <= ENGINE_HELD_BYTES);
	}
	assert_int_equal(engine->counts.sessions, 6001);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(created_and_read),
		T(told_when_durable),
		T(exists_already),
		T(predecessor),
		T(malformed),
		T(names_of_sessions),
		T(older_versions),
		T(verified),
		T(root_is_first_come),
		T(root_is_sealed),
		T(root_is_sealed_for_ever),
		T(parents_decide),
		T(namespace_hash),
		T(deleted),
		T(migration),
		T(imports),
		T(imports_by_hash),
		T(exports_by_hash),
		T(volumes_are_exported),
		T(volumes_keep_their_keys),
		T(public_values),
		T(nothing_is_told),
		T(given_values),
		T(requirements),
		T(no_owner_no_service),
		T(owners),
		T(owner_configurations),
		T(owner_is_chosen),
		T(limits),
		T(all_name_spaces),
		T(lists),
		T(many_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
