/* SPDX-License-Identifier: Apache-2.0 */
#include "cas/shares.h"

#include <errno.h>

#include <openssl/rand.h>

#include "crypto/sha256.h"
#include "lib/string.h"

/* ---- GF(2^8): the same steps for all values ---- */

static uint8_t gf_mul(uint8_t a, uint8_t b)
{
	unsigned x = a, sum = 0;

	for (int i = 0; i < 8; i++) {
		sum ^= x & (0u - (b >> i & 1));
		/* x^8 = x^4 + x^3 + x + 1 */
		x = x << 1 ^ (0x11bu & (0u - (x >> 7 & 1)));
	}
	return (uint8_t)sum;
}

/* a^254; of 0: 0. */
static uint8_t gf_inverse(uint8_t a)
{
	uint8_t square = a, product = 1;

	for (int i = 1; i < 8; i++) {
		square = gf_mul(square, square);
		product = gf_mul(product, square);
	}
	return product;
}

/* ---- checksums: of values with 256 random bits, so they tell nothing ---- */

static void check_of(
	const struct share *s, uint8_t out[static SHARE_CHECK_SIZE])
{
	static const char label[] = "sconce share v1";
	const uint8_t numbers[3] = {s->need, s->count, s->index};
	uint8_t digest[SHA256_SIZE];
	struct sha256 h;

	sha256_init(&h);
	sha256_update(&h, label, sizeof(label));
	sha256_update(&h, s->set, sizeof(s->set));
	sha256_update(&h, s->cluster, sizeof(s->cluster));
	sha256_update(&h, numbers, sizeof(numbers));
	sha256_update(&h, s->value, sizeof(s->value));
	sha256_final(&h, digest);
	memcpy(out, digest, SHARE_CHECK_SIZE);
	string_wipe(digest, sizeof(digest));
}

static void check_of_secret(const struct share *s, const uint8_t *secret,
	uint8_t out[static SHARE_CHECK_SIZE])
{
	static const char label[] = "sconce share secret v1";
	uint8_t digest[SHA256_SIZE];
	struct sha256 h;

	sha256_init(&h);
	sha256_update(&h, label, sizeof(label));
	sha256_update(&h, s->set, sizeof(s->set));
	sha256_update(&h, secret, SHARE_SECRET_SIZE);
	sha256_final(&h, digest);
	memcpy(out, digest, SHARE_CHECK_SIZE);
	string_wipe(digest, sizeof(digest));
}

/* ---- splitting ---- */

/* The polynomial with the secret at 0, at x = index, by Horner's rule. */
static void evaluate(const uint8_t *secret,
	uint8_t (*coefficient)[SHARE_SECRET_SIZE], unsigned need, uint8_t index,
	uint8_t *value)
{
	for (unsigned i = 0; i < SHARE_SECRET_SIZE; i++) {
		uint8_t y = 0;

		for (unsigned j = need - 1; j-- > 0;)
			y = gf_mul(y ^ coefficient[j][i], index);
		value[i] = y ^ secret[i];
	}
}

int shares_split(const uint8_t secret[static SHARE_SECRET_SIZE],
	const uint8_t cluster[static 32], unsigned need, unsigned count,
	struct share *out, struct err *e)
{
	uint8_t coefficient[SHARES_MAX][SHARE_SECRET_SIZE];
	struct share *first = &out[0];

	if (!need || need > count || count > SHARES_MAX)
		return err_setf(e, -EINVAL,
			"%u of %u shares; wanted 1 <= K <= N <= %d", need,
			count, SHARES_MAX);
	*first = (struct share){.need = (uint8_t)need, .count = (uint8_t)count};
	memcpy(first->cluster, cluster, sizeof(first->cluster));
	if (RAND_bytes(first->set, sizeof(first->set)) != 1 ||
		RAND_priv_bytes(coefficient[0], sizeof(coefficient)) != 1)
		return err_setf(e, -EIO, "no random numbers");
	check_of_secret(first, secret, first->secret_check);
	for (unsigned i = 0; i < count; i++) {
		if (i)
			out[i] = *first;
		out[i].index = (uint8_t)(i + 1);
		evaluate(secret, coefficient, need, out[i].index, out[i].value);
		check_of(&out[i], first->check[i]);
	}
	for (unsigned i = 1; i < count; i++)
		memcpy(out[i].check, first->check, sizeof(first->check));
	string_wipe(coefficient, sizeof(coefficient));
	return 0;
}

