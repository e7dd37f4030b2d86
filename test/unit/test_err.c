/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/err.h"

#include <errno.h>
#include <string.h>

#include "test/unit/unit.h"

static void test_set(void **state)
{
	struct err e = {0};

	assert_int_equal(
		err_set(&e, -ENOEXEC, "/bin/x", "machine 183", "62", "rebuild"),
		-ENOEXEC);
	assert_string_equal(e.text, "/bin/x: machine 183; wanted 62; rebuild");
	assert_int_equal(e.code, -ENOEXEC);
	err_set(&e, -EIO, "a", "b", NULL, NULL);
	assert_string_equal(e.text, "a: b");
	assert_int_equal(err_prefix(&e, "line %d", 3), -EIO);
	assert_string_equal(e.text, "line 3: a: b");
	assert_int_equal(err_set(NULL, -EIO, "a", "b", NULL, NULL), -EIO);
}

static void test_one_line(void **state)
{
	struct err e;
	char big[900];

	err_setf(&e, -EINVAL, "bad %s", "a\nb\x1b[0m");
	assert_string_equal(e.text, "bad a?b?[0m");
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_setf(&e, -EINVAL, "%s", big);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	err_prefix(&e, "%s", big);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
