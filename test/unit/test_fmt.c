/* SPDX-License-Identifier: Apache-2.0 */
/* libc's snprintf is the oracle for everything that both know. */
#include "lib/fmt.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "test/unit/unit.h"

#define same(...)                                                      \
	do {                                                           \
		char ours[128], libcs[128];                            \
		size_t n = fmt_print(ours, sizeof(ours), __VA_ARGS__); \
		int m = snprintf(libcs, sizeof(libcs), __VA_ARGS__);   \
		assert_string_equal(ours, libcs);                      \
		assert_int_equal(n, m);                                \
	} while (0)

static void test_numbers(void **state)
{
	same("%d %d %d", 0, INT_MIN, INT_MAX);
	same("%ld %lld", LONG_MIN, LLONG_MAX);
	same("%u %lu %llu", UINT_MAX, ULONG_MAX, 7ULL);
	same("%x %X %lx %llx", 0xabcu, 0xabcu, ULONG_MAX, 0x1234ULL);
	same("%o %04o", 0755, 7);
	same("%zu %zd", (size_t)123, (ssize_t)-5);
	same("[%5d] [%-5d] [%05d] [%05d]", 42, 42, 42, -42);
	same("%08x %016lx", 0xbeefu, 0xbeefUL);
	same("%*d|%-*d|", 6, 1, 6, 2);
	same("%hhu %hx", 255, 0xffff);
	same("%p", (void *)0x1234);
}

static void test_text(void **state)
{
	same("%s|%10s|%-10s|%.2s|%.*s", "abc", "abc", "abc", "abc", 1, "xyz");
	same("%c%c%%", 'o', 'k');
	same("plain");
	same("%s", "");
}

static void test_limits(void **state)
{
	char buf[8];
	const char *none = NULL, *odd = "%q %", *volatile hide = NULL;

	assert_int_equal(fmt_print(buf, sizeof(buf), "%s", "12345678"), 8);
	assert_string_equal(buf, "1234567");
	assert_int_equal(fmt_print(buf, 1, "xyz"), 3);
	assert_string_equal(buf, "");
	memset(buf, 'z', sizeof(buf));
	assert_int_equal(fmt_print(buf, 0, "xyz"), 3);
	assert_int_equal(buf[0], 'z');
	hide = none;
	fmt_print(buf, sizeof(buf), "%s", hide);
	assert_string_equal(buf, "(null)");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	fmt_print(buf, sizeof(buf), odd);
#pragma GCC diagnostic pop
	assert_string_equal(buf, "%q %");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
