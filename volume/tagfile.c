/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/tagfile.h"

#include <errno.h>

#include "crypto/sha256.h"
#include "lib/string.h"

enum { MAC_SIZE = 32, HASH_BLOCK = 64, MESSAGE_MAX = 128 };

static const uint8_t magic[8] = "SCONCETG", label[16] = "sconce tag file";

static const size_t covered = offsetof(struct tagfile_slot, mac);

/* RFC 2104; one message of at most MESSAGE_MAX bytes. */
static void hmac(const uint8_t key[32], const void *data, size_t size,
	uint8_t mac[MAC_SIZE])
{
	uint8_t inner[HASH_BLOCK + MESSAGE_MAX], outer[HASH_BLOCK + MAC_SIZE];

	memset(inner, 0x36, HASH_BLOCK);
	memset(outer, 0x5c, HASH_BLOCK);
	for (size_t i = 0; i < 32; i++) {
		inner[i] ^= key[i];
		outer[i] ^= key[i];
	}
	memcpy(inner + HASH_BLOCK, data, size);
	sha256(inner, HASH_BLOCK + size, outer + HASH_BLOCK);
	sha256(outer, sizeof(outer), mac);
	string_wipe(inner, sizeof(inner));
	string_wipe(outer, sizeof(outer));
}

static void slot_mac(const struct tagfile_slot *s,
	const uint8_t key[VOL_KEY_SIZE], uint8_t mac[MAC_SIZE])
{
	uint8_t derived[MAC_SIZE];

	hmac(key, label, sizeof(label), derived);
	hmac(derived, s, covered, mac);
	string_wipe(derived, sizeof(derived));
}

void tagfile_seal(struct tagfile_slot *s, uint64_t sequence,
	const uint8_t uuid[VOL_UUID_SIZE], const uint8_t tag[VOL_TAG_SIZE],
	const uint8_t key[VOL_KEY_SIZE], const uint8_t *key2)
{
	memset(s, 0, sizeof(*s));
	memcpy(s->magic, magic, sizeof(magic));
	s->sequence = sequence;
	memcpy(s->uuid, uuid, VOL_UUID_SIZE);
	memcpy(s->tag, tag, VOL_TAG_SIZE);
	slot_mac(s, key, s->mac[0]);
	if (key2 != NULL)
		slot_mac(s, key2, s->mac[1]);
}

int tagfile_check(const struct tagfile_slot *s,
	const uint8_t uuid[VOL_UUID_SIZE], const uint8_t key[VOL_KEY_SIZE])
{
	uint8_t mac[MAC_SIZE];

	if (memcmp(s->magic, magic, sizeof(magic)) != 0 ||
		memcmp(s->uuid, uuid, VOL_UUID_SIZE) != 0)
		return -EBADMSG;
	slot_mac(s, key, mac);
	for (size_t i = 0; i < TAGFILE_MACS; i++)
		if (string_equal_const_time(mac, s->mac[i], MAC_SIZE))
			return 0;
	return -EBADMSG;
}
