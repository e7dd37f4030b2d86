/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests as people (or anybody) write them, to the canonical form. */
#include <stdlib.h>

#include "attest/yaml_events.c"
#include "lib/parse.c"
#include "lib/schema_encode.h"
#include "cli/yaml.c"
#include "lib/manifest.h"

static uint8_t memory[8 << 20], bytes[1 << 20];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct manifest m, n;
	struct cbor_writer w;
	struct err e = {0};

	arena_init(&arena, memory, sizeof(memory));
	if (yaml_read(&manifest_schema, &m, "fuzz", (const char *)data, size,
		    &arena, &e) < 0) {
		if (e.code == 0)
			abort();
		return 0;
	}
	if (manifest_check(&m, &e) < 0)
		return 0;
	cbor_writer_init(&w, bytes, sizeof(bytes));
	schema_encode(&manifest_schema, &m, &w);
	if (cbor_writer_check(&w) < 0)
		return 0;
	/* What the owner's side takes, the kernel takes. */
	if (manifest_decode(&n, bytes, w.len, &arena, &e) < 0 &&
		e.code != -ENOMEM)
		abort();
	return 0;
}
