/* SPDX-License-Identifier: Apache-2.0 */
/* Variables in texts: what is replaced, what is refused, and what is text. */
#include "cas/subst.h"

#include <errno.h>
#include <string.h>

#include "test/unit/unit.h"

/* name "bin" has bytes that are not text; "inner" looks like a variable. */
static int lookup(void *arg, const char *name, const char *format,
	struct buf *out, struct err *e)
{
	(void)arg;
	if (strcmp(name, "missing") == 0)
		return err_setf(e, -ENOENT, "missing: no such secret");
	if (strcmp(name, "bin") == 0)
		buf_add(out, "\xff\x00\x01", 3);
	else if (strcmp(name, "inner") == 0)
		buf_text(out, "$$SCONE::a$$ @@1");
	else if (strcmp(name, "quote") == 0)
		buf_text(out, "a\"b\\c\n\x01\xc3\xa4");
	else
		buf_format(out, "<%s|%s>", name, format);
	return 0;
}

static const char *const host_items[] = {"one", "$$SCONE::a$$"};

static int run(const char *text, bool with_host, struct buf *out, struct err *e)
{
	struct text_list host = {(const char **)(uintptr_t)host_items, 2};

	*e = (struct err){0};
	return subst(text, lookup, NULL, with_host ? &host : NULL, out, e);
}

static void test_replaced(void **state)
{
	static const struct {
		const char *text, *want;
		bool host;
	} rows[] = {
		{"", "", false},
		{"plain $ $$ $SCONE:: @@ $$SCONE",
			"plain $ $$ $SCONE:: @@ "
			"$$SCONE",
			true},
		{"$$SCONE::a$$", "<a|>", false},
		{"x$$SCONE::a:hex$$y", "x<a|hex>y", false},
		{"$$SCONE::srv:crt$$$$SCONE::srv:chain:pem$$",
			"<srv|crt><srv|chain:pem>", false},
		{"$$$SCONE::a$$$", "$<a|>$", false},
		{"$$SCONE::self::software_identity$$",
			"<self::software_identity|>", false},
		{"{\"p\": \"$$SCONE::quote|escape(json)$$\"}",
			"{\"p\": \"a\\\"b\\\\c\\n\\u0001\xc3\xa4\"}", false},
		{"$$SCONE::a:pem|escape(json)$$", "<a|pem>", false},
		/* A value is never looked at again. */
		{"$$SCONE::inner$$", "$$SCONE::a$$ @@1", true},
		{"--id=@@1/@@2", "--id=one/$$SCONE::a$$", true},
		{"@@1", "@@1", false},
		{"root@@host", "root@@host", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct buf out = {0};
		struct err e;

		assert_int_equal(run(rows[i].text, rows[i].host, &out, &e), 0);
		assert_string_equal(
			out.data ? (char *)out.data : "", rows[i].want);
		buf_fini(&out);
	}
}

static void test_refused(void **state)
{
#define WANTED                                                               \
	"; wanted $$SCONE::NAME$$, $$SCONE::NAME:FORMAT$$ or the same with " \
	"|escape(json)"
	static const struct {
		const char *text, *want;
		int code;
	} rows[] = {
		{"a $$SCONE::b",
			"'$$SCONE::b': a variable that does not "
			"end" WANTED,
			-EINVAL},
		{"$$SCONE::b$",
			"'$$SCONE::b$': a variable that does not "
			"end" WANTED,
			-EINVAL},
		{"$$SCONE::$$",
			"'$$SCONE::$$': a variable without a "
			"name" WANTED,
			-EINVAL},
		{"$$SCONE::a:$$", "'$$SCONE::a:$$': an unknown format" WANTED,
			-EINVAL},
		{"$$SCONE::a b$$",
			"'$$SCONE::a b$$': a variable that does "
			"not end" WANTED,
			-EINVAL},
		{"$$SCONE::a|escape(xml)$$",
			"'$$SCONE::a|escape(xml)$$': an "
			"unknown function behind '|'" WANTED,
			-EINVAL},
		{"$$SCONE::missing$$", "missing: no such secret", -ENOENT},
		{"$$SCONE::bin|escape(json)$$",
			"bin: not text (UTF-8), so it "
			"cannot be escaped for JSON; add a format, as :base64",
			-EINVAL},
		{"@@3",
			"@@3: the host gave 2 arguments; start the service "
			"with all that its command wants",
			-EINVAL},
		{"@@0", "'@@0': arguments of the host are @@1 to @@4096",
			-EINVAL},
		{"@@01", "'@@01': arguments of the host are @@1 to @@4096",
			-EINVAL},
		{"@@99999999999",
			"'@@99999999999': arguments of the host are "
			"@@1 to @@4096",
			-EINVAL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct buf out = {0};
		struct err e;

		assert_int_equal(
			run(rows[i].text, true, &out, &e), rows[i].code);
		assert_string_equal(e.text, rows[i].want);
		buf_fini(&out);
	}
}

static void test_none_allowed(void **state)
{
	struct buf out = {0};
	struct err e = {0};

	assert_int_equal(
		subst("$$SCONE::a$$", NULL, NULL, NULL, &out, &e), -EINVAL);
	assert_string_equal(
		e.text, "$$SCONE::a$$: variables are not allowed here");
	buf_fini(&out);
}

static int count(void *arg, const char *name, const char *format)
{
	int *left = arg;

	return --*left == 0 ? -EPERM : 0;
}

static void test_each(void **state)
{
	int left = 9;

	assert_int_equal(subst_each("$$SCONE::a$$ $$ $$SCONE::b:hex$$", count,
				 &left, NULL),
		0);
	assert_int_equal(left, 7);
	left = 1;
	assert_int_equal(
		subst_each("$$SCONE::a$$$$SCONE::b", count, &left, NULL),
		-EPERM);
	left = 9;
	assert_int_equal(
		subst_each("$$SCONE::a$$$$SCONE::b", count, &left, NULL),
		-EINVAL);
}

static void test_is_variable(void **state)
{
	assert_true(subst_is_variable("$$SCONE::a:hex$$"));
	assert_false(subst_is_variable("$$SCONE::a$$ "));
	assert_false(subst_is_variable(" $$SCONE::a$$"));
	assert_false(subst_is_variable("$$SCONE::a$$$$SCONE::a$$"));
	assert_false(subst_is_variable("$$SCONE::a"));
	assert_false(subst_is_variable(""));
}

static void test_check_host(void **state)
{
	const char *fine[] = {"a@@1", "@@2@@10", "x@@y", "@@@3"};
	const char *twice[] = {"@@1", "@@2", "b @@1"};
	const char *zero[] = {"@@0"};
	struct err e = {0};

	assert_int_equal(subst_check_host(&(struct text_list){fine, 4}, &e), 0);
	assert_int_equal(
		subst_check_host(&(struct text_list){twice, 3}, &e), -EINVAL);
	assert_string_equal(e.text,
		"@@1 is there twice; an argument of the "
		"host goes to one place");
	assert_int_equal(
		subst_check_host(&(struct text_list){zero, 1}, &e), -EINVAL);
}

/* Many marks, none of which ends: refused at the first. */
static void test_hostile(void **state)
{
	static char text[1 << 20];
	struct buf out = {0};
	struct err e;

	for (size_t i = 0; i + 9 < sizeof(text); i += 8)
		memcpy(text + i, "$$SCONE::", 9);
	assert_int_equal(run(text, false, &out, &e), -EINVAL);
	memset(text, '$', sizeof(text) - 1);
	assert_int_equal(run(text, false, &out, &e), 0);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_none_allowed),
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_is_variable),
		cmocka_unit_test(test_check_host),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
