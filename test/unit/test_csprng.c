/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/csprng.h"

#include <string.h>

#include "kernel/random.h"
#include "test/unit/unit.h"

static unsigned seeds;

void random_fill(void *buf, size_t size)
{
	memset(buf, 0x42, size);
	seeds++;
}

/* RFC 8439, 2.3.2 */
static void test_block(void **state)
{
	static const uint32_t in[16] = {0x61707865, 0x3320646e, 0x79622d32,
		0x6b206574, 0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c,
		0x13121110, 0x17161514, 0x1b1a1918, 0x1f1e1d1c, 0x00000001,
		0x09000000, 0x4a000000, 0x00000000};
	static const uint8_t want[64] = {0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b,
		0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3, 0x20, 0x71, 0xc4,
		0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22,
		0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e, 0xd2, 0x82, 0x64, 0x46,
		0x07, 0x9f, 0xaa, 0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b,
		0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1, 0xde, 0x16, 0x4e, 0xb9,
		0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e};
	uint8_t out[64];

	csprng_block(in, out);
	assert_memory_equal(out, want, 64);
}

/* No 8-byte word comes twice, whatever the sizes asked for. */
static void test_stream(void **state)
{
	static uint64_t words[4096];
	uint8_t *p = (uint8_t *)words;
	size_t at = 0;

	for (size_t n = 1; at < sizeof(words); n = n * 3 % 1021 + 1) {
		size_t part = n < sizeof(words) - at ? n : sizeof(words) - at;

		csprng_fill(p + at, part);
		at += part;
	}
	for (size_t i = 0; i < 4096; i++) {
		for (size_t k = i + 1; k < 4096; k++)
			assert_true(words[i] != words[k]);
	}
}

static void test_reseed(void **state)
{
	static uint8_t buf[65536];
	unsigned before = seeds;

	for (int i = 0; i < 3 * CSPRNG_RESEED / 65536; i++)
		csprng_fill(buf, sizeof(buf));
	assert_in_range(seeds - before, 3, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_reseed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
