/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who keeps the newest tag of a volume: CAS, or, for development, the same
 * file, in the same format, as `sconce volume` uses. The host can put the
 * whole file back, so that protects against mistakes, not against root.
 */
#include "abi/hostfile.h"
#include "kernel/fpu.h"
#include "kernel/fsabi.h"
#include "kernel/hostcall.h"
#include "kernel/kalloc.h"
#include "kernel/service.h"
#include "kernel/uio.h"
#include "kernel/volfs.h"
#include "lib/bytes.h"
#include "lib/string.h"
#include "volume/tagfile.h"

struct volfs_tags {
	const char *cas; /* the name that CAS knows; NULL: a file */
	int fd;
	uint8_t uuid[VOL_UUID_SIZE];
	uint8_t key[VOL_KEY_SIZE];
	uint8_t tag[VOL_TAG_SIZE];
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
	bool found = false;

	for (unsigned i = 0; i < TAGFILE_SLOTS; i++) {
		struct tagfile_slot s;
		int err = slot_read(t, i, &s);

		if (err && err != -EBADMSG)
			return err;
		if (err || (found && s.sequence < t->sequence))
			continue;
		found = true;
		t->sequence = s.sequence;
		t->safe = i;
		memcpy(t->tag, s.tag, sizeof(t->tag));
	}
	/* It was perhaps only on its way to the disk. */
	return found ? (int)host_fsync(t->fd, true) : -EBADMSG;
}

/* -ENOKEY: there is none of that volume. */
static int open_file(const char *path, const uint8_t uuid[VOL_UUID_SIZE])
{
	char name[2 * VOL_UUID_SIZE + sizeof(".tag")];
	struct kstat st;
	int64_t dir, fd;

	bytes_to_hex(uuid, VOL_UUID_SIZE, name);
	memcpy(name + 2 * VOL_UUID_SIZE, ".tag", sizeof(".tag"));
	dir = host_open(HOST_AT_FDCWD, path,
		O_RDONLY | O_DIRECTORY | HOST_OPEN_FOLLOW, 0, &st);
	fd = dir;
	if (dir >= 0) {
		fd = host_open((int)dir, name, O_RDWR, 0, &st);
		host_close((int)dir);
	}
	return fd == -ENOENT ? -ENOKEY : (int)fd;
}

int volfs_tags_open(const char *path, const uint8_t uuid[VOL_UUID_SIZE],
	const uint8_t key[VOL_KEY_SIZE], struct volfs_tags **out,
	uint8_t tag[VOL_TAG_SIZE])
{
	struct volfs_tags *t = kzalloc(sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	memcpy(t->uuid, uuid, sizeof(t->uuid));
	memcpy(t->key, key, sizeof(t->key));
	t->fd = open_file(path, uuid);
	err = t->fd < 0 ? t->fd : load(t);
	if (err) {
		volfs_tags_free(t);
		return err;
	}
	memcpy(tag, t->tag, sizeof(t->tag));
	*out = t;
	return 0;
}

int volfs_tags_of_cas(const char *name, struct volfs_tags **out)
{
	*out = kzalloc(sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->cas = name;
	(*out)->fd = -1;
	return 0;
}

/* CAS answers when it can no longer lose a tag: so none that it has needs to be
 * pushed again to make it durable. */
static int push_to_cas(struct volfs_tags *t, const uint8_t *from,
	const uint8_t *to, bool durable)
{
	int err = 0;

	if (t->sequence && memcmp(from, to, VOL_TAG_SIZE) == 0 &&
		memcmp(to, t->tag, VOL_TAG_SIZE) == 0)
		return 0;
	err = service_tag_push(t->cas, from, to, durable);
	t->sequence = !err; /* else nobody knows what it has */
	memcpy(t->tag, to, VOL_TAG_SIZE);
	return err;
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

int volfs_tags_push(struct volfs_tags *t, const uint8_t from[VOL_TAG_SIZE],
	const uint8_t to[VOL_TAG_SIZE], bool durable)
{
	unsigned slot = 1 - t->safe;
	int err;

	if (t->cas)
		return push_to_cas(t, from, to, durable);
	if (memcmp(t->tag, from, VOL_TAG_SIZE) != 0)
		return -ESTALE;
	err = slot_write(t, slot, to);
	if (!err && durable)
		err = (int)host_fsync(t->fd, true);
	if (err)
		return err;
	if (durable)
		t->safe = slot;
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
	string_wipe(t->key, sizeof(t->key));
	kfree(t);
}
