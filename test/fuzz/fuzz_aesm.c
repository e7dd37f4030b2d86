/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a request and as an answer of AESM. What is decoded points into
 * the message, and is decoded again from what the encoder makes of it.
 */
#include <string.h>

#include "host/aesm_wire.c"

#define CHECK(cond)                       \
	do {                              \
		if (!(cond))              \
			__builtin_trap(); \
	} while (0)

static void again(const struct aesm_msg *m, bool response, size_t size)
{
	static uint8_t frame[1 << 18];
	struct aesm_msg n;
	size_t len;

	CHECK(aesm_encode(m, response, frame, sizeof(frame), &len) == 0);
	/* Never longer: unknown fields and long forms of numbers go. */
	CHECK(len - AESM_FRAME_HEAD <= size);
	CHECK(aesm_decode(frame + AESM_FRAME_HEAD, len - AESM_FRAME_HEAD,
		      response, &n) == 0);
	CHECK(n.message == m->message && n.has == m->has);
	for (unsigned i = 0; i < AESM_F_COUNT; i++) {
		CHECK(n.value[i] == m->value[i]);
		CHECK(n.span[i].size == m->span[i].size);
		CHECK(n.span[i].size == 0 ||
			memcmp(n.span[i].data, m->span[i].data,
				n.span[i].size) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int response = 0; response < 2; response++) {
		struct aesm_msg m;

		if (aesm_decode(data, size, response, &m) != 0)
			continue;
		for (unsigned i = 0; i < AESM_F_COUNT; i++) {
			const struct aesm_span *s = &m.span[i];

			if (!(m.has & UINT32_C(1) << i) || !s->data)
				continue;
			CHECK(s->data >= data && s->size <= size &&
				s->data + s->size <= data + size);
		}
		again(&m, response, size);
	}
	return 0;
}
