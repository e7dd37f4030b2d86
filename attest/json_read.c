/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/json_read.h"

#include <errno.h>

#include "attest/date.h"
#include "lib/fmt.h"
#include "lib/string.h"

enum { PLACES = 16, PLACE_TEXT = 160 };

/* "tcbInfo.tcbLevels[3].tcb": from the top down, cut if it is too long. */
static void place_text(const struct json_place *at, char text[PLACE_TEXT])
{
	const struct json_place *path[PLACES];
	size_t count = 0, len = 0;

	for (; at && count < PLACES; at = at->in)
		path[count++] = at;
	text[0] = '\0';
	while (count > 0 && len < PLACE_TEXT) {
		const struct json_place *p = path[--count];

		if (p->name)
			len += fmt_print(text + len, PLACE_TEXT - len, "%s%s",
				len ? "." : "", p->name);
		else if (p->in)
			len += fmt_print(text + len, PLACE_TEXT - len, "[%zu]",
				p->index);
	}
}

int json_read_fail(const struct json_place *from, const char *name,
	const char *seen, const char *wanted, struct err *e)
{
	char text[PLACE_TEXT];

	place_text(from, text);
	return err_setf(e, -EINVAL, "%s%s%s: %s; wanted %s", text,
		name && text[0] ? "." : "", name ? name : "", seen, wanted);
}

static const char *type_name(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a text";
	case JSON_INTEGER:
		return "a whole number";
	case JSON_REAL:
		return "a number with a fraction or exponent";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a truth value";
	case JSON_NULL:
		break;
	}
	return "null";
}

/* The member if it is there and of that type, else NULL and e is set. */
static const json_t *get(const struct json_place *from, const char *name,
	json_type type, const char *wanted, struct err *e)
{
	const json_t *value = json_object_get(from->value, name);

	if (value && json_typeof(value) == type)
		return value;
	json_read_fail(
		from, name, value ? type_name(value) : "missing", wanted, e);
	return NULL;
}

bool json_read_has(const struct json_place *from, const char *name)
{
	return json_object_get(from->value, name) != NULL;
}

static struct json_place place(
	const json_t *value, const char *name, const struct json_place *in)
{
	return (struct json_place){.value = value, .name = name, .in = in};
}

int json_read_object(const struct json_place *from, const char *name,
	struct json_place *out, struct err *e)
{
	const json_t *value = get(from, name, JSON_OBJECT, "an object", e);

	if (!value)
		return -EINVAL;
	*out = place(value, name, from);
	return 0;
}

int json_read_array(const struct json_place *from, const char *name, size_t min,
	size_t max, struct json_place *out, struct err *e)
{
	const json_t *value;
	char wanted[64], seen[32];
	size_t count;

	if (min == max)
		fmt_print(wanted, sizeof(wanted), "an array of %zu", min);
	else
		fmt_print(wanted, sizeof(wanted), "an array of %zu to %zu", min,
			max);
	value = get(from, name, JSON_ARRAY, wanted, e);
	if (!value)
		return -EINVAL;
	count = json_array_size(value);
	if (count < min || count > max) {
		fmt_print(seen, sizeof(seen), "%zu elements", count);
		return json_read_fail(from, name, seen, wanted, e);
	}
	*out = place(value, name, from);
	return 0;
}

int json_read_element(const struct json_place *array, size_t index,
	struct json_place *out, struct err *e)
{
	*out = place(json_array_get(array->value, index), NULL, array);
	out->index = index;
	if (!json_is_object(out->value))
		return json_read_fail(
			out, NULL, type_name(out->value), "an object", e);
	return 0;
}

int json_read_uint(const struct json_place *from, const char *name,
	uint64_t max, uint64_t *out, struct err *e)
{
	char wanted[64], seen[32];
	const json_t *value;
	json_int_t number;

	fmt_print(wanted, sizeof(wanted), "a whole number up to %llu",
		(unsigned long long)max);
	value = get(from, name, JSON_INTEGER, wanted, e);
	if (!value)
		return -EINVAL;
	number = json_integer_value(value);
	if (number < 0 || (uint64_t)number > max) {
		fmt_print(seen, sizeof(seen), "%lld", (long long)number);
		return json_read_fail(from, name, seen, wanted, e);
	}
	*out = (uint64_t)number;
	return 0;
}

static int fail_text(const struct json_place *from, const char *name,
	const char *text, const char *wanted, struct err *e)
{
	char seen[96];

	fmt_print(seen, sizeof(seen), "\"%.80s\"", text);
	return json_read_fail(from, name, seen, wanted, e);
}

int json_read_hex(const struct json_place *from, const char *name, uint8_t *out,
	size_t size, struct err *e)
{
	const json_t *value;
	char wanted[64];

	fmt_print(wanted, sizeof(wanted), "%zu hexadecimal digits", 2 * size);
	value = get(from, name, JSON_STRING, wanted, e);
	if (!value)
		return -EINVAL;
	if (!string_from_hex(json_string_value(value), out, size))
		return fail_text(
			from, name, json_string_value(value), wanted, e);
	return 0;
}

int json_read_string(const struct json_place *from, const char *name,
	const char **out, struct err *e)
{
	const json_t *value = get(from, name, JSON_STRING, "a text", e);

	if (!value)
		return -EINVAL;
	*out = json_string_value(value);
	return 0;
}

int json_read_date(const struct json_place *from, const char *name,
	int64_t *out, struct err *e)
{
	const char *wanted = "a date like 2025-06-25T00:00:00Z";
	const json_t *value = get(from, name, JSON_STRING, wanted, e);

	if (!value)
		return -EINVAL;
	if (date_parse(
		    json_string_value(value), json_string_length(value), out))
		return fail_text(
			from, name, json_string_value(value), wanted, e);
	return 0;
}
