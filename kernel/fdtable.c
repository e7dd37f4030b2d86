/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptor tables: an array of files, one bitmap of used descriptors to
 * find the lowest free one, one of close-on-exec marks.
 */
#include "kernel/file.h"

#include "kernel/flock.h"
#include "kernel/fsabi.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"
#include "kernel/process.h"
#include "kernel/uaccess.h"
#include "kernel/vfs.h"
#include "lib/string.h"
#include "lib/types.h"

enum {
	FIRST_SLOTS = 64,
	MAX_SLOTS = 1 << 20,
	RLIMIT_NOFILE_INDEX = 7,
};

struct fdtable {
	uint32_t refs;
	uint32_t slots; /* multiple of 64 */
	uint32_t hint; /* no free descriptor below */
	struct file **file;
	uint64_t *used, *cloexec;
};

static bool bit(const uint64_t *map, uint32_t i)
{
	return map[i / 64] >> (i % 64) & 1;
}

static void bit_set(uint64_t *map, uint32_t i, bool on)
{
	if (on)
		map[i / 64] |= 1ull << (i % 64);
	else
		map[i / 64] &= ~(1ull << (i % 64));
}

/* One allocation: files, then both bitmaps. */
static int grow(struct fdtable *t, uint32_t slots)
{
	size_t words = slots / 64;
	struct file **file = kzalloc(
		slots * sizeof(*file) + 2 * words * sizeof(uint64_t));
	uint64_t *map;

	if (!file)
		return -ENOMEM;
	map = (uint64_t *)(void *)(file + slots);
	if (t->slots) {
		memcpy(file, t->file, t->slots * sizeof(*file));
		memcpy(map, t->used, t->slots / 8);
		memcpy(map + words, t->cloexec, t->slots / 8);
		kfree(t->file);
	}
	t->file = file;
	t->used = map;
	t->cloexec = map + words;
	t->slots = slots;
	return 0;
}

static int grow_to(struct fdtable *t, uint32_t fd)
{
	uint32_t slots = t->slots;

	while (slots <= fd)
		slots *= 2;
	return slots == t->slots ? 0 : grow(t, slots);
}

struct fdtable *fdtable_new(void)
{
	struct fdtable *t = kzalloc(sizeof(*t));

	if (!t)
		return NULL;
	t->refs = 1;
	if (grow(t, FIRST_SLOTS)) {
		kfree(t);
		return NULL;
	}
	return t;
}

struct fdtable *fdtable_get(struct fdtable *t)
{
	t->refs++;
	return t;
}

/* The descriptor is free before anything can sleep. */
static void close_slot(struct fdtable *t, uint32_t fd)
{
	struct file *f = t->file[fd];

	t->file[fd] = NULL;
	bit_set(t->used, fd, false);
	bit_set(t->cloexec, fd, false);
	if (fd < t->hint)
		t->hint = fd;
	if (f->vnode && f->vnode->locks)
		flock_posix_release(f->vnode, t);
	if (f->ops->flush)
		f->ops->flush(f, curproc);
	file_put(f);
}

void fdtable_put(struct fdtable *t)
{
	if (!t)
		return;
	ASSERT(t->refs > 0);
	if (--t->refs > 0)
		return;
	for (uint32_t w = 0; w < t->slots / 64; w++) {
		while (t->used[w])
			close_slot(t,
				w * 64 + (uint32_t)__builtin_ctzll(t->used[w]));
	}
	kfree(t->file);
	kfree(t);
}

