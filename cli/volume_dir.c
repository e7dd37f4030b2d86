/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/volume_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/fmt.h"

enum { OPEN_FILES = 64, NAME_SIZE = 32 };

/* Files stay open, at most one for each place of this table. */
struct open_file {
	struct volume_file id;
	int fd; /* -1: none */
};

struct volume_dir {
	char *path;
	int fd, lock;
	enum volume_dir_mode mode;
	struct open_file open[OPEN_FILES];
	struct volume_tags *tags;
};

static void file_name(struct volume_file f, char name[NAME_SIZE])
{
	static const char *const names[] = {
		[VOLUME_FILE_SUPER] = "super",
		[VOLUME_FILE_LOG] = "log",
		[VOLUME_FILE_KEYS] = "keys",
		[VOLUME_FILE_SEGMENT] = "segment",
	};

	if (f.kind == VOLUME_FILE_SUPER || f.kind == VOLUME_FILE_LOG)
		fmt_print(name, NAME_SIZE, "%s", names[f.kind]);
	else
		fmt_print(name, NAME_SIZE, "%s.%llu", names[f.kind],
			(unsigned long long)f.number);
}

static struct open_file *place_of(struct volume_dir *d, struct volume_file f)
{
	return &d->open[(f.number * 4 + (unsigned)f.kind) % OPEN_FILES];
}

static void place_clear(struct open_file *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

/* A descriptor, which stays the table's, or -errno. */
static int file_open(
	struct volume_dir *d, struct volume_file f, bool create, bool *created)
{
	struct open_file *p = place_of(d, f);
	int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
		(d->mode == VOLUME_DIR_READ ? O_RDONLY : O_RDWR);
	char name[NAME_SIZE];
	struct stat st;
	int fd;

	if (created != NULL)
		*created = false;
	if (p->fd >= 0 && p->id.kind == f.kind && p->id.number == f.number)
		return p->fd;
	file_name(f, name);
	fd = openat(d->fd, name, flags);
	if (fd < 0 && errno == ENOENT && create) {
		fd = openat(d->fd, name, flags | O_CREAT | O_EXCL, 0600);
		if (created != NULL)
			*created = fd >= 0;
	}
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EPROTO;
	}
	place_clear(p);
	p->id = f;
	p->fd = fd;
	return fd;
}

