/* SPDX-License-Identifier: Apache-2.0 */
/* A manifest read from a YAML file, with its canonical form and its hash. */
#pragma once

#include "lib/manifest.h"

struct manifest_file {
	struct manifest manifest;
	uint8_t *canonical;
	size_t canonical_size;
	uint8_t hash[32]; /* SHA-256 of canonical: the start of CONFIGID */
	void *memory; /* what manifest points into */
};

/* 0, or -errno with "FILE:LINE:COLUMN: ..." in @e. */
must_check int manifest_file_load(
	struct manifest_file *f, const char *path, struct err *e);
void manifest_file_fini(struct manifest_file *f);
