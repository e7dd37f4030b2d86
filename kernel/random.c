/* SPDX-License-Identifier: Apache-2.0 */
/* See random.h. */
#include "kernel/random.h"

#include "kernel/enclu.h"
#include "kernel/klog.h"
#include "lib/string.h"

enum { TRIES = 64 };

uint64_t random_u64(void)
{
	for (int i = 0; i < TRIES; i++) {
		uint64_t v;

		if (enclu_rdrand(&v))
			return v;
	}
	panic("the processor gives no random numbers");
}

void random_fill(void *buf, size_t size)
{
	uint8_t *p = buf;

	while (size > 0) {
		uint64_t v = random_u64();
		size_t n = size < sizeof(v) ? size : sizeof(v);

		memcpy(p, &v, n);
		p += n;
		size -= n;
	}
}
