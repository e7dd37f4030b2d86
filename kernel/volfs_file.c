/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files of a volume. Contents are the volume's blocks; a page that is
 * mapped shared is *lent* (pagestore.h): what programs see is the page at its
 * address, which write(2) keeps equal to the volume and which goes back to the
 * volume when it is synced or no longer mapped.
 */
#include "abi/layout.h"
#include "kernel/file.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/pagestore.h"
#include "kernel/pipe.h"
#include "kernel/uaccess.h"
#include "kernel/uio.h"
#include "kernel/volfs.h"
#include "lib/string.h"
#include "lib/types.h"

_Static_assert(VOL_BLOCK_SIZE == PAGE_SIZE, "a block is a page");

enum { WRITE_PIECE = 128 * 1024 };

/* ---- reading and writing ---- */

struct transfer {
	struct volfs_node *n;
	struct uio *u;
	uint64_t pos; /* of the next piece */
};

/* The address where the page at pos lives, or 0. */
static uint64_t lent_at(const struct volfs_node *n, uint64_t pos)
{
	uintptr_t *e = n->lent_count ? pagemap_find(&n->lent, pos / PAGE_SIZE)
				     : NULL;

	return e ? *e : 0;
}

static int copy_out(void *arg, void *data, size_t size)
{
	struct transfer *t = arg;
	uint64_t addr = lent_at(t->n, t->pos);
	int err = 0;

	if (addr) {
		/* Others may look at data: it is not ours to change. */
		void *page = kmalloc(size);

		if (!page)
			return -ENOMEM;
		err = user_read(page, addr + t->pos % PAGE_SIZE, size);
		if (!err)
			err = uio_copy_to(t->u, page, size);
		kfree(page);
	} else {
		err = uio_copy_to(t->u, data, size);
	}
	t->pos += size;
	return err;
}

/* What was written at pos, to the pages that are lent. */
static int update_lent(
	struct volfs_node *n, uint64_t pos, const uint8_t *data, uint64_t size)
{
	int err = 0;

	while (!err && size && n->lent_count) {
		uint64_t addr = lent_at(n, pos);
		uint64_t part = u64_min(size, PAGE_SIZE - pos % PAGE_SIZE);

		if (addr)
			err = user_write(addr + pos % PAGE_SIZE, data, part);
		pos += part;
		data += part;
		size -= part;
	}
	return err;
}

static uint64_t size_of(const struct volfs_node *n)
{
	struct volume_attr a;

	volume_getattr(n->n, &a);
	return a.size;
}

/* As Linux by default: only if it is older than the last change, or a day. */
static void touch_atime(struct file *f)
{
	struct volfs_node *n = volfs_node(f->vnode);
	struct volume_attr a;
	struct vtime now = vfs_now();

	if ((f->flags & O_NOATIME) || f->vnode->mount->readonly)
		return;
	volume_getattr(n->n, &a);
	if (a.sec[VOL_ATIME] > a.sec[VOL_MTIME] &&
		a.sec[VOL_ATIME] > a.sec[VOL_CTIME] &&
		now.sec - a.sec[VOL_ATIME] < 86400)
		return;
	if (a.sec[VOL_ATIME] == now.sec)
		return;
	a.sec[VOL_ATIME] = now.sec;
	a.nsec[VOL_ATIME] = (uint32_t)now.nsec;
	/* A read succeeds though its time cannot be kept. */
	if (volume_setattr(n->n, VOLUME_SET_ATIME | VOLUME_KEEP_CTIME, &a))
		return;
}

static int64_t volfile_read(struct file *f, struct uio *u, uint64_t *pos)
{
	struct volfs_node *n = volfs_node(f->vnode);
	struct transfer t = {n, u, *pos};
	int64_t r = volume_read_by(n->n, *pos, u->resid, copy_out, &t);

	if (r > 0)
		touch_atime(f);
	return r;
}

static int sync_file(struct volfs_node *n);

/*
 * Through a buffer: a change of the volume must not wait for a page of the
 * program, whose loading may wait for the volume.
 */
static int64_t write_pieces(struct volfs_node *n, struct uio *u, uint64_t pos)
{
	size_t size = u64_min(u->resid, WRITE_PIECE);
	uint8_t *buf = kmalloc(size ? size : 1);
	int64_t done = 0, r = 0;

	if (!buf)
		return -ENOMEM;
	while (u->resid) {
		size_t part = u64_min(u->resid, size);

		r = uio_copy_from(u, buf, part);
		if (!r)
			r = volume_write(n->n, pos, buf, part);
		if (r <= 0)
			break;
		done += r;
		if ((size_t)r < part || update_lent(n, pos, buf, (size_t)r))
			break;
		pos += (uint64_t)r;
	}
	kfree(buf);
	return done ? done : r;
}

