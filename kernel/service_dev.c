/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev/sconce: what abi/service.h says. Only process 1 can open these files,
 * and only process 1 can use one that is open: it does not matter into whose
 * hands a descriptor gets. They are nowhere to be found in the service's own
 * file tree.
 */
#include "abi/service.h"
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/process.h"
#include "kernel/procfs_int.h"
#include "kernel/service.h"
#include "kernel/uio.h"
#include "kernel/volfs.h"
#include "lib/service.h"
#include "lib/string.h"

static bool configured; /* or being so, or in vain */
static uint8_t *answer;
static size_t answer_size, answer_read;

static int64_t configure_write(struct file *f, struct uio *u, uint64_t *pos)
{
	size_t size = u->resid;
	uint8_t *data;
	int err;

	if (curproc != init_process)
		return -EACCES;
	if (size > SERVICE_SIZE_MAX)
		return -EFBIG;
	data = kmalloc(size + 1);
	if (!data)
		return -ENOMEM;
	err = uio_copy_from(u, data, size);
	if (!err && configured)
		err = -EALREADY;
	if (!err) {
		configured = true;
		err = service_configure(data, size, &answer, &answer_size);
	}
	string_wipe(data, size);
	kfree(data);
	return err ? err : (int64_t)size;
}

/* What was read is forgotten: it may have secrets in it. */
static int64_t configure_read(struct file *f, struct uio *u, uint64_t *pos)
{
	size_t at = answer_read;
	size_t n = answer ? u64_min(u->resid, answer_size - at) : 0;
	int err;

	if (curproc != init_process)
		return -EACCES;
	if (!n)
		return 0;
	answer_read += n; /* first: copying may sleep */
	err = uio_copy_to(u, answer + at, n);
	string_wipe(answer + at, n);
	return err ? err : (int64_t)n;
}

static int64_t finish_write(struct file *f, struct uio *u, uint64_t *pos)
{
	size_t n = u->resid;
	int err;

	if (curproc != init_process)
		return -EACCES;
	uio_skip(u, n);
	err = volfs_finish();
	return err ? err : (int64_t)n;
}

static const struct file_ops configure_ops = {
	.name = "configure",
	.read = configure_read,
	.write = configure_write,
};
static const struct file_ops finish_ops = {
	.name = "finish",
	.write = finish_write,
};

static const struct proc_file files[] = {{"configure", NULL, NULL},
	{"finish", NULL, NULL}, {"secrets", NULL, NULL}, {"tags", NULL, NULL}};
static const struct file_ops *const ops[] = {
	&configure_ops, &finish_ops, &service_secrets_ops, &service_tags_ops};

static uint32_t service_mode(size_t row)
{
	return 0600;
}

static int service_open(
	struct dentry *d, size_t row, uint32_t flags, struct file **out)
{
	if (curproc != init_process)
		return -EACCES;
	return vfs_file_new(ops[row], flags & (O_ACCMODE | O_NONBLOCK), d, out);
}

int servicefs_mount(struct mount *m, const char *source, uint64_t size)
{
	static const struct tree_ops tree_ops = {service_mode, service_open};
	static const struct tree tree = {
		files, ARRAY_SIZE(files), false, &tree_ops};

	if (source && strcmp(source, "secret") == 0)
		return secretfs_mount(m);
	return procfs_mount_tree(m, &tree);
}
