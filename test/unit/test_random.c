/* SPDX-License-Identifier: Apache-2.0 */
/* S-23: a processor whose RDRAND fails for a while, or for good. */
#include "test/unit/unit.h"

#include <setjmp.h>
#include <string.h>

#include "kernel/enclu.h"
#include "kernel/klog.h"
#include "kernel/random.h"

static unsigned asked, failures; /* how many tries fail before one succeeds */
static uint64_t next;
static jmp_buf stopped;

bool enclu_rdrand(uint64_t *v)
{
	asked++;
	*v = 0; /* what the instruction leaves when it fails */
	if (failures) {
		failures--;
		return false;
	}
	*v = next++;
	return true;
}

void panic(const char *fmt, ...)
{
	assert_string_equal(fmt, "the processor gives no random numbers");
	longjmp(stopped, 1);
}

static void test_retries(void **state)
{
	(void)state;
	next = 77;
	asked = 0;
	failures = 9;
	assert_int_equal(random_u64(), 77);
	assert_int_equal(asked, 10);
}

/* It stops, in bounded time, and gives nobody the zeros. */
static void test_gives_up(void **state)
{
	uint8_t buf[16];

	(void)state;
	memset(buf, 0x5a, sizeof(buf));
	asked = 0;
	failures = UINT32_MAX;
	if (!setjmp(stopped)) {
		random_fill(buf, sizeof(buf));
		fail();
	}
	assert_in_range(asked, 10, 1000);
	for (size_t i = 0; i < sizeof(buf); i++)
		assert_int_equal(buf[i], 0x5a);
	/* In the middle of a buffer, too. */
	failures = 0;
	random_fill(buf, 8);
	failures = UINT32_MAX;
	if (!setjmp(stopped)) {
		random_fill(buf + 8, 8);
		fail();
	}
	for (size_t i = 8; i < sizeof(buf); i++)
		assert_int_equal(buf[i], 0x5a);
}

static void test_fill(void **state)
{
	uint8_t buf[11];

	(void)state;
	failures = 0;
	next = 0x0807060504030201;
	memset(buf, 0, sizeof(buf));
	random_fill(buf, 10); /* 8 of the first, 2 of the second; not more */
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(buf[i], i + 1);
	assert_int_equal(buf[8], 2);
	assert_int_equal(buf[9], 2);
	assert_int_equal(buf[10], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_retries),
		cmocka_unit_test(test_gives_up),
		cmocka_unit_test(test_fill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
