/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a recovery share, a member's box, or a message or list of
 * hand-over, by the first byte; what is taken has no other encoding.
 */
#include <errno.h>
#include <stdlib.h>

#include "cas/handover_code.c"
#include "cas/shares.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not keys.c's, which needs the file system. */
void keys_cluster_id(const uint8_t key[static STORE_KEY_SIZE],
	uint8_t id[static STORE_HASH_SIZE])
{
	memcpy(id, key, STORE_HASH_SIZE);
}

static void same(struct buf *b, int rc, const uint8_t *data, size_t size)
{
	if (rc || b->size != size || memcmp(b->data, data, size))
		abort();
	buf_fini(b);
}

static void try_share(const uint8_t *data, size_t size)
{
	static struct share list[2];
	uint8_t secret[SHARE_SECRET_SIZE];
	struct buf b = {0};
	struct err e = {0};

	if (share_decode(data, size, &list[0], &e)) {
		if (e.code != -EBADMSG || !e.text[0])
			abort();
		return;
	}
	same(&b, share_encode(&list[0], &b), data, size);
	list[1] = list[0];
	list[1].index ^= 1;
	(void)shares_join(list, 2, secret, &e);
}

static void try_messages(const uint8_t *data, size_t size)
{
	static struct handover_list list;
	struct handover_request q;
	struct handover_grant g;
	struct buf b = {0};
	struct err e = {0};

	if (!handover_list_decode(data, size, &list, &e))
		same(&b, handover_list_encode(&list, &b), data, size);
	if (!handover_request_decode(data, size, &q, &e))
		same(&b, handover_request_encode(&q, &b), data, size);
	e.code = 0;
	if (!handover_grant_decode(data, size, &g, &e))
		same(&b, handover_grant_encode(&g, &b), data, size);
	else if (!e.code)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t private_key[SHARE_KEY_SIZE] = {0x77};
	static struct share s;

	if (!size)
		return 0;
	switch (data[0] % 3) {
	case 0:
		try_share(data + 1, size - 1);
		break;
	case 1:
		if (!share_open(data + 1, size - 1, private_key, &s,
			    &(struct err){0}))
			abort();
		break;
	case 2:
		try_messages(data + 1, size - 1);
		break;
	}
	return 0;
}
