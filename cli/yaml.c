/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "attest/yaml_events.h"
#include "lib/parse.h"
#include "lib/fmt.h"

struct reader {
	struct yaml_events y;
	struct arena *arena;
};

/* The current scalar as a text; it stays the current event. */
static int read_text(
	struct reader *r, const struct schema_field *f, const char **text)
{
	size_t size;
	int ret = yaml_events_want(&r->y, YAML_SCALAR_EVENT, f->key);

	if (ret < 0)
		return ret;
	size = r->y.event.data.scalar.length;
	if (yaml_events_is_plain(&r->y) &&
		(size == 0 || strcmp(yaml_events_text(&r->y), "~") == 0 ||
			strcmp(yaml_events_text(&r->y), "null") == 0))
		return yaml_events_fail(
			&r->y, "%s: empty; wanted a text", f->key);
	if (f->kind != SCHEMA_FLAGS && (size < f->min || size > f->max))
		return yaml_events_fail(&r->y,
			"%s: %zu bytes; wanted %llu to %llu", f->key, size,
			(unsigned long long)f->min, (unsigned long long)f->max);
	if ((f->flags & SCHEMA_ABSOLUTE) && yaml_events_text(&r->y)[0] != '/')
		return yaml_events_fail(&r->y,
			"%s: '%.80s'; wanted an absolute path", f->key,
			yaml_events_text(&r->y));
	*text = arena_text(r->arena, yaml_events_text(&r->y), size);
	return *text != NULL
		? 0
		: err_setf(r->y.e, -ENOMEM, "%s: too large", r->y.name);
}

static int read_number(
	struct reader *r, const struct schema_field *f, uint64_t *v)
{
	int ret = yaml_events_want(&r->y, YAML_SCALAR_EVENT, f->key);

	if (ret < 0)
		return ret;
	ret = !yaml_events_is_plain(&r->y) ? -EINVAL
		: f->kind == SCHEMA_SIZE
		? parse_size(yaml_events_text(&r->y), f->max, v)
		: parse_uint(yaml_events_text(&r->y), f->max, v);
	if (ret == 0 && *v >= f->min)
		return 0;
	return yaml_events_fail(&r->y,
		"%s: '%.40s'; wanted a number%s from %llu to %llu", f->key,
		yaml_events_text(&r->y),
		f->kind == SCHEMA_SIZE ? " (suffixes k, m, g)" : "",
		(unsigned long long)f->min, (unsigned long long)f->max);
}

/* Lists the names for a message. */
static void list_names(const struct schema_field *f, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (uint64_t i = 0; i <= f->max && len < size; i++)
		if (f->names[i] != NULL)
			len += fmt_print(text + len, size - len, "%s%s",
				len > 0 ? ", " : "", f->names[i]);
}

static int find_name(
	struct reader *r, const struct schema_field *f, uint64_t *index)
{
	char names[160];
	const char *text;
	int ret = yaml_events_want(&r->y, YAML_SCALAR_EVENT, f->key);

	if (ret < 0)
		return ret;
	text = yaml_events_text(&r->y);
	if (f->kind == SCHEMA_FLAGS && strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (uint64_t i = 0; i <= f->max; i++) {
		if (f->names[i] != NULL && strcmp(f->names[i], text) == 0) {
			*index = i;
			return 0;
		}
	}
	list_names(f, names, sizeof(names));
	return yaml_events_fail(&r->y, "%s: '%.40s'; wanted one of %s", f->key,
		yaml_events_text(&r->y), names);
}

static int read_flags(
	struct reader *r, const struct schema_field *f, uint64_t *mask)
{
	int ret = yaml_events_want(&r->y, YAML_SEQUENCE_START_EVENT, f->key);

	*mask = 0;
	while (ret == 0) {
		uint64_t bit = 0;

		ret = yaml_events_next(&r->y);
		if (ret < 0 || r->y.event.type == YAML_SEQUENCE_END_EVENT)
			break;
		ret = find_name(r, f, &bit);
		if (ret == 0)
			*mask |= 1ull << bit;
	}
	return ret;
}

/* Elements of a list whose number is not known before. */
struct growing {
	uint8_t *data;
	size_t count, room, size; /* size: of one element */
};

static void *grow(struct growing *g)
{
	void *at;

	if (g->count == g->room) {
		size_t room = g->room == 0 ? 16 : 2 * g->room;
		void *data = realloc(g->data, room * g->size);

		if (data == NULL)
			return NULL;
		g->data = data;
		g->room = room;
	}
	at = g->data + g->count++ * g->size;
	memset(at, 0, g->size);
	return at;
}

/* Moves the elements into the arena and frees the rest. */
static int settle(
	struct reader *r, struct growing *g, int ret, void *item, size_t *count)
{
	void *copy = NULL;

