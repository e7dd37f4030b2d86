/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A volume's files on the host: struct volume_ops over host calls. What is
 * read is the host's word; the library authenticates it. Descriptors are
 * opened when they are first needed and stay open.
 */
#include "abi/hostfile.h"
#include "kernel/cpu.h"
#include "kernel/fpu.h"
#include "kernel/fsabi.h"
#include "kernel/hostcall.h"
#include "kernel/kalloc.h"
#include "kernel/random.h"
#include "kernel/uio.h"
#include "kernel/volfs.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "lib/types.h"

enum {
	WAIT_QUEUES = 64,
	GROW_STEP = 64,
	BEHIND_WRITE = 64 << 10, /* one as long as that is part of a run */
	BEHIND_STEP = 8 << 20, /* of a run, to the disk at once */
	BEHIND_MIN = 1 << 20, /* what is left of one that is over */
};

struct volfs_host {
	int dir; /* -1: not open */
	int lock;
	bool readonly;
	/* Changes of the directory, and how many of them are on the disk. */
	uint64_t names_changed, names_flushed;
	int fixed[3]; /* by enum volume_file_kind, but SEGMENT */
	uint64_t keys; /* number of the file of keys that is open */
	int *segment; /* -1: not open */
	struct { /* a run of writes that the disk does not know of */
		int fd;
		uint64_t start, end;
	} behind;
	uint64_t segments;
	struct volfs_tags *tags; /* NULL: nobody keeps them */
	struct waitq queue[WAIT_QUEUES];
};

/* ---- descriptors ---- */

static void file_name(struct volume_file f, char *out, size_t size)
{
	static const char *const fixed[] = {
		[VOLUME_FILE_SUPER] = "super", [VOLUME_FILE_LOG] = "log"};

	if (f.kind == VOLUME_FILE_KEYS)
		fmt_print(out, size, "keys.%lu", (unsigned long)f.number);
	else if (f.kind == VOLUME_FILE_SEGMENT)
		fmt_print(out, size, "segment.%lu", (unsigned long)f.number);
	else
		fmt_print(out, size, "%s", fixed[f.kind]);
}

/* Where the descriptor of f is kept. */
static int fd_place(struct volfs_host *h, struct volume_file f, int **out)
{
	if (f.kind != VOLUME_FILE_SEGMENT) {
		*out = &h->fixed[f.kind];
		if (f.kind == VOLUME_FILE_KEYS && h->keys != f.number) {
			if (**out >= 0)
				host_close(**out);
			**out = -1;
			h->keys = f.number;
		}
		return 0;
	}
	if (f.number >= h->segments) {
		uint64_t count = align_up(f.number + 1, GROW_STEP);
		int *p = kmalloc(count * sizeof(*p));

		if (!p)
			return -ENOMEM;
		if (count <= h->segments) { /* somebody was faster */
			kfree(p);
		} else {
			for (uint64_t i = 0; i < count; i++)
				p[i] = i < h->segments ? h->segment[i] : -1;
			kfree(h->segment);
			h->segment = p;
			h->segments = count;
		}
	}
	*out = &h->segment[f.number];
	return 0;
}

/* A descriptor, or -errno. */
static int fd_of(struct volfs_host *h, struct volume_file f, bool create)
{
	struct kstat st;
	char name[32];
	int64_t fd;
	int *place, err = fd_place(h, f, &place);

	if (err)
		return err;
	if (*place >= 0)
		return *place;
	file_name(f, name, sizeof(name));
	fd = host_open(h->dir, name, h->readonly ? O_RDONLY : O_RDWR, 0, &st);
	if (fd == -ENOENT && create) {
		fd = host_open(h->dir, name, O_RDWR | O_CREAT, 0600, &st);
		h->names_changed++;
	}
	if (fd < 0)
		return (int)fd;
	err = fd_place(h, f, &place); /* it may have moved */
	if (err || *place >= 0) { /* or somebody was faster */
		host_close((int)fd);
		return err ? err : *place;
	}
	*place = (int)fd;
	return (int)fd;
}

/* ---- struct volume_ops ---- */

static int op_read(void *ctx, struct volume_file f, uint64_t offset, void *data,
	size_t size)
{
	int fd = fd_of(ctx, f, false);
	struct uio u;

	if (fd < 0)
		return fd;
	uio_init_kernel(&u, data, size);
	while (u.resid) {
		int64_t n = host_pread(
			fd, &u, u.resid, offset + (size - u.resid));

		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
	}
	return 0;
}

