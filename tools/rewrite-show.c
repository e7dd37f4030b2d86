/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rewrite-show: what the rewriter would do to ELF files.
 *
 *   rewrite-show [-s] [-k KINDS] FILE...    -s lists the sites
 *
 * Prints counts as doc/rewriting.md has them, and the time to plan (minimum
 * of some runs, reads included).
 */
#define _GNU_SOURCE
#include "kernel/rewrite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

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

static unsigned int reads;

static int64_t read_at(void *ctx, uint64_t off, void *buf, size_t size)
{
	reads++;
	return pread(*(int *)ctx, buf, size, (off_t)off);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void list(const struct rewrite_plan *plan)
{
	static const char *const forms[] = {"K1", "K2", "P", "POST"};
	static const char *const kinds[] = {
		"syscall", "cpuid", "rdtsc", "rdtscp"};

	for (size_t i = 0; i < plan->count; i++) {
		const struct rewrite_site *s = &plan->sites[i];

		printf("  %#lx %s %s -%u +%u:", s->va, kinds[s->kind],
			forms[s->form], s->pre, s->post);
		for (int k = 0; k < s->pre + s->len + s->post; k++)
			printf(" %02x", s->orig[k]);
		putchar('\n');
	}
}

static int show(const char *file, bool sites, uint32_t kinds)
{
	static const struct rewrite_alloc alloc = {NULL, take, give};
	struct rewrite_plan *plan;
	double best = 1e9;
	struct stat st;
	int fd = open(file, O_RDONLY | O_CLOEXEC), err = 0;

	if (fd < 0 || fstat(fd, &st)) {
		perror(file);
		return 1;
	}
	for (int i = 0; i < 5; i++) {
		struct rewrite_src src = {&fd, read_at, (uint64_t)st.st_size,
			&alloc, kinds, NULL, 0, 0};
		double t = now();

		reads = 0;
		err = rewrite_plan_build(&src, &plan);
		t = now() - t;
		if (err)
			break;
		if (t < best)
			best = t;
		if (i < 4)
			rewrite_plan_free(plan);
	}
	close(fd);
	if (err) {
		printf("%s: %s\n", file, strerror(-err));
		return 1;
	}
	printf("%-40s text %.2f MB raw %u refuted %u unproven %u stuck %u | "
	       "fde %u go %u sym %u gap %u |",
		file, (double)plan->stats.text_size / 1e6,
		plan->stats.candidates, plan->stats.refuted,
		plan->stats.unproven, plan->stats.no_window,
		plan->stats.by_evidence[0], plan->stats.by_evidence[1],
		plan->stats.by_evidence[2], plan->stats.by_evidence[3]);
	for (int k = 0; k < REWRITE_KINDS; k++)
		if (kinds & 1u << k)
			printf(" %u/%u/%u/%u", plan->stats.by_form[k][0],
				plan->stats.by_form[k][1],
				plan->stats.by_form[k][2],
				plan->stats.by_form[k][3]);
	printf(" | tramp %u, decoded %.2f MB, %u reads, %.2f ms\n",
		plan->tramp_size, (double)plan->stats.decoded / 1e6, reads,
		best);
	if (sites)
		list(plan);
	rewrite_plan_free(plan);
	return 0;
}

int main(int argc, char **argv)
{
	uint32_t kinds = 1u << REWRITE_SYSCALL | 1u << REWRITE_CPUID;
	bool sites = false;
	int c, status = 0;

	while ((c = getopt(argc, argv, "sk:")) != -1) {
		if (c == 's')
			sites = true;
		else if (c == 'k')
			kinds = (uint32_t)strtoul(optarg, NULL, 0);
		else
			return 2;
	}
	for (; optind < argc; optind++)
		status |= show(argv[optind], sites, kinds);
	return status;
}
