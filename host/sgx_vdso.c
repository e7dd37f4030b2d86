/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks up a function in the vDSO, a small ELF file that the kernel maps. The
 * C library offers no way to it. Versions as in the symbol versioning of the
 * GNU tools (Linux Standard Base, "Symbol Versioning").
 */
#include "host/sgx_os.h"

#include <elf.h>
#include <string.h>

struct image {
	const uint8_t *base;
	size_t size;
	uint64_t bias; /* address of the image - its p_vaddr */
	const Elf64_Sym *symbols;
	const char *strings;
	size_t string_size, count;
	const Elf64_Half *versions; /* NULL: none */
	const Elf64_Verdef *definitions;
};

/* len bytes at the vDSO's own address of them, NULL if outside or not so
 * aligned. */
static const void *at(
	const struct image *i, uint64_t addr, size_t len, size_t align)
{
	uint64_t offset = addr - i->bias;

	if (offset > i->size || len > i->size - offset ||
		((uintptr_t)i->base + offset) % align)
		return NULL;
	return i->base + offset;
}

static const char *string(const struct image *i, uint32_t offset)
{
	if (offset >= i->string_size ||
		!memchr(i->strings + offset, 0, i->string_size - offset))
		return "";
	return i->strings + offset;
}

/* The dynamic segment, and what the first loaded byte is called. */
static const Elf64_Dyn *headers(struct image *i, size_t *count)
{
	const Elf64_Ehdr *eh = (const void *)i->base;
	const Elf64_Phdr *dynamic = NULL;
	bool loaded = false;

	if (i->size < sizeof(*eh) || memcmp(eh->e_ident, ELFMAG, SELFMAG) ||
		eh->e_ident[EI_CLASS] != ELFCLASS64 ||
		eh->e_phentsize != sizeof(Elf64_Phdr) ||
		eh->e_phoff > i->size || eh->e_phoff % 8 ||
		eh->e_phnum > (i->size - eh->e_phoff) / sizeof(Elf64_Phdr))
		return NULL;
	for (unsigned int n = 0; n < eh->e_phnum; n++) {
		const Elf64_Phdr *ph =
			(const void *)(i->base + eh->e_phoff + n * sizeof(*ph));

		if (ph->p_type == PT_LOAD && !loaded) {
			i->bias = ph->p_vaddr - ph->p_offset;
			loaded = true;
		} else if (ph->p_type == PT_DYNAMIC) {
			dynamic = ph;
		}
	}
	if (!loaded || !dynamic || dynamic->p_offset % 8 ||
		dynamic->p_offset > i->size ||
		dynamic->p_filesz > i->size - dynamic->p_offset)
		return NULL;
	*count = dynamic->p_filesz / sizeof(Elf64_Dyn);
	return (const void *)(i->base + dynamic->p_offset);
}

/* DT_HASH is there in every vDSO up to Linux 6.11; later only DT_GNU_HASH,
 * which does not say how many symbols there are. The section header does. */
static size_t symbol_count(const struct image *i, uint64_t symtab)
{
	const Elf64_Ehdr *eh = (const void *)i->base;

	if (eh->e_shentsize != sizeof(Elf64_Shdr) || eh->e_shoff % 8 ||
		eh->e_shoff > i->size ||
		eh->e_shnum > (i->size - eh->e_shoff) / sizeof(Elf64_Shdr))
		return 0;
	for (unsigned int n = 0; n < eh->e_shnum; n++) {
		const Elf64_Shdr *sh =
			(const void *)(i->base + eh->e_shoff + n * sizeof(*sh));

		if (sh->sh_type == SHT_DYNSYM && sh->sh_addr == symtab)
			return sh->sh_size / sizeof(Elf64_Sym);
	}
	return 0;
}

static bool tables(struct image *i)
{
	uint64_t symtab = 0, strtab = 0, versym = 0, verdef = 0, hash = 0;
	size_t count;
	const Elf64_Dyn *d = headers(i, &count);
	const Elf64_Word *words;

	if (!d)
		return false;
	for (size_t n = 0; n < count && d[n].d_tag != DT_NULL; n++) {
		uint64_t value = d[n].d_un.d_ptr;

		switch (d[n].d_tag) {
		case DT_SYMTAB:
			symtab = value;
			break;
		case DT_STRTAB:
			strtab = value;
			break;
		case DT_STRSZ:
			i->string_size = value;
			break;
		case DT_VERSYM:
			versym = value;
			break;
		case DT_VERDEF:
			verdef = value;
			break;
		case DT_HASH:
			hash = value;
			break;
		default:
			break;
		}
	}
	words = at(i, hash, 2 * sizeof(*words), _Alignof(Elf64_Word));
	i->count = hash && words ? words[1] : symbol_count(i, symtab);
	if (!symtab || i->count > i->size / sizeof(Elf64_Sym))
		return false;
	i->symbols = at(
		i, symtab, i->count * sizeof(Elf64_Sym), _Alignof(Elf64_Sym));
	i->strings = strtab ? at(i, strtab, i->string_size, 1) : NULL;
	if (versym && verdef) {
		i->versions = at(i, versym, i->count * sizeof(*i->versions),
			_Alignof(Elf64_Half));
		i->definitions = at(i, verdef, sizeof(*i->definitions),
			_Alignof(Elf64_Verdef));
	}
	return i->symbols && i->strings;
}

static bool has_version(
	const struct image *i, size_t symbol, const char *version)
{
	const Elf64_Verdef *def = i->definitions;
	Elf64_Half wanted;

	if (!i->versions || !def)
		return true;
	wanted = i->versions[symbol] & 0x7fff;
	/* The chain goes forward only, so it ends. */
	while (def) {
		const uint8_t *p = (const uint8_t *)def;
		uint64_t offset = (uint64_t)(p - i->base) + i->bias;

		if (!(def->vd_flags & VER_FLG_BASE) &&
			(def->vd_ndx & 0x7fff) == wanted && def->vd_cnt) {
			const Elf64_Verdaux *aux = at(i, offset + def->vd_aux,
				sizeof(*aux), _Alignof(Elf64_Verdaux));

			return aux &&
				!strcmp(string(i, aux->vda_name), version);
		}
		def = def->vd_next ? at(i, offset + def->vd_next, sizeof(*def),
					     _Alignof(Elf64_Verdef))
				   : NULL;
	}
	return false;
}

const void *sgx_vdso_find(
	const void *base, size_t size, const char *name, const char *version)
{
	struct image i = {.base = base, .size = size};

	if (!base || !tables(&i))
		return NULL;
	for (size_t n = 0; n < i.count; n++) {
		const Elf64_Sym *s = &i.symbols[n];

		if (s->st_shndx == SHN_UNDEF || !s->st_value ||
			ELF64_ST_TYPE(s->st_info) != STT_FUNC ||
			strcmp(string(&i, s->st_name), name) != 0 ||
			!has_version(&i, n, version))
			continue;
		return at(&i, s->st_value, 1, 1);
	}
	return NULL;
}