/* ---- joining ---- */

static bool one_split(const struct share *a, const struct share *b)
{
	return !memcmp(a->set, b->set, sizeof(a->set)) &&
		!memcmp(a->cluster, b->cluster, sizeof(a->cluster)) &&
		a->need == b->need && a->count == b->count;
}

static int check_list(const struct share *list, unsigned count, struct err *e)
{
	for (unsigned i = 0; i < count; i++) {
		const struct share *s = &list[i];

		if (!s->need || s->need > s->count || s->count > SHARES_MAX ||
			!s->index || s->index > s->count)
			return err_setf(e, -EINVAL,
				"share %u: numbers that no share has",
				s->index);
		if (!one_split(list, s))
			return err_setf(e, -EINVAL,
				"share %u is of another split than share %u; "
				"bring shares of one",
				s->index, list->index);
		for (unsigned j = 0; j < i; j++)
			if (list[j].index == s->index)
				return err_setf(e, -EINVAL,
					"share %u twice; bring another "
					"member's",
					s->index);
	}
	return 0;
}

static bool same_checks(const struct share *a, const struct share *b)
{
	return !memcmp(a->check, b->check, sizeof(a->check)) &&
		!memcmp(a->secret_check, b->secret_check,
			sizeof(a->secret_check));
}

/* The share whose list of checksums most others have too. */
static const struct share *usual(const struct share *list, unsigned count)
{
	const struct share *best = NULL;
	unsigned most = 0;

	for (unsigned i = 0; i < count; i++) {
		unsigned n = 0;

		for (unsigned j = 0; j < count; j++)
			n += same_checks(&list[i], &list[j]);
		if (n > most) {
			most = n;
			best = &list[i];
		}
	}
	return best;
}

static int check_values(const struct share *list, unsigned count, struct err *e)
{
	const struct share *by = usual(list, count);
	uint8_t check[SHARE_CHECK_SIZE];

	for (unsigned i = 0; i < count; i++) {
		const struct share *s = &list[i];

		if (!same_checks(s, by))
			return err_setf(e, -EBADMSG,
				"share %u is wrong: its checksums are not "
				"those of share %u; leave %s out",
				s->index, by->index,
				count > 2 ? "it" : "one of them");
		check_of(s, check);
		if (!string_equal_const_time(
			    check, by->check[s->index - 1], sizeof(check)))
			return err_setf(e, -EBADMSG,
				"share %u is wrong: it was altered; leave it "
				"out",
				s->index);
	}
	return 0;
}

/* Lagrange's formula at 0; the indices are no secret. */
static void interpolate(
	const struct share *list, unsigned need, uint8_t *secret)
{
	memset(secret, 0, SHARE_SECRET_SIZE);
	for (unsigned i = 0; i < need; i++) {
		uint8_t above = 1, below = 1;

		for (unsigned j = 0; j < need; j++) {
			if (j == i)
				continue;
			above = gf_mul(above, list[j].index);
			below = gf_mul(below, list[j].index ^ list[i].index);
		}
		above = gf_mul(above, gf_inverse(below));
		for (unsigned n = 0; n < SHARE_SECRET_SIZE; n++)
			secret[n] ^= gf_mul(list[i].value[n], above);
	}
}

int shares_join(const struct share *list, unsigned count,
	uint8_t secret[static SHARE_SECRET_SIZE], struct err *e)
{
	uint8_t check[SHARE_CHECK_SIZE];
	int rc;

	if (!count)
		return err_setf(e, -EAGAIN, "no shares yet");
	rc = check_list(list, count, e);
	if (!rc)
		rc = check_values(list, count, e);
	if (rc)
		return rc;
	if (count < list->need)
		return err_setf(e, -EAGAIN, "%u of %u shares; wanted %u more",
			count, list->need, list->need - count);
	interpolate(list, list->need, secret);
	check_of_secret(list, secret, check);
	if (string_equal_const_time(check, list->secret_check, sizeof(check)))
		return 0;
	string_wipe(secret, SHARE_SECRET_SIZE);
	return err_setf(e, -EBADMSG,
		"these shares agree with each other, but what they give is not "
		"what was split");
}
