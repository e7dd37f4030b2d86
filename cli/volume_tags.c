/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/volume_tags.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emu/emu.h"
#include "lib/bytes.h"
#include "lib/fmt.h"
#include "lib/string.h"

int volume_tags_directory(char *path, size_t size, struct err *e)
{
	int ret = emu_data_dir(path, size);
	size_t len = ret < 0 ? 0 : strlen(path);

	if (ret < 0)
		return err_setf(e, ret,
			"no directory for tags of volumes: %s; set "
			"XDG_DATA_HOME to a writable directory",
			strerror(-ret));
	if (fmt_print(path + len, size - len, "/volumes") >= size - len)
		return err_setf(e, -ENAMETOOLONG, "%s: too long", path);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_setf(e, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

static int open_directory(struct volume_tags *t, struct err *e)
{
	char path[1024];
	int ret = volume_tags_directory(path, sizeof(path), e);

	if (ret < 0)
		return ret;
	t->dir = open(path, O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (t->dir < 0)
		return err_setf(e, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

/* The valid slot of the higher sequence. */
static int load(struct volume_tags *t)
{
	struct tagfile_slot slot;

	for (unsigned i = 0; i < TAGFILE_SLOTS; i++) {
		ssize_t n = pread(t->fd, &slot, sizeof(slot),
			(off_t)i * TAGFILE_SLOT_SIZE);

		if (n < 0)
			return -errno;
		if (n != (ssize_t)sizeof(slot) ||
			tagfile_check(&slot, t->uuid, t->key) < 0)
			continue;
		if (t->known && slot.sequence < t->sequence)
			continue;
		t->known = true;
		t->sequence = slot.sequence;
		t->safe = i;
		memcpy(t->tag, slot.tag, VOL_TAG_SIZE);
	}
	return t->known ? 0 : -EBADMSG;
}

int volume_tags_open(struct volume_tags *t, const uint8_t uuid[VOL_UUID_SIZE],
	const uint8_t key[VOL_KEY_SIZE], struct err *e)
{
	int ret;

	memset(t, 0, sizeof(*t));
	t->fd = t->dir = -1;
	memcpy(t->uuid, uuid, VOL_UUID_SIZE);
	memcpy(t->key, key, VOL_KEY_SIZE);
	bytes_to_hex(uuid, VOL_UUID_SIZE, t->name);
	strcat(t->name, ".tag");
	ret = open_directory(t, e);
	if (ret < 0)
		return ret;
	t->fd = openat(t->dir, t->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (t->fd < 0 && errno == ENOENT)
		return 0;
	ret = t->fd < 0 ? -errno : load(t);
	/* It was perhaps only on its way to the disk. */
	if (ret == 0 && fdatasync(t->fd) < 0)
		ret = -errno;
	if (ret == -EBADMSG)
		return err_setf(e, ret,
			"%s: not the tag of this volume under this key, or "
			"altered",
			t->name);
	if (ret < 0)
		return err_setf(e, ret, "%s: %s", t->name, strerror(-ret));
	return 0;
}

void volume_tags_close(struct volume_tags *t)
{
	if (t->fd >= 0)
		close(t->fd);
	if (t->dir >= 0)
		close(t->dir);
	t->fd = t->dir = -1;
	string_wipe(t->key, sizeof(t->key));
	string_wipe(t->key2, sizeof(t->key2));
}

static int slot_write(struct volume_tags *t, unsigned slot, const uint8_t *tag)
{
	struct tagfile_slot s;

	tagfile_seal(&s, t->sequence + 1, t->uuid, tag, t->key,
		t->two_keys ? t->key2 : NULL);
	if (pwrite(t->fd, &s, sizeof(s), (off_t)slot * TAGFILE_SLOT_SIZE) !=
		(ssize_t)sizeof(s))
		return -EIO;
	return 0;
}

/* A new file appears whole, with its first tag, in place of any old one. */
static int file_new(struct volume_tags *t, const uint8_t *tag)
{
	char temp[sizeof(t->name) + 8];
	int ret;

	fmt_print(temp, sizeof(temp), "%s.new", t->name);
	t->fd = openat(t->dir, temp,
		O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (t->fd < 0)
		return -errno;
	ret = ftruncate(t->fd, TAGFILE_SLOTS * TAGFILE_SLOT_SIZE) < 0
		? -errno
		: slot_write(t, 0, tag);
	if (ret == 0 &&
		(fsync(t->fd) < 0 ||
			renameat(t->dir, temp, t->dir, t->name) < 0 ||
			fsync(t->dir) < 0))
		ret = -errno;
	if (ret < 0) {
		unlinkat(t->dir, temp, 0);
		close(t->fd);
		t->fd = -1;
	}
	return ret;
}

int volume_tags_push(struct volume_tags *t, const uint8_t from[VOL_TAG_SIZE],
	const uint8_t to[VOL_TAG_SIZE], bool durable)
{
	unsigned slot = 0;
	int ret;

	if (!t->any &&
		(t->known ? memcmp(t->tag, from, VOL_TAG_SIZE) != 0
			  : t->fd >= 0))
		return -ESTALE;
	if (!t->known) {
		if (t->fd >= 0)
			close(t->fd);
		ret = file_new(t, to);
		durable = true;
	} else {
		slot = 1 - t->safe;
		ret = slot_write(t, slot, to);
		if (ret == 0 && durable && fdatasync(t->fd) < 0)
			ret = -errno;
	}
	if (ret < 0)
		return ret;
	if (durable)
		t->safe = slot;
	t->any = false;
	t->known = true;
	t->sequence++;
	memcpy(t->tag, to, VOL_TAG_SIZE);
	return 0;
}

int volume_tags_rekey_begin(
	struct volume_tags *t, const uint8_t key[VOL_KEY_SIZE])
{
	memcpy(t->key2, key, VOL_KEY_SIZE);
	t->two_keys = true;
	return t->known ? volume_tags_push(t, t->tag, t->tag, true) : 0;
}

int volume_tags_rekey_end(struct volume_tags *t)
{
	memcpy(t->key, t->key2, VOL_KEY_SIZE);
	t->two_keys = false;
	return t->known ? volume_tags_push(t, t->tag, t->tag, true) : 0;
}
