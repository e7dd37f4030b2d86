/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenAPI description, made of the table of routes. */
#include <errno.h>
#include <stdlib.h>

#include "cas/http.h"
#include "lib/string.h"

static const char *method_name(enum evhttp_cmd_type method)
{
	switch (method) {
	case EVHTTP_REQ_GET:
		return "get";
	case EVHTTP_REQ_POST:
		return "post";
	case EVHTTP_REQ_PUT:
		return "put";
	default:
		return "delete";
	}
}

static json_t *text_schema(void)
{
	return json_pack("{s:s}", "type", "string");
}

static json_t *parameter(
	const char *name, const char *in, const char *summary, bool required)
{
	return json_pack("{s:s, s:s, s:s, s:b, s:o}", "name", name, "in", in,
		"description", summary, "required", required, "schema",
		text_schema());
}

static json_t *parameters(const struct http_route *r)
{
	const char *brace = strchr(r->path, '{');
	json_t *list = json_array();

	if (brace) {
		char name[32] = "";
		size_t len = strcspn(brace + 1, "}");

		if (len < sizeof(name))
			memcpy(name, brace + 1, len);
		json_array_append_new(list,
			parameter(name, "path", "Its name, slashes included",
				true));
	}
	for (size_t i = 0; i < ARRAY_SIZE(r->param) && r->param[i].name; i++)
		json_array_append_new(list,
			parameter(r->param[i].name, "query",
				r->param[i].summary, r->param[i].required));
	return list;
}

static json_t *content(const char *type, json_t *schema)
{
	char bare[64];

	/* Without parameters such as the character set. */
	if (string_copy(bare, sizeof(bare), type) == 0)
		bare[strcspn(bare, ";")] = '\0';
	return json_pack("{s:{s:o}}", bare, "schema", schema);
}

static json_t *answer_content(const struct http_route *r)
{
	json_t *schema;

	if (r->answer == ANSWER_RAW)
		return content(r->member, json_object());
	schema = json_pack("{s:s}", "type", "object");
	if (r->answer == ANSWER_TEXT)
		json_object_set_new(schema, "properties",
			json_pack("{s:o}", r->member, text_schema()));
	else if (r->answer == ANSWER_JSON)
		json_object_set_new(
			schema, "properties", json_pack("{s:{}}", r->member));
	return content("application/json", schema);
}

static json_t *operation(const struct http_route *r)
{
	json_t *op = json_pack("{s:s, s:s, s:o, s:{s:{s:s, s:o}, s:{s:s}}}",
		"operationId", r->id, "summary", r->summary, "parameters",
		parameters(r), "responses", "200", "description", "Done",
		"content", answer_content(r), "default", "$ref",
		"#/components/responses/Error");

	if (r->anybody)
		json_object_set_new(op, "security", json_array());
	if (r->body)
		json_object_set_new(op, "requestBody",
			json_pack("{s:b, s:o}", "required",
				r->method != EVHTTP_REQ_DELETE, "content",
				content(r->body, json_object())));
	return op;
}

static json_t *paths(void)
{
	json_t *all = json_object();

	for (const struct http_route *r = http_routes; r->path; r++) {
		json_t *path = json_object_get(all, r->path);

		if (!path) {
			path = json_object();
			json_object_set_new(all, r->path, path);
		}
		json_object_set_new(path, method_name(r->method), operation(r));
	}
	return all;
}

int http_openapi(struct buf *out)
{
	json_t *j = json_pack(
		"{s:s, s:{s:s, s:s, s:s}, s:[{s:[]}], s:o, s:{s:{s:{s:s, s:s}},"
		" s:{s:{s:s, s:{s:{s:{s:s, s:[s, s], s:{s:{s:s}, "
		"s:{s:s}}}}}}}}}",
		"openapi", "3.1.0", "info", "title", "Sconce CAS", "version",
		"1", "description",
		"Configuration and attestation service. TLS 1.3; callers are "
		"known by the key of their client certificate, whoever signed "
		"it. The server is known by its key, which `sconce cas attest` "
		"verifies.",
		"security", "clientKey", "paths", paths(), "components",
		"securitySchemes", "clientKey", "type", "mutualTLS",
		"description", "Any certificate: only its key counts",
		"responses", "Error", "description", "Why not", "content",
		"application/json", "schema", "type", "object", "required",
		"error", "code", "properties", "error", "type", "string",
		"code", "type", "string");
	char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;

	json_decref(j);
	if (!text)
		return -ENOMEM;
	buf_text(out, text);
	buf_text(out, "\n");
	free(text);
	return buf_check(out);
}
