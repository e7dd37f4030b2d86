/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/schema.h"

#include <linux/errno.h>

#include "lib/bytes.h"
#include "lib/string.h"

void arena_init(struct arena *a, void *base, size_t size)
{
	*a = (struct arena){.base = base, .size = size};
}

void *arena_alloc(struct arena *a, size_t size)
{
	size_t start = align_up(a->used, 8);
	void *p;

	if (start < a->used || start > a->size || size > a->size - start)
		return NULL;
	p = a->base + start;
	a->used = start + size;
	memset(p, 0, size);
	return p;
}

char *arena_text(struct arena *a, const char *text, size_t size)
{
	char *copy = size < SIZE_MAX ? arena_alloc(a, size + 1) : NULL;

	if (copy != NULL)
		memcpy(copy, text, size);
	return copy;
}

static const void *field_at(const struct schema_field *f, const void *object)
{
	return (const uint8_t *)object + f->offset;
}

static const void *item_at(
	const struct schema *s, const struct item_list *list, size_t i)
{
	return (const uint8_t *)list->item + i * s->size;
}

bool schema_is_absent(const struct schema_field *f, const void *object)
{
	const void *at = field_at(f, object);

	if (f->kind == SCHEMA_RESERVED)
		return true;
	if (!(f->flags & SCHEMA_OPTIONAL))
		return false;
	switch (f->kind) {
	case SCHEMA_TEXT:
		return *(const char *const *)at == NULL;
	case SCHEMA_BYTES:
		return ((const struct bytes *)at)->size == 0;
	case SCHEMA_TEXT_LIST:
		return ((const struct text_list *)at)->count == 0;
	case SCHEMA_TEXT_MAP:
		return ((const struct text_map *)at)->count == 0;
	case SCHEMA_STRUCT_LIST:
		return ((const struct item_list *)at)->count == 0;
	case SCHEMA_STRUCT:
		return bytes_zero(at, f->sub->size);
	default:
		return false;
	}
}

/* Values within bounds. */

static int bad(struct err *e, int code, const struct schema *s,
	const struct schema_field *f, const char *what)
{
	return err_setf(e, code, "%s.%s: %s", s->name, f->key, what);
}

static int check_number(const struct schema *s, const struct schema_field *f,
	uint64_t v, struct err *e)
{
	if (f->kind == SCHEMA_FLAGS) {
		for (unsigned bit = 0; bit < 64; bit++)
			if ((v >> bit & 1) &&
				(bit > f->max || f->names[bit] == NULL))
				return bad(e, -ERANGE, s, f, "unknown member");
		return 0;
	}
	if (v < f->min || v > f->max)
		return err_setf(e, -ERANGE, "%s.%s: %llu; wanted %llu to %llu",
			s->name, f->key, (unsigned long long)v,
			(unsigned long long)f->min, (unsigned long long)f->max);
	if (f->kind == SCHEMA_ENUM && f->names[v] == NULL)
		return bad(e, -ERANGE, s, f, "unknown choice");
	return 0;
}

static int check_text(const struct schema *s, const struct schema_field *f,
	const char *text, size_t size, struct err *e)
{
	if (memchr(text, '\0', size) != NULL)
		return bad(e, -ERANGE, s, f, "a text with a zero byte");
	if (size < f->min || size > f->max)
		return err_setf(e, -ERANGE,
			"%s.%s: %zu bytes; wanted %llu to %llu", s->name,
			f->key, size, (unsigned long long)f->min,
			(unsigned long long)f->max);
	if ((f->flags & SCHEMA_ABSOLUTE) && (size == 0 || text[0] != '/'))
		return err_setf(e, -ERANGE,
			"%s.%s: '%.*s'; wanted an absolute path", s->name,
			f->key, (int)u64_min(size, 80), text);
	return 0;
}

static int check_texts(const struct schema *s, const struct schema_field *f,
	const void *at, struct err *e)
{
	const struct text_list *list = at;
	const struct text_map *map = at;
	const struct text_pair *last = NULL;
	int ret = 0;

	if (f->kind == SCHEMA_TEXT_LIST) {
		if (list->count > SCHEMA_COUNT_MAX)
			return bad(e, -ERANGE, s, f, "too many texts");
		for (size_t i = 0; i < list->count && ret == 0; i++)
			ret = check_text(
				s, f, list->item[i], strlen(list->item[i]), e);
		return ret;
	}
	if (map->count > SCHEMA_COUNT_MAX)
		return bad(e, -ERANGE, s, f, "too many pairs");
	for (size_t i = 0; i < map->count && ret == 0; i++) {
		const struct text_pair *p = &map->item[i];

		if (last != NULL &&
			cbor_key_compare(last->key, strlen(last->key), p->key,
				strlen(p->key)) >= 0)
			return bad(e, -ERANGE, s, f, "keys twice or unsorted");
		last = p;
		ret = check_text(s, f, p->value, strlen(p->value), e);
	}
	return ret;
}

