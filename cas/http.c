/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/http.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "cas/places.h"
#include "cas/spki.h"
#include "lib/bytes.h"
#include "lib/string.h"

enum {
	REQUEST_TIMEOUT = 30, /* s without a byte */
	RECORD_SIZE = 16 * 1024, /* of TLS, at most */
};

struct http {
	struct server *server;
	SSL_CTX *tls;
	struct evhttp *http;
	struct evhttp_bound_socket *bound;
	struct places places;
	struct event *tick;
};

/* NULL: the client went while it was answered, or got no TLS. */
static SSL *ssl_of(struct evhttp_request *req)
{
	struct evhttp_connection *conn = evhttp_request_get_connection(req);

	return conn ? bufferevent_openssl_get_ssl(
			      evhttp_connection_get_bufferevent(conn))
		    : NULL;
}

/* ---- answers ---- */

static const struct status {
	int err, code;
	const char *name, *reason;
} statuses[] = {
	{-EACCES, 403, "EACCES", "Forbidden"},
	{-EPERM, 403, "EPERM", "Forbidden"},
	{-EKEYREJECTED, 403, "EKEYREJECTED", "Forbidden"},
	{-ENOENT, 404, "ENOENT", "Not Found"},
	{-EEXIST, 409, "EEXIST", "Conflict"},
	{-ESTALE, 409, "ESTALE", "Conflict"},
	{-EBUSY, 409, "EBUSY", "Conflict"},
	{-EINVAL, 400, "EINVAL", "Bad Request"},
	{-EMSGSIZE, 413, "EMSGSIZE", "Payload Too Large"},
	{-EDQUOT, 429, "EDQUOT", "Too Many Requests"},
	{-EOPNOTSUPP, 405, "EOPNOTSUPP", "Method Not Allowed"},
	{-EAGAIN, 503, "EAGAIN", "Service Unavailable"},
	{-ESHUTDOWN, 503, "ESHUTDOWN", "Service Unavailable"},
	{-ENOMEM, 503, "ENOMEM", "Service Unavailable"},
};

static const struct status *status_of(int err)
{
	static const struct status other = {
		-EIO, 500, "EIO", "Internal Server Error"};

	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
		if (statuses[i].err == err)
			return &statuses[i];
	return &other;
}

static void call_free(struct http_call *c)
{
	evhttp_clear_headers(&c->query);
	free(c->rest);
	free(c);
}

static void header(struct http_call *c, const char *name, const char *value)
{
	evhttp_add_header(
		evhttp_request_get_output_headers(c->req), name, value);
}

/* Head and body of an answer leave as one record of TLS and by one call:
 * libevent writes each of its chunks on its own. Nothing is sent before the
 * loop's next turn, so it is all there. */
static void join_output(struct evhttp_connection *conn)
{
	struct evbuffer *out = bufferevent_get_output(
		evhttp_connection_get_bufferevent(conn));

	if (evbuffer_get_length(out) <= RECORD_SIZE)
		(void)evbuffer_pullup(out, -1);
}

/* Ends the call. */
static void send_answer(struct http_call *c, int code, const char *reason,
	const char *type, const void *data, size_t size)
{
	struct evhttp_connection *conn = evhttp_request_get_connection(c->req);
	struct evbuffer *out = evbuffer_new();
	SSL *ssl = ssl_of(c->req);

	if (!out || (size && evbuffer_add(out, data, size))) {
		code = 503;
		reason = "Service Unavailable";
	}
	header(c, "Content-Type", type);
	header(c, "Cache-Control", "no-store");
	if (ssl)
		places_end(ssl, server_ms());
	evhttp_send_reply(c->req, code, reason, out);
	if (conn)
		join_output(conn);
	if (out)
		evbuffer_free(out);
	call_free(c);
}