static int write_all(int fd, uint64_t offset, const void *data, size_t size)
{
	struct uio u;

	uio_init_kernel(&u, (void *)(uintptr_t)data, size);
	while (u.resid) {
		int64_t n = host_pwrite(
			fd, &u, u.resid, offset + (size - u.resid));

		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
	}
	return 0;
}

/* The disk works while the program goes on writing; else it would begin with
 * the flush. */
static void write_behind(
	struct volfs_host *h, int fd, uint64_t offset, uint64_t size)
{
	bool goes_on = h->behind.fd == fd && h->behind.end == offset;

	if (goes_on)
		h->behind.end += size;
	if (h->behind.end - h->behind.start >=
		(goes_on ? BEHIND_STEP : BEHIND_MIN)) {
		host_writeback(h->behind.fd, h->behind.start,
			h->behind.end - h->behind.start);
		h->behind.start = h->behind.end;
	}
	if (!goes_on) {
		h->behind.fd = fd;
		h->behind.start = offset;
		h->behind.end = offset + size;
	}
}

static int op_write(void *ctx, struct volume_file f, uint64_t offset,
	const void *data, size_t size)
{
	int fd = fd_of(ctx, f, true);
	int err = fd < 0 ? fd : write_all(fd, offset, data, size);

	if (!err && f.kind == VOLUME_FILE_SEGMENT && size >= BEHIND_WRITE)
		write_behind(ctx, fd, offset, size);
	return err;
}

/* A flush that finds another one under way does not rely on it: that one may
 * fail yet. */
static int flush_names(struct volfs_host *h)
{
	uint64_t changed = h->names_changed;
	int err;

	if (h->names_flushed == changed)
		return 0;
	err = (int)host_fsync(h->dir, false);
	if (!err)
		h->names_flushed = u64_max(h->names_flushed, changed);
	return err;
}

static int op_flush(void *ctx, struct volume_file f)
{
	struct volfs_host *h = ctx;
	int fd = fd_of(h, f, false), err;

	if (fd < 0)
		return fd;
	err = (int)host_fsync(fd, /*data_only=*/true);
	return err ? err : flush_names(h);
}

static int op_resize(void *ctx, struct volume_file f, uint64_t size, bool grow)
{
	int fd = fd_of(ctx, f, true);
	struct kattr a = {.valid = ATTR_SIZE, .size = size};
	struct kstat st;
	int err;

	if (fd < 0)
		return fd;
	if (grow) {
		err = (int)host_fallocate(fd, 0, 0, size);
		if (err != -EOPNOTSUPP)
			return err;
		err = (int)host_fstat(fd, &st);
		if (err || st.size >= size)
			return err;
	}
	return (int)host_fsetattr(fd, &a);
}

static int op_remove(void *ctx, struct volume_file f)
{
	struct volfs_host *h = ctx;
	char name[32];
	int *place, err = fd_place(h, f, &place);

	if (err)
		return err;
	if (*place >= 0)
		host_close(*place);
	*place = -1;
	file_name(f, name, sizeof(name));
	err = (int)host_unlink(h->dir, name, 0);
	h->names_changed++;
	return err;
}

static int op_random(void *ctx, void *data, size_t size)
{
	random_fill(data, size);
	return 0;
}

static void op_now(void *ctx, int64_t *sec, uint32_t *nsec)
{
	struct vtime now = vfs_now();

	*sec = now.sec;
	*nsec = (uint32_t)now.nsec;
}

static void *op_alloc(void *ctx, size_t size)
{
	return kzalloc(size);
}

static void op_free(void *ctx, void *p, size_t size)
{
	kfree(p);
}

static struct waitq *queue_of(struct volfs_host *h, const void *on)
{
	return &h->queue[((uintptr_t)on >> 4) * 0x9e3779b97f4a7c15ull >> 58];
}

static void op_wait(void *ctx, const void *on)
{
	/* A wake-up is a hint: the library looks again. */
	waitq_wait_always(queue_of(ctx, on));
}

static void op_wake(void *ctx, const void *on)
{
	waitq_wake_all(queue_of(ctx, on), 0);
}

/* Other threads run in the kernel meanwhile; this one cannot be switched away
 * from, so its vector registers are its own. */
static void op_crypto_begin(void *ctx)
{
	kernel_fpu_begin();
	bkl_unlock();
}

