/* SPDX-License-Identifier: Apache-2.0 */
/* A read-only file without a name whose content is a buffer: init. */
#pragma once

#include <stddef.h>

struct file;

/* Takes over data (kmalloc'ed). NULL: no memory, data is still the
 * caller's. */
struct file *memfile_new(void *data, size_t size);
