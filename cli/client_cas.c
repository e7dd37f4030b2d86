/* SPDX-License-Identifier: Apache-2.0 */
/* `sconce cas`: who it is, who owns it. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "attest/appraise.h"
#include "attest/folder.h"
#include "cas/base64_json.h"
#include "cas/verifier.h"
#include "cli/child.h"
#include "cli/client.h"
#include "lib/bytes.h"
#include "lib/string.h"

#define STATEMENT_LABEL "sconce-cas-attestation-1"

enum { NONCE_SIZE = 16, EVIDENCE_MAX = 65536, MEASURE_MAX = 1 << 20 };

static struct appraise_policy policy;
static struct verdict verdict;

void client_statement_fini(struct client_statement *s)
{
	json_decref(s->answer);
	json_decref(s->said);
	free(s->evidence);
}

static int decode_evidence(struct client_statement *s, struct err *e)
{
	const json_t *j = json_object_get(s->answer, "evidence");
	struct bytes evidence;
	int ret;

	if (json_is_null(j))
		return 0;
	ret = base64_read(j, EVIDENCE_MAX, &evidence);
	if (ret)
		return err_setf(e, ret == -ENOMEM ? ret : -EPROTO,
			"CAS's answer has no evidence in base64");
	s->evidence = (uint8_t *)(uintptr_t)evidence.data;
	s->evidence_size = evidence.size;
	return 0;
}

static int read_statement(const struct cas_answer *a, const char *nonce,
	struct client_statement *s, struct err *e)
{
	const char *key, *seen;

	s->answer = json_loadb((const char *)a->body.data, a->body.size, 0, 0);
	s->text = json_string_value(json_object_get(s->answer, "statement"));
	if (s->text)
		s->said = json_loads(s->text, JSON_REJECT_DUPLICATES, NULL);
	key = json_string_value(json_object_get(s->said, "key"));
	seen = json_string_value(json_object_get(s->said, "nonce"));
	if (!key || !seen || !string_from_hex(key, s->key, sizeof(s->key)))
		return err_setf(e, -EPROTO,
			"the answer is not what a CAS says of itself");
	if (strcmp(seen, nonce) != 0)
		return err_setf(e, -EKEYREJECTED,
			"the answer has another nonce: it was not made for "
			"this question");
	return decode_evidence(s, e);
}

static int ask(struct cas_client *c, struct client_statement *s, struct err *e)
{
	char nonce[2 * NONCE_SIZE + 1], path[96];
	uint8_t random[NONCE_SIZE];
	struct cas_answer a;
	int ret;

	if (RAND_bytes(random, sizeof(random)) != 1)
		return err_setf(e, -EIO, "libcrypto has no random numbers");
	bytes_to_hex(random, sizeof(random), nonce);
	snprintf(path, sizeof(path), "/v1/attestation?nonce=%s", nonce);
	ret = cas_client_request(c, "GET", path, NULL, NULL, 0, &a, e);
	if (!ret)
		ret = read_statement(&a, nonce, s, e);
	buf_fini(&a.body);
	if (ret)
		return ret;
	/* Whoever answered must have the key that the statement names. */
	cas_client_pin(c, s->key);
	ret = cas_client_request(c, "GET", "/v1/version", NULL, NULL, 0, &a, e);
	buf_fini(&a.body);
	return ret;
}

/* ---- what is wanted ---- */

/* A member of what `sconce measure --json` says of this installation. */
int client_measured(const char *manifest, const char *member, uint8_t *out,
	size_t size, struct err *e)
{
	const char *argv[] = {
		"sconce", "measure", "--json", "--manifest", manifest, NULL};
	struct child child;
	const char *hex;
	json_t *j;
	int ret;

	if (!manifest)
		argv[3] = NULL;
	ret = child_run("sconce", argv, MEASURE_MAX, false, &child, e);
	if (ret)
		return ret;
	if (child.status) {
		free(child.text);
		return err_setf(e, -EINVAL, "%s", child.why);
	}
	j = json_loadb(child.text, child.size, 0, NULL);
	hex = json_string_value(json_object_get(j, member));
	if (!hex || !string_from_hex(hex, out, size))
		ret = err_setf(
			e, -EPROTO, "`sconce measure` does not say %s", member);
	json_decref(j);
	free(child.text);
	return ret;
}

static int want_program(const struct options *o, struct err *e)
{
	uint8_t mrenclave[32], config_id[64];
	const char *hex = o->value[CLIENT_MRENCLAVE];
	int ret = 0;

	if (!o->value[CLIENT_MANIFEST])
		return err_setf(e, -EINVAL,
			"--manifest: missing. MRENCLAVE alone names a kernel "
			"that runs any program; `sconce cas manifest` makes "
			"the file that says which");
	if (!hex)
		ret = client_measured(NULL, "mrenclave", mrenclave, 32, e);
	else if (!string_from_hex(hex, mrenclave, sizeof(mrenclave)))
		ret = err_setf(e, -EINVAL,
			"--mrenclave: wanted 64 hexadecimal digits");
	if (!ret)
		ret = client_measured(o->value[CLIENT_MANIFEST], "configid",
			config_id, sizeof(config_id), e);
	if (!ret &&
		(appraise_want_bytes(
			 &policy, "mrenclave", mrenclave, sizeof(mrenclave)) ||
			appraise_want_bytes(&policy, "config_id", config_id,
				sizeof(config_id))))
		ret = err_setf(e, -EINVAL, "--policy: too many fields");
	return ret;
}

