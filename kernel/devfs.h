/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev: a file system in memory, filled with the devices there are.
 */
#pragma once

#include <stdint.h>

struct dentry;
struct file;

/* Device numbers as stat(2) shows them. */
static inline uint64_t devfs_number(unsigned major, unsigned minor)
{
	return (uint64_t)major << 8 | minor;
}

/* d is a character device. */
int devfs_open_device(struct dentry *d, uint32_t flags, struct file **out);
