/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/types.h"

/*
 * Lets libcrypto and jansson wipe all memory that they give up: some of their
 * encoders free copies of keys as they are. Before anything of them is used:
 * false if libcrypto has memory already.
 */
must_check bool secret_memory_init(void);

/* As free() and realloc(), for other libraries through whose hands secrets go:
 * what is given up is wiped, and nothing is moved without that. */
void secret_memory_wipe(void *p);
void *secret_memory_resize(void *p, size_t size);
