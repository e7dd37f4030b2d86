/* SPDX-License-Identifier: Apache-2.0 */
/* Policies: examples, refusals with their messages, hashes, both forms. */
#include "cas/session.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cas/access.h"
#include "cas/match.h"
#include "cas/session_schema.h"
#include "lib/bytes.h"
#include "lib/string.h"
#include "test/unit/unit.h"

static char *read_all(const char *name)
{
	static char text[1 << 20];
	char path[512];
	size_t size;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", POLICIES, name);
	f = fopen(path, "r");
	assert_non_null(f);
	size = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[size] = '\0';
	return text;
}

static struct session *parse(const char *text)
{
	struct session *s = NULL;
	struct err e = {0};

	if (session_parse("p.yaml", text, strlen(text), &s, &e) < 0)
		fail_msg("%s\n%s", e.text, text);
	return s;
}

static void hash_hex(const struct session *s, char hex[65])
{
	uint8_t hash[SESSION_HASH_SIZE];

	assert_int_equal(session_hash(s, hash), 0);
	bytes_to_hex(hash, sizeof(hash), hex);
}

/* What a policy may say can be judged. */
_Static_assert((int)SESSION_MEMBERS_MAX <= (int)ACCESS_CHILDREN_MAX,
	"members of rules");
_Static_assert((int)SESSION_VARIANTS_MAX <= (int)MATCH_VARIANTS_MAX,
	"alternatives of evidence");

/* ---- tables ---- */

static void check_table(const struct schema *s)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct schema_field *f = &s->fields[i];

		if (i > 0)
			assert_true(
				cbor_key_compare(f[-1].key, strlen(f[-1].key),
					f->key, strlen(f->key)) < 0);
		assert_true(f->offset < s->size);
		if (f->sub)
			check_table(f->sub);
	}
}

static void test_tables(void **state)
{
	check_table(&session_schema);
}

/* ---- examples ---- */