static void send_json(struct http_call *c, const struct status *s, json_t *j)
{
	char *text = j ? json_dumps(j, JSON_COMPACT | JSON_PRESERVE_ORDER)
		       : NULL;

	json_decref(j);
	if (text)
		send_answer(c, s ? s->code : 200, s ? s->reason : "OK",
			"application/json", text, strlen(text));
	else
		send_answer(c, 503, "Service Unavailable", "application/json",
			"{\"error\":\"no memory\",\"code\":\"ENOMEM\"}", 37);
	free(text);
}

/* Perhaps with what the client sent, which may be anything. */
static json_t *error_text(const char *text)
{
	json_t *j = json_string(text);
	char plain[512];

	if (j)
		return j;
	snprintf(plain, sizeof(plain), "%s", text);
	for (char *p = plain; *p; p++)
		if ((uint8_t)*p >= 0x80)
			*p = '?';
	return json_string(plain);
}

static void send_error(struct http_call *c, int err, const char *text)
{
	const struct status *s = status_of(err);

	send_json(c, s,
		json_pack("{s:o, s:s}", "error",
			error_text(text ? text : strerror(-err)), "code",
			s->name));
}

void http_reply_error(struct http_call *c, int err, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	send_error(c, err, text);
}

static json_t *items_of(const struct engine_reply *r)
{
	json_t *j = json_object();

	for (size_t i = 0; r->items && r->items[i].name; i++)
		if (json_object_set_new(j, r->items[i].name,
			    json_string(r->items[i].text)) != 0) {
			json_decref(j);
			return NULL;
		}
	return j;
}

static json_t *body_of(const struct http_call *c, const struct engine_reply *r)
{
	if (c->route->answer == ANSWER_JSON)
		return json_loadb(r->body, r->body_size, JSON_DECODE_ANY, NULL);
	/* jansson has no text without an address, even an empty one. */
	return json_stringn(r->body ? r->body : "", r->body_size);
}

void http_reply(void *arg, const struct engine_reply *r)
{
	struct http_call *c = arg;
	json_t *j;

	if (r->status) {
		send_error(c, r->status, r->error);
		return;
	}
	if (c->route->answer == ANSWER_RAW) {
		http_reply_body(c, r->body, r->body_size);
		return;
	}
	j = items_of(r);
	if (j && c->route->answer != ANSWER_ITEMS &&
		json_object_set_new(j, c->route->member, body_of(c, r)) != 0) {
		json_decref(j);
		j = NULL;
	}
	send_json(c, NULL, j);
}

void http_reply_body(struct http_call *c, const void *body, size_t size)
{
	send_answer(c, 200, "OK", c->route->member, body, size);
}

const char *http_query(const struct http_call *c, const char *name)
{
	return evhttp_find_header(&c->query, name);
}

/* ---- requests ---- */

/* True: path is the pattern's; *rest: what stands for its {...}, in path. */
static bool match(const char *pattern, const char *path, const char **rest)
{
	const char *brace = strchr(pattern, '{');
	size_t len = brace ? (size_t)(brace - pattern) : strlen(pattern);
	const char *after = brace ? strchr(brace, '}') + 1 : "";
	size_t tail = strlen(after), left;

	*rest = NULL;
	if (strncmp(pattern, path, len) != 0)
		return false;
	left = strlen(path + len);
	if (!brace)
		return left == 0;
	*rest = path + len;
	if (left <= tail || strcmp(path + len + left - tail, after) != 0)
		return false;
	/* Only names have slashes. */
	return string_has_prefix(brace, "{name}") ||
		!memchr(*rest, '/', left - tail);
}

static void add_name(char *list, size_t size, enum evhttp_cmd_type method)
{
	size_t len = strlen(list);

	snprintf(list + len, size - len, "%s%s", len ? ", " : "",
		http_method_name(method));
}

/* The route; allowed: the methods that the path is known with. */
static const struct http_route *find(const struct http_route *routes,
	enum evhttp_cmd_type method, const char *path, const char **rest,
	char *allowed, size_t size)
{
	allowed[0] = '\0';
	for (const struct http_route *r = routes; r->path; r++) {
		if (!match(r->path, path, rest))
			continue;
		if (r->method == method)
			return r;
		add_name(allowed, size, r->method);
	}
	return NULL;
}

