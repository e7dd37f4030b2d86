/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the newest tag of a volume is kept until a trust service does it: the
 * same file, in the same format, as `sconce volume` uses. The host can put
 * the whole file back, so this protects against mistakes, not against root.
 */
#include "abi/hostfile.h"
#include "kernel/fpu.h"
#include "kernel/fsabi.h"
#include "kernel/hostcall.h"
#include "kernel/kalloc.h"
#include "kernel/uio.h"
#include "kernel/volfs.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "volume/tagfile.h"

struct volfs_tags {
	int dir, fd; /* fd -1: there is no file yet */
	char name[2 * VOL_UUID_SIZE + 8];
	uint8_t uuid[VOL_UUID_SIZE];
	uint8_t key[VOL_KEY_SIZE];
	uint8_t tag[VOL_TAG_SIZE];
	bool known; /* tag is what the file has */
	uint64_t sequence;
	unsigned safe; /* the slot that is on the disk for sure */
};

static int slot_read(struct volfs_tags *t, unsigned i, struct tagfile_slot *s)
{
	struct uio u;
	int64_t n;

	uio_init_kernel(&u, s, sizeof(*s));
	n = host_pread(t->fd, &u, sizeof(*s), i * TAGFILE_SLOT_SIZE);
	if (n < 0)
		return (int)n;
	if (n != sizeof(*s))
		return -EBADMSG;
	kernel_fpu_begin();
	n = tagfile_check(s, t->uuid, t->key);
	kernel_fpu_end();
	return (int)n;
}

/* The valid slot of the higher sequence. */
static int load(struct volfs_tags *t)
{
	for (unsigned i = 0; i < TAGFILE_SLOTS; i++) {
		struct tagfile_slot s;
		int err = slot_read(t, i, &s);

		if (err && err != -EBADMSG)
			return err;
		if (err || (t->known && s.sequence < t->sequence))
			continue;
		t->known = true;
		t->sequence = s.sequence;
		t->safe = i;
		memcpy(t->tag, s.tag, sizeof(t->tag));
	}
	/* It was perhaps only on its way to the disk. */
	return t->known ? (int)host_fsync(t->fd, true) : -EBADMSG;
}

static int open_dir(const char *path, int *out)
{
	struct kstat st;
	int64_t fd = host_open(HOST_AT_FDCWD, path,
		O_RDONLY | O_DIRECTORY | HOST_OPEN_FOLLOW, 0, &st);

	if (fd < 0)
		return (int)fd;
	*out = (int)fd;
	return 0;
}

int volfs_tags_open(const char *path, const uint8_t uuid[VOL_UUID_SIZE],
	const uint8_t key[VOL_KEY_SIZE], struct volfs_tags **out, bool *known,
	uint8_t tag[VOL_TAG_SIZE])
{
	struct volfs_tags *t = kzalloc(sizeof(*t));
	struct kstat st;
	int64_t fd;
	int err;

	if (!t)
		return -ENOMEM;
	t->fd = -1;
	memcpy(t->uuid, uuid, sizeof(t->uuid));
	memcpy(t->key, key, sizeof(t->key));
	for (size_t i = 0; i < VOL_UUID_SIZE; i++)
		fmt_print(t->name + 2 * i, 3, "%02x", uuid[i]);
	memcpy(t->name + 2 * VOL_UUID_SIZE, ".tag", 5);
	err = open_dir(path, &t->dir);
	if (err) {
		kfree(t);
		return err;
	}
	fd = host_open(t->dir, t->name, O_RDWR, 0, &st);
	if (fd >= 0) {
		t->fd = (int)fd;
		err = load(t);
	} else if (fd != -ENOENT) {
		err = (int)fd;
	}
	if (err) {
		volfs_tags_free(t);
		return err;
	}
	*known = t->known;
	memcpy(tag, t->tag, sizeof(t->tag));
	*out = t;
	return 0;
}

static int slot_write(struct volfs_tags *t, unsigned i, const uint8_t *tag)
{
	struct tagfile_slot s;
	struct uio u;
	int64_t n;

	kernel_fpu_begin();
	tagfile_seal(&s, t->sequence + 1, t->uuid, tag, t->key, NULL);
	kernel_fpu_end();
	uio_init_kernel(&u, &s, sizeof(s));
	n = host_pwrite(t->fd, &u, sizeof(s), i * TAGFILE_SLOT_SIZE);
	return n == sizeof(s) ? 0 : n < 0 ? (int)n : -EIO;
}

/* The file appears whole, with its first tag. */
static int file_new(struct volfs_tags *t, const uint8_t *tag)
{
	char temp[sizeof(t->name) + 4];
	struct kstat st;
	int64_t fd;
	int err;

	fmt_print(temp, sizeof(temp), "%s.new", t->name);
	fd = host_open(t->dir, temp, O_RDWR | O_CREAT | O_TRUNC, 0600, &st);
	if (fd < 0)
		return (int)fd;
	t->fd = (int)fd;
	err = slot_write(t, 0, tag);
	if (!err)
		err = (int)host_fsync(t->fd, false);
	if (!err)
		err = (int)host_rename(t->dir, temp, t->dir, t->name, 0);
	if (!err)
		err = (int)host_fsync(t->dir, false);
	if (err) {
		host_close(t->fd);
		t->fd = -1;
	}
	return err;
}

int volfs_tags_push(struct volfs_tags *t, const uint8_t from[VOL_TAG_SIZE],
	const uint8_t to[VOL_TAG_SIZE], bool durable)
{
	unsigned slot = 0;
	int err;

	if (t->known && memcmp(t->tag, from, VOL_TAG_SIZE) != 0)
		return -ESTALE;
	if (!t->known) {
		err = file_new(t, to);
		durable = true;
	} else {
		slot = 1 - t->safe;
		err = slot_write(t, slot, to);
		if (!err && durable)
			err = (int)host_fsync(t->fd, true);
	}
	if (err)
		return err;
	if (durable)
		t->safe = slot;
	t->known = true;
	t->sequence++;
	memcpy(t->tag, to, VOL_TAG_SIZE);
	return 0;
}

void volfs_tags_free(struct volfs_tags *t)
{
	if (!t)
		return;
	if (t->fd >= 0)
		host_close(t->fd);
	host_close(t->dir);
	string_wipe(t->key, sizeof(t->key));
	kfree(t);
}
