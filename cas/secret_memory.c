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

void secret_memory_wipe(void *p)
{
	if (p)
		string_wipe(p, malloc_usable_size(p));
	free(p);
}

static void put(void *p, const char *file, int line)
{
	secret_memory_wipe(p);
}

/* Not realloc: it may leave a copy behind. */
void *secret_memory_resize(void *p, size_t size)
{
	size_t had = p ? malloc_usable_size(p) : 0;
	void *moved;

	if (!size) {
		secret_memory_wipe(p);
		return NULL;
	}
	if (p && size <= had && size >= had / 2)
		return p;
	moved = malloc(size);
	if (!moved)
		return NULL;
	if (p)
		memcpy(moved, p, u64_min(had, size));
	secret_memory_wipe(p);
	return moved;
}

static void *resize(void *p, size_t size, const char *file, int line)
{
	return secret_memory_resize(p, size);
}

bool secret_memory_init(void)
{
	json_set_alloc_funcs(malloc, secret_memory_wipe);
	return CRYPTO_set_mem_functions(get, resize, put) == 1;
}