int fdtable_copy(const struct fdtable *t, struct fdtable **out)
{
	struct fdtable *n = kzalloc(sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->refs = 1;
	n->hint = t->hint;
	if (grow(n, t->slots)) {
		kfree(n);
		return -ENOMEM;
	}
	memcpy(n->file, t->file, t->slots * sizeof(*n->file));
	memcpy(n->used, t->used, t->slots / 8);
	memcpy(n->cloexec, t->cloexec, t->slots / 8);
	for (uint32_t i = 0; i < n->slots; i++) {
		if (n->file[i])
			file_get(n->file[i]);
	}
	*out = n;
	return 0;
}

void fdtable_close_exec(struct fdtable *t)
{
	for (uint32_t w = 0; w < t->slots / 64; w++) {
		uint64_t left;

		while ((left = t->cloexec[w] & t->used[w]))
			close_slot(t, w * 64 + (uint32_t)__builtin_ctzll(left));
	}
}

struct file *fdtable_file(struct fdtable *t, int fd)
{
	if (fd < 0 || (uint32_t)fd >= t->slots || !t->file[fd])
		return NULL;
	return file_get(t->file[fd]);
}

int fdtable_next(struct fdtable *t, int from, struct file **out)
{
	for (uint32_t i = (uint32_t)from; i < t->slots; i++) {
		if (t->file[i]) {
			if (out)
				*out = file_get(t->file[i]);
			return (int)i;
		}
	}
	return -1;
}

struct file *fd_get_path(int fd)
{
	return fdtable_file(curproc->files, fd);
}

struct file *fd_get(int fd)
{
	struct fdtable *t = curproc->files;

	if (fd < 0 || (uint32_t)fd >= t->slots || !t->file[fd] ||
		(t->file[fd]->flags & O_PATH))
		return NULL;
	return file_get(t->file[fd]);
}

static uint64_t slot_limit(void)
{
	return u64_min(curproc->rlimit[RLIMIT_NOFILE_INDEX][0], MAX_SLOTS);
}

static void place(struct fdtable *t, uint32_t fd, struct file *f, bool cloexec)
{
	t->file[fd] = f;
	bit_set(t->used, fd, true);
	bit_set(t->cloexec, fd, cloexec);
}

int fd_install(struct file *f, bool cloexec, int from)
{
	struct fdtable *t = curproc->files;
	uint32_t fd;
	bool from_hint;

	if (from < 0)
		return -EINVAL;
	from_hint = (uint32_t)from <= t->hint;
	fd = from_hint ? t->hint : (uint32_t)from;
	while (fd < t->slots) {
		uint64_t free = ~t->used[fd / 64] & ~0ull << (fd % 64);

		if (free) {
			fd = fd / 64 * 64 + (uint32_t)__builtin_ctzll(free);
			break;
		}
		fd = fd / 64 * 64 + 64;
	}
	if (fd >= slot_limit())
		return -EMFILE;
	if (grow_to(t, fd))
		return -ENOMEM;
	place(t, fd, f, cloexec);
	if (from_hint)
		t->hint = fd + 1;
	return (int)fd;
}

int fd_install_new(struct file *f, bool cloexec)
{
	int fd = fd_install(f, cloexec, 0);

	if (fd < 0)
		file_put(f);
	return fd;
}

int fd_install_pair(
	struct file *a, struct file *b, bool cloexec, uint64_t u_fds)
{
	int fds[2], err;

	fds[0] = fd_install_new(a, cloexec);
	fds[1] = fd_install_new(b, cloexec);
	err = fds[0] < 0 ? fds[0] : fds[1] < 0 ? fds[1] : 0;
	if (!err)
		err = user_write(u_fds, fds, sizeof(fds));
	for (int i = 0; err && i < 2; i++)
		if (fds[i] >= 0)
			fd_close(fds[i]);
	return err;
}

int fd_install_at(struct file *f, bool cloexec, int fd)
{
	struct fdtable *t = curproc->files;
	int err;

	if (fd < 0 || (uint64_t)fd >= slot_limit())
		return -EBADF;
	err = grow_to(t, (uint32_t)fd);
	if (err)
		return err;
	if (t->file[fd]) {
		struct file *old = t->file[fd];

		place(t, (uint32_t)fd, f, cloexec);
		if (old->vnode && old->vnode->locks)
			flock_posix_release(old->vnode, t);
		if (old->ops->flush)
			old->ops->flush(old, curproc);
		file_put(old);
		return fd;
	}
	place(t, (uint32_t)fd, f, cloexec);
	return fd;
}

int fd_close(int fd)
{
	struct fdtable *t = curproc->files;

	if (fd < 0 || (uint32_t)fd >= t->slots || !t->file[fd])
		return -EBADF;
	close_slot(t, (uint32_t)fd);
	return 0;
}

int fd_get_cloexec(int fd)
{
	struct fdtable *t = curproc->files;

	if (fd < 0 || (uint32_t)fd >= t->slots || !t->file[fd])
		return -EBADF;
	return bit(t->cloexec, (uint32_t)fd);
}

int fd_set_cloexec(int fd, bool on)
{
	struct fdtable *t = curproc->files;

	if (fd < 0 || (uint32_t)fd >= t->slots || !t->file[fd])
		return -EBADF;
	bit_set(t->cloexec, (uint32_t)fd, on);
	return 0;
}

void fd_close_range(unsigned first, unsigned last, bool cloexec)
{
	struct fdtable *t = curproc->files;

	for (unsigned fd = first; fd < t->slots && fd <= last; fd++) {
		if (!t->file[fd])
			continue;
		if (cloexec)
			bit_set(t->cloexec, fd, true);
		else
			close_slot(t, fd);
	}
}
