/* SPDX-License-Identifier: Apache-2.0 */
/* The routes of the API and what each does: mostly, ask the engine. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cas/api.h"
#include "cas/audit.h"
#include "cas/base64_json.h"
#include "cas/http.h"
#include "cas/join.h"
#include "cas/recovery.h"
#include "lib/string.h"

enum { AUDIT_PAGE = 1000, BASE64_MAX = 16384 };

/* ---- what is sent ---- */

/* A change: YAML as it is, or {"session": yaml, "comment": text,
 * "signatures": [{"key": base64 of SPKI, "value": base64}]}. */
struct change {
	json_t *json; /* NULL: the body is the YAML */
	const char *yaml;
	size_t size;
	const char *comment;
	struct signature signature[32];
	struct signature_list signatures;
};

static void change_fini(struct change *ch)
{
	for (size_t i = 0; i < ch->signatures.count; i++) {
		free((void *)(uintptr_t)ch->signature[i].spki.data);
		free((void *)(uintptr_t)ch->signature[i].value.data);
	}
	json_decref(ch->json);
}

static int signature_read(const json_t *j, struct signature *out)
{
	int ret = base64_read(
		json_object_get(j, "key"), BASE64_MAX, &out->spki);

	if (ret)
		return ret;
	ret = base64_read(json_object_get(j, "value"), BASE64_MAX, &out->value);
	if (ret) {
		free((void *)(uintptr_t)out->spki.data);
		out->spki = (struct bytes){0};
	}
	return ret;
}

static int signatures_read(struct change *ch, const json_t *list)
{
	size_t n = json_array_size(list);

	ch->signatures.item = ch->signature;
	if (!list)
		return 0;
	if (!json_is_array(list) || n > ARRAY_SIZE(ch->signature))
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		int ret = signature_read(
			json_array_get(list, i), &ch->signature[i]);

		if (ret)
			return ret;
		ch->signatures.count++;
	}
	return 0;
}

static bool is_json(const struct http_call *c)
{
	const char *type = evhttp_find_header(
		evhttp_request_get_input_headers(c->req), "Content-Type");

	return type && string_has_prefix(type, "application/json");
}

static json_t *json_body(struct http_call *c)
{
	json_error_t error;
	json_t *j = json_loadb((const char *)c->body, c->body_size,
		JSON_REJECT_DUPLICATES, &error);

	if (json_is_object(j))
		return j;
	http_reply_error(c, -EINVAL, "body: %s; wanted a JSON object",
		j ? "no object" : error.text);
	json_decref(j);
	return NULL;
}

/* False: the client was answered. */
static bool change_read(struct http_call *c, struct change *ch)
{
	*ch = (struct change){
		.yaml = (const char *)c->body, .size = c->body_size};
	if (!is_json(c))
		return true;
	ch->json = json_body(c);
	if (!ch->json)
		return false;
	ch->yaml = json_string_value(json_object_get(ch->json, "session"));
	ch->size = json_string_length(json_object_get(ch->json, "session"));
	ch->comment = json_string_value(json_object_get(ch->json, "comment"));
	if (ch->yaml &&
		!signatures_read(ch, json_object_get(ch->json, "signatures")))
		return true;
	change_fini(ch);
	http_reply_error(c, -EINVAL,
		"body: wanted {\"session\": YAML, \"signatures\": [{\"key\": "
		"base64, \"value\": base64}]}");
	return false;
}

/* A hash of the query. 0; -ENOENT: it is not there; -EINVAL: answered. */
static int hash_read(struct http_call *c, uint8_t hash[32])
{
	const char *text = http_query(c, "hash");

	if (!text)
		return -ENOENT;
	if (string_from_hex(text, hash, 32))
		return 0;
	http_reply_error(c, -EINVAL, "hash: wanted 64 hexadecimal digits");
	return -EINVAL;
}

/* ---- sessions ---- */

static void sessions_create(struct http_call *c)
{
	struct change ch;

	if (!change_read(c, &ch))
		return;
	engine_session_create(c->server->engine, &c->engine, ch.yaml, ch.size,
		&ch.signatures);
	change_fini(&ch);
}

static void sessions_update(struct http_call *c)
{
	struct change ch;

	if (!change_read(c, &ch))
		return;
	engine_session_update(c->server->engine, &c->engine, ch.yaml, ch.size,
		&ch.signatures);
	change_fini(&ch);
}