static int check_field(const struct schema *s, const struct schema_field *f,
	const void *at, struct err *e)
{
	const struct item_list *items = at;
	const char *text;
	int ret = 0;

	switch (f->kind) {
	case SCHEMA_UINT:
	case SCHEMA_SIZE:
	case SCHEMA_ENUM:
	case SCHEMA_FLAGS:
		return check_number(s, f, *(const uint64_t *)at, e);
	case SCHEMA_TEXT:
		text = *(const char *const *)at;
		if (text == NULL)
			return bad(e, -ERANGE, s, f, "missing");
		return check_text(s, f, text, strlen(text), e);
	case SCHEMA_BYTES:
		if (((const struct bytes *)at)->size > f->max)
			return bad(e, -ERANGE, s, f, "too long");
		if (((const struct bytes *)at)->size < f->min)
			return bad(e, -ERANGE, s, f, "too short");
		return 0;
	case SCHEMA_TEXT_LIST:
	case SCHEMA_TEXT_MAP:
		return check_texts(s, f, at, e);
	case SCHEMA_STRUCT:
		return schema_check(f->sub, at, e);
	case SCHEMA_STRUCT_LIST:
		if (items->count > f->max)
			return bad(e, -ERANGE, s, f, "too many");
		for (size_t i = 0; i < items->count && ret == 0; i++)
			ret = schema_check(
				f->sub, item_at(f->sub, items, i), e);
		return ret;
	case SCHEMA_BOOL:
	case SCHEMA_RESERVED:
		return 0;
	}
	return 0;
}

int schema_check(const struct schema *s, const void *object, struct err *e)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct schema_field *f = &s->fields[i];
		int ret;

		if (schema_is_absent(f, object))
			continue;
		ret = check_field(s, f, field_at(f, object), e);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* Decoding. */

struct decoder {
	struct cbor_reader r;
	struct arena *arena;
	struct err *e;
};

static int malformed(
	struct decoder *d, const struct schema *s, const struct schema_field *f)
{
	return bad(d->e, -EBADMSG, s, f, "not the canonical encoding");
}

static int full(
	struct decoder *d, const struct schema *s, const struct schema_field *f)
{
	return bad(d->e, -ENOMEM, s, f, "too large to decode");
}

static int get_string(struct decoder *d, const struct schema *s,
	const struct schema_field *f, bool raw, const char **text)
{
	const uint8_t *data;
	const char *found;
	size_t size;
	int ret;

	if (raw) {
		ret = cbor_get_bytes(&d->r, &data, &size);
		found = (const char *)data;
	} else {
		ret = cbor_get_text(&d->r, &found, &size);
	}
	if (ret < 0)
		return malformed(d, s, f);
	if (memchr(found, '\0', size) != NULL)
		return bad(d->e, -ERANGE, s, f, "a text with a zero byte");
	*text = arena_text(d->arena, found, size);
	return *text != NULL ? 0 : full(d, s, f);
}

/* Room for the items of a list or map that comes; NULL with *ret set. */
static void *get_room(struct decoder *d, const struct schema *s,
	const struct schema_field *f, uint64_t most, size_t size, size_t *count,
	int *ret)
{
	bool map = f->kind == SCHEMA_TEXT_MAP;
	uint64_t n = 0;
	void *room;

	if ((map ? cbor_get_map : cbor_get_array)(&d->r, &n) < 0) {
		*ret = malformed(d, s, f);
		return NULL;
	}
	if (n > most) {
		*ret = bad(d->e, -ERANGE, s, f, "too many");
		return NULL;
	}
	room = arena_alloc(d->arena, n * size);
	*count = n;
	*ret = room != NULL ? 0 : full(d, s, f);
	return room;
}

static int get_texts(struct decoder *d, const struct schema *s,
	const struct schema_field *f, struct text_list *list)
{
	bool raw = (f->flags & SCHEMA_RAW) != 0;
	int ret;

	list->item = get_room(d, s, f, SCHEMA_COUNT_MAX, sizeof(*list->item),
		&list->count, &ret);
	for (size_t i = 0; ret == 0 && i < list->count; i++)
		ret = get_string(d, s, f, raw, &list->item[i]);
	return ret;
}

