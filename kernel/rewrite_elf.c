/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file as the rewriter sees it: windows that read it in large pieces, and
 * what its headers say about code, unwind tables and symbols.
 *
 * Code is what section headers call executable, clipped to executable
 * PT_LOADs; a linker without separate-code puts .rodata into the same segment.
 * Without section headers the segments themselves are searched, but then only
 * unwind tables count as proof.
 */
#include "kernel/rewrite_int.h"

#include "lib/string.h"

#include <asm/errno.h>
#include <elf.h>

void *rewrite_alloc_bytes(struct builder *b, size_t size)
{
	void *p = b->src->alloc->alloc(b->src->alloc->ctx, size);

	if (!p && !b->err)
		b->err = -ENOMEM;
	return p;
}

void rewrite_free_bytes(struct builder *b, void *ptr, size_t size)
{
	if (ptr)
		b->src->alloc->free(b->src->alloc->ctx, ptr, size);
}

int rewrite_view_init(struct builder *b, struct view *v, size_t cap)
{
	v->have = 0;
	v->off = 0;
	v->cap = cap;
	v->buf = rewrite_alloc_bytes(b, cap);
	return v->buf ? 0 : -ENOMEM;
}

void rewrite_view_fini(struct builder *b, struct view *v)
{
	rewrite_free_bytes(b, v->buf, v->cap);
	v->buf = NULL;
}

static bool refill(struct builder *b, struct view *v, uint64_t off)
{
	uint64_t want = b->src->file_size - off;
	int64_t n;

	if (want > v->cap)
		want = v->cap;
	v->off = off;
	v->have = 0;
	while (v->have < want) {
		uint64_t rest = want - v->have;

		if (b->err || rest > b->read_budget)
			return false;
		n = b->src->read(b->src->ctx, off + v->have, v->buf + v->have,
			(size_t)rest);
		if (n < 0) {
			b->err = (int)n;
			return false;
		}
		if (n == 0 || (uint64_t)n > rest)
			return false;
		b->read_budget -= (uint64_t)n;
		v->have += (size_t)n;
	}
	return true;
}

const uint8_t *rewrite_view_at(
	struct builder *b, struct view *v, uint64_t off, size_t size)
{
	uint64_t end, start;

	if (!v->buf || size > v->cap || add_overflows(off, size, &end) ||
		end > b->src->file_size)
		return NULL;
	if (off >= b->src->mem_off && end - b->src->mem_off <= b->src->mem_size)
		return b->src->mem + (off - b->src->mem_off);
	if (off < v->off || end > v->off + v->have) {
		/* Some bytes in front, for callers that step back a little. */
		start = off & ~(uint64_t)0xfff;
		if (end - start > v->cap)
			start = off;
		if (!refill(b, v, start) && end > v->off + v->have)
			return NULL;
	}
	return v->buf + (off - v->off);
}

bool rewrite_work(struct builder *b, uint64_t n)
{
	if (n > b->work_budget) {
		b->work_budget = 0;
		return false;
	}
	b->work_budget -= n;
	return true;
}

bool rewrite_va_to_off(
	const struct builder *b, uint64_t va, uint64_t size, uint64_t *off)
{
	for (unsigned int i = 0; i < b->load_count; i++) {
		const struct load *l = &b->loads[i];

		if (va >= l->va && va - l->va <= l->size &&
			size <= l->size - (va - l->va)) {
			*off = l->off + (va - l->va);
			return true;
		}
	}
	return false;
}

/* Clip a file range to the file; false if nothing is left. */
static bool clip(const struct builder *b, uint64_t off, uint64_t *size)
{
	if (off >= b->src->file_size || *size == 0)
		return false;
	if (*size > b->src->file_size - off)
		*size = b->src->file_size - off;
	return true;
}

static void read_segment(struct builder *b, const uint8_t *ph)
{
	uint32_t type = get32(ph), flags = get32(ph + 4);
	uint64_t off = get64(ph + 8), va = get64(ph + 16);
	uint64_t filesz = get64(ph + 32), memsz = get64(ph + 40), end;
	struct rewrite_plan *plan = b->plan;

	if (type == PT_GNU_EH_FRAME && clip(b, off, &filesz))
		b->eh_hdr = (struct extent){off, filesz, va};
	/* Addresses stay far from the ends of the address space, so that sums
	 * of an address and a size in the file never wrap. */
	if (type != PT_LOAD || va >> 47 || add_overflows(va, memsz, &end) ||
		end >> 47 || filesz > memsz)
		return;
	if (plan->max_va == 0 || va < plan->min_va)
		plan->min_va = va;
	if (end > plan->max_va)
		plan->max_va = end;
	if (!clip(b, off, &filesz) || b->load_count == REWRITE_LOADS)
		return;
	b->loads[b->load_count++] = (struct load){
		va, filesz, off, (flags & PF_X) != 0};
}

/* Insert in order of address; regions that overlap others are dropped. */
static void add_region(
	struct builder *b, uint64_t va, uint64_t size, uint64_t off)
{
	unsigned int i, n = b->region_count;

	if (size < 2 || n == REWRITE_REGIONS)
		return;
	for (i = n; i > 0 && b->regions[i - 1].va > va; i--)
		;
	if (i > 0 && b->regions[i - 1].va + b->regions[i - 1].size > va)
		return;
	if (i < n && va + size > b->regions[i].va)
		return;
	memmove(&b->regions[i + 1], &b->regions[i],
		(n - i) * sizeof(b->regions[0]));
	b->regions[i] = (struct region){va, size, off};
	b->region_count++;
}

