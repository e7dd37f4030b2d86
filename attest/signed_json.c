/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jansson says whether the text is JSON and what it means; it does not say
 * where in the text a value stands. A second, small reader that knows strings
 * and brackets only finds that, in text that is known to be well formed: it
 * looks for the member by its bytes, which is the member that jansson found,
 * because no name comes twice.
 */
#include "attest/signed_json.h"

#include <errno.h>
#include <stdlib.h>

#include "attest/json_read.h"
#include "lib/string.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Behind the string that begins at text[at]; size if it does not end. */
static size_t skip_string(const char *text, size_t size, size_t at)
{
	for (at++; at < size && text[at] != '"'; at++)
		if (text[at] == '\\')
			at++;
	return at < size ? at + 1 : size;
}

/* Before anything is allocated: jansson's own limits are generous. */
static int check_bounds(const char *text, size_t size, struct err *e)
{
	size_t depth = 0, values = 0;

	for (size_t i = 0; i < size; i++) {
		switch (text[i]) {
		case '"':
			i = skip_string(text, size, i) - 1;
			break;
		case '{':
		case '[':
			depth++;
			values++;
			break;
		case '}':
		case ']':
			depth -= depth > 0;
			break;
		case ',':
			values++;
			break;
		}
		if (depth > SIGNED_JSON_DEPTH)
			return err_setf(e, -EINVAL,
				"byte %zu: nested deeper than %d", i,
				SIGNED_JSON_DEPTH);
		if (values > SIGNED_JSON_VALUES)
			return err_setf(e, -EINVAL,
				"byte %zu: more than %d values", i,
				SIGNED_JSON_VALUES);
	}
	return 0;
}

/* Behind the value at text[at]: a string, brackets with all between, or a
 * word. */
static size_t skip_value(const char *text, size_t size, size_t at)
{
	size_t depth = 0;

	do {
		char c = text[at];

		if (c == '"') {
			at = skip_string(text, size, at);
			continue;
		}
		if (depth == 0 && (c == ',' || c == '}' || is_space(c)))
			break;
		if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
		at++;
	} while (at < size &&
		(depth > 0 ||
			(text[at - 1] != '}' && text[at - 1] != ']' &&
				text[at - 1] != '"')));
	return at;
}

static size_t skip_space(const char *text, size_t size, size_t at)
{
	while (at < size && is_space(text[at]))
		at++;
	return at;
}

/* Finds the value of a member of the object that text is. */
static bool find_raw(const char *member, const char *text, size_t size,
	const char **raw, size_t *raw_size)
{
	size_t len = strlen(member), at = skip_space(text, size, 0);

	at = skip_space(text, size, at + 1); /* behind '{' */
	while (at < size && text[at] == '"') {
		const char *name = text + at + 1;
		size_t end = skip_string(text, size, at);
		size_t name_len = end - at - 2;

		at = skip_space(text, size, end);
		at = skip_space(text, size, at + 1); /* behind ':' */
		if (at >= size)
			return false;
		end = skip_value(text, size, at);
		if (name_len == len && !memcmp(name, member, len)) {
			*raw = text + at;
			*raw_size = end - at;
			return true;
		}
		at = skip_space(text, size, end);
		at = skip_space(text, size, at + 1); /* behind ',' */
	}
	return false;
}

static int read_members(const char *member, const char *text, size_t size,
	struct signed_json *json, struct err *e)
{
	struct json_place top = {.value = json->root}, body;
	int rc;

	rc = json_read_object(&top, member, &body, e);
	if (rc)
		return rc;
	rc = json_read_hex(
		&top, "signature", json->signature, sizeof(json->signature), e);
	if (rc)
		return rc;
	json->body = body.value;
	/* Written with escapes, or the two readers do not agree. */
	if (!find_raw(member, text, size, &json->raw, &json->raw_size) ||
		json->raw_size < 2 || json->raw[0] != '{' ||
		json->raw[json->raw_size - 1] != '}')
		return json_read_fail(&top, member, "not found in the text",
			"its name without escapes", e);
	return 0;
}

int signed_json_parse(const char *member, const void *data, size_t size,
	struct signed_json *json, struct err *e)
{
	const char *text = data;
	json_error_t error;
	int rc;

	memset(json, 0, sizeof(*json));
	while (size > 0 && text[size - 1] == '\0')
		size--;
	if (size > SIGNED_JSON_SIZE)
		return err_setf(e, -EINVAL, "%zu bytes; wanted at most %d",
			size, SIGNED_JSON_SIZE);
	rc = check_bounds(text, size, e);
	if (rc)
		return rc;
	json->root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	if (!json->root)
		return json_error_code(&error) == json_error_out_of_memory
			? -ENOMEM
			: err_setf(e, -EINVAL,
				  "line %d, column %d: not JSON: %s",
				  error.line, error.column, error.text);
	if (json_is_object(json->root))
		rc = read_members(member, text, size, json, e);
	else
		rc = err_setf(e, -EINVAL,
			"not a JSON object; wanted {\"%s\":{...},"
			"\"signature\":\"...\"}",
			member);
	if (rc)
		signed_json_fini(json);
	return rc;
}

void signed_json_fini(struct signed_json *json)
{
	json_decref(json->root);
	memset(json, 0, sizeof(*json));
}

/* A copy without white space between values; NULL without memory. */
static char *without_space(const char *text, size_t size, size_t *out_size)
{
	char *out = malloc(size);
	size_t len = 0;

	for (size_t i = 0; out && i < size;) {
		size_t end = text[i] == '"' ? skip_string(text, size, i)
					    : i + 1;

		if (!is_space(text[i])) {
			memcpy(out + len, text + i, end - i);
			len += end - i;
		}
		i = end;
	}
	*out_size = len;
	return out;
}

int signed_json_verify(
	const struct signed_json *json, const struct ecdsa_key *key)
{
	size_t size;
	char *copy;
	int rc;

	if (!key || ecdsa_key_curve(key) != ECDSA_P256)
		return -EINVAL;
	rc = ecdsa_verify(key, json->raw, json->raw_size, json->signature);
	if (rc != -EBADMSG)
		return rc;
	copy = without_space(json->raw, json->raw_size, &size);
	if (!copy)
		return -ENOMEM;
	if (size != json->raw_size)
		rc = ecdsa_verify(key, copy, size, json->signature);
	free(copy);
	return rc;
}
