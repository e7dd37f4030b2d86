/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patched code is executed: each function of rewrite_forms.S runs as it is
 * and as a patched copy, from the same random state, and must leave the same
 * registers, flags, vector state and red zone. The program is its own subject:
 * the plan is made from /proc/self/exe.
 */
#define _GNU_SOURCE
#include "kernel/rewrite.h"

#include <asm/prctl.h>
#include <cpuid.h>
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R15 = 15 };

struct state {
	uint64_t reg[16];
	uint64_t flags;
	uint64_t pad[7];
	uint8_t red[128];
	_Alignas(64) uint8_t xsave[8192 - 320];
};
static_assert_offset(struct state, flags, 128);
static_assert_offset(struct state, red, 192);
static_assert_offset(struct state, xsave, 320);

void forms_run(const struct state *in, struct state *out, const void *fn);
extern const uint8_t forms_begin[], forms_end[], form_k1_site[];
extern const uint8_t forms_entry_syscall[], forms_entry_cpuid[];
extern const uint8_t __ehdr_start[];

/* What %gs points at; see rewrite_forms.S. */
static struct {
	const void *entry[2];
	uint64_t ret, syscalls, cpuids;
} table = {{forms_entry_syscall, forms_entry_cpuid}, 0, 0, 0};
static const struct rewrite_gs gs = {0, 8, 8, 8};

#define FORMS(row)                                                             \
	row(form_k1, SYSCALL, K1, 5, 0) row(                                   \
		form_k1_wide, SYSCALL, K1, 7, 0) row(form_k1_rip, SYSCALL, K1, \
		7, 0) row(form_k2, SYSCALL, K2, 8, 0) row(form_k2_rip,         \
		SYSCALL, K2, 10, 0) row(form_p, SYSCALL, P, 3, 0) row(form_p4, \
		SYSCALL, P, 4, 0) row(form_post, SYSCALL, POST, 0,             \
		3) row(form_post_rip, SYSCALL, POST, 0, 7) row(form_post_jcc,  \
		SYSCALL, POST, 0, 4) row(form_post_jcc_not, SYSCALL, POST, 0,  \
		4) row(form_post_jmp, SYSCALL, POST, 0, 3) row(form_post_ret,  \
		SYSCALL, POST, 0, 3) row(form_pre_post, SYSCALL, POST, 2, 1)   \
		row(form_cpuid_k1, CPUID, K1, 5, 0) row(form_cpuid_k2, CPUID,  \
			K2, 7, 0) row(form_cpuid_p, CPUID, P, 3, 0)            \
			row(form_cpuid_post, CPUID, POST, 0, 3)

#define DECLARE(name, ...) extern const uint8_t name[];
FORMS(DECLARE)

