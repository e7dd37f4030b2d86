/* SPDX-License-Identifier: Apache-2.0 */
/* See image.h. */
#include "attest/image.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/layout.h"
#include "abi/sgx.h"
#include "attest/measure.h"

static uint64_t secinfo_flags(uint32_t elf_flags)
{
	uint64_t flags = SGX_SECINFO_REG;

	if (elf_flags & PF_R)
		flags |= SGX_SECINFO_R;
	if (elf_flags & PF_W)
		flags |= SGX_SECINFO_W;
	if (elf_flags & PF_X)
		flags |= SGX_SECINFO_X;
	return flags;
}

static int segment(const uint8_t *elf, size_t size, const Elf64_Phdr *ph,
	image_visit visit, void *ctx, struct err *e)
{
	uint64_t pages = (ph->p_memsz + PAGE_MASK) & ~PAGE_MASK;
	uint8_t *mem;
	int err;

	if (ph->p_vaddr & PAGE_MASK || ph->p_vaddr < KERNEL_BASE ||
		ph->p_memsz > KERNEL_IMAGE_MAX ||
		ph->p_vaddr - KERNEL_BASE > KERNEL_IMAGE_MAX - pages ||
		ph->p_filesz > ph->p_memsz || ph->p_offset > size ||
		ph->p_filesz > size - ph->p_offset)
		return err_set(e, -ENOEXEC, "kernel image",
			"a segment outside of its place", NULL, NULL);
	mem = aligned_alloc(PAGE_SIZE, pages); /* as EADD takes it */
	if (!mem)
		return err_set(e, -ENOMEM, "kernel image", "out of memory",
			NULL, NULL);
	memcpy(mem, elf + ph->p_offset, ph->p_filesz);
	memset(mem + ph->p_filesz, 0, pages - ph->p_filesz);
	err = visit(ctx, ph->p_vaddr, mem, pages, secinfo_flags(ph->p_flags));
	free(mem);
	return err;
}

/* The one TCS that is part of the image; the kernel makes the others. */
static int first_tcs(uint64_t entry, image_visit visit, void *ctx)
{
	static const uint8_t zero[SLOT_IDLE_STACK_TOP - SLOT_IDLE_STACK];
	/* Between them are the guards, pages that there are none of. */
	static const struct {
		uint64_t start, end;
	} parts[] = {{SLOT_SSA, SLOT_EXC_GUARD},
		{SLOT_EXC_STACK, SLOT_EXC_STACK_TOP},
		{SLOT_IDLE_STACK, SLOT_IDLE_STACK_TOP}};
	/* Not on the stack: a TCS fills a page. */
	static struct sgx_tcs tcs;
	int err;

	tcs = (struct sgx_tcs){
		.ossa = TCS_BASE + SLOT_SSA,
		.nssa = TCS_NSSA,
		.oentry = entry,
		.ofsbase = TCS_BASE + SLOT_CPU,
		.ogsbase = TCS_BASE + SLOT_CPU,
		.fslimit = 0xfff,
		.gslimit = 0xfff,
	};
	err = visit(
		ctx, TCS_BASE + SLOT_TCS, &tcs, sizeof(tcs), SGX_SECINFO_TCS);

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && !err; i++)
		err = visit(ctx, TCS_BASE + parts[i].start, zero,
			parts[i].end - parts[i].start,
			SGX_SECINFO_REG | SGX_SECINFO_R | SGX_SECINFO_W);
	return err;
}

int image_pages(const void *elf, size_t size, image_visit visit, void *ctx,
	struct err *e)
{
	const uint8_t *bytes = elf;
	Elf64_Ehdr eh;
	int err;

	if (size < sizeof(eh))
		return err_set(e, -ENOEXEC, "kernel image", "truncated header",
			NULL, NULL);
	memcpy(&eh, bytes, sizeof(eh));
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) || eh.e_machine != EM_X86_64 ||
		eh.e_type != ET_EXEC || eh.e_phentsize != sizeof(Elf64_Phdr) ||
		eh.e_phoff > size ||
		eh.e_phnum > (size - eh.e_phoff) / sizeof(Elf64_Phdr))
		return err_set(e, -ENOEXEC, "kernel image", "a foreign file",
			"a static x86-64 ELF program", "rebuild Sconce");
	for (unsigned int i = 0; i < eh.e_phnum; i++) {
		Elf64_Phdr ph;

		memcpy(&ph, bytes + eh.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type != PT_LOAD || !ph.p_memsz)
			continue;
		err = segment(bytes, size, &ph, visit, ctx, e);
		if (err)
			return err;
	}
	return first_tcs(eh.e_entry, visit, ctx);
}

static int measure_run(
	void *ctx, uint64_t addr, const void *src, size_t size, uint64_t flags)
{
	const uint8_t *p = src;

	for (size_t done = 0; done < size; done += PAGE_SIZE) {
		int err = measure_page(ctx, addr + done, flags, p + done, 1);

		if (err)
			return err;
	}
	return 0;
}

int image_measure(
	const void *elf, size_t size, uint8_t mrenclave[32], struct err *e)
{
	struct measure *m = measure_new(IMAGE_SSA_FRAME_PAGES, ELRANGE_SIZE);
	int err;

	if (!m)
		return err_set(
			e, -ENOMEM, "measurement", "out of memory", NULL, NULL);
	err = image_pages(elf, size, measure_run, m, e);
	if (!err)
		err = measure_value(m, mrenclave);
	measure_free(m);
	return err;
}
