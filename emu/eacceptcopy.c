/* SPDX-License-Identifier: Apache-2.0 */
/* EACCEPTCOPY: a pending page becomes a copy of another, with the permissions
 * the enclave names (SDM vol. 3D, "EACCEPTCOPY"). Freestanding. */
#include <asm/unistd.h>

#include "emu/machine.h"
#include "emu/raw.h"

enum { RW = 3 };

/*
 * Fills a page that nobody may touch yet, without opening it: a thread that
 * saw zeros or half of the content would go on with them.
 */
static bool fill_closed(uint64_t addr, uint64_t source)
{
	return emu_memory >= 0 &&
		raw_syscall4(__NR_pwrite64, emu_memory, (long)source,
			SGX_PAGE_SIZE, (long)addr) == SGX_PAGE_SIZE;
}

static void protect(uint64_t addr, uint32_t prot)
{
	raw_syscall3(__NR_mprotect, (long)addr, SGX_PAGE_SIZE, (long)prot);
}

int emu_eacceptcopy(
	struct emu_thread *t, uint64_t *gpr, struct emu_fault *fault)
{
	const struct epcm *epcm = &t->enclave->epcm;
	uint64_t addr = gpr[GPR_RCX], source = gpr[GPR_RDX], flags;
	uint32_t entry, perm, next;
	epcm_word *word;
	bool open;

	if (addr % SGX_PAGE_SIZE || source % SGX_PAGE_SIZE ||
		!epcm_inside(epcm, addr) || !epcm_inside(epcm, source))
		return emu_fault_gp(fault);
	if (emu_secinfo(t, gpr[GPR_RBX], &flags, fault))
		return -1;
	perm = (uint32_t)(flags & SGX_SECINFO_RWX);
	if ((flags & ~SGX_SECINFO_RWX) != SGX_SECINFO_REG || (perm & RW) == 2)
		return emu_fault_gp(fault);
	if (emu_operand(t, source, 1, fault))
		return -1;

	word = epcm_at(epcm, addr);
	entry = *word;
	if (!(entry & EPCM_VALID) || (entry & EPCM_BLOCKED))
		return emu_fault_pf(t, addr, SGX_PFEC_W, fault);
	if ((entry & EPCM_MATCH) !=
		((uint32_t)SGX_SECINFO_REG | RW | EPCM_PENDING)) {
		gpr[GPR_RAX] = SGX_PAGE_ATTRIBUTES_MISMATCH;
		return 0;
	}
	open = (epcm_effective(epcm, entry) & RW) == RW;
	if (open || !fill_closed(addr, source)) {
		if (!open)
			protect(addr, RW);
		open = true;
		raw_copy((void *)(uintptr_t)addr,
			(const void *)(uintptr_t)source, SGX_PAGE_SIZE);
	}
	next = (entry & ~(EPCM_RWX | EPCM_PENDING)) | perm;
	if (!atomic_compare_exchange_strong(word, &entry, next)) {
		protect(addr, epcm_effective(epcm, entry));
		gpr[GPR_RAX] = SGX_PAGE_ATTRIBUTES_MISMATCH;
		return 0;
	}
	/* A closed one opens when it is touched. */
	if (open && epcm_effective(epcm, next) != RW)
		protect(addr, epcm_effective(epcm, next));
	gpr[GPR_RAX] = SGX_SUCCESS;
	return 0;
}
