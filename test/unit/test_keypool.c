/* SPDX-License-Identifier: Apache-2.0 */
/* Keys made in advance, and whether secrets take them. */
#include "test/unit/unit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "cas/keypool.h"
#include "cas/secret_int.h"
#include "cas/secret_key.h"
#include "test/unit/secret_session.h"

static void test_pool(void **state)
{
	struct keypool *p;
	EVP_PKEY *key;
	uint64_t type;

	assert_int_equal(keypool_new(0, &p, NULL), -EINVAL);
	assert_int_equal(keypool_new(65, &p, NULL), -EINVAL);
	assert_int_equal(keypool_new(1, &p, NULL), 0);
	assert_null(keypool_take(p, KEY_P256));
	for (int i = 0; i < 6000 && !keypool_ready(p, KEY_RSA_2048); i++)
		usleep(10000);
	key = keypool_take(p, KEY_RSA_2048);
	assert_non_null(key);
	assert_true(secret_key_type(key, &type) && type == KEY_RSA_2048);
	EVP_PKEY_free(key);
	keypool_free(p);
	keypool_free(NULL);
}

static EVP_PKEY *ready(void *arg, enum key_type type)
{
	EVP_PKEY **key = arg, *given = *key;

	*key = NULL;
	return given;
}

static void test_ready_key(void **state)
{
	struct secret_spec spec = {.name = "k", .kind = SECRET_PRIVATE_KEY};
	EVP_PKEY *key, *other;
	struct secret_env with = {
		.now = SECRET_SESSION_NOW, .ready_key = ready, .arg = &key};
	struct secret_set *set;
	struct blob der = {0};

	assert_int_equal(secret_key_make(KEY_P256, &key), 0);
	assert_int_equal(secret_key_pkcs8(key, &der), 0);
	assert_int_equal(secret_set_make(secret_session(&spec, 1), NULL, NULL,
				 &with, &set, NULL),
		0);
	assert_memory_equal(set->item[0].now.value.data, der.data, der.size);
	secret_set_free(set);
	/* Of another type than was asked for: not taken. */
	assert_int_equal(secret_key_make(KEY_ED25519, &key), 0);
	assert_int_equal(secret_set_make(secret_session(&spec, 1), NULL, NULL,
				 &with, &set, NULL),
		0);
	assert_int_equal(secret_pkey(&set->item[0], &other), 0);
	assert_true(EVP_PKEY_is_a(other, "EC"));
	secret_set_free(set);
	blob_fini(&der);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_ready_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
