/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ELF parser: programs of this machine, and one small program broken in
 * every way.
 */
#include "test/unit/unit.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/elf.h"

struct memory {
	const uint8_t *data;
	size_t size;
	int64_t fail; /* returned instead */
};

static int64_t read_memory(void *ctx, uint64_t off, void *buf, size_t size)
{
	const struct memory *m = ctx;

	if (m->fail)
		return m->fail;
	if (off >= m->size)
		return 0;
	if (size > m->size - off)
		size = m->size - off;
	memcpy(buf, m->data + off, size);
	return (int64_t)size;
}

static int64_t read_fd(void *ctx, uint64_t off, void *buf, size_t size)
{
	return pread(*(int *)ctx, buf, size, (off_t)off);
}

/* A program with interpreter, text and data. */
struct sample {
	Elf64_Ehdr h;
	Elf64_Phdr ph[4];
	char interp[16];
	uint8_t text[0x1000];
};

static void sample_init(struct sample *s)
{
	memset(s, 0, sizeof(*s));
	memcpy(s->h.e_ident, ELFMAG, SELFMAG);
	s->h.e_ident[EI_CLASS] = ELFCLASS64;
	s->h.e_ident[EI_DATA] = ELFDATA2LSB;
	s->h.e_ident[EI_VERSION] = EV_CURRENT;
	s->h.e_type = ET_EXEC;
	s->h.e_machine = EM_X86_64;
	s->h.e_version = EV_CURRENT;
	s->h.e_entry = 0x400200;
	s->h.e_phoff = offsetof(struct sample, ph);
	s->h.e_ehsize = sizeof(s->h);
	s->h.e_phentsize = sizeof(Elf64_Phdr);
	s->h.e_phnum = 4;
	strcpy(s->interp, "/lib/ld.so");
	s->ph[0] = (Elf64_Phdr){.p_type = PT_INTERP,
		.p_offset = offsetof(struct sample, interp),
		.p_filesz = sizeof("/lib/ld.so")};
	s->ph[1] = (Elf64_Phdr){.p_type = PT_LOAD,
		.p_flags = PF_R | PF_X,
		.p_vaddr = 0x400000,
		.p_filesz = sizeof(*s),
		.p_memsz = sizeof(*s),
		.p_align = 0x1000};
	s->ph[2] = (Elf64_Phdr){.p_type = PT_LOAD,
		.p_flags = PF_R | PF_W,
		.p_offset = 0x100,
		.p_vaddr = 0x402100,
		.p_filesz = 0x200,
		.p_memsz = 0x12345,
		.p_align = 0x1000};
	s->ph[3] = (Elf64_Phdr){.p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W};
}

static int parse(const struct sample *s, size_t size, struct elf_image *img,
	struct err *e)
{
	struct memory m = {(const uint8_t *)s, size, 0};
	struct elf_src src = {&m, read_memory, size};

	return elf_read(&src, img, e);
}

static void test_good(void **state)
{
	struct sample s;
	struct elf_image img;
	struct err e = {0};

	sample_init(&s);
	assert_int_equal(parse(&s, sizeof(s), &img, &e), 0);
	assert_false(img.pie);
	assert_int_equal(img.entry, 0x400200);
	assert_int_equal(img.lo, 0x400000);
	assert_int_equal(img.hi, 0x415000);
	assert_int_equal(img.phdr_va, 0x400000 + offsetof(struct sample, ph));
	assert_int_equal(img.phnum, 4);
	assert_int_equal(img.segment_count, 2);
	assert_int_equal(img.segment[0].prot, 5);
	assert_int_equal(img.segment[1].prot, 3);
	assert_string_equal(img.interp, "/lib/ld.so");
	assert_false(img.exec_stack);
}

/* Cut anywhere, it is refused, or all it needs is still there. */
static void test_truncated(void **state)
{
	struct sample s;
	struct elf_image img;

	sample_init(&s);
	for (size_t size = 0; size < sizeof(s); size++) {
		struct err e = {0};

		assert_int_equal(parse(&s, size, &img, &e), -ENOEXEC);
		assert_true(e.text[0] != '\0');
	}
}

enum field { F8, F16, F32, F64 };

#define H(field, kind, value, text)                                         \
	{                                                                   \
#field, offsetof(struct sample, h.field), kind, value, text \
	}
#define PH(n, field, kind, value, text)                                   \
	{                                                                 \
		"ph" #n " " #field, offsetof(struct sample, ph[n].field), \
			kind, value, text                                 \
	}