static void sessions_delete(struct http_call *c)
{
	struct change ch = {.signatures.item = ch.signature};

	if (c->body_size) {
		json_t *j = json_body(c);

		if (!j)
			return;
		ch.json = j;
		if (signatures_read(&ch, json_object_get(j, "signatures"))) {
			change_fini(&ch);
			http_reply_error(c, -EINVAL,
				"body: wanted {\"signatures\": [...]}");
			return;
		}
	}
	engine_session_delete(
		c->server->engine, &c->engine, c->rest, &ch.signatures);
	change_fini(&ch);
}

static void sessions_read(struct http_call *c)
{
	uint8_t hash[32];
	int ret = hash_read(c, hash);

	if (ret != -EINVAL)
		engine_session_read(c->server->engine, &c->engine, c->rest,
			ret ? NULL : hash);
}

static void sessions_verify(struct http_call *c)
{
	uint8_t hash[32];

	if (!hash_read(c, hash))
		engine_session_verify(
			c->server->engine, &c->engine, c->rest, hash);
}

static void sessions_list(struct http_call *c)
{
	const char *prefix = http_query(c, "prefix");

	engine_session_list(
		c->server->engine, &c->engine, prefix ? prefix : "");
}

static void sessions_diff(struct http_call *c)
{
	engine_session_diff(c->server->engine, &c->engine,
		(const char *)c->body, c->body_size);
}

static void sessions_dry_run(struct http_call *c)
{
	engine_session_dry_run(c->server->engine, &c->engine, c->rest,
		http_query(c, "service"), c->body, c->body_size);
}

static void public_value(struct http_call *c)
{
	const char *format = http_query(c, "format");

	engine_public_value(c->server->engine, &c->engine,
		http_query(c, "session"), http_query(c, "secret"),
		format ? format : "");
}

/* ---- proposals ---- */

static void proposal_open(struct http_call *c)
{
	struct change ch;

	if (!change_read(c, &ch))
		return;
	engine_proposal_open(c->server->engine, &c->engine, ch.yaml, ch.size,
		ch.comment ? ch.comment : "");
	change_fini(&ch);
}

static void proposal_vote(struct http_call *c)
{
	json_t *j = json_body(c), *yes, *given;
	struct signature s = {0};

	if (!j)
		return;
	yes = json_object_get(j, "yes");
	given = json_object_get(j, "signature");
	if (!json_is_boolean(yes) || (given && signature_read(given, &s))) {
		http_reply_error(c, -EINVAL,
			"body: wanted {\"yes\": true or false, \"reason\": "
			"text, \"signature\": {\"key\", \"value\"}} "
			"(without signature: the client's TLS key votes)");
	} else {
		const char *reason = json_string_value(
			json_object_get(j, "reason"));

		engine_proposal_vote(c->server->engine, &c->engine, c->rest,
			json_is_true(yes), reason ? reason : "",
			given ? &s : NULL);
		free((void *)(uintptr_t)s.spki.data);
		free((void *)(uintptr_t)s.value.data);
	}
	json_decref(j);
}

static void proposal_read(struct http_call *c)
{
	engine_proposal_read(c->server->engine, &c->engine, c->rest);
}

static void proposal_list(struct http_call *c)
{
	engine_proposal_list(
		c->server->engine, &c->engine, http_query(c, "session"));
}

static void proposal_withdraw(struct http_call *c)
{
	engine_proposal_withdraw(c->server->engine, &c->engine, c->rest);
}

/* ---- CAS itself ---- */

static void provision(struct http_call *c)
{
	engine_provision(c->server->engine, &c->engine, (const char *)c->body,
		c->body_size);
}

static void owner_status(struct http_call *c)
{
	engine_status(c->server->engine, &c->engine);
}

void api_version(struct http_call *c)
{
	static const struct span_list items[] = {
		{"version", SCONCE_VERSION}, {"api", "1"}, {0}};

	http_reply(c, &(struct engine_reply){.items = items});
}

static bool is_nonce(const char *text)
{
	size_t len = text ? strnlen(text, 129) : 0;

	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return len >= 1 && len <= 128;
}

