/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rewriter over real files of this machine (how many sites, by which
 * proof, what must not be touched) and over small files made here, one for
 * each rule.
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
		&fd, read_file, (uint64_t)st.st_size, &heap, kinds, NULL, 0, 0};
	assert_int_equal(rewrite_plan_build(&src, &plan), 0);
	close(fd);
	return plan;
}

/* A plan is the same whether code is read or in memory; and then the file's
 * are not looked at. */
static int64_t read_around(void *ctx, uint64_t off, void *buf, size_t size)
{
	const struct rewrite_src *src = *(const struct rewrite_src **)ctx;
	int64_t n = pread(*(int *)(((void **)ctx)[1]), buf, size, (off_t)off);

	for (int64_t i = 0; i < n; i++)
		if (off + (uint64_t)i - src->mem_off < src->mem_size)
			((uint8_t *)buf)[i] = 0xcc;
	return n;
}

static void test_code_in_memory(void **state)
{
	static const char path[] = "/lib/x86_64-linux-gnu/libc.so.6";
	struct rewrite_plan *want = plan_file(path, 3), *got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct rewrite_src src;
	void *ctx[2] = {&src, &fd};
	struct stat st;
	uint8_t *p;

	(void)state;
	if (fd < 0)
		skip();
	assert_int_equal(fstat(fd, &st), 0);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_true(p != MAP_FAILED);
	/* Code, and some of what is around it. */
	src = (struct rewrite_src){ctx, read_around, (uint64_t)st.st_size,
		&heap, 3, p + 0x3000, 0x3000, (uint64_t)st.st_size * 4 / 5};
	assert_int_equal(rewrite_plan_build(&src, &got), 0);
	assert_true(want->count > 400);
	assert_int_equal(got->count, want->count);
	for (size_t i = 0; i < want->count; i++)
		assert_memory_equal(&got->sites[i], &want->sites[i],
			sizeof(want->sites[0]));
	rewrite_plan_free(got);
	rewrite_plan_free(want);
	munmap(p, (size_t)st.st_size);
	close(fd);
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

/* ---- particular bytes of real files ---- */

struct mapping {
	uint8_t *p;
	size_t size;
};

static bool map_file(const char *path, struct mapping *m)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	assert_int_equal(fstat(fd, &st), 0);
	m->size = (size_t)st.st_size;
	m->p = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(m->p, MAP_FAILED);
	close(fd);
	return true;
}

/* Patch the private mapping of the whole file as loads would be, and return
 * how many windows were written. */
static uint32_t patch_mapping(
	const struct rewrite_plan *plan, const struct mapping *m)
{
	uint32_t patched = 0;

	for (size_t i = 0; i < plan->count; i++) {
		const struct rewrite_site *s = &plan->sites[i];
		uint64_t lo = s->va - s->pre;
		uint64_t hi = s->va + s->len + s->post;
		struct rewrite_applied a;

		assert_true(s->off + s->len + s->post <= m->size);
		a = rewrite_apply(
			plan, lo, hi, 0, m->p + s->off - s->pre, plan->max_va);
		assert_int_equal(a.changed, 0);
		patched += a.patched;
	}
	return patched;
}

/* OpenSSL keeps the P-256 table in .text; its bytes happen to contain
 * 0f 05, and a linear sweep takes it for an instruction. */
static void test_p256_table(void **state)
{
	static const char path[] = "/usr/lib/x86_64-linux-gnu/libcrypto.so.3";
	/* x of the generator in Montgomery form: the table's first entry. */
	static const uint8_t first[] = {
		0x3c, 0x14, 0xa9, 0x18, 0xd4, 0x30, 0xe7, 0x79};
	const size_t table_size = 37 * 64 * 64;
	struct rewrite_plan *plan = plan_file(path, BOTH);
	struct mapping m;
	uint8_t *table, *before;

	(void)state;
	if (!plan || !map_file(path, &m))
		skip();
	table = memmem(m.p, m.size, first, sizeof(first));
	assert_non_null(table);
	assert_true(table_size <= m.size - (size_t)(table - m.p));
	/* The trap is there, else this test proves nothing. */
	assert_non_null(memmem(table, table_size, "\x0f\x05", 2));
	before = malloc(table_size);
	memcpy(before, table, table_size);
	assert_true(patch_mapping(plan, &m) >= 1);
	assert_memory_equal(table, before, table_size);
	free(before);
	munmap(m.p, m.size);
	rewrite_plan_free(plan);
}

