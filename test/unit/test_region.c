/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the host may put the shared region: wholly above ELRANGE. Anything
 * else would have the kernel write requests over its own memory.
 */
#include "unit.h"

#include "abi/layout.h"
#include "abi/ring.h"
#include "kernel/klog.h"
#include "kernel/shared.h"
#include "kernel/uaccess.h"
#include "kernel/uio.h"

void panic(const char *fmt, ...)
{
	fail_msg("%s", fmt);
	for (;;)
		;
}
int user_read(void *dst, uint64_t src, size_t size)
{
	(void)dst, (void)src, (void)size;
	return -1;
}
int user_write(uint64_t dst, const void *src, size_t size)
{
	(void)dst, (void)src, (void)size;
	return -1;
}
int user_read_words(uint64_t dst, uint64_t src, size_t words)
{
	(void)dst, (void)src, (void)words;
	return -1;
}
int user_write_words(uint64_t dst, uint64_t src, size_t words)
{
	(void)dst, (void)src, (void)words;
	return -1;
}
void uio_skip(struct uio *u, size_t n)
{
	(void)u, (void)n;
}

static void test_region(void **state)
{
	static const struct {
		uint64_t addr, size;
	} bad[] = {
		{0, RING_REGION_MIN},
		{USER_START, RING_REGION_MIN},
		{KERNEL_BASE, RING_REGION_MIN},
		{TCS_BASE, RING_REGION_MIN},
		{HEAP_BASE, RING_REGION_MIN},
		/* across the end of ELRANGE, both ways */
		{ELRANGE_SIZE - PAGE_SIZE, RING_REGION_MIN},
		{ELRANGE_SIZE - RING_REGION_MIN, 2 * RING_REGION_MIN},
		/* round the end of the address space */
		{UINT64_MAX - PAGE_MASK, RING_REGION_MIN},
		{ELRANGE_SIZE, UINT64_MAX - PAGE_MASK},
		{ELRANGE_SIZE, 0 - ELRANGE_SIZE + USER_START},
		{0x7ffffff00000, RING_REGION_MIN},
		{1ul << 47, RING_REGION_MIN},
		{1ul << 63, RING_REGION_MIN},
		/* not aligned, too small */
		{ELRANGE_SIZE + 8, RING_REGION_MIN},
		{ELRANGE_SIZE, RING_REGION_MIN + 8},
		{ELRANGE_SIZE, RING_REGION_MIN - PAGE_SIZE},
		{ELRANGE_SIZE, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_not_equal(shared_init(bad[i].addr, bad[i].size), 0);
		assert_int_equal(shared_size(), 0);
	}
	assert_int_equal(shared_init(ELRANGE_SIZE, RING_REGION_MIN), 0);
	assert_int_equal(shared_size(), RING_REGION_MIN);
	/* It does not move. */
	assert_int_not_equal(
		shared_init(ELRANGE_SIZE + PAGE_SIZE, RING_REGION_MIN), 0);
	assert_int_equal(shared_init(ELRANGE_SIZE, 2 * RING_REGION_MIN), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_region)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