static int want(const struct options *o, const struct client_statement *s,
	struct err *e)
{
	struct buf text = {0};
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t data[64];
	int ret = 0;

	if (o->value[CLIENT_TOLERATE]) {
		ret = client_read(
			"--policy", o->value[CLIENT_TOLERATE], &text, e);
		if (!ret)
			ret = appraise_parse(&policy, o->value[CLIENT_TOLERATE],
				(const char *)text.data, text.size, e);
		buf_fini(&text);
	}
	policy.allow_emulated |= o->value[CLIENT_EMULATED] != NULL;
	if (!ret)
		ret = want_program(o, e);
	if (!ret &&
		(!ctx || !EVP_DigestInit_ex(ctx, EVP_sha512(), NULL) ||
			!EVP_DigestUpdate(ctx, STATEMENT_LABEL,
				sizeof(STATEMENT_LABEL)) ||
			!EVP_DigestUpdate(ctx, s->text, strlen(s->text)) ||
			!EVP_DigestFinal_ex(ctx, data, NULL) ||
			appraise_want_bytes(
				&policy, "report_data", data, sizeof(data))))
		ret = err_setf(e, -EIO, "the statement cannot be hashed");
	EVP_MD_CTX_free(ctx);
	return ret;
}

static int judge(const struct options *o, const struct client_statement *s,
	struct err *e)
{
	const char *dir = o->value[CLIENT_COLLATERAL];
	bool emulated = o->value[CLIENT_EMULATED] != NULL;
	int64_t now = (int64_t)time(NULL);
	struct client_collateral fetched = {0};
	struct verifier *v;
	int ret = want(o, s, e);

	if (!ret && !dir) {
		ret = client_collateral_get(
			&fetched, s->evidence, s->evidence_size, emulated, e);
		dir = fetched.dir;
	}
	if (!ret)
		ret = verifier_new(dir, emulated, &v, e);
	client_collateral_drop(&fetched);
	if (ret)
		return ret;
	ret = verifier_check(
		v, s->evidence, s->evidence_size, now, &verdict, e);
	verifier_free(v);
	if (ret || appraise(&verdict, &policy, now))
		return ret;
	return err_setf(e, -EKEYREJECTED,
		"its evidence is not accepted: %s: %s%s%s%s",
		verdict.failures[0].rule, verdict.failures[0].seen,
		verdict.failures[0].wanted[0] ? "; wanted " : "",
		verdict.failures[0].wanted,
		!policy.allow_emulated &&
				(verdict.emulated ||
					strcmp(verdict.failures[0].rule,
						"pck-root") == 0)
			? " (--emulated accepts emulated platforms)"
			: "");
}

static int check_rollback(const struct options *o,
	const struct client_statement *s, struct err *e)
{
	static const char *const modes[] = {"none", "tpm", "quorum"};
	const char *wanted = o->value[CLIENT_ROLLBACK];
	const char *seen = json_string_value(
		json_object_get(s->said, "rollback"));
	int want_mode = -1, seen_mode = -1;

	for (int i = 0; i < 3; i++) {
		if (wanted && strcmp(modes[i], wanted) == 0)
			want_mode = i;
		if (seen && strcmp(modes[i], seen) == 0)
			seen_mode = i;
	}
	if (!wanted)
		return 0;
	if (want_mode < 0)
		return err_setf(e, -EINVAL,
			"--rollback '%.40s': wanted none, tpm or quorum",
			wanted);
	return seen_mode >= want_mode
		? 0
		: err_setf(e, -EKEYREJECTED,
			  "its protection against rollback is '%s'; wanted at "
			  "least '%s'",
			  seen ? seen : "?", wanted);
}

/* ---- the commands ---- */

static int remember(const struct options *o, const struct cas_client *c,
	const struct client_statement *s, struct err *e)
{
	const char *enclaves = o->value[CLIENT_ENCLAVES];
	const char *address = cas_client_address(c);
	struct cas_known k;
	int n;

	memcpy(k.key, s->key, sizeof(k.key));
	if (string_copy(k.address, sizeof(k.address), address))
		return err_setf(e, -E2BIG, "%s: too long", address);
	n = enclaves ? snprintf(k.enclaves, sizeof(k.enclaves), "%s", enclaves)
		     : snprintf(k.enclaves, sizeof(k.enclaves), "%.*s:18765",
			       (int)(strrchr(address, ':') - address), address);
	if (n < 0 || n >= (int)sizeof(k.enclaves))
		return err_setf(e, -E2BIG, "--enclaves: too long");
	return cas_known_put(&k, o->value[CLIENT_DEFAULT] != NULL, e);
}