static const struct rewrite_site *site_at_offset(
	const struct rewrite_plan *plan, uint64_t off)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->sites[i].off == off)
			return &plan->sites[i];
	return NULL;
}

/* Every occurrence of code, whose syscall is its last two bytes, is a K1
 * site that displaces exactly what is in front. */
static void expect_k1(const char *path, const char *code, size_t size)
{
	struct rewrite_plan *plan = plan_file(path, 1 << REWRITE_SYSCALL);
	struct mapping m;
	const uint8_t *p;

	if (!plan || !map_file(path, &m))
		skip();
	p = memmem(m.p, m.size, code, size);
	assert_non_null(p);
	while (p) {
		uint64_t off = (uint64_t)(p - m.p) + size - 2;
		const struct rewrite_site *s = site_at_offset(plan, off);

		if (!s || s->form != REWRITE_K1 || s->pre != size - 2)
			fail_msg("offset %#lx: not a K1 site", off);
		p = memmem(p + size, m.size - off - 2, code, size);
	}
	munmap(m.p, m.size);
	rewrite_plan_free(plan);
}

/* Its FDE starts one byte early: decoding from there loses step. */
static void test_restore_rt(void **state)
{
	(void)state;
	expect_k1("/lib/x86_64-linux-gnu/libc.so.6",
		"\x48\xc7\xc0\x0f\0\0\0\x0f\x05", 9);
}

/* Its syscall lies behind the end of its FDE. */
static void test_clone3(void **state)
{
	(void)state;
	expect_k1("/lib/x86_64-linux-gnu/libc.so.6", "\xb8\xb3\x01\0\0\x0f\x05",
		7);
}

/* No unwind table, static functions without symbols. */
static void test_musl_gaps(void **state)
{
	struct rewrite_plan *plan = plan_file(
		"/lib/ld-musl-x86_64.so.1", 1 << REWRITE_SYSCALL);

	(void)state;
	if (!plan)
		skip();
	assert_int_equal(plan->stats.by_evidence[0], 0);
	assert_in_range(plan->stats.by_evidence[2], 300, 450);
	assert_in_range(plan->stats.by_evidence[3], 80, 180);
	rewrite_plan_free(plan);
}

/* Static programs have unwind records but no index of them. */
static void test_records_without_index(void **state)
{
	struct rewrite_plan *plan = plan_file(
		"/bin/busybox", 1 << REWRITE_SYSCALL);

	(void)state;
	if (!plan)
		skip();
	assert_true(plan->stats.by_evidence[0] > plan->count * 9 / 10);
	assert_int_equal(plan->stats.by_evidence[2], 0);
	rewrite_plan_free(plan);
}

static void go_build(const char *dir, const char *mode)
{
	char cmd[512], path[128];
	struct rewrite_plan *plan;

	snprintf(cmd, sizeof(cmd),
		"cd %s && HOME=%s GOCACHE=%s/cache GOFLAGS=-mod=mod "
		"GOTOOLCHAIN=local GO111MODULE=off go build %s -o hello "
		"main.go",
		dir, dir, dir, mode);
	assert_int_equal(system(cmd), 0);
	snprintf(path, sizeof(path), "%s/hello", dir);
	plan = plan_file(path, BOTH);
	assert_non_null(plan);
	assert_int_equal(plan->stats.by_evidence[1], plan->count);
	assert_int_equal(plan->stats.unproven + plan->stats.no_window, 0);
	assert_in_range(plan->count, 35, 70);
	rewrite_plan_free(plan);
}

