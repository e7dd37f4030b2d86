/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/bytes.h"

#include <string.h>

#include "lib/string.h"
#include "test/unit/unit.h"

static void test_hex(void **state)
{
	uint8_t all[256], again[256];
	char text[2 * sizeof(all) + 2];

	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i;
	memset(text, '?', sizeof(text));
	bytes_to_hex(all, sizeof(all), text);
	assert_int_equal(strlen(text), 2 * sizeof(all));
	assert_int_equal(text[2 * sizeof(all) + 1], '?');
	assert_true(string_from_hex(text, again, sizeof(again)));
	assert_memory_equal(again, all, sizeof(all));
	bytes_to_hex("\x01\xaf\xF0", 3, text);
	assert_string_equal(text, "01aff0");
	bytes_to_hex(all, 0, text);
	assert_string_equal(text, "");
}

static void test_zero(void **state)
{
	uint8_t some[70] = {0};

	assert_true(bytes_zero(NULL, 0));
	assert_true(bytes_zero(some, sizeof(some)));
	for (size_t i = 0; i < sizeof(some); i++) {
		some[i] = 0x80;
		assert_false(bytes_zero(some, sizeof(some)));
		assert_true(bytes_zero(some, i));
		some[i] = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
