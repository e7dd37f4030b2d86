/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any YAML value in one spelling, as config-fragments are kept: flow style,
 * keys of maps in order, texts quoted, words that mean more than their letters
 * (numbers, true, null) as they were.
 */
#include <errno.h>
#include <stdlib.h>

#include "cas/session_read.h"
#include "lib/buf.h"
#include "lib/string.h"

enum { KEY_MAX = 128 };

/* As readers of numbers take them; longer ones are texts, such as hashes. */
static bool is_number(const char *text)
{
	const char *digits = "0123456789";

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'o')) {
		digits = text[1] == 'x' ? "0123456789abcdefABCDEF" : "01234567";
		text += 2;
	}
	return *text != '\0' && strlen(text) <= 20 &&
		text[strspn(text, digits)] == '\0';
}

static bool is_word(const char *text)
{
	static const char *const words[] = {
		"true", "false", "yes", "no", "null", "~", ""};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i], text) == 0)
			return true;
	return false;
}

static int settle(struct reader *r, struct buf *b, int ret, const char **text)
{
	if (ret == 0) {
		*text = pool_text(&r->pool, (char *)b->data, b->size);
		if (buf_check(b) < 0 || !*text)
			ret = reader_no_memory(r);
	}
	buf_fini(b);
	return ret;
}

static int read_scalar(struct reader *r, const char **text)
{
	const char *value = yaml_events_text(&r->y);
	struct buf b = {.secret = true};
	int ret = 0;

	if (yaml_events_is_plain(&r->y) && is_word(value)) {
		buf_text(&b, reader_is_null(r) ? "null" : value);
	} else if (yaml_events_is_plain(&r->y) && is_number(value)) {
		buf_text(&b, value);
	} else {
		buf_text(&b, "\"");
		ret = buf_json(&b, value, r->y.event.data.scalar.length);
		buf_text(&b, "\"");
	}
	return settle(r, &b, ret, text);
}

static int read_node(struct reader *r, unsigned depth, const char **text);

static int read_sequence(struct reader *r, unsigned depth, const char **text)
{
	struct buf b = {.secret = true};
	int ret = yaml_events_next(&r->y);

	buf_text(&b, "[");
	for (; ret == 0 && !reader_is(r, YAML_SEQUENCE_END_EVENT);
		ret = ret == 0 ? yaml_events_next(&r->y) : ret) {
		const char *item = "";

		ret = read_node(r, depth, &item);
		if (b.size > 1)
			buf_text(&b, ", ");
		buf_text(&b, item);
	}
	buf_text(&b, "]");
	return settle(r, &b, ret, text);
}

struct member {
	const char *key, *value;
	struct place at;
};

static int compare(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return strcmp(x->key, y->key);
}

static int read_members(struct reader *r, unsigned depth, struct grown *g)
{
	int ret = yaml_events_next(&r->y);

	for (; ret == 0 && !reader_is(r, YAML_MAPPING_END_EVENT);
		ret = ret == 0 ? yaml_events_next(&r->y) : ret) {
		struct member *m = pool_grow(&r->pool, g, sizeof(*m));

		if (!m)
			return reader_no_memory(r);
		m->at = reader_place(r);
		ret = yaml_events_want(
			&r->y, YAML_SCALAR_EVENT, "a key of the value");
		if (ret == 0 && r->y.event.data.scalar.length > KEY_MAX)
			ret = yaml_events_fail(&r->y,
				"a key of the value has more than %d bytes",
				KEY_MAX);
		if (ret == 0)
			ret = read_scalar(r, &m->key);
		if (ret == 0)
			ret = yaml_events_next(&r->y);
		if (ret == 0)
			ret = read_node(r, depth, &m->value);
	}
	return ret;
}

static int read_mapping(struct reader *r, unsigned depth, const char **text)
{
	struct buf b = {.secret = true};
	struct grown g = {0};
	struct member *m;
	int ret = read_members(r, depth, &g);

	if (ret < 0)
		return ret;
	m = (struct member *)(void *)g.data;
	if (g.count > 1)
		qsort(m, g.count, sizeof(*m), compare);
	buf_text(&b, "{");
	for (size_t i = 0; i < g.count; i++) {
		if (i > 0 && strcmp(m[i - 1].key, m[i].key) == 0) {
			buf_fini(&b);
			return reader_fail_at(r, m[i].at,
				"key %.60s is there twice", m[i].key);
		}
		buf_format(&b, "%s%s: %s", i > 0 ? ", " : "", m[i].key,
			m[i].value);
	}
	buf_text(&b, "}");
	return settle(r, &b, 0, text);
}

static int read_node(struct reader *r, unsigned depth, const char **text)
{
	if (reader_is(r, YAML_SCALAR_EVENT))
		return read_scalar(r, text);
	if (depth == FRAGMENT_DEPTH)
		return yaml_events_fail(&r->y,
			"more than %d lists and maps within each other",
			FRAGMENT_DEPTH);
	return reader_is(r, YAML_SEQUENCE_START_EVENT)
		? read_sequence(r, depth + 1, text)
		: read_mapping(r, depth + 1, text);
}

int session_read_node(struct reader *r, const char **text)
{
	return read_node(r, 0, text);
}
