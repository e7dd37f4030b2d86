/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a record: decoded; what is taken encodes to the same bytes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cas/store_record.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t hash[STORE_HASH_SIZE];
	struct store_record r;
	struct buf out = {0};
	int ret = store_record_decode(data, size, &r);

	if (ret) {
		if (ret != -EBADMSG && ret != -ENOMEM)
			abort();
		return 0;
	}
	memcpy(hash, r.hash, sizeof(hash));
	if (store_record_encode(&r, &out) || out.size != size ||
		memcmp(out.data, data, size) != 0 ||
		memcmp(hash, r.hash, sizeof(hash)) != 0)
		abort();
	store_record_fini(&r);
	buf_fini(&out);
	return 0;
}
