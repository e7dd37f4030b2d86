/* SPDX-License-Identifier: Apache-2.0 */
#include "attest/yaml_events.h"

#include <errno.h>
#include <string.h>

#include "lib/fmt.h"

static int fail(struct yaml_events *y, yaml_mark_t mark, const char *format,
	va_list args) printf_like(3, 0);

/* Marks count from 0, people from 1. */
static int fail(struct yaml_events *y, yaml_mark_t mark, const char *format,
	va_list args)
{
	char text[400];

	fmt_vprint(text, sizeof(text), format, args);
	return err_setf(y->e, -EINVAL, "%s:%zu:%zu: %s", y->name, mark.line + 1,
		mark.column + 1, text);
}

int yaml_events_fail(struct yaml_events *y, const char *format, ...)
{
	va_list args;
	int ret;

	va_start(args, format);
	ret = fail(y, y->event.start_mark, format, args);
	va_end(args);
	return ret;
}

int yaml_events_fail_at(
	struct yaml_events *y, yaml_mark_t mark, const char *format, ...)
{
	va_list args;
	int ret;

	va_start(args, format);
	ret = fail(y, mark, format, args);
	va_end(args);
	return ret;
}

const char *yaml_events_type_name(yaml_event_type_t type)
{
	switch (type) {
	case YAML_SCALAR_EVENT:
		return "a value";
	case YAML_SEQUENCE_START_EVENT:
		return "a list";
	case YAML_MAPPING_START_EVENT:
		return "a map";
	default:
		return "the end";
	}
}

int yaml_events_next(struct yaml_events *y)
{
	const yaml_event_t *ev = &y->event;
	const void *anchor = NULL, *tag = NULL;

	if (y->has_event)
		yaml_event_delete(&y->event);
	y->has_event = false;
	if (!yaml_parser_parse(&y->parser, &y->event))
		return yaml_events_fail_at(y, y->parser.problem_mark,
			"not YAML: %s",
			y->parser.problem != NULL ? y->parser.problem : "?");
	y->has_event = true;
	switch (ev->type) {
	case YAML_ALIAS_EVENT:
		return yaml_events_fail(y, "aliases are not allowed");
	case YAML_SCALAR_EVENT:
		anchor = ev->data.scalar.anchor;
		tag = ev->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = ev->data.sequence_start.anchor;
		tag = ev->data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = ev->data.mapping_start.anchor;
		tag = ev->data.mapping_start.tag;
		break;
	default:
		break;
	}
	if (anchor != NULL || tag != NULL)
		return yaml_events_fail(y, "anchors and tags are not allowed");
	if (ev->type == YAML_SCALAR_EVENT &&
		memchr(ev->data.scalar.value, '\0', ev->data.scalar.length))
		return yaml_events_fail(y, "a text with a zero byte");
	return 0;
}

int yaml_events_want(
	struct yaml_events *y, yaml_event_type_t type, const char *key)
{
	if (y->event.type == type)
		return 0;
	return yaml_events_fail(y, "%s: found %s; wanted %s", key,
		yaml_events_type_name(y->event.type),
		yaml_events_type_name(type));
}

const char *yaml_events_text(const struct yaml_events *y)
{
	return (const char *)y->event.data.scalar.value;
}

bool yaml_events_is_plain(const struct yaml_events *y)
{
	return y->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

int yaml_events_bool(struct yaml_events *y, const char *key, bool *v)
{
	const char *text;
	int ret = yaml_events_want(y, YAML_SCALAR_EVENT, key);

	if (ret < 0)
		return ret;
	text = yaml_events_text(y);
	if (yaml_events_is_plain(y)) {
		*v = strcmp(text, "true") == 0 || strcmp(text, "yes") == 0;
		if (*v || strcmp(text, "false") == 0 || strcmp(text, "no") == 0)
			return 0;
	}
	return yaml_events_fail(
		y, "%s: '%.40s'; wanted true or false", key, text);
}

int yaml_events_begin(struct yaml_events *y)
{
	int ret = yaml_events_next(y); /* start of the stream */

	if (ret == 0)
		ret = yaml_events_next(y);
	if (ret == 0 && y->event.type != YAML_DOCUMENT_START_EVENT)
		return err_setf(
			y->e, -EINVAL, "%s: empty; wanted a map", y->name);
	return ret == 0 ? yaml_events_next(y) : ret;
}

int yaml_events_end(struct yaml_events *y)
{
	int ret = yaml_events_next(y); /* end of the document */

	if (ret == 0)
		ret = yaml_events_next(y);
	if (ret == 0 && y->event.type != YAML_STREAM_END_EVENT)
		return yaml_events_fail(y, "a second document; wanted one");
	return ret;
}

int yaml_events_init(struct yaml_events *y, const char *name, const char *text,
	size_t size, struct err *e)
{
	*y = (struct yaml_events){.name = name, .e = e};
	if (!yaml_parser_initialize(&y->parser))
		return err_setf(e, -ENOMEM, "%s: no memory", name);
	yaml_parser_set_encoding(&y->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
		&y->parser, (const unsigned char *)text, size);
	return 0;
}

void yaml_events_fini(struct yaml_events *y)
{
	if (y->has_event)
		yaml_event_delete(&y->event);
	y->has_event = false;
	yaml_parser_delete(&y->parser);
}

/* ---- suggestions ---- */

enum { WORD_MAX = 48 };

/* How many letters must be put in, taken out or changed (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1], len = strlen(b);

	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < len; j++) {
			/* Upper or lower case: no difference. */
			bool same = (a[i] | 0x20) == (b[j] | 0x20);
			size_t change = diagonal + (same ? 0 : 1);

			diagonal = row[j + 1];
			row[j + 1] = u64_min(
				change, u64_min(row[j], row[j + 1]) + 1);
		}
	}
	return row[len];
}

void yaml_events_consider(const char *word, const char *candidate,
	size_t *least, const char **best)
{
	size_t d, len = strnlen(word, WORD_MAX);

	if (len >= WORD_MAX || strlen(candidate) >= WORD_MAX)
		return;
	d = distance(word, candidate);
	if (d < *least && d <= len / 3 + 1) {
		*least = d;
		*best = candidate;
	}
}
