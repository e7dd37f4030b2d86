/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/list.h"

#include "test/unit/unit.h"

struct item {
	int value;
	struct list link;
};

/* The values in order as digits: 1, 2, 3 gives 123. */
static int digits(struct list *head)
{
	struct item *i;
	int v = 0, back = 0, scale = 1;
	struct list *l;

	list_for_each_entry (i, head, link)
		v = v * 10 + i->value;
	for (l = head->prev; l != head; l = l->prev, scale *= 10)
		back += scale * list_entry(l, struct item, link)->value;
	assert_int_equal(v, back);
	return v;
}

static void test_add_del(void **state)
{
	struct list head = LIST_INIT(head);
	struct item i[4] = {
		{.value = 1}, {.value = 2}, {.value = 3}, {.value = 4}};

	assert_true(list_is_empty(&head));
	assert_null(list_first(&head, struct item, link));
	list_add_tail(&head, &i[1].link);
	list_add(&head, &i[0].link);
	list_add_tail(&head, &i[2].link);
	assert_int_equal(digits(&head), 123);
	list_add_tail(&i[1].link, &i[3].link); /* before an element */
	assert_int_equal(digits(&head), 1423);
	assert_int_equal(list_count(&head), 4);
	assert_ptr_equal(list_first(&head, struct item, link), &i[0]);
	assert_ptr_equal(list_last(&head, struct item, link), &i[2]);
	list_del(&i[3].link);
	list_del(&i[3].link);
	assert_false(list_is_linked(&i[3].link));
	assert_true(list_is_linked(&i[1].link));
	assert_int_equal(digits(&head), 123);
}

static void test_safe_walk(void **state)
{
	struct list head = LIST_INIT(head);
	struct item i[5], *pos, *tmp;

	for (int k = 0; k < 5; k++) {
		i[k].value = k + 1;
		list_add_tail(&head, &i[k].link);
	}
	list_for_each_entry_safe (pos, tmp, &head, link) {
		if (pos->value % 2 == 0)
			list_del(&pos->link);
	}
	assert_int_equal(digits(&head), 135);
}

static void test_splice(void **state)
{
	struct list a = LIST_INIT(a), b = LIST_INIT(b);
	struct item i[4] = {
		{.value = 1}, {.value = 2}, {.value = 3}, {.value = 4}};

	list_splice_tail(&a, &b);
	assert_true(list_is_empty(&a));
	list_add_tail(&a, &i[0].link);
	list_add_tail(&a, &i[1].link);
	list_add_tail(&b, &i[2].link);
	list_add_tail(&b, &i[3].link);
	list_splice_tail(&a, &b);
	assert_int_equal(digits(&a), 1234);
	assert_true(list_is_empty(&b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add_del),
		cmocka_unit_test(test_safe_walk),
		cmocka_unit_test(test_splice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