void api_attestation(struct http_call *c)
{
	const char *nonce = http_query(c, "nonce");
	struct buf out = {0};
	struct err e = {0};
	int ret;

	if (!is_nonce(nonce)) {
		http_reply_error(c, -EINVAL,
			"nonce: wanted 1 to 128 characters of the caller's");
		return;
	}
	ret = evidence_of_server(c->server, nonce, &out, &e);
	if (ret)
		http_reply_error(c, ret, "%s", e.text);
	else
		http_reply_body(c, out.data, out.size);
	buf_fini(&out);
}

static void openapi(struct http_call *c)
{
	struct buf out = {0};

	if (http_openapi(&out))
		http_reply_error(c, -ENOMEM, "no memory");
	else
		http_reply_body(c, out.data, out.size);
	buf_fini(&out);
}

/* ---- the log ---- */

static int export_log(const struct server *s, uint64_t from, uint64_t until,
	struct buf *out, struct err *e)
{
	struct audit_signer signer = {
		.key = s->identity, .time = (uint64_t)time(NULL)};

	memcpy(signer.cluster, s->cluster, sizeof(signer.cluster));
	return audit_export(s->store, from, until, &signer, out, e);
}

/* The last line of an export is the checkpoint of its last record. */
static void audit_checkpoint_get(struct http_call *c)
{
	struct store_status st;
	struct buf out = {0};
	struct err e = {0};
	size_t at;
	int ret;

	store_status(c->server->store, &st);
	ret = export_log(c->server, st.durable, st.durable, &out, &e);
	if (ret) {
		http_reply_error(c, ret, "%s", e.text);
	} else {
		at = out.size ? out.size - 1 : 0;
		while (at && out.data[at - 1] != '\n')
			at--;
		http_reply_body(c, out.data + at, out.size - at);
	}
	buf_fini(&out);
}

static bool read_number(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno && *out;
}

static void audit_log(struct http_call *c)
{
	const char *text = http_query(c, "from");
	uint64_t from = 1;
	struct store_status st;
	struct buf out = {0};
	struct err e = {0};
	int ret = 0;

	if (!engine_may_audit(c->server->engine, &c->engine.who)) {
		http_reply_error(c, -EACCES,
			"the log is for the owner and the auditors that the "
			"owner named");
		return;
	}
	if (text && !read_number(text, &from)) {
		http_reply_error(c, -EINVAL,
			"from: wanted the number of a record, from 1 on");
		return;
	}
	store_status(c->server->store, &st);
	if (from <= st.durable)
		ret = export_log(c->server, from,
			u64_min(st.durable, from + AUDIT_PAGE - 1), &out, &e);
	if (ret)
		http_reply_error(c, ret, "%s", e.text);
	else
		http_reply_body(c, out.data, out.size);
	buf_fini(&out);
}

/* ---- the table ---- */

#define TEXT_OF "{\"type\": \"string\"}"
#define NUMBER_OF "{\"type\": \"integer\"}"
#define LIST_OF(what) "{\"type\": \"array\", \"items\": " what "}"
#define PROPOSAL_SHORT                                                        \
	"\"id\": " TEXT_OF ", \"session\": " TEXT_OF ", \"action\": " TEXT_OF \
	", \"state\": " TEXT_OF ", \"hash\": " TEXT_OF                        \
	", \"predecessor\": {\"type\": [\"string\", \"null\"]}"               \
	", \"opener\": " TEXT_OF ", \"comment\": " TEXT_OF                    \
	", \"opened\": " NUMBER_OF ", \"not_before\": " NUMBER_OF             \
	", \"expires\": " NUMBER_OF ", \"outcome\": " TEXT_OF
#define OBJECT_OF(members)                                         \
	"{\"type\": \"object\", \"additionalProperties\": false, " \
	"\"properties\": {" members "}}"
#define VOTE                                                                 \
	OBJECT_OF("\"key\": " TEXT_OF ", \"yes\": {\"type\": \"boolean\"}, " \
		  "\"signed\": {\"type\": \"boolean\"}, "                    \
		  "\"reason\": " TEXT_OF ", \"time\": " NUMBER_OF)
#define BALLOT "id session state hash outcome"
#define PROPOSAL                                                              \
	OBJECT_OF(PROPOSAL_SHORT ", \"votes\": " LIST_OF(                     \
		VOTE) ", \"differences\": " TEXT_OF ", \"message\": " TEXT_OF \
		      ", \"message_reject\": " TEXT_OF                        \
		      ", \"policy\": " TEXT_OF)

