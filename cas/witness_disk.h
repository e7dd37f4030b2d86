/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a witness remembers, on disk: one file, for each cluster two sectors of
 * 512 bytes that are written in turn, each with a number and a checksum. A
 * write is one sector at its place, and many of them share one fdatasync().
 *
 * A sector that is neither empty nor whole is damage: the witness may have
 * forgotten what it acknowledged, and does not start unless told that it
 * counts as restored from an old copy (doc/witness.md).
 */
#pragma once

#include "cas/witness_core.h"

struct witness_disk;

/*
 * Opens or makes DIR/witness.state (DIR, too) and loads it into w. repair: a
 * damaged sector is passed over for the other one of its cluster. -EBUSY:
 * another witness has it; -EBADMSG: damaged; -errno.
 */
must_check int witness_disk_open(const char *dir, bool repair,
	struct witness_core *w, struct witness_disk **out, struct err *e);
/* NULL is fine. */
void witness_disk_close(struct witness_disk *d);

/* Written, durable with the next sync. */
must_check int witness_disk_write(struct witness_disk *d, uint32_t slot,
	const uint8_t cluster[static WITNESS_HASH_SIZE],
	const struct witness_view *view, struct err *e);
/* After an error nothing is known of the disk: end. */
must_check int witness_disk_sync(struct witness_disk *d, struct err *e);
