/* SPDX-License-Identifier: Apache-2.0 */
/* The freestanding functions under other names, compared with libc's. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void *(*const libc_memmove)(void *, const void *, size_t) = memmove;
static void *(*const libc_memset)(void *, int, size_t) = memset;
static int (*const libc_memcmp)(const void *, const void *, size_t) = memcmp;
static int (*const libc_strcmp)(const char *, const char *) = strcmp;
static int (*const libc_strncmp)(const char *, const char *, size_t) = strncmp;

#define STRING_FREESTANDING
#define memcpy my_memcpy
#define memmove my_memmove
#define memset my_memset
#define memcmp my_memcmp
#define memchr my_memchr
#define strlen my_strlen
#define strnlen my_strnlen
#define strcmp my_strcmp
#define strncmp my_strncmp
#define strchr my_strchr
#define strrchr my_strrchr
void *memcpy(void *restrict dst, const void *restrict src, size_t size);
void *memmove(void *dst, const void *src, size_t size);
void *memset(void *dst, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
void *memchr(const void *s, int byte, size_t size);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t max);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
#include "lib/string.c"

#include <errno.h>

#include "test/unit/unit.h"

enum { ROOM = 200 };

static int sign(int v)
{
	return (v > 0) - (v < 0);
}

static void fill(uint8_t *p)
{
	for (int i = 0; i < ROOM; i++)
		p[i] = (uint8_t)(i * 7 + 1);
}

static void test_copies(void **state)
{
	uint8_t a[ROOM], b[ROOM], src[ROOM];

	fill(src);
	for (size_t n = 0; n < 80; n++) {
		fill(a);
		fill(b);
		assert_ptr_equal(my_memcpy(a + 3, src + 50, n), a + 3);
		libc_memmove(b + 3, src + 50, n);
		assert_int_equal(libc_memcmp(a, b, ROOM), 0);
		my_memset(a + 1, 0x5a, n);
		libc_memset(b + 1, 0x5a, n);
		assert_int_equal(libc_memcmp(a, b, ROOM), 0);
		for (size_t d = 0; d < 40; d++) {
			fill(a);
			fill(b);
			my_memmove(a + d, a + 20, n);
			libc_memmove(b + d, b + 20, n);
			assert_int_equal(libc_memcmp(a, b, ROOM), 0);
		}
	}
}

static void test_compare(void **state)
{
	uint8_t a[40], b[40];

	libc_memset(a, 7, sizeof(a));
	libc_memset(b, 7, sizeof(b));
	assert_int_equal(my_memcmp(a, b, sizeof(a)), 0);
	for (size_t i = 0; i < sizeof(a); i++) {
		a[i] = 200; /* above 127: bytes compare unsigned */
		assert_int_equal(my_memcmp(a, b, sizeof(a)), 1);
		assert_int_equal(my_memcmp(b, a, sizeof(a)), -1);
		assert_int_equal(my_memcmp(a, b, i), 0);
		assert_ptr_equal(my_memchr(a, 200, sizeof(a)), a + i);
		assert_null(my_memchr(a, 200, i));
		assert_false(string_equal_const_time(a, b, sizeof(a)));
		a[i] = 7;
	}
	assert_true(string_equal_const_time(a, b, sizeof(a)));
}

static void test_strings(void **state)
{
	static const char *const s[] = {
		"", "a", "b", "ab", "abc", "abcd", "abd", "\xff", "a\xff"};

	for (size_t i = 0; i < ARRAY_SIZE(s); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(s); k++) {
			assert_int_equal(sign(my_strcmp(s[i], s[k])),
				sign(libc_strcmp(s[i], s[k])));
			for (size_t n = 0; n < 5; n++)
				assert_int_equal(
					sign(my_strncmp(s[i], s[k], n)),
					sign(libc_strncmp(s[i], s[k], n)));
		}
	}
	assert_int_equal(my_strlen("four"), 4);
	assert_int_equal(my_strnlen("four", 3), 3);
	assert_int_equal(my_strnlen("four", 9), 4);
	assert_string_equal(my_strchr("a/b/c", '/'), "/b/c");
	assert_string_equal(my_strrchr("a/b/c", '/'), "/c");
	assert_string_equal(my_strchr("abc", '\0'), "");
	assert_string_equal(my_strrchr("abc", '\0'), "");
	assert_null(my_strchr("abc", 'd'));
	assert_null(my_strrchr("abc", 'd'));
}

static void test_bounded(void **state)
{
	char buf[4] = "zzz";
	uint8_t secret[3] = {1, 2, 3}, zero[3] = {0};

	assert_int_equal(string_copy(buf, sizeof(buf), "abc"), 0);
	assert_string_equal(buf, "abc");
	assert_int_equal(string_copy(buf, sizeof(buf), "wxyz"), -E2BIG);
	assert_string_equal(buf, "wxy");
	assert_int_equal(string_copy(buf, 1, "x"), -E2BIG);
	assert_string_equal(buf, "");
	assert_true(string_has_prefix("--memory", "--"));
	assert_false(string_has_prefix("-", "--"));
	string_wipe(secret, sizeof(secret));
	assert_int_equal(libc_memcmp(secret, zero, 3), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
