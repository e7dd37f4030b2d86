/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing secret is left in memory that is given up: free() is watched for the
 * values themselves, while sets are made, kept, read, renewed and formatted,
 * and keys of CAS made and shared.
 */
#include "test/unit/unit.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "cas/keys.h"
#include "cas/secret_int.h"
#include "cas/secret_memory.h"
#include "cas/shares.h"
#include "test/unit/secret_session.h"

enum { WATCHED = 8, SIZE = 24 };

void __real_free(void *p);
void __wrap_free(void *p);

static uint8_t watched[WATCHED][SIZE];
static unsigned count, found;

void __wrap_free(void *p)
{
	size_t size = p ? malloc_usable_size(p) : 0;

	for (unsigned i = 0; i < count; i++)
		if (memmem(p, size, watched[i], SIZE))
			found |= 1u << i;
	__real_free(p);
}

/* SIZE bytes of a secret, in memory that is never freed. */
static void watch(const uint8_t *secret)
{
	assert_true(count < WATCHED);
	memcpy(watched[count++], secret, SIZE);
}

static void expect_clean(const char *what)
{
	if (found)
		fail_msg("%s: left behind: %x", what, found);
}

static int reset(void **state)
{
	count = found = 0;
	return 0;
}

/* The test itself sees what is left. */
static void test_sees(void **state)
{
	uint8_t *p = malloc(100);

	memset(p, 0x3c, 100);
	watch(p + 10);
	free(p);
	assert_int_equal(found, 1);
}

static struct text_pair claim = {"pw", "$$SCONE::pw$$"};
static const struct secret_spec spec[] = {
	{.name = "pw", .size = 40, .rotate_every = 10, .rotate_grace = 5},
	{.name = "raw", .kind = SECRET_BINARY, .size = 40, .rotate_every = 10},
	{.name = "key", .kind = SECRET_PRIVATE_KEY, .rotate_every = 10},
	{.name = "ed", .kind = SECRET_PRIVATE_KEY, .key_type = KEY_ED25519},
	{.name = "crt", .kind = SECRET_X509, .private_key = "key"},
	{.name = "jwt",
		.kind = SECRET_JWT,
		.private_key = "key",
		.payload = {&claim, 1}},
};

static const char *const formats[] = {"", "der", "privatekey", "privatekey:der",
	"pkcs12-with-private-key", "bin"};

static void use(const struct secret_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		for (size_t j = 0; j < ARRAY_SIZE(formats); j++) {
			struct buf b = {.secret = true};
			struct err e = {0};

			if (!secret_format(
				    set, set->item[i].name, formats[j], &b, &e))
				assert_true(b.size > 0);
			buf_fini(&b);
		}
}

static void test_sets(void **state)
{
	struct session *s = secret_session(
		(struct secret_spec *)(uintptr_t)spec, ARRAY_SIZE(spec));
	struct secret_env env = {.now = SECRET_SESSION_NOW};
	struct secret_set *set, *back;
	struct buf text = {0};
	EVP_PKEY *key;

	assert_int_equal(secret_set_make(s, NULL, NULL, &env, &set, NULL), 0);
	watch(set->item[0].now.value.data);
	watch(set->item[1].now.value.data);
	/* The private numbers: in the layouts of secret_key.c. */
	watch(set->item[2].now.value.data + 36);
	watch(set->item[3].now.value.data + 16);
	expect_clean("making");
	use(set);
	expect_clean("formatting");
	assert_int_equal(secret_set_encode(set, &text), 0);
	assert_int_equal(
		secret_set_decode(text.data, text.size, &back, NULL), 0);
	assert_int_equal(secret_pkey(&back->item[2], &key), 0);
	assert_int_equal(secret_pkey(&back->item[3], &key), 0);
	use(back);
	secret_set_free(back);
	buf_fini(&text);
	expect_clean("encoding");
	assert_int_equal(secret_set_make(s, s, set, &env, &back, NULL), 0);
	secret_set_free(back);
	expect_clean("updating");
	env.now += 10;
	assert_int_equal(secret_set_renew(set, s, &env, NULL), 1);
	env.now += 10;
	assert_int_equal(secret_set_renew(set, s, &env, NULL), 1);
	expect_clean("renewing");
	secret_set_free(set);
	expect_clean("freeing");
}

static void test_keys(void **state)
{
	uint8_t secret[32] = {0}, member[32] = {9};
	static struct share list[3];
	struct buf row = {.secret = true}, box = {0};
	EVP_PKEY *key, *back;

	assert_int_equal(keys_identity_make(&key, NULL), 0);
	assert_int_equal(keys_identity_encode(key, &row, NULL), 0);
	watch(row.data + 36);
	assert_int_equal(
		keys_identity_decode(row.data, row.size, &back, NULL), 0);
	EVP_PKEY_free(key);
	EVP_PKEY_free(back);
	buf_fini(&row);
	expect_clean("identity");
	memset(secret, 0x5a, 16);
	assert_int_equal(shares_split(secret, secret, 2, 3, list, NULL), 0);
	watch(list[0].value);
	assert_int_equal(share_encode(&list[0], &row), 0);
	assert_int_equal(share_seal(&list[0], member, &box, NULL), 0);
	buf_fini(&row);
	buf_fini(&box);
	expect_clean("shares");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_sees, reset),
		cmocka_unit_test_setup(test_sets, reset),
		cmocka_unit_test_setup(test_keys, reset),
	};

	if (!secret_memory_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