	if (ret == 0) {
		copy = arena_alloc(r->arena, g->count * g->size);
		if (copy == NULL)
			ret = err_setf(
				r->y.e, -ENOMEM, "%s: too large", r->y.name);
	}
	if (ret == 0) {
		if (copy != NULL && g->data != NULL)
			memcpy(copy, g->data, g->count * g->size);
		memcpy(item, &copy, sizeof(copy));
		*count = g->count;
	}
	free(g->data);
	return ret;
}

static int too_many(
	struct reader *r, const struct schema_field *f, uint64_t max)
{
	return yaml_events_fail(&r->y,
		"%s: too many entries; wanted at most %llu", f->key,
		(unsigned long long)max);
}

static int read_texts(
	struct reader *r, const struct schema_field *f, struct text_list *list)
{
	struct growing g = {.size = sizeof(const char *)};
	int ret = yaml_events_want(&r->y, YAML_SEQUENCE_START_EVENT, f->key);

	while (ret == 0) {
		const char **at;

		ret = yaml_events_next(&r->y);
		if (ret < 0 || r->y.event.type == YAML_SEQUENCE_END_EVENT)
			break;
		at = g.count < SCHEMA_COUNT_MAX ? grow(&g) : NULL;
		ret = at != NULL ? read_text(r, f, at)
				 : too_many(r, f, SCHEMA_COUNT_MAX);
	}
	return settle(r, &g, ret, &list->item, &list->count);
}

/* Puts the last pair where it belongs among the sorted others. */
static int insert_pair(struct reader *r, const struct schema_field *f,
	struct growing *g, yaml_mark_t mark)
{
	struct text_pair *pairs = (struct text_pair *)(void *)g->data;
	struct text_pair added = pairs[g->count - 1];
	size_t i = g->count - 1;

	for (; i > 0; i--) {
		int order = cbor_key_compare(pairs[i - 1].key,
			strlen(pairs[i - 1].key), added.key, strlen(added.key));

		if (order == 0)
			return yaml_events_fail_at(&r->y, mark,
				"%s: '%.80s' is there twice", f->key,
				added.key);
		if (order < 0)
			break;
		pairs[i] = pairs[i - 1];
	}
	pairs[i] = added;
	return 0;
}

static int read_pairs(
	struct reader *r, const struct schema_field *f, struct text_map *map)
{
	struct growing g = {.size = sizeof(struct text_pair)};
	int ret = yaml_events_want(&r->y, YAML_MAPPING_START_EVENT, f->key);

	while (ret == 0) {
		struct schema_field value = *f;
		struct text_pair *at;
		yaml_mark_t mark;

		ret = yaml_events_next(&r->y);
		if (ret < 0 || r->y.event.type == YAML_MAPPING_END_EVENT)
			break;
		mark = r->y.event.start_mark;
		at = g.count < SCHEMA_COUNT_MAX ? grow(&g) : NULL;
		if (at == NULL) {
			ret = too_many(r, f, SCHEMA_COUNT_MAX);
			break;
		}
		ret = read_text(r, f, &at->key);
		if (ret == 0)
			ret = yaml_events_next(&r->y);
		if (ret == 0) {
			value.key = at->key;
			ret = read_text(r, &value, &at->value);
		}
		if (ret == 0)
			ret = insert_pair(r, f, &g, mark);
	}
	return settle(r, &g, ret, &map->item, &map->count);
}

static int read_struct(struct reader *r, const struct schema *s,
	const char *key, void *object);

static int read_items(
	struct reader *r, const struct schema_field *f, struct item_list *list)
{
	struct growing g = {.size = f->sub->size};
	int ret = yaml_events_want(&r->y, YAML_SEQUENCE_START_EVENT, f->key);

