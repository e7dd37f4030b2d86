/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery shares: any k give the key back and fewer tell nothing; vectors by
 * an independent implementation (with tables of logarithms, in Python); who
 * brings a wrong share is named; boxes open for their member only.
 */
#include "test/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "cas/shares.h"
#include "lib/string.h"

static const uint8_t cluster[32] = {0xc1};
static uint64_t seed;

static unsigned draw(unsigned below)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (unsigned)(seed >> 33) % below;
}

static void shuffle(struct share *list, unsigned count)
{
	for (unsigned i = count; i-- > 1;) {
		unsigned j = draw(i + 1);
		struct share t = list[i];

		list[i] = list[j];
		list[j] = t;
	}
}

/* Any k of n, and any k - 1. */
static void test_any(void **state)
{
	static struct share list[SHARES_MAX];
	uint8_t secret[32], back[32];
	struct err e = {0};

	for (int round = 0; round < 3000; round++) {
		unsigned count = 1 + draw(round % 10 ? 8 : SHARES_MAX);
		unsigned need = 1 + draw(count);

		for (int i = 0; i < 32; i++)
			secret[i] = (uint8_t)draw(256);
		assert_int_equal(
			shares_split(secret, cluster, need, count, list, &e),
			0);
		shuffle(list, count);
		assert_int_equal(shares_join(list, need, back, &e), 0);
		assert_memory_equal(secret, back, 32);
		assert_int_equal(shares_join(list, count, back, &e), 0);
		assert_memory_equal(secret, back, 32);
		memset(back, 0x55, 32);
		assert_int_equal(
			shares_join(list, need - 1, back, &e), -EAGAIN);
		for (int i = 0; i < 32; i++)
			assert_int_equal(back[i], 0x55);
	}
}

/* Chi square of 256 cells. Mean 255, deviation 22.6. */
static double chi_square(const unsigned *seen, unsigned total)
{
	double want = total / 256.0, sum = 0;

	for (int i = 0; i < 256; i++)
		sum += (seen[i] - want) * (seen[i] - want) / want;
	return sum;
}

/*
 * What k - 1 members hold is spread alike, whatever the secret is: each value,
 * and the combinations of two (their sum, and what interpolation through both
 * alone would give, which is the secret if k were 2).
 */
static void test_fewer_tell_nothing(void **state)
{
	enum { ROUNDS = 4000, TOTAL = ROUNDS * 32 };
	static struct share list[5];
	static unsigned one[256], sum[256], line[256];
	static const uint8_t secrets[] = {0x00, 0xff, 0x01};
	uint8_t secret[32];

	for (size_t s = 0; s < sizeof(secrets); s++) {
		memset(secret, secrets[s], sizeof(secret));
		memset(one, 0, sizeof(one));
		memset(sum, 0, sizeof(sum));
		memset(line, 0, sizeof(line));
		for (int i = 0; i < ROUNDS; i++) {
			assert_int_equal(
				shares_split(secret, cluster, 3, 5, list, NULL),
				0);
			for (int j = 0; j < 32; j++) {
				unsigned a = list[1].value[j];
				unsigned b = list[2].value[j];

				one[a]++;
				sum[a ^ b]++;
				/* Through x = 2 and x = 3, at 0: 3 a + 2 b. */
				a = a ^ (a << 1 ^ (a >> 7) * 0x11b);
				b = b << 1 ^ (b >> 7) * 0x11b;
				line[(a ^ b) & 0xff]++;
			}
		}
		assert_true(chi_square(one, TOTAL) < 255 + 8 * 22.6);
		assert_true(chi_square(sum, TOTAL) < 255 + 8 * 22.6);
		assert_true(chi_square(line, TOTAL) < 255 + 8 * 22.6);
	}
	/* The test sees it where there is something to be seen. */
	memset(line, 0, sizeof(line));
	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(
			shares_split(secret, cluster, 2, 5, list, NULL), 0);
		for (int j = 0; j < 32; j++) {
			unsigned a = list[1].value[j], b = list[2].value[j];

			a = a ^ (a << 1 ^ (a >> 7) * 0x11b);
			b = b << 1 ^ (b >> 7) * 0x11b;
			line[(a ^ b) & 0xff]++;
		}
	}
	assert_int_equal(line[secrets[2]], TOTAL);
}

/* ---- vectors: 3 of 5, secret 00 01 .. 1f; shares 1, 3 and 5 ---- */

#define CHECKS                                                       \
	"508ac14810b26ea2e353b4a01d410890098550bcd2cb445bcb71432358" \
	"f473930a37a550ff213dc261ba6c3e50a3f612a3133d855030986111d1" \
	"ff8fbc9201c45cb52298b85070c9efe411ea9b7d228d318c1416043c50" \
	"6f2bcdf9ec5c2fca5ea21973c5d1191e"
