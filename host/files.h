/* SPDX-License-Identifier: Apache-2.0 */
/* The files that belong to the launcher: they lie beside its own program. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct bytes_file {
	char path[1024];
	const uint8_t *data; /* mapped */
	size_t size;
};

int files_load(const char *name, struct bytes_file *out, struct err *e);
void files_unload(struct bytes_file *f);
/* A descriptor above the standard ones, close-on-exec, or -errno. */
int files_open(const char *name, struct err *e);
