/* SPDX-License-Identifier: Apache-2.0 */
/* Reading simple values out of scalars. */
#include <errno.h>
#include <stdlib.h>

#include "cas/session_read.h"
#include "cas/subst.h"
#include "lib/fmt.h"
#include "lib/parse.h"
#include "lib/string.h"

static int want_scalar(struct reader *r, const char *key, const char *wanted)
{
	int ret = yaml_events_want(&r->y, YAML_SCALAR_EVENT, key);

	if (ret == 0 && reader_is_null(r))
		return yaml_events_fail(
			&r->y, "%s: empty; wanted %s", key, wanted);
	return ret;
}

static int bad_value(struct reader *r, const char *key, const char *wanted)
{
	const char *text = yaml_events_text(&r->y);
	size_t len = strlen(text);

	return yaml_events_fail(&r->y, "%s: '%.40s%s'; wanted %s", key, text,
		len > 40 ? "..." : "", wanted);
}

static int copy_text(struct reader *r, const char **text)
{
	*text = pool_text(&r->pool, yaml_events_text(&r->y),
		r->y.event.data.scalar.length);
	return *text ? 0 : reader_no_memory(r);
}

int read_text(struct reader *r, const char *key, size_t min, size_t max,
	const char **text)
{
	int ret = want_scalar(r, key, "a text");
	size_t size;

	if (ret < 0)
		return ret;
	size = r->y.event.data.scalar.length;
	if (size < min || size > max)
		return yaml_events_fail(&r->y,
			"%s: %zu bytes; wanted %zu to %zu", key, size, min,
			max);
	return copy_text(r, text);
}

/* ---- variables ---- */

struct found {
	struct reader *r;
	const char *key;
};

static int found_variable(void *arg, const char *name, const char *format)
{
	struct found *f = arg;
	const char *copy;

	(void)format;
	if (f->r->fragment)
		return yaml_events_fail(&f->r->y,
			"%s: $$SCONE::%.60s$$ in the value of a variable; "
			"wanted none",
			f->key, name);
	if (strcmp(name, "self::software_identity") == 0)
		return yaml_events_fail(&f->r->y,
			"%s: $$SCONE::self::software_identity$$; wanted only "
			"in the payload of a jwt",
			f->key);
	copy = pool_text(&f->r->pool, name, strlen(name));
	if (!copy)
		return reader_no_memory(f->r);
	return reader_refer(f->r, REF_VARIABLE, f->key, copy);
}

static int refer_all(struct reader *r, const char *key)
{
	struct found f = {r, key};
	struct err e = {0};
	int ret = subst_each(yaml_events_text(&r->y), found_variable, &f, &e);

	if (ret < 0 && e.code != 0)
		return yaml_events_fail(&r->y, "%s: %s", key, e.text);
	return ret;
}

int read_template(struct reader *r, const char *key, size_t min, size_t max,
	const char **text)
{
	int ret = read_text(r, key, min, max, text);

	return ret < 0 ? ret : refer_all(r, key);
}

bool reader_is_variable(const struct reader *r)
{
	return reader_is(r, YAML_SCALAR_EVENT) &&
		string_has_prefix(yaml_events_text(&r->y), "$$SCONE::");
}

int read_variable(struct reader *r, const char *key, const char **text)
{
	int ret = read_template(r, key, 1, SESSION_VARIABLE_MAX, text);

	if (ret < 0)
		return ret;
	if (!subst_is_variable(*text))
		return bad_value(r, key,
			"one variable $$SCONE::NAME$$ and nothing else");
	return 0;
}

/* ---- numbers, choices, digits ---- */

int read_number(struct reader *r, const char *key, uint64_t min, uint64_t max,
	uint64_t *v)
{
	char wanted[80];
	int ret = want_scalar(r, key, "a number");

	if (ret < 0)
		return ret;
	if (yaml_events_is_plain(&r->y) &&
		parse_uint(yaml_events_text(&r->y), max, v) == 0 && *v >= min)
		return 0;
	fmt_print(wanted, sizeof(wanted), "a number from %llu to %llu",
		(unsigned long long)min, (unsigned long long)max);
	return bad_value(r, key, wanted);
}