static void op_crypto_end(void *ctx)
{
	kernel_fpu_end();
	bkl_lock();
}

static int op_tag_push(void *ctx, const uint8_t from[VOL_TAG_SIZE],
	const uint8_t to[VOL_TAG_SIZE], bool durable)
{
	struct volfs_host *h = ctx;

	return h->tags ? volfs_tags_push(h->tags, from, to, durable) : 0;
}

static const struct volume_ops ops = {
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.resize = op_resize,
	.remove = op_remove,
	.tag_push = op_tag_push,
	.random = op_random,
	.now = op_now,
	.alloc = op_alloc,
	.free = op_free,
	.wait = op_wait,
	.wake = op_wake,
	.crypto_begin = op_crypto_begin,
	.crypto_end = op_crypto_end,
};

int volfs_host_new(const char *path, bool readonly, struct volfs_host **out)
{
	struct volfs_host *h = kzalloc(sizeof(*h));
	struct kstat st;
	int64_t fd;

	if (!h)
		return -ENOMEM;
	h->readonly = readonly;
	h->lock = -1;
	for (size_t i = 0; i < ARRAY_SIZE(h->fixed); i++)
		h->fixed[i] = -1;
	for (size_t i = 0; i < WAIT_QUEUES; i++)
		waitq_init(&h->queue[i]);
	h->dir = -1;
	h->behind.fd = -1;
	fd = host_open(HOST_AT_FDCWD, path,
		O_RDONLY | O_DIRECTORY | HOST_OPEN_FOLLOW, 0, &st);
	if (fd < 0)
		goto free;
	h->dir = (int)fd;
	fd = host_open(h->dir, "lock", readonly ? O_RDONLY : O_RDWR | O_CREAT,
		0600, &st);
	if (fd == -ENOENT && readonly) { /* an image somebody copied */
		*out = h;
		return 0;
	}
	if (fd < 0)
		goto free;
	h->lock = (int)fd;
	fd = host_lock(h->lock, !readonly);
	if (fd < 0)
		goto free;
	*out = h;
	return 0;
free:
	volfs_host_free(h);
	return fd == -EAGAIN ? -EBUSY : (int)fd;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		host_close_now(fd);
}

void volfs_host_free(struct volfs_host *h)
{
	for (size_t i = 0; i < ARRAY_SIZE(h->fixed); i++)
		close_if_open(h->fixed[i]);
	for (uint64_t i = 0; i < h->segments; i++)
		close_if_open(h->segment[i]);
	close_if_open(h->lock);
	close_if_open(h->dir);
	kfree(h->segment);
	kfree(h);
}

void volfs_host_env(
	struct volfs_host *h, size_t cache_size, struct volume_env *env)
{
	*env = (struct volume_env){
		.ops = &ops, .ctx = h, .cache_size = cache_size};
}

void volfs_host_tags(struct volfs_host *h, struct volfs_tags *tags)
{
	h->tags = tags;
}

int volfs_host_dir(const struct volfs_host *h)
{
	return h->dir;
}

int volfs_host_uuid(struct volfs_host *h, uint8_t uuid[VOL_UUID_SIZE])
{
	/* Up to the UUID; of a new volume one copy was never written. */
	uint8_t head[offsetof(struct vol_disk_super, salt)];

	for (uint64_t copy = 0; copy < 2; copy++) {
		int err = op_read(h, (struct volume_file){VOLUME_FILE_SUPER, 0},
			copy * VOL_BLOCK_SIZE, head, sizeof(head));

		if (err)
			return err;
		if (memcmp(head, "SCONCEV1", 8) == 0) {
			memcpy(uuid,
				head + offsetof(struct vol_disk_super, uuid),
				VOL_UUID_SIZE);
			return 0;
		}
	}
	return -EUCLEAN;
}

int volfs_host_wipe(struct volfs_host *h)
{
	static const enum volume_file_kind kinds[] = {VOLUME_FILE_SUPER,
		VOLUME_FILE_LOG, VOLUME_FILE_KEYS, VOLUME_FILE_SEGMENT};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct volume_file f = {kinds[i], 0};
		int err;

		do {
			err = op_remove(h, f);
			f.number++;
		} while (!err && kinds[i] == VOLUME_FILE_SEGMENT);
		if (err && err != -ENOENT)
			return err;
	}
	return 0;
}
