/* SPDX-License-Identifier: Apache-2.0 */
/* See elf.h. */
#include "kernel/elf.h"

#include <elf.h>
#include <errno.h>

#include "abi/layout.h"
#include "lib/string.h"

enum { PHDR_BATCH = 16, MEM_READ = 1, MEM_WRITE = 2, MEM_EXEC = 4 };

static int bad(struct err *e, const char *seen, const char *wanted)
{
	return err_set(e, -ENOEXEC, "ELF file", seen, wanted, NULL);
}

static int bad_number(
	struct err *e, const char *what, uint64_t seen, const char *wanted)
{
	return err_setf(e, -ENOEXEC, "ELF file: %s 0x%lx; wanted %s", what,
		(unsigned long)seen, wanted);
}

/* All of [off, off + size) or an error. */
static int read_all(const struct elf_src *src, uint64_t off, void *buf,
	size_t size, struct err *e)
{
	int64_t n;

	if (!range_within(off, size, 0, src->size))
		return bad(e, "is truncated", "all of its headers");
	n = src->read(src->ctx, off, buf, size);
	if (n < 0)
		return (int)n;
	return (size_t)n == size ? 0
				 : bad(e, "is truncated", "all of its headers");
}

static int check_header(
	const Elf64_Ehdr *h, const struct elf_src *src, struct err *e)
{
	if (memcmp(h->e_ident, ELFMAG, SELFMAG))
		return bad(e, "has no ELF magic", NULL);
	if (h->e_ident[EI_CLASS] != ELFCLASS64)
		return bad_number(
			e, "class", h->e_ident[EI_CLASS], "2 (64 bit)");
	if (h->e_ident[EI_DATA] != ELFDATA2LSB)
		return bad_number(e, "byte order", h->e_ident[EI_DATA],
			"1 (little endian)");
	if (h->e_machine != EM_X86_64)
		return bad_number(e, "machine", h->e_machine, "0x3e (x86-64)");
	if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
		return bad_number(e, "type", h->e_type,
			"2 (program) or 3 (position independent)");
	if (h->e_phentsize != sizeof(Elf64_Phdr))
		return bad_number(
			e, "program header size", h->e_phentsize, "0x38");
	if (h->e_phnum == 0 || h->e_phnum > ELF_PHDRS_MAX)
		return bad_number(
			e, "program header count", h->e_phnum, "1 to 512");
	return 0;
}

static int add_load(struct elf_image *img, const Elf64_Phdr *p,
	const struct elf_src *src, struct err *e)
{
	struct elf_segment *s;
	uint64_t end;

	if (p->p_memsz == 0)
		return 0;
	if (p->p_filesz > p->p_memsz)
		return bad_number(e, "segment file size", p->p_filesz,
			"no more than its memory size");
	if (!range_within(p->p_offset, p->p_filesz, 0, src->size))
		return bad_number(e, "segment offset", p->p_offset,
			"a place inside of the file");
	if ((p->p_vaddr ^ p->p_offset) & PAGE_MASK)
		return bad_number(e, "segment address", p->p_vaddr,
			"the file offset modulo the page size");
	if (add_overflows(p->p_vaddr, p->p_memsz, &end) || end > USER_END)
		return bad_number(e, "segment end", end,
			"an address inside of the enclave");
	if (img->segment_count == ELF_SEGMENTS_MAX)
		return bad(e, "has too many segments", "at most 64");
	if (img->segment_count > 0) {
		const struct elf_segment *l =
			&img->segment[img->segment_count - 1];

		if (p->p_vaddr < l->va + l->memsz)
			return bad_number(e, "segment address", p->p_vaddr,
				"one behind the segment before");
	}
	if (p->p_align > PAGE_SIZE) {
		if (p->p_align & (p->p_align - 1))
			return bad_number(e, "segment alignment", p->p_align,
				"a power of two");
		/* Huge alignments are wishes, as in Linux. */
		if (p->p_align > img->align && p->p_align <= 1ul << 30)
			img->align = p->p_align;
	}
	s = &img->segment[img->segment_count++];
	*s = (struct elf_segment){
		.va = p->p_vaddr,
		.off = p->p_offset,
		.filesz = p->p_filesz,
		.memsz = p->p_memsz,
	};
	if (p->p_flags & PF_R)
		s->prot |= MEM_READ;
	if (p->p_flags & PF_W)
		s->prot |= MEM_WRITE;
	if (p->p_flags & PF_X)
		s->prot |= MEM_EXEC;
	return 0;
}

