/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/types.h"

#include "test/unit/unit.h"

struct wire {
	uint8_t kind;
	uint32_t b;
	uint64_t c;
} packed_struct;
static_assert_size(struct wire, 13);
static_assert_offset(struct wire, c, 5);

static void test_arithmetic(void **state)
{
	uint64_t r;
	uint8_t small;

	assert_false(add_overflows(UINT64_MAX - 1, 1, &r));
	assert_true(r == UINT64_MAX);
	assert_true(add_overflows(UINT64_MAX, 1, &r));
	assert_true(sub_overflows((uint64_t)1, 2, &r));
	assert_true(mul_overflows((uint64_t)1 << 33, (uint64_t)1 << 31, &r));
	assert_true(add_overflows(200, 56, &small));
	assert_false(add_overflows(200, 55, &small));
	assert_true(align_up(4097, 4096) == 8192);
	assert_true(align_up(4096, 4096) == 4096);
	assert_true(align_down(8191, 4096) == 4096);
	assert_true(is_aligned(64, 8) && !is_aligned(65, 8));
}

static void test_range(void **state)
{
	static const struct {
		uint64_t start, size, lo, hi;
		bool within;
	} rows[] = {
		{10, 10, 10, 20, true},
		{10, 11, 10, 20, false},
		{9, 1, 10, 20, false},
		{20, 0, 10, 20, true},
		{21, 0, 10, 20, false},
		{15, UINT64_MAX, 10, 20, false},
		{UINT64_MAX, 2, 0, UINT64_MAX, false},
		{UINT64_MAX - 1, 1, 0, UINT64_MAX, true},
		{5, 0, 10, 2, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(range_within(rows[i].start, rows[i].size,
					 rows[i].lo, rows[i].hi),
			rows[i].within);
}

static void test_container(void **state)
{
	struct wire w;

	assert_ptr_equal(container_of(&w.b, struct wire, b), &w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arithmetic),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_container),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