static void test_go(void **state)
{
	char dir[] = "/tmp/rewrite-go-XXXXXX", cmd[128];
	FILE *f;

	(void)state;
	if (system("go version >/dev/null 2>&1"))
		skip();
	assert_non_null(mkdtemp(dir));
	snprintf(cmd, sizeof(cmd), "%s/main.go", dir);
	f = fopen(cmd, "w");
	assert_non_null(f);
	fputs("package main\nfunc main() { println(\"hi\") }\n", f);
	fclose(f);
	go_build(dir, "");
	go_build(dir, "-buildmode=pie");
	snprintf(cmd, sizeof(cmd), "chmod -R u+w %s; rm -rf %s", dir, dir);
	assert_int_equal(system(cmd), 0);
}

/* ---- files made here ---- */

enum { TEXT_AT = 0x1000, BASE = 0x400000, ELF_SIZE = 0x3000 };

struct made {
	uint8_t file[ELF_SIZE];
	size_t size;
	uint64_t text_size;
	size_t allocs, fail_at, live; /* allocator under test */
	int64_t read_error; /* returned for reads behind the headers */
};

static void put(uint8_t *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void section(struct made *m, unsigned int i, uint32_t type,
	uint64_t flags, uint64_t off, uint64_t size, uint64_t entsize)
{
	uint8_t *sh = m->file + 0x100 + 64 * i;

	put(sh + 4, type, 4);
	put(sh + 8, flags, 8);
	put(sh + 16, flags ? BASE + off : 0, 8);
	put(sh + 24, off, 8);
	put(sh + 32, size, 8);
	put(sh + 56, entsize, 8);
}

/* One executable segment over all; .text holds the code given. */
static void make(struct made *m, const char *code, size_t size, bool sections)
{
	uint8_t *e = m->file;

	memset(m, 0, sizeof(*m));
	m->size = ELF_SIZE;
	m->text_size = size;
	m->fail_at = SIZE_MAX;
	memcpy(e, "\177ELF\2\1\1", 7);
	put(e + 16, 3, 2); /* ET_DYN */
	put(e + 18, 62, 2); /* EM_X86_64 */
	put(e + 32, 64, 8); /* phoff */
	put(e + 54, 56, 2);
	put(e + 56, 1, 2); /* phnum */
	put(e + 64, 1, 4); /* PT_LOAD */
	put(e + 68, 5, 4); /* R+X */
	put(e + 64 + 16, BASE, 8);
	put(e + 64 + 32, ELF_SIZE, 8);
	put(e + 64 + 40, ELF_SIZE, 8);
	if (sections) {
		put(e + 40, 0x100, 8); /* shoff */
		put(e + 58, 64, 2);
		put(e + 60, 3, 2); /* shnum */
		section(m, 1, 1, 6, TEXT_AT, size, 0); /* .text, AX */
	}
	memcpy(e + TEXT_AT, code, size);
}

/* Function symbols in a .dynsym: section 2. */
static void symbol(struct made *m, unsigned int i, uint64_t at, uint64_t size)
{
	uint8_t *sym = m->file + 0x2000 + 24 * i;

	section(m, 2, 11, 0, 0x2000, 24 * (i + 1ul), 24);
	sym[4] = 0x12; /* GLOBAL FUNC */
	put(sym + 6, 1, 2);
	put(sym + 8, BASE + TEXT_AT + at, 8);
	put(sym + 16, size, 8);
}

static int64_t read_made(void *ctx, uint64_t off, void *buf, size_t size)
{
	struct made *m = ctx;

	if (m->read_error && off + size > TEXT_AT && off)
		return m->read_error;
	if (off >= m->size)
		return 0;
	if (size > m->size - off)
		size = m->size - off;
	/* In two pieces, as a host may. */
	if (size > 5000)
		size = 5000;
	memcpy(buf, m->file + off, size);
	return (int64_t)size;
}

static void *take_counted(void *ctx, size_t size)
{
	struct made *m = ctx;

	if (m->allocs++ >= m->fail_at)
		return NULL;
	m->live += size;
	return malloc(size);
}

static void give_counted(void *ctx, void *ptr, size_t size)
{
	((struct made *)ctx)->live -= size;
	free(ptr);
}

static int plan_made(struct made *m, struct rewrite_plan **plan)
{
	static struct rewrite_alloc alloc;
	struct rewrite_src src = {
		m, read_made, m->size, &alloc, BOTH, NULL, 0, 0};

	alloc = (struct rewrite_alloc){m, take_counted, give_counted};
	return rewrite_plan_build(&src, plan);
}

#define F_SYMBOL 1 /* one function over all of .text */
#define F_NO_SECTIONS 2
#define F_TWO 4 /* functions [0,16) and [16,size) */

static const struct {
	const char *what;
	const char *code;
	size_t size;
	int flags;
	int form; /* of the only site; -1: none */
	uint32_t refuted, unproven, no_window;
} cases[] = {
#define CASE(what, code, ...)                             \
	{                                                 \
		what, code, sizeof(code) - 1, __VA_ARGS__ \
	}
	CASE("function", "\xb8\1\0\0\0\x0f\x05\xc3", F_SYMBOL, REWRITE_K1, 0, 0,
		0),
	CASE("clean gap", "\xb8\1\0\0\0\x0f\x05\xc3", 0, REWRITE_K1, 0, 0, 0),
	CASE("no section headers, no unwind table", "\xb8\1\0\0\0\x0f\x05\xc3",
		F_NO_SECTIONS, -1, 0, 1, 0),
	CASE("gap with data, mov before", "\x06\x90\xb8\1\0\0\0\x0f\x05\xc3", 0,
		REWRITE_K1, 0, 0, 0),
	CASE("gap with data, mov of r8d before",
		"\x06\x41\xb8\1\0\0\0\x0f\x05\xc3", 0, -1, 0, 1, 0),
	CASE("gap with data, large number before",
		"\x06\x90\xb8\1\4\0\0\x0f\x05\xc3", 0, -1, 0, 1, 0),
	CASE("gap with data, compare behind",
		"\x06\x90\x90\x0f\x05\x48\x3d\1\xf0\xff\xff\xc3", 0,
		REWRITE_POST, 0, 0, 0),
	CASE("the same, jump to the compare",
		"\x06\xeb\2\x0f\x05\x48\x3d\1\xf0\xff\xff\xc3", 0, -1, 0, 1, 0),
	CASE("gap with data, nothing else", "\x06\x90\x90\x0f\x05\xc3\x90\x90",
		0, -1, 0, 1, 0),
	CASE("function with data before", "\x06\xb8\1\0\0\0\x0f\x05\xc3",
		F_SYMBOL, -1, 0, 1, 0),
	CASE("function with data behind", "\xb8\1\0\0\0\x0f\x05\xc3\x06\x06",
		F_SYMBOL, REWRITE_K1, 0, 0, 0),
	CASE("data behind: several instructions stay",
		"\x31\xff\x89\xd0\x90\x90\x0f\x05\xc3\x06\x06", F_SYMBOL, -1, 0,
		0, 1),
	CASE("inside an immediate", "\xb8\x0f\x05\0\0\xc3", F_SYMBOL, -1, 1, 0,
		0),
	CASE("several before", "\x31\xff\x48\x89\xd0\x0f\x05\xc3", F_SYMBOL,
		REWRITE_K2, 0, 0, 0),
	CASE("jump into several", "\x74\x02\x31\xff\x48\x89\xd0\x0f\x05\xc3",
		F_SYMBOL, REWRITE_P, 0, 0, 0),
	CASE("call before, nothing behind", "\xe8\0\0\0\0\x0f\x05", F_SYMBOL,
		-1, 0, 0, 1),
	CASE("call before, room behind", "\xe8\0\0\0\0\x0f\x05\x48\x89\xc7\xc3",
		F_SYMBOL, REWRITE_POST, 0, 0, 0),
	CASE("padding behind the return", "\xe8\0\0\0\0\x0f\x05\xc3\x90\x90",
		F_SYMBOL, REWRITE_POST, 0, 0, 0),
	CASE("rip-relative out of the image", "\x8b\x05\0\0\0\x70\x0f\x05\xc3",
		F_SYMBOL, -1, 0, 0, 1),
	CASE("jump from another function into a K2 window",
		"\x31\xff\x48\x89\xd0\x0f\x05\xc3\x90\x90\x90\x90\x90\x90\x90"
		"\x90\xe9\xed\xff\xff\xff",
		F_TWO, -1, 0, 0, 1),
	CASE("jump from another function to its start",
		"\x31\xff\x48\x89\xd0\x0f\x05\xc3\x90\x90\x90\x90\x90\x90\x90"
		"\x90\xe9\xeb\xff\xff\xff",
		F_TWO, REWRITE_K2, 0, 0, 0),
	CASE("prefixed", "\xb8\1\0\0\0\x48\x0f\x05\xc3", F_SYMBOL, -1, 1, 0, 0),
};

static void test_made_files(void **state)
{
	static struct made m;
	struct rewrite_plan *plan;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int form = -1;

		make(&m, cases[i].code, cases[i].size,
			!(cases[i].flags & F_NO_SECTIONS));
		if (cases[i].flags & F_SYMBOL)
			symbol(&m, 1, 0, cases[i].size);
		if (cases[i].flags & F_TWO) {
			symbol(&m, 1, 0, 16);
			symbol(&m, 2, 16, cases[i].size - 16);
		}
		assert_int_equal(plan_made(&m, &plan), 0);
		if (plan->count)
			form = plan->sites[0].form;
		if (form != cases[i].form || plan->count > 1 ||
			plan->stats.refuted != cases[i].refuted ||
			plan->stats.unproven != cases[i].unproven ||
			plan->stats.no_window != cases[i].no_window)
			fail_msg("%s: form %d, refuted %u unproven %u stuck %u",
				cases[i].what, form, plan->stats.refuted,
				plan->stats.unproven, plan->stats.no_window);
		rewrite_plan_free(plan);
		assert_int_equal(m.live, 0);
	}
}

