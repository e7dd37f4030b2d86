/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's heap at its real addresses: random sizes with patterns, growth,
 * merging, a host that gives no memory, and misuse.
 */
#include "test/unit/unit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "abi/hostcall.h"
#include "abi/layout.h"
#include "kernel/enclu.h"
#include "kernel/hostcall.h"
#include "kernel/kalloc.h"
#include "kernel/klog.h"

enum { READY = 2 << 20, SLOTS = 600, ROUNDS = 300000 };

static uint64_t added = HEAP_BASE + READY; /* end of what the host added */
static uint64_t accepted = HEAP_BASE;
static bool refuse;
static unsigned grown;
static jmp_buf panicked;

uint64_t enclu_accept(uint64_t page, const struct sgx_secinfo *info)
{
	assert_int_equal(page, accepted);
	assert_true(page < added);
	assert_int_equal(info->flags,
		SGX_SECINFO_R | SGX_SECINFO_W | SGX_SECINFO_PENDING |
			SGX_SECINFO_REG);
	accepted += PAGE_SIZE;
	return 0;
}

int64_t hostcall_run(unsigned nr, const uint64_t *a)
{
	assert_int_equal(nr, HC_enclave_augment);
	assert_int_equal(a[0], added);
	if (refuse)
		return -ENOMEM;
	assert_ptr_equal(
		mmap((void *)a[0], a[1], PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
			0),
		(void *)a[0]);
	added += a[1];
	grown++;
	return 0;
}

void panic(const char *fmt, ...)
{
	longjmp(panicked, 1);
}

void panic_host(const char *fmt, ...)
{
	abort();
}

static uint64_t seed = 1234567;

static unsigned rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % n);
}

static struct {
	uint8_t *p;
	size_t size;
	bool pages;
	uint8_t mark;
} slot[SLOTS];

static void check_slot(unsigned i)
{
	for (size_t k = 0; k < slot[i].size; k += 61)
		assert_int_equal(slot[i].p[k], slot[i].mark);
	if (slot[i].size)
		assert_int_equal(slot[i].p[slot[i].size - 1], slot[i].mark);
}

static size_t any_size(void)
{
	switch (rnd(16)) {
	case 0:
		return rnd(200000);
	case 1:
	case 2:
		return rnd(9000);
	default:
		return rnd(400);
	}
}

static void fill(unsigned i)
{
	slot[i].mark = (uint8_t)rnd(255);
	memset(slot[i].p, slot[i].mark, slot[i].size);
}

static void test_random(void **state)
{
	size_t used, committed, start;

	kalloc_init(READY);
	kalloc_stats(&start, &committed);
	assert_int_equal(committed, READY);
	for (int round = 0; round < ROUNDS; round++) {
		unsigned i = rnd(SLOTS);

		if (!slot[i].p) {
			slot[i].pages = rnd(20) == 0;
			slot[i].size = slot[i].pages ? (1 + rnd(20)) * PAGE_SIZE
						     : any_size();
			slot[i].p = slot[i].pages
				? kpages_alloc(slot[i].size / PAGE_SIZE)
				: kmalloc(slot[i].size);
			assert_non_null(slot[i].p);
			assert_int_equal((uintptr_t)slot[i].p %
					(slot[i].pages ? PAGE_SIZE : 16),
				0);
			if (slot[i].pages)
				assert_int_equal(
					slot[i].p[rnd((unsigned)slot[i].size)],
					0);
			fill(i);
			continue;
		}
		check_slot(i);
		if (!slot[i].pages && rnd(4) == 0) {
			size_t old = slot[i].size, size = any_size();

			slot[i].p = krealloc(slot[i].p, size);
			assert_non_null(slot[i].p);
			slot[i].size = size < old ? size : old;
			check_slot(i);
			slot[i].size = size;
			fill(i);
			continue;
		}
		if (slot[i].pages)
			kpages_free(slot[i].p, slot[i].size / PAGE_SIZE);
		else
			kfree(slot[i].p);
		slot[i].p = NULL;
	}
	assert_true(grown > 0);
	assert_int_equal(accepted, added);
	for (unsigned i = 0; i < SLOTS; i++) {
		if (slot[i].pages)
			kpages_free(slot[i].p, slot[i].size / PAGE_SIZE);
		else
			kfree(slot[i].p);
	}
	/* All but one empty slab per class and new descriptors came back. */
	kalloc_stats(&used, &committed);
	assert_true(used <= start + 14 * 4 * PAGE_SIZE + 64 * 1024);
	/* ... and merged, but for the few slabs that are kept. */
	refuse = true;
	slot[0].p = kpages_alloc((committed - used) / 8 / PAGE_SIZE);
	assert_non_null(slot[0].p);
	kpages_free(slot[0].p, (committed - used) / 8 / PAGE_SIZE);
}

static void test_no_memory(void **state)
{
	size_t used, committed;

	refuse = true;
	kalloc_stats(&used, &committed);
	assert_null(kpages_alloc(committed / PAGE_SIZE));
	assert_null(kmalloc(committed));
	assert_null(kmalloc(SIZE_MAX));
	assert_null(kmalloc(SIZE_MAX - 4096));
	assert_null(kpages_alloc(SIZE_MAX >> 12));
	assert_null(kpages_alloc(0));
	refuse = false;
	assert_non_null(kmalloc(100));
}

static void test_misuse(void **state)
{
	char *p = kmalloc(10000);
	volatile bool stopped = false;

	kfree(NULL);
	kpages_free(NULL, 5);
	if (setjmp(panicked))
		stopped = true;
	else
		kfree(p + PAGE_SIZE);
	assert_true(stopped);
	stopped = false;
	if (setjmp(panicked))
		stopped = true;
	else
		kfree(slot);
	assert_true(stopped);
	kfree(p);
	stopped = false;
	if (setjmp(panicked))
		stopped = true;
	else
		kfree(p);
	assert_true(stopped);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_misuse),
	};

	if (mmap((void *)HEAP_BASE, READY, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		    0) != (void *)HEAP_BASE)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
