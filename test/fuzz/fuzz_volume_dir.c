/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the blocks of a directory: the input takes the place of as many
 * of them as it has blocks for, or of their beginnings.
 */
#include <string.h>

#include "test/fuzz/volume_use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BLOCKS_MAX = 16, NAMES = 150 };

static struct volume_backend *base;
/* Where the blocks of the directory "d" are, leaves and inner ones. */
static struct {
	struct volume_file file;
	uint64_t page;
} block[BLOCKS_MAX];
static size_t blocks;

static bool is_directory(const uint8_t *data)
{
	uint16_t count;
	uint32_t used;

	/* Leaves have the names; the root of the tree has pairs. */
	if (memmem(data, 4096, "nnnnnnnnnnnn", 12) != NULL)
		return true;
	memcpy(&count, data + 2, sizeof(count));
	memcpy(&used, data + 4, sizeof(used));
	return data[0] == 1 && data[1] == 0 && count > 1 && used == count * 16u;
}

static void find_blocks(void)
{
	struct volume_file f;
	uint8_t data[4096];

	for (size_t i = 0; volume_backend_list(base, i, &f); i++) {
		uint64_t pages = volume_backend_size(base, f) / 4096;

		for (uint64_t k = 0; k < pages && blocks < BLOCKS_MAX; k++) {
			volume_backend_peek(base, f, k * 4096, data, 4096);
			if (f.kind != VOLUME_FILE_SEGMENT ||
				!is_directory(data))
				continue;
			block[blocks].file = f;
			block[blocks++].page = k;
		}
	}
	CHECK(blocks > 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct volume_backend *b;

	if (base == NULL) {
		base = volume_use_new(NAMES);
		find_blocks();
	}
	if (size < 1)
		return 0;
	b = volume_backend_clone(base, 3);
	b->no_store = true;
	for (size_t i = *data++; --size > 0; i++) {
		size_t part = u64_min(size, 4096);

		volume_backend_poke(b, block[i % blocks].file,
			block[i % blocks].page * 4096, data, part);
		data += part;
		size -= part - 1;
	}
	volume_use(b);
	volume_backend_free(b);
	return 0;
}
