/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "tools/oracle.h"

#include "kernel/insn.h"

#include <Zydis/Zydis.h>

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void show(struct oracle *o, const char *why, const char *file,
	uint64_t va, const uint8_t *p, size_t avail, size_t zydis, size_t ours)
{
	if (o->show == 0)
		return;
	o->show--;
	printf("%s %s %#lx: zydis %zu, ours %zu:", why, file, va, zydis, ours);
	for (size_t i = 0; i < 15 && i < avail; i++)
		printf(" %02x", p[i]);
	putchar('\n');
}

static int same_properties(
	const ZydisDecodedInstruction *z, const struct insn *own)
{
	uint8_t rip_pos = 0;
	int rel = 0;

	if ((z->attributes & ZYDIS_ATTRIB_IS_RELATIVE) && z->raw.modrm.offset &&
		z->raw.modrm.mod == 0 && z->raw.modrm.rm == 5)
		rip_pos = z->raw.disp.offset;
	rel = z->raw.imm[0].is_relative;
	if (rip_pos != own->rip_pos || rel != own->has_rel)
		return 0;
	if (rel && own->rel != (int32_t)z->raw.imm[0].value.s)
		return 0;
	if ((z->mnemonic == ZYDIS_MNEMONIC_SYSCALL) !=
			(own->kind == INSN_SYSCALL) ||
		(z->mnemonic == ZYDIS_MNEMONIC_CPUID) !=
			(own->kind == INSN_CPUID) ||
		(z->mnemonic == ZYDIS_MNEMONIC_RDTSC) !=
			(own->kind == INSN_RDTSC))
		return 0;
	if ((z->meta.category == ZYDIS_CATEGORY_CALL) !=
		(own->flow == INSN_CALL || own->flow == INSN_CALL_IND))
		return 0;
	if ((z->meta.category == ZYDIS_CATEGORY_UNCOND_BR &&
		    z->mnemonic != ZYDIS_MNEMONIC_XABORT) !=
		(own->flow == INSN_JMP || own->flow == INSN_JMP_IND))
		return 0;
	return 1;
}

static int knights_corner(const ZydisDecodedInstruction *z)
{
	return z->encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX ||
		z->meta.isa_ext == ZYDIS_ISA_EXT_KNC ||
		z->meta.isa_ext == ZYDIS_ISA_EXT_KNCE ||
		z->meta.isa_ext == ZYDIS_ISA_EXT_KNCV;
}

void oracle_compare(struct oracle *o, const char *name, const uint8_t *code,
	size_t size, uint64_t va)
{
	struct oracle_sum *sum = &o->sum;
	ZydisDecoder decoder;
	ZydisDecodedInstruction z;
	struct insn own;
	size_t i = 0, n;

	ZydisDecoderInit(
		&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	while (i < size) {
		const uint8_t *p = code + i;
		int good = ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(
			&decoder, NULL, p, size - i, &z));

		n = insn_decode(p, size - i, &own);
		/* What only Knights Corner had is undefined elsewhere. */
		if (good && knights_corner(&z))
			good = 0;
		if (!good) {
			sum->undecodable++;
			sum->lenient += n != 0;
			i++;
			continue;
		}
		sum->insns++;
		if (n == 0) {
			sum->missed++;
			show(o, "missed", name, va + i, p, size - i, z.length,
				0);
		} else if (n != z.length) {
			sum->length++;
			show(o, "length", name, va + i, p, size - i, z.length,
				n);
		} else if (!same_properties(&z, &own)) {
			sum->property++;
			show(o, "property", name, va + i, p, size - i, z.length,
				n);
		}
		i += z.length;
	}
	sum->bytes += size;
}

int oracle_finished(const struct oracle *o)
{
	return (o->byte_limit && o->sum.bytes >= o->byte_limit) ||
		(o->deadline && time(NULL) >= o->deadline);
}

static void scan_elf(
	struct oracle *o, const char *file, const uint8_t *map, size_t size)
{
	const Elf64_Ehdr *eh = (const void *)map;
	const Elf64_Shdr *sh;

	if (size < sizeof(*eh) || memcmp(map, ELFMAG, SELFMAG) ||
		eh->e_ident[EI_CLASS] != ELFCLASS64 ||
		eh->e_machine != EM_X86_64 || eh->e_shentsize != sizeof(*sh) ||
		eh->e_shoff > size ||
		eh->e_shnum > (size - eh->e_shoff) / sizeof(*sh))
		return;
	if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)
		return;
	o->sum.files++;
	sh = (const void *)(map + eh->e_shoff);
	for (int i = 0; i < eh->e_shnum && !oracle_finished(o); i++) {
		uint64_t take = sh[i].sh_size;

		if (!(sh[i].sh_flags & SHF_EXECINSTR) ||
			sh[i].sh_type != SHT_PROGBITS)
			continue;
		if (sh[i].sh_offset > size || take > size - sh[i].sh_offset)
			continue;
		if (o->byte_limit && take > o->byte_limit - o->sum.bytes)
			take = o->byte_limit - o->sum.bytes;
		oracle_compare(
			o, file, map + sh[i].sh_offset, take, sh[i].sh_addr);
	}
}

void oracle_scan_file(struct oracle *o, const char *file)
{
	struct stat st;
	void *map;
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 64) {
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd,
			0);
		if (map != MAP_FAILED) {
			scan_elf(o, file, map, (size_t)st.st_size);
			munmap(map, (size_t)st.st_size);
		}
	}
	close(fd);
}
