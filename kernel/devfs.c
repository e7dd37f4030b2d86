/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/devfs.h"

#include "kernel/csprng.h"
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/hostcall.h"
#include "kernel/hostfs.h"
#include "kernel/tmpfs.h"
#include "kernel/uio.h"
#include "kernel/vfs.h"
#include "lib/string.h"
#include "lib/types.h"

/* ---- the devices ---- */

static int64_t null_read(struct file *f, struct uio *u, uint64_t *pos)
{
	return 0;
}

static int64_t sink_write(struct file *f, struct uio *u, uint64_t *pos)
{
	size_t n = u->resid;

	uio_skip(u, n);
	return (int64_t)n;
}

static int64_t zero_read(struct file *f, struct uio *u, uint64_t *pos)
{
	size_t n = u->resid;
	int err = uio_clear(u, n);

	return err ? err : (int64_t)n;
}

static int64_t full_write(struct file *f, struct uio *u, uint64_t *pos)
{
	return -ENOSPC;
}

static int64_t random_read(struct file *f, struct uio *u, uint64_t *pos)
{
	uint8_t piece[256];
	int64_t done = 0;

	while (u->resid) {
		size_t n = u64_min(u->resid, sizeof(piece));
		int err;

		csprng_fill(piece, n);
		err = uio_copy_to(u, piece, n);
		string_wipe(piece, sizeof(piece));
		if (err)
			return done ? done : err;
		done += (int64_t)n;
	}
	return done;
}

static int64_t device_lseek(struct file *f, int64_t off, int whence)
{
	f->pos = 0;
	return 0;
}

static const struct file_ops null_ops = {
	.name = "null",
	.read = null_read,
	.write = sink_write,
	.lseek = device_lseek,
};
static const struct file_ops zero_ops = {
	.name = "zero",
	.read = zero_read,
	.write = sink_write,
	.lseek = device_lseek,
};
static const struct file_ops full_ops = {
	.name = "full",
	.read = zero_read,
	.write = full_write,
	.lseek = device_lseek,
};
static const struct file_ops random_ops = {
	.name = "random",
	.read = random_read,
	.write = sink_write,
	.lseek = device_lseek,
};

static const struct {
	const char *name;
	uint16_t major, minor;
	const struct file_ops *ops; /* NULL: the host's, see below */
} devices[] = {
	{"null", 1, 3, &null_ops},
	{"zero", 1, 5, &zero_ops},
	{"full", 1, 7, &full_ops},
	{"random", 1, 8, &random_ops},
	{"urandom", 1, 9, &random_ops},
	{"tty", 5, 0, NULL},
};

static const struct {
	const char *name, *target;
} links[] = {
	{"fd", "/proc/self/fd"},
	{"stdin", "/proc/self/fd/0"},
	{"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"},
};

/* The controlling terminal: the launcher's, if it has one. */
static int open_tty(struct dentry *d, uint32_t flags, struct file **out)
{
	struct kstat h;
	int64_t fd = host_open(
		HOST_AT_FDCWD, "/dev/tty", flags & O_ACCMODE, 0, &h);

	if (fd < 0)
		return fd == -ENOENT ? -ENXIO : (int)fd;
	return hostfs_stream_new(NULL, flags, (int)fd, &h, out);
}

int devfs_open_device(struct dentry *d, uint32_t flags, struct file **out)
{
	uint64_t rdev = tmpfs_node(d->vnode)->rdev;

	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		if (devfs_number(devices[i].major, devices[i].minor) != rdev)
			continue;
		if (!devices[i].ops)
			return open_tty(d, flags, out);
		return vfs_file_new(devices[i].ops, flags, d, out);
	}
	return -ENXIO;
}

static int add(const struct mount *m, const char *name, uint32_t mode,
	uint64_t rdev, const char *target)
{
	struct dentry *d = tmpfs_add(m->root, name, mode, rdev, target);

	dentry_put(d);
	return d ? 0 : -ENOMEM;
}

int devfs_mount(struct mount *m, const char *source, uint64_t size)
{
	int err = tmpfs_mount(m, source, size);

	if (!err)
		m->root->vnode->mode = S_IFDIR | 0755;
	for (size_t i = 0; !err && i < ARRAY_SIZE(devices); i++)
		err = add(m, devices[i].name, S_IFCHR | 0666,
			devfs_number(devices[i].major, devices[i].minor), NULL);
	for (size_t i = 0; !err && i < ARRAY_SIZE(links); i++)
		err = add(m, links[i].name, S_IFLNK | 0777, 0, links[i].target);
	err = err ? err : add(m, "attestation", S_IFDIR | 0755, 0, NULL);
	return err ? err : add(m, "shm", S_IFDIR | S_ISVTX | 0777, 0, NULL);
}
