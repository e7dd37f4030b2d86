/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP of CAS: evhttp over TLS, requests found in one table of routes, from
 * which the OpenAPI description is made too. Answers are JSON objects; errors
 * are {"error": text, "code": "EACCES"}.
 */
#pragma once

#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <jansson.h>

#include "cas/server.h"

enum { HTTP_BODY_MAX = 2 * 1024 * 1024, HTTP_HEADERS_MAX = 16 * 1024 };

/* What the body of a successful answer is. */
enum http_answer {
	ANSWER_ITEMS, /* members only */
	ANSWER_TEXT, /* and member `member`, a text: the engine's body */
	ANSWER_JSON, /* and member `member`: the body, which is JSON */
	ANSWER_RAW, /* the body as it is; members are headers */
};

struct http_call;
typedef void http_handler(struct http_call *c);

/* A parameter of the query, for the description. */
struct http_param {
	const char *name, *summary;
	bool required; /* the handler is not called without */
};

struct http_route {
	enum evhttp_cmd_type method;
	/* "/v1/sessions/{name}": {name} takes the rest of the path, slashes
	 * included; {id} and whatever else, none. */
	const char *path;
	http_handler *handler;
	const char *id; /* operationId */
	const char *summary;
	const char *body; /* type of the request's body; NULL: none */
	enum http_answer answer;
	const char *member; /* or type of the raw body */
	/* For the description: members, a space between, "?" behind those that
	 * are not always there; and the JSON schema of `member` or of the raw
	 * body. */
	const char *items, *schema;
	bool anybody; /* no client key is wanted */
	bool unlimited; /* not counted against the rate of the client */
	struct http_param param[4];
};

extern const struct http_route http_routes[]; /* ends with path NULL */

struct http_call {
	struct server *server;
	const struct http_route *route;
	struct evhttp_request *req;
	struct engine_call engine; /* who, and http_reply with this call */
	struct evkeyvalq query;
	char *rest; /* of the path, decoded; NULL: none */
	const uint8_t *body;
	size_t body_size;
};

/* An engine_reply_fn; arg: the call, which ends. */
void http_reply(void *arg, const struct engine_reply *r);
/* The same by hand. text NULL: the empty object. */
void http_reply_error(struct http_call *c, int err, const char *format, ...)
	printf_like(3, 4);
void http_reply_body(struct http_call *c, const void *body, size_t size);
/* A parameter of the query; NULL: it is not there. */
const char *http_query(const struct http_call *c, const char *name);

/* "GET"; of the methods of routes. */
const char *http_method_name(enum evhttp_cmd_type method);
/* The OpenAPI description of the routes. */
must_check int http_openapi(struct buf *out);
