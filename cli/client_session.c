/* SPDX-License-Identifier: Apache-2.0 */
/* `sconce session` and `sconce secret` towards CAS. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/client.h"
#include "lib/string.h"

#define YAML "application/yaml"
#define JSON "application/json"

/* [{"key": ..., "value": ...}] from files of `sconce session sign`. */
static int read_signatures(const struct options *o, json_t **out, struct err *e)
{
	json_t *list = json_array();
	int ret = list ? 0 : err_setf(e, -ENOMEM, "no memory");

	for (size_t i = 0; i < o->repeated_count && !ret; i++) {
		struct buf file = {0};
		json_error_t error;
		json_t *j;

		ret = client_read("--signature", o->repeated[i], &file, e);
		if (ret)
			break;
		j = json_loadb((const char *)file.data, file.size, 0, &error);
		if (!json_is_string(json_object_get(j, "key")) ||
			!json_is_string(json_object_get(j, "value")))
			ret = err_setf(e, -EINVAL,
				"--signature %s: not a signature of `sconce "
				"session sign`",
				o->repeated[i]);
		else
			json_array_append(list, j);
		json_decref(j);
		buf_fini(&file);
	}
	if (ret) {
		json_decref(list);
		list = NULL;
	}
	*out = list;
	return ret;
}

/* The policy alone, or with signatures as JSON. */
static int make_body(const struct options *o, const struct buf *yaml,
	struct buf *body, struct err *e)
{
	json_t *signatures, *j;
	char *text = NULL;
	int ret = read_signatures(o, &signatures, e);

	if (ret)
		return ret;
	j = json_object();
	json_object_set_new(j, "signatures", signatures);
	if (yaml)
		json_object_set_new(j, "session",
			json_stringn((const char *)yaml->data, yaml->size));
	text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	if (!text)
		return err_setf(e, -EINVAL, "the policy is not UTF-8");
	buf_text(body, text);
	free(text);
	return buf_check(body);
}

static int change(const struct options *o, const char *method, struct err *e)
{
	struct buf yaml = {0}, body = {0};
	int ret = client_read("session", o->path[0], &yaml, e);

	if (!ret && o->repeated_count)
		ret = make_body(o, &yaml, &body, e);
	if (!ret)
		ret = client_show(o, method, "/v1/sessions",
			o->repeated_count ? JSON : YAML,
			o->repeated_count ? &body : &yaml, NULL, e);
	buf_fini(&yaml);
	buf_fini(&body);
	return ret;
}

int client_session_create(struct options *o, struct err *e)
{
	return change(o, "POST", e);
}

int client_session_update(struct options *o, struct err *e)
{
	return change(o, "PUT", e);
}

/* path and what follows from name; then the request. */
static int show_named(struct options *o, const char *method, const char *place,
	const char *name, const char *query, const struct buf *body,
	const char *member, struct err *e)
{
	struct buf path = {0};
	int ret;

	buf_text(&path, place);
	cas_client_escape(&path, name);
	if (query)
		buf_text(&path, query);
	ret = buf_check(&path);
	if (!ret)
		ret = client_show(o, method, (const char *)path.data,
			body ? JSON : NULL, body, member, e);
	buf_fini(&path);
	return ret;
}

static int hash_query(const char *hash, char *query, size_t size, struct err *e)
{
	uint8_t bytes[32];

	if (!string_from_hex(hash, bytes, sizeof(bytes)))
		return err_setf(e, -EINVAL,
			"'%.80s': wanted a hash of 64 hexadecimal digits",
			hash);
	snprintf(query, size, "?hash=%s", hash);
	return 0;
}

int client_session_read(struct options *o, struct err *e)
{
	char query[80] = "";
	int ret = 0;

	if (o->value[CLIENT_HASH])
		ret = hash_query(
			o->value[CLIENT_HASH], query, sizeof(query), e);
	return ret ? ret
		   : show_named(o, "GET", "/v1/sessions/", o->path[0], query,
			     NULL, "session", e);
}

int client_session_verify(struct options *o, struct err *e)
{
	char query[80];
	int ret = hash_query(o->path[1], query, sizeof(query), e);

	return ret ? ret
		   : show_named(o, "GET", "/v1/verify/", o->path[0], query,
			     NULL, NULL, e);
}