static void identify(struct http_call *c)
{
	X509 *cert = SSL_get0_peer_certificate(ssl_of(c->req));
	struct principal *who = &c->engine.who;

	who->present = spki_hash_of(cert, who->key) == 0;
}

/* Who has a key is counted by it, others by their address. */
static bool is_allowed(struct http_call *c)
{
	char name[LIMITS_NAME] = "", *address;
	uint64_t retry;
	char seconds[24];
	uint16_t port;

	if (c->route->unlimited)
		return true;
	if (c->engine.who.present) {
		bytes_to_hex(c->engine.who.key, 20, name);
	} else {
		evhttp_connection_get_peer(
			evhttp_request_get_connection(c->req), &address, &port);
		snprintf(name, sizeof(name), "%s", address);
	}
	if (limits_allow(&c->server->limits, name, server_ms(), &retry))
		return true;
	snprintf(seconds, sizeof(seconds), "%llu",
		(unsigned long long)(retry + 999) / 1000);
	header(c, "Retry-After", seconds);
	return false;
}

static bool decode_rest(struct http_call *c, const char *rest)
{
	const char *brace = strchr(c->route->path, '{');
	size_t tail, size = 0;

	if (!brace)
		return true;
	tail = strlen(strchr(brace, '}') + 1);
	c->rest = evhttp_uridecode(rest, 0, &size);
	if (!c->rest || size < tail || strlen(c->rest) != size)
		return false;
	c->rest[size - tail] = '\0';
	return true;
}

static bool read_body(struct http_call *c)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(c->req);

	c->body_size = evbuffer_get_length(in);
	c->body = c->body_size ? evbuffer_pullup(in, -1) : (const uint8_t *)"";
	return c->body != NULL;
}

/* A parameter that is wanted and not there; NULL: none. */
static const char *missing(const struct http_call *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(c->route->param); i++) {
		const struct http_param *p = &c->route->param[i];

		if (p->name && p->required && !http_query(c, p->name))
			return p->name;
	}
	return NULL;
}

static void dispatch(struct http_call *c, const char *rest)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(c->req);
	const char *query = evhttp_uri_get_query(uri);

	identify(c);
	if (!is_allowed(c))
		send_error(c, -EDQUOT,
			"too many requests from this client; see Retry-After");
	else if (!c->route->anybody && !c->engine.who.present)
		send_error(c, -EACCES,
			"no client certificate; one with a key of yours is "
			"wanted (sconce makes one at first use)");
	else if (c->server->frozen && !c->route->unlimited)
		send_error(c, -EAGAIN,
			"this CAS hands over to its successor: try there");
	else if (query && evhttp_parse_query_str(query, &c->query))
		send_error(c, -EINVAL, "malformed query");
	else if (missing(c))
		http_reply_error(c, -EINVAL, "%s: missing", missing(c));
	else if (!decode_rest(c, rest))
		send_error(c, -EINVAL, "malformed path");
	else if (!read_body(c))
		send_error(c, -ENOMEM, "no memory for the body");
	else
		c->route->handler(c);
}

static void on_request(struct evhttp_request *req, void *arg)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL, *rest = NULL;
	struct http *h = arg;
	struct http_call *c = NULL;
	SSL *ssl = ssl_of(req);
	char allowed[64];

	/* evhttp goes on in the clear when a connection got no TLS. */
	if (ssl)
		c = calloc(1, sizeof(*c));
	if (!c) {
		evhttp_send_reply(req, 503, "Service Unavailable", NULL);
		return;
	}
	c->server = h->server;
	c->req = req;
	c->engine.reply = http_reply;
	c->engine.arg = c;
	TAILQ_INIT(&c->query);
	places_begin(ssl, server_ms());
	c->route = find(h->server->routes, evhttp_request_get_command(req),
		path ? path : "", &rest, allowed, sizeof(allowed));
	if (c->route) {
		dispatch(c, rest);
		return;
	}
	if (allowed[0])
		header(c, "Allow", allowed);
	if (allowed[0])
		send_error(c, -EOPNOTSUPP, "not with this method; see Allow");
	else
		send_error(c, -ENOENT,
			"no such place; GET /v1/openapi.json lists what there "
			"is");
}

