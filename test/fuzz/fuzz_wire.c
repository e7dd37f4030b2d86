/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CAS decodes of anybody who connects, and enclaves of what calls itself
 * CAS: frames and both messages. Whatever is taken encodes to the very same
 * bytes, and its memory is always enough.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cas/wire.h"
#include "lib/schema_encode.h"
#include "test/unit/cbor_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ret, const struct err *e, const struct bytes *payload,
	const struct buf *again)
{
	if (ret < 0 && (e->code == 0 || ret == -ENOMEM))
		abort();
	if (ret < 0)
		return;
	if (again->size != payload->size + WIRE_HEAD_SIZE ||
		memcmp(again->data + WIRE_HEAD_SIZE, payload->data,
			payload->size) != 0 ||
		cbor_check(payload->data, payload->size, 3) < 0)
		abort();
}

static void one(bool reply, const struct bytes *payload)
{
	size_t room = WIRE_ARENA_SIZE(payload->size);
	void *memory = malloc(room);
	struct wire_request q;
	struct wire_reply r;
	struct buf again = {0};
	struct arena arena;
	struct err e = {0};
	int ret;

	arena_init(&arena, memory, room);
	if (reply) {
		ret = wire_get_reply(
			&r, payload->data, payload->size, &arena, &e);
		if (ret == 0 && wire_put_reply(&r, &again, &e) < 0)
			abort();
	} else {
		ret = wire_get_request(
			&q, payload->data, payload->size, &arena, &e);
		if (ret == 0 && wire_put_request(&q, &again, &e) < 0)
			abort();
	}
	check(ret, &e, payload, &again);
	buf_fini(&again);
	free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes payload = {data + 1, size - 1};
	int ret;

	if (size < 2)
		return 0;
	/* As a stream of frames, or as one payload. */
	if (!(data[0] & 2)) {
		one(data[0] & 1, &payload);
		return 0;
	}
	for (data++, size--; size > 0;) {
		ret = wire_frame(data, size, WIRE_REQUEST_MAX, &payload);
		if (ret <= 0)
			break;
		if (payload.data != data + WIRE_HEAD_SIZE ||
			payload.size > size - WIRE_HEAD_SIZE)
			abort();
		one(false, &payload);
		data += WIRE_HEAD_SIZE + payload.size;
		size -= WIRE_HEAD_SIZE + payload.size;
	}
	return 0;
}