int read_choice(struct reader *r, const char *key, const char *const *names,
	size_t count, uint64_t *v)
{
	const char *text, *best = NULL;
	size_t least = SIZE_MAX, len = 0;
	char what[160], all[200];
	int ret = want_scalar(r, key, "one of its choices");

	if (ret < 0)
		return ret;
	text = yaml_events_text(&r->y);
	all[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		if (!names[i])
			continue;
		*v = i;
		if (strcmp(names[i], text) == 0)
			return 0;
		yaml_events_consider(text, names[i], &least, &best);
		if (len < sizeof(all))
			len += fmt_print(all + len, sizeof(all) - len, "%s%s",
				len > 0 ? ", " : "", names[i]);
	}
	fmt_print(what, sizeof(what), "%s: '%.60s'", key, text);
	return reader_unknown(r, reader_place(r), what, best, all);
}

static bool is_hex(const char *text, size_t size)
{
	for (size_t i = 0; i < 2 * size; i++) {
		char c = text[i];

		if (!(c >= '0' && c <= '9') &&
			!((c | 0x20) >= 'a' && (c | 0x20) <= 'f'))
			return false;
	}
	return text[2 * size] == '\0';
}

int read_hex(struct reader *r, const char *key, size_t size, const char **text)
{
	char *copy;
	int ret = want_scalar(r, key, "hexadecimal digits");

	if (ret < 0)
		return ret;
	if (r->y.event.data.scalar.length != 2 * size ||
		!is_hex(yaml_events_text(&r->y), size))
		return yaml_events_fail(&r->y,
			"%s: '%.20s%s' (%zu characters); wanted %zu "
			"hexadecimal digits",
			key, yaml_events_text(&r->y),
			r->y.event.data.scalar.length > 20 ? "..." : "",
			r->y.event.data.scalar.length, 2 * size);
	copy = pool_text(&r->pool, yaml_events_text(&r->y), 2 * size);
	if (!copy)
		return reader_no_memory(r);
	for (char *c = copy; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'F')
			*c = (char)(*c | 0x20);
	*text = copy;
	return 0;
}

int read_hex_or_variable(
	struct reader *r, const char *key, size_t size, const char **text)
{
	return reader_is_variable(r) ? read_variable(r, key, text)
				     : read_hex(r, key, size, text);
}

int read_bytes(struct reader *r, const char *key, size_t size, struct bytes *b)
{
	const char *text;
	uint8_t *data;
	int ret = read_hex(r, key, size, &text);

	if (ret < 0)
		return ret;
	data = pool_alloc(&r->pool, size);
	if (!data)
		return reader_no_memory(r);
	if (!string_from_hex(text, data, size))
		return -EINVAL;
	*b = (struct bytes){data, size};
	return 0;
}

int read_duration(struct reader *r, const char *key, uint64_t min, uint64_t *v)
{
	static const struct {
		char letter;
		uint32_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400},
		{'w', 604800}, {'y', 365 * 86400}};
	char digits[12] = {0};
	uint64_t factor = 0;
	const char *text;
	size_t len;
	int ret = want_scalar(r, key, "a time, as 30d");

	if (ret < 0)
		return ret;
	text = yaml_events_text(&r->y);
	len = strlen(text);
	for (size_t i = 0; i < ARRAY_SIZE(units) && len > 1; i++)
		if (text[len - 1] == units[i].letter)
			factor = units[i].seconds;
	if (factor && len <= sizeof(digits))
		memcpy(digits, text, len - 1);
	if (parse_uint(digits, UINT32_MAX, v) < 0 ||
		mul_overflows(*v, factor, v) || *v < min ||
		*v > SESSION_TIME_MAX)
		return bad_value(r, key,
			"a number and its unit (s, m, h, d, w, y), as 30d; at "
			"most 100 years");
	return 0;
}

int read_bool(struct reader *r, const char *key, void *at)
{
	return yaml_events_bool(&r->y, key, at);
}

/* ---- names ---- */

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || (c != '\0' && strchr("_-.~", c));
}

static bool is_dots(const char *text, size_t len)
{
	return len <= 2 && memcmp(text, "..", len) == 0;
}