static int op_read(void *ctx, struct volume_file f, uint64_t offset, void *data,
	size_t size)
{
	int fd = file_open(ctx, f, false, NULL);

	if (fd < 0)
		return fd;
	for (size_t done = 0; done < size;) {
		ssize_t n = pread(fd, (uint8_t *)data + done, size - done,
			(off_t)(offset + done));

		if (n == 0)
			return -EIO;
		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int op_write(void *ctx, struct volume_file f, uint64_t offset,
	const void *data, size_t size)
{
	int fd = file_open(ctx, f, false, NULL);

	if (fd < 0)
		return fd;
	for (size_t done = 0; done < size;) {
		ssize_t n = pwrite(fd, (const uint8_t *)data + done,
			size - done, (off_t)(offset + done));

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int op_flush(void *ctx, struct volume_file f)
{
	int fd = file_open(ctx, f, false, NULL);

	if (fd < 0)
		return fd;
	return fdatasync(fd) < 0 ? -errno : 0;
}

static int op_resize(void *ctx, struct volume_file f, uint64_t size, bool grow)
{
	struct volume_dir *d = ctx;
	bool created;
	int fd = file_open(d, f, true, &created), ret;
	struct stat st;

	if (fd < 0)
		return fd;
	if (created && fsync(d->fd) < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size > size) {
		if (grow)
			return 0;
		if (ftruncate(fd, (off_t)size) < 0)
			return -errno;
	}
	if (size == 0)
		return 0;
	/* Where the file system cannot, libc writes to each block. */
	do
		ret = posix_fallocate(fd, 0, (off_t)size);
	while (ret == EINTR);
	return -ret;
}

static int op_remove(void *ctx, struct volume_file f)
{
	struct volume_dir *d = ctx;
	struct open_file *p = place_of(d, f);
	char name[NAME_SIZE];

	if (p->fd >= 0 && p->id.kind == f.kind && p->id.number == f.number)
		place_clear(p);
	file_name(f, name);
	if (unlinkat(d->fd, name, 0) < 0 || fsync(d->fd) < 0)
		return -errno;
	return 0;
}

static int op_tag_push(void *ctx, const uint8_t from[VOL_TAG_SIZE],
	const uint8_t to[VOL_TAG_SIZE], bool durable)
{
	struct volume_dir *d = ctx;

	return d->tags != NULL ? volume_tags_push(d->tags, from, to, durable)
			       : 0;
}

static int op_random(void *ctx, void *data, size_t size)
{
	(void)ctx;
	for (size_t done = 0; done < size;) {
		ssize_t n = getrandom((uint8_t *)data + done, size - done, 0);

		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static void op_now(void *ctx, int64_t *sec, uint32_t *nsec)
{
	struct timespec now;

	(void)ctx;
	clock_gettime(CLOCK_REALTIME, &now);
	*sec = now.tv_sec;
	*nsec = (uint32_t)now.tv_nsec;
}

static void *op_alloc(void *ctx, size_t size)
{
	(void)ctx;
	return calloc(1, size);
}

static void op_free(void *ctx, void *p, size_t size)
{
	(void)ctx;
	(void)size;
	free(p);
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
};

struct volume_env volume_dir_env(struct volume_dir *d, size_t cache_size)
{
	return (struct volume_env){
		.ops = &ops, .ctx = d, .cache_size = cache_size};
}

/* Who holds the lock: the number of a process, or 0. */
static long lock_holder(int lock)
{
	FILE *locks = fopen("/proc/locks", "re");
	struct stat st;
	char line[256];
	long holder = 0;

	if (locks == NULL || fstat(lock, &st) < 0) {
		if (locks != NULL)
			fclose(locks);
		return 0;
	}
	while (fgets(line, sizeof(line), locks) != NULL) {
		unsigned long inode;
		long pid;

		/* 1: FLOCK  ADVISORY  WRITE 123 08:01:4711 0 EOF */
		if (strstr(line, "FLOCK") != NULL &&
			strchr(line, '>') == NULL &&
			sscanf(line, "%*s %*s %*s %*s %ld %*x:%*x:%lu", &pid,
				&inode) == 2 &&
			inode == (unsigned long)st.st_ino && pid > 0)
			holder = pid;
	}
	fclose(locks);
	return holder;
}

static int take_lock(struct volume_dir *d, struct err *e)
{
	int how = d->mode == VOLUME_DIR_READ ? LOCK_SH : LOCK_EX;
	int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	int ret;
	long pid;

	d->lock = openat(d->fd, "lock", O_RDWR | O_CREAT | flags, 0600);
	if (d->lock < 0 && d->mode == VOLUME_DIR_READ) {
		d->lock = openat(d->fd, "lock", O_RDONLY | flags);
		/* Nobody can write here: nobody to keep out. */
		if (d->lock < 0 && errno == ENOENT)
			return 0;
	}
	if (d->lock < 0) {
		ret = -errno;
		return err_setf(e, ret, "%s/lock: %s", d->path, strerror(-ret));
	}
	if (flock(d->lock, how | LOCK_NB) == 0)
		return 0;
	ret = -errno;
	if (ret != -EWOULDBLOCK)
		return err_setf(e, ret, "%s/lock: %s", d->path, strerror(-ret));
	pid = lock_holder(d->lock);
	if (pid > 0)
		return err_setf(e, -EBUSY,
			"%s: the volume is in use by process %ld", d->path,
			pid);
	return err_setf(e, -EBUSY, "%s: the volume is in use", d->path);
}

int volume_dir_open(const char *path, enum volume_dir_mode mode,
	struct volume_dir **out, struct err *e)
{
	struct volume_dir *d = calloc(1, sizeof(*d));
	int ret;

	if (d == NULL || (d->path = strdup(path)) == NULL) {
		free(d);
		return err_setf(e, -ENOMEM, "no memory");
	}
	d->mode = mode;
	d->lock = -1;
	for (size_t i = 0; i < OPEN_FILES; i++)
		d->open[i].fd = -1;
	if (mode == VOLUME_DIR_CREATE && mkdir(path, 0700) < 0 &&
		errno != EEXIST) {
		ret = -errno;
		d->fd = -1;
		err_setf(e, ret, "%s: %s", path, strerror(-ret));
		goto close;
	}
	d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0) {
		ret = -errno;
		err_setf(e, ret, "%s: %s", path, strerror(-ret));
		goto close;
	}
	ret = take_lock(d, e);
	if (ret < 0)
		goto close;
	*out = d;
	return 0;
close:
	volume_dir_close(d);
	return ret;
}

void volume_dir_close(struct volume_dir *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < OPEN_FILES; i++)
		place_clear(&d->open[i]);
	if (d->lock >= 0)
		close(d->lock);
	if (d->fd >= 0)
		close(d->fd);
	free(d->path);
	free(d);
}

const char *volume_dir_path(const struct volume_dir *d)
{
	return d->path;
}

void volume_dir_set_tags(struct volume_dir *d, struct volume_tags *t)
{
	d->tags = t;
}

int volume_dir_uuid(
	struct volume_dir *d, uint8_t uuid[VOL_UUID_SIZE], struct err *e)
{
	static const uint8_t magic[8] = {
		'S', 'C', 'O', 'N', 'C', 'E', 'V', '1'};
	const struct volume_file f = {VOLUME_FILE_SUPER, 0};
	struct {
		uint8_t magic[8], skip[8], uuid[VOL_UUID_SIZE];
	} head;

	static_assert_offset(struct vol_disk_super, uuid, 16);
	for (unsigned i = 0; i < 2; i++) {
		int ret = op_read(d, f, (uint64_t)i * VOL_BLOCK_SIZE, &head,
			sizeof(head));

		if (ret == -ENOENT)
			return err_setf(e, ret, "%s: not a volume", d->path);
		if (ret < 0 && ret != -EIO)
			return err_setf(e, ret, "%s/super: %s", d->path,
				strerror(-ret));
		if (ret == 0 && memcmp(head.magic, magic, sizeof(magic)) == 0) {
			memcpy(uuid, head.uuid, VOL_UUID_SIZE);
			return 0;
		}
	}
	return err_setf(e, -EBADMSG,
		"%s/super: neither copy is the superblock of a volume",
		d->path);
}
