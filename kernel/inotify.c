/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/vfs.h"

void vfs_notify(struct dentry *d, uint32_t mask)
{
}

void vfs_notify_file(struct file *f, uint32_t mask)
{
}
