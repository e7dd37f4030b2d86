/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients of the REST API control behind libevent's own parsing: method,
 * path, query, type and body, with and without a key, over an engine that
 * answers whatever the input says. Each request gets exactly one answer, and
 * what says that it is JSON is.
 *
 * Input: flags, method, a byte for the engine; then lines: path with query,
 * type; the rest is the body.
 */
#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "cas/http.h"

static struct {
	enum evhttp_cmd_type method;
	struct evhttp_uri *uri;
	struct evkeyvalq in, out;
	struct evbuffer *body;
	bool has_key;
	uint8_t engine;
	unsigned answers;
	bool begun, raw; /* raw: the body is the engine's */
} now;

static void fake_send_reply(struct evhttp_request *req, int code,
	const char *reason, struct evbuffer *out)
{
	const char *type = evhttp_find_header(&now.out, "Content-Type");
	size_t size = out ? evbuffer_get_length(out) : 0;
	json_t *j;

	now.answers++;
	assert(reason && (code == 200 || (code >= 400 && code <= 503)));
	assert(evhttp_find_header(&now.out, "Cache-Control"));
	if (code == 200 && strcmp(type, "application/json") != 0)
		return;
	j = json_loadb((char *)evbuffer_pullup(out, -1), size,
		JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	assert(j || (code == 200 && now.raw));
	if (code != 200)
		assert(json_is_string(json_object_get(j, "error")) &&
			json_is_string(json_object_get(j, "code")));
	json_decref(j);
}

#define evhttp_request_get_evhttp_uri(r) ((void)(r), now.uri)
#define evhttp_request_get_command(r) ((void)(r), now.method)
#define evhttp_request_get_input_headers(r) ((void)(r), &now.in)
#define evhttp_request_get_output_headers(r) ((void)(r), &now.out)
#define evhttp_request_get_input_buffer(r) ((void)(r), now.body)
#define evhttp_request_get_connection(r) ((void)(r), (void *)8)
#define evhttp_connection_get_bufferevent(c) ((void)(c), (void *)8)
#define evhttp_connection_get_peer(c, a, p) \
	((void)(c), *(a) = (char *)(uintptr_t) "192.0.2.1", *(p) = 1)
#define bufferevent_openssl_get_ssl(b) ((void)(b), (SSL *)8)
#define bufferevent_get_output(b) ((void)(b), now.body)
#define evhttp_send_reply fake_send_reply
#define SSL_get0_peer_certificate(s) ((void)(s), now.has_key ? (X509 *)8 : NULL)

#include "../../cas/http.c"

#include "../../cas/api.c"

/* ---- the rest of the server ---- */

uint64_t server_ms(void)
{
	return 1;
}

int spki_hash_of(const X509 *cert, uint8_t hash[static 32])
{
	memset(hash, 7, 32);
	return 0;
}

bool places_init(struct places *p, unsigned max)
{
	return false;
}

void places_fini(struct places *p)
{
}

bool places_add(
	struct places *p, SSL *ssl, struct bufferevent *bev, uint64_t now_ms)
{
	return false;
}

void places_begin(SSL *ssl, uint64_t now_ms)
{
	assert(!now.begun);
	now.begun = true;
}

void places_end(SSL *ssl, uint64_t now_ms)
{
	assert(now.begun);
	now.begun = false;
}

void places_tick(struct places *p, uint64_t now_ms)
{
}

int server_tls(
	const struct server *s, bool clients, SSL_CTX **out, struct err *e)
{
	return -EIO;
}

int server_address(const char *text, struct sockaddr_storage *out, int *size,
	struct err *e)
{
	return -EIO;
}

unsigned server_bound(evutil_socket_t fd)
{
	return 0;
}

int evidence_of_server(const struct server *s, const char *nonce,
	struct buf *out, struct err *e)
{
	for (const char *p = nonce; *p; p++)
		assert(*p > ' ' && *p <= '~');
	buf_text(out, "{}");
	return 0;
}

int audit_export(struct store *st, uint64_t from, uint64_t until,
	const struct audit_signer *signer, struct buf *out, struct err *e)
{
	assert(from && from <= until && until <= 5);
	buf_text(out, "{}\n{}\n");
	return 0;
}

void store_status(struct store *st, struct store_status *out)
{
	*out = (struct store_status){.durable = 5};
}

/* ---- the engine ---- */

/* Answers as `now` says: statuses, texts that are not UTF-8, bodies. */
static void answer(const struct engine_call *c)
{
	static const int codes[] = {
		0, 0, 0, -EACCES, -EINVAL, -ENOENT, -EIO, -1000};
	static const struct span_list items[] = {
		{"hash", "ab"}, {"reason", "text"}, {0}};
	bool list = now.engine & 8;
	const char *body = list ? "[1]" : now.engine & 16 ? "a\xc3\xa4" : "{}";
	struct engine_reply r = {.status = codes[now.engine & 7],
		.items = now.engine & 32 ? items : NULL,
		.body = now.engine & 64 ? NULL : body};

	if (r.body)
		r.body_size = strlen(body);
	if (r.status)
		r.error = now.engine & 128 ? "\xff\xfe" : "no";
	now.raw = ((struct http_call *)c->arg)->route->answer == ANSWER_RAW;
	c->reply(c->arg, &r);
}

/* All of it is read, up to its end. */
static void touch(const void *data, size_t size)
{
	const uint8_t *p = data;
	volatile uint8_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + p[i]);
}

static void touch_text(const char *text)
{
	touch(text, strlen(text));
}