static const struct form {
	const char *name;
	const uint8_t *code;
	uint8_t kind, form, pre, post;
} forms[] = {
#define ROW(name, kind, form, pre, post) \
	{#name, name, REWRITE_##kind, REWRITE_##form, pre, post},
	FORMS(ROW)};

static struct rewrite_plan *plan;
static uint8_t *copy, *tramp; /* the patched forms, and their trampolines */
static uint64_t bias, size;

static void *take(void *ctx, size_t n)
{
	(void)ctx;
	return malloc(n);
}

static void give(void *ctx, void *ptr, size_t n)
{
	(void)ctx;
	(void)n;
	free(ptr);
}

static int64_t read_file(void *ctx, uint64_t off, void *buf, size_t n)
{
	return pread(*(int *)ctx, buf, n, (off_t)off);
}

static uint64_t link_va(const void *p)
{
	return (uint64_t)((const uint8_t *)p - __ehdr_start);
}

static uint64_t copy_of(const void *p)
{
	return (uint64_t)copy + (uint64_t)((const uint8_t *)p - forms_begin);
}

static int setup(void **state)
{
	static const struct rewrite_alloc heap = {NULL, take, give};
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat st;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	struct rewrite_src src = {&fd, read_file, (uint64_t)st.st_size, &heap,
		1 << REWRITE_SYSCALL | 1 << REWRITE_CPUID, NULL, 0, 0};
	assert_int_equal(rewrite_plan_build(&src, &plan), 0);
	close(fd);

	size = (uint64_t)(forms_end - forms_begin);
	copy = mmap(NULL, size + 65536, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(copy, MAP_FAILED);
	tramp = copy + size;
	assert_true(plan->tramp_size < 65536);
	memcpy(copy, forms_begin, size);
	bias = (uint64_t)copy - link_va(forms_begin);

	/* In pieces of 61 bytes: windows straddle their edges. */
	uint64_t lo = link_va(forms_begin);
	uint32_t patched = 0, changed = 0;
	for (uint64_t at = 0; at < size; at += 61) {
		uint64_t n = size - at < 61 ? size - at : 61;
		struct rewrite_applied a = rewrite_apply(plan, lo + at,
			lo + at + n, bias, copy + at, (uint64_t)tramp);

		patched += a.patched;
		changed += a.changed;
	}
	assert_int_equal(changed, 0);
	assert_true(patched > ARRAY_SIZE(forms)); /* some twice */
	assert_int_equal(rewrite_emit_trampolines(plan, bias, (uint64_t)tramp,
				 &gs, tramp, 65536),
		0);
	assert_int_equal(
		mprotect(copy, size + 65536, PROT_READ | PROT_EXEC), 0);
	assert_int_equal(syscall(SYS_arch_prctl, ARCH_SET_GS, &table), 0);
	return 0;
}

static uint64_t random64(void)
{
	static uint64_t x = 0x9e3779b97f4a7c15;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static void random_bytes(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)random64();
}

static void random_state(struct state *s)
{
	uint64_t have = 3;
	unsigned int a, b, c, d;

	memset(s, 0, sizeof(*s));
	for (int i = 0; i < 16; i++)
		s->reg[i] = random64();
	s->reg[RBP] = SYS_getpid;
	s->reg[R15] = 0;
	/* CF PF AF ZF SF DF OF, at random. */
	s->flags = 0x202 | (random64() & 0xcd5);
	s->xsave[0] = 0x7f; /* FCW */
	s->xsave[1] = 0x03;
	s->xsave[25] = 0x1f; /* MXCSR 0x1f80 */
	s->xsave[24] = 0x80;
	random_bytes(s->xsave + 160, 256);
	__asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	for (unsigned int i = 2; i < 8; i++) {
		if (!(a & 0xe7 & 1u << i))
			continue;
		__cpuid_count(0xd, i, a, b, c, d);
		assert_true(b + a <= sizeof(s->xsave));
		random_bytes(s->xsave + b, a);
		have |= 1u << i;
		__asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	}
	memcpy(s->xsave + 512, &have, 8);
}

/* The program's own view of a code address in the copy. */
static uint64_t original(uint64_t rip)
{
	rip = rewrite_canonical_rip(plan, bias, (uint64_t)tramp, rip);
	return rip - (uint64_t)copy + (uint64_t)forms_begin;
}

static void compare(const struct form *f, const struct state *native,
	const struct state *patched)
{
	for (int i = 0; i < 16; i++) {
		uint64_t want = native->reg[i], got = patched->reg[i];

		if (i == RSP)
			continue;
		/* A code address: rcx, and r14 where a form copies it; or the
		 * address of data that moved with the code. */
		if (want - (uint64_t)forms_begin < size)
			got = original(got);
		if (got != want)
			fail_msg("%s: register %d: %#lx, not %#lx", f->name, i,
				got, want);
	}
	if (native->flags != patched->flags)
		fail_msg("%s: flags %#lx, not %#lx", f->name, patched->flags,
			native->flags);
	if (memcmp(native->red, patched->red, sizeof(native->red)))
		fail_msg("%s: red zone", f->name);
	/* XMM and MXCSR, and all behind the legacy area. */
	if (memcmp(native->xsave + 24, patched->xsave + 24, 4) ||
		memcmp(native->xsave + 160, patched->xsave + 160, 256) ||
		memcmp(native->xsave + 512, patched->xsave + 512,
			sizeof(native->xsave) - 512))
		fail_msg("%s: vector state", f->name);
}

static void test_forms(void **state)
{
	static struct state in, native, patched;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		const struct form *f = &forms[i];
		uint64_t before = table.syscalls + table.cpuids;

		for (int round = 0; round < 200; round++) {
			random_state(&in);
			memset(&native, 0, sizeof(native));
			memset(&patched, 0, sizeof(patched));
			forms_run(&in, &native, f->code);
			forms_run(&in, &patched, (void *)copy_of(f->code));
			compare(f, &native, &patched);
		}
		/* They did go through the trampoline. */
		if (table.syscalls + table.cpuids != before + 200)
			fail_msg("%s: not patched", f->name);
	}
}

/* Alignment checking on: nothing on the way may access unaligned memory. */
static void test_alignment_check(void **state)
{
	static struct state in, native, patched;

	(void)state;
	random_state(&in);
	in.flags |= 1 << 18;
	forms_run(&in, &native, form_k1);
	forms_run(&in, &patched, (void *)copy_of(form_k1));
	assert_true(patched.flags & 1 << 18);
	compare(&forms[0], &native, &patched);
}

static const struct rewrite_site *site_of(const struct form *f)
{
	/* The first site behind the start of the function. */
	for (size_t i = 0; i < plan->count; i++)
		if (plan->sites[i].va >= link_va(f->code))
			return &plan->sites[i];
	fprintf(stderr, "%s: no site\n", f->name);
	abort();
}

static void test_windows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		const struct form *f = &forms[i];
		const struct rewrite_site *s = site_of(f);

		if (s->kind != f->kind || s->form != f->form ||
			s->pre != f->pre || s->post != f->post)
			fail_msg("%s: kind %u form %u -%u +%u", f->name,
				s->kind, s->form, s->pre, s->post);
	}
}

