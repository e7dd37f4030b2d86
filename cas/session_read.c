/* SPDX-License-Identifier: Apache-2.0 */
/* Reading YAML by tables of keys: memory, maps, lists, simple values. */
#include "cas/session_read.h"

#include <errno.h>
#include <stdlib.h>

#include "cas/subst.h"
#include "lib/fmt.h"
#include "lib/parse.h"
#include "lib/string.h"

/* ---- memory ---- */

struct chunk {
	struct chunk *next;
	size_t size, used;
	uint8_t data[];
};

enum { CHUNK_SIZE = 32 * 1024 };

void *pool_alloc(struct pool *p, size_t size)
{
	struct chunk *c = p->chunks;
	size_t want = align_up(size, 8);
	void *at;

	if (want < size)
		return NULL;
	if (!c || c->size - c->used < want) {
		size_t room = u64_max(want, CHUNK_SIZE);

		c = calloc(1, sizeof(*c) + room);
		if (!c)
			return NULL;
		c->size = room;
		c->next = p->chunks;
		p->chunks = c;
	}
	at = c->data + c->used;
	c->used += want;
	return at;
}

char *pool_text(struct pool *p, const char *text, size_t size)
{
	char *copy = pool_alloc(p, size + 1);

	if (copy)
		memcpy(copy, text, size);
	return copy;
}

void pool_fini(struct pool *p)
{
	while (p->chunks) {
		struct chunk *c = p->chunks;

		p->chunks = c->next;
		string_wipe(c->data, c->used);
		free(c);
	}
}

void *pool_grow(struct pool *p, struct grown *g, size_t size)
{
	if (g->count == g->room) {
		size_t room = g->room ? 2 * g->room : 4;
		uint8_t *data = pool_alloc(p, room * size);

		if (!data)
			return NULL;
		if (g->count)
			memcpy(data, g->data, g->count * size);
		g->data = data;
		g->room = room;
	}
	return g->data + g->count++ * size;
}

/* ---- places and messages ---- */

struct place reader_place(const struct reader *r)
{
	yaml_mark_t mark = r->y.event.start_mark;

	return (struct place){(uint32_t)mark.line, (uint32_t)mark.column};
}

int reader_fail_at(struct reader *r, struct place at, const char *format, ...)
{
	yaml_mark_t mark = {.line = at.line, .column = at.column};
	char text[400];
	va_list args;

	va_start(args, format);
	fmt_vprint(text, sizeof(text), format, args);
	va_end(args);
	return yaml_events_fail_at(&r->y, mark, "%s", text);
}

int reader_no_memory(struct reader *r)
{
	return err_setf(r->y.e, -ENOMEM, "%s: no memory", r->y.name);
}

bool reader_is(const struct reader *r, yaml_event_type_t type)
{
	return r->y.event.type == type;
}

bool reader_is_null(const struct reader *r)
{
	const char *text = yaml_events_text(&r->y);

	return yaml_events_is_plain(&r->y) &&
		(*text == '\0' || strcmp(text, "~") == 0 ||
			strcmp(text, "null") == 0);
}

int reader_unknown(struct reader *r, struct place at, const char *what,
	const char *best, const char *all)
{
	if (best)
		return reader_fail_at(
			r, at, "%s; did you mean '%s'?", what, best);
	return reader_fail_at(r, at, "%s; wanted one of %s", what, all);
}

/* ---- maps ---- */

static bool is_for(const struct reader *r, const struct key *k)
{
	return !(k->flags & KEY_ABSENT) && !((k->flags & KEY_NEW) && !r->v1) &&
		!((k->flags & KEY_OLD) && r->v1);
}

static int fail_key(struct reader *r, const char *where, const struct key *keys,
	size_t count)
{
	const char *word = yaml_events_text(&r->y), *best = NULL;
	size_t least = SIZE_MAX, len = 0;
	char what[160], all[200];

	all[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		if (!is_for(r, &keys[i]))
			continue;
		yaml_events_consider(word, keys[i].name, &least, &best);
		if (len < sizeof(all))
			len += fmt_print(all + len, sizeof(all) - len, "%s%s",
				len > 0 ? ", " : "", keys[i].name);
	}
	fmt_print(what, sizeof(what), "unknown key '%.60s' in %s", word, where);
	return reader_unknown(r, reader_place(r), what, best, all);
}

/* Keys that are known, but not here. */
static int check_key(struct reader *r, const char *where, const struct key *k)
{
	const char *hint = k->hint ? k->hint : "leave it out";

	if (k->flags & KEY_ABSENT)
		return yaml_events_fail(&r->y, "%s in %s is not there: %s",
			k->name, where, hint);
	if ((k->flags & KEY_NEW) && !r->v1)
		return yaml_events_fail(&r->y,
			"%s in %s is of version \"1.0\"; this policy has "
			"version %s",
			k->name, where, r->s->version);
	if ((k->flags & KEY_OLD) && r->v1)
		return yaml_events_fail(&r->y,
			"%s in %s is of versions 0.3 to 0.3.12; in 1.0 %s",
			k->name, where, hint);
	return 0;
}