static const struct {
	const char *name;
	size_t at;
	enum field kind;
	uint64_t value;
	const char *text; /* part of the message; NULL: accepted */
} broken[] = {
	{"magic", 0, F8, 0, "magic"},
	{"class 32", EI_CLASS, F8, ELFCLASS32, "class 0x1"},
	{"big endian", EI_DATA, F8, ELFDATA2MSB, "byte order"},
	H(e_machine, F16, EM_AARCH64, "machine 0xb7; wanted 0x3e (x86-64)"),
	H(e_machine, F16, EM_386, "machine 0x3"),
	H(e_type, F16, ET_REL, "type 0x1"),
	H(e_type, F16, ET_CORE, "type 0x4"),
	H(e_phentsize, F16, 0, "header size"),
	H(e_phentsize, F16, 57, "header size"),
	H(e_phnum, F16, 0, "header count"),
	H(e_phnum, F16, 0xffff, "header count"),
	H(e_phoff, F64, UINT64_MAX, "truncated"),
	H(e_phoff, F64, UINT64_MAX - 100, "truncated"),
	H(e_phoff, F64, sizeof(struct sample) - 1, "truncated"),
	H(e_entry, F64, 0x402100, "entry point"),
	H(e_entry, F64, UINT64_MAX, "entry point"),
	H(e_entry, F64, 0, "entry point"),
	PH(0, p_filesz, F64, 0, "interpreter name size"),
	PH(0, p_filesz, F64, 1ul << 40, "interpreter name size"),
	PH(0, p_filesz, F64, 5, "bad interpreter name"),
	PH(0, p_offset, F64, UINT64_MAX, "truncated"),
	PH(1, p_offset, F64, 0x1000000, "offset"),
	PH(1, p_filesz, F64, UINT64_MAX, "file size"),
	PH(1, p_filesz, F64, sizeof(struct sample) + 1, "file size"),
	PH(1, p_memsz, F64, 0x10, "file size"),
	PH(1, p_memsz, F64, UINT64_MAX, "segment end"),
	PH(1, p_memsz, F64, 1ul << 46, "segment end"),
	PH(1, p_memsz, F64, 0x3000, "behind the segment before"),
	PH(1, p_vaddr, F64, 0x400001, "modulo the page size"),
	PH(1, p_vaddr, F64, 0, "load address"),
	PH(1, p_vaddr, F64, 0xf000, "load address"),
	PH(1, p_vaddr, F64, 0xffffffff80000000, "segment end"),
	PH(1, p_align, F64, 0x3000, "alignment"),
	PH(1, p_align, F64, 1ul << 40, NULL),
	PH(1, p_align, F64, 3, NULL),
	PH(2, p_vaddr, F64, 0x400100, "behind the segment before"),
	PH(2, p_vaddr, F64, 0x100, "behind the segment before"),
	PH(2, p_memsz, F64, 0, NULL),
	PH(2, p_memsz, F64, 70ul << 30, "segment end"),
	PH(2, p_type, F32, PT_INTERP, "two interpreters"),
	PH(1, p_type, F32, PT_NULL, "entry point"),
	PH(3, p_type, F32, 0x6fffffff, NULL),
};

static void test_broken(void **state)
{
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		static const size_t sizes[] = {1, 2, 4, 8};
		struct sample s;
		struct elf_image img;
		struct err e = {0};
		int rc;

		sample_init(&s);
		memcpy((uint8_t *)&s + broken[i].at, &broken[i].value,
			sizes[broken[i].kind]);
		rc = parse(&s, sizeof(s), &img, &e);
		if (!broken[i].text) {
			if (rc)
				fail_msg("%s: %s", broken[i].name, e.text);
			continue;
		}
		if (rc != -ENOEXEC || !strstr(e.text, broken[i].text))
			fail_msg("%s: %d, \"%s\"", broken[i].name, rc, e.text);
	}
}

static void test_nothing_to_load(void **state)
{
	struct sample s;
	struct elf_image img;
	struct err e = {0};

	sample_init(&s);
	s.ph[1].p_type = s.ph[2].p_type = PT_NULL;
	assert_int_equal(parse(&s, sizeof(s), &img, &e), -ENOEXEC);
	assert_non_null(strstr(e.text, "nothing to load"));
}

static void test_many_segments(void **state)
{
	enum { COUNT = ELF_SEGMENTS_MAX + 1 };
	struct {
		Elf64_Ehdr h;
		Elf64_Phdr ph[COUNT];
	} s;
	struct sample t;
	struct memory m = {(const uint8_t *)&s, sizeof(s), 0};
	struct elf_src src = {&m, read_memory, sizeof(s)};
	struct elf_image img;

	sample_init(&t);
	memset(&s, 0, sizeof(s));
	s.h = t.h;
	s.h.e_phoff = sizeof(s.h);
	s.h.e_entry = 0x400000;
	for (unsigned i = 0; i < COUNT; i++)
		s.ph[i] = (Elf64_Phdr){.p_type = PT_LOAD,
			.p_flags = PF_X,
			.p_vaddr = 0x400000 + i * 0x1000,
			.p_filesz = 1,
			.p_memsz = 1};
	s.h.e_phnum = COUNT - 1;
	assert_int_equal(elf_read(&src, &img, NULL), 0);
	assert_int_equal(img.segment_count, COUNT - 1);
	s.h.e_phnum = COUNT;
	assert_int_equal(elf_read(&src, &img, NULL), -ENOEXEC);
}

static void test_read_error(void **state)
{
	struct sample s;
	struct memory m = {(const uint8_t *)&s, sizeof(s), -EIO};
	struct elf_src src = {&m, read_memory, sizeof(s)};
	struct elf_image img;

	sample_init(&s);
	assert_int_equal(elf_read(&src, &img, NULL), -EIO);
	/* A file that became shorter since its size was asked. */
	m = (struct memory){(const uint8_t *)&s, 100, 0};
	assert_int_equal(elf_read(&src, &img, NULL), -ENOEXEC);
}

static void test_programs(void **state)
{
	static const char *const names[] = {"/bin/true", "/bin/bash",
		"/lib/x86_64-linux-gnu/libc.so.6",
		"/lib64/ld-linux-x86-64.so.2", "/bin/busybox",
		"/usr/bin/python3.11"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int fd = open(names[i], O_RDONLY);
		struct elf_image img;
		struct err e = {0};
		struct elf_src src = {&fd, read_fd, 0};
		struct stat st;

		if (fd < 0)
			continue;
		assert_int_equal(fstat(fd, &st), 0);
		src.size = (uint64_t)st.st_size;
		if (elf_read(&src, &img, &e))
			fail_msg("%s: %s", names[i], e.text);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_nothing_to_load),
		cmocka_unit_test(test_many_segments),
		cmocka_unit_test(test_read_error),
		cmocka_unit_test(test_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