#define HEAD                                                         \
	"8901505e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5820c1c1c1c1c1c1c1c1" \
	"c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1"

static const char *const vectors[] = {
	HEAD "03050158204cfd8d98df38cb81b218ec91443e630353398884fe3337313e"
	     "cd854c04ce11d7" CHECKS,
	HEAD "0305035820b1222148d0200f43f6c8d5a661e1324e922bb9b429abd76e45"
	     "4d46ea716ccdfb" CHECKS,
	HEAD "030505582022a85cfa7f9b576796460b9fec49dbd6cd0e92f02b6552c314"
	     "1aad3be1ed9725" CHECKS,
};

static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t size = strlen(hex) / 2;

	assert_true(string_from_hex(hex, out, size));
	return size;
}

static void test_vectors(void **state)
{
	struct share list[3];
	uint8_t text[1024], secret[32];
	struct err e = {0};
	struct buf b = {0};

	for (int i = 0; i < 3; i++) {
		size_t size = from_hex(vectors[i], text);

		assert_int_equal(share_decode(text, size, &list[i], &e), 0);
		assert_int_equal(list[i].index, 2 * i + 1);
		assert_int_equal(share_encode(&list[i], &b), 0);
		assert_int_equal(b.size, size);
		assert_memory_equal(b.data, text, size);
		buf_fini(&b);
		for (size_t n = 0; n < size; n++)
			assert_int_equal(
				share_decode(text, n, &list[i], &e), -EBADMSG);
		assert_int_equal(
			share_decode(text, size + 1, &list[i], &e), -EBADMSG);
		assert_int_equal(share_decode(text, size, &list[i], &e), 0);
	}
	assert_int_equal(shares_join(list, 3, secret, &e), 0);
	for (int i = 0; i < 32; i++)
		assert_int_equal(secret[i], i);
}

/* ---- wrong shares ---- */

static void expect_join(
	const struct share *list, unsigned count, int rc, const char *text)
{
	uint8_t secret[32];
	struct err e = {0};
	int got = shares_join(list, count, secret, &e);

	if (got != rc || !strstr(e.text, text))
		fail_msg("%d %s; wanted %d %s", got, e.text, rc, text);
}

static void test_wrong(void **state)
{
	static struct share good[5], bad[5], others[5];
	uint8_t secret[32] = {1, 2, 3};
	struct err e = {0};

	assert_int_equal(shares_split(secret, cluster, 3, 5, good, &e), 0);
	assert_int_equal(shares_split(secret, cluster, 3, 5, others, &e), 0);
	/* Every bit of a value. */
	for (unsigned bit = 0; bit < 256; bit++) {
		memcpy(bad, good, sizeof(bad));
		bad[2].value[bit / 8] ^= (uint8_t)(1 << bit % 8);
		expect_join(bad, 4, -EBADMSG, "share 3 is wrong");
	}
	/* With a checksum that was made good, in the own list alone. */
	memcpy(bad, good, sizeof(bad));
	bad[1].value[0] ^= 1;
	bad[1].check[1][0] ^= 1;
	expect_join(bad, 3, -EBADMSG, "share 2 is wrong");
	bad[1] = good[1];
	bad[1].secret_check[5] ^= 1;
	expect_join(bad, 4, -EBADMSG, "share 2 is wrong");
	/* First in the list, it is still the one that is named. */
	bad[1] = good[1];
	bad[0].check[0][0] ^= 1;
	expect_join(bad, 3, -EBADMSG, "share 1 is wrong");
	/* All lists changed alike: nobody is named, nothing is given. */
	memcpy(bad, good, sizeof(bad));
	for (int i = 0; i < 5; i++)
		bad[i].secret_check[0] ^= 1;
	expect_join(bad, 5, -EBADMSG, "not what was split");

	memcpy(bad, good, sizeof(bad));
	bad[1] = good[0];
	expect_join(bad, 3, -EINVAL, "share 1 twice");
	bad[1] = others[1];
	expect_join(bad, 3, -EINVAL, "share 2 is of another split");
	bad[1] = good[1];
	bad[1].cluster[0] ^= 1;
	expect_join(bad, 3, -EINVAL, "share 2 is of another split");
	bad[1] = good[1];
	bad[1].need = 2;
	expect_join(bad, 3, -EINVAL, "another split");
	/* A demand of one, by all: their checksums say otherwise. */
	for (int i = 0; i < 5; i++)
		bad[i].need = 1;
	expect_join(bad, 3, -EBADMSG, "is wrong");
	memcpy(bad, good, sizeof(bad));
	bad[1].index = 0;
	expect_join(bad, 3, -EINVAL, "numbers that no share has");
	bad[1].index = 6;
	expect_join(bad, 3, -EINVAL, "numbers that no share has");
	expect_join(good, 2, -EAGAIN, "2 of 3 shares; wanted 1 more");
	expect_join(good, 0, -EAGAIN, "no shares");
	assert_int_equal(
		shares_split(secret, cluster, 0, 5, good, &e), -EINVAL);
	assert_int_equal(
		shares_split(secret, cluster, 6, 5, good, &e), -EINVAL);
	assert_int_equal(
		shares_split(secret, cluster, 2, SHARES_MAX + 1, good, &e),
		-EINVAL);
}