static int read_pair(struct reader *r, const char *where,
	const struct key *keys, size_t count, void *object, struct seen *seen)
{
	size_t i = 0;
	int ret = yaml_events_want(&r->y, YAML_SCALAR_EVENT, where);

	if (ret < 0)
		return ret;
	while (i < count && strcmp(keys[i].name, yaml_events_text(&r->y)) != 0)
		i++;
	if (i == count)
		return fail_key(r, where, keys, count);
	ret = check_key(r, where, &keys[i]);
	if (ret < 0)
		return ret;
	if (seen->mask & 1ull << i)
		return yaml_events_fail(
			&r->y, "key '%s' is there twice", keys[i].name);
	seen->mask |= 1ull << i;
	seen->at[i] = reader_place(r);
	ret = yaml_events_next(&r->y);
	if (ret == 0)
		ret = keys[i].read(r, keys[i].name,
			object ? (uint8_t *)object + keys[i].offset : NULL);
	return ret;
}

int read_map(struct reader *r, const char *where, const struct key *keys,
	size_t count, void *object, struct seen *seen)
{
	int ret = yaml_events_want(&r->y, YAML_MAPPING_START_EVENT, where);

	if (ret == 0)
		ret = yaml_events_next(&r->y);
	return ret < 0 ? ret
		       : read_map_inside(r, where, keys, count, object, seen);
}

int read_map_inside(struct reader *r, const char *where, const struct key *keys,
	size_t count, void *object, struct seen *seen)
{
	int ret = 0;

	seen->mask = 0;
	seen->start = reader_place(r);
	while (ret == 0 && !reader_is(r, YAML_MAPPING_END_EVENT)) {
		ret = read_pair(r, where, keys, count, object, seen);
		if (ret == 0)
			ret = yaml_events_next(&r->y);
	}
	for (size_t i = 0; i < count && ret == 0; i++)
		if ((keys[i].flags & KEY_NEEDED) && !(seen->mask & 1ull << i))
			ret = reader_fail_at(r, seen->start,
				"key '%s' is missing in %s", keys[i].name,
				where);
	return ret;
}

bool seen_has(const struct seen *seen, const struct key *keys, size_t count,
	const char *name, struct place *at)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(keys[i].name, name) == 0) {
			if (at)
				*at = seen->at[i];
			return seen->mask & 1ull << i;
		}
	return false;
}

/* ---- lists ---- */

static int read_item(struct reader *r, const char *key, size_t max, size_t size,
	read_fn *read, struct grown *g)
{
	void *at;

	if (g->count == max)
		return yaml_events_fail(
			&r->y, "%s: too many; wanted at most %zu", key, max);
	at = pool_grow(&r->pool, g, size);
	return at ? read(r, key, at) : reader_no_memory(r);
}

static void put_list(const struct grown *g, void *list)
{
	struct item_list items = {g->data, g->count};

	memcpy(list, &items, sizeof(items));
}

int read_list(struct reader *r, const char *key, size_t max, size_t size,
	read_fn *read, void *list)
{
	struct grown g = {0};
	int ret = yaml_events_want(&r->y, YAML_SEQUENCE_START_EVENT, key);

	while (ret == 0) {
		ret = yaml_events_next(&r->y);
		if (ret < 0 || reader_is(r, YAML_SEQUENCE_END_EVENT))
			break;
		ret = read_item(r, key, max, size, read, &g);
	}
	put_list(&g, list);
	return ret;
}

int read_one_or_list(struct reader *r, const char *key, size_t max, size_t size,
	read_fn *read, void *list)
{
	struct grown g = {0};
	int ret;

	if (reader_is(r, YAML_SEQUENCE_START_EVENT))
		return read_list(r, key, max, size, read, list);
	ret = read_item(r, key, max, size, read, &g);
	put_list(&g, list);
	return ret;
}

/* ---- references ---- */

int reader_refer(
	struct reader *r, enum ref_kind kind, const char *key, const char *name)
{
	struct ref *ref;

	ref = pool_grow(&r->pool, &r->refs, sizeof(*ref));
	if (!ref)
		return reader_no_memory(r);
	*ref = (struct ref){kind, reader_place(r), key, name};
	return 0;
}

int reader_define(
	struct reader *r, enum def_kind kind, const char *name, struct place at)
{
	struct def *def = pool_grow(&r->pool, &r->defs[kind], sizeof(*def));

	if (!def)
		return reader_no_memory(r);
	*def = (struct def){name, at};
	return 0;
}
