/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encodes structures that lib/schema.h describes: what schema_decode() takes.
 */
#pragma once

#include "lib/cbor_put.h"
#include "lib/schema.h"

/* Appends the encoding. @object must satisfy the schema. */
void schema_encode(
	const struct schema *s, const void *object, struct cbor_writer *w);