/* ---- boxes ---- */

static void new_member(uint8_t private_key[32], uint8_t public_key[32])
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	size_t size = 32;

	assert_non_null(key);
	assert_int_equal(
		EVP_PKEY_get_raw_private_key(key, private_key, &size), 1);
	assert_int_equal(
		EVP_PKEY_get_raw_public_key(key, public_key, &size), 1);
	EVP_PKEY_free(key);
}

static void test_boxes(void **state)
{
	uint8_t ann[32], ann_key[32], bob[32], bob_key[32], secret[32] = {9};
	static struct share list[3], back;
	struct buf box = {0}, again = {0};
	struct err e = {0};

	new_member(ann, ann_key);
	new_member(bob, bob_key);
	assert_int_equal(shares_split(secret, cluster, 2, 3, list, &e), 0);
	assert_int_equal(share_seal(&list[0], ann_key, &box, &e), 0);
	assert_int_equal(share_seal(&list[0], ann_key, &again, &e), 0);
	assert_memory_not_equal(box.data, again.data, box.size);
	assert_null(memmem(box.data, box.size, list[0].value, 32));
	assert_int_equal(share_open(box.data, box.size, ann, &back, &e), 0);
	assert_memory_equal(&back, &list[0], sizeof(back));
	assert_int_equal(
		share_open(box.data, box.size, bob, &back, &e), -EKEYREJECTED);
	for (size_t i = 0; i < box.size; i++) {
		int rc;

		box.data[i] ^= 0x10;
		rc = share_open(box.data, box.size, ann, &back, &e);
		if (rc != -EBADMSG && rc != -EKEYREJECTED)
			fail_msg("byte %zu: %d", i, rc);
		box.data[i] ^= 0x10;
	}
	for (size_t n = 0; n < box.size; n++)
		assert_int_equal(
			share_open(box.data, n, ann, &back, &e), -EBADMSG);
	/* A key of small order would make a box that anybody opens. */
	memset(bob_key, 0, 32);
	assert_int_equal(share_seal(&list[0], bob_key, &again, &e), -EINVAL);
	buf_fini(&box);
	buf_fini(&again);
}

#define BOX_VECTOR                                                         \
	"840158201cf579aba45a10ba1d1ef06d91fca2aa9ed0a1150515653155405d0b" \
	"18cb9a675820219e4d800da968d2a5fcb009c784f4746c7138edb9ee4844b739" \
	"e830b05cf42458d1c2bbe87bf39901ec95efa3db679f875cb6680d97e045570e" \
	"3f7b0d4cd628caa8c58097cda75a9f5e8c59f1b97aa1649353779abe0c7911ed" \
	"115d3775df6edbd428ca568a40cd31360fcb5a097727bf5cdf34f426d9eb354c" \
	"af6d831ba5003405122979ed825127e514fbae91e3ccaf2b0428ce1260fcb76b" \
	"14f591c388bdddb76f1b1e154c92fa60c4ec555123e317d3c79188851786a396" \
	"24361d97240fcfd8b0daff4641a41f3630889738fbbacd5bdeb5909d66d7dae0" \
	"616f3da6193b65fcf4cc69d849caf89118dc91e81f27a3248d"

/* By an independent implementation: X25519 and AES-GCM of Python's
 * cryptography, HKDF by hand. Ann's private key is 77 .. 77. */
static void test_box_vector(void **state)
{
	static const char hex[] = BOX_VECTOR;
	uint8_t ann[32], text[2048];
	static struct share s;
	struct err e = {0};

	memset(ann, 0x77, sizeof(ann));
	assert_int_equal(share_open(text, from_hex(hex, text), ann, &s, &e), 0);
	assert_int_equal(s.index, 1);
	assert_int_equal(s.value[0], 0x4c);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any),
		cmocka_unit_test(test_fewer_tell_nothing),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_boxes),
		cmocka_unit_test(test_box_vector),
	};

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
	print_message("seed %llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