#define GET EVHTTP_REQ_GET
#define POST EVHTTP_REQ_POST
#define PUT EVHTTP_REQ_PUT
#define DELETE EVHTTP_REQ_DELETE
#define YAML "application/yaml"
#define JSON "application/json"
#define TEXT "text/plain; charset=utf-8"
#define LINES "application/x-ndjson"

#define BOXES                                                             \
	"{\"type\": \"object\", \"required\": [\"cas\", \"cluster\", "    \
	"\"need\", \"members\", \"boxes\"], \"properties\": {\"need\": "  \
	"{\"type\": \"integer\"}, \"members\": {\"type\": \"integer\"}, " \
	"\"boxes\": {\"type\": \"object\"}}}"
#define SUCCESSORS                                                     \
	"{\"type\": \"object\", \"required\": [\"svn_floor\", "        \
	"\"successors\"], \"properties\": {\"svn_floor\": {\"type\": " \
	"\"integer\"}, \"successors\": {\"type\": \"array\"}}}"

const struct http_route http_routes[] = {
	{GET, "/v1/version", api_version, "version",
		"Version of CAS and its API", .items = "version api",
		.anybody = true},
	{GET, "/v1/attestation", api_attestation, "attestation",
		"What this CAS is, and evidence for it", .answer = ANSWER_RAW,
		.member = JSON,
		.schema = "{\"type\": \"object\", \"required\": "
			  "[\"statement\", \"evidence\"], \"properties\": "
			  "{\"statement\": " TEXT_OF
			  ", \"evidence\": {\"type\": [\"string\", "
			  "\"null\"]}}}",
		.anybody = true,
		.param = {{"nonce", "Of the caller, up to 128 characters",
			true}}},
	{GET, "/v1/openapi.json", openapi, "openapi", "This description",
		.answer = ANSWER_RAW, .member = JSON, .anybody = true},
	{POST, "/v1/sessions", sessions_create, "sessionCreate",
		"Create a session", .body = YAML, .items = "session hash"},
	{PUT, "/v1/sessions", sessions_update, "sessionUpdate",
		"Replace the session whose hash is its predecessor",
		.body = YAML, .items = "session hash"},
	{GET, "/v1/sessions", sessions_list, "sessionList", "Names of sessions",
		.answer = ANSWER_JSON, .member = "sessions",
		.items = "complete", .schema = LIST_OF(TEXT_OF),
		.param = {{"prefix", "Only names that begin with it", false}}},
	{GET, "/v1/sessions/{name}", sessions_read, "sessionRead",
		"The policy, without what CAS generated", .answer = ANSWER_TEXT,
		.member = "session", .items = "hash present",
		.param = {{"hash", "Of an older version", false}}},
	{DELETE, "/v1/sessions/{name}", sessions_delete, "sessionDelete",
		"Delete a session with its secrets and volume keys",
		.body = JSON, .items = "session"},
	{GET, "/v1/verify/{name}", sessions_verify, "sessionVerify",
		"Whether the session has that hash now",
		.items = "session hash",
		.param = {{"hash", "64 hexadecimal digits", true}}},
	{POST, "/v1/diff", sessions_diff, "sessionDiff",
		"What a new version would change", .body = YAML,
		.answer = ANSWER_TEXT, .member = "differences",
		.items = "session action hash taken reason?"},
	{POST, "/v1/dry-run/{name}", sessions_dry_run, "sessionDryRun",
		"What would be said to this evidence, and why",
		.body = "application/octet-stream", .answer = ANSWER_TEXT,
		.member = "explanation", .items = "accepted",
		.param = {{"service", "Of the session", true}}},
	{GET, "/v1/values", public_value, "publicValue",
		"Public part of a secret", .answer = ANSWER_RAW, .member = TEXT,
		.anybody = true,
		.param = {{"session", "Its name", true},
			{"secret", "Its name", true},
			{"format", "As behind the name in a variable", false}}},
	{POST, "/v1/proposals/{id}/votes", proposal_vote, "proposalVote",
		"Vote, with a signature", .body = JSON, .items = BALLOT},
	{POST, "/v1/proposals", proposal_open, "proposalOpen",
		"Propose a change to the board", .body = YAML, .items = BALLOT},
	{GET, "/v1/proposals", proposal_list, "proposalList",
		"Proposals that the caller may read", .answer = ANSWER_JSON,
		.member = "proposals",
		.schema = LIST_OF(OBJECT_OF(PROPOSAL_SHORT)),
		.param = {{"session", "Only of this one", false}}},
	{GET, "/v1/proposals/{id}", proposal_read, "proposalRead",
		"A proposal with its effects and votes", .answer = ANSWER_JSON,
		.member = "proposal", .items = "id state", .schema = PROPOSAL},
	{DELETE, "/v1/proposals/{id}", proposal_withdraw, "proposalWithdraw",
		"Take a proposal back", .items = BALLOT},
	{POST, "/v1/owner/provision", provision, "provision",
		"Become the owner, or change the owner's configuration",
		.body = YAML, .items = "owner name"},
	{GET, "/v1/owner/status", owner_status, "ownerStatus",
		"State of operation",
		.items = "provisioned identity name? sessions? volumes? "
			 "instances? proposals? rollback? witnesses? "
			 "witnesses_answering? record? record_durable? head? "
			 "commit_error? bytes?"},
	{POST, "/v1/owner/recovery", recovery_make, "recoveryMake",
		"Shares of CAS's key, encrypted to those who keep them",
		.body = JSON, .answer = ANSWER_RAW, .member = JSON,
		.schema = BOXES},
	{GET, "/v1/owner/recovery", recovery_get, "recoveryGet",
		"The encrypted shares that were made last",
		.answer = ANSWER_RAW, .member = JSON, .schema = BOXES},
	{POST, "/v1/owner/backups", backup_make, "backupMake",
		"Make a copy of the sealed database", .body = NULL,
		.answer = ANSWER_RAW, .member = JSON,
		.schema = "{\"type\": \"object\", \"required\": "
			  "[\"sha256\", \"bytes\", \"record\", \"head\"], "
			  "\"properties\": {\"sha256\": " TEXT_OF
			  ", \"bytes\": {\"type\": \"integer\"}, "
			  "\"record\": {\"type\": \"integer\"}, "
			  "\"head\": " TEXT_OF "}}"},
	{GET, "/v1/owner/backups", backup_get, "backupGet",
		"A portion of the copy; an empty one is behind its end",
		.answer = ANSWER_RAW, .member = "application/octet-stream",
		.param = {{"sha256", "Of the copy", true},
			{"offset", "Of the portion's first byte", true}}},
	{POST, "/v1/owner/successors", successors_add, "successorApprove",
		"Approve a release of CAS that may take over", .body = JSON,
		.answer = ANSWER_RAW, .member = JSON, .schema = SUCCESSORS},
	{GET, "/v1/owner/successors", successors_get, "successorList",
		"Releases that may take over", .answer = ANSWER_RAW,
		.member = JSON, .schema = SUCCESSORS},
	{DELETE, "/v1/owner/successors", successors_withdraw,
		"successorWithdraw", "Approve of none", .answer = ANSWER_RAW,
		.member = JSON, .schema = SUCCESSORS},
	{GET, "/v1/audit/log", audit_log, "auditLog",
		"Records of the log, a line each", .answer = ANSWER_RAW,
		.member = LINES,
		.param = {{"from", "Number of the first one", false}}},
	{GET, "/v1/audit/checkpoint", audit_checkpoint_get, "auditCheckpoint",
		"Signed head of the log", .answer = ANSWER_RAW, .member = JSON,
		.schema = "{\"type\": \"object\", \"required\": "
			  "[\"checkpoint\", \"key\", \"signature\"]}",
		.anybody = true},
	{GET, "/metrics", metrics_get, "metrics", "For Prometheus",
		.answer = ANSWER_RAW,
		.member = "text/plain; version=0.0.4; charset=utf-8",
		.anybody = true, .unlimited = true},
	{GET, "/healthz", healthz_get, "healthz",
		"200 if changes and the log can be kept, else 503",
		.items = "status", .anybody = true, .unlimited = true},
	{GET, "/readyz", readyz_get, "readyz",
		"200 if it has an owner and is healthy", .items = "status",
		.anybody = true, .unlimited = true},
	{0},
};
