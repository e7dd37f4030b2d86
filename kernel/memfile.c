/* SPDX-License-Identifier: Apache-2.0 */
/* See memfile.h. */
#include "kernel/memfile.h"

#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/stat.h>

#include "kernel/file.h"
#include "kernel/kalloc.h"
#include "kernel/uio.h"
#include "kernel/vfs.h"

struct memfile {
	uint8_t *data;
	size_t size;
};

static int64_t memfile_read(struct file *f, struct uio *u, uint64_t *pos)
{
	const struct memfile *m = f->priv;
	size_t n = u->resid;
	int err;

	if (*pos >= m->size)
		return 0;
	if (n > m->size - *pos)
		n = m->size - *pos;
	err = uio_copy_to(u, m->data + *pos, n);
	return err ? err : (int64_t)n;
}

/* Nobody but the kernel reads it, by position: its being there marks the file
 * as one that has positions. */
static int64_t memfile_lseek(struct file *f, int64_t off, int whence)
{
	return whence == SEEK_SET && off >= 0 ? off : -EINVAL;
}

static int memfile_stat(struct file *f, struct kstat *st)
{
	const struct memfile *m = f->priv;

	vfs_anon_stat(st, S_IFREG | 0555, 0);
	st->size = m->size;
	return 0;
}

static void memfile_release(struct file *f)
{
	struct memfile *m = f->priv;

	kfree(m->data);
	kfree(m);
}

static const struct file_ops memfile_ops = {
	.name = "memory",
	.read = memfile_read,
	.lseek = memfile_lseek,
	.stat = memfile_stat,
	.release = memfile_release,
};

struct file *memfile_new(void *data, size_t size)
{
	struct memfile *m = kzalloc(sizeof(*m));
	struct file *f = m ? file_new(&memfile_ops, 0) : NULL;

	if (!f) {
		kfree(m);
		return NULL;
	}
	m->data = data;
	m->size = size;
	f->priv = m;
	return f;
}