static void touch_signatures(const struct signature_list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		touch(l->item[i].spki.data, l->item[i].spki.size);
		touch(l->item[i].value.data, l->item[i].value.size);
	}
}

void engine_session_create(struct engine *g, const struct engine_call *c,
	const char *yaml, size_t size, const struct signature_list *signatures)
{
	assert(c->who.present);
	touch(yaml, size);
	touch_signatures(signatures);
	answer(c);
}

void engine_session_update(struct engine *g, const struct engine_call *c,
	const char *yaml, size_t size, const struct signature_list *signatures)
{
	engine_session_create(g, c, yaml, size, signatures);
}

void engine_session_delete(struct engine *g, const struct engine_call *c,
	const char *name, const struct signature_list *signatures)
{
	engine_session_create(g, c, name, strlen(name), signatures);
}

static void named(const struct engine_call *c, const char *name)
{
	assert(c->who.present);
	touch_text(name);
	answer(c);
}

void engine_session_read(struct engine *g, const struct engine_call *c,
	const char *name, const uint8_t *hash)
{
	if (hash)
		touch(hash, 32);
	named(c, name);
}

void engine_session_verify(struct engine *g, const struct engine_call *c,
	const char *name, const uint8_t hash[static 32])
{
	touch(hash, 32);
	named(c, name);
}

void engine_session_list(
	struct engine *g, const struct engine_call *c, const char *prefix)
{
	named(c, prefix);
}

void engine_session_diff(struct engine *g, const struct engine_call *c,
	const char *yaml, size_t size)
{
	touch(yaml, size);
	named(c, "");
}

void engine_session_dry_run(struct engine *g, const struct engine_call *c,
	const char *name, const char *service, const void *evidence,
	size_t size)
{
	touch_text(service);
	touch(evidence, size);
	named(c, name);
}

void engine_public_value(struct engine *g, const struct engine_call *c,
	const char *session, const char *secret, const char *format)
{
	touch_text(session);
	touch_text(secret);
	touch_text(format);
	answer(c);
}

void engine_proposal_open(struct engine *g, const struct engine_call *c,
	const char *yaml, size_t size, const char *comment)
{
	touch(yaml, size);
	named(c, comment);
}

void engine_proposal_vote(struct engine *g, const struct engine_call *c,
	const char *id, bool yes, const char *reason,
	const struct signature *signature)
{
	if (signature)
		touch_signatures(&(struct signature_list){signature, 1});
	touch_text(reason);
	named(c, id);
}

void engine_proposal_read(
	struct engine *g, const struct engine_call *c, const char *id)
{
	named(c, id);
}

void engine_proposal_list(
	struct engine *g, const struct engine_call *c, const char *session)
{
	named(c, session ? session : "");
}

void engine_proposal_withdraw(
	struct engine *g, const struct engine_call *c, const char *id)
{
	named(c, id);
}

void engine_provision(struct engine *g, const struct engine_call *c,
	const char *config, size_t size)
{
	engine_session_diff(g, c, config, size);
}

void engine_status(struct engine *g, const struct engine_call *c)
{
	named(c, "");
}

bool engine_may_audit(const struct engine *g, const struct principal *who)
{
	return who->present && now.engine & 8;
}

/* Handlers with files of their own. */
#define OTHER(name)                           \
	void name(struct http_call *c)        \
	{                                     \
		touch(c->body, c->body_size); \
		answer(&c->engine);           \
	}
OTHER(metrics_get)
OTHER(healthz_get)
OTHER(readyz_get)
OTHER(recovery_make)
OTHER(recovery_get)
OTHER(backup_make)
OTHER(backup_get)
OTHER(successors_add)
OTHER(successors_get)
OTHER(successors_withdraw)

/* ---- inputs ---- */

static bool line(const uint8_t **p, size_t *size, char *out, size_t max)
{
	const uint8_t *end = memchr(*p, '\n', *size);
	size_t len = end ? (size_t)(end - *p) : *size;

	if (!end || len >= max || memchr(*p, 0, len))
		return false;
	memcpy(out, *p, len);
	out[len] = '\0';
	*p += len + 1;
	*size -= len + 1;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum evhttp_cmd_type methods[] = {EVHTTP_REQ_GET,
		EVHTTP_REQ_POST, EVHTTP_REQ_PUT, EVHTTP_REQ_DELETE,
		EVHTTP_REQ_PATCH};
	static struct server s = {.routes = http_routes};
	static struct http h = {.server = &s};
	static char path[8192], type[256];
	size_t left = size - 3;

	if (size < 3)
		return 0;
	now.has_key = data[0] & 1;
	now.method = methods[data[1] % ARRAY_SIZE(methods)];
	now.engine = data[2];
	data += 3;
	if (!line(&data, &left, path, sizeof(path)) ||
		!line(&data, &left, type, sizeof(type)))
		return 0;
	now.uri = evhttp_uri_parse_with_flags(path, 0);
	if (!now.uri)
		return 0;
	TAILQ_INIT(&now.in);
	TAILQ_INIT(&now.out);
	now.body = evbuffer_new();
	(void)evhttp_add_header(&now.in, "Content-Type", type);
	evbuffer_add(now.body, data, left);
	now.answers = 0;
	now.raw = false;
	on_request((void *)8, &h);
	assert(now.answers == 1 && !now.begun);
	evhttp_clear_headers(&now.in);
	evhttp_clear_headers(&now.out);
	evbuffer_free(now.body);
	evhttp_uri_free(now.uri);
	return 0;
}
