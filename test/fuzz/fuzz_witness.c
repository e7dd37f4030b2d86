/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a witness takes of anybody who connects: a stream of frames, decided one
 * after the other. Whatever is taken encodes to the very same bytes; terms only
 * rise, and within a term numbers do.
 */
#include <stdlib.h>
#include <string.h>

#include "cas/witness_core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_view(
	const struct witness_view *old, const struct witness_view *v)
{
	if (v->promised < old->promised || v->accepted < old->accepted ||
		v->accepted > v->promised ||
		(v->accepted == old->accepted && v->seq < old->seq) ||
		(v->accepted == old->accepted && v->seq == old->seq &&
			memcmp(v->head, old->head, sizeof(v->head)) != 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t cluster[WITNESS_HASH_SIZE] = "fuzz";
	uint8_t frame[WITNESS_FRAME_MAX];
	struct witness_view view = {0};
	struct witness_request r;
	struct witness_reply reply;
	uint32_t slot = WITNESS_NO_SLOT;
	struct witness_core *w;
	const uint8_t *content;
	size_t n;

	if (witness_core_new(1, &w) < 0)
		return 0;
	while (witness_msg_frame(data, size, &content, &n) == 0 && n > 0) {
		(void)!witness_msg_get_reply(content, n, &reply);
		if (witness_msg_get_request(content, n, &r) == 0) {
			if (witness_msg_put_request(&r, frame) != n + 4 ||
				memcmp(frame, data, n + 4) != 0)
				abort();
			(void)!witness_core_answer(
				w, cluster, &r, &reply, &slot);
			check_view(&view, &reply.view);
			view = reply.view;
		}
		size -= (size_t)(content - data) + n;
		data = content + n;
	}
	witness_core_free(w);
	return 0;
}