	while (ret == 0) {
		void *at;

		ret = yaml_events_next(&r->y);
		if (ret < 0 || r->y.event.type == YAML_SEQUENCE_END_EVENT)
			break;
		at = g.count < f->max ? grow(&g) : NULL;
		ret = at != NULL ? read_struct(r, f->sub, f->key, at)
				 : too_many(r, f, f->max);
	}
	return settle(r, &g, ret, &list->item, &list->count);
}

static int read_field(struct reader *r, const struct schema_field *f, void *at)
{
	switch (f->kind) {
	case SCHEMA_UINT:
	case SCHEMA_SIZE:
		return read_number(r, f, at);
	case SCHEMA_ENUM:
		return find_name(r, f, at);
	case SCHEMA_FLAGS:
		return read_flags(r, f, at);
	case SCHEMA_BOOL:
		return yaml_events_bool(&r->y, f->key, at);
	case SCHEMA_TEXT:
		return read_text(r, f, at);
	case SCHEMA_TEXT_LIST:
		return read_texts(r, f, at);
	case SCHEMA_TEXT_MAP:
		return read_pairs(r, f, at);
	case SCHEMA_STRUCT:
		return read_struct(r, f->sub, f->key, at);
	case SCHEMA_STRUCT_LIST:
		return read_items(r, f, at);
	case SCHEMA_BYTES:
	case SCHEMA_RESERVED:
		break;
	}
	return yaml_events_fail(&r->y,
		"%s: this version does not support it yet; leave it out",
		f->key);
}

static const struct schema_field *find_field(
	const struct schema *s, const char *key, size_t *index)
{
	for (*index = 0; *index < s->count; (*index)++)
		if (strcmp(s->fields[*index].key, key) == 0)
			return &s->fields[*index];
	return NULL;
}

static void list_keys(const struct schema *s, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < s->count && len < size; i++)
		if (s->fields[i].kind != SCHEMA_RESERVED)
			len += fmt_print(text + len, size - len, "%s%s",
				len > 0 ? ", " : "", s->fields[i].key);
}

/* From one key to its value; *seen gets the key's bit. */
static int read_pair(
	struct reader *r, const struct schema *s, void *object, uint64_t *seen)
{
	const struct schema_field *f;
	char keys[160];
	size_t index;
	int ret = yaml_events_want(&r->y, YAML_SCALAR_EVENT, s->name);

	if (ret < 0)
		return ret;
	f = find_field(s, yaml_events_text(&r->y), &index);
	if (f == NULL) {
		list_keys(s, keys, sizeof(keys));
		return yaml_events_fail(&r->y,
			"unknown key '%.60s' in %s; wanted one of %s",
			yaml_events_text(&r->y), s->name, keys);
	}
	if (*seen & 1ull << index)
		return yaml_events_fail(
			&r->y, "key '%s' is there twice", f->key);
	*seen |= 1ull << index;
	ret = yaml_events_next(&r->y);
	return ret < 0 ? ret : read_field(r, f, (uint8_t *)object + f->offset);
}

static int read_struct(
	struct reader *r, const struct schema *s, const char *key, void *object)
{
	yaml_mark_t start = r->y.event.start_mark;
	uint64_t seen = 0;
	int ret = yaml_events_want(&r->y, YAML_MAPPING_START_EVENT, key);

	if (s->defaults != NULL)
		memcpy(object, s->defaults, s->size);
	else
		memset(object, 0, s->size);
	while (ret == 0) {
		ret = yaml_events_next(&r->y);
		if (ret < 0 || r->y.event.type == YAML_MAPPING_END_EVENT)
			break;
		ret = read_pair(r, s, object, &seen);
	}
	for (size_t i = 0; i < s->count && ret == 0; i++)
		if ((s->fields[i].flags & SCHEMA_REQUIRED) &&
			!(seen & 1ull << i))
			ret = yaml_events_fail_at(&r->y, start,
				"key '%s' is missing in %s", s->fields[i].key,
				s->name);
	return ret;
}

int yaml_read(const struct schema *s, void *object, const char *name,
	const char *text, size_t size, struct arena *arena, struct err *e)
{
	struct reader r = {.arena = arena};
	int ret = yaml_events_init(&r.y, name, text, size, e);

	if (ret < 0)
		return ret;
	ret = yaml_events_begin(&r.y);
	if (ret == 0)
		ret = read_struct(&r, s, s->name, object);
	if (ret == 0)
		ret = yaml_events_end(&r.y);
	yaml_events_fini(&r.y);
	return ret;
}
