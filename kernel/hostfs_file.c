/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open regular files and directories of the host. The offset is kept here
 * and every transfer names it; only directories use the host's own offset.
 */
#include "kernel/hostfs.h"

#include "abi/hostfile.h"
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/hostcall.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/uio.h"
#include "lib/string.h"
#include "lib/types.h"

enum { TRANSFER_MAX = 1 << 20, DENTS_SIZE = 32768 };

/* f->priv of an append-only writer whose offset only the host knows. */
#define POS_UNKNOWN ((void *)1)

static int64_t end_of_file(struct file *f)
{
	struct kstat st;
	int err = hostfs_getattr(f->dentry, f->vnode, f, &st);

	return err ? err : (int64_t)st.size;
}

static int64_t settle_pos(struct file *f)
{
	if (f->priv == POS_UNKNOWN) {
		int64_t end = end_of_file(f);

		if (end < 0)
			return end;
		f->pos = (uint64_t)end;
		f->priv = NULL;
	}
	return 0;
}

static int64_t hostfile_read(struct file *f, struct uio *u, uint64_t *pos)
{
	int64_t done = 0;

	if (f->priv == POS_UNKNOWN && pos == &f->pos) {
		done = settle_pos(f);
		if (done)
			return done;
	}
	if (u->resid <= HOSTCACHE_READ_MAX) {
		bool whole;

		done = hostcache_read(f, u, *pos, &whole);
		if (done < 0 || whole)
			return done;
	}
	while (u->resid) {
		uint64_t size = u64_min(u->resid, TRANSFER_MAX);
		int64_t n = host_pread(
			f->host_fd, u, size, *pos + (uint64_t)done);

		if (n < 0)
			return done ? done : n;
		done += n;
		if ((uint64_t)n < size)
			break;
	}
	return done;
}

static int64_t hostfile_write(struct file *f, struct uio *u, uint64_t *pos)
{
	bool append = f->flags & O_APPEND;
	int64_t done = 0;

	while (u->resid) {
		uint64_t size = u64_min(u->resid, TRANSFER_MAX);
		int64_t n = append ? host_write(f->host_fd, u, size)
				   : host_pwrite(f->host_fd, u, size,
					     *pos + (uint64_t)done);

		hostfs_changed(f->vnode);
		if (n < 0) {
			if (!done)
				return n;
			break;
		}
		done += n;
		if ((uint64_t)n < size)
			break;
	}
	if (append)
		f->priv = POS_UNKNOWN;
	return done;
}

static int64_t hostfile_lseek(struct file *f, int64_t off, int whence)
{
	int64_t end = 0;

	if (whence == SEEK_DATA || whence == SEEK_HOLE) {
		off = host_seek(f->host_fd, (uint64_t)off, (uint64_t)whence);
		whence = SEEK_SET;
		end = off < 0 ? off : 0;
	} else if (whence == SEEK_CUR) {
		end = settle_pos(f);
	} else if (whence == SEEK_END) {
		end = end_of_file(f);
	}
	if (end < 0)
		return end;
	off = vfs_seek(f, off, whence, (uint64_t)end);
	if (off >= 0)
		f->priv = NULL;
	return off;
}

static int hostfile_fsync(struct file *f, bool data_only)
{
	return (int)host_fsync(f->host_fd, data_only);
}

static int hostfile_truncate(struct file *f, uint64_t size)
{
	struct kattr h = {.valid = ATTR_SIZE, .size = size};
	int err = (int)host_fsetattr(f->host_fd, &h);

	hostfs_changed(f->vnode);
	return err;
}

static int hostfile_fallocate(
	struct file *f, int mode, uint64_t off, uint64_t len)
{
	int err = (int)host_fallocate(f->host_fd, (uint64_t)mode, off, len);

	hostfs_changed(f->vnode);
	return err;
}

static int hostfile_setfl(struct file *f, uint32_t flags)
{
	return (int)host_set_append(f->host_fd, (flags & O_APPEND) != 0);
}

static int64_t hostfile_ioctl(struct file *f, uint32_t cmd, uint64_t u_arg)
{
	return -ENOTTY;
}

static void hostfile_release(struct file *f)
{
	if (!hostfs_idle_keep(f))
		host_close(f->host_fd);
}

static const struct file_ops hostfile_ops = {
	.name = "hostfile",
	.read = hostfile_read,
	.write = hostfile_write,
	.lseek = hostfile_lseek,
	.ioctl = hostfile_ioctl,
	.fsync = hostfile_fsync,
	.truncate = hostfile_truncate,
	.fallocate = hostfile_fallocate,
	.setfl = hostfile_setfl,
	.release = hostfile_release,
};

/* ---- directories ---- */

struct wire_dirent { /* as getdents64(2) gives it */
	uint64_t ino;
	uint64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

/* Hands over the records of buf; their last offset goes to *off. */
static int take_entries(struct dirent_sink *sink, const uint8_t *buf,
	size_t size, uint64_t *off)
{
	size_t head = offsetof(struct wire_dirent, name);

	while (size) {
		const struct wire_dirent *e = (const void *)buf;
		size_t len;
		int err;

		if (size <= head || e->reclen <= head || e->reclen > size ||
			e->reclen % 8)
			panic_host("directory record");
		len = strnlen(e->name, e->reclen - head);
		if (len == 0 || len == e->reclen - head || len > VFS_NAME_MAX ||
			memchr(e->name, '/', len) || e->off > INT64_MAX)
			panic_host("directory entry");
		err = sink->add(sink, e->name, len, e->ino, e->off, e->type);
		if (err)
			return err;
		*off = e->off;
		buf += e->reclen;
		size -= e->reclen;
	}
	return 0;
}

static int hostdir_getdents(struct file *f, struct dirent_sink *sink)
{
	size_t size = u64_min(sink->room, DENTS_SIZE) & ~(size_t)7;
	uint8_t *buf;
	int64_t n;
	int err;

	if (size < 24)
		return -EINVAL;
	buf = kmalloc(size);
	if (!buf)
		return -ENOMEM;
	n = host_getdents(f->host_fd, buf, size);
	err = n < 0 ? (int)n : take_entries(sink, buf, (size_t)n, &f->pos);
	kfree(buf);
	return err;
}

static int64_t hostdir_lseek(struct file *f, int64_t off, int whence)
{
	int64_t r;

	if (whence == SEEK_CUR && off == 0)
		return (int64_t)f->pos;
	if (whence != SEEK_SET || off < 0)
		return -EINVAL;
	r = host_seek(f->host_fd, (uint64_t)off, SEEK_SET);
	if (r >= 0)
		f->pos = (uint64_t)r;
	return r;
}

static const struct file_ops hostdir_ops = {
	.name = "hostdir",
	.lseek = hostdir_lseek,
	.fsync = hostfile_fsync,
	.getdents = hostdir_getdents,
	.release = hostfile_release,
};

int hostfs_file_new(
	struct dentry *d, uint32_t flags, int host_fd, struct file **out)
{
	const struct file_ops *ops = S_ISDIR(d->vnode->mode) ? &hostdir_ops
							     : &hostfile_ops;
	int err;

	err = vfs_file_new(ops, flags, d, out);
	if (err) {
		host_close(host_fd);
		return err;
	}
	(*out)->host_fd = host_fd;
	return 0;
}
