/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/types.h"

/*
 * Lets libcrypto and jansson wipe all memory that they give up: some of their
 * encoders free copies of keys as they are. Before anything of them is used:
 * false if libcrypto has memory already.
 */
must_check bool secret_memory_init(void);