static int get_pairs(struct decoder *d, const struct schema *s,
	const struct schema_field *f, struct text_map *map)
{
	bool raw = (f->flags & SCHEMA_RAW) != 0;
	int ret;

	map->item = get_room(d, s, f, SCHEMA_COUNT_MAX, sizeof(*map->item),
		&map->count, &ret);
	for (size_t i = 0; ret == 0 && i < map->count; i++) {
		ret = get_string(d, s, f, false, &map->item[i].key);
		if (ret == 0)
			ret = get_string(d, s, f, raw, &map->item[i].value);
	}
	return ret;
}

static int get_struct(struct decoder *d, const struct schema *s, void *object);

static int get_items(struct decoder *d, const struct schema *s,
	const struct schema_field *f, struct item_list *list)
{
	int ret;

	list->item = get_room(
		d, s, f, f->max, f->sub->size, &list->count, &ret);
	for (size_t i = 0; ret == 0 && i < list->count; i++)
		ret = get_struct(
			d, f->sub, (uint8_t *)list->item + i * f->sub->size);
	return ret;
}

static int get_bytes(struct decoder *d, const struct schema *s,
	const struct schema_field *f, struct bytes *bytes)
{
	const uint8_t *data;
	void *copy;

	if (cbor_get_bytes(&d->r, &data, &bytes->size) < 0)
		return malformed(d, s, f);
	copy = arena_alloc(d->arena, bytes->size);
	if (copy == NULL)
		return full(d, s, f);
	memcpy(copy, data, bytes->size);
	bytes->data = copy;
	return 0;
}

static int get_field(struct decoder *d, const struct schema *s,
	const struct schema_field *f, void *at)
{
	int ret = 0;

	switch (f->kind) {
	case SCHEMA_UINT:
	case SCHEMA_SIZE:
	case SCHEMA_ENUM:
	case SCHEMA_FLAGS:
		ret = cbor_get_uint(&d->r, at);
		break;
	case SCHEMA_BOOL:
		ret = cbor_get_bool(&d->r, at);
		break;
	case SCHEMA_TEXT:
		return get_string(d, s, f, (f->flags & SCHEMA_RAW) != 0, at);
	case SCHEMA_BYTES:
		return get_bytes(d, s, f, at);
	case SCHEMA_TEXT_LIST:
		return get_texts(d, s, f, at);
	case SCHEMA_TEXT_MAP:
		return get_pairs(d, s, f, at);
	case SCHEMA_STRUCT:
		return get_struct(d, f->sub, at);
	case SCHEMA_STRUCT_LIST:
		return get_items(d, s, f, at);
	case SCHEMA_RESERVED:
		ret = -EBADMSG;
		break;
	}
	return ret < 0 ? malformed(d, s, f) : 0;
}

/* Both the rows and the keys ascend: walk them together. */
static int get_struct(struct decoder *d, const struct schema *s, void *object)
{
	size_t next = 0;
	uint64_t count;
	int ret;

	memset(object, 0, s->size);
	if (cbor_get_map(&d->r, &count) < 0)
		return err_setf(d->e, -EBADMSG, "%s: wanted a map", s->name);
	for (; count > 0; count--) {
		const struct schema_field *f;
		const char *key;
		size_t size;

		if (cbor_get_text(&d->r, &key, &size) < 0)
			return err_setf(
				d->e, -EBADMSG, "%s: a bad key", s->name);
		for (;; next++) {
			if (next == s->count)
				return err_setf(d->e, -EBADMSG,
					"%s: unknown or misplaced key '%.*s'",
					s->name, (int)u64_min(size, 40), key);
			f = &s->fields[next];
			if (cbor_key_compare(
				    f->key, strlen(f->key), key, size) == 0)
				break;
			if (!(f->flags & SCHEMA_OPTIONAL) &&
				f->kind != SCHEMA_RESERVED)
				return bad(d->e, -EBADMSG, s, f, "missing");
		}
		ret = get_field(d, s, f, (uint8_t *)object + f->offset);
		if (ret < 0)
			return ret;
		/* Empty, though present: a second encoding of the same. */
		if (schema_is_absent(f, object))
			return malformed(d, s, f);
		next++;
	}
	for (; next < s->count; next++)
		if (!(s->fields[next].flags & SCHEMA_OPTIONAL) &&
			s->fields[next].kind != SCHEMA_RESERVED)
			return bad(
				d->e, -EBADMSG, s, &s->fields[next], "missing");
	return 0;
}

int schema_decode(const struct schema *s, void *object, const void *data,
	size_t size, struct arena *arena, struct err *e)
{
	struct decoder d = {.arena = arena, .e = e};
	int ret;

	cbor_reader_init(&d.r, data, size);
	ret = get_struct(&d, s, object);
	if (ret < 0)
		return ret;
	if (!cbor_reader_at_end(&d.r))
		return err_setf(
			e, -EBADMSG, "%s: bytes after the end", s->name);
	return schema_check(s, object, e);
}