/* Bytes that a linker put beside .text into the executable segment. */
static void test_rodata_in_text_segment(void **state)
{
	static struct made m;
	struct rewrite_plan *plan;

	(void)state;
	make(&m, "\xc3", 1, true);
	memcpy(m.file + 0x1800, "\xb8\1\0\0\0\x0f\x05\xc3", 8);
	assert_int_equal(plan_made(&m, &plan), 0);
	assert_int_equal(plan->stats.candidates, 0);
	rewrite_plan_free(plan);
}

static void test_failures(void **state)
{
	static struct made m;
	struct rewrite_plan *plan;
	size_t allocs;

	(void)state;
	make(&m, "\xb8\1\0\0\0\x0f\x05\xc3", 8, true);
	symbol(&m, 1, 0, 8);
	assert_int_equal(plan_made(&m, &plan), 0);
	rewrite_plan_free(plan);
	allocs = m.allocs;
	assert_true(allocs > 5);
	for (size_t i = 0; i < allocs; i++) {
		m.allocs = 0;
		m.fail_at = i;
		assert_int_equal(plan_made(&m, &plan), -12);
		assert_null(plan);
		assert_int_equal(m.live, 0);
	}
	m.fail_at = SIZE_MAX;
	m.read_error = -5;
	assert_int_equal(plan_made(&m, &plan), -5);
	assert_int_equal(m.live, 0);
	m.read_error = 0;
	/* Cut anywhere: an error or a plan, never more sites. */
	for (m.size = 0; m.size < ELF_SIZE; m.size += 7) {
		if (plan_made(&m, &plan) == 0) {
			assert_true(plan->count <= 1);
			rewrite_plan_free(plan);
		}
		assert_int_equal(m.live, 0);
	}
	m.size = ELF_SIZE;
	for (size_t i = 0; i < 20; i++) {
		if (i == 6 || (i >= 7 && i < 16))
			continue; /* version, OS ABI, padding */
		m.file[i] ^= 0x10;
		assert_int_equal(plan_made(&m, &plan), -8);
		m.file[i] ^= 0x10;
	}
}

