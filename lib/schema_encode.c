/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/schema_encode.h"

#include <string.h>

static void put_string(
	struct cbor_writer *w, const struct schema_field *f, const char *text)
{
	if (f->flags & SCHEMA_RAW)
		cbor_put_bytes(w, text, strlen(text));
	else
		cbor_put_text(w, text, strlen(text));
}

static void put_text_map(struct cbor_writer *w, const struct schema_field *f,
	const struct text_map *map)
{
	cbor_put_map(w, map->count);
	for (size_t i = 0; i < map->count; i++) {
		cbor_put_text(w, map->item[i].key, strlen(map->item[i].key));
		put_string(w, f, map->item[i].value);
	}
}

static void put_field(
	struct cbor_writer *w, const struct schema_field *f, const void *at)
{
	const struct text_list *texts = at;
	const struct item_list *items = at;
	const struct bytes *bytes = at;

	switch (f->kind) {
	case SCHEMA_UINT:
	case SCHEMA_SIZE:
	case SCHEMA_ENUM:
	case SCHEMA_FLAGS:
		cbor_put_uint(w, *(const uint64_t *)at);
		break;
	case SCHEMA_BOOL:
		cbor_put_bool(w, *(const bool *)at);
		break;
	case SCHEMA_TEXT:
		put_string(w, f, *(const char *const *)at);
		break;
	case SCHEMA_BYTES:
		cbor_put_bytes(w, bytes->data, bytes->size);
		break;
	case SCHEMA_TEXT_LIST:
		cbor_put_array(w, texts->count);
		for (size_t i = 0; i < texts->count; i++)
			put_string(w, f, texts->item[i]);
		break;
	case SCHEMA_TEXT_MAP:
		put_text_map(w, f, at);
		break;
	case SCHEMA_STRUCT:
		schema_encode(f->sub, at, w);
		break;
	case SCHEMA_STRUCT_LIST:
		cbor_put_array(w, items->count);
		for (size_t i = 0; i < items->count; i++)
			schema_encode(f->sub,
				(const uint8_t *)items->item + i * f->sub->size,
				w);
		break;
	case SCHEMA_RESERVED:
		break;
	}
}

void schema_encode(
	const struct schema *s, const void *object, struct cbor_writer *w)
{
	uint64_t present = 0;

	for (size_t i = 0; i < s->count; i++)
		present += !schema_is_absent(&s->fields[i], object);
	cbor_put_map(w, present);
	for (size_t i = 0; i < s->count; i++) {
		const struct schema_field *f = &s->fields[i];

		if (schema_is_absent(f, object))
			continue;
		cbor_put_text(w, f->key, strlen(f->key));
		put_field(w, f, (const uint8_t *)object + f->offset);
	}
}
