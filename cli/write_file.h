/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lib/err.h"

/*
 * Makes or replaces a file in one step: whoever opens it finds all of the old
 * or all of the new. 0 or -errno, nothing changed.
 */
must_check int write_file(
	const char *path, const void *data, size_t size, struct err *e);
