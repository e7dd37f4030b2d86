/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where this machine keeps the newest tags of its volumes, for development:
 * volumes/UUID.tag beside the emulator's platform keys (emu_data_dir), in the
 * format of volume/tagfile.h. Used under the volume's lock.
 */
#pragma once

#include "lib/err.h"
#include "volume/tagfile.h"

struct volume_tags {
	char name[48]; /* of the file in */
	int dir;
	int fd; /* -1: there is no file yet */
	uint8_t uuid[VOL_UUID_SIZE];
	uint8_t key[VOL_KEY_SIZE], key2[VOL_KEY_SIZE];
	bool two_keys;
	bool known; /* tag is what the file holds */
	bool any; /* the next push need not follow on what is known */
	uint8_t tag[VOL_TAG_SIZE];
	uint64_t sequence;
	unsigned safe; /* slot to leave alone: it is on the disk */
};

/* The directory's path, which is made if need be. */
must_check int volume_tags_directory(char *path, size_t size, struct err *e);

/* 0: t->known says whether there is a tag. -EBADMSG: there is something, but
 * not a tag of this volume under this key; the rest of @t is then usable for
 * pushes with t->any. */
must_check int volume_tags_open(struct volume_tags *t,
	const uint8_t uuid[VOL_UUID_SIZE], const uint8_t key[VOL_KEY_SIZE],
	struct err *e);
void volume_tags_close(struct volume_tags *t);
/* As volume_ops.tag_push. */
must_check int volume_tags_push(struct volume_tags *t,
	const uint8_t from[VOL_TAG_SIZE], const uint8_t to[VOL_TAG_SIZE],
	bool durable);
/* Around volume_rekey: in between, both keys open what is stored. */
must_check int volume_tags_rekey_begin(
	struct volume_tags *t, const uint8_t key[VOL_KEY_SIZE]);
must_check int volume_tags_rekey_end(struct volume_tags *t);
