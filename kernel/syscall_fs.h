/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the families of file system calls share.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kernel/sys.h"

struct file;
struct kstat;
struct uio;

/* Reads or writes at *pos with all checks of mode and range; streams ignore
 * pos. Bytes or -errno. Does not advance *pos. */
int64_t file_transfer(struct file *f, struct uio *u, uint64_t *pos, bool write);
