/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access to user memory whose faults are resolved on another cpu than the one
 * where they came: the page fault sleeps, the thread moves.
 */
#include "unit.h"

#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi/layout.h"
#include "kernel/aspace.h"
#include "kernel/cpu.h"
#include "kernel/process.h"
#include "kernel/uaccess.h"

size_t uaccess_copy(void *dst, const void *src, size_t n);
size_t uaccess_copy_words(void *dst, const void *src, size_t n);
size_t uaccess_clear(void *dst, size_t n);
size_t uaccess_load32(const uint32_t *p, uint32_t *val);
size_t uaccess_cmpxchg32(
	uint32_t *p, uint32_t expect, uint32_t desired, uint32_t *seen);

static struct cpu cpus[2];
static int on;
static struct process proc;
static struct thread thread = {.proc = &proc};
static uint64_t faults[8], resolved[8];
static unsigned fault_count, resolved_count;

struct thread *current_thread(void)
{
	return &thread;
}

static void run_on(int cpu)
{
	on = cpu;
	syscall(SYS_arch_prctl, ARCH_SET_GS, &cpus[cpu]);
}

/* Faults as often as there are addresses in faults, then succeeds. */
static size_t fault_or(size_t left)
{
	if (!faults[fault_count])
		return 0;
	cpus[on].fault_addr = faults[fault_count++];
	return left;
}

size_t uaccess_copy(void *dst, const void *src, size_t n)
{
	(void)dst, (void)src;
	return fault_or(n);
}

size_t uaccess_copy_words(void *dst, const void *src, size_t n)
{
	(void)dst, (void)src;
	return fault_or(n);
}

size_t uaccess_clear(void *dst, size_t n)
{
	(void)dst;
	return fault_or(n);
}

size_t uaccess_load32(const uint32_t *p, uint32_t *val)
{
	(void)p, (void)val;
	return fault_or(4);
}

size_t uaccess_cmpxchg32(
	uint32_t *p, uint32_t expect, uint32_t desired, uint32_t *seen)
{
	(void)p, (void)expect, (void)desired, (void)seen;
	return fault_or(4);
}

/* Sleeps, and wakes up on the other cpu. */
int aspace_fault(struct aspace *as, uint64_t addr, bool write, bool exec)
{
	(void)as, (void)write, (void)exec;
	resolved[resolved_count++] = addr;
	run_on(!on);
	return 0;
}

static void begin(void)
{
	fault_count = resolved_count = 0;
	faults[0] = USER_START + 1;
	faults[1] = USER_START + 2;
	faults[2] = USER_START + 3;
	faults[3] = 0;
	cpus[0].self = &cpus[0];
	cpus[1].self = &cpus[1];
	cpus[0].fault_addr = cpus[1].fault_addr = 0;
	run_on(0);
}

static void check(int err)
{
	assert_int_equal(err, 0);
	assert_int_equal(resolved_count, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(resolved[i], USER_START + 1 + i);
}

static void test_moved(void **state)
{
	uint32_t word;
	char buf[16];

	(void)state;
	begin();
	check(user_read(buf, USER_START, sizeof(buf)));
	begin();
	check(user_write(USER_START, buf, sizeof(buf)));
	begin();
	check(user_clear(USER_START, sizeof(buf)));
	begin();
	check(user_read_words(0x1000000000, USER_START, 2));
	begin();
	check(user_load32(USER_START, &word));
	begin();
	check(user_cmpxchg32(USER_START, 0, 1, &word));
}

static void test_range(void **state)
{
	static const struct {
		uint64_t addr, size;
	} bad[] = {
		{0, 1},
		{USER_START - 1, 2},
		{USER_END, 1},
		{USER_END - 1, 2},
		{USER_START, UINT64_MAX},
		{UINT64_MAX, 2},
		{KERNEL_BASE, 8},
		{TCS_BASE, 8},
		{HEAP_BASE, 8},
		{ELRANGE_SIZE, 8},
		{0x7fffffffe000, 8},
		{0xffffffffff600000, 8},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		begin();
		assert_int_not_equal(user_check(bad[i].addr, bad[i].size), 0);
		assert_int_not_equal(
			user_read(&thread, bad[i].addr, bad[i].size), 0);
		assert_int_not_equal(
			user_write(bad[i].addr, &thread, bad[i].size), 0);
		assert_int_not_equal(user_clear(bad[i].addr, bad[i].size), 0);
		assert_int_equal(fault_count, 0);
	}
	assert_int_not_equal(
		user_read_words(ELRANGE_SIZE, USER_START, UINT64_MAX / 8 + 2),
		0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_moved),
		cmocka_unit_test(test_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