/* The length of the name at the start of a text, 0: there is none. */
static size_t segment(const char *text, size_t max)
{
	size_t len = 0;

	while (is_name_char(text[len]))
		len++;
	return len > max || is_dots(text, len) ? 0 : len;
}

int read_item_name(
	struct reader *r, const char *key, size_t max, const char **text)
{
	char wanted[96];
	const char *name;
	size_t len;
	int ret = want_scalar(r, key, "a name");

	if (ret < 0)
		return ret;
	name = yaml_events_text(&r->y);
	len = segment(name, max);
	if (len > 0 && name[len] == '\0')
		return copy_text(r, text);
	fmt_print(wanted, sizeof(wanted),
		"letters, digits and _-.~, at most %zu", max);
	return bad_value(r, key, wanted);
}

enum { SEGMENT_MAX = 512 };

static bool is_session_name(const char *text)
{
	if (strcmp(text, "/") == 0)
		return true;
	for (;;) {
		size_t len = segment(text, SEGMENT_MAX);

		if (len == 0)
			return false;
		text += len;
		if (*text == '\0')
			return true;
		if (*text++ != '/')
			return false;
	}
}

/* "." or "..", or a name that begins with one of them and '/'. */
static bool is_relative(const char *text)
{
	size_t dots = strspn(text, ".");

	return (dots == 1 || dots == 2) &&
		(text[dots] == '/' || text[dots] == '\0');
}

/* "../a/b" from session "x/y": "x/a/b", into out, which has room for both. 0,
 * or -EINVAL: above the root. */
static int resolve(const char *from, const char *text, char *out)
{
	size_t len = strcmp(from, "/") == 0 ? 0 : strlen(from);

	memcpy(out, from, len);
	for (; is_relative(text); text += *text == '/') {
		size_t dots = strspn(text, ".");

		if (dots == 2 && len == 0)
			return -EINVAL;
		while (dots == 2 && len > 0 && out[--len] != '/')
			;
		text += dots;
	}
	if (len > 0 && *text != '\0')
		out[len++] = '/';
	memcpy(out + len, text, strlen(text) + 1);
	if (out[0] == '\0')
		memcpy(out, "/", 2);
	return 0;
}

int read_session_name(struct reader *r, const char *key, const char **text)
{
	const char *name, *from = r->s->name;
	char *full;
	int ret = want_scalar(r, key, "the name of a session");

	if (ret < 0)
		return ret;
	name = yaml_events_text(&r->y);
	if (strlen(name) > SESSION_NAME_MAX)
		return bad_value(r, key, "at most 1024 characters");
	full = pool_alloc(&r->pool, strlen(name) + SESSION_NAME_MAX + 3);
	if (!full)
		return reader_no_memory(r);
	if (!from || !is_relative(name))
		memcpy(full, name, strlen(name) + 1);
	else if (resolve(from, name, full) < 0)
		return bad_value(r, key, "nothing above the root");
	if (!is_session_name(full) || strlen(full) > SESSION_NAME_MAX)
		return bad_value(r, key,
			"names of letters, digits and _-.~ with '/' between "
			"them and none in front");
	*text = full;
	return 0;
}

/* ---- paths ---- */

static bool is_path(const char *text)
{
	while (*text == '/') {
		size_t len = strcspn(++text, "/");

		if (*text == '\0')
			return true;
		if (is_dots(text, len)) /* or nothing between slashes */
			return false;
		text += len;
	}
	return *text == '\0';
}

int read_path(struct reader *r, const char *key, const char **text)
{
	const char *path;
	size_t len;
	int ret = want_scalar(r, key, "an absolute path");

	if (ret < 0)
		return ret;
	path = yaml_events_text(&r->y);
	len = strlen(path);
	if (path[0] != '/' || len > MANIFEST_PATH_MAX || !is_path(path))
		return bad_value(
			r, key, "an absolute path without '.', '..' and '//'");
	if (len > 1 && path[len - 1] == '/')
		len--;
	*text = pool_text(&r->pool, path, len);
	return *text ? 0 : reader_no_memory(r);
}
