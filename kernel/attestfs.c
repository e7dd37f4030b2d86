/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev/attestation: what attest/device.h has, as files. What is written for
 * reports is of the process that writes it.
 */
#include "attest/device.h"

#include "kernel/boot.h"
#include "kernel/csprng.h"
#include "kernel/file.h"
#include "kernel/fpu.h"
#include "kernel/fsabi.h"
#include "kernel/hostcall.h"
#include "kernel/identity.h"
#include "kernel/kalloc.h"
#include "kernel/process.h"
#include "kernel/procfs_int.h"
#include "kernel/uio.h"
#include "lib/config.h"
#include "lib/string.h"

static const struct device_ops ops = {
	.alloc = kmalloc,
	.free = kfree,
	.compute_begin = kernel_fpu_begin,
	.compute_end = kernel_fpu_end,
	.random = csprng_fill,
	.report = identity_report,
	.key = identity_key,
	.quote_target = host_quote_target,
	.quote = host_quote,
};

struct open {
	struct device_file device;
	struct mutex lock; /* its memory changes across sleep points */
	uint64_t at; /* of a stream */
};

/* -EACCES: the manifest does not let programs use it. */
static int state_for(const struct device_node *node, struct device_state **s)
{
	if (node->right && curproc != init_process &&
		!(node->right & boot_config()->attestation))
		return -EACCES;
	if (!curproc->attest)
		curproc->attest = kzalloc(sizeof(*curproc->attest));
	*s = curproc->attest;
	return *s ? 0 : -ENOMEM;
}

static int64_t attest_read(struct file *f, struct uio *u, uint64_t *pos)
{
	struct open *o = f->priv;
	uint64_t at = pos ? *pos : o->at;
	size_t n;
	int err;

	mutex_lock(&o->lock);
	err = device_prepare(&o->device);
	n = at < o->device.out_size ? u64_min(u->resid, o->device.out_size - at)
				    : 0;
	if (!err && n)
		err = uio_copy_to(u, o->device.out + at, n);
	if (!err)
		o->at = at + n;
	mutex_unlock(&o->lock);
	return err ? err : (int64_t)n;
}

static int64_t attest_write(struct file *f, struct uio *u, uint64_t *pos)
{
	struct open *o = f->priv;
	size_t size = u64_min(u->resid, o->device.node->in_max + 1);
	uint8_t *data = kmalloc(size + 1);
	struct device_state *s;
	int64_t n = data ? state_for(o->device.node, &s) : -ENOMEM;

	mutex_lock(&o->lock);
	if (!n)
		n = uio_copy_from(u, data, size);
	if (!n) {
		n = device_write(&o->device, s, data, size);
		o->at = 0;
	}
	mutex_unlock(&o->lock);
	if (data)
		string_wipe(data, size);
	kfree(data);
	if (n == (int64_t)size) { /* what is beyond in_max is cut */
		n += (int64_t)u->resid;
		uio_skip(u, u->resid);
	}
	return n;
}

static int64_t attest_lseek(struct file *f, int64_t off, int whence)
{
	const struct open *o = f->priv;

	return vfs_seek(f, off, whence, o->device.out_size);
}

static void attest_release(struct file *f)
{
	struct open *o = f->priv;

	device_close(&o->device);
	kfree(o);
}

static const struct file_ops file_ops = {
	.name = "attestation",
	.read = attest_read,
	.write = attest_write,
	.lseek = attest_lseek,
	.release = attest_release,
};
/* A write begins what is read: a place in it would mean nothing. */
static const struct file_ops stream_ops = {
	.name = "attestation",
	.read = attest_read,
	.write = attest_write,
	.release = attest_release,
};

static int attest_open(
	struct dentry *d, size_t row, uint32_t flags, struct file **out)
{
	const struct device_node *node = &device_nodes[row];
	struct device_state *s;
	struct open *o;
	int err = state_for(node, &s);

	if (err)
		return err;
	o = kzalloc(sizeof(*o));
	if (!o)
		return -ENOMEM;
	mutex_init(&o->lock);
	err = device_open(&o->device, node, &ops, s);
	if (!err)
		err = vfs_file_new(node->transact ? &stream_ops : &file_ops,
			flags & (O_ACCMODE | O_NONBLOCK), d, out);
	if (err) {
		device_close(&o->device);
		kfree(o);
		return err;
	}
	(*out)->priv = o;
	return 0;
}

static uint32_t attest_mode(size_t row)
{
	return device_nodes[row].mode;
}

int attestfs_mount(struct mount *m, const char *source, uint64_t size)
{
	static const struct tree_ops tree_ops = {attest_mode, attest_open};
	struct proc_file *rows = kzalloc(device_node_count * sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < device_node_count; i++)
		rows[i].path = device_nodes[i].path;
	return procfs_mount_tree(
		m, &(struct tree){rows, device_node_count, false, &tree_ops});
}
