/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table per structure that crosses a boundary, several uses: encoding to
 * canonical CBOR, strict decoding, and (cli/yaml.c) reading from YAML.
 *
 * A structure is a CBOR map with one key per row. Rows stand in canonical
 * order of their keys; every row is present in the encoding except
 * SCHEMA_OPTIONAL ones that are empty, so equal structures have equal bytes.
 * Unknown, missing, doubled or misplaced keys are errors.
 *
 * C types of the fields by kind:
 *   UINT, SIZE, ENUM, FLAGS  uint64_t      TEXT         const char *
 *   BOOL                     bool          BYTES        struct bytes
 *   TEXT_LIST                struct text_list
 *   TEXT_MAP                 struct text_map (keys in canonical order)
 *   STRUCT                   the structure itself
 *   STRUCT_LIST              struct item_list of structures
 */
#pragma once

#include "lib/cbor.h"
#include "lib/err.h"
#include "lib/types.h"

struct bytes {
	const uint8_t *data;
	size_t size;
};

struct text_list {
	const char **item;
	size_t count;
};

struct text_pair {
	const char *key, *value;
};

struct text_map {
	struct text_pair *item;
	size_t count;
};

struct item_list {
	void *item;
	size_t count;
};

enum schema_kind {
	SCHEMA_UINT,
	SCHEMA_SIZE, /* as UINT; YAML takes suffixes k, m, g */
	SCHEMA_ENUM, /* index into names */
	SCHEMA_FLAGS, /* bit n: names[n] */
	SCHEMA_BOOL,
	SCHEMA_TEXT,
	SCHEMA_BYTES,
	SCHEMA_TEXT_LIST,
	SCHEMA_TEXT_MAP,
	SCHEMA_STRUCT,
	SCHEMA_STRUCT_LIST,
	SCHEMA_RESERVED, /* a key of later versions: YAML refuses it by name */
};

enum schema_flags {
	SCHEMA_RAW = 1, /* texts are bytes, not necessarily UTF-8 */
	SCHEMA_OPTIONAL = 2, /* may be absent: NULL, count 0, all zeros */
	SCHEMA_REQUIRED = 4, /* YAML must give it */
	SCHEMA_ABSOLUTE = 8, /* a text that begins with '/' */
};

struct schema;

struct schema_field {
	const char *key;
	enum schema_kind kind;
	unsigned flags;
	size_t offset;
	/* Of the value, of the bytes of each text, of the number of structures.
	 * Lists of texts hold at most SCHEMA_COUNT_MAX. */
	uint64_t min, max;
	const char *const *names; /* max + 1 of them, NULL: not a value */
	const struct schema *sub;
};

struct schema {
	const char *name;
	const struct schema_field *fields;
	size_t count;
	size_t size; /* of the structure */
	const void *defaults; /* a structure to start from, NULL: zeros */
};

enum { SCHEMA_COUNT_MAX = 4096 };

/* Memory for what a decoded structure points to; freed as a whole. */
struct arena {
	uint8_t *base;
	size_t size, used;
};

void arena_init(struct arena *a, void *base, size_t size);
/* Zeroed, aligned to 8; NULL if the arena is full. */
must_check void *arena_alloc(struct arena *a, size_t size);
/* A terminated copy. NULL if the arena is full. */
must_check char *arena_text(struct arena *a, const char *text, size_t size);

/* Enough for any structure decoded from @size bytes of CBOR. */
#define SCHEMA_ARENA_SIZE(size) (32 * (size) + 16384)

/*
 * Decodes exactly @size bytes into @object, whose pointers then point into
 * @arena. 0, -EBADMSG (not canonical, key unknown or missing), -ERANGE (value
 * outside the bounds) or -ENOMEM (arena full), with the reason in @e.
 */
must_check int schema_decode(const struct schema *s, void *object,
	const void *data, size_t size, struct arena *arena, struct err *e);

/*
 * Pure validator of values within their bounds, for structures that came from
 * elsewhere than schema_decode(). 0 or -ERANGE.
 */
must_check int schema_check(
	const struct schema *s, const void *object, struct err *e);

/* True if @object has no value for an optional (or reserved) field. */
bool schema_is_absent(const struct schema_field *f, const void *object);