int client_session_delete(struct options *o, struct err *e)
{
	struct buf body = {0};
	int ret = o->repeated_count ? make_body(o, NULL, &body, e) : 0;

	if (!ret)
		ret = show_named(o, "DELETE", "/v1/sessions/", o->path[0], NULL,
			o->repeated_count ? &body : NULL, NULL, e);
	buf_fini(&body);
	return ret;
}

int client_session_list(struct options *o, struct err *e)
{
	return show_named(o, "GET",
		"/v1/sessions?prefix=", o->paths ? o->path[0] : "", NULL, NULL,
		"sessions", e);
}

/* Two files are compared by the program that needs no CAS. */
static int diff_files(const struct options *o, struct err *e)
{
	const char *argv[8] = {"sconce-session", "diff"};
	size_t n = 2;

	if (o->value[CLIENT_CAS] || o->value[CLIENT_KEY])
		return err_setf(e, -EINVAL,
			"two files are compared without CAS; --cas goes with "
			"one file");
	if (o->value[CLIENT_JSON])
		argv[n++] = "--json";
	argv[n++] = "--";
	argv[n++] = o->path[0];
	argv[n++] = o->path[1];
	return client_become("sconce-session", argv, e);
}

int client_session_diff(struct options *o, struct err *e)
{
	struct buf yaml = {0};
	int ret;

	if (o->paths == 2)
		return diff_files(o, e);
	ret = client_read("session", o->path[0], &yaml, e);
	if (!ret)
		ret = client_show(
			o, "POST", "/v1/diff", YAML, &yaml, "differences", e);
	buf_fini(&yaml);
	return ret;
}

int client_session_dry_run(struct options *o, struct err *e)
{
	const char *service = o->value[CLIENT_SERVICE];
	struct buf evidence = {0}, path = {0};
	int ret;

	if (!service)
		return err_setf(e, -EINVAL,
			"--service NAME: missing; which of the session's "
			"services "
			"the evidence is to be judged for");
	ret = client_read("evidence", o->path[1], &evidence, e);
	buf_text(&path, "/v1/dry-run/");
	cas_client_escape(&path, o->path[0]);
	buf_text(&path, "?service=");
	cas_client_escape(&path, service);
	if (!ret)
		ret = buf_check(&path);
	if (!ret)
		ret = client_show(o, "POST", (const char *)path.data,
			"application/octet-stream", &evidence, "explanation",
			e);
	buf_fini(&evidence);
	buf_fini(&path);
	return ret;
}

static int print_value(
	const struct options *o, const struct buf *value, struct err *e)
{
	json_t *j = json_pack("{s:s, s:s, s:s%}", "session", o->path[0],
		"secret", o->path[1], "value",
		value->size ? (const char *)value->data : "", value->size);
	char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
	struct buf out = {0};
	int ret;

	json_decref(j);
	if (!text)
		return err_setf(e, -EINVAL,
			"%s: its value is no text; without --json it is "
			"printed as it is",
			o->path[1]);
	buf_text(&out, text);
	buf_text(&out, "\n");
	free(text);
	ret = buf_check(&out) ? -ENOMEM : client_write(o, &out, e);
	buf_fini(&out);
	return ret;
}

int client_secret_public(struct options *o, struct err *e)
{
	const char *format = o->value[CLIENT_FORMAT];
	struct cas_client *c;
	struct cas_answer a = {0};
	struct buf path = {0};
	int ret = client_open(o, &c, e);

	if (ret)
		return ret;
	buf_text(&path, "/v1/values?session=");
	cas_client_escape(&path, o->path[0]);
	buf_text(&path, "&secret=");
	cas_client_escape(&path, o->path[1]);
	if (format) {
		buf_text(&path, "&format=");
		cas_client_escape(&path, format);
	}
	ret = buf_check(&path);
	if (!ret)
		ret = cas_client_request(c, "GET", (const char *)path.data,
			NULL, NULL, 0, &a, e);
	if (!ret && o->value[CLIENT_JSON])
		ret = print_value(o, &a.body, e);
	else if (!ret)
		ret = client_write(o, &a.body, e);
	buf_fini(&a.body);
	buf_fini(&path);
	cas_client_free(c);
	return ret;
}
