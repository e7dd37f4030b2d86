/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/csprng.h"

#include "kernel/random.h"
#include "lib/string.h"
#include "lib/types.h"

enum { BLOCKS = 8, KEY_SIZE = 32 };

static uint32_t key[KEY_SIZE / 4];
static uint8_t buffer[BLOCKS * 64];
static size_t left; /* bytes at the end of buffer not given out yet */
static uint64_t to_seed; /* bytes until the key is mixed again */

static uint32_t rotl(uint32_t v, int n)
{
	return v << n | v >> (32 - n);
}

#define QUARTER(a, b, c, d)                          \
	do {                                         \
		a += b, d = rotl(d ^ a, 16), c += d; \
		b = rotl(b ^ c, 12), a += b;         \
		d = rotl(d ^ a, 8), c += d;          \
		b = rotl(b ^ c, 7);                  \
	} while (0)

void csprng_block(const uint32_t in[static 16], uint8_t out[static 64])
{
	uint32_t x[16];

	memcpy(x, in, sizeof(x));
	for (int i = 0; i < 10; i++) {
		QUARTER(x[0], x[4], x[8], x[12]);
		QUARTER(x[1], x[5], x[9], x[13]);
		QUARTER(x[2], x[6], x[10], x[14]);
		QUARTER(x[3], x[7], x[11], x[15]);
		QUARTER(x[0], x[5], x[10], x[15]);
		QUARTER(x[1], x[6], x[11], x[12]);
		QUARTER(x[2], x[7], x[8], x[13]);
		QUARTER(x[3], x[4], x[9], x[14]);
	}
	for (int i = 0; i < 16; i++)
		x[i] += in[i];
	memcpy(out, x, sizeof(x));
	string_wipe(x, sizeof(x));
}

static void reseed(void)
{
	uint32_t fresh[KEY_SIZE / 4];

	random_fill(fresh, sizeof(fresh));
	for (size_t i = 0; i < ARRAY_SIZE(key); i++)
		key[i] ^= fresh[i];
	string_wipe(fresh, sizeof(fresh));
	to_seed = CSPRNG_RESEED;
}

static void refill(void)
{
	uint32_t state[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

	if (to_seed < sizeof(buffer))
		reseed();
	to_seed -= sizeof(buffer);
	memcpy(state + 4, key, sizeof(key));
	for (uint32_t i = 0; i < BLOCKS; i++) {
		state[12] = i;
		csprng_block(state, buffer + 64ul * i);
	}
	string_wipe(state, sizeof(state));
	memcpy(key, buffer, sizeof(key));
	string_wipe(buffer, sizeof(key));
	left = sizeof(buffer) - sizeof(key);
}

void csprng_fill(void *buf, size_t size)
{
	uint8_t *p = buf;

	while (size) {
		uint8_t *from;
		size_t n;

		if (left == 0)
			refill();
		n = u64_min(size, left);
		from = buffer + sizeof(buffer) - left;
		memcpy(p, from, n);
		string_wipe(from, n);
		left -= n;
		p += n;
		size -= n;
	}
}
