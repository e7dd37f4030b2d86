/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a structure from YAML by its schema (lib/schema.h).
 *
 * Strict: unknown and doubled keys, anchors, aliases, tags, several documents
 * and values outside their bounds are errors, named with line and column.
 * Keys that are not there keep the schema's defaults.
 */
#pragma once

#include "lib/schema.h"

/*
 * @name stands before ":LINE:COLUMN" in messages. @object's pointers point
 * into @arena, for which SCHEMA_ARENA_SIZE(size) bytes are enough. 0, -EINVAL
 * or -ENOMEM.
 */
must_check int yaml_read(const struct schema *s, void *object, const char *name,
	const char *text, size_t size, struct arena *arena, struct err *e);
