/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel decodes of the host's word: the launch configuration and the
 * manifest. Whatever is taken encodes to the very same bytes, and admitting
 * never fails but cleanly.
 */
#include <stdio.h>
#include <stdlib.h>

#include <string.h>

#include "lib/schema_encode.h"
#include "lib/config.h"
#include "test/unit/cbor_check.h"

static uint8_t memory[1 << 20], again[1 << 18];

static void must_be_same(const struct schema *s, const void *object,
	const uint8_t *data, size_t size)
{
	struct cbor_writer w;

	cbor_writer_init(&w, again, sizeof(again));
	schema_encode(s, object, &w);
	if (cbor_writer_check(&w) < 0)
		return;
	if (w.len != size || memcmp(again, data, size) != 0)
		abort();
	if (cbor_check(data, size, 8) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct manifest m;
	struct config c;
	struct err e = {0};

	if (size == 0)
		return 0;
	arena_init(&arena, memory, sizeof(memory));
	if (data[0] & 1) {
		if (manifest_decode(&m, data + 1, size - 1, &arena, &e) == 0)
			must_be_same(&manifest_schema, &m, data + 1, size - 1);
		else if (e.code == 0)
			abort();
		return 0;
	}
	if (config_decode(&c, data + 1, size - 1, &arena, &e) < 0) {
		if (e.code == 0)
			abort();
		return 0;
	}
	must_be_same(&config_schema, &c, data + 1, size - 1);
	if (manifest_decode(&m, c.manifest.data, c.manifest.size, &arena, &e) ==
			0 &&
		m.cas.key == NULL)
		(void)!config_admit(&c, &m, 1 << 28, 2, &arena, &e);
	return 0;
}
