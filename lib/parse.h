/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as people write them, on the command line, in manifests and policies.
 */
#pragma once

#include "lib/types.h"

/* Decimal digits only. 0, -EINVAL, or -ERANGE above @max. */
must_check int parse_uint(const char *text, uint64_t max, uint64_t *v);

/*
 * Bytes: digits and, if any, one of the suffixes b, k, m, g, t (powers of
 * 1024, either case, optionally followed by b or ib). Errors as parse_uint().
 */
must_check int parse_size(const char *text, uint64_t max, uint64_t *size);
