/* SPDX-License-Identifier: Apache-2.0 */
/* What verify.c (files) and verify_blocks.c (blocks and maps) share. */
#pragma once

#include "volume/core.h"

struct vol_verify {
	struct volume *v;
	struct volume_verify *how;
	const char *where; /* path of what is being verified, or NULL */
	uint64_t *seen; /* bitmap of all slots: something is there */
	uint8_t *inner[VOL_HEIGHT_MAX]; /* a block of each level above 0 */
	uint8_t *data; /* VOL_FANOUT blocks */
	struct vol_open open[VOL_FANOUT];
	uint64_t found; /* blocks of level 0 of the object that was last */
};

/* Tells of damage; the verification goes on. */
void vol_verify_damaged(struct vol_verify *c, const char *format, ...)
	printf_like(2, 3);
/* For errors that are not damage: 0 if @err is one that the volume's contents
 * or the host's disk may cause. */
must_check int vol_verify_fatal(int err);

must_check int vol_verify_blocks_init(struct vol_verify *c);
void vol_verify_blocks_fini(struct vol_verify *c);
/* All blocks of an object, read from the host. Sleeps. */
must_check int vol_verify_object(struct vol_verify *c, struct vol_object *o);
/* The maps, right after the table, which comes last: each slot in which
 * something was seen is used. Sleeps. */
must_check int vol_verify_maps(struct vol_verify *c);
