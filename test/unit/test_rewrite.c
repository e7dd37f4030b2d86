/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rewriter over real files of this machine: how many sites, by which
 * proof, and what must not be touched.
 */
#define _GNU_SOURCE
#include "kernel/rewrite.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { BOTH = 1 << REWRITE_SYSCALL | 1 << REWRITE_CPUID };

static void *take(void *ctx, size_t size)
{
	(void)ctx;
	return malloc(size);
}

static void give(void *ctx, void *ptr, size_t size)
{
	(void)ctx;
	(void)size;
	free(ptr);
}

static const struct rewrite_alloc heap = {NULL, take, give};

static int64_t read_file(void *ctx, uint64_t off, void *buf, size_t size)
{
	return pread(*(int *)ctx, buf, size, (off_t)off);
}

static struct rewrite_plan *plan_file(const char *path, uint32_t kinds)
{
	struct rewrite_plan *plan = NULL;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return NULL;
	assert_int_equal(fstat(fd, &st), 0);
	struct rewrite_src src = {
		&fd, read_file, (uint64_t)st.st_size, &heap, kinds};
	assert_int_equal(rewrite_plan_build(&src, &plan), 0);
	close(fd);
	return plan;
}

struct expectation {
	const char *path;
	uint32_t sites_min, sites_max; /* syscall */
	uint32_t left_max; /* unproven or without window */
};

/* Versions differ a little from machine to machine. */
static const struct expectation expectations[] = {
	{"/lib/x86_64-linux-gnu/libc.so.6", 450, 620, 0},
	{"/lib64/ld-linux-x86-64.so.2", 35, 60, 0},
	{"/lib/ld-musl-x86_64.so.1", 420, 560, 0},
	{"/bin/busybox", 230, 340, 0},
	{"/usr/bin/python3.11", 0, 0, 0},
	{"/usr/bin/redis-server", 0, 0, 0},
	{"/usr/lib/x86_64-linux-gnu/libcrypto.so.3", 0, 0, 40},
};

static void test_counts(void **state)
{
	size_t tried = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(expectations); i++) {
		const struct expectation *e = &expectations[i];
		struct rewrite_plan *plan = plan_file(
			e->path, 1 << REWRITE_SYSCALL);

		if (!plan)
			continue;
		tried++;
		if (plan->count < e->sites_min || plan->count > e->sites_max)
			fail_msg("%s: %zu sites", e->path, plan->count);
		if (plan->stats.unproven + plan->stats.no_window > e->left_max)
			fail_msg("%s: %u unproven, %u without window", e->path,
				plan->stats.unproven, plan->stats.no_window);
		rewrite_plan_free(plan);
	}
	assert_true(tried >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
