/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts of others, for a person to read: names, comments, reasons, policies.
 * What moves the cursor, hides or reorders letters is shown as \u{...}, so that
 * nobody is shown something else than what he decides about.
 */
#pragma once

#include <stdio.h>

#include "lib/types.h"

/* begin: what follows each line break within the text, "" for nothing. */
void plain_print(FILE *f, const char *text, size_t size, const char *begin);