static int64_t volfile_write(struct file *f, struct uio *u, uint64_t *pos)
{
	struct volfs_node *n = volfs_node(f->vnode);
	bool append = f->flags & O_APPEND;
	int64_t r;

	if (append) {
		mutex_lock(&n->append);
		*pos = size_of(n);
	}
	r = write_pieces(n, u, *pos);
	if (append)
		mutex_unlock(&n->append);
	if (r > 0 && (f->flags & (O_SYNC | O_DSYNC))) {
		int err = sync_file(n);

		if (err)
			return err;
	}
	return r;
}

static int64_t volfile_lseek(struct file *f, int64_t off, int whence)
{
	struct volfs_node *n = volfs_node(f->vnode);

	if (whence == SEEK_DATA || whence == SEEK_HOLE) {
		off = off < 0
			? -ENXIO
			: volume_seek(n->n, (uint64_t)off, whence == SEEK_HOLE);
		if (off < 0)
			return off;
		whence = SEEK_SET;
	}
	return vfs_seek(f, off, whence, size_of(n));
}

static int volfile_fsync(struct file *f, bool data_only)
{
	return sync_file(volfs_node(f->vnode));
}

/* The part of a lent page from pos to the page's end becomes zero. */
static int clear_lent(struct volfs_node *n, uint64_t pos, uint64_t size)
{
	uint64_t addr = lent_at(n, pos);

	return addr ? user_clear(addr + pos % PAGE_SIZE, size) : 0;
}

/* The same with a range of pages. */
static int clear_lent_range(struct volfs_node *n, uint64_t pos, uint64_t end)
{
	int err = 0;

	if (!n->lent_count)
		return 0;
	end = u64_min(end, n->lent.leaves * PAGEMAP_LEAF * PAGE_SIZE);
	while (!err && pos < end) {
		uint64_t part = PAGE_SIZE - pos % PAGE_SIZE;

		if (part > end - pos)
			part = end - pos;
		err = clear_lent(n, pos, part);
		pos += part;
	}
	return err;
}

int volfs_set_size(struct volfs_node *n, uint64_t size)
{
	struct volume_attr a = {.size = size};
	int err = volume_setattr(n->n, VOLUME_SET_SIZE, &a);

	return err ? err : clear_lent_range(n, size, UINT64_MAX);
}

static int volfile_truncate(struct file *f, uint64_t size)
{
	return volfs_set_size(volfs_node(f->vnode), size);
}

static int volfile_fallocate(
	struct file *f, int mode, uint64_t off, uint64_t len)
{
	struct volfs_node *n = volfs_node(f->vnode);
	uint64_t size = size_of(n), end = off + len;
	int err = 0;

