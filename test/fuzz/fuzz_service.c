/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CAS gives to an enclave, as the kernel takes it: whatever is taken
 * encodes to the very same bytes, and every other input has a reason.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/config.h"
#include "lib/schema_encode.h"
#include "lib/service.h"
#include "test/unit/cbor_check.h"

static uint8_t memory[1 << 20], again[1 << 18];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *args[] = {"x", "y"};
	struct config asked = {.args = {args, 2}};
	struct service_config c;
	struct cbor_writer w;
	struct arena arena;
	struct manifest m;
	struct err e = {0};

	arena_init(&arena, memory, sizeof(memory));
	if (service_config_decode(&c, data, size, &arena, &e) < 0) {
		if (e.code == 0)
			abort();
		return 0;
	}
	cbor_writer_init(&w, again, sizeof(again));
	schema_encode(&service_config_schema, &c, &w);
	if (cbor_writer_check(&w) == 0 &&
		(w.len != size || memcmp(again, data, size) != 0 ||
			cbor_check(data, size, 8) < 0))
		abort();
	if (manifest_decode(&m, c.manifest.data, c.manifest.size, &arena, &e) ==
			0 &&
		service_config_match(&c, &m, &e) == 0)
		(void)!config_admit(&asked, &m, 1 << 28, 2, &arena, &e);
	return 0;
}