static void add_section(struct builder *b, const uint8_t *sh)
{
	uint64_t va = get64(sh + 16), off = get64(sh + 24);
	uint64_t size = get64(sh + 32);

	for (unsigned int i = 0; i < b->load_count; i++) {
		const struct load *l = &b->loads[i];
		uint64_t skip;

		if (!l->exec || va < l->va || va - l->va >= l->size)
			continue;
		skip = va - l->va;
		if (size > l->size - skip)
			size = l->size - skip;
		/* The file bytes that get mapped are the segment's. */
		if (off != l->off + skip)
			return;
		add_region(b, va, size, off);
		return;
	}
}

static bool name_is(struct builder *b, const struct extent *names,
	uint32_t index, const char *want)
{
	size_t len = strlen(want);
	const uint8_t *p;

	if (index >= names->size || names->size - index < len + 1)
		return false;
	p = rewrite_view_at(b, &b->frame_view, names->off + index, len + 1);
	return p && !memcmp(p, want, len + 1);
}

static void read_section(
	struct builder *b, const uint8_t *sh, const struct extent *names)
{
	uint32_t name = get32(sh), type = get32(sh + 4);
	uint64_t flags = get64(sh + 8);
	struct extent e = {get64(sh + 24), get64(sh + 32), get64(sh + 16)};
	bool in_file = type != SHT_NOBITS && clip(b, e.off, &e.size);

	if (!in_file)
		return;
	if ((type == SHT_DYNSYM || type == SHT_SYMTAB) &&
		get64(sh + 56) == sizeof(Elf64_Sym)) {
		if (type == SHT_DYNSYM)
			b->dynsym = e;
		else
			b->symtab = e;
	}
	/* Some linkers give .eh_frame a type of its own. */
	if ((type == SHT_PROGBITS || type == SHT_X86_64_UNWIND) &&
		name_is(b, names, name, ".eh_frame"))
		b->eh_frame = e;
	if (type != SHT_PROGBITS)
		return;
	if (flags & SHF_EXECINSTR) {
		add_section(b, sh);
		if (name_is(b, names, name, ".text"))
			b->text = e;
	} else if (name_is(b, names, name, ".gopclntab") ||
		name_is(b, names, name, ".data.rel.ro.gopclntab")) {
		b->pclntab = e;
	}
}

static void read_sections(struct builder *b, const uint8_t *eh)
{
	uint64_t shoff = get64(eh + 40), end;
	unsigned int shnum = get16(eh + 60), shstrndx = get16(eh + 62);
	struct extent names = {0, 0, 0};
	const uint8_t *sh;

	if (shnum == 0 || shnum > 4096 ||
		get16(eh + 58) != sizeof(Elf64_Shdr) ||
		add_overflows(shoff, shnum * sizeof(Elf64_Shdr), &end) ||
		end > b->src->file_size)
		return;
	sh = rewrite_view_at(b, &b->table_view,
		shoff + shstrndx * sizeof(Elf64_Shdr), sizeof(Elf64_Shdr));
	if (sh && shstrndx < shnum) {
		names.off = get64(sh + 24);
		names.size = get64(sh + 32);
		if (!clip(b, names.off, &names.size))
			names.size = 0;
	}
	b->sections = true;
	for (unsigned int i = 0; i < shnum; i++) {
		sh = rewrite_view_at(b, &b->table_view,
			shoff + i * sizeof(Elf64_Shdr), sizeof(Elf64_Shdr));
		if (!sh)
			return;
		read_section(b, sh, &names);
	}
}

int rewrite_elf_read(struct builder *b)
{
	uint8_t eh[sizeof(Elf64_Ehdr)];
	uint64_t phoff, end;
	unsigned int phnum;
	const uint8_t *p;

	p = rewrite_view_at(b, &b->table_view, 0, sizeof(eh));
	if (!p)
		return b->err ? b->err : -ENOEXEC;
	memcpy(eh, p, sizeof(eh));
	if (memcmp(eh, ELFMAG, SELFMAG) || eh[EI_CLASS] != ELFCLASS64 ||
		eh[EI_DATA] != ELFDATA2LSB || get16(eh + 18) != EM_X86_64 ||
		(get16(eh + 16) != ET_EXEC && get16(eh + 16) != ET_DYN) ||
		get16(eh + 54) != sizeof(Elf64_Phdr))
		return -ENOEXEC;
	phoff = get64(eh + 32);
	phnum = get16(eh + 56);
	if (phnum == 0 || phnum > 1024 ||
		add_overflows(phoff, phnum * sizeof(Elf64_Phdr), &end) ||
		end > b->src->file_size)
		return -ENOEXEC;
	for (unsigned int i = 0; i < phnum; i++) {
		p = rewrite_view_at(b, &b->table_view,
			phoff + i * sizeof(Elf64_Phdr), sizeof(Elf64_Phdr));
		if (!p)
			return b->err ? b->err : -ENOEXEC;
		read_segment(b, p);
	}
	read_sections(b, eh);
	for (unsigned int i = 0; !b->sections && i < b->load_count; i++)
		if (b->loads[i].exec)
			add_region(b, b->loads[i].va, b->loads[i].size,
				b->loads[i].off);
	return b->err;
}