/* Both forms give the session back. */
static void check_forms(const struct session *s)
{
	struct session *from_form = NULL, *from_text;
	struct buf form = {0}, again = {0}, text = {0};
	char hash[65], other[65];
	struct err e = {0};

	hash_hex(s, hash);
	assert_int_equal(session_encode(s, &form), 0);
	if (session_decode(form.data, form.size, &from_form, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(session_encode(from_form, &again), 0);
	assert_int_equal(form.size, again.size);
	assert_memory_equal(form.data, again.data, form.size);
	assert_int_equal(session_yaml(s, &text), 0);
	from_text = parse((char *)text.data);
	hash_hex(from_text, other);
	assert_string_equal(hash, other);
	assert_int_equal(from_text->predecessor.size, s->predecessor.size);
	session_free(from_form);
	session_free(from_text);
	buf_fini(&form);
	buf_fini(&again);
	buf_fini(&text);
}

static void test_examples(void **state)
{
	DIR *dir = opendir(POLICIES);
	struct dirent *d;
	int count = 0;

	assert_non_null(dir);
	while ((d = readdir(dir))) {
		size_t len = strlen(d->d_name);
		struct session *s;

		if (len < 5 || strcmp(d->d_name + len - 5, ".yaml") != 0 ||
			strstr(d->d_name, "refused"))
			continue;
		s = parse(read_all(d->d_name));
		check_forms(s);
		session_free(s);
		count++;
	}
	closedir(dir);
	assert_true(count >= 6);
}

static void test_web(void **state)
{
	struct session *s = parse(read_all("edge-web.yaml"));
	const struct session_service *front = session_service(s, "front");
	const struct attest_variant *v;
	const struct session_image *m;
	const struct injection_file *f;
	const struct secret_spec *web;

	assert_string_equal(s->name, "bakery/web");
	assert_int_equal(s->namespace_hash.size, 32);
	assert_non_null(front);
	assert_int_equal(front->command.count, 3);
	assert_string_equal(front->command.item[2], "daemon off;");
	/* Not @@HOSTNAME. */
	assert_int_equal(front->environment.count, 2);
	assert_string_equal(front->environment.item[0].key, "TZ");
	assert_string_equal(front->environment.item[1].value, "4");
	assert_int_equal(front->attestation.count, 1);
	v = front->attestation.item;
	assert_int_equal(v->mrenclave.count, 2);
	assert_false(v->has_signer);
	assert_true(front->network);
	web = session_secret(s, "web");
	assert_int_equal(web->kind, SECRET_X509);
	assert_int_equal(web->endpoint, ENDPOINT_SERVER);
	assert_int_equal(web->valid_for, 30 * 86400);
	assert_int_equal(web->san.count, 2);
	assert_string_equal(web->issuer, "root");
	assert_int_equal(session_secret(s, "root")->valid_for, 3650 * 86400);
	assert_int_equal(session_secret(s, "root_key")->key_type, KEY_P384);
	assert_true(session_secret(s, "root_key")->migrate);
	m = session_image(s, "front_files");
	f = m->files.item;
	assert_int_equal(m->files.count, 3);
	assert_string_equal(f[0].path, "/etc/nginx/nginx.conf");
	assert_null(f[0].content);
	assert_int_equal(f[0].mode, 0700);
	assert_int_equal(f[1].mode, 0400);
	assert_string_equal(f[2].content,
		"$$SCONE::web:crt$$$$SCONE::web:"
		"chain$$");
	assert_true(s->security.singleton);
	assert_int_equal(s->access[ACCESS_DELETE].count, 1);
	assert_int_equal(
		((struct access_rule *)s->access[ACCESS_DELETE].item)->kind,
		PRINCIPAL_NONE);
	assert_null(session_secret(s, "none"));
	session_free(s);
}

static void test_db(void **state)
{
	struct session *s = parse(read_all("locked-db.yaml"));
	const struct session_service *db = session_service(s, "mariadb");
	const struct attest_variant *v = db->attestation.item;
	const struct session_ref *to;
	const struct image_volume *tables;
	const struct access_rule *read = s->access[ACCESS_READ].item;

	assert_int_equal(db->command.count, 2);
	assert_true(v->has_signer);
	assert_int_equal(v->isv_prod_id, 7);
	assert_int_equal(v->isv_svn_min, 3);
	assert_int_equal(v->isv_svn_max, 65535);
	to = session_secret(s, "client")->exports.item;
	assert_string_equal(to->session, "bakery/web");
	assert_int_equal(to->hash.size, 32);
	to = session_volume(s, "tables")->exports.item;
	assert_string_equal(to->session, "bakery/backup");
	assert_string_equal(to->alias, "source");
	assert_int_equal(to->update_policy, VOLUME_EPHEMERAL);
	tables = session_image(s, "db_files")->volumes.item;
	assert_int_equal(tables->update_policy, VOLUME_ROLLBACK_PROTECTED);
	assert_int_equal(read->kind, PRINCIPAL_NONE);
	/* Listing follows reading, creating follows updating. */
	read = s->access[ACCESS_LIST_SESSIONS].item;
	assert_int_equal(read->kind, PRINCIPAL_NONE);
	read = s->access[ACCESS_CREATE_SESSIONS].item;
	assert_int_equal(read->kind, PRINCIPAL_CREATOR);
	session_free(s);
}

static void test_board(void **state)
{
	struct session *s = parse(read_all("root-board.yaml"));
	const struct item_list *update = &s->access[ACCESS_UPDATE];
	const struct access_rule *r = update->item;
	size_t signers = 0, groups = 0;

	assert_string_equal(s->name, "/");
	assert_int_equal(update->count, 6);
	assert_int_equal(r[0].kind, PRINCIPAL_AT_LEAST);
	assert_int_equal(r[0].need, 2);
	assert_int_equal(r[0].count, 2);
	for (size_t i = 1; i < 6; i++) {
		signers += r[i].kind == PRINCIPAL_SIGNER;
		if (r[i].kind == PRINCIPAL_AT_LEAST) {
			assert_int_equal(r[i].need, 2);
			assert_int_equal(r[i].count, 3);
			groups++;
		}
	}
	assert_int_equal(signers, 4);
	assert_int_equal(groups, 1);
	/* At the top, any of three is a list. */
	assert_int_equal(s->access[ACCESS_CREATE_SESSIONS].count, 3);
	session_free(s);
}

static void test_rules(void **state)
{
	struct session *s = parse(read_all("shared-rules.yaml"));
	const struct session_ref *to;

	to = session_secret(s, "releases")->exports.item;
	assert_string_equal(to->namespace, "plant");
	assert_null(to->session);
	assert_string_equal(session_secret(s, "platform")->value,
		"{\"mode\": \"hardware\", \"tolerate\": [\"hyperthreading\", "
		"\"outdated-tcb\"]}");
	session_free(s);
	s = parse(read_all("rules-user.yaml"));
	to = session_secret(s, "releases")->import.item;
	assert_string_equal(to->session, "plant/rules");
	assert_string_equal(to->secret, "releases");
	assert_int_equal(session_secret(s, "releases")->kind, SECRET_IMPORTED);
	assert_string_equal(s->security.attestation, "$$SCONE::platform$$");
	assert_string_equal(session_service(s, "report")->platforms.item[0],
		"INTEL_QE_ID:00112233445566778899aabbccddeeff");
	session_free(s);
}

static const char *field(const struct attest_variant *v, const char *key)
{
	for (size_t i = 0; i < v->fields.count; i++)
		if (strcmp(v->fields.item[i].key, key) == 0)
			return v->fields.item[i].value;
	return NULL;
}

static void check_variants(const struct item_list *list)
{
	const struct attest_variant *v = list->item;
	unsigned seen = 0;

	assert_int_equal(list->count, 4);
	for (size_t i = 0; i < list->count; i++) {
		seen |= 1u << v[i].tee;
		if (v[i].tee == TEE_TDX) {
			assert_int_equal(strlen(field(&v[i], "mrtd")), 193);
			assert_string_equal(field(&v[i], "td_attributes"),
				"0000001000000000");
		} else if (v[i].tee == TEE_SNP) {
			assert_string_equal(field(&v[i], "guest_svn"), ">=2");
			assert_string_equal(field(&v[i], "vmpl"), "0");
		} else if (v[i].has_signer) {
			assert_int_equal(v[i].isv_svn_min, 4);
			assert_int_equal(v[i].isv_svn_max, 4);
			assert_non_null(v[i].config_id);
			assert_string_equal(field(&v[i], "attributes"),
				"04000000000000000000000000000000/"
				"06000000000000000000000000000000");
		}
	}
	assert_int_equal(seen, 7);
}

static void test_everything(void **state)
{
	struct session *s = parse(read_all("everything.yaml"));
	const struct session_service *api = session_service(s, "api");
	const struct session_service *job = session_service(s, "job");
	const struct session_image *files = session_image(s, "files");
	const struct mount_spec *m = files->mounts.item;

	check_variants(&api->attestation);
	assert_string_equal(api->pwd, "/srv");
	assert_int_equal(api->instances, 3);
	assert_int_equal(api->starts_per_hour, 600);
	assert_int_equal(api->lease, 3600);
	assert_int_equal(api->on_expiry, EXPIRY_STOP);
	assert_false(api->network);
	assert_int_equal(api->limits.memory, 512 << 20);
	assert_int_equal(api->signals, 1u << 14 | 1u << 0);
	assert_string_equal(job->command.item[1], "one word");
	assert_string_equal(job->command.item[2], "two words");
	assert_string_equal(job->command.item[3], "a \"b\" $c");
	assert_int_equal(job->command.count, 4);
	assert_string_equal(session_secret(s, "bits")->value, "0001020304");
	assert_int_equal(session_secret(s, "bits")->size, 5);
	assert_int_equal(session_secret(s, "db_pw")->rotate_grace, 86400);
	assert_int_equal(session_secret(s, "deposited")->writers.count, 2);
	assert_string_equal(files->root,
		"a90d3e5c71b2f8460c9e17ad5328f6b4d07c8e91b36a524fe8d19c03f7b6"
		"5a2e");
	assert_int_equal(files->mounts.count, 3);
	assert_string_equal(m[0].target, "/proc");
	assert_true(m[2].ro);
	assert_int_equal(s->security.tolerate,
		TOLERATE_DEBUG | TOLERATE_HYPERTHREADING | TOLERATE_EMULATED);
	assert_int_equal(s->board.open_at_least, 86400);
	assert_int_equal(s->requirements.rollback, 2);
	assert_int_equal(s->audit_key.size, 32);
	assert_int_equal(s->access[ACCESS_UPDATE].count, 6);
	session_free(s);
}

/* ---- refusals ---- */

static void test_bad(void **state)
{
	json_t *rows = json_loads(read_all("bad.json"), 0, NULL);
	size_t i;
	json_t *row;

	assert_true(json_array_size(rows) >= 60);
	json_array_foreach(rows, i, row)
	{
		const char *text = json_string_value(json_array_get(row, 0));
		const char *want = json_string_value(json_array_get(row, 1));
		struct session *s = NULL;
		struct err e = {0};
		int ret = session_parse("p.yaml", text, strlen(text), &s, &e);

		if (ret != -EINVAL || strcmp(e.text, want) != 0)
			fail_msg("%s\n%d %s\nwanted %s", text, ret, e.text,
				want);
	}
	json_decref(rows);
}

static void test_azure(void **state)
{
	const char *text = read_all("azure-refused.yaml");
	struct session *s = NULL;
	struct err e = {0};

	assert_int_equal(
		session_parse("p.yaml", text, strlen(text), &s, &e), -EINVAL);
	assert_non_null(strstr(e.text, "aad-token is not there"));
}

/* ---- hashes ---- */

#define HEAD "name: a/b\nversion: \"1.0\"\n"
#define MR "5f1c0b7e9d2a4c68b3f05a917cd2e4068fb19a3d57ce60f24b8d1e73a905c6f2"
#define MR2 "A90D3E5C71B2F8460C9E17AD5328F6B4D07C8E91B36A524FE8D19C03F7B65A2E"
#define SERVICE "services: [{name: s, command: c, attestation: "

static const struct {
	const char *one, *other;
	bool equal;
} pairs[] = {
	{HEAD, "{\"version\": \"1.0\", \"name\": \"a/b\"}", true},
	{HEAD SERVICE "{mrenclave: " MR "}}]",
		HEAD SERVICE "[{sgx: {mrenclave: [" MR ", " MR "]}}]}]", true},
	{HEAD SERVICE "{mrenclave: [" MR ", " MR2 "]}}]",
		HEAD SERVICE "{mrenclave: [" MR2 ", " MR "]}}]", true},
	{HEAD SERVICE "{mrenclave: [" MR ", " MR2 "]}}]",
		HEAD SERVICE "[{mrenclave: " MR "}, {mrenclave: " MR2 "}]}]",
		false},
	{"name: a\nversion: 0.3\nservices: [{name: s, command: c, mrenclaves: "
	 "[" MR "]}]",
		"name: a\nversion: \"0.3\"\nservices:\n- command: [c]\n  name: "
		"s\n  attestation: {mrenclave: " MR "}\n",
		true},
	{"name: a\nversion: 0.3\n", "name: a\nversion: 0.3.1\n", false},
	{HEAD SERVICE "{mrenclave: " MR "}, lease: 60s}]",
		HEAD SERVICE "{mrenclave: " MR
			     "}, network: yes, pwd: /, lease: "
			     "{ttl: 1m, on_expiry: keep}}]",
		true},
	{HEAD SERVICE "{mrenclave: " MR "}}]",
		HEAD "services: [{name: s, command: [c, ''], attestation: "
		     "{mrenclave: " MR "}}]",
		false},
	{HEAD "secrets: [{name: x}, {name: y, size: 20}]",
		HEAD "secrets: [{name: y, kind: ascii}, {name: x, size: 20}]",
		true},
	{HEAD "secrets: [{name: x, kind: binary, value: 0A}]",
		HEAD "secrets: [{name: x, kind: binary, value: 'base64:Cg=='}]",
		true},
	{HEAD "secrets: [{name: x, kind: binary}]", HEAD "secrets: [{name: x}]",
		false},
	{HEAD "secrets: [{name: x, export: ../c}]",
		HEAD "secrets: [{name: x, export: [{session: a/c}]}]", true},
	{HEAD "secrets: [{name: x, export: ../c}]",
		HEAD "secrets: [{name: x, export: {namespace: a/c}}]", false},
	{HEAD "secrets: [{name: x, kind: config-fragment, value: {b: [1, x], "
	      "a: yes}}]",
		HEAD "secrets: [{name: x, kind: config-fragment, value: {'a': "
		     "yes, 'b': [1, 'x']}}]",
		true},
	{HEAD "secrets: [{name: x, kind: config-fragment, value: 1}]",
		HEAD "secrets: [{name: x, kind: config-fragment, value: '1'}]",
		false},
	{HEAD "access_policy: {update: [CREATOR, " MR "]}",
		HEAD
		"access_policy: {update: [" MR ", CREATOR], read: CREATOR, "
		"create_sessions: {require-at-least-1: [CREATOR, " MR "]}}",
		true},
	{HEAD "access_policy: {update: [CREATOR, " MR "]}",
		HEAD "access_policy: {update: {require-all: [CREATOR, " MR
		     "]}}",
		false},
	{HEAD "access_policy: {update: {require-all: [" MR "]}}",
		HEAD "access_policy: {update: " MR "}", true},
	/* Base58 of the same hash. */
	{HEAD "access_policy: {update: " MR "}",
		HEAD "access_policy: {update: "
		     "7QGXzX5y5S1npiRCiCFqvZn9tLaeJAGgPYSm85b41eSd}",
		true},
	{HEAD "predecessor: " MR, HEAD, true},
	{HEAD "creator: " MR, HEAD, false},
	{HEAD "salt: 00112233445566778899aabbccddeeff", HEAD, false},
	{HEAD "cas_requirements: {rollback: none}", HEAD, true},
	{HEAD "cas_requirements: {rollback: tpm}", HEAD, false},
	{HEAD "board: {open_for: 7d}", HEAD, true},
	{HEAD "board: {open_for: 8d}", HEAD, false},
	{HEAD "security: {attestation: {tolerate: [debug-mode, aepic-leak]}}",
		HEAD "security: {attestation: {mode: hardware, tolerate: "
		     "[aepic-leak, debug-mode]}}",
		true},
	{HEAD "security: {attestation: {tolerate: [debug-mode]}}",
		HEAD "security: {attestation: {tolerate: [aepic-leak]}}",
		false},
};

static void test_spellings(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct session *a = parse(pairs[i].one);
		struct session *b = parse(pairs[i].other);
		char one[65], other[65];

		hash_hex(a, one);
		hash_hex(b, other);
		if ((strcmp(one, other) == 0) != pairs[i].equal)
			fail_msg("%s\n%s", pairs[i].one, pairs[i].other);
		session_free(a);
		session_free(b);
	}
}

/* Other implementations can be held against these. */
static void test_vectors(void **state)
{
	json_t *rows = json_loads(read_all("session-hash.json"), 0, NULL);
	size_t i;
	json_t *row;

	assert_true(json_array_size(rows) >= 5);
	json_array_foreach(rows, i, row)
	{
		const char *form = json_string_value(
			json_object_get(row, "form"));
		struct session *s = parse(
			json_string_value(json_object_get(row, "yaml")));
		struct buf b = {0};
		char hex[65], *text;

		assert_int_equal(session_encode(s, &b), 0);
		text = malloc(2 * b.size + 1);
		bytes_to_hex(b.data, b.size, text);
		assert_string_equal(text, form);
		hash_hex(s, hex);
		assert_string_equal(
			hex, json_string_value(json_object_get(row, "hash")));
		free(text);
		buf_fini(&b);
		session_free(s);
	}
	json_decref(rows);
}

/* ---- values of variables ---- */

static void test_fragments(void **state)
{
	static const char two[] = "[{mrenclave: " MR "}, {snp: {vmpl: 0, "
				  "id_key_digest: " MR "00112233445566778899"
				  "aabbccddeeff}}]";
	static const char rules[] = "{mode: emulated, tolerate: [debug-mode], "
				    "ignore_advisories: '*'}";
	static const char nested[] = "{mrenclave: $$SCONE::a$$}";
	struct session_rules r;
	struct err e = {0};

	assert_int_equal(
		session_parse_attestation("v", two, strlen(two), &r, &e), 0);
	assert_int_equal(r.attestation.count, 2);
	session_rules_free(&r);
	assert_int_equal(
		session_parse_security("v", rules, strlen(rules), &r, &e), 0);
	assert_int_equal(r.security.mode, MODE_EMULATED);
	assert_int_equal(r.security.tolerate, TOLERATE_DEBUG);
	assert_string_equal(r.security.ignore_advisories.item[0], "*");
	session_rules_free(&r);
	assert_int_equal(session_parse_texts("v", "[a, 12]", 7, &r, &e), 0);
	assert_int_equal(r.texts.count, 2);
	assert_string_equal(r.texts.item[1], "12");
	session_rules_free(&r);
	assert_int_equal(session_parse_texts("v", MR, 64, &r, &e), 0);
	assert_int_equal(r.texts.count, 1);
	session_rules_free(&r);
	assert_int_equal(
		session_parse_attestation("v", nested, strlen(nested), &r, &e),
		-EINVAL);
	assert_string_equal(e.text,
		"v:1:13: mrenclave: $$SCONE::a$$ in the "
		"value of a variable; wanted none");
	session_rules_free(&r);
	assert_int_equal(session_parse_security("v", "{mod: none}", 11, &r, &e),
		-EINVAL);
	assert_string_equal(e.text,
		"v:1:2: unknown key 'mod' in attestation; "
		"did you mean 'mode'?");
	assert_int_equal(
		session_parse_texts("v", "{a: b}", 6, &r, &e), -EINVAL);
}

/* ---- hostile forms ---- */

/* Each byte changed: refused, or another session that encodes to just that. */
static void test_changed_forms(void **state)
{
	struct session *s = parse(read_all("everything.yaml"));
	struct buf form = {0};

	assert_int_equal(session_encode(s, &form), 0);
	for (size_t i = 0; i < form.size; i++) {
		static const uint8_t flips[] = {1, 0x20, 0x80};

		for (size_t k = 0; k < sizeof(flips); k++) {
			struct session *other = NULL;
			struct buf again = {0};
			struct err e = {0};

			form.data[i] ^= flips[k];
			if (session_decode(form.data, form.size, &other, &e) ==
				0) {
				assert_int_equal(
					session_encode(other, &again), 0);
				assert_int_equal(again.size, form.size);
				assert_memory_equal(
					again.data, form.data, form.size);
				session_free(other);
			} else {
				assert_int_not_equal(e.code, 0);
			}
			buf_fini(&again);
			form.data[i] ^= flips[k];
		}
	}
	buf_fini(&form);
	session_free(s);
}

/* Access rules without their members, members without a rule, ... */
static void test_broken_trees(void **state)
{
	static const struct access_rule trees[][3] = {
		{{.kind = PRINCIPAL_AT_LEAST, .need = 1, .count = 3},
			{.kind = PRINCIPAL_CREATOR},
			{.kind = PRINCIPAL_CREATOR}},
		{{.kind = PRINCIPAL_AT_LEAST, .need = 3, .count = 2},
			{.kind = PRINCIPAL_CREATOR},
			{.kind = PRINCIPAL_CREATOR}},
		{{.kind = PRINCIPAL_AT_LEAST, .need = 0, .count = 2},
			{.kind = PRINCIPAL_CREATOR},
			{.kind = PRINCIPAL_CREATOR}},
		{{.kind = PRINCIPAL_CREATOR, .need = 1, .count = 2},
			{.kind = PRINCIPAL_CREATOR},
			{.kind = PRINCIPAL_CREATOR}},
		{{.kind = PRINCIPAL_KEY}, {.kind = PRINCIPAL_CREATOR},
			{.kind = PRINCIPAL_CREATOR}},
		{{.kind = PRINCIPAL_SIGNER}, {.kind = PRINCIPAL_CREATOR},
			{.kind = PRINCIPAL_CREATOR}},
		{{.kind = PRINCIPAL_VARIABLE}, {.kind = PRINCIPAL_CREATOR},
			{.kind = PRINCIPAL_CREATOR}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(trees); i++) {
		struct session *s = parse(HEAD), *out = NULL;
		struct buf form = {0};
		struct err e = {0};

		s->access[ACCESS_READ] = (struct item_list){
			(void *)(uintptr_t)trees[i], 3};
		assert_int_equal(session_encode(s, &form), 0);
		assert_int_equal(session_decode(form.data, form.size, &out, &e),
			-EBADMSG);
		buf_fini(&form);
		session_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_web),
		cmocka_unit_test(test_db),
		cmocka_unit_test(test_board),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_azure),
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_changed_forms),
		cmocka_unit_test(test_broken_trees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