static struct bufferevent *make_bufferevent(struct event_base *base, void *arg)
{
	struct http *h = arg;
	SSL *ssl = SSL_new(h->tls);
	struct bufferevent *bev = NULL;

	if (ssl)
		bev = bufferevent_openssl_socket_new(base, -1, ssl,
			BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
	if (!bev) {
		SSL_free(ssl);
		return NULL;
	}
	if (!places_add(&h->places, ssl, bev, server_ms())) {
		bufferevent_free(bev);
		return NULL;
	}
	bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	/* Requests sent ahead of the answers wait outside. */
	bufferevent_setwatermark(
		bev, EV_READ, 0, HTTP_HEADERS_MAX + HTTP_BODY_MAX);
	return bev;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct http *h = arg;

	places_tick(&h->places, server_ms());
}

static int listen_on(struct http *h, const char *address, struct err *e)
{
	struct evconnlistener *l;
	int ret = server_listen(h->server, address, NULL, NULL, &l, e);

	if (ret)
		return ret;
	/* Accepted sockets have it from this one. Without, the second record
	 * of an answer waits for the client's delayed ACK. */
	(void)setsockopt(evconnlistener_get_fd(l), IPPROTO_TCP, TCP_NODELAY,
		&(int){1}, sizeof(int));
	h->bound = evhttp_bind_listener(h->http, l);
	if (!h->bound) {
		evconnlistener_free(l);
		return err_setf(e, -ENOMEM, "http: no memory");
	}
	return 0;
}

int http_new(
	struct server *s, const char *address, struct http **out, struct err *e)
{
	struct http *h = calloc(1, sizeof(*h));
	int ret = 0;

	if (h)
		h->http = evhttp_new(s->base);
	if (!h || !h->http) {
		free(h);
		return err_setf(e, -ENOMEM, "http: no memory");
	}
	h->server = s;
	h->tick = event_new(s->base, -1, EV_PERSIST, on_tick, h);
	if (!h->tick || event_add(h->tick, &(struct timeval){.tv_sec = 1}) ||
		!places_init(&h->places, s->max_clients))
		ret = err_setf(e, -ENOMEM, "http: no memory");
	if (!ret)
		ret = server_tls(s, true, &h->tls, e);
	if (!ret) {
		evhttp_set_bevcb(h->http, make_bufferevent, h);
		evhttp_set_gencb(h->http, on_request, h);
		evhttp_set_allowed_methods(h->http,
			/* Those that are not there get 405. */
			EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
				EVHTTP_REQ_DELETE | EVHTTP_REQ_HEAD |
				EVHTTP_REQ_PATCH | EVHTTP_REQ_OPTIONS);
		/* Who sends too much reads why, if it does not take long. */
		evhttp_set_flags(h->http, EVHTTP_SERVER_LINGERING_CLOSE);
		evhttp_set_max_headers_size(h->http, HTTP_HEADERS_MAX);
		evhttp_set_max_body_size(h->http, HTTP_BODY_MAX);
		evhttp_set_timeout(h->http, REQUEST_TIMEOUT);
		ret = listen_on(h, address, e);
	}
	if (ret) {
		http_free(h);
		return ret;
	}
	*out = h;
	return 0;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	evhttp_free(h->http);
	places_fini(&h->places);
	if (h->tick)
		event_free(h->tick);
	SSL_CTX_free(h->tls);
	free(h);
}

unsigned http_number(const struct http *h)
{
	return server_bound(evhttp_bound_socket_get_fd(h->bound));
}
