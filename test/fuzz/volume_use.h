/* SPDX-License-Identifier: Apache-2.0 */
/* What both fuzzers of volumes do: a small volume to begin with, and everything
 * that can be done with one that is not what it was. */
#pragma once

#include "test/unit/volume_backend.h"
#include "volume/volume.h"

#define CHECK(cond)                       \
	do {                              \
		if (!(cond))              \
			__builtin_trap(); \
	} while (0)

/* @names: how many the directory "d" has. Its log is in use. */
struct volume_backend *volume_use_new(unsigned names);
/* Opens it if it can be, reads all, changes much, checks and closes. */
void volume_use(struct volume_backend *b);
