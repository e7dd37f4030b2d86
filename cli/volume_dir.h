/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A volume's files in a directory of this machine: struct volume_ops for
 * programs outside of enclaves. Files are 0600, the directory 0700, symbolic
 * links are not followed. Whoever may write holds the lock alone; readers share
 * it.
 */
#pragma once

#include "cli/volume_tags.h"
#include "lib/err.h"
#include "volume/volume.h"

struct volume_dir;

enum volume_dir_mode {
	VOLUME_DIR_READ,
	VOLUME_DIR_WRITE,
	VOLUME_DIR_CREATE, /* the directory too, if it is not there */
};

/* -EBUSY: somebody else has it open; @e names the process if it is known. */
must_check int volume_dir_open(const char *path, enum volume_dir_mode mode,
	struct volume_dir **out, struct err *e);
void volume_dir_close(struct volume_dir *d); /* NULL is fine */
/* Its name for messages. */
const char *volume_dir_path(const struct volume_dir *d);
/* From the superblocks, unchecked: it only says where to look for the tag.
 * -ENOENT: there is no volume; -EBADMSG: no copy looks like one. */
must_check int volume_dir_uuid(
	struct volume_dir *d, uint8_t uuid[VOL_UUID_SIZE], struct err *e);
/* tag_push goes to @t (the caller's) from now on; NULL: nowhere. */
void volume_dir_set_tags(struct volume_dir *d, struct volume_tags *t);
struct volume_env volume_dir_env(struct volume_dir *d, size_t cache_size);
