/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/secret_memory.h"

#include <jansson.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>

#include "lib/string.h"

static void *get(size_t size, const char *file, int line)
{
	return malloc(size);
}

static void wipe(void *p)
{
	if (p)
		string_wipe(p, malloc_usable_size(p));
	free(p);
}

static void put(void *p, const char *file, int line)
{
	wipe(p);
}

/* Not realloc: it may leave a copy behind. */
static void *resize(void *p, size_t size, const char *file, int line)
{
	size_t had = p ? malloc_usable_size(p) : 0;
	void *moved;

	if (!size) {
		wipe(p);
		return NULL;
	}
	if (p && size <= had && size >= had / 2)
		return p;
	moved = malloc(size);
	if (!moved)
		return NULL;
	if (p)
		memcpy(moved, p, u64_min(had, size));
	wipe(p);
	return moved;
}

bool secret_memory_init(void)
{
	json_set_alloc_funcs(malloc, wipe);
	return CRYPTO_set_mem_functions(get, resize, put) == 1;
}
