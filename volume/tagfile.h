/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file in which a development machine keeps the newest tag of a volume
 * until a CAS does: two slots of 512 bytes. A slot is one sector, so writing
 * it in place is all or nothing, and a torn one fails its check; the valid slot
 * of the higher sequence counts. Whoever writes leaves alone the slot that is
 * the last one known to be on the disk.
 *
 * A slot carries HMAC-SHA-256 under a key from the volume key, so nobody else
 * can make one; that the whole file is put back is not seen. While a volume is
 * rekeyed there is a second one under the new key, and either opens it.
 */
#pragma once

#include "lib/types.h"
#include "volume/format.h"

enum { TAGFILE_SLOT_SIZE = 512, TAGFILE_SLOTS = 2, TAGFILE_MACS = 2 };

struct tagfile_slot {
	uint8_t magic[8]; /* "SCONCETG" */
	uint64_t sequence;
	uint8_t uuid[VOL_UUID_SIZE];
	uint8_t tag[VOL_TAG_SIZE];
	uint8_t mac[TAGFILE_MACS][32]; /* over what is before; zeros: none */
};
static_assert_size(struct tagfile_slot, 128);

/* The slot as it is written. @key2: NULL, or the key of a rekeying. */
void tagfile_seal(struct tagfile_slot *s, uint64_t sequence,
	const uint8_t uuid[VOL_UUID_SIZE], const uint8_t tag[VOL_TAG_SIZE],
	const uint8_t key[VOL_KEY_SIZE], const uint8_t *key2);
/* 0, or -EBADMSG: not of this volume and key, or altered. */
must_check int tagfile_check(const struct tagfile_slot *s,
	const uint8_t uuid[VOL_UUID_SIZE], const uint8_t key[VOL_KEY_SIZE]);