static void print_statement(const struct options *o, const struct cas_client *c,
	const struct client_statement *s)
{
	const char *state = !s->evidence ? "without an enclave"
		: verdict.emulated       ? "emulated"
					 : "attested";
	static const char *const members[] = {
		"key", "version", "rollback", "cluster"};

	if (o->value[CLIENT_JSON]) {
		json_object_set_new(s->said, "state", json_string(state));
		json_dumpf(s->said, stdout, JSON_INDENT(2));
		putchar('\n');
		return;
	}
	printf("%s: %s\n", cas_client_address(c), state);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const char *text = json_string_value(
			json_object_get(s->said, members[i]));

		printf("  %-10s %s\n", members[i], text ? text : "?");
	}
}

int client_attest(const struct options *o, struct cas_client *c,
	struct client_statement *s, struct err *e)
{
	int ret = ask(c, s, e);

	if (ret)
		return ret;
	if (!s->evidence && !o->value[CLIENT_NATIVE])
		return err_setf(e, -EKEYREJECTED,
			"it does not run in an enclave: whoever has root there "
			"has all of it (--native accepts that, for "
			"development)");
	if (s->evidence)
		ret = judge(o, s, e);
	return ret ? ret : check_rollback(o, s, e);
}

/* A key that CAS did not make was brought by its operator, who may know it: of
 * use only to those who know its identity from before. */
static int check_origin(const struct options *o, const struct cas_client *c,
	const struct client_statement *s, struct err *e)
{
	const char *origin = json_string_value(
		json_object_get(s->said, "origin"));
	const char *hex = o->value[CLIENT_KEY];
	struct cas_known k;
	uint8_t key[32];

	if (json_object_get(s->said, "recovery"))
		return err_setf(e, -EAGAIN,
			"it has no key yet: it waits for recovery shares "
			"(`sconce cas recover`)");
	if (hex && !string_from_hex(hex, key, sizeof(key)))
		return err_setf(
			e, -EINVAL, "--cas-key: wanted 64 hexadecimal digits");
	if (hex && memcmp(key, s->key, sizeof(key)) != 0)
		return err_setf(e, -EKEYREJECTED,
			"its identity is not the one that --cas-key names");
	if (hex || (origin && strcmp(origin, "made") == 0))
		return 0;
	if ((cas_known_find(cas_client_address(c), &k, NULL) == 0 &&
		    memcmp(k.key, s->key, sizeof(k.key)) == 0) ||
		(cas_known_find(NULL, &k, NULL) == 0 &&
			memcmp(k.key, s->key, sizeof(k.key)) == 0))
		return 0;
	return err_setf(e, -EKEYREJECTED,
		"its keys came from outside (recovery or hand-over), and you "
		"do not know them: whoever set it up may have made them. "
		"--cas-key HEX names an identity that you know");
}

static int attest(struct options *o, struct cas_client *c,
	struct client_statement *s, struct err *e)
{
	int ret = client_attest(o, c, s, e);

	if (!ret)
		ret = check_origin(o, c, s, e);
	if (!ret)
		ret = remember(o, c, s, e);
	if (!ret)
		print_statement(o, c, s);
	return ret;
}

int client_cas_attest(struct options *o, struct err *e)
{
	const struct cas_client_options options = {.address = o->path[0],
		.identity = o->value[CLIENT_IDENTITY],
		.any_key = true};
	struct client_statement s = {0};
	struct cas_client *c;
	int ret;

	if (!strrchr(o->path[0], ':'))
		return err_setf(e, -EINVAL, "%s: wanted HOST:PORT", o->path[0]);
	ret = cas_client_new(&options, &c, e);
	if (ret)
		return ret;
	ret = attest(o, c, &s, e);
	if (ret)
		err_prefix(e, "%s", o->path[0]);
	client_statement_fini(&s);
	cas_client_free(c);
	return ret;
}

int client_cas_provision(struct options *o, struct err *e)
{
	struct buf config = {0};
	int ret = 0;

	if (o->paths)
		ret = client_read("configuration", o->path[0], &config, e);
	else
		buf_text(&config, "name: CAS\n");
	if (!ret)
		ret = client_show(o, "POST", "/v1/owner/provision",
			"application/yaml", &config, NULL, e);
	buf_fini(&config);
	return ret;
}

int client_cas_status(struct options *o, struct err *e)
{
	return client_show(o, "GET", "/v1/owner/status", NULL, NULL, NULL, e);
}

int client_cas_key(struct options *o, struct err *e)
{
	char path[CAS_PATH_MAX], hex[65];
	uint8_t hash[32];
	int ret = cas_identity_path(o->value[CLIENT_IDENTITY], path, e);

	if (!ret)
		ret = cas_identity_hash(path, hash, e);
	if (ret)
		return ret;
	bytes_to_hex(hash, sizeof(hash), hex);
	if (o->value[CLIENT_JSON])
		printf("{\"key\": \"%s\", \"file\": \"%s\"}\n", hex, path);
	else
		printf("%s\n", hex);
	return 0;
}