static int add_interp(struct elf_image *img, const Elf64_Phdr *p,
	const struct elf_src *src, struct err *e)
{
	int rc;

	if (img->interp[0])
		return bad(e, "names two interpreters", "one");
	if (p->p_filesz < 2 || p->p_filesz > ELF_INTERP_MAX)
		return bad_number(
			e, "interpreter name size", p->p_filesz, "2 to 256");
	rc = read_all(src, p->p_offset, img->interp, p->p_filesz, e);
	if (rc)
		return rc;
	if (img->interp[p->p_filesz - 1] || !img->interp[0])
		return bad(e, "has a bad interpreter name", "a string");
	return 0;
}

static int add_phdr(struct elf_image *img, const Elf64_Phdr *p,
	const struct elf_src *src, struct err *e)
{
	switch (p->p_type) {
	case PT_LOAD:
		return add_load(img, p, src, e);
	case PT_INTERP:
		return add_interp(img, p, src, e);
	case PT_GNU_STACK:
		img->exec_stack = p->p_flags & PF_X;
		return 0;
	default:
		return 0;
	}
}

/* What can be said only when all segments are known. */
static int finish(struct elf_image *img, const Elf64_Ehdr *h, struct err *e)
{
	const struct elf_segment *first, *last;
	uint64_t size = (uint64_t)h->e_phnum * sizeof(Elf64_Phdr);
	bool entry_ok = false;

	if (img->segment_count == 0)
		return bad(e, "has nothing to load", "a PT_LOAD segment");
	first = &img->segment[0];
	last = &img->segment[img->segment_count - 1];
	img->lo = align_down(first->va, PAGE_SIZE);
	img->hi = align_up(last->va + last->memsz, PAGE_SIZE);
	if (!img->pie && img->lo < USER_START)
		return bad_number(
			e, "load address", img->lo, "0x10000 or higher");
	if (img->hi - img->lo > USER_END - USER_START)
		return bad_number(e, "size in memory", img->hi - img->lo,
			"less than the enclave");
	for (unsigned i = 0; i < img->segment_count; i++) {
		const struct elf_segment *s = &img->segment[i];

		if (h->e_entry >= s->va && h->e_entry - s->va < s->memsz &&
			(s->prot & MEM_EXEC))
			entry_ok = true;
		if (img->phdr_va == 0 && h->e_phoff >= s->off &&
			range_within(h->e_phoff - s->off, size, 0, s->filesz))
			img->phdr_va = s->va + (h->e_phoff - s->off);
	}
	/* Shared libraries have no entry; who executes one gets SIGSEGV. */
	if (!entry_ok && !(img->pie && h->e_entry == 0))
		return bad_number(e, "entry point", h->e_entry,
			"an address in an executable segment");
	return 0;
}

int elf_read(const struct elf_src *src, struct elf_image *img, struct err *err)
{
	Elf64_Ehdr h = {0};
	Elf64_Phdr ph[PHDR_BATCH];
	int rc = read_all(src, 0, &h, sizeof(h), err);

	memset(img, 0, sizeof(*img));
	if (rc)
		return rc;
	rc = check_header(&h, src, err);
	if (rc)
		return rc;
	img->pie = h.e_type == ET_DYN;
	img->entry = h.e_entry;
	img->phnum = h.e_phnum;
	img->align = PAGE_SIZE;
	img->exec_stack = false;
	for (unsigned i = 0; i < h.e_phnum; i += PHDR_BATCH) {
		unsigned n = h.e_phnum - i;
		uint64_t off;

		if (n > PHDR_BATCH)
			n = PHDR_BATCH;
		if (add_overflows(h.e_phoff, i * sizeof(ph[0]), &off))
			return bad(err, "is truncated", "all of its headers");
		rc = read_all(src, off, ph, n * sizeof(ph[0]), err);
		for (unsigned k = 0; k < n && !rc; k++)
			rc = add_phdr(img, &ph[k], src, err);
		if (rc)
			return rc;
	}
	return finish(img, &h, err);
}
