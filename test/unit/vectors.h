/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real evidence with what is known about it: files of the directory
 * SCONCE_VECTORS, or of the build's default. Without it tests are skipped, and
 * say so.
 */
#pragma once

#include <jansson.h>

#include "attest/evidence.h"

/* cases.json, parsed once; skip() if it is not there. */
json_t *vectors_cases(void);
/* A file named relative to the directory, to be freed; data NULL: none. */
struct span vectors_read(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
void vectors_free(struct span s);

/* "2025-06-25T00:00:00Z" of the object's member. */
int64_t vectors_date(const json_t *object, const char *member);