static int64_t read_repeated(void *ctx, uint64_t off, void *buf, size_t size)
{
	static const uint8_t unit[9] = "\xb8\x27\0\0\0\x0f\x05\xc3\x90";
	const struct made *m = ctx;
	uint8_t *p = buf;

	for (size_t i = 0; i < size; i++, off++)
		p[i] = off < TEXT_AT ? m->file[off]
				     : unit[(off - TEXT_AT) % sizeof(unit)];
	return (int64_t)size;
}

/* A gap too large to decode, and more candidates than are kept: proof by the
 * bytes in front, the rest is left. */
static void test_huge_gap(void **state)
{
	static struct made m;
	const uint64_t text = 9 << 20;
	struct rewrite_src src = {
		&m, read_repeated, TEXT_AT + text, &heap, BOTH, NULL, 0, 0};
	struct rewrite_plan *plan;

	(void)state;
	make(&m, "", 0, true);
	section(&m, 1, 1, 6, TEXT_AT, text, 0);
	put(m.file + 64 + 32, TEXT_AT + text, 8);
	put(m.file + 64 + 40, TEXT_AT + text, 8);
	assert_int_equal(rewrite_plan_build(&src, &plan), 0);
	assert_int_equal(plan->stats.candidates, 65536);
	assert_int_equal(plan->stats.unproven, 1); /* nothing in front */
	assert_int_equal(plan->count, 65535);
	assert_int_equal(plan->sites[0].form, REWRITE_K1);
	assert_int_equal(plan->sites[65534].va, BASE + TEXT_AT + 65535 * 9 + 5);
	rewrite_plan_free(plan);
}