/* A jump straight to the instruction behind a K1 window finds it there. */
static void test_stray_jump(void **state)
{
	static struct state in, out;
	uint64_t before = table.syscalls;

	(void)state;
	random_state(&in);
	in.reg[RAX] = SYS_getpid;
	forms_run(&in, &out, (void *)copy_of(form_k1_site));
	assert_int_equal(out.reg[RAX], getpid());
	assert_int_equal(table.syscalls, before);
}

static void test_rip_maps(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		const struct rewrite_site *s = site_of(&forms[i]);
		uint64_t at = (uint64_t)tramp + s->tramp, site = s->va + bias;
		uint64_t lea = at + s->pre, rip;

		assert_true(rewrite_in_trampoline(plan, (uint64_t)tramp, at));
#define CANON(r) rewrite_canonical_rip(plan, bias, (uint64_t)tramp, r)
#define RESUME(r) rewrite_resume_rip(plan, bias, (uint64_t)tramp, r)
		assert_int_equal(CANON(at), site - s->pre);
		assert_int_equal(CANON(lea), site);
		assert_int_equal(CANON(lea + 7), site);
		assert_int_equal(CANON(site), site);
		/* Restart and displaced instructions: there and back. */
		assert_int_equal(RESUME(site), lea);
		for (unsigned int k = 0; k < s->pre; k++)
			assert_int_equal(CANON(RESUME(site - s->pre + k)),
				site - s->pre + k);
		rip = site + s->len;
		if (s->post) {
			assert_int_equal(RESUME(rip), lea + 15);
			assert_int_equal(CANON(lea + 15), rip);
			assert_int_equal(RESUME(rip + s->post), rip + s->post);
		} else {
			assert_int_equal(RESUME(rip), rip);
		}
		assert_ptr_equal(rewrite_find_site(plan, s->va), s);
		assert_ptr_equal(rewrite_find_site(plan, s->va - s->pre), s);
		assert_ptr_not_equal(
			rewrite_find_site(plan, s->va - s->pre - 1), s);
	}
	assert_false(rewrite_in_trampoline(
		plan, (uint64_t)tramp, (uint64_t)tramp + plan->tramp_size));
	assert_false(rewrite_in_trampoline(
		plan, (uint64_t)tramp, (uint64_t)tramp - 1));
}

/* Continue in the middle of a window, as rt_sigreturn may. */
static void test_resume(void **state)
{
	static struct state in, out;
	const struct rewrite_site *s = site_of(&forms[7]);
	uint64_t site = s->va + bias, before = table.syscalls;

	(void)state;
	assert_int_equal(s->form, REWRITE_POST);
	random_state(&in);
	in.reg[RAX] = SYS_getpid;
	forms_run(&in, &out,
		(void *)rewrite_resume_rip(plan, bias, (uint64_t)tramp, site));
	assert_int_equal(out.reg[RAX], getpid());
	assert_int_equal(table.syscalls, before + 1);
	random_state(&in);
	forms_run(&in, &out,
		(void *)rewrite_resume_rip(
			plan, bias, (uint64_t)tramp, site + 2));
	assert_int_equal(out.reg[14], in.reg[RCX]); /* mov %rcx,%r14 */
	assert_int_equal(table.syscalls, before + 1);
}

static void test_changed_bytes(void **state)
{
	const struct rewrite_site *s = site_of(&forms[0]);
	uint64_t lo = link_va(forms_begin), at = s->va - s->pre - lo;
	uint8_t *mem = malloc(size), *want = malloc(size);
	struct rewrite_applied a;

	(void)state;
	memcpy(mem, forms_begin, size);
	mem[at + 1] ^= 1; /* another system call number */
	memcpy(want, mem, size);
	a = rewrite_apply(plan, lo, lo + size, bias, mem, (uint64_t)tramp);
	assert_int_equal(a.changed, 1);
	assert_int_equal(a.patched, ARRAY_SIZE(forms) - 1);
	assert_memory_equal(mem, want, at + s->pre + s->len);
	free(mem);
	free(want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_alignment_check),
		cmocka_unit_test(test_stray_jump),
		cmocka_unit_test(test_rip_maps),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_changed_bytes),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