	if (mode &
		~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE |
			FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	if ((mode & FALLOC_FL_PUNCH_HOLE) && !(mode & FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
		err = volume_punch(n->n, off, len);
		if (!err)
			err = clear_lent_range(n, off, end);
	}
	/* Space is taken when it is written: a volume never overwrites. */
	if (!err && !(mode & FALLOC_FL_KEEP_SIZE) && end > size)
		err = volfs_set_size(n, end);
	return err;
}

static const struct file_ops volfile_ops = {
	.name = "volume",
	.read = volfile_read,
	.write = volfile_write,
	.lseek = volfile_lseek,
	.fsync = volfile_fsync,
	.truncate = volfile_truncate,
	.fallocate = volfile_fallocate,
};

/* ---- directories ---- */

static int64_t voldir_read(struct file *f, struct uio *u, uint64_t *pos)
{
	return -EISDIR;
}

struct listing {
	struct file *f;
	struct dirent_sink *sink;
};

/* The volume's positions begin behind "." and "..". */
enum { DOTS = 2 };

static int list_entry_of(void *arg, const char *name, size_t len, uint64_t ino,
	uint32_t type, uint64_t next)
{
	struct listing *l = arg;
	int err = l->sink->add(l->sink, name, len, ino, next + DOTS, type & 15);

	if (!err)
		l->f->pos = next + DOTS;
	return err;
}

static int voldir_getdents(struct file *f, struct dirent_sink *sink)
{
	struct listing l = {f, sink};
	struct volfs_node *dir = volfs_node(f->vnode);
	int err;

	if (f->pos == 0) {
		err = sink->add(sink, ".", 1, f->vnode->ino, 1, DT_DIR);
		if (err)
			return err;
		f->pos = 1;
	}
	if (f->pos == 1) {
		err = sink->add(
			sink, "..", 2, volume_parent(dir->n), DOTS, DT_DIR);
		if (err)
			return err;
		f->pos = DOTS;
	}
	return volume_readdir(dir->n, f->pos - DOTS, list_entry_of, &l);
}

static const struct file_ops voldir_ops = {
	.name = "volume",
	.read = voldir_read,
	.lseek = vfs_seek_endless,
	.fsync = volfile_fsync,
	.getdents = voldir_getdents,
};

/* ---- opening ---- */

int volfs_open_node(struct dentry *d, uint32_t flags, struct file **out)
{
	uint32_t mode = d->vnode->mode;
	uint32_t keep = flags &
		~(uint32_t)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
	int err;

	if (S_ISREG(mode)) {
		if (flags & O_TRUNC) {
			err = volfs_set_size(volfs_node(d->vnode), 0);
			if (err)
				return err;
		}
		return vfs_file_new(&volfile_ops, keep, d, out);
	}
	if (S_ISDIR(mode))
		return vfs_file_new(&voldir_ops, keep, d, out);
	if (S_ISFIFO(mode))
		return vfs_open_fifo(
			&volfs_node(d->vnode)->fifo, flags, d, out);
	return -ENXIO; /* sockets are connected to, not opened */
}

/* ---- shared mappings ---- */

static int page_lend(struct vnode *v, uint64_t index, uint64_t addr, void *buf)
{
	struct volfs_node *n = volfs_node(v);
	uint64_t pos = index * PAGE_SIZE;
	uintptr_t *e;
	int64_t r;

	if (pos >= size_of(n))
		return -ENXIO;
	if (!pagemap_make(&n->lent, index))
		return -ENOMEM;
	r = volume_read(n->n, pos, buf, PAGE_SIZE);
	if (r < 0)
		return (int)r;
	memset((char *)buf + r, 0, PAGE_SIZE - (size_t)r);
	e = pagemap_find(&n->lent, index);
	if (!e || *e)
		return -EBUSY;
	*e = addr;
	n->lent_count++;
	return 0;
}

/* What the program left at the address of that page, to the volume; data is a
 * page's copy of it, so that a program that writes meanwhile does no harm. */
static int write_back(struct volfs_node *n, uint64_t index, const void *data)
{
	uint64_t pos = index * PAGE_SIZE, size = size_of(n);
	size_t part = u64_min(size > pos ? size - pos : 0, PAGE_SIZE);
	void *old = kmalloc(PAGE_SIZE);
	int64_t r = part;

	if (!old)
		return -ENOMEM;
	if (part)
		r = volume_read(n->n, pos, old, part);
	if (r == (int64_t)part && memcmp(old, data, part) != 0)
		r = volume_write(n->n, pos, data, part);
	kfree(old);
	return r < 0 ? (int)r : r == (int64_t)part ? 0 : -EIO;
}

static int page_take_back(struct vnode *v, uint64_t index, const void *addr)
{
	struct volfs_node *n = volfs_node(v);
	uintptr_t *e = pagemap_find(&n->lent, index);
	int err;

	if (!e || *e != (uintptr_t)addr)
		return 0;
	err = write_back(n, index, addr);
	e = pagemap_find(&n->lent, index);
	if (e)
		*e = 0;
	n->lent_count--;
	return err;
}

/* All lent pages as they are now, then everything of the volume. */
static int sync_file(struct volfs_node *n)
{
	uint64_t pages = n->lent_count ? n->lent.leaves * PAGEMAP_LEAF : 0;
	void *copy = pages ? kmalloc(PAGE_SIZE) : NULL;
	int err = pages && !copy ? -ENOMEM : 0;

	for (uint64_t i = 0; !err && i < pages; i++) {
		uint64_t addr = lent_at(n, i * PAGE_SIZE);

		if (!addr) {
			if (!pagemap_find(&n->lent, i))
				i |= PAGEMAP_LEAF - 1;
			continue;
		}
		err = user_read(copy, addr, PAGE_SIZE);
		if (!err)
			err = write_back(n, i, copy);
	}
	kfree(copy);
	return err ? err : volume_sync(volfs_of(&n->v)->volume);
}

static int page_sync(struct vnode *v)
{
	return sync_file(volfs_node(v));
}

const struct pagestore_ops volfs_pagestore = {
	.lend = page_lend,
	.take_back = page_take_back,
	.sync = page_sync,
};