static void test_placement(void **state)
{
	static struct made m;
	struct rewrite_gs gs = {0, 8, 16, 24};
	struct rewrite_plan *plan;
	uint8_t buf[64];

	(void)state;
	make(&m, "\xb8\1\0\0\0\x0f\x05\xc3", 8, true);
	assert_int_equal(plan_made(&m, &plan), 0);
	assert_int_equal(plan->tramp_size, 24);
	assert_int_equal(rewrite_placement_check(plan, 0, 0x10000000), 0);
	assert_int_equal(rewrite_placement_check(plan, 0, 0x90000000), -34);
	assert_int_equal(
		rewrite_placement_check(plan, 0x90000000, 0x10000), -34);
	assert_int_equal(rewrite_placement_check(plan, 0, UINT64_MAX - 8), -34);
	assert_int_equal(
		rewrite_emit_trampolines(plan, 0, 0x10000000, &gs, buf, 23),
		-28);
	assert_int_equal(
		rewrite_emit_trampolines(plan, 0, 0x10000000, &gs, buf, 24), 0);
	assert_memory_equal(buf,
		"\xb8\1\0\0\0"
		"\x48\x8d\x0d\xfb\x0f\x40\xf0"
		"\x65\xff\x24\x25\0\0\0\0"
		"\xcc\xcc\xcc\xcc",
		24);
	rewrite_plan_free(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_code_in_memory),
		cmocka_unit_test(test_p256_table),
		cmocka_unit_test(test_restore_rt),
		cmocka_unit_test(test_clone3),
		cmocka_unit_test(test_musl_gaps),
		cmocka_unit_test(test_records_without_index),
		cmocka_unit_test(test_go),
		cmocka_unit_test(test_made_files),
		cmocka_unit_test(test_rodata_in_text_segment),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_huge_gap),
		cmocka_unit_test(test_placement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
