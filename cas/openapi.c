/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenAPI description, made of the table of routes. */
#include <errno.h>
#include <stdlib.h>

#include "cas/http.h"
#include "lib/string.h"

const char *http_method_name(enum evhttp_cmd_type method)
{
	switch (method) {
	case EVHTTP_REQ_GET:
		return "GET";
	case EVHTTP_REQ_POST:
		return "POST";
	case EVHTTP_REQ_PUT:
		return "PUT";
	default:
		return "DELETE";
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
			parameter(name, "path",
				strcmp(name, "name") == 0
					? "Its name, slashes included"
					: "As it was given at first",
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

static json_t *schema_of(const char *text)
{
	return text ? json_loads(text, 0, NULL) : json_object();
}

/* Members that are text. */
static void add_items(const char *items, json_t *properties, json_t *required)
{
	while (items && *items) {
		size_t len = strcspn(items, " "), name = strcspn(items, " ?");

		json_object_setn_new(properties, items, name, text_schema());
		if (len == name)
			json_array_append_new(
				required, json_stringn(items, name));
		items += len + (items[len] == ' ');
	}
}

static json_t *answer_content(const struct http_route *r)
{
	json_t *properties, *required;

	if (r->answer == ANSWER_RAW)
		return content(r->member, schema_of(r->schema));
	properties = json_object();
	required = json_array();
	add_items(r->items, properties, required);
	if (r->answer != ANSWER_ITEMS) {
		json_object_set_new(properties, r->member,
			r->answer == ANSWER_TEXT ? text_schema()
						 : schema_of(r->schema));
		json_array_append_new(required, json_string(r->member));
	}
	return content("application/json",
		json_pack("{s:s, s:o, s:o, s:b}", "type", "object",
			"properties", properties, "required", required,
			"additionalProperties", 0));
}

static json_t *responses(const struct http_route *r)
{
	static const char error[] = "#/components/responses/Error";
	json_t *all = json_pack("{s:{s:s, s:o}}", "200", "description", "Done",
		"content", answer_content(r));

	if (!r->anybody)
		json_object_set_new(all, "403",
			json_pack("{s:s}", "$ref",
				"#/components/responses/Forbidden"));
	if (!r->unlimited)
		json_object_set_new(all, "429",
			json_pack("{s:s}", "$ref",
				"#/components/responses/Limited"));
	json_object_set_new(all, "default", json_pack("{s:s}", "$ref", error));
	return all;
}

static json_t *operation(const struct http_route *r)
{
	json_t *op = json_pack("{s:s, s:s, s:o, s:o}", "operationId", r->id,
		"summary", r->summary, "parameters", parameters(r), "responses",
		responses(r));

	if (r->anybody)
		json_object_set_new(op, "security", json_array());
	if (r->body)
		json_object_set_new(op, "requestBody",
			json_pack("{s:b, s:o}", "required",
				r->method != EVHTTP_REQ_DELETE, "content",
				content(r->body, json_object())));
	return op;
}

/* As OpenAPI writes it. */
static const char *method_key(enum evhttp_cmd_type method)
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

static json_t *paths(void)
{
	json_t *all = json_object();

	for (const struct http_route *r = http_routes; r->path; r++) {
		json_t *path = json_object_get(all, r->path);

		if (!path) {
			path = json_object();
			json_object_set_new(all, r->path, path);
		}
		json_object_set_new(path, method_key(r->method), operation(r));
	}
	return all;
}

/* An error as all of them are. */
static json_t *error_response(const char *description)
{
	return json_pack("{s:s, s:{s:{s:{s:s, s:[s, s], s:{s:{s:s}, s:{s:s}},"
			 " s:b}}}}",
		"description", description, "content", "application/json",
		"schema", "type", "object", "required", "error", "code",
		"properties", "error", "type", "string", "code", "type",
		"string", "additionalProperties", 0);
}

static json_t *components(void)
{
	json_t *limited = error_response("Too many requests of this client");

	json_object_set_new(limited, "headers",
		json_pack("{s:{s:s, s:{s:s}}}", "Retry-After", "description",
			"Seconds", "schema", "type", "integer"));
	return json_pack("{s:{s:{s:s, s:s}}, s:{s:o, s:o, s:o}}",
		"securitySchemes", "clientKey", "type", "mutualTLS",
		"description", "Any certificate: only its key counts",
		"responses", "Error",
		error_response("Why not: `code` is one of EACCES, EPERM, "
			       "EKEYREJECTED (403), ENOENT (404), EOPNOTSUPP "
			       "(405), EEXIST, ESTALE, EBUSY (409), EINVAL "
			       "(400), EMSGSIZE (413), EDQUOT (429), EAGAIN, "
			       "ENOMEM (503), EIO (500)"),
		"Forbidden",
		error_response("No client certificate, or its key may not, or "
			       "there is no such thing: who may not know is "
			       "not told which"),
		"Limited", limited);
}

int http_openapi(struct buf *out)
{
	json_t *j = json_pack("{s:s, s:{s:s, s:s, s:s}, s:[{s:[]}], s:o, s:o}",
		"openapi", "3.1.0", "info", "title", "Sconce CAS", "version",
		"1", "description",
		"Configuration and attestation service. TLS 1.3; callers are "
		"known by the key of their client certificate, whoever signed "
		"it. The server is known by its key, which `sconce cas attest` "
		"verifies.",
		"security", "clientKey", "paths", paths(), "components",
		components());
	char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;

	json_decref(j);
	if (!text)
		return -ENOMEM;
	buf_text(out, text);
	buf_text(out, "\n");
	free(text);
	return buf_check(out);
}
